//! Every layer of the fluid engine gives the times of the event engine on the full list, operation
//! by operation.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use cm_core::algorithms::{ALGORITHMS, schedule};
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::{Run, Rung};
use cm_core::engine::layers::{Layers, Solved, prepare, solve};
use cm_core::engine::workload::Workload;
use cm_core::fabric::routing::{self, Network, RoutingOptions};
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::{self, Job, Sync};

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

const REFINE: Layers = Layers {
    refine: true,
    ..Layers::NONE
};
const FAST_FORWARD: Layers = Layers {
    fast_forward: true,
    ..Layers::NONE
};

fn fabric() -> Fabric {
    let preset = presets::lookup("cm384").unwrap();
    preset.build(&Params::new()).unwrap()
}

fn place(fabric: &Fabric, routing: &str, sync: Sync, job: &Job) -> Workload {
    let entry = routing::lookup(routing).unwrap();
    let routing = entry.build(&RoutingOptions::default()).unwrap();
    let bundles = if routing.needs_links() {
        fabric.single_links()
    } else {
        fabric.bundles()
    };
    let network = Network::with_bundles(fabric, bundles);
    let jobs = std::slice::from_ref(job);
    let placement = placement::place(fabric, &network, &*routing, sync, jobs);
    placement.unwrap().workload
}

fn solved(workload: &Workload, layers: Layers) -> Solved {
    solve(workload, layers, LIMITS, Rung::Pair).unwrap()
}

/// Compares the layers with the event engine on the full list.
fn check(workload: &Workload, what: &str) {
    let full = Run::climb(workload, LIMITS, Rung::Pair).unwrap();
    let times = full.op_times(workload, LIMITS).unwrap();
    let busy = solved(workload, Layers::NONE)
        .busy_ps(workload, LIMITS)
        .unwrap();
    for layers in [REFINE, FAST_FORWARD, Layers::ALL] {
        let what = format!("{what} {layers:?}");
        let solved = solved(workload, layers);
        assert_eq!(solved.op_times(workload, LIMITS).unwrap(), times, "{what}");
        let last = times
            .iter()
            .map(|times| times.arrived_ps)
            .max()
            .unwrap_or(0);
        assert_eq!(solved.last_arrival_ps(workload), last, "{what}");
        let some = (0..workload.n_ops()).step_by(3);
        let last = some
            .clone()
            .map(|op| times[op].arrived_ps)
            .max()
            .unwrap_or(0);
        assert_eq!(solved.last_arrival_of(workload, some), Some(last), "{what}");
        for (ours, full) in solved.busy_ps(workload, LIMITS).unwrap().iter().zip(&busy) {
            // Busy times are doubles for display: 10^-9 is far above their rounding.
            assert!((ours - full).abs() <= 1e-9 * full, "{what}: {ours} {full}");
        }
    }
}

/// Prepares the layers once and compares them with the event engine at sizes from bytes, where the
/// latencies decide, to gigabytes, where the rates do; also such that nothing divides.
fn check_prepared(workload: &Workload, what: &str) {
    for layers in [REFINE, FAST_FORWARD, Layers::ALL] {
        let prepared = prepare(workload.clone(), layers);
        for (times, over) in [(1, 10_007), (1, 1), (3, 7), (1009, 1), (1, 2)] {
            let mut resized = workload.clone();
            for (bytes, denominator) in &mut resized.sizes {
                *bytes *= times;
                *denominator *= over;
            }
            // The answer must not depend on what was asked before.
            let fresh = prepare(workload.clone(), layers);
            let fresh = fresh.solve(&resized.sizes, LIMITS, Rung::Pair).unwrap();
            let full = Run::climb(&resized, LIMITS, Rung::Pair).unwrap();
            let solved = prepared.solve(&resized.sizes, LIMITS, Rung::Pair).unwrap();
            let what = format!("{what} {layers:?} {times}/{over}");
            assert_eq!(solved.n_events(), fresh.n_events(), "{what}");
            assert_eq!(solved.exactness(), fresh.exactness(), "{what}");
            let last = full.last_arrival_ps(&resized).unwrap();
            assert_eq!(solved.last_arrival_ps(workload), last, "{what}");
            assert_eq!(
                solved.op_times(workload, LIMITS).unwrap(),
                full.op_times(&resized, LIMITS).unwrap(),
                "{what}"
            );
        }
    }
}

fn check_all(sizes: impl Iterator<Item = u32>, routings: &[&str], syncs: &[Sync]) {
    let fabric = fabric();
    for n in sizes {
        let endpoints: Vec<u32> = (0..n).collect();
        let nodes = fabric.rank_nodes(&endpoints).unwrap();
        let team = fabric.team(&endpoints).unwrap();
        for algorithm in ALGORITHMS {
            for &collective in algorithm.about().collectives {
                let payload = match collective {
                    Collective::Barrier => Payload::None,
                    _ => Payload::Bytes(1_000_003),
                };
                let problem = Problem::new(collective, &team, payload);
                if problem.check().is_err()
                    || algorithm.supports(&problem).is_err()
                    || !algorithm.in_network(&problem).is_empty()
                {
                    continue;
                }
                let schedule = schedule(*algorithm, &problem).unwrap();
                let job = Job {
                    schedule: &schedule,
                    nodes: &nodes,
                    starts_ps: &[0],
                };
                for routing in routings {
                    for &sync in syncs {
                        let name = (algorithm.name(), collective.name());
                        let what = format!("{name:?} n={n} {routing} {sync:?}");
                        let workload = place(&fabric, routing, sync, &job);
                        check(&workload, &what);
                        if n <= 16 {
                            check_prepared(&workload, &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_algorithm_has_the_same_times_in_every_layer() {
    check_all([2, 5, 16, 32, 48].into_iter(), &["spray"], &[Sync::None]);
    check_all([9, 24].into_iter(), &["hash", "plane"], &[Sync::None]);
    check_all(
        [12].into_iter(),
        &["spray"],
        &[Sync::Pairwise, Sync::Barrier],
    );
}

#[test]
#[ignore = "slow: every team size"]
fn every_algorithm_and_team_size_has_the_same_times_in_every_layer() {
    let all = [Sync::None, Sync::Pairwise, Sync::Barrier];
    check_all(1..=48, &["spray", "hash", "dest", "plane"], &all);
}
