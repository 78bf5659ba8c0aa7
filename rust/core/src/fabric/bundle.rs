//! Bundles: links that always carry equal loads, merged without loss.
//!
//! The nodes are partitioned equitably (see `refine`): any two nodes of a class have, for every
//! class and all attributes (kind, nominal rate, live rate, weight, latency, ordinary), equally many links
//! to it and from it. A bundle is all links with the same attributes from one class to another.
//!
//! Why spraying may work on bundles: a route starts and ends at nodes that are alone in their
//! class. Equally many walks of each length lead from any member of a class to such a node, so all
//! members are equally many hops from the destination. Let, by induction along the hops, all
//! members of each class at a distance carry the same part of the flow. Each divides it over the
//! same multiset of weighed nominal rates towards the same classes, so all links of a bundle carry the
//! same part; and each member of a class one hop nearer is entered by the same multiset of links,
//! so its part is again that of its fellows. Live rates being equal too, all links of a bundle are
//! equally loaded whatever mix of sprayed flows there is, and one resource of their total live
//! rate gives the same max-min rates.

use once_cell::race::OnceBox;
use rustc_hash::FxHashMap;

use super::element::NodeKind;
use super::graph::Fabric;
use super::refine;
use super::routing::Toward;
use super::weigh;
use crate::csr::Csr;
use crate::ids::{BundleId, ClassId, LinkId, NodeId};

/// Links that always carry equal loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The class the links leave.
    pub src: ClassId,
    /// The class they enter.
    pub dst: ClassId,
    /// Its first link, which has the attributes of all.
    pub representative: LinkId,
    /// How many links.
    pub n_links: u32,
    /// Their total live rate, in B/s; 0 if they have failed.
    pub capacity_Bps: u64,
}

/// A bundle as seen from a class it leaves or enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The bundle.
    pub bundle: BundleId,
    /// The class at its other end.
    pub other: ClassId,
    /// Total nominal rate of its links, in B/s.
    pub nominal_Bps: u64,
    /// What spraying weighs: in proportion to the nominal rate times the weight of its links.
    pub weight: u64,
    /// The weight of each of its links, in millionths.
    pub weight_ppm: u32,
    /// Latency of each of its links, in ps.
    pub latency_ps: u64,
    /// The plane of its first link; merging does not look at planes.
    pub plane: Option<u32>,
}

/// A fabric's links merged into bundles, its nodes into classes.
#[derive(Clone, Debug)]
pub struct Bundles {
    class_of: Vec<ClassId>,
    members: Csr<NodeId>,
    bundle_of: Vec<BundleId>,
    links: Csr<LinkId>,
    merged: Vec<Bundle>,
    /// Per class, the usable bundles to classes of switches, by plane (none first), then by the class
    /// they enter.
    to_switches: Csr<Hop>,
    /// Per class, those to NICs, by the class they enter.
    to_nics: Csr<Hop>,
    /// Per class, those to endpoints and CPUs, by the class they enter.
    to_ends: Csr<Hop>,
    /// Per class, the usable bundles that enter it, by the class they leave.
    inward: Csr<Hop>,
    kinds: Vec<NodeKind>,
    /// Each bundle as seen from the class it leaves.
    hops: Vec<Hop>,
    /// The way to each class, filled as destinations are asked for.
    toward: Vec<OnceBox<Toward>>,
}

impl Bundles {
    /// The fewest bundles in which all nodes that are no switch, and these, are alone.
    ///
    /// # Panics
    /// If a distinguished node is not of this fabric.
    pub fn coarsest(fabric: &Fabric, distinguished: &[NodeId]) -> Self {
        let attributes = attributes(fabric);
        let class_of = refine::coarsest(fabric, distinguished, &attributes);
        Self::from_classes(fabric, class_of, &attributes)
    }

    /// Every node a class and every link a bundle, with the same ids.
    pub fn identity(fabric: &Fabric) -> Self {
        let class_of = (0..fabric.nodes().len() as u32).collect();
        Self::from_classes(fabric, class_of, &attributes(fabric))
    }

    /// These bundles of a calibrated fabric on its wires, whose links have other latencies: flows and
    /// collectives share the same resources.
    #[must_use]
    pub fn on_wires(&self, fabric: &Fabric) -> Self {
        let class_of = self.class_of.iter().map(|class| class.0).collect();
        Self::from_classes(fabric.wires(), class_of, &attributes(fabric))
    }

