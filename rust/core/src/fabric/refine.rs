//! The coarsest equitable partition of a fabric's nodes, by color refinement.
//!
//! Nodes in `alone` and all nodes that are no switch start alone, the other switches together.
//! Then classes are split until any two nodes of a class have the same multiset of (direction,
//! link attributes, class of the neighbor). Hashes split first: what they part has different
//! multisets. What they leave together is then compared in full, sorted, so that no hash decides
//! anything. Refinement only splits, and every equitable partition that keeps the
//! given nodes alone is finer than each intermediate one (induction), so the result is the
//! coarsest. Cardon and Crochemore, "Partitioning a graph in O(|A| log |V|)", 1982, is the faster
//! way; a fabric needs about as many rounds as it has tiers, so the plain rounds do.

use super::element::NodeKind;
use super::graph::Fabric;
use crate::ids::NodeId;
use crate::splitmix::splitmix64;

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
    let mut joint: Vec<usize> = (0..color.len()).filter(|&node| splittable[node]).collect();
    split(&mut joint, &mut color, &mut next_color, |node, color| {
        hash(fabric, node, color, attributes)
    });
    split(&mut joint, &mut color, &mut next_color, |node, color| {
        signature(fabric, node, color, attributes)
    });
    numbered_by_first(&color)
}

/// Rounds until no class is split any more: members of a class that look different part. `joint` has
/// the nodes of all classes of several nodes.
fn split<L: Ord>(
    joint: &mut Vec<usize>,
    color: &mut [u32],
    next_color: &mut u32,
    look: impl Fn(usize, &[u32]) -> L,
) {
    loop {
        let looks = joint
            .iter()
            .map(|&node| (color[node], look(node, color), node));
        let mut looks: Vec<(u32, L, usize)> = looks.collect();
        looks.sort_unstable();
        let n_before = looks.chunk_by(|a, b| a.0 == b.0).count();
        let mut n_now = 0;
        joint.clear();
        for class in looks.chunk_by(|a, b| (a.0, &a.1) == (b.0, &b.1)) {
            for &(_, _, node) in class {
                color[node] = *next_color;
            }
            if class.len() > 1 {
                joint.extend(class.iter().map(|&(_, _, node)| node));
            }
            *next_color += 1;
            n_now += 1;
        }
        if n_now == n_before {
            return;
        }
    }
}

/// The (leaves, attributes, color of the other end) of a node's links.
fn ways<'a>(
    fabric: &'a Fabric,
    node: usize,
    color: &'a [u32],
    attributes: &'a [u32],
) -> impl Iterator<Item = (bool, u32, u32)> + 'a {
    let node = NodeId::from_index(node);
    let out = fabric.out_links(node).iter().map(|id| {
        let other = fabric.link(*id).dst;
        (true, attributes[id.index()], color[other.index()])
    });
    let inward = fabric.in_links(node).iter().map(|id| {
        let other = fabric.link(*id).src;
        (false, attributes[id.index()], color[other.index()])
    });
    out.chain(inward)
}

/// Equal for equal signatures, and seldom for others.
fn hash(fabric: &Fabric, node: usize, color: &[u32], attributes: &[u32]) -> u64 {
    let each = ways(fabric, node, color, attributes).map(|(leaves, attributes, color)| {
        splitmix64(u64::from(color) << 32 | u64::from(attributes) << 1 | u64::from(leaves))
    });
    each.fold(0, u64::wrapping_add)
}

/// All of a node's links, sorted.
fn signature(
    fabric: &Fabric,
    node: usize,
    color: &[u32],
    attributes: &[u32],
) -> Vec<(bool, u32, u32)> {
    let mut signature: Vec<_> = ways(fabric, node, color, attributes).collect();
    signature.sort_unstable();
    signature
}

/// The same partition, its classes numbered by first appearance.
pub(super) fn numbered_by_first(class_of: &[u32]) -> Vec<u32> {
    let n_classes = class_of.iter().max().map_or(0, |max| *max as usize + 1);
    let mut number = vec![u32::MAX; n_classes];
    let mut next = 0;
    let numbered = class_of.iter().map(|class| {
        let slot = &mut number[*class as usize];
        if *slot == u32::MAX {
            *slot = next;
            next += 1;
        }
        *slot
    });
    numbered.collect()
}
