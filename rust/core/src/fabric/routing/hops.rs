//! Hop distances to a destination, and the next hops on shortest paths.
//!
//! Breadth first against the direction of live ordinary links. Only switches pass on, so a node
//! that does not forward gets a distance but no node gets one through it. Classes of an equitable
//! partition are equally far from a node that is alone, so classes stand for nodes.

use crate::fabric::bundle::{Bundles, Hop};
use crate::ids::ClassId;

/// The distance of a class that no path leads from.
pub(super) const UNREACHABLE: u32 = u32::MAX;

/// The distance of each class to `dst`, computed once per destination.
pub(super) fn to(bundles: &Bundles, dst: ClassId) -> &[u32] {
    bundles.hops_slot(dst).get_or_init(|| search(bundles, dst))
}

/// The bundles on shortest paths from `at` to `dst`, by the class they enter.
pub(super) fn next<'a>(
    bundles: &'a Bundles,
    hops: &'a [u32],
    at: ClassId,
    dst: ClassId,
) -> impl Iterator<Item = &'a Hop> {
    let distance = hops[at.index()];
    let switches = bundles.to_switches(at);
    // One hop away only the destination itself counts, found by search; further away, switches.
    let candidates = if distance == 1 {
        let last = if bundles.forwards(dst) {
            switches
        } else {
            bundles.to_ends(at)
        };
        let start = last.partition_point(|hop| hop.other < dst);
        let n = last[start..]
            .iter()
            .take_while(|hop| hop.other == dst)
            .count();
        &last[start..start + n]
    } else {
        switches
    };
    candidates
        .iter()
        .filter(move |hop| hops[hop.other.index()] == distance - 1)
}

fn search(bundles: &Bundles, dst: ClassId) -> Box<[u32]> {
    let mut hops = vec![UNREACHABLE; bundles.n_classes()];
    hops[dst.index()] = 0;
    let mut queue = vec![dst];
    let mut head = 0;
    while let Some(&class) = queue.get(head) {
        head += 1;
        let distance = hops[class.index()] + 1;
        for hop in bundles.inward(class) {
            let slot = &mut hops[hop.other.index()];
            if *slot == UNREACHABLE {
                *slot = distance;
                if bundles.forwards(hop.other) {
                    queue.push(hop.other);
                }
            }
        }
    }
    hops.into_boxed_slice()
}
