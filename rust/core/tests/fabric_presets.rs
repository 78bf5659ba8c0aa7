//! Every preset against published counts, port budgets and totals, and what all presets share.
#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails as it should"
)]

use std::collections::BTreeSet;
use std::path::Path;

use cm_core::fabric::presets::{PRESETS, lookup};
use cm_core::fabric::routing::Network;
use cm_core::fabric::{Fabric, NodeKind, Params};
use cm_core::ids::NodeId;
use fixedbitset::FixedBitSet;

/// One GB/s in B/s.
const G: u64 = 1_000_000_000;

fn preset(name: &str, params: &Params) -> Fabric {
    lookup(name).unwrap().build(params).unwrap()
}

fn count(fabric: &Fabric, kind: NodeKind) -> usize {
    fabric
        .nodes()
        .iter()
        .filter(|node| node.kind == kind)
        .count()
}

/// The rates of the links from a node to names with a part, in link order.
fn rates(fabric: &Fabric, from: &str, part: &str) -> Vec<u64> {
    let from = fabric.require_node(from).unwrap();
    let links = fabric.out_links(from).iter().map(|id| fabric.link(*id));
    links
        .filter(|link| fabric.node(link.dst).name.contains(part))
        .map(|link| link.rate_Bps)
        .collect()
}

/// What leaves the first half of the endpoints, together with the nodes of these name parts.
fn bisection(fabric: &Fabric) -> u64 {
    let mut half = FixedBitSet::with_capacity(fabric.nodes().len());
    let n = fabric.n_endpoints() / 2;
    for endpoint in 0..n {
        half.insert(fabric.endpoint(endpoint).unwrap().index());
    }
    fabric.cut(&half).leaving_Bps
}

fn hops(fabric: &Fabric, src: &str, dst: &str) -> u32 {
    let network = Network::of_bundles(fabric);
    let of_class = network.hops_to(fabric.require_node(dst).unwrap()).unwrap();
    let class = network.bundles().class(fabric.require_node(src).unwrap());
    of_class[class.index()].unwrap()
}

#[test]
fn every_file_of_the_folder_is_a_preset_of_that_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fabric/presets");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.file_stem().unwrap() != "mod")
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let names: BTreeSet<String> = PRESETS.iter().map(|p| p.name().to_owned()).collect();
    assert_eq!(names.len(), PRESETS.len(), "names are unique");
    assert_eq!(files, names);
}

#[test]
fn every_preset_says_where_it_comes_from_and_connects_every_pair() {
    for preset in PRESETS {
        let fabric = preset.build(&Params::new()).unwrap();
        assert_eq!(fabric.name(), preset.name());
        for text in [preset.title(), preset.source(), preset.assumed()] {
            assert!(!text.is_empty(), "{}", preset.name());
        }
        preset.chip(&Params::new()).unwrap();
        let network = Network::of_bundles(&fabric);
        let last = fabric.n_endpoints() - 1;
        for endpoint in [0, last / 2, last] {
            let hops = network.hops_to(fabric.endpoint(endpoint).unwrap()).unwrap();
            for src in fabric.endpoints() {
                let class = network.bundles().class(*src);
                assert!(hops[class.index()].is_some(), "{}", preset.name());
            }
        }
    }
}

#[test]
fn every_link_of_every_preset_has_its_reverse() {
    for preset in PRESETS {
        let fabric = preset.build(&Params::new()).unwrap();
        for link in fabric.links() {
            let back = fabric.link_between(link.dst, link.src).unwrap();
            assert_eq!(
                fabric.link(back).rate_Bps,
                link.rate_Bps,
                "{}",
                preset.name()
            );
        }
    }
}

