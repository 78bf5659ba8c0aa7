//! Hierarchies over levels of all shapes.

use cm_core::algorithms::{lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem, Split};
use cm_core::ids::RankId;
use cm_core::schedule::{Schedule, ScheduleStats};
use cm_core::team::{Level, Team};

use crate::{MIB, formulas, is_share, options, word};

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

/// Outer groups of inner groups, scattered by multiplication by 7 where that permutes.
fn two_levels(outer: u32, middle: u32, inner: u32) -> Team {
    let n = outer * middle * inner;
    let rank = |i: u32| RankId(if n.is_multiple_of(7) { i } else { i * 7 % n });
    let level = |name: &str, size: u32| Level {
        name: name.to_owned(),
        groups: (0..n / size)
            .map(|x| (x * size..(x + 1) * size).map(rank).collect())
            .collect(),
    };
    Team::new(
        n,
        vec![level("package", inner), level("node", middle * inner)],
    )
    .unwrap()
}

/// Steps of an algorithm on a team of its own, by the catalogue.
fn flat_steps(name: &str, collective: Collective, n: u32) -> u32 {
    let team = Team::flat(n);
    let problem = Problem::new(collective, &team, Payload::Bytes(1000));
    if n == 1 {
        0
    } else {
        formulas::steps(&problem, name, 1)
    }
}

#[test]
fn hierarchies_of_any_two_or_three_algorithms_verify() {
    let algorithm = lookup("hierarchical").unwrap();
    let (scatter, gather) = (Collective::ReduceScatter, Collective::AllGather);
    for (outer, middle, inner) in [(2, 2, 2), (3, 2, 4), (4, 3, 1), (2, 1, 5), (4, 4, 2)] {
        let team = two_levels(outer, middle, inner);
        for names in [
            ["direct", "ring", "nhr"],
            ["nhr", "nb", "direct"],
            ["halving_doubling", "direct", "bidirectional_ring"],
            ["ring", "nhr", "rabenseifner"],
            ["direct", "direct", "double_binary_tree"],
            ["nb", "ring", "one_shot"],
        ] {
            for &collective in algorithm.about().collectives {
                for order in ["intra_first", "inter_first"] {
                    let mut problem = Problem::new(collective, &team, Payload::Bytes(1000));
                    problem.options = options(&[
                        ("level", word("package+node")),
                        ("order", word(order)),
                        ("intra", word(names[0])),
                        ("middle", word(names[1])),
                        ("inter", word(names[2])),
                    ]);
                    if algorithm.supports(&problem).is_err() {
                        // The last of them sums vectors only, or the first cannot.
                        let is_partial =
                            ["rabenseifner", "double_binary_tree", "one_shot"].contains(&names[2]);
                        let is_last = collective == Collective::AllReduce && order == "intra_first";
                        let sums = names[0] == "direct" && order == "inter_first";
                        let direct_last = names[2] == "direct" && is_last;
                        assert!(
                            (is_partial && !is_last) || sums || direct_last,
                            "{names:?} {order}"
                        );
                        continue;
                    }
                    let schedule = schedule(algorithm, &problem).unwrap();
                    let stats = ScheduleStats::of(&schedule);
                    assert_eq!(stats.n_steps, algorithm.n_steps(&problem));
                    assert!(stats.n_transfers as u64 <= algorithm.n_transfers(&problem));
                    let extents = [inner, middle, outer];
                    let each = |collective| -> u32 {
                        (0..3)
                            .map(|i| flat_steps(names[i], collective, extents[i]))
                            .sum()
                    };
                    let expected = match collective {
                        Collective::AllReduce => {
                            let last = if order == "intra_first" { 2 } else { 0 };
                            let twice = (0..3).filter(|&i| i != last).map(|i| {
                                flat_steps(names[i], scatter, extents[i])
                                    + flat_steps(names[i], gather, extents[i])
                            });
                            twice.sum::<u32>()
                                + flat_steps(names[last], Collective::AllReduce, extents[last])
                        }
                        collective => each(collective),
                    };
                    assert_eq!(stats.n_steps, expected, "{names:?} {order}");
                }
            }
        }
    }
}

