//! Hierarchies over levels of all shapes.

use cm_core::algorithms::{lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem, Split};
use cm_core::ids::RankId;
use cm_core::schedule::{Schedule, ScheduleStats};
use cm_core::team::{Level, Team};

use crate::{MIB, is_share};

pub(crate) fn grid(groups: Vec<Vec<u32>>) -> Team {
    let n = groups.iter().map(Vec::len).sum::<usize>() as u32;
    let groups = groups
        .into_iter()
        .map(|g| g.into_iter().map(RankId).collect());
    let level = Level {
        name: "node".to_owned(),
        groups: groups.collect(),
    };
    Team::new(n, vec![level]).unwrap()
}

/// `n_groups` groups of `size` neighbors, of ranks that are `n_groups` apart, or of ranks in a
/// fixed disorder (multiplication by 7 modulo a count that 7 does not divide).
fn shapes(n_groups: u32, size: u32) -> Vec<Team> {
    let n = n_groups * size;
    let of = |rank: &dyn Fn(u32, u32) -> u32| {
        grid(
            (0..n_groups)
                .map(|x| (0..size).map(|l| rank(x, l)).collect())
                .collect(),
        )
    };
    let mut shapes = vec![of(&|x, l| x * size + l), of(&|x, l| l * n_groups + x)];
    if !n.is_multiple_of(7) {
        shapes.push(of(&|x, l| (x * size + l) * 7 % n));
    }
    shapes
}

/// Bytes that a rank sends to ranks of other groups, in units of S / n.
fn sent_outside(schedule: &Schedule, team: &Team, rank: RankId) -> u64 {
    let groups = &team.levels()[0].groups;
    let home = groups.iter().find(|group| group.contains(&rank)).unwrap();
    let outside = |t: &usize| schedule.src()[*t] == rank && !home.contains(&schedule.dst()[*t]);
    let chunks = (0..schedule.len())
        .filter(outside)
        .map(|t| schedule.chunks()[t].count);
    u64::from(chunks.sum::<u32>())
}

/// Units of S / n that cross groups per rank, with m = `size` ranks in each of N = `n_groups`.
fn expected_outside(collective: Collective, order: &str, n_groups: u32, size: u32) -> u64 {
    let hops = u64::from(n_groups - 1);
    let m = u64::from(size);
    match (collective, order) {
        // Inter all-reduce of S/m: 2(N-1)/N of it is 2(N-1) units; first: of S, 2(N-1) m units.
        (Collective::AllReduce, "intra_first") => 2 * hops,
        (Collective::AllReduce, _) => 2 * hops * m,
        // The order trap of 3.13: single blocks cross if inter is first (all-gather) or last
        // (reduce-scatter), whole groups' blocks otherwise.
        (Collective::AllGather, "inter_first") | (Collective::ReduceScatter, "intra_first") => hops,
        _ => hops * m,
    }
}

#[test]
fn hierarchies_of_all_shapes_verify_and_cross_groups_as_expected() {
    let algorithm = lookup("hierarchical").unwrap();
    for (n_groups, size) in [
        (1, 4),
        (4, 1),
        (2, 2),
        (2, 3),
        (3, 2),
        (3, 5),
        (4, 4),
        (5, 3),
        (8, 16),
    ] {
        for team in shapes(n_groups, size) {
            for &collective in algorithm.about().collectives {
                for order in ["intra_first", "inter_first"] {
                    let mut problem = Problem::new(collective, &team, Payload::Bytes(MIB));
                    problem.options =
                        Options::default().with("order", OptionValue::Text(order.to_owned()));
                    for split in [Split::Balanced, Split::Hccl, Split::Exact] {
                        problem.split = split;
                        schedule(algorithm, &problem).unwrap();
                    }
                    let schedule = schedule(algorithm, &problem).unwrap();
                    let stats = ScheduleStats::of(&schedule);
                    // 3.13: rings of m - 1 and N - 1 steps, twice for all-reduce; f S bytes each.
                    let n = problem.n_ranks();
                    let times = 1 + u32::from(collective == Collective::AllReduce);
                    assert_eq!(stats.n_steps, times * (size - 1 + n_groups - 1));
                    assert_eq!(stats.n_steps, algorithm.n_steps(&problem));
                    assert!(stats.n_transfers as u64 <= algorithm.n_transfers(&problem));
                    let outside = expected_outside(collective, order, n_groups, size);
                    for rank in team.ranks() {
                        let sent = stats.sent_by(rank);
                        assert!(is_share(sent, MIB, (u64::from(times * (n - 1)), n.into())));
                        assert_eq!(sent_outside(&schedule, &team, rank), outside);
                    }
                }
            }
        }
    }
}

#[test]
fn a_hierarchy_sends_one_strided_message_per_step() {
    // Neighbors in groups: all blocks of a place are size apart, so every rank sends one message
    // in each of its 2(m-1) + 2(N-1) steps; likewise for groups of ranks n_groups apart.
    let algorithm = lookup("hierarchical").unwrap();
    for team in shapes(3, 4).into_iter().take(2) {
        for &collective in algorithm.about().collectives {
            let problem = Problem::new(collective, &team, Payload::Bytes(MIB));
            let schedule = schedule(algorithm, &problem).unwrap();
            assert_eq!(schedule.len(), 12 * algorithm.n_steps(&problem) as usize);
        }
    }
}