    fn from_classes(fabric: &Fabric, class_of: Vec<u32>, attributes: &[u32]) -> Self {
        let n_classes = class_of.iter().max().map_or(0, |max| *max as usize + 1);
        let members = grouped(n_classes, &class_of, NodeId::from_index);
        let class_of: Vec<ClassId> = class_of.into_iter().map(ClassId).collect();
        let bundle_of = bundle_of(fabric, &members, &class_of, attributes);
        let n_bundles = bundle_of.iter().max().map_or(0, |max| *max as usize + 1);
        let links = grouped(n_bundles, &bundle_of, LinkId::from_index);
        let bundles: Vec<Bundle> = links
            .rows()
            .map(|row| bundle(fabric, &class_of, row))
            .collect();
        let unit = weigh::weight_unit(fabric);
        let kinds: Vec<NodeKind> = members.rows().map(|row| fabric.node(row[0]).kind).collect();
        let out = usable_hops(fabric, &bundles, unit, n_classes, |bundle| {
            (bundle.src, bundle.dst)
        });
        let inward = usable_hops(fabric, &bundles, unit, n_classes, |bundle| {
            (bundle.dst, bundle.src)
        });
        let indexed = bundles.iter().enumerate();
        let hops = indexed
            .map(|(index, bundle)| hop(fabric, index, bundle, unit, bundle.dst))
            .collect();
        let keep = |wanted: fn(NodeKind) -> bool| {
            let mut kept = Csr::with_capacity(n_classes, out.n_items());
            for row in out.rows() {
                let hops = row.iter().copied();
                kept.push_row(hops.filter(|hop| wanted(kinds[hop.other.index()])));
            }
            kept
        };
        let mut to_switches = keep(|kind| kind == NodeKind::Switch);
        for class in 0..n_classes {
            to_switches.row_mut(class).sort_by_key(|hop| hop.plane);
        }
        Self {
            to_switches,
            to_nics: keep(|kind| kind == NodeKind::Nic),
            to_ends: keep(|kind| !kind.forwards()),
            inward,
            kinds,
            toward: (0..n_classes).map(|_| OnceBox::new()).collect(),
            hops,
            class_of,
            members,
            bundle_of: bundle_of.into_iter().map(BundleId).collect(),
            links,
            merged: bundles,
        }
    }

    /// The class of a node.
    pub fn class(&self, node: NodeId) -> ClassId {
        self.class_of[node.index()]
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.members.n_rows()
    }

    /// The nodes of a class, by id; the first is its representative.
    pub fn members(&self, class: ClassId) -> &[NodeId] {
        self.members.row(class.index())
    }

    /// All bundles, by id, ordered by their first link.
    pub fn bundles(&self) -> &[Bundle] {
        &self.merged
    }

    /// One bundle.
    pub fn bundle(&self, id: BundleId) -> &Bundle {
        &self.merged[id.index()]
    }

    /// The links of a bundle, by id.
    pub fn links(&self, id: BundleId) -> &[LinkId] {
        self.links.row(id.index())
    }

    /// The bundle of a link.
    pub fn bundle_of(&self, link: LinkId) -> BundleId {
        self.bundle_of[link.index()]
    }

    /// Whether each bundle is one link.
    pub fn is_single_links(&self) -> bool {
        self.merged.len() == self.bundle_of.len()
    }

    /// What the nodes of a class do.
    pub fn kind(&self, class: ClassId) -> NodeKind {
        self.kinds[class.index()]
    }

    /// The live ordinary bundles from a class to switches, by plane (none first), then by the class
    /// they enter.
    pub fn to_switches(&self, class: ClassId) -> &[Hop] {
        self.to_switches.row(class.index())
    }

    /// The live ordinary bundles from a class to NICs, likewise.
    pub fn to_nics(&self, class: ClassId) -> &[Hop] {
        self.to_nics.row(class.index())
    }

    /// The live ordinary bundles from a class to endpoints and CPUs, likewise.
    pub fn to_ends(&self, class: ClassId) -> &[Hop] {
        self.to_ends.row(class.index())
    }

