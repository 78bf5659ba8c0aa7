//! The walker that "hash", "dest", "plane" and "adaptive" share: equal stripes, one path each.
//!
//! The stripes of a flow are the distinct planes of its first links on live shortest paths, in
//! order, links without a plane making one stripe of their own. Each stripe carries its part by the
//! mean weight of those links, by nominal rate: 1/k where links are not weighed. Inside a
//! stripe, the candidates at a node are the next hops on live shortest paths that keep to the
//! plane (a link without a plane keeps to every plane), sorted by node id; a choice function picks
//! one. Where no next hop keeps to the plane, all are candidates, so that a stripe never strands.

use num_integer::Integer;
use rustc_hash::FxHashMap;

use super::adaptive::Load;
use super::error::RoutingError;
use super::network::{Ends, Network};
use super::route::Route;
use super::share::Share;
use crate::fabric::bundle::Hop;
use crate::ids::{BundleId, ClassId, NodeId};

/// The live shortest paths from one node to another.
pub(super) struct Walk<'n, 'a> {
    network: &'n Network<'a>,
    src: NodeId,
    dst: NodeId,
    ends: Ends<'a>,
}

/// The plane of a stripe, and the links of one stripe.
pub(super) type Plane = Option<u32>;

impl<'n, 'a> Walk<'n, 'a> {
    /// For two different nodes of a network of single links.
    ///
    /// # Panics
    /// If links are merged: a choice among links needs single ones.
    pub(super) fn new(
        network: &'n Network<'a>,
        src: NodeId,
        dst: NodeId,
    ) -> Result<Self, RoutingError> {
        assert!(
            network.bundles().is_single_links(),
            "a routing that needs links gets a network of links"
        );
        Ok(Self {
            network,
            src,
            dst,
            ends: network.ends(src, dst)?,
        })
    }

    /// The planes of the first links, in order, each once.
    pub(super) fn planes(&self) -> Vec<Plane> {
        let first = self.next(self.ends.from);
        let mut planes: Vec<Plane> = first.map(|hop| hop.plane).collect();
        planes.sort_unstable();
        planes.dedup();
        planes
    }

    /// The route of equal stripes in these planes. `choose(plane)` makes the chooser of a stripe,
    /// which is called at each node with more than one candidate and answers below their number.
    pub(super) fn route<C: FnMut(usize) -> usize>(
        &self,
        planes: &[Plane],
        choose: impl Fn(Plane) -> C,
    ) -> Result<Route, RoutingError> {
        self.striped(planes, |plane| {
            let mut choose = choose(plane);
            move |_, candidates: &[&'a Hop]| match candidates {
                [only] => *only,
                _ => candidates[choose(candidates.len())],
            }
        })
    }

