//! Hash: equal stripes over the planes, one hashed path in each.
//!
//! Per-flow load balancing. Let mix(h, x) = splitmix64(h xor x), and
//! h = mix(mix(mix(mix(splitmix64(seed), src), dst), occurrence), plane), where src and dst are
//! endpoint ids (for other nodes 2^32 plus the node id) and plane is 2^64 - 1 where there is none.
//! At the stripe's first node with more than one candidate, candidate h mod n is taken; at each
//! further one h becomes splitmix64(h) first. On CM384 the one choice is that of the L2 chip.
//! splitmix64 is Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

use super::error::RoutingError;
use super::network::Network;
use super::route::Route;
use super::stripes::{Plane, Walk};
use super::{Entry, Routing, refuse_planes};
use crate::fabric::graph::Fabric;
use crate::ids::NodeId;
use crate::splitmix::splitmix64;

const NAME: &str = "hash";
const DOC: &str = "equal stripes over the planes, one path by a seeded hash in each";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    doc: DOC,
    build: |options| {
        refuse_planes(NAME, options)?;
        Ok(Box::new(Hash { seed: options.seed }))
    },
};

/// The number by which hashes know a node: its endpoint id, or 2^32 plus its node id.
pub(super) fn number(fabric: &Fabric, node: NodeId) -> u64 {
    let other = (1 << 32) + u64::from(node.0);
    fabric.endpoint_of(node).map_or(other, u64::from)
}

#[derive(Debug)]
struct Hash {
    seed: u64,
}

impl Routing for Hash {
    fn per_occurrence(&self) -> bool {
        true
    }

    fn route(
        &self,
        network: &Network<'_>,
        src: NodeId,
        dst: NodeId,
        occurrence: u64,
    ) -> Result<Route, RoutingError> {
        if src == dst {
            return Ok(Route::EMPTY);
        }
        let walk = Walk::new(network, src, dst)?;
        let fabric = network.fabric();
        let words = [number(fabric, src), number(fabric, dst), occurrence];
        let flow = words.into_iter().fold(splitmix64(self.seed), mix);
        walk.route(&walk.planes(), |plane| chooser(flow, plane))
    }
}

fn chooser(flow: u64, plane: Plane) -> impl FnMut(usize) -> usize {
    let mut next = mix(flow, plane.map_or(u64::MAX, u64::from));
    move |n_candidates| {
        let h = next;
        next = splitmix64(h);
        (h % n_candidates as u64) as usize
    }
}

fn mix(h: u64, x: u64) -> u64 {
    splitmix64(h ^ x)
}
