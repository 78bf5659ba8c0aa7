//! Latencies: how long the first byte takes, over any path, other ranks of the team relaying.

use std::collections::BTreeMap;

use crate::fabric::{Bundles, Fabric};
use crate::ids::{ClassId, NodeId};

/// Destinations from which the latency bound is taken. Any subset of pairs gives a bound; on the
/// regular fabrics of the presets the first and last rank already give the largest latency.
const DESTINATIONS: usize = 8;

/// Zero-load latencies to one rank.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    pub(super) dst: usize,
    /// From each rank, in ps; none where no path leads there.
    pub(super) from: Vec<Option<u64>>,
}

/// The latencies to some of the ranks.
pub(super) fn to_some(fabric: &Fabric, nodes: &[NodeId], is_rank: &[bool]) -> Vec<Latencies> {
    let last = nodes.len() - 1;
    let mut all: Vec<usize> = (0..DESTINATIONS)
        .map(|k| k * last / (DESTINATIONS - 1))
        .collect();
    all.dedup();
    all.into_iter()
        .map(|dst| to(fabric, nodes, is_rank, dst))
        .collect()
}

/// The latencies to one rank: least sums over live ordinary links, switches and ranks forwarding
/// (Dijkstra on the bundles, backwards). The links of a fabric have few latencies, and so have paths:
/// classes wait in one list for each.
pub(super) fn to(fabric: &Fabric, nodes: &[NodeId], is_rank: &[bool], dst: usize) -> Latencies {
    let bundles: &Bundles = fabric.bundles();
    let open = |class: ClassId| {
        let mut members = bundles.members(class).iter();
        bundles.kind(class).forwards() || members.any(|node| is_rank[node.index()])
    };
    let mut least = vec![None; bundles.n_classes()];
    let mut waiting = BTreeMap::from([(0u64, vec![bundles.class(nodes[dst])])]);
    while let Some((latency, classes)) = waiting.pop_first() {
        for class in classes {
            if least[class.index()].is_some() {
                continue;
            }
            least[class.index()] = Some(latency);
            for hop in bundles.inward(class) {
                if least[hop.other.index()].is_none() && open(hop.other) {
                    let longer = latency + hop.latency_ps;
                    waiting.entry(longer).or_default().push(hop.other);
                }
            }
        }
    }
    let from = nodes.iter().map(|node| least[bundles.class(*node).index()]);
    Latencies {
        dst,
        from: from.collect(),
    }
}
