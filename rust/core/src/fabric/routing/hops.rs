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

    /// The bundles on shortest paths from a class other than the destination, by the class they
    /// enter.
    pub(super) fn next<'a>(
        &'a self,
        bundles: &'a Bundles,
        at: ClassId,
    ) -> impl Iterator<Item = &'a Hop> {
        let only = self.only[at.index()];
        let nearer = self.hops[at.index()] - 1;
        let (switches, others): (&[Hop], &[Hop]) = if only == SEVERAL {
            self.candidates(bundles, at, nearer)
        } else {
            (&[], std::slice::from_ref(bundles.hop(only)))
        };
        switches
            .iter()
            .chain(others)
            .filter(move |hop| self.hops[hop.other.index()] == nearer)
    }

    /// Where next hops can lead, the distance aside.
    fn candidates<'a>(
        &self,
        bundles: &'a Bundles,
        at: ClassId,
        nearer: u32,
    ) -> (&'a [Hop], &'a [Hop]) {
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
