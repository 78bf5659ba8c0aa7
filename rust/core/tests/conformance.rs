//! Every algorithm on every collective and many team sizes: verified, and as long and as heavy as
//! the catalogue's formulas say.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use cm_core::algorithms::{ALGORITHMS, Algorithm, lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem, Split};
use cm_core::ids::RankId;
use cm_core::schedule::{Bytes, Schedule, ScheduleStats};
use cm_core::team::{Level, Team};

const MIB: u64 = 1 << 20;

fn team_sizes() -> impl Iterator<Item = u32> {
    (1..=64).chain([72, 96, 128, 144])
}

/// All roots of small teams, first, middle and last of larger ones.
fn roots(collective: Collective, n: u32) -> Vec<u32> {
    if !collective.is_rooted() {
        vec![0]
    } else if n <= 9 {
        (0..n).collect()
    } else {
        vec![0, n / 2, n - 1]
    }
}

fn payload(collective: Collective, size: u64) -> Payload {
    match collective {
        Collective::Barrier => Payload::None,
        _ => Payload::Bytes(size),
    }
}

/// Whether bytes are `units` times S / n.
fn is_share(bytes: Bytes, size: u64, n: u32, units: u64) -> bool {
    bytes.numerator * u128::from(n)
        == u128::from(size) * u128::from(units) * u128::from(bytes.denominator)
}

fn log2_ceil(n: u32) -> u32 {
    (0..32).find(|&l| 1u64 << l >= u64::from(n)).unwrap()
}

/// Steps of the catalogue (`reference/algorithms.md` section 3) for K chunks.
fn expected_steps(name: &str, collective: Collective, n: u32, k: u32) -> u32 {
    match (name, collective) {
        // 3.1: n - 1 for all-gather and reduce-scatter, twice that for all-reduce.
        ("ring", Collective::AllReduce) => 2 * (n - 1),
        // 3.12: n - 1 permutations.
        ("ring" | "shift" | "xor", _) => n - 1,
        // One step adds up each of K chunks, the next one multicasts it.
        ("nvls", Collective::AllReduce) => k + 1,
        // 3.11: everything at once; either half of nvls.
        ("direct" | "nvls", _) => 1,
        // 3.1: n - 2 + K.
        ("chain", _) => n - 2 + k,
        // 3.10: L, and K - 1 more where chunks are pipelined.
        ("binomial_tree", Collective::Broadcast | Collective::Reduce) => log2_ceil(n) + k - 1,
        // 3.16: L.
        ("binomial_tree" | "dissemination", _) => log2_ceil(n),
        // 3.10: 2H + K - 1, where tree 0 hangs the largest power of two below n under rank 0:
        // H = 1 + log2 of it. The largest power of two <= n - 1 is 2^(L' - 1), 2^L' > n - 1.
        ("double_binary_tree", _) => 2 * log2_ceil(n) + k - 1,
        _ => panic!("no formula for {name}"),
    }
}

/// Bytes that offset v = r - root sends, in units of S / n.
fn expected_sent(name: &str, collective: Collective, n: u32, v: u32) -> Option<u64> {
    let (rounds, n) = (log2_ceil(n), u64::from(n));
    let v = u64::from(v);
    // The subtree of v in the binomial tree: v's lowest set bit, cut at n.
    let subtree = if v == 0 {
        n
    } else {
        (v & v.wrapping_neg()).min(n - v)
    };
    Some(match (name, collective) {
        ("ring" | "nvls", Collective::AllReduce) => 2 * (n - 1),
        ("direct", Collective::SendRecv) => n * u64::from(v == 0),
        ("ring" | "direct" | "shift" | "xor" | "nvls", _) => n - 1,
        // Everybody but the last (broadcast) or the root (reduce) sends the vector once.
        ("chain", Collective::Broadcast) => n * u64::from(v < n - 1),
        ("chain" | "binomial_tree", Collective::Reduce) => n * u64::from(v > 0),
        // v sends the vector to v + d for the powers of two d below its lowest bit with v + d < n.
        ("binomial_tree", Collective::Broadcast) => {
            let reach = if v == 0 {
                1 << rounds
            } else {
                v & v.wrapping_neg()
            };
            let children = (0..rounds).filter(|&i| 1 << i < reach && v + (1 << i) < n);
            n * children.count() as u64
        }
        // All blocks of the subtree but its own go down (scatter), all of it goes up (gather).
        ("binomial_tree", Collective::Scatter) => subtree - 1,
        ("binomial_tree", Collective::Gather) => subtree * u64::from(v > 0),
        ("dissemination", _) => 0,
        _ => return None,
    })
}