#[test]
fn nvlink_domains_have_the_published_chips_ports_and_totals() {
    // Links of a GPU times the rate of a link, each way: 12 x 25 = 300, 18 x 25 = 450, 8 x 25 =
    // 200, 18 x 50 = 900 GB/s; NVIDIA prints twice that. The bisection is half the GPUs' total,
    // the chips being non-blocking: 36 x 900 GB/s = 32.4 TB/s of the NVL72's 130 TB/s both ways
    // (72 x 1.8 = 129.6).
    for (name, gpus, chips, per_gpu, ports_of_chip) in [
        ("hgx_a100", 8, 6, 300 * G, 16),
        ("hgx_h100", 8, 4, 450 * G, 40),
        ("hgx_h200", 8, 4, 450 * G, 40),
        ("hgx_h800", 8, 4, 200 * G, 16),
        ("hgx_h20", 8, 4, 450 * G, 40),
        ("hgx_b200", 8, 2, 900 * G, 72),
        ("hgx_b300", 8, 2, 900 * G, 72),
        ("gb200_nvl72", 72, 18, 900 * G, 72),
        ("gb300_nvl72", 72, 18, 900 * G, 72),
    ] {
        let fabric = preset(name, &Params::new());
        assert_eq!(count(&fabric, NodeKind::Endpoint), gpus, "{name}");
        assert_eq!(count(&fabric, NodeKind::Switch), chips, "{name}");
        assert_eq!(fabric.nodes().len(), gpus + chips, "{name}");
        for &gpu in fabric.endpoints() {
            let gpu = &fabric.node(gpu).name;
            assert_eq!(rates(&fabric, gpu, "").len(), chips);
            assert_eq!(rates(&fabric, gpu, "nvswitch").iter().sum::<u64>(), per_gpu);
        }
        assert_eq!(bisection(&fabric), per_gpu * gpus as u64 / 2, "{name}");
        // A third-generation NVSwitch has 64 ports, a second-generation one 36 and the NVLink5
        // chip 72; the first chip of an H100 board takes 5 links of 8 GPUs.
        let link_rate = if per_gpu == 900 * G { 50 * G } else { 25 * G };
        let chip = if chips > 9 { "nvswitch00" } else { "nvswitch0" };
        let used: u64 = rates(&fabric, chip, "gpu")
            .iter()
            .map(|r| r / link_rate)
            .sum();
        assert_eq!(used, ports_of_chip, "{name}");
        let ends: Vec<&str> = [fabric.endpoints()[0], fabric.endpoints()[gpus - 1]]
            .iter()
            .map(|id| fabric.node(*id).name.as_str())
            .collect();
        assert_eq!(hops(&fabric, ends[0], ends[1]), 2, "{name}");
    }
}

#[test]
fn an_h100_board_splits_its_links_five_four_four_five() {
    let fabric = preset("hgx_h100", &Params::new());
    let expected = [125 * G, 100 * G, 100 * G, 125 * G];
    assert_eq!(rates(&fabric, "gpu3", "nvswitch"), expected);
}

#[test]
fn a_rack_has_eighteen_trays_of_four_gpus() {
    let fabric = preset("gb200_nvl72", &Params::new());
    let levels: Vec<(&str, u32)> = fabric
        .levels()
        .iter()
        .map(|level| (level.name.as_str(), level.n_containers))
        .collect();
    assert_eq!(levels, [("node", 18), ("supernode", 1)]);
    assert_eq!(fabric.node(fabric.endpoint(7).unwrap()).name, "node01/gpu3");
}

