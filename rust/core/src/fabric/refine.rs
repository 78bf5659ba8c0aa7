//! The coarsest equitable partition of a fabric's nodes, by color refinement.
//!
//! Nodes in `alone` and all nodes that are no switch start alone, the other switches together.
//! Then classes are split until any two nodes of a class have the same multiset of (direction,
//! link attributes, class of the neighbor). Signatures are sorted and compared in full, so no
//! hash decides anything. Refinement only splits, and every equitable partition that keeps the
//! given nodes alone is finer than each intermediate one (induction), so the result is the
//! coarsest. Cardon and Crochemore, "Partitioning a graph in O(|A| log |V|)", 1982, is the faster
//! way; a fabric needs about as many rounds as it has tiers, so the plain rounds do.

use super::element::NodeKind;
use super::graph::Fabric;
use crate::ids::NodeId;

/// The class of each node, numbered by its first node. `attributes` gives each link's attributes
/// as a dense id.
pub(super) fn coarsest(fabric: &Fabric, alone: &[NodeId], attributes: &[u32]) -> Vec<u32> {
    let mut splittable: Vec<bool> = fabric
        .nodes()
        .iter()
        .map(|node| node.kind == NodeKind::Switch)
        .collect();
    for node in alone {
        splittable[node.index()] = false;
    }
    let mut next_color = 1;
    let mut color: Vec<u32> = splittable
        .iter()
        .map(|&joint| {
            if joint {
                return 0;
            }
            next_color += 1;
            next_color - 1
        })
        .collect();
    let members: Vec<usize> = (0..color.len()).filter(|&node| splittable[node]).collect();
    let mut n_classes = usize::from(!members.is_empty());
    loop {
        let split = split(fabric, &members, &color, attributes);
        if split.n_classes == n_classes {
            return numbered_by_first_node(&color);
        }
        n_classes = split.n_classes;
        for (node, class) in split.class_of {
            color[node] = next_color + class;
        }
        next_color += n_classes as u32;
    }
}

/// The sorted (leaves, attributes, color of the other end) of a node's links.
type Signature = Vec<(bool, u32, u32)>;

struct Split {
    n_classes: usize,
    class_of: Vec<(usize, u32)>,
}

/// One round: members ordered by old color, then by signature; equal ones form a class.
fn split(fabric: &Fabric, members: &[usize], color: &[u32], attributes: &[u32]) -> Split {
    let mut signed: Vec<(u32, Signature, usize)> = members
        .iter()
        .map(|&node| {
            (
                color[node],
                signature(fabric, node, color, attributes),
                node,
            )
        })
        .collect();
    signed.sort_unstable();
    let mut class = 0;
    let mut class_of = Vec::with_capacity(signed.len());
    for (index, (old, signature, node)) in signed.iter().enumerate() {
        if index > 0 && (signed[index - 1].0 != *old || signed[index - 1].1 != *signature) {
            class += 1;
        }
        class_of.push((*node, class));
    }
    Split {
        n_classes: if class_of.is_empty() {
            0
        } else {
            class as usize + 1
        },
        class_of,
    }
}

fn signature(fabric: &Fabric, node: usize, color: &[u32], attributes: &[u32]) -> Signature {
    let node = NodeId::from_index(node);
    let out = fabric.out_links(node).iter().map(|id| {
        let other = fabric.link(*id).dst;
        (true, attributes[id.index()], color[other.index()])
    });
    let inward = fabric.in_links(node).iter().map(|id| {
        let other = fabric.link(*id).src;
        (false, attributes[id.index()], color[other.index()])
    });
    let mut signature: Vec<_> = out.chain(inward).collect();
    signature.sort_unstable();
    signature
}

fn numbered_by_first_node(color: &[u32]) -> Vec<u32> {
    let n_colors = color.iter().max().map_or(0, |max| *max as usize + 1);
    let mut number = vec![u32::MAX; n_colors];
    let mut next = 0;
    let numbered = color.iter().map(|color| {
        let slot = &mut number[*color as usize];
        if *slot == u32::MAX {
            *slot = next;
            next += 1;
        }
        *slot
    });
    numbered.collect()
}
