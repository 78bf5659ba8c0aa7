//! What a run by events says of other sizes is what a run at those sizes says: random workloads with
//! shared resources, latencies and edges, at random sizes and beside the borders of each piece.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod asking;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cm_core::algorithms::lookup;
use cm_core::collective::{Collective, Payload};
use cm_core::engine::fluid::{EngineError, Limits};
use cm_core::engine::ladder::{Run, Rung};
use cm_core::engine::layers::{Layers, prepare};
use cm_core::engine::pieces::{Ending, Piece};
use cm_core::engine::workload::{Workload, WorkloadBuilder};
use cm_core::fabric::Params;
use cm_core::fabric::presets::PRESETS;
use cm_core::question::{Choice, OpenQuestion};
use cm_core::sweep::times_ps;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

/// The workload with all sizes times `times / over`.
fn resized(workload: &Workload, (times, over): (u64, u64)) -> Workload {
    let mut resized = workload.clone();
    for (bytes, denominator) in &mut resized.sizes {
        *bytes *= u128::from(times);
        *denominator *= over;
    }
    resized
}

fn run_ps(workload: &Workload) -> i128 {
    let run = Run::climb(workload, LIMITS, Rung::Pair).unwrap();
    run.last_arrival_ps(workload).unwrap()
}

fn piece_ps(piece: &Piece<Ending>, sizes: &[(u128, u64)]) -> Option<i128> {
    let factor = piece.factor(sizes)?;
    Some(piece.run.last_arrival_ps(factor))
}

/// Factors at random, and as close to both borders as a denominator of 10^12 allows.
fn factors(piece: &Piece<Ending>, random: &[(u64, u64)]) -> Vec<(u64, u64)> {
    const OVER: u64 = 1_000_000_000_000;
    let mut factors = random.to_vec();
    let reach = piece.reach();
    for border in [1.0 - reach.down, 1.0 + reach.up] {
        if border > 1e-6 && border < 1e6 {
            let times = (border * OVER as f64).round() as u64;
            let near = times - 2..=times + 2;
            factors.extend(near.map(|times| (times, OVER)));
            factors.push((times / 1000 * 999, OVER));
            factors.push((times / 1000 * 1001, OVER));
        }
    }
    factors.push((1, 1));
    factors
}

/// An operation: route, size, start time, distances of a data and of an order edge.
type Op = (usize, u64, u64, u32, u32);

/// Rates of resources; resources of each route with weights; latency and software cost of each.
type Machine = (Vec<u64>, Vec<(Vec<(usize, u64)>, u64, u64)>);

const MAX_RESOURCES: usize = 5;
const MAX_ROUTES: usize = 6;

fn machine() -> impl Strategy<Value = Machine> {
    let latency = || prop_oneof![Just(0u64), 1u64..4_000_000_000_000];
    let crossed = prop::collection::vec((0..MAX_RESOURCES, 1u64..4), 1..4);
    (
        prop::collection::vec(1u64..5, MAX_RESOURCES),
        prop::collection::vec((crossed, latency(), latency()), MAX_ROUTES),
    )
}

fn op() -> impl Strategy<Value = Op> {
    (
        0..MAX_ROUTES + 1,
        0u64..6,
        prop_oneof![6 => Just(0u64), 1 => 1u64..6_000_000_000_000],
        0u32..5,
        0u32..5,
    )
}

fn workload((rates, routes): &Machine, ops: &[Op]) -> Workload {
    let mut builder = WorkloadBuilder::default();
    for &rate in rates {
        builder.resource(rate);
    }
    for (crossed, latency_ps, software_ps) in routes {
        let mut seen = BTreeSet::new();
        let shares = crossed
            .iter()
            .filter(|(resource, _)| seen.insert(*resource));
        let shares: Vec<_> = shares.map(|&(r, weight)| (r as u32, weight, 3)).collect();
        builder.route(shares, *latency_ps, *software_ps);
    }
    for (at, &(route, bytes, start_ps, data, order)) in (0..).zip(ops) {
        let edge = |distance: u32| (1..=at).contains(&distance).then(|| at - distance);
        // Sevenths, so that sizes differ from each other and from whole bytes.
        let size = (u128::from(bytes), 7);
        builder.op(route as u32, size, start_ps, edge(data), edge(order));
    }
    builder.build().unwrap()
}

