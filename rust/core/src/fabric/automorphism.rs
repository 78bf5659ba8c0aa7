//! Automorphisms: permutations of a fabric's nodes under which it stays the same.
//!
//! Given where some endpoints go, the rest is guessed and then proved. The guess: classes of nodes
//! are colored by hashes of what surrounds them, once with each given endpoint marked by its number
//! and once with each image marked so; classes of equal color correspond, in the order of their ids
//! where there are several. The proof takes nothing from it: every bundle must have its image, with
//! equal rates, latency, kind and number of links, between the images of its ends, and ends of equal
//! kind and reduction rate. A rule of routing that looks at nothing else routes images alike.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bundle::{Bundle, Bundles};
use super::element::NodeKind;
use super::graph::Fabric;
use crate::ids::{BundleId, ClassId, NodeId};

/// Where each bundle goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automorphism {
    image: Vec<BundleId>,
}

impl Automorphism {
    /// The automorphism that takes each node of `from` to the node of `to` at the same place, if
    /// one is found and proved.
    pub fn extending(
        fabric: &Fabric,
        bundles: &Bundles,
        from: &[NodeId],
        to: &[NodeId],
    ) -> Option<Self> {
        AutomorphismSearch::new(fabric, bundles)?.extending(from, to)
    }

    /// The image of a bundle.
    pub fn bundle(&self, bundle: BundleId) -> BundleId {
        self.image[bundle.index()]
    }
}

/// The search for automorphisms of a fabric, and what all of them need.
#[derive(Debug)]
pub struct AutomorphismSearch<'a> {
    fabric: &'a Fabric,
    bundles: &'a Bundles,
    /// Per bundle.
    attributes: Vec<u32>,
    /// By ends and attributes.
    known: FxHashMap<(ClassId, ClassId, u32), BundleId>,
}

impl<'a> AutomorphismSearch<'a> {
    /// `None` if there are bundles that nothing tells apart.
    pub fn new(fabric: &'a Fabric, bundles: &'a Bundles) -> Option<Self> {
        let attributes = attributes(fabric, bundles);
        let all = bundles.bundles().iter().zip(&attributes).enumerate();
        let ends = all.map(|(id, (bundle, &attributes))| {
            let key = (bundle.src, bundle.dst, attributes);
            (key, BundleId::from_index(id))
        });
        let known: FxHashMap<_, _> = ends.collect();
        let is_each_known = known.len() == bundles.bundles().len();
        is_each_known.then_some(Self {
            fabric,
            bundles,
            attributes,
            known,
        })
    }

    /// As [`Automorphism::extending`].
    pub fn extending(&self, from: &[NodeId], to: &[NodeId]) -> Option<Automorphism> {
        let ends = |nodes: &[NodeId]| -> Option<Vec<ClassId>> {
            let alone = |node: &NodeId| {
                let class = self.bundles.class(*node);
                (self.bundles.members(class).len() == 1).then_some(class)
            };
            nodes.iter().map(alone).collect()
        };
        let (from, to) = (ends(from)?, ends(to)?);
        let image = guess(self.fabric, self.bundles, &self.attributes, &from, &to)?;
        self.prove(&image)
    }

    /// The images of the bundles, if the images of the classes make an automorphism.
    fn prove(&self, image: &[ClassId]) -> Option<Automorphism> {
        let kind_of = |class| kind(self.fabric, self.bundles, class);
        let mut taken = vec![false; image.len()];
        for (class, &other) in image.iter().enumerate() {
            let same = kind_of(ClassId::from_index(class)) == kind_of(other);
            if !same || std::mem::replace(&mut taken[other.index()], true) {
                return None;
            }
        }
        // Bundles of the same ends differ in their attributes, so that different ones have
        // different images; equally many there are, so every bundle is an image.
        let all = self.bundles.bundles().iter().zip(&self.attributes);
        let images = all.map(|(bundle, &attributes)| {
            let key = (
                image[bundle.src.index()],
                image[bundle.dst.index()],
                attributes,
            );
            self.known.get(&key).copied()
        });
        let image = images.collect::<Option<Vec<BundleId>>>()?;
        Some(Automorphism { image })
    }
}

/// What a bundle must share with its image, as a dense number.
fn attributes(fabric: &Fabric, bundles: &Bundles) -> Vec<u32> {
    let mut known = FxHashMap::default();
    let numbers = bundles.bundles().iter().map(|bundle: &Bundle| {
        let link = fabric.link(bundle.representative);
        let rates = (link.nominal_rate_Bps, link.rate_Bps, bundle.n_links);
        let rates = (rates, link.weight_ppm);
        let next = known.len() as u32;
        let key = (link.kind, rates, link.latency_ps, link.ordinary);
        *known.entry(key).or_insert(next)
    });
    numbers.collect()
}

/// What a class must share with its image.
fn kind(fabric: &Fabric, bundles: &Bundles, class: ClassId) -> (NodeKind, usize, Option<u64>) {
    let members = bundles.members(class);
    let node = members[0];
    let reduction = fabric.reduction_rate_Bps(node);
    (fabric.node(node).kind, members.len(), reduction)
}

fn mix(a: u64, b: u64) -> u64 {
    // Two rounds of a multiplicative hash; it only proposes.
    let x = (a ^ b.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ (x >> 29))
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        .rotate_left(23)
}

