//! What an algorithm promises to a search for the fastest: its floor is no higher than what its
//! schedules do, and its variants are schedules.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use cm_core::algorithms::{ALGORITHMS, Algorithm, Floor, lookup, schedule, variants};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem};
use cm_core::ids::RankId;
use cm_core::schedule::{Bytes, Schedule, ScheduleStats};
use cm_core::team::{Level, Team};

/// Even teams have two groups, so that hierarchies run on them too.
fn team(n: u32) -> Team {
    if !n.is_multiple_of(2) {
        return Team::flat(n);
    }
    let groups = [0..n / 2, n / 2..n].map(|group| group.map(RankId).collect());
    let level = Level {
        name: "node".to_owned(),
        groups: groups.to_vec(),
    };
    Team::new(n, vec![level]).unwrap()
}

/// The heaviest chain of data edges by the definition, where a transfer weighs `per_hop` and
/// `per_byte` for each of its bytes, in units of one over the number of chunks.
fn heaviest_chain(schedule: &Schedule, per_hop: u128, per_byte: u128) -> u128 {
    let n_chunks = u128::from(schedule.n_chunks());
    let mut weight: Vec<u128> = Vec::with_capacity(schedule.len());
    for (t, row) in schedule.depends_on().rows().enumerate() {
        let before = row.iter().map(|&other| weight[other as usize]).max();
        // Equal chunks: the denominator divides their number.
        let (numerator, denominator) = schedule.size_of(t);
        let bytes = numerator * n_chunks / u128::from(denominator);
        weight.push(before.unwrap_or(0) + per_hop * n_chunks + per_byte * bytes);
    }
    weight.into_iter().max().unwrap_or(0)
}

/// Whether there are transfers from each rank of the path to the next, each of which waits, maybe by
/// way of others, for the bytes of the one before, and carries its share of the bytes.
fn is_chain(schedule: &Schedule, floor: &Floor) -> bool {
    let path = &floor.path;
    // Of each transfer: whether the first i + 1 hops end with it or before it.
    let mut before: Vec<Vec<bool>> = Vec::with_capacity(schedule.len());
    for (t, row) in schedule.depends_on().rows().enumerate() {
        let mut reached = vec![false; path.len()];
        for &other in row {
            for (here, &there) in reached.iter_mut().zip(&before[other as usize]) {
                *here |= there;
            }
        }
        let (numerator, denominator) = schedule.size_of(t);
        let is_large = u128::from(floor.hop_bytes) * u128::from(denominator)
            <= numerator * u128::from(floor.hops);
        let ends = [schedule.src()[t], schedule.dst()[t]];
        for hop in (0..path.len() - 1).rev() {
            if is_large && path[hop..hop + 2] == ends && (hop == 0 || reached[hop - 1]) {
                reached[hop] = true;
            }
        }
        before.push(reached);
    }
    before.iter().any(|reached| reached[path.len() - 2])
}

fn check_floor(algorithm: &dyn Algorithm, problem: &Problem) {
    let schedule = schedule(algorithm, problem).unwrap();
    let floor = algorithm.floor(problem);
    let (name, n) = (algorithm.name(), problem.n_ranks());
    let options = &problem.options;
    let what = format!(
        "{name} {} n={n} {options:?}: {floor:?}",
        problem.collective.name()
    );
    // One and the same chain has the hops and carries their bytes, whatever counts for more.
    for (per_hop, per_byte) in [(1, 0), (0, 1), (1000, 1), (1 << 20, 1), (1, 1)] {
        let promised = u128::from(floor.hops) * per_hop + u128::from(floor.hop_bytes) * per_byte;
        let heaviest = heaviest_chain(&schedule, per_hop, per_byte);
        assert!(
            promised * u128::from(schedule.n_chunks()) <= heaviest,
            "{what}"
        );
    }
    if !floor.path.is_empty() {
        assert!(floor.path.len() > 1, "{what}");
        assert!(is_chain(&schedule, &floor), "{what}");
    }
    let stats = ScheduleStats::of(&schedule);
    let reached =
        |bytes: &Bytes| u128::from(floor.bytes) * u128::from(bytes.denominator) <= bytes.numerator;
    let mut each = stats.sent.iter().chain(&stats.received);
    assert!(
        floor.bytes == 0 || each.any(reached),
        "{what}: {:?}",
        stats.sent
    );
}

#[test]
fn no_schedule_does_less_than_the_floor_of_its_algorithm() {
    for algorithm in ALGORITHMS {
        for &collective in algorithm.about().collectives {
            for n in 2..=20 {
                let team = team(n);
                for size in [1, 1000, 3 << 20] {
                    let payload = match collective {
                        Collective::Barrier => Payload::None,
                        _ => Payload::Bytes(size),
                    };
                    let mut problem = Problem::new(collective, &team, payload);
                    if problem.check().is_err() || algorithm.supports(&problem).is_err() {
                        continue;
                    }
                    for options in variants(*algorithm, &problem) {
                        problem.options = options;
                        check_floor(*algorithm, &problem);
                    }
                }
            }
        }
    }
}

#[test]
fn variants_are_all_combinations_with_the_default_first() {
    let team = team(8);
    let ring = lookup("hierarchical").unwrap();
    let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(8));
    let order = |word: &str| Options::default().with("order", OptionValue::Text(word.to_owned()));
    let found = variants(ring, &problem);
    assert_eq!(found[0], Options::default());
    assert!(found.contains(&order("inter_first")));
    // What the caller has chosen stays chosen.
    problem.options = order("intra_first");
    let fixed = variants(ring, &problem);
    assert!(
        fixed
            .iter()
            .all(|each| each.text("order") == Some("intra_first"))
    );
    assert!(fixed.len() < found.len());
    // What no schedule can be made of is left out: on a flat team there is no hierarchy.
    let flat = Team::flat(8);
    let problem = Problem::new(Collective::AllReduce, &flat, Payload::Bytes(8));
    assert!(variants(ring, &problem).is_empty());
}
