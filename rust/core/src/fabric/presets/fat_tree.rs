//! Fat tree of two or three tiers of switches with k ports, without oversubscription.
//!
//! Two tiers: k leaves of k/2 hosts, each leaf joined to k/2 spines. Three tiers: k pods of k/2
//! leaves and k/2 spines, spine i of each pod joined to cores i k/2 to (i+1) k/2 - 1.
//! Source: Al-Fares, Loukissas, Vahdat, "A scalable, commodity data center network architecture",
//! SIGCOMM 2008.

use super::family::lattice::{LATENCY, RATE};
use super::family::wires::{Cable, Wires};
use super::{Chip, Preset};
use crate::fabric::element::NodeKind;
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, ParamValue, Params};
use crate::ids::NodeId;

const RADIX: ParamSpec = ParamSpec::int("radix", "ports of a switch, even", 2, 64, 8);

/// The preset.
pub(super) struct FatTree;

impl Preset for FatTree {
    fn name(&self) -> &'static str {
        "fat_tree"
    }

    fn title(&self) -> &'static str {
        "family: fat tree of two or three tiers, without oversubscription"
    }

    fn source(&self) -> &'static str {
        "the parameters; Al-Fares et al., SIGCOMM 2008"
    }

    fn assumed(&self) -> &'static str {
        "the default rate and latency"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params()).map(|_| None)
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            RADIX,
            ParamSpec::int("tiers", "of switches", 2, 3, 3),
            RATE,
            LATENCY,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let (radix, tiers) = (params.int(RADIX.name), params.int("tiers"));
        if radix % 2 != 0 {
            return Err(FabricError::BadParam {
                preset: self.name().to_owned(),
                name: RADIX.name.to_owned(),
                value: ParamValue::Int(radix),
                allowed: format!("even numbers of {}", RADIX.allowed),
            });
        }
        let title = format!("fat tree, {tiers} tiers of {radix}-port switches");
        let mut tree = Tree::new(Wires::nominal(self.name(), &title), &params);
        if tiers == 2 {
            tree.leaves_and_spines("", 2 * tree.half);
        } else {
            tree.pods();
        }
        tree.wires.builder.build()
    }
}

struct Tree {
    wires: Wires,
    /// Ports of a switch on either side.
    half: u32,
    leaf_level: usize,
    pod_level: Option<usize>,
    host: Cable,
    leaf: Cable,
    spine: Cable,
    n_leaves: u32,
}

impl Tree {
    fn new(mut wires: Wires, params: &Params) -> Self {
        Self {
            half: params.int(RADIX.name) as u32 / 2,
            leaf_level: wires.builder.level("leaf"),
            pod_level: (params.int("tiers") == 3).then(|| wires.builder.level("pod")),
            host: wires.family_cable("host", params, 1),
            leaf: wires.family_cable("leaf", params, 1),
            spine: wires.family_cable("spine", params, 1),
            wires,
            n_leaves: 0,
        }
    }

    /// A full bipartite graph of leaves with their hosts and half a radix of spines, which it
    /// returns.
    fn leaves_and_spines(&mut self, prefix: &str, n_leaves: u32) -> Vec<NodeId> {
        let mut leaves = Vec::new();
        for index in 0..n_leaves {
            let leaf = self.wires.switch(format!("{prefix}leaf{index}"));
            self.place(leaf, true);
            for host in 0..self.half {
                let name = format!("{prefix}leaf{index}/host{host}");
                let host = self.wires.builder.node(name, NodeKind::Endpoint);
                self.place(host, true);
                self.wires.cable(host, leaf, &self.host);
            }
            leaves.push(leaf);
            self.n_leaves += 1;
        }
        let mut spines = Vec::new();
        for index in 0..self.half {
            let spine = self.wires.switch(format!("{prefix}spine{index}"));
            for &leaf in &leaves {
                self.wires.cable(leaf, spine, &self.leaf);
            }
            spines.push(spine);
        }
        spines
    }

    fn pods(&mut self) {
        let mut pods = Vec::new();
        for pod in 0..2 * self.half {
            let spines = self.leaves_and_spines(&format!("pod{pod}/"), self.half);
            for &spine in &spines {
                self.place(spine, false);
            }
            pods.push(spines);
        }
        for index in 0..self.half * self.half {
            let core = self.wires.switch(format!("core{index}"));
            for spines in &pods {
                let spine = spines[(index / self.half) as usize];
                self.wires.cable(spine, core, &self.spine);
            }
        }
    }

    /// Into the leaf at hand, if it belongs to one, and its pod.
    fn place(&mut self, node: NodeId, in_leaf: bool) {
        if in_leaf {
            let leaf = self.n_leaves;
            self.wires.builder.place(node, self.leaf_level, leaf);
        }
        if let Some(level) = self.pod_level {
            // A pod's spines come after its last leaf.
            let pod = (self.n_leaves - u32::from(!in_leaf)) / self.half;
            self.wires.builder.place(node, level, pod);
        }
    }
}
