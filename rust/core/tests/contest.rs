//! A contest leaves rivals out, and still finds what trying all of them finds.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::sync::Arc;

use asking::question;
use cm_core::algorithms::{ALGORITHMS, lookup};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Split};
use cm_core::engine::layers::Layers;
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::Sync;
use cm_core::question::{Choice, Contest, Extent, Question};
use cm_core::simulate::EngineKind;

fn cm384() -> Arc<Fabric> {
    let preset = presets::lookup("cm384").unwrap();
    Arc::new(preset.build(&Params::new()).unwrap())
}

fn check_winner(question: &Question) {
    let pruned = Contest::hold(question, Extent::Winner, None).unwrap();
    let full = Contest::hold(question, Extent::All, None).unwrap();
    let what = format!(
        "{} n={} {:?}",
        question.collective.name(),
        question.endpoints.len(),
        question.payload
    );
    assert_eq!(pruned.winner, full.winner, "{what}");
    assert_eq!(
        pruned.simulation.digest(),
        full.simulation.digest(),
        "{what}"
    );
    assert!(full.rivals.iter().all(|rival| rival.is_timed), "{what}");
    for (pruned, full) in pruned.rivals.iter().zip(&full.rivals) {
        // What was found out about a rival is true, whether or not it was run to its end.
        assert!(
            pruned.at_least_ps <= full.at_least_ps,
            "{what}: {pruned:?} {full:?}"
        );
        assert!(
            !pruned.is_timed || pruned.at_least_ps == full.at_least_ps,
            "{what}"
        );
    }
    let times = full.rivals.iter().map(|rival| rival.at_least_ps);
    let first_of_the_fastest = times.enumerate().min_by_key(|&(index, time)| (time, index));
    assert_eq!(full.winner, first_of_the_fastest.unwrap().0, "{what}");
}

#[test]
fn leaving_rivals_out_changes_neither_winner_nor_result() {
    let fabric = cm384();
    for &collective in Collective::ALL {
        for n in [2, 3, 8, 16, 24] {
            for size_bytes in [0, 1, 4096, 1 << 20, 64 << 20] {
                let payload = match collective {
                    Collective::Barrier => Payload::None,
                    _ => Payload::Bytes(size_bytes),
                };
                let is_possible = collective != Collective::SendRecv || n == 2;
                if is_possible && !collective.moves_tokens() {
                    check_winner(&question(&fabric, collective, n, payload));
                }
            }
        }
    }
}

#[test]
fn unequal_chunks_late_starts_and_other_rules_change_nothing_about_it() {
    let fabric = cm384();
    let mut asked = question(&fabric, Collective::AllReduce, 12, Payload::Bytes(1000));
    for split in [Split::Balanced, Split::Hccl] {
        asked.split = split;
        check_winner(&asked);
    }
    asked.split = Split::Exact;
    asked.starts_ps = (0..12).map(|rank| 1_000_000 + rank * 70_000).collect();
    check_winner(&asked);
    asked.settings.sync = Sync::Pairwise;
    check_winner(&asked);
    asked.settings.layers = Layers::NONE;
    check_winner(&asked);
    asked.settings.engine = EngineKind::Bound;
    check_winner(&asked);
    let counts = (0..64).map(|i| if i % 9 == 0 { 0 } else { i * i * 100 });
    let counts = Payload::Counts(counts.collect());
    check_winner(&question(&fabric, Collective::AllToAll, 8, counts));
}

#[test]
fn a_large_all_reduce_is_decided_without_building_most_rivals() {
    // 768 dies, 1 KiB: a ring needs 1534 hops of at least 0.2 us (between the dies of a package),
    // 307 us, and any tree 22 hops of at most 1.9 us, 42 us.
    let fabric = cm384();
    let asked = question(&fabric, Collective::AllReduce, 768, Payload::Bytes(1024));
    let contest = Contest::hold(&asked, Extent::Winner, None).unwrap();
    let ring = contest
        .rivals
        .iter()
        .find(|rival| rival.algorithm.name() == "ring");
    let ring = ring.unwrap();
    assert!(!ring.is_timed);
    assert!(ring.at_least_ps >= 1534 * 200_000);
    assert!(contest.simulation.time_ps() < 100_000_000);
}

#[test]
fn the_options_of_the_caller_are_kept_and_the_chosen_ones_are_told() {
    let fabric = cm384();
    let mut asked = question(&fabric, Collective::Broadcast, 16, Payload::Bytes(64 << 20));
    let free = asked.answer(None).unwrap();
    asked.options = Options::default().with("chunks", OptionValue::Int(2));
    let fixed = asked.answer(None).unwrap();
    assert_eq!(fixed.options.int("chunks"), Some(2));
    assert!(free.simulation.time_ps() <= fixed.simulation.time_ps());
    // The told options give the same run by name.
    let name = free.simulation.digest();
    for algorithm in ALGORITHMS {
        asked.algorithm = Choice::Named(lookup(algorithm.name()).unwrap());
        asked.options = free.options.clone();
        if let Ok(named) = asked.answer(None)
            && named.simulation.digest() == name
        {
            return;
        }
    }
    panic!(
        "no algorithm with {:?} gives the winner's run",
        free.options
    );
}

#[test]
fn a_rival_above_the_memory_limit_is_left_out_but_not_the_last_one() {
    let fabric = cm384();
    // Over 16 ranks, a direct all-to-all and its kin have 240 transfers.
    let mut asked = question(&fabric, Collective::AllToAll, 16, Payload::Bytes(1600));
    asked.settings.memory_limit_bytes = 1000;
    let error = asked.answer(None).unwrap_err().to_string();
    assert!(error.contains("memory limit of 1000"), "{error}");
    // A chain in 64 chunks is refused, a tree in one is not: 15 edges of 700 bytes.
    let mut asked = question(&fabric, Collective::Broadcast, 16, Payload::Bytes(1 << 30));
    asked.settings.memory_limit_bytes = 15 * 700;
    let contest = Contest::hold(&asked, Extent::All, None).unwrap();
    assert!(contest.rivals.iter().any(|rival| !rival.is_timed));
    assert!(contest.rivals[contest.winner].is_timed);
}
