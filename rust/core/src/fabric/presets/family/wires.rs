//! Wiring in both directions at once, with or without latencies.

use crate::fabric::builder::FabricBuilder;
use crate::fabric::element::{Link, LinkKind, NodeKind};
use crate::fabric::params::{Allowed, ParamSpec, Params};
use crate::ids::NodeId;

/// The parameter of presets that know latencies.
pub(in crate::fabric::presets) const TIMING: ParamSpec = ParamSpec {
    name: "timing",
    doc: "nominal: published rates and latencies; line_rate: rates only",
    allowed: Allowed::OneOf(&["nominal", "line_rate"]),
};

/// A cable: both directions of it, as seen from its lower end.
#[derive(Clone, Copy, Debug)]
pub(in crate::fabric::presets) struct Cable {
    pub(in crate::fabric::presets) up: LinkKind,
    pub(in crate::fabric::presets) down: LinkKind,
    pub(in crate::fabric::presets) plane: Option<u32>,
    /// Each way, in B/s.
    pub(in crate::fabric::presets) rate_Bps: u64,
    pub(in crate::fabric::presets) up_ps: u64,
    pub(in crate::fabric::presets) down_ps: u64,
}

/// A builder that lays cables.
#[derive(Debug)]
pub(in crate::fabric::presets) struct Wires {
    pub(in crate::fabric::presets) builder: FabricBuilder,
    nominal: bool,
}

impl Wires {
    /// With latencies unless the resolved parameters ask for the line rate alone.
    pub(in crate::fabric::presets) fn new(name: &str, title: &str, params: &Params) -> Self {
        Self {
            nominal: params.text(TIMING.name) == "nominal",
            ..Self::nominal(name, title)
        }
    }

    /// With latencies.
    pub(in crate::fabric::presets) fn nominal(name: &str, title: &str) -> Self {
        Self {
            builder: FabricBuilder::new(name, title),
            nominal: true,
        }
    }

    /// An endpoint, whose reductions take time unless only the line rate counts.
    pub(in crate::fabric::presets) fn endpoint(
        &mut self,
        name: String,
        reduction_Bps: u64,
    ) -> NodeId {
        let id = self.builder.node(name, NodeKind::Endpoint);
        if self.nominal {
            self.builder.reduction_rate(id, reduction_Bps);
        }
        id
    }

    /// A switch.
    pub(in crate::fabric::presets) fn switch(&mut self, name: String) -> NodeId {
        self.builder.node(name, NodeKind::Switch)
    }

    /// A switch that can reduce and multicast.
    pub(in crate::fabric::presets) fn in_network_switch(
        &mut self,
        name: String,
        in_network: bool,
    ) -> NodeId {
        let id = self.switch(name);
        if in_network {
            self.builder.in_network(id);
        }
        id
    }

    /// A network interface.
    pub(in crate::fabric::presets) fn nic(&mut self, name: String) -> NodeId {
        self.builder.node(name, NodeKind::Nic)
    }

    /// The kinds of the two directions, `name` with "_up" and with "_down".
    pub(in crate::fabric::presets) fn kinds(&mut self, name: &str) -> (LinkKind, LinkKind) {
        let mut kind = |way: &str| self.builder.kind(&format!("{name}_{way}"));
        (kind("up"), kind("down"))
    }

    /// A cable outside any plane that is alike in both directions.
    pub(in crate::fabric::presets) fn plain(
        &mut self,
        name: &str,
        rate_Bps: u64,
        latency_ps: u64,
    ) -> Cable {
        let (up, down) = self.kinds(name);
        Cable {
            up,
            down,
            plane: None,
            rate_Bps,
            up_ps: latency_ps,
            down_ps: latency_ps,
        }
    }

    /// Joins two nodes, the lower one first.
    pub(in crate::fabric::presets) fn cable(&mut self, low: NodeId, high: NodeId, cable: &Cable) {
        let ways = [
            (low, high, cable.up, cable.up_ps),
            (high, low, cable.down, cable.down_ps),
        ];
        for (src, dst, kind, ps) in ways {
            let latency_ps = if self.nominal { ps } else { 0 };
            self.builder.link(Link {
                plane: cable.plane,
                ..Link::new(src, dst, kind, cable.rate_Bps, latency_ps)
            });
        }
    }
}
