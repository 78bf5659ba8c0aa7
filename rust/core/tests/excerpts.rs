//! Parts of schedules: whatever is left out, what is seen of the rest bounds the time of the whole.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use cm_core::algorithms::{ALGORITHMS, Algorithm, excerpt, schedule, variants};
use cm_core::bounds::{joint_path_ps, route_bound_ps};
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::Rung;
use cm_core::engine::layers::{Layers, solve};
use cm_core::engine::workload::Workload;
use cm_core::fabric::routing::{self, Network, RoutingOptions};
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::{self, Job, Sync};
use cm_core::schedule::{Schedule, Send};

fn fabric() -> Fabric {
    let preset = presets::lookup("cm384").unwrap();
    preset.build(&Params::new()).unwrap()
}

fn place(fabric: &Fabric, schedule: &Schedule) -> Workload {
    let routing = routing::lookup("spray").unwrap();
    let routing = routing.build(&RoutingOptions::default()).unwrap();
    let network = Network::of_bundles(fabric);
    let endpoints: Vec<u32> = (0..schedule.n_ranks()).collect();
    let job = Job {
        schedule,
        nodes: &fabric.rank_nodes(&endpoints).unwrap(),
        starts_ps: &[1000],
    };
    let placed = placement::place(fabric, &network, &*routing, Sync::None, &[job]);
    placed.unwrap().workload
}

fn sends(schedule: &Schedule) -> Vec<Send> {
    let each = (0..schedule.len()).map(|t| Send {
        step: schedule.step()[t],
        src: schedule.src()[t],
        dst: schedule.dst()[t],
        chunks: schedule.chunks()[t],
        op: schedule.op()[t],
    });
    each.collect()
}

fn check(fabric: &Fabric, algorithm: &dyn Algorithm, problem: &Problem) {
    let whole = schedule(algorithm, problem).unwrap();
    let workload = place(fabric, &whole);
    let limits = Limits {
        events: u64::MAX,
        until_ps: None,
        cancel: None,
    };
    let run = solve(&workload, Layers::ALL, limits, Rung::Pair).unwrap();
    let time_ps = run.last_arrival_ps(&workload);
    let name = (algorithm.name(), problem.collective.name());
    let what = format!("{name:?} {:?}", problem.options);
    let bound_ps = joint_path_ps(&workload);
    assert!(i128::from(bound_ps) <= time_ps, "{what}: {bound_ps}");
    // The bound of its routes is part of it, but for a picosecond per operation.
    let route_ps = route_bound_ps(&workload, &workload);
    let rounded_ps = bound_ps + whole.len() as u64 + 1;
    assert!(
        route_ps <= rounded_ps.into(),
        "{what}: {route_ps} {bound_ps}"
    );
    let all = sends(&whole);
    for (of, left) in [(2, 0), (3, 1), (3, 2), (7, 0)] {
        let kept = all.iter().enumerate();
        let kept = kept.filter(|(at, _)| at * 31 / 4 % of == left);
        let some = excerpt(algorithm, problem, kept.map(|(_, &send)| send).collect()).unwrap();
        let part_ps = joint_path_ps(&place(fabric, &some));
        assert!(i128::from(part_ps) <= time_ps, "{what}: {part_ps}");
    }
}

#[test]
fn no_part_of_a_schedule_is_bounded_above_the_time_of_the_whole() {
    let fabric = fabric();
    for n in [5, 16, 24] {
        let endpoints: Vec<u32> = (0..n).collect();
        let team = fabric.team(&endpoints).unwrap();
        for algorithm in ALGORITHMS {
            for &collective in algorithm.about().collectives {
                let payload = match collective {
                    Collective::Barrier => Payload::None,
                    _ => Payload::Bytes(3_000_017),
                };
                let mut problem = Problem::new(collective, &team, payload);
                if problem.check().is_err() {
                    continue;
                }
                for options in variants(*algorithm, &problem) {
                    problem.options = options;
                    if algorithm.in_network(&problem).is_empty() {
                        check(&fabric, *algorithm, &problem);
                    }
                }
            }
        }
    }
}
