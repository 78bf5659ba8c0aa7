//! Every shortest path between two nodes, link by link.

use super::error::RoutingError;
use super::network::Network;
use crate::fabric::graph::Fabric;
use crate::ids::{ClassId, LinkId, NodeId};

/// The most paths that are listed; a torus has more than anyone would read.
pub const MAX_PATHS: u128 = 1_000_000;

impl Fabric {
    /// How many shortest paths (by hops, over live ordinary links) lead from `src` to `dst`;
    /// saturates at `u128::MAX`.
    ///
    /// # Errors
    /// If none does.
    pub fn count_paths(&self, src: NodeId, dst: NodeId) -> Result<u128, RoutingError> {
        let network = Network::of_links(self);
        let ends = network.ends(src, dst)?;
        let mut layer: Vec<(ClassId, u128)> = vec![(ends.from, 1)];
        for _ in 0..ends.n_hops {
            let mut next: Vec<(ClassId, u128)> = Vec::new();
            for (at, n) in &layer {
                let hops = ends.toward.next(network.bundles(), *at);
                next.extend(hops.map(|hop| (hop.other, *n)));
            }
            next.sort_unstable();
            next.dedup_by(|from, into| {
                let same = from.0 == into.0;
                if same {
                    into.1 = into.1.saturating_add(from.1);
                }
                same
            });
            layer = next;
        }
        Ok(layer.iter().map(|(_, n)| *n).sum())
    }

    /// Every shortest path as its links, ordered by the nodes passed.
    ///
    /// # Errors
    /// If none leads there, or more than [`MAX_PATHS`] do.
    pub fn paths(&self, src: NodeId, dst: NodeId) -> Result<Vec<Vec<LinkId>>, RoutingError> {
        let n_paths = self.count_paths(src, dst)?;
        let network = Network::of_links(self);
        if MAX_PATHS < n_paths {
            let (src, dst) = network.names(src, dst);
            return Err(RoutingError::TooManyPaths {
                src,
                dst,
                n_paths,
                high: MAX_PATHS,
            });
        }
        let mut paths = Vec::with_capacity(n_paths as usize);
        let ends = network.ends(src, dst)?;
        let mut pending = vec![(ends.from, Vec::new())];
        while let Some((at, path)) = pending.pop() {
            if at == ends.to {
                paths.push(path);
                continue;
            }
            let first_new = pending.len();
            for hop in ends.toward.next(network.bundles(), at) {
                let mut longer: Vec<LinkId> = path.clone();
                longer.push(network.bundles().bundle(hop.bundle).representative);
                pending.push((hop.other, longer));
            }
            // The stack gives the last first; reversed, the smallest node comes out first.
            pending[first_new..].reverse();
        }
        Ok(paths)
    }
}