#[test]
fn the_published_totals_of_memory_and_compute_are_met() {
    // Per system, from hardware.md 4.4: CM384 289 PFLOPS (752 per package), 49.2 TB, 1,229 TB/s;
    // NVL72 180 PFLOPS, 576 TB/s, and 13.4 TB on NVIDIA's page of it (13.8 is 192 GB each, which were
    // announced); H20 1.18 PFLOPS, 0.77 TB, 32 TB/s. In tenths, cut, so 2887 is 288.7 PFLOPS.
    const P: u64 = 100_000_000_000_000;
    const T: u64 = 100_000_000_000;
    for (name, n, pflops, tb, tbps) in [
        ("cm384", 768, 2887, 491, 12_288),
        ("gb200_nvl72", 72, 1800, 133, 5760),
        ("hgx_h20", 8, 11, 7, 320),
    ] {
        let chip = lookup(name).unwrap().chip(&Params::new()).unwrap().unwrap();
        assert_eq!(n * chip.bf16_flops / P, pflops, "{name}");
        assert_eq!(n * chip.memory_bytes / T, tb, "{name}");
        assert_eq!(n * chip.memory_Bps / T, tbps, "{name}");
    }
    let npu = Params::new().with_text("rank", "npu");
    let chip = lookup("cm384").unwrap().chip(&npu).unwrap().unwrap();
    assert_eq!(chip.bf16_flops, 752_000_000_000_000);
}

#[test]
fn a_superpod_has_the_leaves_spines_and_port_budgets_of_its_units() {
    // Reference architecture: 8 leaves per unit; 4, 8, 16, 16 spines for 1 to 4 units; leaf and
    // spine are 64-port switches.
    for (nodes, units, spines) in [(32, 1, 4), (33, 2, 8), (96, 3, 16), (127, 4, 16)] {
        let fabric = preset("dgx_superpod", &Params::new().with_int("nodes", nodes));
        let named = |part: &str| {
            let names = fabric.nodes().iter().map(|node| &node.name);
            names.filter(|name| name.contains(part)).count()
        };
        assert_eq!(fabric.n_endpoints(), 8 * nodes as u32);
        assert_eq!(count(&fabric, NodeKind::Nic), 8 * nodes as usize);
        assert_eq!((named("/leaf"), named("spine")), (8 * units, spines));
        let up = rates(&fabric, "unit0/leaf3", "spine");
        assert_eq!(up.iter().sum::<u64>(), 32 * 50 * G);
        let down = rates(&fabric, "unit0/leaf3", "nic3");
        assert_eq!(down, vec![50 * G; 32]);
        let ports: u64 = rates(&fabric, "spine00", "")
            .iter()
            .map(|r| r / (50 * G))
            .sum();
        assert!(ports <= 64, "{ports} ports");
    }
}

#[test]
fn a_rail_is_one_switch_and_everything_else_three() {
    let fabric = preset("dgx_superpod", &Params::new().with_int("nodes", 64));
    for (src, dst, expected) in [
        ("node000/gpu0", "node000/gpu5", 2),
        ("node000/gpu0", "node031/gpu0", 4),
        ("node000/gpu0", "node001/gpu1", 6),
        ("node000/gpu0", "node032/gpu0", 6),
        ("node000/gpu0", "node063/gpu7", 6),
    ] {
        assert_eq!(hops(&fabric, src, dst), expected, "{src} to {dst}");
    }
    // 2.7 us between GPUs of a rail, two more switches of 0.15 us across (the numbers of the file).
    let to = |dst: &str| {
        fabric
            .min_latency_to(fabric.require_node(dst).unwrap())
            .unwrap()
    };
    let from = fabric.require_node("node000/gpu0").unwrap().index();
    assert_eq!(to("node031/gpu0")[from], Some(2_700_000));
    assert_eq!(to("node063/gpu7")[from], Some(3_000_000));
}

#[test]
fn every_box_can_be_clustered() {
    let machines = [
        "hgx_a100", "hgx_h100", "hgx_h200", "hgx_h800", "hgx_h20", "hgx_b200", "hgx_b300",
    ];
    for machine in machines {
        let params = Params::new()
            .with_text("machine", machine)
            .with_int("nodes", 2);
        let fabric = preset("dgx_superpod", &params);
        let alone = preset(machine, &Params::new());
        let nvlink = |fabric: &Fabric, gpu: &str| rates(fabric, gpu, "nvswitch");
        assert_eq!(
            nvlink(&fabric, "node001/gpu4"),
            nvlink(&alone, "gpu4"),
            "{machine}"
        );
    }
}

