//! NVIDIA DGX SuperPOD: HGX boxes on rail-optimised InfiniBand, leaf and spine.
//!
//! Scalable units of 32 boxes. NIC r of every box of a unit hangs on the unit's leaf r (its rail);
//! a leaf has 32 ports down and 32 up, spread over the spines. So GPUs of one rail and unit are one
//! switch apart and all others three, without oversubscription. InfiniBand switches reduce (SHARP). GPUs do not forward for each
//! other: crossing rails takes the spines (NCCL's PXN would go through a neighbour's NIC).
//!
//! Sources: [STAS] network chapter of stas00/ml-engineering @744d01e (2026-08): units of 32 boxes,
//! rail-optimised leaf-spine, full fat tree; [RA] NVIDIA DGX SuperPOD B200 reference architecture
//! (docs.nvidia.com, read 2026-08), table of larger ones: 16 leaves and 8 spines for 2 units of 32
//! boxes, 32 and 16 for 4. The spines of 1 and 3 units and that all boxes are wired alike are assumed.

use super::family::nvlink::NvLinkDomain;
use super::family::wires::{Cable, TIMING, Wires};
use super::{Chip, Preset, hgx_a100, hgx_b200, hgx_b300, hgx_h20, hgx_h100, hgx_h200, hgx_h800};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{Allowed, ParamSpec, Params};
use crate::ids::NodeId;

/// Boxes of a scalable unit, and so ports of a leaf each way [STAS, RA].
const UNIT: u32 = 32;
/// Spines for 1 to 4 units, so that the 32 uplinks of a leaf divide evenly [RA; 1 and 3 assumed].
const SPINES: [u32; 4] = [4, 8, 16, 16];

/// From one GPU to another under one leaf, ps: NVIDIA's own model of a hop over the network is
/// 2.7 us (NVIDIA/nccl, `src/graph/tuning.cc`, ring with LL); what the leaf does not take is
/// halved over the two ends [assumed split].
const RAIL_PS: u64 = 2_700_000;
/// Each switch, ps, charged on the link that leaves it [round figure, assumed].
const SWITCH_PS: u64 = 150_000;
/// GPU to NIC and NIC to leaf, together, ps, and likewise down after the leaf.
const END_PS: u64 = (RAIL_PS - SWITCH_PS) / 2;
/// The GPU's part of it [assumed].
const GPU_NIC_PS: u64 = END_PS / 2;

static BOXES: [&NvLinkDomain; 7] = [
    &hgx_h100::PRESET,
    &hgx_a100::PRESET,
    &hgx_h200::PRESET,
    &hgx_h800::PRESET,
    &hgx_h20::PRESET,
    &hgx_b200::PRESET,
    &hgx_b300::PRESET,
];

/// The preset.
pub(super) struct DgxSuperpod;

impl Preset for DgxSuperpod {
    fn name(&self) -> &'static str {
        "dgx_superpod"
    }

    fn title(&self) -> &'static str {
        "NVIDIA DGX SuperPOD: HGX boxes on rail-optimised InfiniBand, 32 per scalable unit"
    }

    fn source(&self) -> &'static str {
        "NVIDIA DGX SuperPOD B200 reference architecture (2026-08); ml-engineering network chapter \
         (2026-08); NCCL tuning.cc"
    }

    fn assumed(&self) -> &'static str {
        "spines of 1 and 3 units; boxes other than B200 wired alike; split of the network latency; \
         what the machine itself assumes"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        Ok(Some(machine(&params).chip))
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec {
                name: "machine",
                doc: "the box",
                allowed: Allowed::OneOf(&[
                    "hgx_h100", "hgx_a100", "hgx_h200", "hgx_h800", "hgx_h20", "hgx_b200",
                    "hgx_b300",
                ]),
            },
            ParamSpec::int(
                "nodes",
                "boxes, 32 per scalable unit",
                1,
                UNIT as i64 * SPINES.len() as i64,
                UNIT as i64,
            ),
            TIMING,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let (nodes, machine) = (params.int("nodes") as u32, machine(&params));
        let title = format!(
            "DGX SuperPOD, {nodes} {}, timing {}",
            machine.name,
            params.text(TIMING.name)
        );
        let mut wires = Wires::new(self.name(), &title, &params);
        wire(&mut wires, machine, nodes);
        wires.builder.build()
    }
}

fn machine(params: &Params) -> &'static NvLinkDomain {
    let name = params.text("machine");
    let found = BOXES.iter().find(|machine| machine.name == name);
    found.expect("the parameter allows no other name")
}

fn wire(wires: &mut Wires, machine: &NvLinkDomain, nodes: u32) {
    let node_level = wires.builder.level("node");
    let unit_level = wires.builder.level("scalable_unit");
    let (up, down) = wires.kinds("nic");
    let to_gpu = Cable {
        up,
        down,
        plane: None,
        rate_Bps: machine.nic_Bps,
        up_ps: GPU_NIC_PS,
        down_ps: END_PS - GPU_NIC_PS,
    };
    // The leaf's own latency is on the link that leaves it.
    let (up, down) = wires.kinds("rail");
    let to_leaf = Cable {
        up,
        down,
        plane: None,
        rate_Bps: machine.nic_Bps,
        up_ps: END_PS - GPU_NIC_PS,
        down_ps: GPU_NIC_PS + SWITCH_PS,
    };
    let units = nodes.div_ceil(UNIT);
    let mut leaves: Vec<NodeId> = Vec::new();
    for unit in 0..units {
        let rails: Vec<NodeId> = (0..machine.gpus_per_node)
            .map(|rail| wires.in_network_switch(format!("unit{unit}/leaf{rail}"), true))
            .collect();
        for &leaf in &rails {
            wires.builder.place(leaf, unit_level, unit);
        }
        for node in unit * UNIT..nodes.min((unit + 1) * UNIT) {
            let prefix = format!("node{node:03}/");
            let gpus = machine.gpus(wires, &prefix);
            let mut inside = machine.chips(wires, &prefix, &gpus);
            for (rail, &gpu) in gpus.iter().enumerate() {
                let nic = wires.nic(format!("{prefix}nic{rail}"));
                wires.cable(gpu, nic, &to_gpu);
                wires.cable(nic, rails[rail], &to_leaf);
                inside.push(nic);
            }
            for id in inside.into_iter().chain(gpus) {
                wires.builder.place(id, node_level, node);
                wires.builder.place(id, unit_level, unit);
            }
        }
        leaves.extend(rails);
    }
    wire_spines(wires, machine.nic_Bps, &leaves, SPINES[units as usize - 1]);
}

/// Every leaf to every spine; the cables of a pair count as one link.
fn wire_spines(wires: &mut Wires, port_Bps: u64, leaves: &[NodeId], spines: u32) {
    let (up, down) = wires.kinds("spine");
    let cable = Cable {
        up,
        down,
        plane: None,
        rate_Bps: port_Bps * u64::from(UNIT / spines),
        up_ps: SWITCH_PS,
        down_ps: SWITCH_PS,
    };
    for spine in 0..spines {
        let spine = wires.in_network_switch(format!("spine{spine:02}"), true);
        for &leaf in leaves {
            wires.cable(leaf, spine, &cable);
        }
    }
}