#[test]
fn pipelines_of_all_shapes_verify_and_cross_groups_once() {
    let algorithm = lookup("pipeline").unwrap();
    for (n_groups, size) in [(1, 4), (4, 1), (2, 2), (3, 5), (5, 3), (12, 2), (8, 16)] {
        for team in shapes(n_groups, size) {
            for &collective in algorithm.about().collectives {
                let problem = Problem::new(collective, &team, Payload::Bytes(MIB));
                let schedule = schedule(algorithm, &problem).unwrap();
                let stats = ScheduleStats::of(&schedule);
                let (n, times) = (
                    n_groups * size,
                    1 + u32::from(collective == Collective::AllReduce),
                );
                // 3.13: N steps; without peers the last of them has nothing to spread.
                assert_eq!(stats.n_steps, times * (n_groups - u32::from(size == 1)));
                assert_eq!(stats.n_steps, algorithm.n_steps(&problem));
                assert!(stats.n_transfers as u64 <= algorithm.n_transfers(&problem));
                for rank in team.ranks() {
                    // Every other block is passed on once, or spread to m - 1 peers: own and
                    // received (N - 1) to the next group, N to the peers.
                    let sent = n_groups - 1 + n_groups * (size - 1);
                    let share = (u64::from(times * sent), u64::from(n));
                    assert!(is_share(stats.sent_by(rank), MIB, share));
                    let outside = u64::from(times * (n_groups - 1));
                    assert_eq!(sent_outside(&schedule, &team, rank), outside);
                }
            }
        }
    }
}

#[test]
fn stripes_of_all_shapes_verify_and_nobody_sends_out_more_than_its_own() {
    let algorithm = lookup("double_binary_tree").unwrap();
    for (n_groups, size) in [(1, 4), (4, 1), (2, 2), (3, 5), (5, 3), (12, 2), (4, 16)] {
        for team in shapes(n_groups, size) {
            for root in [0, 1, n_groups * size / 2, n_groups * size - 1] {
                let mut problem = Problem::new(Collective::Broadcast, &team, Payload::Bytes(MIB));
                problem.root = RankId(root);
                let two = OptionValue::Int(2);
                problem.options = options(&[("level", word("node")), ("chunks", two)]);
                let broadcast = schedule(algorithm, &problem).unwrap();
                let stats = ScheduleStats::of(&broadcast);
                assert!(stats.n_steps <= algorithm.n_steps(&problem));
                // Everybody else gets all chunks, two of each half of each stripe, just once.
                let n_chunks = 4 * size;
                assert_eq!(broadcast.n_chunks(), u64::from(n_chunks));
                let n_transfers = (n_groups * size - 1) * n_chunks;
                assert_eq!(broadcast.len() as u32, n_transfers);
                assert_eq!(algorithm.n_transfers(&problem), n_transfers.into());
                for rank in team.ranks() {
                    let received = if rank.0 == root { 0 } else { MIB };
                    assert!(is_share(stats.received[rank.index()], received, (1, 1)));
                    // A stripe is 1/m of the vector: its rank has two children in one tree and none
                    // in the other, or one in each at the top.
                    assert!(
                        sent_outside(&broadcast, &team, rank) <= 4,
                        "rank {}",
                        rank.0
                    );
                }
                // Inside the root sends its neighbors the other stripes, four chunks each; its own
                // comes back to them from outside, if there is an outside.
                let by_root = (0..broadcast.len()).filter(|&t| broadcast.src()[t].0 == root);
                let inside = by_root.count() as u64 - sent_outside(&broadcast, &team, RankId(root));
                let own = if n_groups == 1 { 4 } else { 0 };
                let others = 4 * u64::from(size - 1);
                assert_eq!(inside, if size > 1 { others + own } else { 0 });
                // The sums are the transpose, and both one after the other.
                problem.collective = Collective::Reduce;
                let reduce = schedule(algorithm, &problem).unwrap();
                assert_eq!(reduce.len(), broadcast.len());
                if root == 0 {
                    problem.collective = Collective::AllReduce;
                    let both = schedule(algorithm, &problem).unwrap();
                    assert_eq!(both.len(), reduce.len() + broadcast.len());
                    assert_eq!(both.n_steps(), reduce.n_steps() + broadcast.n_steps());
                }
            }
        }
    }
}

