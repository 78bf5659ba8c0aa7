//! The event engine on work without symmetry: one plane of a CM384, time and events per second.
//!
//! Each case runs [`Run::climb`], so a run that a pair cannot decide counts with its repeat. The
//! promises, for two cores: mixed 768 at least 1e6 events/s; skewed 128 in 0.1 s and 256 in 1 s (in
//! tokens of 4 KiB; "bytes" has hardly two sizes alike, and six times the events); hashed 256 in
//! 0.5 s and 768 in 8 s.

use std::hint::black_box;
use std::time::Duration;

use cm_core::engine::fluid::Limits;
use cm_core::engine::ladder::{Run, Rung};
use cm_core::engine::workload::Workload;
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

#[path = "../tests/plane/mod.rs"]
mod plane;

const LIMITS: Limits = Limits {
    events: u64::MAX,
    until_ps: None,
    cancel: None,
};

const TOKEN_BYTES: u64 = 4096;

/// Name, ranks and the workload of so many ranks.
type Case = (&'static str, u32, fn(u32) -> Workload);

const CASES: [Case; 6] = [
    ("mixed", 768, |n| plane::mixed(n, 256)),
    ("skewed, tokens", 128, |n| {
        plane::skewed_all_to_all(n, TOKEN_BYTES)
    }),
    ("skewed, tokens", 256, |n| {
        plane::skewed_all_to_all(n, TOKEN_BYTES)
    }),
    ("skewed, bytes", 128, |n| plane::skewed_all_to_all(n, 1)),
    ("hashed", 256, plane::hashed_all_to_all),
    ("hashed", 768, plane::hashed_all_to_all),
];

fn asymmetric(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asymmetric");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(2));
    for (name, n_ranks, make) in CASES {
        let workload = make(n_ranks);
        let run = || Run::climb(black_box(&workload), LIMITS, Rung::Pair).expect("runs");
        group.throughput(Throughput::Elements(run().n_events()));
        group.bench_function(BenchmarkId::new(name, n_ranks), |b| b.iter(run));
    }
    group.finish();
}

criterion_group!(benches, asymmetric);
criterion_main!(benches);
