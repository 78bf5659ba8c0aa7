//! The parametric families and the large machines: counts, degrees, diameters, bisections.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails as it should"
)]

use cm_core::fabric::presets::lookup;
use cm_core::fabric::routing::Network;
use cm_core::fabric::{Fabric, NodeKind, Params};
use cm_core::ids::NodeId;
use fixedbitset::FixedBitSet;

/// One GB/s in B/s.
const G: u64 = 1_000_000_000;

fn preset(name: &str, ints: &[(&str, i64)]) -> Fabric {
    let params = ints.iter().fold(Params::new(), |params, (key, value)| {
        params.with_int(key, *value)
    });
    lookup(name).unwrap().build(&params).unwrap()
}

fn count(fabric: &Fabric, kind: NodeKind) -> usize {
    fabric
        .nodes()
        .iter()
        .filter(|node| node.kind == kind)
        .count()
}

fn node(fabric: &Fabric, name: &str) -> NodeId {
    fabric.require_node(name).unwrap()
}

/// The largest hop count from the first endpoint, which stands for all in these families.
fn eccentricity(fabric: &Fabric) -> u32 {
    let network = Network::of_bundles(fabric);
    let hops = network.hops_to(fabric.endpoint(0).unwrap()).unwrap();
    let of = |id: &NodeId| hops[network.bundles().class(*id).index()].unwrap();
    fabric.endpoints().iter().map(of).max().unwrap()
}

fn hops(fabric: &Fabric, src: &str, dst: &str) -> u32 {
    let network = Network::of_bundles(fabric);
    let of_class = network.hops_to(node(fabric, dst)).unwrap();
    of_class[network.bundles().class(node(fabric, src)).index()].unwrap()
}

/// What leaves the set of nodes whose names satisfy a rule.
fn leaving(fabric: &Fabric, inside: impl Fn(&str) -> bool) -> u64 {
    let mut set = FixedBitSet::with_capacity(fabric.nodes().len());
    for (id, node) in fabric.nodes().iter().enumerate() {
        set.set(id, inside(&node.name));
    }
    fabric.cut(&set).leaving_Bps
}

#[test]
fn a_star_has_one_switch_and_two_hops() {
    let fabric = preset("star", &[("endpoints", 5)]);
    assert_eq!(
        (fabric.n_endpoints(), count(&fabric, NodeKind::Switch)),
        (5, 1)
    );
    assert_eq!((fabric.links().len(), eccentricity(&fabric)), (10, 2));
}

#[test]
fn a_torus_has_the_degree_diameter_and_bisection_of_its_shape() {
    // k-ary n-cube (Dally and Towles 2004, 5): diameter is the sum of floor(k/2); cutting the
    // longest even axis in half cuts 2 N/k links each way. Two hops more for the routers.
    for (x, y, z, links, diameter, cut) in [
        // 4 x 4 x 4: 3 x 64 cables; 2 + 2 + 2; 2 x 16 links.
        (4, 4, 4, 3 * 64, 6, 32),
        // An axis of two has one link of two cables: 6 x 3 per ring axis, 9 + 9 more; half of the
        // axis of six: 2 x 6 = 12 links.
        (6, 3, 2, 36 + 36 + 18, 3 + 1 + 1, 12),
        // One dimension: a ring of 8.
        (8, 1, 1, 8, 4, 2),
    ] {
        let fabric = preset("torus", &[("x", x), ("y", y), ("z", z), ("rate_Bps", 1000)]);
        let n = x * y * z;
        assert_eq!(i64::from(fabric.n_endpoints()), n);
        assert_eq!(fabric.links().len(), 2 * (links + n as usize));
        assert_eq!(eccentricity(&fabric), diameter + 2, "{x} x {y} x {z}");
        let low = |name: &str| {
            let at = name[1..].split('.').next().unwrap();
            at.parse::<i64>().unwrap() < x / 2
        };
        assert_eq!(leaving(&fabric, low), cut * 1000, "{x} x {y} x {z}");
    }
    // Both cables of an axis of two.
    let fabric = preset("torus", &[("x", 2), ("y", 1), ("z", 1), ("rate_Bps", 7)]);
    let link = fabric.link_between(node(&fabric, "r0.0.0"), node(&fabric, "r1.0.0"));
    assert_eq!(fabric.link(link.unwrap()).rate_Bps, 14);
}