    /// The route of equal stripes in these planes, each on the path whose most loaded link has the
    /// least load; of equals on the one through the smaller nodes.
    pub(super) fn least_loaded(
        &self,
        planes: &[Plane],
        load: impl Fn(&Hop) -> Load,
    ) -> Result<Route, RoutingError> {
        self.striped(planes, |plane| {
            let mut best = FxHashMap::default();
            self.explore(self.ends.from, plane, &load, &mut best);
            move |at, _: &[&'a Hop]| best[&at].1
        })
    }

    /// The least that the most loaded link of a path from here can have; notes the next hop of such
    /// a path for each class on the way.
    fn explore(
        &self,
        at: ClassId,
        plane: Plane,
        load: &impl Fn(&Hop) -> Load,
        best: &mut FxHashMap<ClassId, (Load, &'a Hop)>,
    ) -> Load {
        if at == self.ends.to {
            return Load::NONE;
        }
        if let Some((known, _)) = best.get(&at) {
            return *known;
        }
        let mut candidates: Vec<&'a Hop> = Vec::new();
        self.candidates(at, plane, &mut candidates);
        let mut least: Option<(Load, &'a Hop)> = None;
        for hop in candidates {
            let most = load(hop).max(self.explore(hop.other, plane, load, best));
            if least.is_none_or(|(least, _)| most.is_below(least)) {
                least = Some((most, hop));
            }
        }
        let least = least.expect("a class with a distance has a next hop");
        best.insert(at, least);
        least.0
    }

    /// The route of equal stripes in these planes, whose next hops `picks(plane)` picks from the
    /// candidates at each class.
    fn striped<P: FnMut(ClassId, &[&'a Hop]) -> &'a Hop>(
        &self,
        planes: &[Plane],
        picks: impl Fn(Plane) -> P,
    ) -> Result<Route, RoutingError> {
        let n_hops = self.ends.n_hops;
        let overflow = || self.network.overflow(self.src, self.dst);
        let parts = self.parts(planes).ok_or_else(overflow)?;
        let mut shares = Vec::with_capacity(planes.len() * n_hops as usize);
        let mut latency_ps = 0;
        let mut candidates = Vec::with_capacity(16);
        for (&plane, share) in planes.iter().zip(parts) {
            let walked = self.stripe(plane, picks(plane), share, &mut shares, &mut candidates);
            latency_ps = latency_ps.max(walked);
        }
        shares.sort_unstable_by_key(|(bundle, _)| *bundle);
        add_up(&mut shares).ok_or_else(overflow)?;
        Ok(Route {
            shares,
            latency_ps,
            hops: n_hops,
        })
    }

    /// The part of the flow in each of these planes, unless a share overflows.
    fn parts(&self, planes: &[Plane]) -> Option<Vec<Share>> {
        let mut weights = self.next(self.ends.from).map(|hop| hop.weight_ppm);
        if weights
            .next()
            .is_some_and(|one| weights.all(|other| other == one))
        {
            return Some(vec![Share::new(1, planes.len() as u64); planes.len()]);
        }
        let mean = |plane: Plane| {
            let first = self.next(self.ends.from).filter(|hop| hop.plane == plane);
            let sum = first.fold((0u128, 0u128), |(weight, rate), hop| {
                let nominal = u128::from(hop.nominal_Bps);
                (
                    weight + nominal * u128::from(hop.weight_ppm),
                    rate + nominal,
                )
            });
            let common = sum.0.gcd(&sum.1).max(1);
            let [num, den] = [sum.0 / common, sum.1 / common].map(u64::try_from);
            Some(Share::new(num.ok()?, den.ok()?))
        };
        let means: Vec<Share> = planes
            .iter()
            .map(|&plane| mean(plane))
            .collect::<Option<_>>()?;
        let (first, rest) = means.split_first()?;
        let total = rest
            .iter()
            .try_fold(*first, |total, mean| total.plus(*mean))?;
        let part = |mean: &Share| mean.times(Share::new(total.den(), total.num()));
        means.iter().map(part).collect()
    }

    /// Walks one stripe; returns its latency in ps.
    fn stripe(
        &self,
        plane: Plane,
        mut pick: impl FnMut(ClassId, &[&'a Hop]) -> &'a Hop,
        share: Share,
        shares: &mut Vec<(BundleId, Share)>,
        candidates: &mut Vec<&'a Hop>,
    ) -> u64 {
        let mut latency_ps = 0;
        let mut at = self.ends.from;
        while at != self.ends.to {
            self.candidates(at, plane, candidates);
            let hop = pick(at, candidates);
            shares.push((hop.bundle, share));
            latency_ps += hop.latency_ps;
            at = hop.other;
        }
        latency_ps
    }

    /// The next hops on live shortest paths that keep to the plane, or all if none does.
    fn candidates(&self, at: ClassId, plane: Plane, candidates: &mut Vec<&'a Hop>) {
        let bundles = self.network.bundles();
        self.ends.toward.next_in(bundles, at, plane, candidates);
    }

    fn next(&self, at: ClassId) -> impl Iterator<Item = &'a Hop> {
        self.ends.toward.next(self.network.bundles(), at)
    }
}

/// Adds up equal neighbors, unless a share overflows.
fn add_up(shares: &mut Vec<(BundleId, Share)>) -> Option<()> {
    let mut overflow = false;
    shares.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            match kept.1.plus(next.1) {
                Some(sum) => kept.1 = sum,
                None => overflow = true,
            }
        }
        same
    });
    (!overflow).then_some(())
}