    /// The live ordinary bundles that enter a class, by the class they leave.
    pub fn inward(&self, class: ClassId) -> &[Hop] {
        self.inward.row(class.index())
    }

    /// A bundle as seen from the class it leaves.
    pub(super) fn hop(&self, id: BundleId) -> &Hop {
        &self.hops[id.index()]
    }

    /// Where the way to a class is kept once it is known.
    pub(super) fn toward_slot(&self, class: ClassId) -> &OnceBox<Toward> {
        &self.toward[class.index()]
    }
}

/// A dense id per link for (kind, rates, weight, latency, ordinary), in order of first appearance.
fn attributes(fabric: &Fabric) -> Vec<u32> {
    let mut known = FxHashMap::default();
    let ids = fabric.links().iter().map(|link| {
        let rates = (link.nominal_rate_Bps, link.rate_Bps, link.weight_ppm);
        let next = known.len() as u32;
        let key = (link.kind, rates, link.latency_ps, link.ordinary);
        *known.entry(key).or_insert(next)
    });
    ids.collect()
}

/// The bundle of each link, numbered by first link.
fn bundle_of(
    fabric: &Fabric,
    members: &Csr<NodeId>,
    class_of: &[ClassId],
    attributes: &[u32],
) -> Vec<u32> {
    let mut bundle_of = vec![0; fabric.links().len()];
    let mut n_bundles = 0;
    let mut ways: Vec<(ClassId, u32, LinkId)> = Vec::new();
    for nodes in members.rows() {
        let links = nodes.iter().flat_map(|node| fabric.out_links(*node));
        ways.clear();
        ways.extend(links.map(|&link| {
            let other = class_of[fabric.link(link).dst.index()];
            (other, attributes[link.index()], link)
        }));
        ways.sort_unstable();
        for alike in ways.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            for (_, _, link) in alike {
                bundle_of[link.index()] = n_bundles;
            }
            n_bundles += 1;
        }
    }
    refine::numbered_by_first(&bundle_of)
}

fn bundle(fabric: &Fabric, class_of: &[ClassId], links: &[LinkId]) -> Bundle {
    let first = fabric.link(links[0]);
    Bundle {
        src: class_of[first.src.index()],
        dst: class_of[first.dst.index()],
        representative: links[0],
        n_links: links.len() as u32,
        capacity_Bps: first.rate_Bps * links.len() as u64,
    }
}

/// A bundle as seen from one end, the other end being this class.
fn hop(fabric: &Fabric, index: usize, bundle: &Bundle, unit: u128, other: ClassId) -> Hop {
    let link = fabric.link(bundle.representative);
    Hop {
        bundle: BundleId::from_index(index),
        other,
        nominal_Bps: link.nominal_rate_Bps * u64::from(bundle.n_links),
        weight: weigh::weight(link, unit) * u64::from(bundle.n_links),
        weight_ppm: link.weight_ppm,
        latency_ps: link.latency_ps,
        plane: link.plane,
    }
}

/// The usable bundles per class at one end, by the class at the other end, then by id.
fn usable_hops(
    fabric: &Fabric,
    bundles: &[Bundle],
    unit: u128,
    n_classes: usize,
    ends: impl Fn(&Bundle) -> (ClassId, ClassId),
) -> Csr<Hop> {
    let row_of = |index: usize| {
        let bundle = &bundles[index];
        let is_usable = fabric.link(bundle.representative).is_usable();
        is_usable.then(|| ends(bundle).0.index())
    };
    let rows = Csr::grouped(n_classes, bundles.len(), row_of, |index| index);
    let mut csr = Csr::with_capacity(n_classes, rows.n_items());
    let mut by_other: Vec<(ClassId, usize)> = Vec::new();
    for row in rows.rows() {
        by_other.clear();
        by_other.extend(row.iter().map(|&index| (ends(&bundles[index]).1, index)));
        by_other.sort_unstable();
        let hop = |&(other, index)| hop(fabric, index, &bundles[index], unit, other);
        csr.push_row(by_other.iter().map(hop));
    }
    csr
}

/// The positions of each group, ascending.
fn grouped<T: Copy>(n_groups: usize, group_of: &[u32], id: impl Fn(usize) -> T) -> Csr<T> {
    let row_of = |position: usize| Some(group_of[position] as usize);
    Csr::grouped(n_groups, group_of.len(), row_of, id)
}
