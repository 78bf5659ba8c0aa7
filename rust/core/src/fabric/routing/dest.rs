//! Dest: equal stripes over the planes, the path in each chosen by the destination.
//!
//! At each node with more than one candidate the destination's local index in its innermost
//! "node" container (on CM384 the die number 0..15, or CPU number) modulo the candidates is taken:
//! d-mod-k routing. A fabric without the level "node" counts the destination among all its nodes of
//! that kind. Zahavi, "D-Mod-K routing providing non-blocking traffic for shift permutations on
//! real life fat trees", CCIT 776, Technion, 2010.

use super::error::RoutingError;
use super::network::Network;
use super::route::Route;
use super::stripes::Walk;
use super::{Entry, Routing, refuse_planes};
use crate::ids::NodeId;

const NAME: &str = "dest";
const DOC: &str = "equal stripes over the planes, one path by the destination's number in each";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    doc: DOC,
    build: |options| {
        refuse_planes(NAME, options)?;
        Ok(Box::new(Dest))
    },
};

#[derive(Debug)]
struct Dest;

impl Routing for Dest {
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
        let index = network.fabric().index_in_node(dst) as usize;
        walk.route(&walk.planes(), |_| move |n_candidates| index % n_candidates)
    }
}
