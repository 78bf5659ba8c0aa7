//! Plane: the whole flow on one path in one plane.
//!
//! With s and d the endpoint ids of source and destination (for other nodes 2^32 plus the node
//! id), the plane is number (s + d) mod k of the k planes on live shortest paths, in order, that
//! `planes` allows; at each node with more than one candidate, candidate (s + d) mod n is taken.
//! Links without a plane, like that of sibling dies, are no matter of `planes`.

use super::error::RoutingError;
use super::hash::number;
use super::network::Network;
use super::route::Route;
use super::stripes::{Plane as Label, Walk};
use super::{Entry, Routing};
use crate::ids::NodeId;

const NAME: &str = "plane";
const DOC: &str = "one path in one plane, both by source plus destination";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    doc: DOC,
    build: |options| match &options.planes {
        Some(planes) if planes.is_empty() => Err(RoutingError::EmptyPlanes),
        planes => Ok(Box::new(Plane {
            allowed: planes.clone(),
        })),
    },
};

#[derive(Debug)]
struct Plane {
    allowed: Option<Vec<u32>>,
}

impl Routing for Plane {
    fn route(
        &self,
        network: &Network<'_>,
        src: NodeId,
        dst: NodeId,
        _occurrence: u64,
    ) -> Result<Route, RoutingError> {
        if src == dst {
            return Ok(Route::EMPTY);
        }
        let walk = Walk::new(network, src, dst)?;
        let live = walk.planes();
        let allowed = self.allowed_of(&live);
        if allowed.is_empty() {
            let (src, dst) = network.names(src, dst);
            return Err(RoutingError::NoPlane {
                src,
                dst,
                allowed: self.allowed.clone().unwrap_or_default(),
                live: live.into_iter().flatten().collect(),
            });
        }
        let fabric = network.fabric();
        let sum = number(fabric, src) + number(fabric, dst);
        let pick = move |n: usize| (sum % n as u64) as usize;
        walk.route(&[allowed[pick(allowed.len())]], |_| pick)
    }
}

impl Plane {
    fn allowed_of(&self, live: &[Label]) -> Vec<Label> {
        let allows = |label: &Label| match (label, &self.allowed) {
            (Some(plane), Some(allowed)) => allowed.contains(plane),
            _ => true,
        };
        live.iter().copied().filter(allows).collect()
    }
}