fn check_formulas(algorithm: &dyn Algorithm, problem: &Problem, schedule: &Schedule, k: u32) {
    let (n, size) = (problem.n_ranks(), problem.size_bytes());
    let (name, collective) = (algorithm.name(), problem.collective);
    let stats = ScheduleStats::of(schedule);
    let what = format!("{name} {} n={n} root={}", collective.name(), problem.root.0);
    assert_eq!(stats.n_steps, algorithm.n_steps(problem), "{what}");
    assert_eq!(
        stats.n_steps,
        expected_steps(name, collective, n, k),
        "{what}"
    );
    assert!(
        stats.n_transfers as u64 <= algorithm.n_transfers(problem),
        "{what}"
    );
    for (rank, &sent) in stats.sent.iter().enumerate() {
        let v = (rank as u32 + n - problem.root.0) % n;
        if let Some(units) = expected_sent(name, collective, n, v) {
            assert!(
                is_share(sent, size, n, units),
                "{what}: rank {rank} sends {sent:?}"
            );
        }
    }
}

/// One algorithm on one collective and team, for all roots, sizes and splits.
fn check(algorithm: &dyn Algorithm, collective: Collective, n: u32) {
    let team = Team::flat(n);
    for root in roots(collective, n) {
        let mut problem = Problem::new(collective, &team, payload(collective, MIB));
        problem.root = RankId(root);
        if algorithm.supports(&problem).is_err() {
            continue;
        }
        for size in [0, 1, 7, 3 * MIB] {
            problem.payload = payload(collective, size);
            for split in [Split::Exact, Split::Balanced, Split::Hccl] {
                problem.split = split;
                let schedule = schedule(algorithm, &problem)
                    .unwrap_or_else(|e| panic!("{} n={n}: {e}", algorithm.name()));
                // A whole-byte split may leave all bytes in a block that its owner has already.
                let is_barrier = collective == Collective::Barrier;
                let is_idle = n == 1 || (size == 0 && !is_barrier);
                assert!(schedule.is_empty() == is_idle || split != Split::Exact);
                if split == Split::Exact && !schedule.is_empty() {
                    // ceil(3 MiB / 512 KiB) = 6 chunks; a tree with half of it has 3.
                    let k = match algorithm.name() {
                        _ if size < MIB => 1,
                        "double_binary_tree" => 3,
                        _ => 6,
                    };
                    check_formulas(algorithm, &problem, &schedule, k);
                }
            }
        }
    }
}

#[test]
fn every_flat_algorithm_computes_its_collectives() {
    for algorithm in ALGORITHMS.iter().filter(|a| a.name() != "hierarchical") {
        for &collective in algorithm.about().collectives {
            for n in team_sizes() {
                if collective != Collective::SendRecv || n == 2 {
                    check(*algorithm, collective, n);
                }
            }
        }
    }
}

#[test]
fn supernode_sized_rings_and_exchanges_verify() {
    for n in [384, 768] {
        let team = Team::flat(n);
        for (name, collective) in [
            ("ring", Collective::AllReduce),
            ("direct", Collective::AllToAll),
        ] {
            let algorithm = lookup(name).unwrap();
            let problem = Problem::new(collective, &team, Payload::Bytes(256 * MIB));
            let schedule = schedule(algorithm, &problem).unwrap();
            check_formulas(algorithm, &problem, &schedule, 1);
        }
    }
}

#[test]
fn double_binary_trees_load_no_rank_with_more_than_two_vectors() {
    // Interior in one tree (up 1/2, down 2/2) and leaf in the other (up 1/2): at most 2 S; over all
    // ranks each of the 2(n-1) edges carries S/2 up and S/2 down: 2(n-1) S.
    let algorithm = lookup("double_binary_tree").unwrap();
    for n in 2..=144 {
        let team = Team::flat(n);
        let options = Options::default().with("chunks", OptionValue::Int(4));
        let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(8 * MIB));
        problem.options = options;
        let stats = ScheduleStats::of(&schedule(algorithm, &problem).unwrap());
        let whole = |b: &Bytes| b.numerator / u128::from(b.denominator);
        let sent: Vec<u128> = stats.sent.iter().map(whole).collect();
        let size = u128::from(8 * MIB);
        assert!(sent.iter().all(|&bytes| bytes <= 2 * size), "n={n}");
        assert_eq!(sent.iter().sum::<u128>(), 2 * u128::from(n - 1) * size);
    }
}

