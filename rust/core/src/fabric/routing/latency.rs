//! The least latency to a node: what no routing can beat.
//!
//! Dijkstra against the direction of live ordinary links, over classes (all members of a class
//! have equal walks to a node that is alone). Switches and NICs pass on, so only they are queued; that
//! a NIC passes nothing from switch to switch is not asked, which leaves a bound.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::error::RoutingError;
use super::network::Network;
use crate::fabric::graph::Fabric;
use crate::ids::NodeId;

const UNKNOWN: u64 = u64::MAX;

impl Network<'_> {
    /// The least latency in ps from each class to a node over any live path.
    ///
    /// # Errors
    /// If the node is merged with others.
    pub fn min_latency_of_classes(&self, dst: NodeId) -> Result<Vec<Option<u64>>, RoutingError> {
        let dst = self.alone(dst)?;
        let bundles = self.bundles();
        let mut least = vec![UNKNOWN; bundles.n_classes()];
        least[dst.index()] = 0;
        let mut queue = BinaryHeap::from([Reverse((0, dst))]);
        while let Some(Reverse((latency_ps, class))) = queue.pop() {
            if least[class.index()] < latency_ps {
                continue;
            }
            for hop in bundles.inward(class) {
                let longer_ps = latency_ps + hop.latency_ps;
                let slot = &mut least[hop.other.index()];
                if longer_ps < *slot {
                    *slot = longer_ps;
                    if bundles.kind(hop.other).forwards() {
                        queue.push(Reverse((longer_ps, hop.other)));
                    }
                }
            }
        }
        let known = least.into_iter().map(|ps| (ps != UNKNOWN).then_some(ps));
        Ok(known.collect())
    }
}

impl Fabric {
    /// The least latency in ps from each node to an endpoint, CPU or NIC over any live path; none
    /// where no path leads there.
    ///
    /// # Errors
    /// If the node is a switch merged with others.
    pub fn min_latency_to(&self, dst: NodeId) -> Result<Vec<Option<u64>>, RoutingError> {
        let network = Network::of_bundles(self);
        let of_class = network.min_latency_of_classes(dst)?;
        let nodes = (0..self.nodes().len()).map(NodeId::from_index);
        let class = |node| network.bundles().class(node);
        Ok(nodes.map(|node| of_class[class(node).index()]).collect())
    }
}
