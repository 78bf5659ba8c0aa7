//! Routes by definition: cases worked by hand, errors, selectors and digests.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails as it should"
)]

use cm_core::fabric::presets::lookup as preset;
use cm_core::fabric::routing::{
    Network, Route, Routing, RoutingError, RoutingOptions, Share, lookup, pinned, resolve_via,
};
use cm_core::fabric::{Bundles, Fabric, FabricBuilder, Link, NodeKind, Params};
use cm_core::ids::{BundleId, LinkId, NodeId};
use cm_core::splitmix::splitmix64;

/// Four nodes: small, and with every feature of the full machine.
fn small() -> Fabric {
    cm384(4)
}

fn cm384(nodes: i64) -> Fabric {
    preset("cm384")
        .unwrap()
        .build(&Params::new().with_int("nodes", nodes))
        .unwrap()
}

fn degraded(fabric: &Fabric, selector: &str, factor: f64) -> Fabric {
    fabric.degrade(&[(selector.to_owned(), factor)]).unwrap()
}

fn routing(name: &str, seed: u64, planes: Option<Vec<u32>>) -> Box<dyn Routing> {
    lookup(name)
        .unwrap()
        .build(&RoutingOptions { seed, planes })
        .unwrap()
}

fn node(fabric: &Fabric, name: &str) -> NodeId {
    fabric.require_node(name).unwrap()
}

/// The route from one endpoint to another takes, in each of the given planes, the given L2 chip,
/// with an equal share, and nothing else.
fn check_chips(
    fabric: &Fabric,
    routing: &dyn Routing,
    occurrence: u64,
    (src, dst): (u32, u32),
    chips: &[(u32, u64)],
) {
    let (src, dst) = (fabric.endpoint(src).unwrap(), fabric.endpoint(dst).unwrap());
    let route = routing
        .route(&Network::of_links(fabric), src, dst, occurrence)
        .unwrap();
    let (from, to) = (&fabric.node(src).name, &fabric.node(dst).name);
    let mut expected: Vec<String> = Vec::new();
    for (plane, chip) in chips {
        let up = format!("{}/l1.{plane}", &from[..6]);
        let l2 = format!("l2.{plane}.{chip}");
        let down = format!("{}/l1.{plane}", &to[..6]);
        for (a, b) in [(from, &up), (&up, &l2), (&l2, &down), (&down, to)] {
            expected.push(format!("{a}->{b} 1/{}", chips.len()));
        }
    }
    let mut taken: Vec<String> = Vec::new();
    for (bundle, share) in &route.shares {
        let link = fabric.link_name(LinkId(bundle.0));
        taken.push(format!("{link} {}/{}", share.num(), share.den()));
    }
    expected.sort();
    taken.sort();
    assert_eq!(taken, expected);
    assert_eq!((route.latency_ps, route.hops), (1_900_000, 4));
}

#[test]
fn spray_gives_each_of_seven_planes_and_sixteen_chips_its_part() {
    let fabric = small();
    let (src, dst) = (fabric.endpoint(0).unwrap(), fabric.endpoint(20).unwrap());
    let spray = routing("spray", 0, None);
    let route = spray
        .route(&Network::of_links(&fabric), src, dst, 0)
        .unwrap();
    let with = |part: Share| {
        route
            .shares
            .iter()
            .filter(|(_, share)| *share == part)
            .count()
    };
    // 7 links up and 7 down carry 1/7 each; 112 to and 112 from the L2 chips carry 1/112.
    assert_eq!(
        (with(Share::new(1, 7)), with(Share::new(1, 112))),
        (14, 224)
    );
    assert_eq!(
        (route.shares.len(), route.latency_ps, route.hops),
        (238, 1_900_000, 4)
    );
    // Merged: four bundles, each with the whole flow.
    let route = spray
        .route(&Network::of_bundles(&fabric), src, dst, 0)
        .unwrap();
    assert!(route.shares.len() == 4 && route.shares.iter().all(|(_, share)| *share == Share::ONE));
}

