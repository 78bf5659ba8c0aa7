//! The CM384 preset against the published counts and rates (hardware.md 1.1 to 1.3; CM-v2).
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

fn preset(params: &Params) -> Fabric {
    lookup("cm384").unwrap().build(params).unwrap()
}

fn full() -> Fabric {
    preset(&Params::new())
}

fn node(fabric: &Fabric, name: &str) -> NodeId {
    fabric.require_node(name).unwrap()
}

fn count(fabric: &Fabric, matches: impl Fn(&str, NodeKind) -> bool) -> usize {
    let nodes = fabric.nodes().iter();
    nodes.filter(|node| matches(&node.name, node.kind)).count()
}

/// Number and total rate of the ordinary links from one named node to names with a part.
fn ports(fabric: &Fabric, from: &str, part: &str) -> (usize, u64) {
    let links = fabric
        .out_links(node(fabric, from))
        .iter()
        .map(|id| fabric.link(*id));
    let rates: Vec<u64> = links
        .filter(|link| link.ordinary && fabric.node(link.dst).name.contains(part))
        .map(|link| link.rate_Bps)
        .collect();
    (rates.len(), rates.iter().sum())
}

#[test]
fn the_counts_are_the_published_ones() {
    // CM-v2: 48 nodes of 8 packages of 2 dies, 4 CPUs, 7 L1 chips and a DPU; 7 x 16 L2 chips.
    let fabric = full();
    assert_eq!(count(&fabric, |_, kind| kind == NodeKind::Endpoint), 768);
    assert_eq!(count(&fabric, |_, kind| kind == NodeKind::Cpu), 192);
    assert_eq!(count(&fabric, |name, _| name.contains("/l1.")), 336);
    assert_eq!(count(&fabric, |name, _| name.starts_with("l2.")), 112);
    assert_eq!(count(&fabric, |name, _| name.contains("/nic")), 768);
    assert_eq!(count(&fabric, |name, _| name.contains("/dpu")), 48);
    let containers: Vec<(&str, u32)> = fabric
        .levels()
        .iter()
        .map(|level| (level.name.as_str(), level.n_containers))
        .collect();
    assert_eq!(
        containers,
        [("package", 384), ("node", 48), ("supernode", 1)]
    );
    let mut planes: Vec<u32> = fabric
        .links()
        .iter()
        .filter_map(|link| link.plane)
        .collect();
    planes.sort_unstable();
    planes.dedup();
    assert_eq!(planes, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(
        fabric.node(fabric.endpoint(3 * 16 + 5).unwrap()).name,
        "node03/die05"
    );
}

#[test]
fn ports_and_rates_per_chip_are_the_published_ones() {
    let fabric = full();
    for (from, to, n, rate) in [
        // A die: 7 x 28 = 196 GB/s up, 270 GB/s to its sibling and to nobody else.
        ("node03/die05", "node03/l1.", 7, 196 * G),
        ("node03/die05", "die", 1, 270 * G),
        ("node03/die05", "node03/die04", 1, 270 * G),
        // An L1 chip: 16 dies, 4 CPUs, 16 uplinks of 28 = 448 GB/s.
        ("node03/l1.2", "die", 16, 448 * G),
        ("node03/l1.2", "cpu", 4, 4 * 22_857_142_857),
        ("node03/l1.2", "l2.2.", 16, 448 * G),
        ("node03/l1.2", "l2.", 16, 448 * G),
        // An L2 chip: 48 ports of 28, one to each node.
        ("l2.2.11", "/l1.2", 48, 48 * 28 * G),
        ("l2.2.11", "", 48, 48 * 28 * G),
        // A CPU: "approximately 160 GB/s": 7 x floor(160e9 / 7) = 160e9 - 1.
        ("node03/cpu2", "", 7, 160 * G - 1),
    ] {
        assert_eq!(ports(&fabric, from, to), (n, rate), "{from} to {to}");
    }
}

#[test]
fn every_link_has_its_reverse_of_equal_rates_and_plane() {
    let fabric = full();
    for link in fabric.links() {
        let back = fabric.link(fabric.link_between(link.dst, link.src).unwrap());
        let of = |l: &cm_core::fabric::Link| (l.rate_Bps, l.nominal_rate_Bps, l.plane, l.ordinary);
        assert_eq!(of(link), of(back));
    }
}

#[test]
fn the_tiers_add_up_to_the_published_totals() {
    let fabric = full();
    let total = |kind: &str| {
        let links = fabric
            .links()
            .iter()
            .filter(|link| fabric.kind_name(link.kind) == kind);
        let rates: Vec<u64> = links.map(|link| link.rate_Bps).collect();
        (rates.len(), rates.iter().sum::<u64>())
    };
    // 7 planes x 48 nodes x 16 chips = 5,376 links of 28 GB/s = 150.528 TB/s each way.
    assert_eq!(total("l1_up"), (5376, 150_528 * G));
    assert_eq!(total("l1_down"), (5376, 150_528 * G));
    // RDMA: 768 x 25 GB/s x 8 = 153.6 Tbps; the kind has die-NIC and NIC-switch links, both ways.
    assert_eq!(total("rdma"), (4 * 768, 4 * 153_600 * G / 8));
    // VPC: 48 nodes x 50 GB/s, likewise.
    assert_eq!(total("vpc"), (4 * 48, 4 * 2_400 * G));
    assert_eq!(total("die_to_die"), (768, 768 * 270 * G));
}

#[test]
fn cuts_are_those_of_the_paper() {
    let fabric = full();
    let leaving = |level: &str| {
        let cuts = fabric.container_cuts(fabric.level(level).unwrap());
        assert!(
            cuts.iter()
                .all(|cut| *cut == cuts[0] && cut.leaving_Bps == cut.entering_Bps)
        );
        cuts[0].leaving_Bps
    };
    // A package 2 x 196, the link between its dies being inside; a node 7 x 16 x 28; the supernode
    // has no ordinary way out.
    assert_eq!(leaving("package"), 392 * G);
    assert_eq!(leaving("node"), 3_136 * G);
    assert_eq!(leaving("supernode"), 0);
    // One die alone: 196 + 270.
    let mut die = FixedBitSet::with_capacity(fabric.nodes().len());
    die.insert(node(&fabric, "node10/die00").index());
    assert_eq!(fabric.cut(&die).leaving_Bps, 466 * G);
}

#[test]
fn latencies_add_up_to_the_published_reads() {
    let fabric = full();
    for (src, dst, ps) in [
        ("node00/die00", "node00/die01", 200_000),
        ("node00/die00", "node00/die02", 1_200_000),
        ("node00/die01", "node00/die02", 1_200_000),
        ("node00/die00", "node47/die15", 1_900_000),
        ("node00/die00", "node00/cpu3", 1_000_000),
        ("node00/cpu3", "node00/die00", 1_000_000),
        ("node00/die00", "node01/cpu0", 1_700_000),
        ("node01/cpu0", "node00/die00", 1_700_000),
    ] {
        let least = fabric.min_latency_to(node(&fabric, dst)).unwrap();
        assert_eq!(
            least[node(&fabric, src).index()],
            Some(ps),
            "{src} to {dst}"
        );
    }
}

#[test]
fn path_counts_and_hops_are_those_of_two_tiers_and_seven_planes() {
    let fabric = full();
    for (src, dst, n_paths, hops) in [
        ("node00/die00", "node00/die01", 1, 1),
        ("node00/die00", "node00/die02", 7, 2),
        ("node00/die00", "node31/die00", 112, 4),
        ("node05/cpu0", "node31/die00", 112, 4),
    ] {
        let (src, dst) = (node(&fabric, src), node(&fabric, dst));
        let paths = fabric.paths(src, dst).unwrap();
        assert_eq!(paths.len(), n_paths);
        assert_eq!(fabric.count_paths(src, dst).unwrap(), n_paths as u128);
        let mut distinct = paths.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), n_paths);
        for path in &paths {
            assert_eq!(path.len(), hops);
            let mut at = src;
            for link in path.iter().map(|id| fabric.link(*id)) {
                assert_eq!(link.src, at);
                at = link.dst;
            }
            assert_eq!(at, dst);
        }
    }
}

