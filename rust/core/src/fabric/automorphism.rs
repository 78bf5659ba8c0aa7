//! Automorphisms: permutations of a fabric's nodes under which it stays the same.
//!
//! Given where some endpoints go, the rest is guessed and then proved. The first guess goes along the
//! links from the endpoints on: neighbors of a class correspond to those of its image, in the order of
//! their ids. Where that is none, classes of nodes are colored by hashes of what surrounds them, once
//! with each given endpoint marked by its number and once with each image marked so; classes of equal
//! color correspond, in the order of their ids where there are several. The proof takes nothing from it: every bundle must have its image, with
//! equal rates, latency, kind and number of links, between the images of its ends, and ends of equal
//! kind and reduction rate. A rule of routing that looks at nothing else routes images alike.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bundle::{Bundle, Bundles};
use super::element::NodeKind;
use super::graph::Fabric;
use crate::csr::Csr;
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
    /// Per class, its bundles to others, ascending.
    ways: Csr<Way>,
}

/// A bundle as its source sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    to: ClassId,
    attributes: u32,
    bundle: BundleId,
}

/// In place of the image of a class: not known.
const UNKNOWN: ClassId = ClassId(u32::MAX);

impl<'a> AutomorphismSearch<'a> {
    /// `None` if there are bundles that nothing tells apart.
    pub fn new(fabric: &'a Fabric, bundles: &'a Bundles) -> Option<Self> {
        let attributes = attributes(fabric, bundles);
        let all = bundles.bundles();
        let unsorted = Csr::grouped(
            bundles.n_classes(),
            all.len(),
            |bundle| Some(all[bundle].src.index()),
            |bundle| Way {
                to: all[bundle].dst,
                attributes: attributes[bundle],
                bundle: BundleId::from_index(bundle),
            },
        );
        let mut ways = Csr::with_capacity(unsorted.n_rows(), unsorted.n_items());
        let mut sorted: Vec<Way> = Vec::new();
        for row in unsorted.rows() {
            sorted.clear();
            sorted.extend(row);
            sorted.sort_unstable();
            let is_alike = |pair: &[Way]| pair[0].end() == pair[1].end();
            if sorted.windows(2).any(is_alike) {
                return None;
            }
            ways.push_row(sorted.iter().copied());
        }
        Some(Self {
            fabric,
            bundles,
            attributes,
            ways,
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
        let given = self.given(&from, &to)?;
        let spread = self.spread(given, &from).and_then(|it| self.prove(&it));
        spread.or_else(|| {
            let image = guess(self.fabric, self.bundles, &self.attributes, &from, &to)?;
            self.prove(&image)
        })
    }

    /// The given images, unless bundles between the given classes already have none.
    fn given(&self, from: &[ClassId], to: &[ClassId]) -> Option<Vec<ClassId>> {
        let mut image = vec![UNKNOWN; self.bundles.n_classes()];
        for (class, &other) in from.iter().zip(to) {
            image[class.index()] = other;
        }
        let is_joined = |(class, other): (&ClassId, &ClassId)| {
            let there = self.ways.row(other.index());
            let here = self.ways.row(class.index()).iter().enumerate();
            let mut known = here.filter(|(_, way)| image[way.to.index()] != UNKNOWN);
            known.all(|(place, way)| way.image(&image, there, place).is_some())
        };
        from.iter().zip(to).all(is_joined).then_some(image)
    }

    /// A guess from the given images on, along the bundles: of those that leave a class, the ones to
    /// classes without an image go to those that leave its image to classes that are none, alike to
    /// alike in the order of the classes.
    fn spread(&self, given: Vec<ClassId>, from: &[ClassId]) -> Option<Vec<ClassId>> {
        let mut image = given;
        let mut taken = vec![false; image.len()];
        for class in from {
            taken[image[class.index()].index()] = true;
        }
        let mut queue = from.to_vec();
        let mut head = 0;
        let (mut here, mut there) = (Vec::new(), Vec::new());
        while let Some(&class) = queue.get(head) {
            head += 1;
            let open = |row: usize, is_open: &dyn Fn(ClassId) -> bool, to: &mut Vec<_>| {
                let ways = self.ways.row(row).iter().filter(|way| is_open(way.to));
                to.clear();
                to.extend(ways.map(|way| (way.attributes, way.to)));
                to.sort_unstable();
            };
            let other = image[class.index()].index();
            open(class.index(), &|to| image[to.index()] == UNKNOWN, &mut here);
            open(other, &|to| !taken[to.index()], &mut there);
            if here.len() != there.len() {
                return None;
            }
            for (&(attributes, class), &(others, other)) in here.iter().zip(&there) {
                // Several bundles may lead to one class.
                if image[class.index()] == UNKNOWN && !taken[other.index()] {
                    image[class.index()] = other;
                    taken[other.index()] = true;
                    queue.push(class);
                }
                if attributes != others || image[class.index()] != other {
                    return None;
                }
            }
        }
        (queue.len() == image.len()).then_some(image)
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
        let mut images = vec![BundleId(0); self.attributes.len()];
        for (here, other) in self.ways.rows().zip(image) {
            let there = self.ways.row(other.index());
            for (place, way) in here.iter().enumerate() {
                images[way.bundle.index()] = way.image(image, there, place)?;
            }
        }
        Some(Automorphism { image: images })
    }
}

impl Way {
    fn end(self) -> (ClassId, u32) {
        (self.to, self.attributes)
    }

    /// The bundle among those of the source's image that leads to the image of this one's end and is
    /// like it; often it is at the same place among them.
    fn image(self, image: &[ClassId], there: &[Self], place: usize) -> Option<BundleId> {
        let end = (image[self.to.index()], self.attributes);
        if let Some(way) = there.get(place).filter(|way| way.end() == end) {
            return Some(way.bundle);
        }
        let found = there.binary_search_by_key(&end, |way| way.end()).ok()?;
        Some(there[found].bundle)
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
