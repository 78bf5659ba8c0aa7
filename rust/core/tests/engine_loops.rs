//! Loops are skipped only where every operation keeps its time: random loops, long edges between
//! them included, against the event engine on all repetitions.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use cm_core::csr::Csr;
use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::{Run, Rung};
use cm_core::engine::layers::solve_looped;
use cm_core::engine::repeat::{Looped, Segment};
use cm_core::engine::workload::{Workload, WorkloadBuilder};
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

/// An operation of a body: rate of its own resource, latency, size, start time, and distances of a
/// data and an order edge, which are cut to what is there.
type Op = (u64, u64, u64, u64, u32, u32);

fn looped(bodies: &[(Vec<Op>, u64)]) -> Looped {
    let mut builder = WorkloadBuilder::default();
    let (mut depends_on, mut follows) = (Csr::default(), Csr::default());
    let mut segments = Vec::new();
    let mut before = 0u64;
    for (ops, n_repeats) in bodies {
        for (at, &(rate, latency, size, start, data, order)) in ops.iter().enumerate() {
            let resource = builder.resource(rate);
            let route = builder.route([(resource, 1, 1)], latency, 5);
            builder.op(route, (size.into(), 3), start, [], []);
            // In the first repetition nothing stands before the list; a body that comes once needs
            // no order edge to itself.
            let there = u32::try_from(before + at as u64).unwrap();
            let cut = |distance: u32| (1..=there).contains(&distance).then_some(distance);
            depends_on.push_row(cut(data));
            let itself = (*n_repeats > 1).then_some(ops.len() as u32);
            follows.push_row(itself.into_iter().chain(cut(order)));
        }
        segments.push(Segment {
            n_ops: ops.len() as u32,
            n_repeats: *n_repeats,
        });
        before += ops.len() as u64 * n_repeats;
    }
    let list = builder.build().unwrap();
    let bodies = Workload {
        depends_on,
        follows,
        ..list
    };
    Looped { bodies, segments }
}

fn op() -> impl Strategy<Value = Op> {
    (
        1u64..5,
        prop_oneof![Just(0u64), 1u64..3_000_000_000_000],
        1u64..6,
        prop_oneof![4 => Just(0u64), 1 => 1u64..50_000_000_000_000],
        prop_oneof![3 => 1u32..8, 1 => 1u32..400],
        prop_oneof![3 => 1u32..8, 1 => 1u32..400],
    )
}

fn loops() -> impl Strategy<Value = Vec<(Vec<Op>, u64)>> {
    let body = (prop::collection::vec(op(), 1..5), 1u64..60);
    prop::collection::vec(body, 1..4).prop_map(|mut bodies| {
        // A first segment that comes once is as long as any body, so that every loop can look back.
        bodies.insert(0, (vec![(1, 0, 1, 0, 0, 0); 4], 1));
        bodies
    })
}

fn check(looped: &Looped) -> u64 {
    let solved = solve_looped(looped.clone(), LIMITS, Rung::Pair).unwrap();
    let list = looped.expanded();
    let full = Run::climb(&list, LIMITS, Rung::Pair).unwrap();
    let times = full.op_times(&list, LIMITS).unwrap();
    assert_eq!(solved.op_times(&list, LIMITS).unwrap(), times);
    assert_eq!(
        Some(solved.last_arrival_ps(&list)),
        full.last_arrival_ps(&list)
    );
    solved.n_events()
}

proptest! {
    #[test]
    fn skipped_loops_keep_the_time_of_every_operation(bodies in loops()) {
        check(&looped(&bodies));
    }
}

/// Two ranks that pass a block to and fro, 50 times and then 50 times more; in the second half each
/// operation also waits for one of the first half, as an all-gather does for the reduction.
fn phases(distance: u32) -> Looped {
    let pass = |data| (1, 7, 3, 0, data, 0);
    let two = |data| vec![pass(data); 2];
    looped(&[
        (two(0), 1),
        (two(1), 50),
        (vec![(1, 7, 3, 0, distance, 1); 2], 50),
    ])
}

#[test]
fn an_edge_to_the_phase_before_does_not_keep_a_loop_from_being_skipped() {
    // From distance 100 on the second loop looks back beyond its own start, always.
    assert!(check(&phases(101)) < 40);
}

#[test]
fn a_loop_that_will_be_held_back_by_an_earlier_one_is_not_skipped() {
    // 60 operations of 3 s each run beside one of 60 s. The second loop starts after that one, takes
    // 1 s each, and its j-th waits for the j-th of the first: at 60 + j s that has ended, 3 (j + 1) s,
    // until j = 29, and afterwards no more.
    let bytes = |size: u64, data: u32| vec![(1, 0, size, 0, data, 0)];
    let looped = looped(&[
        (bytes(3, 0), 1),
        (bytes(9, 0), 60),
        (bytes(180, 0), 1),
        (bytes(3, 61), 60),
    ]);
    assert!(check(&looped) < 122);
}
