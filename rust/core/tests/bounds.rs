//! The bounds: equal to what is derived by hand, never above a simulated time, and monotone.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod asking;

use std::sync::Arc;

use asking::question;
use cm_core::bounds::{Demand, Volume, bound};
use cm_core::collective::{Collective, Payload};
use cm_core::fabric::{Fabric, FabricBuilder, Link, LinkKind, NodeKind, Params, presets};
use cm_core::ids::NodeId;
use cm_core::question::{Contest, Extent};
use proptest::prelude::*;

const S: u128 = 1_000_000_000_000;

/// A fabric under construction, with one kind of link and latencies of 0 unless said.
struct Drawing {
    builder: FabricBuilder,
    kind: LinkKind,
}

impl Drawing {
    fn new(levels: &[&str]) -> Self {
        let mut builder = FabricBuilder::new("drawing", "a fabric of a test");
        for level in levels {
            builder.level(level);
        }
        let kind = builder.kind("link");
        Self { builder, kind }
    }

    fn node(&mut self, name: String, kind: NodeKind) -> NodeId {
        self.builder.node(name, kind)
    }

    /// Links both ways, with a rate for each.
    fn join(&mut self, a: NodeId, b: NodeId, rates: (u64, u64), latency_ps: u64) {
        for (src, dst, rate) in [(a, b, rates.0), (b, a, rates.1)] {
            self.builder
                .link(Link::new(src, dst, self.kind, rate, latency_ps));
        }
    }

    fn build(self) -> Fabric {
        self.builder.build().unwrap()
    }
}

fn check(fabric: &Fabric, collective: Collective, size_bytes: u64, seconds: u128, binding: &str) {
    let nodes = fabric.endpoints();
    let demand = Demand {
        collective,
        nodes,
        root: 0,
        volume: Volume::equal(size_bytes, nodes.len()),
    };
    let found = bound(fabric, &demand);
    assert_eq!(found.time_ps, seconds * S, "{found:?}");
    assert!(found.binding.contains(binding), "{found:?}");
}

/// Ranks around one switch: the rate of each to it and from it.
fn star(rates: &[(u64, u64)]) -> Fabric {
    let mut drawing = Drawing::new(&[]);
    let hub = drawing.node("hub".into(), NodeKind::Switch);
    for (rank, rates) in rates.iter().enumerate() {
        let end = drawing.node(format!("r{rank}"), NodeKind::Endpoint);
        drawing.join(end, hub, *rates, 0);
    }
    drawing.build()
}

#[test]
fn one_rank_is_a_cut() {
    let fabric = star(&[(10, 20), (10, 20), (10, 4)]);
    // Rank 2 must receive all 120 bytes at 4 B/s.
    check(&fabric, Collective::Broadcast, 120, 30, "into r2");
    // And 2 of 3 blocks of 40.
    check(&fabric, Collective::AllGather, 120, 20, "into r2");
    // The root sends two blocks of 40 at 10 B/s, 8 s, but rank 2 takes 10 s to receive its own.
    check(&fabric, Collective::Scatter, 120, 10, "into r2");
    // The root receives two blocks at 20 B/s.
    check(&fabric, Collective::Gather, 120, 4, "into r0");
    check(&fabric, Collective::AllToAll, 120, 20, "into r2");
}

#[test]
fn what_enters_all_groups_must_have_left_them() {
    // Each rank gets 2 blocks of 10 at 100 B/s and sends its own at 10 B/s, 1 s; but 60 bytes
    // arrive in all, and 30 B/s is all that the three can send together.
    let fabric = star(&[(10, 100); 3]);
    check(
        &fabric,
        Collective::AllGather,
        30,
        2,
        "out of r0 and its peers",
    );
    check(&fabric, Collective::ReduceScatter, 30, 2, "out of r0");
    // 2 (n-1) S / (n * 10).
    check(
        &fabric,
        Collective::AllReduce,
        30,
        4,
        "out of r0 and its peers",
    );
}

#[test]
fn reductions_take_the_time_of_the_reduction_units() {
    let mut drawing = Drawing::new(&[]);
    let hub = drawing.node("hub".into(), NodeKind::Switch);
    for rank in 0..4 {
        let end = drawing.node(format!("r{rank}"), NodeKind::Endpoint);
        drawing.join(end, hub, (100, 100), 0);
        drawing.builder.reduction_rate(end, 1);
    }
    let fabric = drawing.build();
    // 3 additions of 40 bytes each, at 4 times 1 B/s.
    for collective in [
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::Reduce,
    ] {
        check(&fabric, collective, 40, 30, "reduction units");
    }
    check(&fabric, Collective::Broadcast, 400, 4, "out of r0");
}

