//! NVLink domains: every GPU has links to every NVSwitch chip, and no other links.
//!
//! So each pair of GPUs is one switch apart, and a flow sprayed in proportion to the links uses
//! all of a GPU's links whatever their split over the chips. Each chip is a plane.
//!
//! Latency: NVIDIA's own model of a hop over NVLink is 0.6 us (NVIDIA/nccl,
//! `src/graph/tuning.cc`, hardware latency of ring and tree with LL); its split into the GPU's and
//! the switch's part is assumed. Reduction: a + b -> c moves 3 bytes of HBM per reduced byte; that
//! HBM is the limit is assumed.

use super::wires::{Cable, TIMING, Wires};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};
use crate::fabric::presets::{Chip, Preset};
use crate::ids::NodeId;

/// GPU to chip, ps: what is left of 0.6 us for the GPU [assumed split].
const GPU_UP_PS: u64 = 450_000;
/// Chip to GPU, ps [assumed split].
const SWITCH_PS: u64 = 150_000;

/// What distinguishes one NVLink domain from another.
#[derive(Debug)]
pub(in crate::fabric::presets) struct NvLinkDomain {
    pub(in crate::fabric::presets) name: &'static str,
    pub(in crate::fabric::presets) title: &'static str,
    pub(in crate::fabric::presets) source: &'static str,
    pub(in crate::fabric::presets) assumed: &'static str,
    /// Nodes (boxes or trays) of the domain, and GPUs of each.
    pub(in crate::fabric::presets) nodes: u32,
    pub(in crate::fabric::presets) gpus_per_node: u32,
    /// Links of each GPU to each chip.
    pub(in crate::fabric::presets) links_to_chip: &'static [u64],
    /// One link, B/s each way.
    pub(in crate::fabric::presets) link_Bps: u64,
    /// Whether chips reduce and multicast (NVLink SHARP: from the third generation on).
    pub(in crate::fabric::presets) in_network: bool,
    /// The NIC of each GPU, B/s each way.
    pub(in crate::fabric::presets) nic_Bps: u64,
    pub(in crate::fabric::presets) chip: Chip,
}

impl Preset for NvLinkDomain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn source(&self) -> &'static str {
        self.source
    }

    fn assumed(&self) -> &'static str {
        self.assumed
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name, self.params())?;
        Ok(Some(self.chip))
    }

    fn params(&self) -> &'static [ParamSpec] {
        &[TIMING]
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name, self.params())?;
        let title = format!("{}, timing {}", self.title, params.text(TIMING.name));
        let mut wires = Wires::new(self.name, &title, &params);
        let node = wires.builder.level("node");
        let supernode = (self.nodes > 1).then(|| wires.builder.level("supernode"));
        let mut gpus = Vec::new();
        for index in 0..self.nodes {
            let prefix = match supernode {
                Some(_) => format!("node{index:02}/"),
                None => String::new(),
            };
            for gpu in self.gpus(&mut wires, &prefix) {
                wires.builder.place(gpu, node, index);
                gpus.push(gpu);
            }
        }
        let chips = self.chips(&mut wires, "", &gpus);
        for &id in gpus.iter().chain(&chips) {
            match supernode {
                Some(level) => wires.builder.place(id, level, 0),
                None => wires.builder.place(id, node, 0),
            }
        }
        wires.builder.build()
    }
}

impl NvLinkDomain {
    /// The GPUs of one node.
    pub(in crate::fabric::presets) fn gpus(&self, wires: &mut Wires, prefix: &str) -> Vec<NodeId> {
        let reduction_Bps = self.chip.memory_Bps / 3;
        (0..self.gpus_per_node)
            .map(|index| wires.endpoint(format!("{prefix}gpu{index}"), reduction_Bps))
            .collect()
    }

    /// The NVSwitch chips that join these GPUs.
    pub(in crate::fabric::presets) fn chips(
        &self,
        wires: &mut Wires,
        prefix: &str,
        gpus: &[NodeId],
    ) -> Vec<NodeId> {
        let (up, down) = wires.kinds("nvlink");
        let digits = if self.links_to_chip.len() > 9 { 2 } else { 1 };
        let mut chips = Vec::new();
        for (index, &n_links) in self.links_to_chip.iter().enumerate() {
            let name = format!("{prefix}nvswitch{index:0digits$}");
            let chip = wires.in_network_switch(name, self.in_network);
            chips.push(chip);
            let cable = Cable {
                up,
                down,
                plane: Some(index as u32),
                rate_Bps: self.link_Bps * n_links,
                up_ps: GPU_UP_PS,
                down_ps: SWITCH_PS,
            };
            for &gpu in gpus {
                wires.cable(gpu, chip, &cable);
            }
        }
        chips
    }
}
