//! Every algorithm on every collective and many team sizes: verified, as long and as heavy as the
//! catalogue's formulas say, and on a uniform fabric as fast as its closed form.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[expect(clippy::match_same_arms, reason = "one row per algorithm")]
mod closed_forms;
#[expect(clippy::match_same_arms, reason = "one row per algorithm")]
mod formulas;
mod hierarchy;
mod refusals;
mod trees;

use cm_core::algorithms::{ALGORITHMS, Algorithm, lookup, schedule};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem, Split};
use cm_core::ids::RankId;
use cm_core::schedule::{Bytes, Schedule, ScheduleStats};
use cm_core::team::Team;

const MIB: u64 = 1 << 20;

/// Algorithms that need a team with levels; their tests are in `hierarchy`.
const LEVELED: &[&str] = &["hierarchical", "ahc", "pipeline", "two_level"];

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

fn options(given: &[(&str, OptionValue)]) -> Options {
    let add =
        |options: Options, (name, value): &(&str, OptionValue)| options.with(name, value.clone());
    given.iter().fold(Options::default(), add)
}

fn word(value: &str) -> OptionValue {
    OptionValue::Text(value.to_owned())
}

/// Whether bytes are this fraction of S.
fn is_share(bytes: Bytes, size: u64, (numerator, denominator): (u64, u64)) -> bool {
    bytes.numerator * u128::from(denominator)
        == u128::from(size) * u128::from(numerator) * u128::from(bytes.denominator)
}

fn check_formulas(algorithm: &dyn Algorithm, problem: &Problem, schedule: &Schedule, k: u32) {
    let (n, size) = (problem.n_ranks(), problem.size_bytes());
    let (name, collective) = (algorithm.name(), problem.collective);
    let stats = ScheduleStats::of(schedule);
    let what = format!(
        "{name} {} n={n} root={} {:?}",
        collective.name(),
        problem.root.0,
        problem.options
    );
    assert_eq!(stats.n_steps, algorithm.n_steps(problem), "{what}");
    assert_eq!(stats.n_steps, formulas::steps(problem, name, k), "{what}");
    assert!(
        stats.n_transfers as u64 <= algorithm.n_transfers(problem),
        "{what}: {} of {} transfers",
        stats.n_transfers,
        algorithm.n_transfers(problem)
    );
    for rank in problem.team.ranks() {
        if let Some(share) = formulas::sent(problem, name, rank) {
            let sent = stats.sent_by(rank);
            assert!(
                is_share(sent, size, share),
                "{what}: rank {} sends {sent:?}, not {share:?}",
                rank.0
            );
        }
    }
}

/// One algorithm on one collective and team, for all roots, sizes and splits.
fn check(
    algorithm: &dyn Algorithm,
    collective: Collective,
    n: u32,
    sizes: &[u64],
    given: &Options,
) {
    let team = Team::flat(n);
    for root in roots(collective, n) {
        let mut problem = Problem::new(collective, &team, payload(collective, MIB));
        problem.root = RankId(root);
        problem.options = given.clone();
        if algorithm.supports(&problem).is_err() {
            continue;
        }
        // A ring per edge takes n^3 transfers, and what switches multicast waits for what all ranks
        // reduce, n edges each: larger teams are a question of patience only.
        if n > 1 {
            let n_transfers = algorithm.n_transfers(&problem);
            let waits_for_all = !algorithm.in_network(&problem).is_empty();
            let n_edges = n_transfers * if waits_for_all { n.into() } else { 1 };
            if n_transfers >= 3_000_000 || n_edges >= 100_000_000 {
                continue;
            }
        }
        for &size in sizes {
            problem.payload = payload(collective, size);
            for split in [Split::Exact, Split::Balanced, Split::Hccl] {
                problem.split = split;
                let schedule = schedule(algorithm, &problem).unwrap_or_else(|e| {
                    panic!(
                        "{} {} n={n} root={root}: {e}",
                        algorithm.name(),
                        collective.name()
                    )
                });
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

fn check_all_flat(team_sizes: &[u32], sizes: &[u64]) {
    for algorithm in ALGORITHMS.iter().filter(|a| !LEVELED.contains(&a.name())) {
        // Tokens have tests of their own.
        let collectives = algorithm.about().collectives.iter();
        for &collective in collectives.filter(|c| !c.moves_tokens()) {
            for &n in team_sizes {
                if collective != Collective::SendRecv || n == 2 {
                    check(*algorithm, collective, n, sizes, &Options::default());
                }
            }
        }
    }
}

#[test]
fn every_flat_algorithm_computes_its_collectives() {
    // Sizes below the number of chunks, and none.
    let small: Vec<u32> = (1..=20).collect();
    check_all_flat(&small, &[0, 1, 7, 3 * MIB]);
    check_all_flat(
        &[21, 24, 27, 32, 33, 40, 47, 48, 63, 64, 65, 72],
        &[3 * MIB],
    );
}

#[test]
#[ignore = "slow"]
fn every_flat_algorithm_computes_its_collectives_on_every_team() {
    let all: Vec<u32> = (1..=64).chain([72, 96, 128, 144]).collect();
    check_all_flat(&all, &[0, 1, 7, 3 * MIB]);
}

/// What a supernode of 768 ranks is asked for; n^2 vectors or blocks are tried on all-to-all alone.
#[test]
#[ignore = "slow"]
fn every_flat_algorithm_computes_its_collectives_on_a_supernode() {
    check_all_flat(&[384, 768], &[3 * MIB]);
}

#[test]
fn options_change_the_way_and_not_the_result() {
    let fold = |name| options(&[("fold", word(name))]);
    let radix = |k| options(&[("radix", OptionValue::Int(k))]);
    let side = |g| options(&[("side", OptionValue::Int(g))]);
    for (name, given) in [
        ("nhr", vec![options(&[("shots", word("one"))])]),
        (
            "multi_ring",
            vec![
                options(&[("rings", OptionValue::Int(2))]),
                options(&[("rings", OptionValue::Int(65_536))]),
            ],
        ),
        ("kary_tree", [1, 3, 8, 65_536].map(radix).to_vec()),
        (
            "pat",
            [0, 1, 2, 3]
                .map(|a| options(&[("log2_aggregation", OptionValue::Int(a))]))
                .to_vec(),
        ),
        ("bruck", [3, 4, 7, 8, 16, 65_536].map(radix).to_vec()),
        ("grouped", [1, 2, 3, 16, 65_536].map(side).to_vec()),
        ("recursive_doubling", vec![fold("mpich"), fold("hccl")]),
        ("halving_doubling", vec![fold("mpich"), fold("hccl")]),
        (
            "rabenseifner",
            vec![fold("mpich"), fold("hccl"), fold("halved")],
        ),
    ] {
        let algorithm = lookup(name).unwrap();
        for &collective in algorithm.about().collectives {
            for (given, n) in given
                .iter()
                .flat_map(|given| (2..=24).map(move |n| (given, n)))
            {
                check(algorithm, collective, n, &[7, 3 * MIB], given);
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