#[test]
fn a_nic_carries_for_its_owner_only() {
    // Two leaves joined by nothing but a NIC with a port on each: no way through it.
    use cm_core::fabric::{FabricBuilder, Link};
    let mut builder = FabricBuilder::new("nics", "");
    let kind = builder.kind("cable");
    let ends = ["a", "b", "c"].map(|name| builder.node(name, NodeKind::Endpoint));
    let nic = builder.node("nic", NodeKind::Nic);
    let leaves = ["l0", "l1"].map(|name| builder.node(name, NodeKind::Switch));
    let mut join = |a: NodeId, b: NodeId| {
        builder.link(Link::new(a, b, kind, 10, 1));
        builder.link(Link::new(b, a, kind, 10, 1));
    };
    join(ends[0], leaves[0]);
    join(ends[1], leaves[1]);
    join(ends[2], nic);
    join(nic, leaves[0]);
    join(nic, leaves[1]);
    let fabric = builder.build().unwrap();
    for network in [Network::of_bundles(&fabric), Network::of_links(&fabric)] {
        let hops = |src: &str, dst: &str| {
            let of_class = network.hops_to(fabric.require_node(dst).unwrap()).unwrap();
            of_class[network
                .bundles()
                .class(fabric.require_node(src).unwrap())
                .index()]
        };
        assert_eq!(hops("a", "b"), None);
        assert_eq!(hops("a", "l1"), None);
        assert_eq!((hops("a", "c"), hops("c", "a")), (Some(3), Some(3)));
        assert_eq!((hops("b", "c"), hops("c", "b")), (Some(3), Some(3)));
        assert_eq!((hops("c", "l1"), hops("l1", "nic")), (Some(2), Some(1)));
    }
}

#[test]
fn the_bisection_is_half_of_what_all_endpoints_can_send() {
    // Every preset without oversubscription; on CM384 the link of siblings does not cross. Between
    // supernodes only RDMA leads, 25 GB/s a die.
    for (name, ints, expected) in [
        ("cm384", vec![("nodes", 4)], 32 * 196 * G),
        ("hgx_h100", vec![], 4 * 450 * G),
        ("gb300_nvl72", vec![], 36 * 900 * G),
        ("atlas_950", vec![("cabinets", 2)], 64_000 * G),
        ("fat_tree", vec![("radix", 4)], 8 * 50 * G),
        ("cm384", vec![("nodes", 1), ("supernodes", 2)], 16 * 25 * G),
        // Half of a 4 x 4 torus: 2 x 4 links; a full mesh of 8: 4 x 4.
        ("torus", vec![("z", 1)], 8 * 50 * G),
        ("full_mesh", vec![("x", 8)], 16 * 50 * G),
        // 16 boxes against 16: every GPU's NIC, 50 GB/s.
        ("dgx_superpod", vec![("nodes", 32)], 128 * 50 * G),
    ] {
        let params = ints.iter().fold(Params::new(), |params, (key, value)| {
            params.with_int(key, *value)
        });
        let summary = preset(name, &params).summary();
        assert_eq!(summary.bisection_Bps, expected, "{name}");
    }
}

#[test]
fn a_failed_link_lowers_the_bisection_by_its_rate() {
    // Two tiers of one plane: half of a tree's spines cannot carry all, so a failed spine costs its
    // part, and a failed host link only the host's own.
    let fabric = preset(
        "fat_tree",
        &Params::new().with_int("radix", 4).with_int("tiers", 2),
    );
    let whole = fabric.summary();
    for (selector, lost) in [
        ("leaf0->spine0", 50 * G),
        ("leaf0/host0->leaf0", 50 * G),
        ("spine0", 200 * G),
    ] {
        let failed = fabric.degrade(&[(selector.to_owned(), 0.0)]).unwrap();
        let bisection = failed.summary().bisection_Bps;
        assert_eq!(
            bisection,
            whole.bisection_Bps - lost.min(whole.bisection_Bps / 2),
            "{selector}"
        );
    }
}
