//! Instructions under Callgrind, with a hard limit each: the same count on a quiet and on a busy
//! machine, so this is the gate on regressions. A limit stands about 15 % above the count that was
//! measured when it was set (rustc 1.95, x86-64); lower it when the code gets faster.

#![expect(
    missing_docs,
    reason = "the macros generate public items without documentation"
)]

use std::hint::black_box;

use cm_core::algorithms;
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::{Run, Rung};
use cm_core::engine::workload::Workload;
use cm_core::fabric::routing::{self, Network, RoutingOptions};
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::{self, Job, Sync};
use cm_core::schedule::{Schedule, verify};
use cm_core::team::Team;
use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

fn limit(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

fn fabric() -> Fabric {
    let preset = presets::lookup("cm384").expect("cm384 is a preset");
    preset
        .build(&Params::new())
        .expect("the defaults are valid")
}

fn schedule(collective: Collective, algorithm: &str) -> Schedule {
    let team = Team::flat(64);
    let problem = Problem::new(collective, &team, Payload::Bytes(1 << 28));
    let algorithm = algorithms::lookup(algorithm).expect("a registered algorithm");
    algorithms::schedule(algorithm, &problem).expect("a supported problem")
}

fn workload(collective: Collective, algorithm: &str, routing: &str) -> Workload {
    let (fabric, schedule) = (fabric(), schedule(collective, algorithm));
    let endpoints: Vec<u32> = (0..64).collect();
    let nodes = fabric
        .rank_nodes(&endpoints)
        .expect("cm384 has 768 endpoints");
    let entry = routing::lookup(routing).expect("a registered routing");
    let routing = entry.build(&RoutingOptions::default()).expect("no options");
    let network = if routing.needs_links() {
        Network::of_links(&fabric)
    } else {
        Network::of_bundles(&fabric)
    };
    let jobs = [Job {
        schedule: &schedule,
        nodes: &nodes,
        starts_ps: &[0],
    }];
    let placed = placement::place(&fabric, &network, &*routing, Sync::None, &jobs);
    placed.expect("a healthy fabric routes everything").workload
}

#[library_benchmark]
#[bench::ring(args = [workload(Collective::AllReduce, "ring", "spray")], config = limit(43_000_000))]
#[bench::tree(
    args = [workload(Collective::AllReduce, "double_binary_tree", "spray")],
    config = limit(412_000_000)
)]
#[bench::direct(args = [workload(Collective::AllToAll, "direct", "spray")], config = limit(19_000_000))]
#[bench::hash(args = [workload(Collective::AllToAll, "direct", "hash")], config = limit(62_000_000))]
fn engine_on_64_ranks(workload: Workload) -> Run {
    Run::climb(black_box(&workload), LIMITS, Rung::Pair).expect("runs")
}

// Chunks are numbered in 64 bits, for machines of 130,560 dies: 4 to 6 % more than in 32.
#[library_benchmark]
#[bench::ring(args = [schedule(Collective::AllReduce, "ring")], config = limit(4_600_000))]
#[bench::direct(args = [schedule(Collective::AllToAll, "direct")], config = limit(3_050_000))]
fn verifier_on_64_ranks(schedule: Schedule) {
    verify(black_box(&schedule)).expect("valid");
}

library_benchmark_group!(
    name = stages,
    benchmarks = [engine_on_64_ranks, verifier_on_64_ranks]
);

main!(library_benchmark_groups = stages);