#[test]
fn spray_divides_by_nominal_rates_and_a_degraded_link_keeps_its_part() {
    // a reaches d over s (6 and 6 B/s, 1 + 1 ps) and over t (4 and 4 B/s, 5 + 1 ps); the link to t
    // has half its rate now. Parts 6/10 and 4/10; the longer path sets the latency.
    let mut builder = FabricBuilder::new("diamond", "");
    let kind = builder.kind("cable");
    let [a, d] = ["a", "d"].map(|name| builder.node(name, NodeKind::Endpoint));
    let [s, t] = ["s", "t"].map(|name| builder.node(name, NodeKind::Switch));
    for link in [
        Link::new(a, t, kind, 4, 5),
        Link::new(a, s, kind, 6, 1),
        Link::new(t, d, kind, 4, 1),
        Link::new(s, d, kind, 6, 1),
    ] {
        builder.link(link);
    }
    let fabric = degraded(&builder.build().unwrap(), "a->t", 0.5);
    for network in [Network::of_links(&fabric), Network::of_bundles(&fabric)] {
        let route = routing("spray", 0, None).route(&network, a, d, 0).unwrap();
        let parts: Vec<Share> = route.shares.iter().map(|(_, share)| *share).collect();
        assert_eq!(parts, [2, 3, 2, 3].map(|fifths| Share::new(fifths, 5)));
        assert_eq!((route.latency_ps, route.hops), (6, 2));
    }
}

#[test]
fn one_failed_l2_chip_leaves_its_plane_fifteen_uplinks() {
    let fabric = degraded(&cm384(48), "l2.2.11", 0.0);
    let bundles = fabric.bundles();
    let size = |name: &str| bundles.members(bundles.class(node(&fabric, name))).len();
    assert_eq!(["node03/l1.0", "node03/l1.2"].map(size), [6, 1]);
    assert_eq!(["l2.0.0", "l2.2.0", "l2.2.11"].map(size), [96, 15, 1]);
    // The die still gives plane 2 a seventh; the 15 links left share it.
    let (src, dst) = (node(&fabric, "node03/die05"), node(&fabric, "node40/die00"));
    let spray = routing("spray", 0, None);
    let route = spray
        .route(&Network::of_links(&fabric), src, dst, 0)
        .unwrap();
    let share = |a: &str, b: &str| {
        let link = fabric
            .link_between(node(&fabric, a), node(&fabric, b))
            .unwrap();
        route
            .shares
            .iter()
            .find(|(bundle, _)| bundle.0 == link.0)
            .map(|(_, share)| *share)
    };
    assert_eq!(share("node03/die05", "node03/l1.2"), Some(Share::new(1, 7)));
    assert_eq!(share("node03/l1.2", "l2.2.10"), Some(Share::new(1, 7 * 15)));
    assert_eq!(share("node03/l1.2", "l2.2.11"), None);
    assert_eq!(share("node03/l1.3", "l2.3.11"), Some(Share::new(1, 7 * 16)));
    assert_eq!(share("l2.2.0", "node40/l1.2"), Some(Share::new(1, 7 * 15)));
}

#[test]
fn siblings_use_their_own_link_until_it_fails() {
    let fabric = small();
    let (a, b) = (node(&fabric, "node01/die02"), node(&fabric, "node01/die03"));
    let direct = fabric.link_between(a, b).unwrap();
    let cut = degraded(&fabric, "node01/die02->node01/die03", 0.0);
    let route = |fabric: &Fabric, name: &str| -> Route {
        routing(name, 0, None)
            .route(&Network::of_links(fabric), a, b, 0)
            .unwrap()
    };
    for name in ["spray", "hash", "dest", "plane"] {
        let healthy = route(&fabric, name);
        assert_eq!(healthy.shares, [(BundleId(direct.0), Share::ONE)]);
        assert_eq!((healthy.latency_ps, healthy.hops), (200_000, 1));
        let around = route(&cut, name);
        assert_eq!((around.latency_ps, around.hops), (1_200_000, 2), "{name}");
    }
}

