//! Sprayed flows are conserved, and merging links loses nothing: on random graphs and on CM384.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails as it should"
)]

use cm_core::fabric::presets::lookup as preset;
use cm_core::fabric::routing::{Network, Route, Routing, RoutingOptions, Share, lookup};
use cm_core::fabric::{Fabric, FabricBuilder, Link, LinkKind, NodeKind, Params};
use cm_core::ids::{BundleId, NodeId};
use proptest::prelude::*;

fn spray() -> Box<dyn Routing> {
    lookup("spray")
        .unwrap()
        .build(&RoutingOptions::default())
        .unwrap()
}

/// The share of each link, by link id: a bundle's share is equal over its links.
fn per_link(network: &Network<'_>, route: &Route) -> Vec<(u32, Share)> {
    let mut shares: Vec<(u32, Share)> = Vec::new();
    for (bundle, share) in &route.shares {
        let links = network.bundles().links(*bundle);
        let each = share.times(Share::new(1, links.len() as u64)).unwrap();
        shares.extend(links.iter().map(|link| (link.0, each)));
    }
    shares.sort_unstable_by_key(|(link, _)| *link);
    shares
}

/// Sprayed routes are the same on bundles as on single links, link for link.
fn check_merging(fabric: &Fabric, pairs: impl IntoIterator<Item = (NodeId, NodeId)>) {
    let (merged, single) = (Network::of_bundles(fabric), Network::of_links(fabric));
    for (src, dst) in pairs {
        match (
            spray().route(&merged, src, dst, 0),
            spray().route(&single, src, dst, 0),
        ) {
            (Ok(a), Ok(b)) => {
                assert_eq!(per_link(&merged, &a), per_link(&single, &b));
                assert_eq!((a.latency_ps, a.hops), (b.latency_ps, b.hops));
            }
            (a, b) => assert_eq!(a, b),
        }
    }
}

/// What enters each switch leaves it; all of the flow leaves `src` and enters `dst`; nothing uses
/// a link that is not live and ordinary.
fn check_conservation(fabric: &Fabric, src: NodeId, dst: NodeId) {
    let network = Network::of_links(fabric);
    let Ok(route) = spray().route(&network, src, dst, 0) else {
        return;
    };
    let zero = Share::new(0, 1);
    let mut entered = vec![zero; fabric.nodes().len()];
    let mut left = entered.clone();
    for (link, share) in per_link(&network, &route) {
        let link = &fabric.links()[link as usize];
        assert!(link.is_usable());
        let add = |slot: &mut Share| *slot = slot.plus(share).unwrap();
        add(&mut left[link.src.index()]);
        add(&mut entered[link.dst.index()]);
    }
    let whole_at = |end: NodeId, index: usize| {
        if end.index() == index {
            Share::ONE
        } else {
            zero
        }
    };
    for (index, node) in fabric.nodes().iter().enumerate() {
        let (sent, received) = (whole_at(src, index), whole_at(dst, index));
        assert_eq!(entered[index].plus(sent), left[index].plus(received));
        // So the ends and nodes that do not forward pass nothing on.
        let forwards = node.kind == NodeKind::Switch;
        assert!(forwards || src == dst || (entered[index], left[index]) == (received, sent));
    }
}

/// Every two members of a class see as many links of each bundle, in and out; a bundle's links
/// have equal attributes and add up to its capacity.
fn check_equitable(fabric: &Fabric) {
    let bundles = fabric.bundles();
    let view = |id: NodeId| {
        let out = fabric
            .out_links(id)
            .iter()
            .map(|link| (true, bundles.bundle_of(*link)));
        let inward = fabric
            .in_links(id)
            .iter()
            .map(|link| (false, bundles.bundle_of(*link)));
        let mut view: Vec<(bool, BundleId)> = out.chain(inward).collect();
        view.sort_unstable();
        view
    };
    for id in (0..fabric.nodes().len()).map(NodeId::from_index) {
        let members = bundles.members(bundles.class(id));
        assert_eq!(view(id), view(members[0]));
        assert!(members.len() == 1 || fabric.node(id).kind == NodeKind::Switch);
    }
    for (index, bundle) in bundles.bundles().iter().enumerate() {
        let attributes = |link: &Link| {
            let rates = (link.nominal_rate_Bps, link.rate_Bps);
            let classes = (bundles.class(link.src), bundles.class(link.dst));
            (link.kind, rates, link.latency_ps, link.ordinary, classes)
        };
        let links = bundles
            .links(BundleId::from_index(index))
            .iter()
            .map(|id| fabric.link(*id));
        let first = attributes(fabric.link(bundle.representative));
        assert!(links.clone().all(|link| attributes(link) == first));
        assert_eq!(
            links.map(|link| link.rate_Bps).sum::<u64>(),
            bundle.capacity_Bps
        );
    }
}

fn check_graph(fabric: &Fabric) {
    check_equitable(fabric);
    let ends = fabric.endpoints();
    let pairs: Vec<(NodeId, NodeId)> = ends
        .iter()
        .flat_map(|&a| ends.iter().map(move |&b| (a, b)))
        .collect();
    check_merging(fabric, pairs.iter().copied());
    for (src, dst) in pairs {
        check_conservation(fabric, src, dst);
    }
}