proptest! {
    #[test]
    fn a_piece_answers_as_a_run_at_that_size(
        machine in machine(),
        ops in prop::collection::vec(op(), 1..12),
        random in prop::collection::vec((1u64..4000, 1u64..4000), 6),
    ) {
        let workload = workload(&machine, &ops);
        let piece = Ending::of(&workload, LIMITS).unwrap().unwrap();
        prop_assert_eq!(piece_ps(&piece, &workload.sizes), Some(run_ps(&workload)));
        for factor in factors(&piece, &random) {
            let resized = resized(&workload, factor);
            if let Some(time_ps) = piece_ps(&piece, &resized.sizes) {
                prop_assert_eq!(time_ps, run_ps(&resized), "{:?}", factor);
            }
        }
    }

    #[test]
    fn what_was_asked_before_does_not_change_an_answer(
        machine in machine(),
        ops in prop::collection::vec(op(), 1..12),
        asked in prop::collection::vec((1u64..40, 1u64..40), 80),
    ) {
        let workload = workload(&machine, &ops);
        let prepared = prepare(workload.clone(), Layers::ALL);
        for factor in asked {
            let resized = resized(&workload, factor);
            let time_ps = prepared.last_arrival_ps(&resized.sizes, LIMITS, Rung::Pair).unwrap();
            prop_assert_eq!(time_ps, run_ps(&resized), "{:?}", factor);
        }
    }
}

/// Two operations share a resource of 1 B/s from 0 s on and end when it has served 2 + 4 bytes. A
/// third waits for the first, and 3 s of latency, alone on a resource of 2 B/s: 4 bytes.
fn two_ends() -> Workload {
    let mut builder = WorkloadBuilder::default();
    let (shared, own) = (builder.resource(1), builder.resource(2));
    let on_shared = builder.route([(shared, 1, 1)], 3_000_000_000_000, 0);
    let on_own = builder.route([(own, 1, 1)], 0, 0);
    builder.op(on_shared, (2, 1), 0, [], []);
    builder.op(on_shared, (4, 1), 0, [], []);
    builder.op(on_own, (4, 1), 0, [0], []);
    builder.build().unwrap()
}

/// At m times the sizes the first ends at 4 m s, the second at 6 m s and arrives 3 s later; the third
/// is released at 4 m + 3 s and ends at 6 m + 3 s, at the same time. Order changes where 4 m + 3 = 6 m.
#[test]
fn a_piece_ends_where_two_events_change_places() {
    let workload = two_ends();
    let piece = Ending::of(&workload, LIMITS).unwrap().unwrap();
    let reach = piece.reach();
    // At m = 1 the third is released after the second has ended: 7 s against 6 s, up to m = 3/2.
    assert!((reach.up - 0.5).abs() < 1e-12, "{reach:?}");
    assert!((reach.down - 1.0).abs() < 1e-12, "{reach:?}");
    for (times, over, time_ps) in [
        (1, 1, 9_000_000_000_000),
        (1, 3, 5_000_000_000_000),
        (1, 7, 3_857_142_857_143),
        (1499, 1000, 11_994_000_000_000),
    ] {
        let resized = resized(&workload, (times, over));
        assert_eq!(piece_ps(&piece, &resized.sizes), Some(time_ps));
        assert_eq!(run_ps(&resized), time_ps);
    }
    let beyond = resized(&workload, (3, 2));
    assert_eq!(piece_ps(&piece, &beyond.sizes), None);
    // One size in another proportion is another question.
    let mut other = workload.sizes.clone();
    other[0].0 += 1;
    assert_eq!(piece_ps(&piece, &other), None);
}

