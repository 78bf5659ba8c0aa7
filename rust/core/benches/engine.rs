//! Wall time of each stage: schedule, verifier, placement, engine. Compare within one run; the
//! gate on regressions is `instructions.rs`.

use std::hint::black_box;
use std::time::Duration;

use cm_core::algorithms;
use cm_core::collective::{Collective, Payload, Problem};
use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::{Run, Rung};
use cm_core::fabric::routing::{self, Network, RoutingOptions};
use cm_core::fabric::{Fabric, Params, presets};
use cm_core::placement::{self, Job, Placement, Sync};
use cm_core::schedule::{Schedule, verify};
use cm_core::team::Team;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const CASES: [(Collective, &str, u32); 6] = [
    (Collective::AllReduce, "ring", 8),
    (Collective::AllReduce, "ring", 64),
    (Collective::AllReduce, "ring", 384),
    (Collective::AllReduce, "double_binary_tree", 64),
    (Collective::AllToAll, "direct", 64),
    (Collective::AllToAll, "direct", 384),
];

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

fn fabric() -> Fabric {
    let preset = presets::lookup("cm384").expect("cm384 is a preset");
    preset
        .build(&Params::new())
        .expect("the defaults are valid")
}

fn schedule(collective: Collective, algorithm: &str, n_ranks: u32) -> Schedule {
    let team = Team::flat(n_ranks);
    let problem = Problem::new(collective, &team, Payload::Bytes(1 << 28));
    let algorithm = algorithms::lookup(algorithm).expect("a registered algorithm");
    algorithms::schedule(algorithm, &problem).expect("a supported problem")
}

fn place(fabric: &Fabric, schedule: &Schedule) -> Placement {
    let endpoints: Vec<u32> = (0..schedule.n_ranks()).collect();
    let nodes = fabric
        .rank_nodes(&endpoints)
        .expect("the fabric has so many endpoints");
    let entry = routing::lookup("spray").expect("spray is a routing");
    let routing = entry.build(&RoutingOptions::default()).expect("no options");
    let jobs = [Job {
        schedule,
        nodes: &nodes,
        starts_ps: &[0],
    }];
    placement::place(
        fabric,
        &Network::of_bundles(fabric),
        &*routing,
        Sync::None,
        &jobs,
    )
    .expect("a healthy fabric routes everything")
}

fn stages(criterion: &mut Criterion) {
    let fabric = fabric();
    for (collective, algorithm, n) in CASES {
        let mut group = criterion.benchmark_group(format!("{} {algorithm}", collective.name()));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(2));
        let built = schedule(collective, algorithm, n);
        let placed = place(&fabric, &built);
        group.bench_function(BenchmarkId::new("build and verify", n), |b| {
            b.iter(|| schedule(collective, algorithm, black_box(n)));
        });
        group.bench_function(BenchmarkId::new("verify", n), |b| {
            b.iter(|| verify(black_box(&built)).expect("valid"));
        });
        group.bench_function(BenchmarkId::new("place", n), |b| {
            b.iter(|| place(&fabric, black_box(&built)));
        });
        group.bench_function(BenchmarkId::new("engine", n), |b| {
            b.iter(|| Run::climb(black_box(&placed.workload), LIMITS, Rung::Pair).expect("runs"));
        });
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
