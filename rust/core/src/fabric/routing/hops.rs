//! Hop distances to a destination, and the next hops on shortest paths.
//!
//! Breadth first against the direction of live ordinary links. Switches pass on, and NICs between
//! their owners and switches: from a switch, a NIC leads only to an owner that is the destination.
//! A node that does not forward gets a distance but no node gets one through it. Classes of an
//! equitable partition are equally far from a node that is alone, so classes stand for nodes. Most
//! nodes have one next hop towards a destination; the search notes it.

use crate::fabric::bundle::{Bundles, Hop};
use crate::fabric::element::NodeKind;
use crate::ids::{BundleId, ClassId};

/// The way from everywhere to one destination.
#[derive(Clone, Debug)]
pub(in crate::fabric) struct Toward {
    dst: ClassId,
    hops: Box<[u32]>,
    /// The one next bundle of each class, or [`SEVERAL`].
    only: Box<[BundleId]>,
}

/// The distance of a class that no path leads from.
const UNREACHABLE: u32 = u32::MAX;
/// In place of a bundle: none, or more than one.
const SEVERAL: BundleId = BundleId(u32::MAX);

/// The way to `dst`, computed once per destination.
pub(super) fn toward(bundles: &Bundles, dst: ClassId) -> &Toward {
    bundles
        .toward_slot(dst)
        .get_or_init(|| Box::new(search(bundles, dst)))
}

impl Toward {
    /// Hops from a class to the destination, if a path leads there.
    pub(super) fn hops(&self, from: ClassId) -> Option<u32> {
        let hops = self.hops[from.index()];
        (hops != UNREACHABLE).then_some(hops)
    }

    /// The bundles on shortest paths from a class other than the destination.
    pub(super) fn next<'a>(
        &'a self,
        bundles: &'a Bundles,
        at: ClassId,
    ) -> impl Iterator<Item = &'a Hop> {
        let nearer = self.hops[at.index()] - 1;
        let (switches, others) = self.candidates(bundles, at, nearer);
        switches
            .iter()
            .chain(others)
            .filter(move |hop| self.hops[hop.other.index()] == nearer)
    }

    /// Notes those that keep to a plane, as all do without one and those without one to any, or all
    /// if none does: first those to switches, then the others, each by the class they enter.
    pub(super) fn next_in<'a>(
        &'a self,
        bundles: &'a Bundles,
        at: ClassId,
        plane: Option<u32>,
        found: &mut Vec<&'a Hop>,
    ) {
        let nearer = self.hops[at.index()] - 1;
        let (switches, others) = self.candidates(bundles, at, nearer);
        let is_next = |hop: &&Hop| self.hops[hop.other.index()] == nearer;
        let keeps = |hop: &&Hop| plane.is_none() || hop.plane.is_none() || hop.plane == plane;
        found.clear();
        match of_plane(switches, plane) {
            // Most rows have one label, and this is most of a hashed route.
            Some(kept) => found.extend(kept.iter().filter(is_next)),
            None => found.extend(by_class(switches).filter(is_next).filter(keeps)),
        }
        found.extend(others.iter().filter(is_next).filter(keeps));
        if found.is_empty() {
            found.extend(by_class(switches).filter(is_next));
            found.extend(others.iter().filter(is_next));
        }
    }

    /// Where next hops can lead, the distance aside: to switches, and to others.
    fn candidates<'a>(
        &self,
        bundles: &'a Bundles,
        at: ClassId,
        nearer: u32,
    ) -> (&'a [Hop], &'a [Hop]) {
        let only = self.only[at.index()];
        if only != SEVERAL {
            return (&[], std::slice::from_ref(bundles.hop(only)));
        }
        let to_end = bundles.kind(self.dst);
        match (nearer, bundles.kind(at)) {
            (0, _) if to_end == NodeKind::Switch => (bundles.to_switches(at), &[]),
            (0, _) if to_end == NodeKind::Nic => (&[], bundles.to_nics(at)),
            (0, _) => (&[], bundles.to_ends(at)),
            (_, NodeKind::Nic) | (2.., NodeKind::Switch) => (bundles.to_switches(at), &[]),
            (1, NodeKind::Switch) if to_end.forwards() => (bundles.to_switches(at), &[]),
            _ => (bundles.to_switches(at), bundles.to_nics(at)),
        }
    }
}

/// Of hops by plane, those that keep to one, if they are a part of the row with one label.
fn of_plane(hops: &[Hop], plane: Option<u32>) -> Option<&[Hop]> {
    let (Some(first), Some(last)) = (hops.first(), hops.last()) else {
        return Some(hops);
    };
    if first.plane == last.plane {
        let keep = plane.is_none() || first.plane.is_none() || first.plane == plane;
        return Some(if keep { hops } else { &[] });
    }
    if plane.is_none() || first.plane.is_none() {
        return None;
    }
    let begin = hops.partition_point(|hop| hop.plane < plane);
    let end = hops.partition_point(|hop| hop.plane <= plane);
    Some(&hops[begin..end])
}

/// Hops by plane, by the class they enter.
fn by_class(hops: &[Hop]) -> impl Iterator<Item = &Hop> {
    let mut sorted: Vec<&Hop> = hops.iter().collect();
    sorted.sort_by_key(|hop| (hop.other, hop.bundle));
    sorted.into_iter()
}

fn search(bundles: &Bundles, dst: ClassId) -> Toward {
    let mut hops = vec![UNREACHABLE; bundles.n_classes()];
    let mut only = vec![SEVERAL; bundles.n_classes()];
    hops[dst.index()] = 0;
    let mut queue = vec![dst];
    let mut head = 0;
    while let Some(&class) = queue.get(head) {
        head += 1;
        let distance = hops[class.index()] + 1;
        let owners_only = bundles.kind(class) == NodeKind::Nic
            && class != dst
            && (distance > 2 || bundles.kind(dst).forwards());
        for hop in bundles.inward(class) {
            let from = hop.other.index();
            if owners_only && bundles.kind(hop.other).forwards() {
                continue;
            }
            if hops[from] == UNREACHABLE {
                hops[from] = distance;
                only[from] = hop.bundle;
                if bundles.kind(hop.other).forwards() {
                    queue.push(hop.other);
                }
            } else if hops[from] == distance {
                only[from] = SEVERAL;
            }
        }
    }
    Toward {
        dst,
        hops: hops.into_boxed_slice(),
        only: only.into_boxed_slice(),
    }
}
