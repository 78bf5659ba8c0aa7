//! The capacity of a cut: what can leave and enter a set of nodes.
//!
//! Whatever the routing, bytes that must leave a set do so over its border, so the border's live
//! ordinary rate bounds their rate (max-flow min-cut, the easy direction).

use fixedbitset::FixedBitSet;

use super::graph::Fabric;

/// The live ordinary rates over the border of a set of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Total rate of the links that leave the set, in B/s.
    pub leaving_Bps: u64,
    /// Total rate of the links that enter it, in B/s.
    pub entering_Bps: u64,
}

impl Fabric {
    /// The cut around a set of nodes, given as bits by node id.
    pub fn cut(&self, inside: &FixedBitSet) -> Cut {
        let mut cut = Cut {
            leaving_Bps: 0,
            entering_Bps: 0,
        };
        for link in self.links().iter().filter(|link| link.is_usable()) {
            let (from, to) = (
                inside.contains(link.src.index()),
                inside.contains(link.dst.index()),
            );
            if from && !to {
                cut.leaving_Bps += link.rate_Bps;
            } else if to && !from {
                cut.entering_Bps += link.rate_Bps;
            }
        }
        cut
    }

    /// The cut around each container of a level, in container order, in one pass over the links.
    pub fn container_cuts(&self, level: &super::ContainerLevel) -> Vec<Cut> {
        let empty = Cut {
            leaving_Bps: 0,
            entering_Bps: 0,
        };
        let mut cuts = vec![empty; level.n_containers as usize];
        for link in self.links().iter().filter(|link| link.is_usable()) {
            let (from, to) = (level.container(link.src), level.container(link.dst));
            if from == to {
                continue;
            }
            if let Some(container) = from {
                cuts[container as usize].leaving_Bps += link.rate_Bps;
            }
            if let Some(container) = to {
                cuts[container as usize].entering_Bps += link.rate_Bps;
            }
        }
        cuts
    }
}