#[test]
fn paths_come_in_the_order_of_the_nodes_they_pass() {
    let fabric = full();
    let ends = (node(&fabric, "node00/die00"), node(&fabric, "node31/die00"));
    let paths = fabric.paths(ends.0, ends.1).unwrap();
    let passed: Vec<Vec<NodeId>> = paths
        .iter()
        .map(|path| path.iter().map(|id| fabric.link(*id).dst).collect())
        .collect();
    assert!(passed.is_sorted());
}

#[test]
fn every_pair_is_connected_within_four_hops() {
    let fabric = full();
    let network = Network::of_bundles(&fabric);
    for (endpoint, &dst) in fabric.endpoints().iter().enumerate() {
        let hops = network.hops_to(dst).unwrap();
        for (other, &src) in fabric.endpoints().iter().enumerate() {
            // The same die, its sibling, the same node, another node.
            let expected = match (endpoint == other, endpoint / 2 == other / 2) {
                (true, _) => 0,
                (_, true) => 1,
                _ if endpoint / 16 == other / 16 => 2,
                _ => 4,
            };
            assert_eq!(hops[network.bundles().class(src).index()], Some(expected));
        }
    }
}

#[test]
fn merging_leaves_one_up_bundle_per_die_and_one_per_node() {
    let fabric = full();
    let bundles = fabric.bundles();
    let class = |name: &str| bundles.class(node(&fabric, name));
    assert_eq!(bundles.members(class("node03/l1.0")).len(), 7);
    assert_eq!(bundles.members(class("l2.0.0")).len(), 112);
    let up = bundles.to_switches(class("node03/die05"));
    assert_eq!(up.len(), 1);
    assert_eq!(bundles.bundle(up[0].bundle).capacity_Bps, 196 * G);
    let up = bundles.to_switches(class("node03/l1.0"));
    assert_eq!((up.len(), bundles.bundle(up[0].bundle).n_links), (1, 112));
    assert_eq!(bundles.bundle(up[0].bundle).capacity_Bps, 3_136 * G);
}