#[test]
fn the_border_of_a_container_is_narrow_here_at_its_ranks_and_there_above_its_switches() {
    // Two nodes of two ranks and two planes. Plane 0: 10 B/s from a rank, 100 above the switch;
    // plane 1: 100 from a rank, 10 above. A node sends 2 * 10 + 10 = 30 B/s, although all its
    // ranks' links carry 220 and all its switches' links 110.
    let mut drawing = Drawing::new(&["node"]);
    let rates = [(10, 100), (100, 10)];
    let tops = [0, 1].map(|plane| drawing.node(format!("top{plane}"), NodeKind::Switch));
    for node in 0..2 {
        let inner = [0, 1].map(|plane| drawing.node(format!("s{node}.{plane}"), NodeKind::Switch));
        for plane in 0..2 {
            drawing.builder.place(inner[plane], 0, node);
            let above = rates[plane].1;
            drawing.join(inner[plane], tops[plane], (above, above), 0);
        }
        for rank in 0..2 {
            let end = drawing.node(format!("n{node}r{rank}"), NodeKind::Endpoint);
            drawing.builder.place(end, 0, node);
            for plane in 0..2 {
                let below = rates[plane].0;
                drawing.join(end, inner[plane], (below, below), 0);
            }
        }
    }
    let fabric = drawing.build();
    // 3000 bytes over 30 B/s; a rank alone would allow 3000 / 110 s.
    check(
        &fabric,
        Collective::Broadcast,
        3000,
        100,
        "out of the node of n0r0",
    );
    // Contracted to two nodes: 2 (2-1) 3000 over 2 * 30 B/s, as much as each node's own border.
    check(
        &fabric,
        Collective::AllReduce,
        3000,
        100,
        "the node of n0r0",
    );
}

#[test]
fn a_line_of_switches_is_cut_in_half() {
    // Eight switches in a row, 10 B/s between neighbors, a rank of 100 B/s at each. Of an
    // all-to-all with blocks of 10 bytes 4 * 4 blocks cross the middle each way: 16 s.
    let mut drawing = Drawing::new(&[]);
    let switches: Vec<NodeId> = (0..8)
        .map(|i| drawing.node(format!("s{i}"), NodeKind::Switch))
        .collect();
    for pair in switches.windows(2) {
        drawing.join(pair[0], pair[1], (10, 10), 0);
    }
    for (i, switch) in switches.iter().enumerate() {
        let end = drawing.node(format!("r{i}"), NodeKind::Endpoint);
        drawing.join(end, *switch, (100, 100), 0);
    }
    check(
        &drawing.build(),
        Collective::AllToAll,
        80,
        16,
        "the half of r0",
    );
}

#[test]
fn large_collectives_on_cm384_are_bound_by_packages() {
    let preset = presets::lookup("cm384").unwrap();
    let params = Params::new().with_text("timing", "line_rate");
    let fabric = preset.build(&params).unwrap();
    let bound_ps = |collective, size_bytes| {
        let nodes = fabric.endpoints();
        let demand = Demand {
            collective,
            nodes,
            root: 0,
            volume: Volume::equal(size_bytes, nodes.len()),
        };
        bound(&fabric, &demand).time_ps
    };
    // A package of two dies has 14 ports of 28 GB/s, 392 GB/s. All-reduce contracted to 384
    // packages: 2 * 383 S over 384 * 392 GB/s. All-to-all: 2 * 766 blocks of S/768 leave each.
    // Broadcast: S into a package.
    let size_bytes = 384 * 392_000_000;
    let ps = |numerator: u128, rate: u128| (numerator * S).div_ceil(rate);
    let bytes = u128::from(size_bytes);
    let all_packages = 384 * 392_000_000_000;
    assert_eq!(
        bound_ps(Collective::AllReduce, size_bytes),
        ps(2 * 383 * bytes, all_packages)
    );
    assert_eq!(
        bound_ps(Collective::AllToAll, size_bytes),
        ps(2 * 766 * bytes / 768, 392_000_000_000)
    );
    assert_eq!(
        bound_ps(Collective::Broadcast, size_bytes),
        ps(bytes, 392_000_000_000)
    );
    // All-gather: a package lacks 766 of the 768 blocks. Reduce-scatter likewise gives them away.
    for collective in [Collective::AllGather, Collective::ReduceScatter] {
        assert_eq!(
            bound_ps(collective, size_bytes),
            ps(766 * bytes / 768, 392_000_000_000)
        );
    }
}