/// 6 bytes on a resource of 1 B/s, and 6 more there from 6 s on, when the first have just ended; behind
/// the first, 9 bytes on a resource of their own. At half the sizes the first end at 3 s, before the
/// others start: what happened at once at m = 1 does not at any other factor.
#[test]
fn a_tie_of_one_size_alone_is_not_taken_to_others() {
    let mut builder = WorkloadBuilder::default();
    let (shared, own) = (builder.resource(1), builder.resource(1));
    let on_shared = builder.route([(shared, 1, 1)], 0, 0);
    let on_own = builder.route([(own, 1, 1)], 0, 0);
    builder.op(on_shared, (6, 1), 0, [], []);
    builder.op(on_shared, (6, 1), 6_000_000_000_000, [], []);
    builder.op(on_own, (9, 1), 0, [0], []);
    let workload = builder.build().unwrap();
    let piece = Ending::of(&workload, LIMITS).unwrap().unwrap();
    assert_eq!(piece_ps(&piece, &workload.sizes), Some(15_000_000_000_000));
    for factor in [(1, 2), (2, 1), (999_999_999, 1_000_000_000)] {
        assert_eq!(piece_ps(&piece, &resized(&workload, factor).sizes), None);
    }
    assert_eq!(run_ps(&resized(&workload, (1, 2))), 9_000_000_000_000);
}

#[test]
fn after_some_runs_no_further_one_is_needed() {
    let workload = two_ends();
    let asked = |layers| {
        let prepared = prepare(workload.clone(), layers);
        for times in 1..=40 {
            let resized = resized(&workload, (times, 30));
            let time_ps = prepared.last_arrival_ps(&resized.sizes, LIMITS, Rung::Pair);
            assert_eq!(time_ps, Ok(run_ps(&resized)));
        }
        prepared
    };
    let prepared = asked(Layers::ALL);
    let within = resized(&workload, (1, 1000)).sizes;
    assert!(prepared.knows(&within));
    assert!(!prepared.knows(&resized(&workload, (3, 2)).sizes));
    assert!(!asked(Layers::NONE).knows(&within));
    // What is known is refused as its run would have been: both start, three end, one is released.
    let limited = |events| {
        let limits = Limits { events, ..LIMITS };
        prepared.last_arrival_ps(&within, limits, Rung::Pair)
    };
    assert_eq!(limited(5), Ok(run_ps(&resized(&workload, (1, 1000)))));
    assert_eq!(limited(4), Err(EngineError::EventLimit { limit: 4 }));
}

/// One byte, sizes that nothing divides, powers of two and their neighbors, and some between.
fn sizes() -> Vec<u64> {
    let powers = (0..34).step_by(3).flat_map(|exponent| {
        let power = 1u64 << exponent;
        [power, power + 1, 3 * power - 1]
    });
    let spread = (1..40u64).map(|i| i.pow(5) * 1009 + 17);
    powers.chain(spread).collect()
}

#[test]
fn every_preset_answers_other_sizes_as_if_asked_alone() {
    let mut n_answered = 0;
    for preset in PRESETS {
        let fabric = Arc::new(preset.build(&Params::new()).unwrap());
        for (collective, algorithm, n) in [
            (Collective::AllToAll, "direct", 8),
            (Collective::AllToAll, "bruck", 8),
            (Collective::AllReduce, "hierarchical", 16),
            (Collective::AllReduce, "recursive_doubling", 16),
            (Collective::AllGather, "direct", 16),
            (Collective::ReduceScatter, "two_shot", 8),
        ] {
            let Some(n) = [n, 8, 4]
                .into_iter()
                .find(|&n| n <= fabric.endpoints().len() as u32)
            else {
                continue;
            };
            let mut question = asking::question(&fabric, collective, n, Payload::None);
            question.algorithm = Choice::Named(lookup(algorithm).unwrap());
            question.payload = Payload::Bytes(1);
            if question.check().is_err() {
                continue;
            }
            let sizes = sizes();
            let open = OpenQuestion::new(question.clone());
            let times = times_ps(&open, &sizes, &AtomicBool::new(false)).unwrap();
            for (&size_bytes, time_ps) in sizes.iter().zip(times) {
                question.payload = Payload::Bytes(size_bytes);
                let alone = question.answer(None).unwrap().simulation.time_ps();
                assert_eq!(time_ps, alone, "{} {algorithm} {size_bytes}", preset.name());
                n_answered += 1;
            }
        }
    }
    assert!(n_answered > 4000, "{n_answered}");
}