#[test]
fn parameters_change_what_they_say() {
    let npu = preset(&Params::new().with_text("rank", "npu").with_int("nodes", 3));
    assert_eq!(npu.n_endpoints(), 24);
    assert_eq!(npu.node(npu.endpoint(10).unwrap()).name, "node01/npu2");
    // A package as one NPU: two ports per plane, 2 x 196 GB/s, no link to a sibling.
    assert_eq!(ports(&npu, "node01/npu2", ""), (7, 392 * G));
    assert!(npu.level("package").is_none());
    let nic = npu
        .link_between(node(&npu, "node01/npu2"), node(&npu, "node01/nic2"))
        .unwrap();
    assert_eq!(npu.link(nic).rate_Bps, 50 * G);
    // 1.6 TB/s / 3 per die; two dies per NPU.
    assert_eq!(
        npu.reduction_rate_Bps(npu.endpoint(0).unwrap()),
        Some(2 * 533_333_333_333)
    );
    let line = preset(
        &Params::new()
            .with_text("timing", "line_rate")
            .with_int("nodes", 2),
    );
    assert!(line.links().iter().all(|link| link.latency_ps == 0));
    assert_eq!(line.reduction_rate_Bps(line.endpoint(0).unwrap()), None);
    let nominal = preset(&Params::new().with_int("nodes", 1));
    assert_eq!(
        nominal.reduction_rate_Bps(nominal.endpoint(0).unwrap()),
        Some(533_333_333_333)
    );
}

#[test]
fn wrong_parameters_are_named_with_what_is_allowed() {
    let cm384 = lookup("cm384").unwrap();
    let new = Params::new;
    for (params, message) in [
        (
            new().with_int("nodes", 49),
            "'nodes' of preset 'cm384' is 49; allowed: 1..=48",
        ),
        (
            new().with_int("nodes", 0),
            "'nodes' of preset 'cm384' is 0; allowed: 1..=48",
        ),
        (new().with_text("nodes", "x"), "is 'x'; allowed: 1..=48"),
        (
            new().with_text("rank", "core"),
            "is 'core'; allowed: 'die', 'npu'",
        ),
        (
            new().with_int("node", 4),
            "no parameter 'node'; allowed: nodes, supernodes, rank, timing",
        ),
    ] {
        let error = cm384.build(&params).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let error = lookup("cm386").err().unwrap().to_string();
    assert!(error.contains("did you mean cm384?"), "{error}");
}

#[test]
fn teams_follow_packages_and_nodes() {
    let team = full().team(&[0, 1, 17, 16, 767]).unwrap();
    let sizes = |level: &str| -> Vec<usize> {
        team.level(level)
            .unwrap()
            .groups
            .iter()
            .map(Vec::len)
            .collect()
    };
    assert_eq!(sizes("package"), [2, 2, 1]);
    assert_eq!(sizes("node"), [2, 2, 1]);
    assert_eq!(sizes("supernode"), [5]);
}