#[test]
fn a_full_mesh_joins_every_pair_of_a_line() {
    // One dimension: n (n-1) links, one hop. In more, one hop per axis that differs and two for
    // the routers. UB-Mesh's 8 x 8 rack: 64 NPUs of 7 + 7 links; its pod 8 x 8 x 4 x 4 = 1,024.
    let line = preset("full_mesh", &[("x", 8)]);
    assert_eq!(
        (line.links().len(), count(&line, NodeKind::Switch)),
        (56, 0)
    );
    assert_eq!(eccentricity(&line), 1);
    let rack = preset("full_mesh", &[("x", 8), ("y", 8)]);
    assert_eq!(rack.n_endpoints(), 64);
    assert_eq!(rack.out_links(node(&rack, "r3.5.0.0")).len(), 7 + 7 + 1);
    assert_eq!(eccentricity(&rack), 4);
    let pod = preset("full_mesh", &[("x", 8), ("y", 8), ("z", 4), ("w", 4)]);
    assert_eq!((pod.n_endpoints(), eccentricity(&pod)), (1024, 6));
    assert_eq!(
        pod.out_links(node(&pod, "r3.5.0.1")).len(),
        7 + 7 + 3 + 3 + 1
    );
}

#[test]
fn a_fat_tree_has_the_published_counts_and_full_bisection() {
    // Al-Fares 2008: k^3/4 hosts, 5 k^2/4 switches, every path of 6 hops at most; with two tiers
    // k^2/2 hosts, 3 k/2 switches, 4 hops. Full bisection: half of the hosts' rate.
    for (radix, tiers, hosts, switches, diameter) in
        [(4, 3, 16, 20, 6), (8, 3, 128, 80, 6), (8, 2, 32, 12, 4)]
    {
        let fabric = preset("fat_tree", &[("radix", radix), ("tiers", tiers)]);
        assert_eq!(fabric.n_endpoints(), hosts);
        assert_eq!(count(&fabric, NodeKind::Switch), switches);
        assert_eq!(eccentricity(&fabric), diameter);
        for switch in fabric.nodes().iter().filter(|n| n.kind == NodeKind::Switch) {
            assert_eq!(
                fabric.out_links(node(&fabric, &switch.name)).len() as i64,
                radix
            );
        }
        for level in fabric.levels() {
            let cuts = fabric.container_cuts(level);
            let members = u64::from(hosts / level.n_containers);
            assert!(cuts.iter().all(|cut| cut.leaving_Bps == members * 50 * G));
        }
        // The paths between far hosts: k/2 spines, times k/2 cores in three tiers.
        let half = radix as u128 / 2;
        let n_paths = fabric
            .count_paths(
                fabric.endpoint(0).unwrap(),
                fabric.endpoint(hosts - 1).unwrap(),
            )
            .unwrap();
        assert_eq!(n_paths, if tiers == 2 { half } else { half * half });
    }
}

#[test]
fn an_odd_radix_is_refused() {
    let params = Params::new().with_int("radix", 7);
    let error = lookup("fat_tree")
        .unwrap()
        .build(&params)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("'radix' of preset 'fat_tree' is 7; allowed: even"),
        "{error}"
    );
}

#[test]
fn a_dragonfly_joins_each_pair_of_groups_once() {
    // Kim 2008, the example of p = h = 2, a = 4: 9 groups, 72 hosts, 36 routers of radix 7; at
    // most local, global, local between routers, so 5 hops between hosts.
    let fabric = preset("dragonfly", &[]);
    assert_eq!(
        (fabric.n_endpoints(), count(&fabric, NodeKind::Switch)),
        (72, 36)
    );
    let network = Network::of_bundles(&fabric);
    for &dst in fabric.endpoints() {
        let hops = network.hops_to(dst).unwrap();
        for &src in fabric.endpoints() {
            assert!(hops[network.bundles().class(src).index()].unwrap() <= 5);
        }
    }
    for router in fabric.nodes().iter().filter(|n| n.kind == NodeKind::Switch) {
        assert_eq!(
            fabric.out_links(node(&fabric, &router.name)).len(),
            2 + 3 + 2
        );
    }
    let global: Vec<(String, String)> = fabric
        .links()
        .iter()
        .filter(|link| fabric.kind_name(link.kind) == "global_up")
        .map(|link| {
            let group = |id: NodeId| fabric.node(id).name.split('/').next().unwrap().to_owned();
            (group(link.src), group(link.dst))
        })
        .collect();
    let mut pairs = global.clone();
    pairs.sort();
    pairs.dedup();
    assert_eq!((global.len(), pairs.len()), (36, 36));
    assert!(pairs.iter().all(|(a, b)| a != b));
}