/// A color per class, from its kind and the marks.
fn colors(fabric: &Fabric, bundles: &Bundles, marked: &[ClassId]) -> Vec<u64> {
    let classes = (0..bundles.n_classes()).map(ClassId::from_index);
    let mut colors: Vec<u64> = classes
        .map(|class| {
            let (kind, n_members, reduction) = kind(fabric, bundles, class);
            let reduction = reduction.map_or(0, |rate| rate + 1);
            mix(mix(kind as u64, n_members as u64), reduction)
        })
        .collect();
    for (number, class) in marked.iter().enumerate() {
        let color = &mut colors[class.index()];
        *color = mix(*color, number as u64 + 1);
    }
    colors
}

/// Colors that have seen their neighbors'.
fn round(bundles: &Bundles, attributes: &[u32], colors: &[u64]) -> Vec<u64> {
    let mut next: Vec<u64> = colors.iter().map(|&color| mix(color, 1)).collect();
    for (bundle, &attributes) in bundles.bundles().iter().zip(attributes) {
        let (src, dst) = (bundle.src.index(), bundle.dst.index());
        let seen = |color: u64, leaves: u64| mix(color, u64::from(attributes) << 1 | leaves);
        next[src] = next[src].wrapping_add(seen(colors[dst], 1));
        next[dst] = next[dst].wrapping_add(seen(colors[src], 0));
    }
    next
}

/// The likely image of each class.
fn guess(
    fabric: &Fabric,
    bundles: &Bundles,
    attributes: &[u32],
    from: &[ClassId],
    to: &[ClassId],
) -> Option<Vec<ClassId>> {
    let mut here = colors(fabric, bundles, from);
    let mut there = colors(fabric, bundles, to);
    let n_colors = |colors: &[u64]| colors.iter().collect::<FxHashSet<_>>().len();
    let mut n_before = n_colors(&here);
    loop {
        here = round(bundles, attributes, &here);
        there = round(bundles, attributes, &there);
        // Colors that add up to something else are others.
        let sum = |colors: &[u64]| {
            colors
                .iter()
                .fold(0u64, |sum, &color| sum.wrapping_add(color))
        };
        if sum(&here) != sum(&there) {
            return None;
        }
        let n_now = n_colors(&here);
        if n_now <= n_before {
            break;
        }
        n_before = n_now;
    }
    let by_color = |colors: &[u64]| {
        let mut order: Vec<usize> = (0..colors.len()).collect();
        order.sort_by_key(|&class| (colors[class], class));
        order
    };
    let mut image = vec![ClassId(0); here.len()];
    for (class, other) in by_color(&here).into_iter().zip(by_color(&there)) {
        if here[class] != there[other] {
            return None;
        }
        image[class] = ClassId::from_index(other);
    }
    let holds = from.iter().zip(to).all(|(a, b)| image[a.index()] == *b);
    holds.then_some(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::{Params, presets};

    fn cm384() -> Fabric {
        let preset = presets::lookup("cm384").unwrap();
        preset.build(&Params::new()).unwrap()
    }

    /// Whether moving every die by `to` is an automorphism that is found.
    fn is_symmetry(fabric: &Fabric, to: impl Fn(usize) -> usize) -> bool {
        let nodes = fabric.endpoints();
        let images: Vec<NodeId> = (0..nodes.len()).map(|die| nodes[to(die)]).collect();
        Automorphism::extending(fabric, fabric.bundles(), nodes, &images).is_some()
    }

    type Turn = fn(usize) -> usize;

    /// Node, package and side of a die may be turned; a shift by one die tears packages apart, one
    /// by two dies tears nodes apart (`design/model.md`).
    #[test]
    fn a_supernode_has_the_symmetries_of_its_parts_and_no_other() {
        let fabric = cm384();
        let cases: [(Turn, bool); 6] = [
            (|die| (die + 16) % 768, true),
            (|die| die / 16 * 16 + (die + 2) % 16, true),
            (|die| die ^ 1, true),
            (|die| (die + 1) % 768, false),
            (|die| (die + 2) % 768, false),
            (|die| die / 16 * 16 + (die + 1) % 16, false),
        ];
        for (case, (to, expected)) in cases.into_iter().enumerate() {
            assert_eq!(is_symmetry(&fabric, to), expected, "case {case}");
        }
    }

    /// Right on the graph, wrong on a rate: the turn is refused, and the turns that keep the slow
    /// link in place are not.
    #[test]
    fn one_slower_or_failed_link_breaks_the_symmetry() {
        for rate in [0.5, 0.0] {
            let slow = [("node03/die05->node03/l1.2".to_owned(), rate)];
            let fabric = cm384().degrade(&slow).unwrap();
            assert!(!is_symmetry(&fabric, |die| (die + 16) % 768), "{rate}");
            assert!(!is_symmetry(&fabric, |die| die ^ 1), "{rate}");
            let others = |die: usize| match die / 16 {
                1 => die + 16,
                2 => die - 16,
                _ => die,
            };
            assert!(is_symmetry(&fabric, others), "{rate}");
        }
    }

    #[test]
    fn endpoints_outside_the_team_may_go_anywhere() {
        let fabric = cm384();
        let team = &fabric.endpoints()[32..64];
        let mut turned = team.to_vec();
        turned.rotate_left(16);
        let found = Automorphism::extending(&fabric, fabric.bundles(), team, &turned);
        assert!(found.is_some());
        // But a die of the team has one image.
        turned[1] = turned[0];
        let found = Automorphism::extending(&fabric, fabric.bundles(), team, &turned);
        assert_eq!(found, None);
    }
}
