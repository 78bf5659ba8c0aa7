//! Endpoints on a lattice, each with a router of its own, and what families of shapes share.

use super::wires::{Cable, Wires};
use crate::fabric::element::NodeKind;
use crate::fabric::params::{ParamSpec, Params};
use crate::ids::NodeId;

/// The rate of every link of a family.
pub(in crate::fabric::presets) const RATE: ParamSpec = ParamSpec::int(
    "rate_Bps",
    "each link, each way, in B/s",
    1,
    1_000_000_000_000,
    50_000_000_000,
);

/// The latency of every link of a family.
pub(in crate::fabric::presets) const LATENCY: ParamSpec =
    ParamSpec::int("latency_ps", "each link, in ps", 0, 1_000_000_000, 500_000);

/// Points with coordinates; the last axis runs fastest.
#[derive(Debug)]
pub(in crate::fabric::presets) struct Lattice {
    dims: Vec<u32>,
}

impl Lattice {
    /// With the sizes that these parameters name.
    pub(in crate::fabric::presets) fn new(params: &Params, axes: &[&str]) -> Self {
        Self {
            dims: axes.iter().map(|axis| params.int(axis) as u32).collect(),
        }
    }

    /// How many points there are.
    pub(in crate::fabric::presets) fn len(&self) -> u32 {
        self.dims.iter().product()
    }

    /// The size along each axis.
    pub(in crate::fabric::presets) fn dims(&self) -> &[u32] {
        &self.dims
    }

    /// "4x4x2".
    pub(in crate::fabric::presets) fn title(&self) -> String {
        joined(&self.dims, "x")
    }

    /// "3.0.1" for a point.
    pub(in crate::fabric::presets) fn name(&self, point: u32) -> String {
        let at: Vec<u32> = (0..self.dims.len())
            .map(|axis| self.coordinate(point, axis))
            .collect();
        joined(&at, ".")
    }

    /// Where a point lies on an axis.
    pub(in crate::fabric::presets) fn coordinate(&self, point: u32, axis: usize) -> u32 {
        point / self.stride(axis) % self.dims[axis]
    }

    /// The point with another coordinate on an axis.
    pub(in crate::fabric::presets) fn moved(&self, point: u32, axis: usize, to: u32) -> u32 {
        let stride = self.stride(axis);
        point - self.coordinate(point, axis) * stride + to * stride
    }

    fn stride(&self, axis: usize) -> u32 {
        self.dims[axis + 1..].iter().product()
    }

    /// An endpoint "e3.0.1" at each point.
    pub(in crate::fabric::presets) fn endpoints(&self, wires: &mut Wires) -> Vec<NodeId> {
        (0..self.len())
            .map(|point| {
                let name = format!("e{}", self.name(point));
                wires.builder.node(name, NodeKind::Endpoint)
            })
            .collect()
    }

    /// A router "r3.0.1" at each point, which takes all that its endpoint can send into the lattice
    /// at once: endpoints forward for nobody.
    pub(in crate::fabric::presets) fn routers(
        &self,
        wires: &mut Wires,
        endpoints: &[NodeId],
        injection_Bps: u64,
    ) -> Vec<NodeId> {
        let cable = wires.plain("injection", injection_Bps, 0);
        let points = (0..self.len()).zip(endpoints);
        points
            .map(|(point, &endpoint)| {
                let router = wires.switch(format!("r{}", self.name(point)));
                wires.cable(endpoint, router, &cable);
                router
            })
            .collect()
    }
}

fn joined(numbers: &[u32], between: &str) -> String {
    let words: Vec<String> = numbers.iter().map(u32::to_string).collect();
    words.join(between)
}

impl Wires {
    /// The two parameters of families as a cable of this kind, `n` of them in one.
    pub(in crate::fabric::presets) fn family_cable(
        &mut self,
        name: &str,
        params: &Params,
        n: u64,
    ) -> Cable {
        let rate_Bps = params.int(RATE.name) as u64 * n;
        self.plain(name, rate_Bps, params.int(LATENCY.name) as u64)
    }
}