#[test]
fn an_atlas_950_has_the_published_npus_rates_and_latency() {
    let fabric = preset("atlas_950", &[]);
    assert_eq!(fabric.n_endpoints(), 8192);
    assert_eq!(fabric.level("cabinet").unwrap().n_containers, 128);
    // 1 TB/s each way per NPU; 8,192 x 2 TB/s = 16.4 PB/s ("16 PB/s"); 64 TB/s leave a cabinet.
    let up: u64 = fabric
        .links()
        .iter()
        .filter(|link| fabric.kind_name(link.kind) == "npu_up")
        .map(|link| link.rate_Bps)
        .sum();
    assert_eq!(up, 8_192_000 * G);
    let cuts = fabric.container_cuts(fabric.level("cabinet").unwrap());
    assert!(cuts.iter().all(|cut| cut.leaving_Bps == 64_000 * G));
    assert_eq!(hops(&fabric, "cab000/npu00", "cab000/npu63"), 2);
    assert_eq!(hops(&fabric, "cab000/npu00", "cab127/npu63"), 4);
    let least = fabric
        .min_latency_to(node(&fabric, "cab127/npu63"))
        .unwrap();
    assert_eq!(
        least[node(&fabric, "cab000/npu00").index()],
        Some(2_100_000)
    );
}

#[test]
fn supernodes_are_joined_by_the_rdma_plane_alone() {
    let fabric = preset("cm384", &[("supernodes", 3), ("nodes", 2)]);
    assert_eq!(fabric.n_endpoints(), 3 * 32);
    assert_eq!(fabric.level("supernode").unwrap().n_containers, 3);
    assert_eq!(
        fabric.node(fabric.endpoint(32 + 21).unwrap()).name,
        "sn001/node01/die05"
    );
    for (src, dst, expected) in [
        // As in one supernode: over the package link, an L1 chip, L1 and L2.
        ("sn000/node00/die00", "sn000/node00/die01", 1),
        ("sn000/node00/die00", "sn000/node00/die02", 2),
        ("sn000/node00/die00", "sn000/node01/die00", 4),
        // NIC, leaf, core, leaf, NIC.
        ("sn000/node00/die00", "sn002/node01/die07", 6),
    ] {
        assert_eq!(hops(&fabric, src, dst), expected, "{src} to {dst}");
    }
    // Inside a supernode all 112 paths are those of the UB plane; between, there is one.
    let paths = |src: &str, dst: &str| {
        let n = fabric.count_paths(node(&fabric, src), node(&fabric, dst));
        n.unwrap()
    };
    assert_eq!(paths("sn000/node00/die00", "sn000/node01/die00"), 112);
    assert_eq!(paths("sn000/node00/die00", "sn001/node01/die00"), 1);
    // 32 dies x 25 GB/s leave a supernode; 5.5 us between dies as over one switch.
    let cuts = fabric.container_cuts(fabric.level("supernode").unwrap());
    assert!(cuts.iter().all(|cut| cut.leaving_Bps == 32 * 25 * G));
    let least = fabric
        .min_latency_to(node(&fabric, "sn001/node01/die00"))
        .unwrap();
    assert_eq!(
        least[node(&fabric, "sn000/node00/die00").index()],
        Some(5_500_000)
    );
}

#[test]
fn one_supernode_keeps_its_rdma_plane_for_pinned_routes() {
    let fabric = preset("cm384", &[("nodes", 2)]);
    assert_eq!(fabric, preset("cm384", &[("nodes", 2), ("supernodes", 1)]));
    let rdma = |link: &&cm_core::fabric::Link| fabric.kind_name(link.kind) == "rdma";
    assert!(
        fabric
            .links()
            .iter()
            .filter(rdma)
            .all(|link| !link.ordinary)
    );
}