#[test]
fn hash_takes_the_defined_chip_in_each_plane() {
    let fabric = small();
    // Endpoints 5 (node 0) and 35 (node 2), occurrence 3, seed 42: the definition in words.
    let mix = |h: u64, x: u64| splitmix64(h ^ x);
    let flow = mix(mix(mix(splitmix64(42), 5), 35), 3);
    let chip = |plane: u32| (plane, mix(flow, u64::from(plane)) % 16);
    let mut chips: Vec<(u32, u64)> = (0..7).map(chip).collect();
    check_chips(&fabric, &*routing("hash", 42, None), 3, (5, 35), &chips);
    // With chip 11 of plane 2 failed, 15 candidates are left there: 0..=10 and 12..=15.
    let index = mix(flow, 2) % 15;
    chips[2] = (2, if index < 11 { index } else { index + 1 });
    let cut = degraded(&fabric, "l2.2.11", 0.0);
    check_chips(&cut, &*routing("hash", 42, None), 3, (5, 35), &chips);
}

#[test]
fn dest_takes_the_chip_of_the_destinations_die_number() {
    let fabric = small();
    let dest = routing("dest", 0, None);
    // Endpoint 2 x 16 + 11 is die 11 of node 2.
    let eleven: Vec<(u32, u64)> = (0..7).map(|plane| (plane, 11)).collect();
    check_chips(&fabric, &*dest, 0, (5, 43), &eleven);
    // Without chip 11 of plane 2, candidate 11 mod 15 = 11 of 0..=10, 12..=15 is chip 12.
    let mut moved = eleven.clone();
    moved[2] = (2, 12);
    check_chips(
        &degraded(&fabric, "l2.2.11", 0.0),
        &*dest,
        0,
        (5, 43),
        &moved,
    );
    // A die that has lost plane 4 stripes over the other six.
    let six: Vec<(u32, u64)> = eleven
        .into_iter()
        .filter(|(plane, _)| *plane != 4)
        .collect();
    let cut = degraded(&fabric, "node00/die05->node00/l1.4", 0.0);
    check_chips(&cut, &*dest, 0, (5, 43), &six);
}

#[test]
fn candidates_stand_by_node_whatever_their_planes_are() {
    // From a, s is on plane 1, t on plane 0, and u on none, so that u keeps to every plane. Number 1
    // (b is endpoint 1) of t, u is u in plane 0; of s, u it is u in plane 1; of s, t, u in the stripe
    // without a plane it is t.
    let mut builder = FabricBuilder::new("labels", "");
    let kind = builder.kind("cable");
    let [a, b] = ["a", "b"].map(|name| builder.node(name, NodeKind::Endpoint));
    let [s, t, u] = ["s", "t", "u"].map(|name| builder.node(name, NodeKind::Switch));
    let on = |src, dst, plane| Link {
        plane,
        ..Link::new(src, dst, kind, 6, 1)
    };
    for (switch, plane) in [(s, Some(1)), (t, Some(0)), (u, None)] {
        builder.link(on(a, switch, plane));
        builder.link(on(switch, b, plane));
    }
    let fabric = builder.build().unwrap();
    let network = Network::of_links(&fabric);
    let route = routing("dest", 0, None).route(&network, a, b, 0).unwrap();
    let first = |switch: NodeId| fabric.link_between(a, switch).unwrap();
    let part = |switch| {
        let bundle = network.bundles().bundle_of(first(switch));
        let found = route.shares.iter().find(|(other, _)| *other == bundle);
        found.map(|(_, share)| *share)
    };
    let expected = [None, Some(Share::new(1, 3)), Some(Share::new(2, 3))];
    assert_eq!([s, t, u].map(part), expected);
}

#[test]
fn a_stripe_whose_plane_ends_goes_on_over_all_by_node() {
    // Plane 0 ends at s, from which t is on plane 2 and u on plane 1: number 1 of t, u is u.
    let mut builder = FabricBuilder::new("end of a plane", "");
    let kind = builder.kind("cable");
    let [a, b] = ["a", "b"].map(|name| builder.node(name, NodeKind::Endpoint));
    let [s, t, u] = ["s", "t", "u"].map(|name| builder.node(name, NodeKind::Switch));
    for (src, dst, plane) in [(a, s, 0), (s, t, 2), (s, u, 1), (t, b, 2), (u, b, 1)] {
        builder.link(Link {
            plane: Some(plane),
            ..Link::new(src, dst, kind, 6, 1)
        });
    }
    let fabric = builder.build().unwrap();
    let network = Network::of_links(&fabric);
    let route = routing("dest", 0, None).route(&network, a, b, 0).unwrap();
    let taken: Vec<BundleId> = route.shares.iter().map(|(bundle, _)| *bundle).collect();
    let links = [(a, s), (s, u), (u, b)].map(|(src, dst)| {
        let link = fabric.link_between(src, dst).unwrap();
        network.bundles().bundle_of(link)
    });
    assert_eq!(taken, links);
}

