//! Torus of up to three dimensions: neighbors joined around each axis.
//!
//! Each endpoint has a router of its own, so hops between endpoints are two more than on the torus.
//! An axis of two has both of its cables in one link. Examples: a TPU v5p or v7x slice is a 3-D
//! torus (cubes of 4 x 4 x 4), a Trainium2 instance a 4 x 4 one; their rates are parameters.
//! Source: Dally and Towles, "Principles and Practices of Interconnection Networks", 2004, 5.

use super::family::lattice::{LATENCY, Lattice, RATE};
use super::family::wires::Wires;
use super::{Chip, Preset};
use crate::fabric::error::FabricError;
use crate::fabric::graph::Fabric;
use crate::fabric::params::{ParamSpec, Params};

const AXES: [&str; 3] = ["x", "y", "z"];

/// The preset.
pub(super) struct Torus;

impl Preset for Torus {
    fn name(&self) -> &'static str {
        "torus"
    }

    fn title(&self) -> &'static str {
        "family: torus of up to three dimensions (TPU pods, Trainium2)"
    }

    fn source(&self) -> &'static str {
        "the parameters; Dally and Towles (2004), chapter 5"
    }

    fn assumed(&self) -> &'static str {
        "the default rate and latency; routers that take all links of a point at once"
    }

    fn chip(&self, params: &Params) -> Result<Option<Chip>, FabricError> {
        params.resolved(self.name(), self.params()).map(|_| None)
    }

    fn params(&self) -> &'static [ParamSpec] {
        const PARAMS: &[ParamSpec] = &[
            ParamSpec::int(AXES[0], "points along the first axis", 1, 64, 4),
            ParamSpec::int(AXES[1], "points along the second axis", 1, 64, 4),
            ParamSpec::int(AXES[2], "points along the third axis", 1, 64, 4),
            RATE,
            LATENCY,
        ];
        PARAMS
    }

    fn build(&self, params: &Params) -> Result<Fabric, FabricError> {
        let params = params.resolved(self.name(), self.params())?;
        let lattice = Lattice::new(&params, &AXES);
        let mut wires = Wires::nominal(self.name(), &format!("torus {}", lattice.title()));
        let endpoints = lattice.endpoints(&mut wires);
        let degree: u64 = lattice.dims().iter().map(|&size| cables(size) * 2).sum();
        let rate_Bps = params.int(RATE.name) as u64;
        let routers = lattice.routers(&mut wires, &endpoints, rate_Bps * degree.max(1));
        for (axis, &size) in lattice.dims().iter().enumerate() {
            let n_cables = if size == 2 { 2 } else { 1 };
            let cable = wires.family_cable(AXES[axis], &params, n_cables);
            for point in 0..lattice.len() {
                let at = lattice.coordinate(point, axis);
                let next = (at + 1) % size;
                // An axis of two is closed by its only link.
                if next > at || (next == 0 && size > 2) {
                    let next = lattice.moved(point, axis, next);
                    wires.cable(routers[point as usize], routers[next as usize], &cable);
                }
            }
        }
        wires.builder.build()
    }
}

/// Cables of a point per direction of an axis.
fn cables(size: u32) -> u64 {
    u64::from(size > 1)
}