#[test]
fn two_level_exchanges_of_all_shapes_verify() {
    let algorithm = lookup("two_level").unwrap();
    for (n_groups, size) in [(1, 4), (4, 1), (2, 2), (3, 5), (5, 3), (8, 6)] {
        let n = n_groups * size;
        let mut teams = shapes(n_groups, size);
        teams.push(Team::flat(n));
        for team in teams {
            for order in ["intra_first", "inter_first"] {
                let mut problem = Problem::new(Collective::AllToAll, &team, Payload::Bytes(MIB));
                problem.options = options(&[("order", word(order))]);
                if team.levels().is_empty() {
                    let rows = OptionValue::Int(n_groups.into());
                    problem.options = problem.options.with("rows", rows);
                }
                let uniform = schedule(algorithm, &problem).unwrap();
                let stats = ScheduleStats::of(&uniform);
                assert_eq!(stats.n_steps, size - 1 + n_groups - 1);
                assert_eq!(stats.n_steps, algorithm.n_steps(&problem));
                assert!(stats.n_transfers as u64 <= algorithm.n_transfers(&problem));
                for rank in team.ranks() {
                    // 3.12: (m-1)/m + (N-1)/N of S.
                    let blocks = (size - 1) * n_groups + (n_groups - 1) * size;
                    let share = (u64::from(blocks), u64::from(n));
                    assert!(is_share(stats.sent_by(rank), MIB, share));
                }
                let counts =
                    (0..n * n).map(|i| u64::from(if i % (n + 1) == 0 { 0 } else { i % 5 }));
                problem.payload = Payload::Counts(counts.collect());
                schedule(algorithm, &problem).unwrap();
            }
        }
    }
}

#[test]
fn unequal_groups_reduce_over_matching_ranges() {
    let algorithm = lookup("ahc").unwrap();
    for sizes in [
        vec![2, 3],
        vec![1, 4],
        vec![4, 4],
        vec![3, 1, 2],
        vec![6],
        vec![8, 7, 8, 8],
        vec![5, 3, 4, 2, 6],
    ] {
        let n: u32 = sizes.iter().sum();
        let rank = |i: u32| if n.is_multiple_of(7) { i } else { i * 7 % n };
        let mut next = 0;
        let groups = sizes.iter().map(|&size| {
            next += size;
            (next - size..next).map(rank).collect()
        });
        let team = grid(groups.collect());
        let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(MIB));
        for split in [Split::Balanced, Split::Hccl, Split::Exact] {
            problem.split = split;
            schedule(algorithm, &problem).unwrap();
        }
        let schedule = schedule(algorithm, &problem).unwrap();
        let stats = ScheduleStats::of(&schedule);
        assert!(stats.n_transfers as u64 <= algorithm.n_transfers(&problem));
        // 3.13: NHR in the largest group twice, and between G groups a ring for G <= 3, else NHR.
        let (count, largest) = (sizes.len() as u32, sizes.iter().copied().max().unwrap());
        let between = if count <= 3 {
            2 * (count - 1)
        } else {
            2 * formulas::log2_ceil(count)
        };
        assert_eq!(
            stats.n_steps,
            2 * formulas::log2_ceil(largest) + between,
            "{sizes:?}"
        );
        assert_eq!(stats.n_steps, algorithm.n_steps(&problem));
        // Rank j of a group of m sends 2 (m-1)/m S inside and 2 (G-1)/(G m) S between.
        for group in &team.levels()[0].groups {
            let (m, g) = (group.len() as u64, u64::from(count));
            for &rank in group {
                let share = (2 * (g * (m - 1) + g - 1), g * m);
                assert!(is_share(stats.sent_by(rank), MIB, share), "{sizes:?}");
            }
        }
    }
}
