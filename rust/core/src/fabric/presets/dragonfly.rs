//! Dragonfly: groups of fully joined routers, and one link between each pair of groups.
//!
//! With p hosts and h global links per router and a routers per group there are g = a h + 1 groups;
//! global link k of a group leaves its router k / h and leads to group k, or k + 1 from k on (the
//! absolute arrangement of Hastings et al., 2015). Balanced where a = 2 p = 2 h. Routes are the
//! shortest, never by way of a third group.
//! Source: Kim, Dally, Scott, Abts, "Technology-driven, highly-scalable dragonfly topology", ISCA
//! 2008.

use super::family::lattice::{LATENCY, RATE};
use super::family::wires::Wires;
use super::{Chip, Preset};
use crate::fabric::element::NodeKind;
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};
use crate::ids::NodeId;

/// The preset.
pub(super) struct Dragonfly;

impl Preset for Dragonfly {
    fn name(&self) -> &'static str {
        "dragonfly"
    }

    fn title(&self) -> &'static str {
        "family: dragonfly with every pair of groups joined once"
    }

    fn source(&self) -> &'static str {
        "the parameters; Kim et al., ISCA 2008"
    }

    fn assumed(&self) -> &'static str {
        "the default rate and latency; shortest routes only"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params()).map(|_| None)
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int("hosts", "per router (p)", 1, 32, 2),
            ParamSpec::int("routers", "per group (a)", 1, 64, 4),
            ParamSpec::int("global_links", "per router (h)", 1, 32, 2),
            RATE,
            LATENCY,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let count = |name: &str| params.int(name) as u32;
        let (hosts, routers, links) = (count("hosts"), count("routers"), count("global_links"));
        let n_groups = routers * links + 1;
        let title = format!("dragonfly, {n_groups} groups of {routers} routers of {hosts} hosts");
        let mut wires = Wires::nominal(self.name(), &title);
        let router_level = wires.builder.level("router");
        let group_level = wires.builder.level("group");
        let [host_cable, local, global] =
            ["host", "local", "global"].map(|name| wires.family_cable(name, &params, 1));
        let mut groups: Vec<Vec<NodeId>> = Vec::new();
        for group in 0..n_groups {
            let mut members = Vec::new();
            for index in 0..routers {
                let router = wires.switch(format!("g{group}/r{index}"));
                let mut here = vec![router];
                for host in 0..hosts {
                    let name = format!("g{group}/r{index}/h{host}");
                    let host = wires.builder.node(name, NodeKind::Endpoint);
                    wires.cable(host, router, &host_cable);
                    here.push(host);
                }
                for id in here {
                    wires
                        .builder
                        .place(id, router_level, group * routers + index);
                    wires.builder.place(id, group_level, group);
                }
                for &other in &members {
                    wires.cable(other, router, &local);
                }
                members.push(router);
            }
            groups.push(members);
        }
        for low in 0..n_groups {
            for high in low + 1..n_groups {
                // Link high - 1 of the lower group leads up, link low of the higher one down.
                let from = groups[low as usize][((high - 1) / links) as usize];
                let to = groups[high as usize][(low / links) as usize];
                wires.cable(from, to, &global);
            }
        }
        wires.builder.build()
    }
}