#[test]
fn eight_ranks_in_two_trees_match_the_catalogue() {
    // 3.10 for n = 8, K = 4: T = (2H + K - 1) alpha + 2.625 S beta in the bulk-synchronous model,
    // H = 3. Per step the busiest port moves c chunks of S / 8: sum of c over steps is 2.625 * 8 = 21.
    let team = Team::flat(8);
    let mut problem = Problem::new(Collective::AllReduce, &team, Payload::Bytes(8));
    problem.options = Options::default().with("chunks", OptionValue::Int(4));
    let schedule = schedule(lookup("double_binary_tree").unwrap(), &problem).unwrap();
    assert_eq!(schedule.n_steps(), 2 * 3 + 4 - 1);
    let busiest: usize = schedule
        .step_ranges()
        .map(|step| {
            let count = |column: &[RankId], rank| column.iter().filter(|&&r| r == rank).count();
            let (src, dst) = (&schedule.src()[step.clone()], &schedule.dst()[step]);
            let loads = team.ranks().map(|r| count(src, r).max(count(dst, r)));
            loads.max().unwrap()
        })
        .sum();
    assert_eq!(busiest, 21);
}

fn grid(groups: Vec<Vec<u32>>) -> Team {
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
                        assert!(is_share(sent, MIB, n, u64::from(times * (n - 1))));
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

#[test]
fn what_is_not_supported_says_why() {
    let flat = Team::flat(6);
    let unequal = grid(vec![vec![0, 1], vec![2, 3, 4]]);
    let int = |value| Options::default().with("chunks", OptionValue::Int(value));
    let text = |name| Options::default().with(name, OptionValue::Text("x".to_owned()));
    let none = Options::default;
    let cases = [
        (
            "xor",
            Collective::AllToAll,
            &flat,
            none(),
            "xor needs 2^k ranks, got 6",
        ),
        (
            "ring",
            Collective::Barrier,
            &flat,
            none(),
            "ring does not compute barrier",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &flat,
            none(),
            "levels are: none",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &unequal,
            none(),
            "2 ranks and another 3",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &unequal,
            text("level"),
            "named 'x'",
        ),
        (
            "hierarchical",
            Collective::AllReduce,
            &flat,
            text("order"),
            "one of intra_first, inter_first",
        ),
        (
            "ring",
            Collective::AllReduce,
            &flat,
            int(2),
            "ring has no option 'chunks'",
        ),
        (
            "chain",
            Collective::Broadcast,
            &flat,
            int(0),
            "1..=65536, got 0",
        ),
    ];
    for (name, collective, team, options, expected) in cases {
        let mut problem = Problem::new(collective, team, payload(collective, MIB));
        problem.options = options;
        let error = schedule(lookup(name).unwrap(), &problem)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_question_too_large_is_refused_before_memory_is_taken() {
    // 2 n (n - 1) transfers for n = 2^20 are 2.2e12.
    let team = Team::flat(1 << 20);
    for (name, collective) in [
        ("ring", Collective::AllReduce),
        ("direct", Collective::AllToAll),
    ] {
        let problem = Problem::new(collective, &team, Payload::Bytes(MIB));
        let error = schedule(lookup(name).unwrap(), &problem).unwrap_err();
        assert!(error.to_string().contains("exceeds the limit"), "{error}");
    }
}

#[test]
fn all_to_all_v_skips_pairs_without_bytes() {
    // Bytes from row to column; three of the six pairs have none.
    let team = Team::flat(3);
    let counts = vec![0, 5, 0, 0, 0, 7, 9, 0, 0];
    let problem = Problem::new(Collective::AllToAll, &team, Payload::Counts(counts));
    for name in ["direct", "shift"] {
        let schedule = schedule(lookup(name).unwrap(), &problem).unwrap();
        let sizes: Vec<u64> = (0..schedule.len())
            .map(|t| schedule.balanced_size_bytes(t))
            .collect();
        let mut sorted = sizes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [5, 7, 9], "{name}");
    }
}
