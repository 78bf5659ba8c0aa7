//! On a uniform fabric (a crossbar, one port per rank, full duplex) the simulated time equals the
//! catalogue's closed form to the picosecond, under the bulk-synchronous and the pairwise oracle.
//!
//! A reduction is streamed: a step that sums costs the slower of port and reduction unit.

use std::sync::Arc;

use cm_core::algorithms::{ALGORITHMS, schedule};
use cm_core::collective::{Collective, OptionValue, Problem};
use cm_core::engine::ladder::Rung;
use cm_core::engine::layers::Layers;
use cm_core::fabric::routing::RoutingOptions;
use cm_core::fabric::{Fabric, FabricBuilder, Link, NodeKind};
use cm_core::ids::RankId;
use cm_core::placement::Sync;
use cm_core::simulate::{EngineKind, PlacedJob, Settings, Simulation, Source, Work};
use cm_core::team::Team;

use crate::formulas::{fold, log2_ceil};
use crate::{LEVELED, options, payload};

const RATE_BPS: u64 = 3_000_000_000;
/// Slower than the port, so that it decides.
const REDUCTION_BPS: u64 = 700_000_000;
const LATENCY_PS: u64 = 1_000_001;
/// 2^5 3^3 5 7 is no multiple of most n: sizes are fractions.
const SIZE: u64 = 30_240;

fn crossbar(n: u32, reduction: Option<u64>) -> Arc<Fabric> {
    let mut builder = FabricBuilder::new("crossbar", "one port per rank");
    let kind = builder.kind("port");
    let nodes: Vec<_> = (0..n)
        .map(|r| builder.node(format!("r{r}"), NodeKind::Endpoint))
        .collect();
    let switch = builder.node("switch", NodeKind::Switch);
    for node in nodes {
        builder.link(Link::new(node, switch, kind, RATE_BPS, LATENCY_PS));
        builder.link(Link::new(switch, node, kind, RATE_BPS, 0));
        if let Some(rate) = reduction {
            builder.reduction_rate(node, rate);
        }
    }
    Arc::new(builder.build().unwrap())
}

/// T = steps alpha + S / denominator (summed max(beta, gamma) + copied beta).
struct Cost {
    steps: u32,
    summed: u64,
    copied: u64,
    denominator: u64,
}

impl Cost {
    fn time_ps(&self, reduction: Option<u64>) -> u64 {
        let slower = reduction.map_or(RATE_BPS, |rate| rate.min(RATE_BPS));
        // One fraction over denominator * RATE * slower, rounded up once.
        let (summed, copied) = (u128::from(self.summed), u128::from(self.copied));
        let (rate, slower) = (u128::from(RATE_BPS), u128::from(slower));
        let numerator = u128::from(SIZE) * 10u128.pow(12) * (summed * rate + copied * slower);
        let bytes_ps = numerator.div_ceil(u128::from(self.denominator) * rate * slower);
        u64::from(self.steps) * LATENCY_PS + bytes_ps as u64
    }
}