#[test]
fn plane_takes_one_plane_and_one_chip_by_the_sum() {
    let fabric = small();
    // 3 + 40 = 43: plane 43 mod 7 = 1, chip 43 mod 16 = 11; of planes 2, 5 number 43 mod 2 = 1.
    check_chips(&fabric, &*routing("plane", 0, None), 0, (3, 40), &[(1, 11)]);
    check_chips(
        &fabric,
        &*routing("plane", 0, Some(vec![5, 2])),
        0,
        (3, 40),
        &[(5, 11)],
    );
    // Without plane 1, six are live: number 43 mod 6 = 1 of 0, 2, 3, ... is plane 2.
    let cut = degraded(&fabric, "node00/l1.1", 0.0);
    check_chips(&cut, &*routing("plane", 0, None), 0, (3, 40), &[(2, 11)]);
    let (src, dst) = (cut.endpoint(3).unwrap(), cut.endpoint(40).unwrap());
    let only = routing("plane", 0, Some(vec![1]));
    let error = only
        .route(&Network::of_links(&cut), src, dst, 0)
        .unwrap_err();
    assert!(matches!(error, RoutingError::NoPlane { .. }), "{error}");
}

#[test]
fn a_rank_that_is_cut_off_is_named() {
    let fabric = degraded(&small(), "node02/die07", 0.0);
    let network = Network::of_links(&fabric);
    let end = |endpoint| fabric.endpoint(endpoint).unwrap();
    for name in ["spray", "hash", "dest", "plane"] {
        let routing = routing(name, 0, None);
        let error = routing
            .route(&network, end(0), end(39), 0)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("'node00/die00' to 'node02/die07'"),
            "{error}"
        );
        assert_eq!(routing.route(&network, end(4), end(4), 0).unwrap().hops, 0);
    }
}

#[test]
fn options_and_names_are_checked() {
    let build = |name: &str, planes: Vec<u32>| {
        let planes = Some(planes);
        lookup(name)
            .unwrap()
            .build(&RoutingOptions { seed: 0, planes })
            .unwrap_err()
    };
    let refused = build("spray", vec![1]).to_string();
    assert!(
        refused.contains("'spray' has no option 'planes'"),
        "{refused}"
    );
    assert_eq!(build("plane", vec![]), RoutingError::EmptyPlanes);
    let unknown = lookup("spry").unwrap_err().to_string();
    assert!(unknown.contains("did you mean spray?"), "{unknown}");
}

