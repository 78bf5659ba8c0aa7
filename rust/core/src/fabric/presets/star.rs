//! Star: endpoints around one ideal switch; what the fabric of any machine is compared with.

use super::family::lattice::{LATENCY, RATE};
use super::family::wires::Wires;
use super::{Chip, Preset};
use crate::fabric::element::NodeKind;
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};

/// The preset.
pub(super) struct Star;

impl Preset for Star {
    fn name(&self) -> &'static str {
        "star"
    }

    fn title(&self) -> &'static str {
        "family: endpoints around one ideal switch"
    }

    fn source(&self) -> &'static str {
        "the parameters"
    }

    fn assumed(&self) -> &'static str {
        "the default rate and latency"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params()).map(|_| None)
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int("endpoints", "around the switch", 1, 1_000_000, 8),
            RATE,
            LATENCY,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let n = params.int("endpoints");
        let mut wires = Wires::nominal(self.name(), &format!("star of {n} endpoints"));
        let ends: Vec<_> = (0..n)
            .map(|index| wires.builder.node(format!("e{index}"), NodeKind::Endpoint))
            .collect();
        let hub = wires.switch("hub".to_owned());
        let cable = wires.family_cable("link", &params, 1);
        for end in ends {
            wires.cable(end, hub, &cable);
        }
        wires.builder.build()
    }
}
