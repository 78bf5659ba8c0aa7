//! Full mesh of up to four dimensions: all points of a line along each axis joined.
//!
//! In one dimension endpoints are joined directly, without a switch, as the 8 NPUs of an Atlas 800T
//! A2 (7 links of 28 GB/s each). In more, each endpoint has a router of its own, since endpoints
//! forward for nobody. Examples: a UB-Mesh rack is 8 x 8 and its pod 8 x 8 x 4 x 4 (arXiv
//! 2503.20377, 2025-03); with one rate for all axes, which UB-Mesh does not have.
//! Also known as `HyperX` (Ahn et al., SC 2009).

use super::family::lattice::{LATENCY, Lattice, RATE};
use super::family::wires::Wires;
use super::{Chip, Preset};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};

const AXES: [&str; 4] = ["x", "y", "z", "w"];

/// The preset.
pub(super) struct FullMesh;

impl Preset for FullMesh {
    fn name(&self) -> &'static str {
        "full_mesh"
    }

    fn title(&self) -> &'static str {
        "family: full mesh of up to four dimensions (Atlas 800T A2, UB-Mesh)"
    }

    fn source(&self) -> &'static str {
        "the parameters; Ahn et al., HyperX, SC 2009; UB-Mesh, arXiv 2503.20377 (2025-03)"
    }

    fn assumed(&self) -> &'static str {
        "the default rate and latency; one rate for all axes; routers that take all links of a \
         point at once"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params()).map(|_| None)
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int(AXES[0], "points along the first axis", 1, 64, 8),
            ParamSpec::int(AXES[1], "points along the second axis", 1, 64, 1),
            ParamSpec::int(AXES[2], "points along the third axis", 1, 64, 1),
            ParamSpec::int(AXES[3], "points along the fourth axis", 1, 64, 1),
            RATE,
            LATENCY,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let lattice = Lattice::new(&params, &AXES);
        let mut wires = Wires::nominal(self.name(), &format!("full mesh {}", lattice.title()));
        let endpoints = lattice.endpoints(&mut wires);
        let is_line = lattice.dims().iter().filter(|&&size| size > 1).count() < 2;
        let degree: u64 = lattice.dims().iter().map(|&size| u64::from(size) - 1).sum();
        let joined = if is_line {
            endpoints
        } else {
            let rate_Bps = params.int(RATE.name) as u64;
            lattice.routers(&mut wires, &endpoints, rate_Bps * degree)
        };
        for (axis, &size) in lattice.dims().iter().enumerate() {
            let cable = wires.family_cable(AXES[axis], &params, 1);
            for point in 0..lattice.len() {
                for other in lattice.coordinate(point, axis) + 1..size {
                    let other = lattice.moved(point, axis, other);
                    wires.cable(joined[point as usize], joined[other as usize], &cable);
                }
            }
        }
        wires.builder.build()
    }
}
