//! The parts of a fabric that no link joins, live or not, pinned or not.

use super::graph::Fabric;
use crate::ids::NodeId;

impl Fabric {
    /// The first node of each part, by id; a connected fabric has one.
    pub fn parts(&self) -> Vec<NodeId> {
        let mut reached = vec![false; self.nodes().len()];
        let mut firsts = Vec::new();
        let mut pending = Vec::new();
        for index in 0..reached.len() {
            if reached[index] {
                continue;
            }
            reached[index] = true;
            let first = NodeId::from_index(index);
            firsts.push(first);
            pending.push(first);
            while let Some(node) = pending.pop() {
                let out = self.out_links(node).iter().map(|id| self.link(*id).dst);
                let inward = self.in_links(node).iter().map(|id| self.link(*id).src);
                for other in out.chain(inward) {
                    if !std::mem::replace(&mut reached[other.index()], true) {
                        pending.push(other);
                    }
                }
            }
        }
        firsts
    }
}