#[test]
fn pinned_routes_take_the_links_they_name() {
    let fabric = small();
    let network = Network::of_bundles(&fabric);
    let pin = |names: &[&str], src: &str, dst: &str| {
        let via = resolve_via(&fabric, names)?;
        pinned(&network, node(&fabric, src), node(&fabric, dst), &via)
    };
    let (src, dst) = ("node00/die03", "node02/die01");
    // The vendor model's 5.5 us over four links; the NICs may be left out.
    let route = pin(&["node00/nic03", "rdma", "node02/nic01"], src, dst).unwrap();
    assert_eq!((route.latency_ps, route.hops), (5_500_000, 4));
    assert_eq!(pin(&["rdma"], src, dst).unwrap(), route);
    assert_eq!(pin(&["vpc"], "node00/cpu0", "node02/cpu0").unwrap().hops, 4);
    for (names, message) in [
        (
            &["node01/nic00", "rdma"][..],
            "needs a link 'node00/die03->node01/nic00'",
        ),
        (&["l2.0.0"], "needs a link 'node00/die03->l2.0.0'"),
        (
            &["node00/die02"],
            "passes 'node00/die02', a node of kind endpoint",
        ),
        (
            &["node00/l1.0", "node00/cpu1", "rdma"],
            "passes 'node00/cpu1', a node of kind cpu",
        ),
        (
            &["rdma", "node01/nic00", "node01/nic01", "rdma"],
            "passes 'rdma' twice",
        ),
        (&["rdna"], "no node is named 'rdna'; did you mean rdma?"),
        (
            &["node00/l1.2", "l2.2.0", "node02/l1.2"],
            "is merged in a bundle of 7",
        ),
    ] {
        let error = pin(names, src, dst).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn distinguished_switches_can_be_pinned_and_be_ends() {
    let fabric = small();
    let (src, dst) = (node(&fabric, "node00/die03"), node(&fabric, "node02/die01"));
    let via = resolve_via(&fabric, &["node00/l1.2", "l2.2.0", "node02/l1.2"]).unwrap();
    let bundles = Bundles::coarsest(&fabric, &via);
    let network = Network::with_bundles(&fabric, &bundles);
    // 850 + 3 x 350 ns, as for any route between nodes.
    assert_eq!(
        pinned(&network, src, dst, &via).unwrap().latency_ps,
        1_900_000
    );
    let spray = routing("spray", 0, None);
    assert_eq!(spray.route(&network, src, via[1], 0).unwrap().hops, 2);
    let error = spray
        .route(&Network::of_bundles(&fabric), src, via[1], 0)
        .unwrap_err();
    // All 112 L2 chips are one class of the plain merging.
    assert!(
        matches!(error, RoutingError::MergedEnd { n_merged: 111, .. }),
        "{error}"
    );
}

#[test]
fn a_pinned_route_overrides_the_siblings_link_and_needs_live_links() {
    let fabric = degraded(&small(), "node00/die00->node00/l1.3", 0.0);
    let network = Network::of_links(&fabric);
    let (a, b) = (node(&fabric, "node00/die00"), node(&fabric, "node00/die01"));
    let via = |name: &str| pinned(&network, a, b, &resolve_via(&fabric, &[name]).unwrap());
    let route = via("node00/l1.2").unwrap();
    assert_eq!((route.latency_ps, route.hops), (1_200_000, 2));
    let error = via("node00/l1.3").unwrap_err().to_string();
    assert!(
        error.contains("'node00/die00->node00/l1.3', which has failed"),
        "{error}"
    );
}

#[test]
fn selectors_mean_links_or_all_links_of_nodes() {
    let fabric = cm384(48);
    for (selector, n_links) in [
        // One L2 chip: 48 links each way. Seven L1 chips: 16 dies, 4 CPUs, 16 uplinks each way.
        ("l2.2.11", 96),
        ("node03/l1.*", 7 * 36 * 2),
        ("node03/die05->node03/l1.?", 7),
        // Each die: seven planes, its sibling, its NIC.
        ("node00/die0[01]->*", 2 * 9),
        ("*->l2.0.0", 48),
        ("node00/die00->node00/die01", 1),
    ] {
        assert_eq!(
            fabric.select(selector).unwrap().len(),
            n_links,
            "{selector}"
        );
    }
    for (selector, message) in [
        (
            "l2.2.16",
            "selector 'l2.2.16' matches no node; did you mean l2.2.1",
        ),
        ("l2.2.1->nowhere", "matches no link"),
        (
            "l2.2.1->l2.2.2",
            "links from there look like l2.2.1->node00/l1.2",
        ),
    ] {
        let error = fabric.select(selector).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn factors_multiply_round_and_are_checked() {
    let fabric = small();
    let rates = |fabric: &Fabric| {
        let link = fabric.link_between(node(fabric, "node03/l1.2"), node(fabric, "l2.2.11"));
        let link = fabric.link(link.unwrap());
        (link.nominal_rate_Bps, link.rate_Bps)
    };
    let factors = [
        ("l2.2.*".to_owned(), 0.5),
        ("node03/l1.2->*".to_owned(), 0.5),
    ];
    assert_eq!(
        rates(&fabric.degrade(&factors).unwrap()),
        (28_000_000_000, 7_000_000_000)
    );
    // 28e9 / 3e10 = 0.93 rounds to 1 B/s; 28e9 / 6e10 = 0.47 rounds to 0 and is refused.
    assert_eq!(rates(&degraded(&fabric, "l2.2.11", 1.0 / 3e10)).1, 1);
    for (factor, message) in [
        (1.0 / 6e10, "rounds to 0 B/s"),
        (1.5, "factor 1.5 for selector 'l2.2.11'"),
        (-0.1, "factor -0.1"),
        (f64::NAN, "factor NaN"),
    ] {
        let error = fabric
            .degrade(&[("l2.2.11".to_owned(), factor)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
    }
    // A failed link stays failed.
    let failed = degraded(&fabric, "l2.2.11", 0.0);
    assert_eq!(rates(&degraded(&failed, "l2.2.11", 0.5)).1, 0);
}

#[test]
fn digests_follow_the_content() {
    let fabric = small();
    assert_eq!(fabric.digest().len(), 64);
    assert_eq!(fabric.digest(), small().digest());
    assert_eq!(fabric, degraded(&fabric, "*", 1.0));
    let build = |params: Params| preset("cm384").unwrap().build(&params).unwrap();
    let four = || Params::new().with_int("nodes", 4);
    let others = [
        degraded(&fabric, "l2.2.11", 0.5),
        degraded(&fabric, "l2.2.11", 0.0),
        degraded(&fabric, "l2.2.12", 0.5),
        cm384(5),
        build(four().with_text("rank", "npu")),
        build(four().with_text("timing", "line_rate")),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(fabric.digest(), other.digest());
        assert!(
            others[..index]
                .iter()
                .all(|before| before.digest() != other.digest())
        );
    }
}

#[test]
fn adaptive_takes_the_least_loaded_path_by_both_links() {
    // Sixteen flows from node 0 to node 1, die to die: in each plane the k-th finds chips 0 to k-1
    // loaded, up and down, and takes chip k.
    let fabric = small();
    let adaptive = routing("adaptive", 0, None);
    for die in 0..16 {
        let chips: Vec<(u32, u64)> = (0..7).map(|plane| (plane, u64::from(die))).collect();
        check_chips(&fabric, &*adaptive, 0, (die, 16 + die), &chips);
    }
    // From node 2 to node 1 all uplinks are free and all downlinks carry one flow: the first chip.
    // From node 2 to node 3 the uplink to chip 0 is now loaded and chip 1 is free both ways.
    check_chips(
        &fabric,
        &*adaptive,
        0,
        (32, 17),
        &(0..7).map(|p| (p, 0)).collect::<Vec<_>>(),
    );
    check_chips(
        &fabric,
        &*adaptive,
        0,
        (33, 50),
        &(0..7).map(|p| (p, 1)).collect::<Vec<_>>(),
    );
    // A new one has seen nothing.
    let fresh = routing("adaptive", 0, None);
    check_chips(
        &fabric,
        &*fresh,
        0,
        (33, 50),
        &(0..7).map(|p| (p, 0)).collect::<Vec<_>>(),
    );
}

#[test]
fn adaptive_weighs_loads_by_rates_and_refuses_planes() {
    // Two switches between a and b, of 30 and 10 B/s: of four flows three take the wide one. The
    // first two compare 0 with 0 and 1/30 with 0/10; then 1/30 with 1/10, and 2/30 with 1/10.
    let mut builder = FabricBuilder::new("two ways", "");
    let ends = ["a", "b"].map(|name| builder.node(name, NodeKind::Endpoint));
    let kind = builder.kind("cable");
    for (name, rate) in [("wide", 30), ("narrow", 10)] {
        let switch = builder.node(name, NodeKind::Switch);
        builder.link(Link::new(ends[0], switch, kind, rate, 1));
        builder.link(Link::new(switch, ends[1], kind, rate, 1));
    }
    let fabric = builder.build().unwrap();
    let adaptive = routing("adaptive", 0, None);
    let network = Network::of_links(&fabric);
    let taken: Vec<u32> = (0..4)
        .map(|occurrence| {
            let route = adaptive
                .route(&network, ends[0], ends[1], occurrence)
                .unwrap();
            assert!(route.shares.iter().all(|(_, share)| *share == Share::ONE));
            fabric.link(LinkId(route.shares[0].0.0)).dst.0
        })
        .collect();
    assert_eq!(taken, [2, 3, 2, 2]);
    let options = RoutingOptions {
        planes: Some(vec![0]),
        ..RoutingOptions::default()
    };
    assert!(lookup("adaptive").unwrap().build(&options).is_err());
}