/// A random machine: nodes with ranks, switches per node, switches above, links between siblings;
/// rates and latencies as they come.
fn machine() -> impl Strategy<Value = Fabric> {
    let counts = (1..4u32, 1..4u32, 1..3usize, 1..3usize, any::<bool>());
    let rates = prop::collection::vec((1..9u64, 1..9u64, 0..3u64), 96);
    (counts, rates, 0..2u64, prop::option::of(1..9u64)).prop_map(
        |((n_nodes, n_ranks, n_inner, n_tops, siblings), rates, software, reduction)| {
            const G: u64 = 1_000_000_000;
            let mut next = rates.into_iter().cycle();
            let mut drawing = Drawing::new(&["node"]);
            let mut join = |drawing: &mut Drawing, a, b| {
                let (out, back, latency) = next.next().unwrap();
                drawing.join(a, b, (out * G, back * G), latency * 300_000);
            };
            let tops: Vec<NodeId> = (0..n_tops)
                .map(|i| drawing.node(format!("top{i}"), NodeKind::Switch))
                .collect();
            for node in 0..n_nodes {
                let inner: Vec<NodeId> = (0..n_inner)
                    .map(|i| drawing.node(format!("s{node}.{i}"), NodeKind::Switch))
                    .collect();
                for switch in &inner {
                    drawing.builder.place(*switch, 0, node);
                    for top in &tops {
                        join(&mut drawing, *switch, *top);
                    }
                }
                let mut before = None;
                for rank in 0..n_ranks {
                    let end = drawing.node(format!("n{node}r{rank}"), NodeKind::Endpoint);
                    drawing.builder.place(end, 0, node);
                    if let Some(rate) = reduction {
                        drawing.builder.reduction_rate(end, rate * G);
                    }
                    for switch in &inner {
                        join(&mut drawing, end, *switch);
                    }
                    if let Some(sibling) = before.filter(|_| siblings) {
                        join(&mut drawing, sibling, end);
                    }
                    before = Some(end);
                }
            }
            drawing.builder.software_ps(software * 500_000);
            drawing.build()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        rng_seed: proptest::test_runner::RngSeed::Fixed(4),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_faster_than_its_bounds(fabric in machine(), exponent in 0..28u32) {
        let fabric = Arc::new(fabric);
        let n = fabric.n_endpoints();
        for &collective in Collective::ALL {
            let is_pair = collective == Collective::SendRecv;
            if n < 2 || (is_pair && n != 2) || collective.moves_tokens() {
                continue;
            }
            let payload = match collective {
                Collective::Barrier => Payload::None,
                _ => Payload::Bytes(1 << exponent),
            };
            let asked = question(&fabric, collective, n, payload);
            let contest = Contest::hold(&asked, Extent::All, None).unwrap();
            let run = &contest.simulation;
            let bound_ps = u64::try_from(run.bound().time_ps).unwrap();
            prop_assert!(bound_ps <= run.route_bound_ps(), "{collective:?} {:?}", run.bound());
            prop_assert!(run.route_bound_ps() <= run.time_ps(), "{collective:?}");
            for rival in &contest.rivals {
                prop_assert!(bound_ps <= rival.at_least_ps, "{collective:?} {rival:?}");
            }
        }
    }

    #[test]
    fn bounds_grow_with_the_size_and_shrink_with_the_rates(
        fabric in machine(),
        sizes in (1..1_000_000u64, 0..1_000_000u64),
    ) {
        let slow = fabric.degrade(&[("*".to_owned(), 0.5)]).unwrap();
        for &collective in Collective::ALL {
            let bound_ps = |fabric: &Fabric, size_bytes| {
                let nodes = fabric.endpoints();
                let volume = match collective {
                    Collective::Barrier => Volume::Signals,
                    _ => Volume::equal(size_bytes, nodes.len()),
                };
                bound(fabric, &Demand { collective, nodes, root: 0, volume }).time_ps
            };
            let (small, large) = (bound_ps(&fabric, sizes.0), bound_ps(&fabric, sizes.0 + sizes.1));
            prop_assert!(small <= large);
            let slower = bound_ps(&slow, sizes.0);
            prop_assert!(small <= slower && slower <= 2 * small);
        }
    }
}