/// A link (by number, modulo the links) and whether it fails, halves or gets longer.
type Injury = (usize, u8);

fn built(mut builder: FabricBuilder, mut links: Vec<Link>, injuries: &[Injury]) -> Fabric {
    for (index, injury) in injuries {
        let n = links.len();
        let link = &mut links[index % n];
        match injury % 3 {
            0 => link.rate_Bps = 0,
            1 => link.rate_Bps = link.nominal_rate_Bps.div_ceil(2),
            _ => link.latency_ps += 7,
        }
    }
    for link in links {
        builder.link(link);
    }
    builder.build().unwrap()
}

fn add_nodes(builder: &mut FabricBuilder, n: usize, letter: &str, kind: NodeKind) -> Vec<NodeId> {
    (0..n)
        .map(|index| builder.node(format!("{letter}{index}"), kind))
        .collect()
}

fn join(links: &mut Vec<Link>, (a, b): (NodeId, NodeId), kind: LinkKind, rate: u64) {
    links.push(Link::new(a, b, kind, rate, 3));
    links.push(Link::new(b, a, kind, rate, 3));
}

/// Endpoints on two leaves each, every leaf joined to every spine.
fn clos(endpoints: usize, leaves: usize, spines: usize, injuries: &[Injury]) -> Fabric {
    let mut builder = FabricBuilder::new("clos", "");
    let kind = builder.kind("cable");
    let ends = add_nodes(&mut builder, endpoints, "e", NodeKind::Endpoint);
    let leaves = add_nodes(&mut builder, leaves, "l", NodeKind::Switch);
    let spines = add_nodes(&mut builder, spines, "s", NodeKind::Switch);
    let mut links = Vec::new();
    for (index, &end) in ends.iter().enumerate() {
        join(&mut links, (end, leaves[index % leaves.len()]), kind, 4);
        join(
            &mut links,
            (end, leaves[(index + 1) % leaves.len()]),
            kind,
            6,
        );
    }
    for &leaf in &leaves {
        for &spine in &spines {
            join(&mut links, (leaf, spine), kind, 2);
        }
    }
    built(builder, links, injuries)
}

/// Any directed graph: two switches to an endpoint, links by pairs of numbers.
fn tangle(kinds: &[u8], pairs: &[(usize, usize, u64)], injuries: &[Injury]) -> Fabric {
    const KINDS: [NodeKind; 3] = [NodeKind::Switch, NodeKind::Switch, NodeKind::Endpoint];
    let mut builder = FabricBuilder::new("tangle", "");
    let kind = builder.kind("cable");
    builder.node("first", NodeKind::Endpoint);
    for (index, number) in kinds.iter().enumerate() {
        builder.node(format!("n{index}"), KINDS[usize::from(number % 3)]);
    }
    let n = kinds.len() + 1;
    let mut links = vec![Link::new(NodeId(0), NodeId(1), kind, 1, 1)];
    for &(a, b, rate) in pairs {
        let (a, b) = (NodeId::from_index(a % n), NodeId::from_index(b % n));
        if a != b && !links.iter().any(|link| (link.src, link.dst) == (a, b)) {
            links.push(Link::new(a, b, kind, rate, 1));
        }
    }
    built(builder, links, injuries)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(384),
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_lost_in_two_tiers(
        (endpoints, leaves, spines) in (2usize..7, 2usize..6, 1usize..6),
        injuries in prop::collection::vec((any::<usize>(), any::<u8>()), 0..5),
    ) {
        check_graph(&clos(endpoints, leaves, spines, &injuries));
    }

    #[test]
    fn nothing_is_lost_in_any_graph(
        kinds in prop::collection::vec(any::<u8>(), 2..12),
        pairs in prop::collection::vec((0usize..64, 0usize..64, 1u64..4), 4..60),
        injuries in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        check_graph(&tangle(&kinds, &pairs, &injuries));
    }
}

#[test]
fn nothing_is_lost_on_cm384_healthy_degraded_or_failed() {
    let healthy = preset("cm384").unwrap().build(&Params::new()).unwrap();
    let one = |selector: &str, factor| healthy.degrade(&[(selector.to_owned(), factor)]).unwrap();
    for fabric in [
        &healthy,
        &one("l2.2.11", 0.0),
        &one("node03/l1.2->l2.2.5", 0.0),
        &one("node03/die04->node03/l1.6", 0.5),
        &one("node0[3-5]/l1.4", 0.25),
    ] {
        check_equitable(fabric);
        let end = |endpoint: u32| fabric.endpoint(endpoint).unwrap();
        let from = [52, 53, 60, 700].into_iter();
        let there = from.flat_map(|a| (0..768).step_by(7).map(move |b| (end(a), end(b))));
        let cpus = ["node03/cpu1", "node05/cpu0"].map(|name| fabric.require_node(name).unwrap());
        let pairs = there.chain([(cpus[0], end(83)), (cpus[1], end(52)), (cpus[0], cpus[1])]);
        for (src, dst) in pairs {
            check_merging(fabric, [(src, dst), (dst, src)]);
        }
        check_conservation(fabric, end(52), end(700));
        check_conservation(fabric, end(700), end(52));
    }
}