/// The closed forms of section 3, K = 4 where there are chunks.
fn closed_form(problem: &Problem, name: &str) -> Option<Cost> {
    use Collective::{
        AllGather, AllReduce, AllToAll, Broadcast, Gather, Reduce, ReduceScatter, Scatter, SendRecv,
    };
    let n = problem.n_ranks();
    let (up, (l, rem)) = (log2_ceil(n), fold(n));
    let (folded, p) = (u32::from(rem > 0), 1u64 << l);
    let f = u64::from(n) - 1;
    let cost = |steps, summed, copied, denominator| {
        Some(Cost {
            steps,
            summed,
            copied,
            denominator,
        })
    };
    let n64 = u64::from(n);
    // ... of a collective whose blocks of S/n each pass every port once.
    let one_pass = |steps, collective| match collective {
        ReduceScatter => cost(steps, f, 0, n64),
        AllReduce => cost(2 * steps, f, f, n64),
        _ => cost(steps, 0, f, n64),
    };
    match (name, problem.collective) {
        ("ring", collective) => one_pass(n - 1, collective),
        ("bidirectional_ring" | "multi_ring", collective) => one_pass(n - 1, collective),
        ("neighbor_exchange", collective) => one_pass(n / 2, collective),
        ("pat" | "swing", collective) => one_pass(up, collective),
        ("bine", Broadcast) => cost(up, 0, up.into(), 1),
        ("bine", _) => cost(up, up.into(), 0, 1),
        ("nhr" | "nb", Scatter | Gather) => cost(up, 0, f, n64),
        ("nhr" | "nb", Broadcast) => cost(2 * up, 0, 2 * f, n64),
        ("nhr" | "nb", Reduce) => cost(2 * up, f, f, n64),
        ("nhr" | "nb", collective) => one_pass(up, collective),
        ("grouped", _) => cost((n - 1).div_ceil(8), 0, f, n64),
        // V = 12 for n = 8 (3.12).
        ("bruck", AllToAll) if n == 8 => cost(3, 0, 12, 8),
        ("bruck", AllGather) => cost(up, 0, f, n64),
        ("shift" | "xor", _) => cost(n - 1, 0, f, n64),
        ("one_shot", _) => cost(1, f, 0, 1),
        ("two_shot", AllReduce) => cost(2, f, f, n64),
        // The root sends n - 1 blocks in either step.
        ("two_shot", Broadcast) => cost(2, 0, 2 * f, n64),
        ("two_shot", Reduce) => cost(2, f, f, n64),
        ("direct", Broadcast) => cost(1, 0, f, 1),
        ("direct", Reduce) => cost(1, f, 0, 1),
        ("direct", SendRecv) => cost(1, 0, 1, 1),
        ("direct", collective) => one_pass(1, collective),
        ("chain", Broadcast) => cost(n - 2 + 4, 0, u64::from(n) + 2, 4),
        ("chain", Reduce) => cost(n - 2 + 4, u64::from(n) + 2, 0, 4),
        ("recursive_doubling", _) => cost(l + 2 * folded, u64::from(l + folded), folded.into(), 1),
        ("rabenseifner" | "halving_doubling", AllReduce) => {
            let pairs = p * u64::from(folded);
            cost(2 * (l + folded), p - 1 + pairs, p - 1 + pairs, p)
        }
        ("halving_doubling", collective) if rem == 0 => one_pass(l, collective),
        ("binomial_tree", Scatter | Gather) => cost(up, 0, f, n64),
        ("dissemination", _) => cost(up, 0, 0, 1),
        _ => None,
    }
}

fn settings(sync: Sync) -> Settings {
    Settings {
        routing: "spray",
        routing_options: RoutingOptions::default(),
        sync,
        engine: EngineKind::Fluid,
        rung: Rung::Pair,
        layers: Layers::ALL,
        memory_limit_bytes: 1 << 32,
        event_limit: u64::MAX,
    }
}

#[test]
fn simulated_times_equal_the_closed_forms() {
    let mut n_checked = 0;
    for n in [2, 3, 4, 5, 6, 8, 11, 16] {
        let team = Team::flat(n);
        for algorithm in ALGORITHMS.iter().filter(|a| !LEVELED.contains(&a.name())) {
            for &collective in algorithm.about().collectives {
                let mut problem = Problem::new(collective, &team, payload(collective, SIZE));
                problem.root = RankId(u32::from(collective.is_rooted()) * (n / 2));
                if algorithm.about().options.iter().any(|o| o.name == "chunks") {
                    problem.options = options(&[("chunks", OptionValue::Int(4))]);
                }
                let is_possible = problem.check().is_ok() && algorithm.supports(&problem).is_ok();
                let closed_form = || closed_form(&problem, algorithm.name());
                let Some(cost) = is_possible.then(closed_form).flatten() else {
                    continue;
                };
                let schedule = Arc::new(schedule(*algorithm, &problem).unwrap());
                for reduction in [None, Some(REDUCTION_BPS)] {
                    for sync in [Sync::Barrier, Sync::Pairwise] {
                        let job = PlacedJob {
                            source: Source::Written(schedule.clone()),
                            endpoints: (0..n).collect(),
                            starts_ps: vec![0],
                        };
                        let fabric = crossbar(n, reduction);
                        let work = Work::Jobs(vec![job]);
                        let run = Simulation::run(fabric, work, settings(sync), None).unwrap();
                        let what = format!(
                            "{} {} n={n} {sync:?} reduction {reduction:?}",
                            algorithm.name(),
                            collective.name()
                        );
                        assert_eq!(run.time_ps(), cost.time_ps(reduction), "{what}");
                        n_checked += 1;
                    }
                }
            }
        }
    }
    assert!(n_checked > 500, "{n_checked}");
}
