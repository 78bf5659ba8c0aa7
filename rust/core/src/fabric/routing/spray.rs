//! Spray: one flow over all shortest paths at once.
//!
//! At each node the flow divides over the links on shortest paths (by hops, over live ordinary
//! links) in proportion to their nominal rates times their weights. A failed link is not among them; a degraded one
//! keeps its share and slows the flow. This is ideal per-packet load balancing in the fluid limit.
//! The flow advances layer by layer, all of a layer being equally far from the destination.

use super::error::RoutingError;
use super::hops::Toward;
use super::network::{Ends, Network};
use super::route::Route;
use super::share::Share;
use super::{Entry, Routing, refuse_planes};
use crate::fabric::bundle::{Bundles, Hop};
use crate::ids::{BundleId, ClassId, NodeId};

const NAME: &str = "spray";
const DOC: &str = "over all shortest paths at once, in proportion to nominal rates";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    doc: DOC,
    build: |options| {
        refuse_planes(NAME, options)?;
        Ok(Box::new(Spray))
    },
};

#[derive(Debug)]
struct Spray;

/// A class that part of the flow has come to.
#[derive(Clone, Copy)]
struct Part {
    at: ClassId,
    share: Share,
    latency_ps: u64,
}

impl Routing for Spray {
    fn needs_links(&self) -> bool {
        false
    }

    fn is_symmetric(&self) -> bool {
        true
    }

    fn route(
        &self,
        network: &Network<'_>,
        src: NodeId,
        dst: NodeId,
        _occurrence: u64,
    ) -> Result<Route, RoutingError> {
        if src == dst {
            return Ok(Route::EMPTY);
        }
        let ends = network.ends(src, dst)?;
        spray(network.bundles(), ends).ok_or_else(|| network.overflow(src, dst))
    }
}

/// The sprayed route, unless a share overflows.
fn spray(bundles: &Bundles, ends: Ends<'_>) -> Option<Route> {
    let n_hops = ends.n_hops;
    let mut shares = Vec::with_capacity(n_hops as usize);
    let whole = Part {
        at: ends.from,
        share: Share::ONE,
        latency_ps: 0,
    };
    let mut layer = vec![whole];
    let mut next_layer = Vec::with_capacity(1);
    for _ in 0..n_hops {
        next_layer.clear();
        for part in &layer {
            divide(bundles, *part, ends.toward, &mut shares, &mut next_layer)?;
        }
        merge(&mut next_layer)?;
        std::mem::swap(&mut layer, &mut next_layer);
    }
    shares.sort_unstable_by_key(|(bundle, _)| *bundle);
    Some(Route {
        shares,
        latency_ps: layer[0].latency_ps,
        hops: n_hops,
    })
}

/// Divides what has come to one class over its bundles on shortest paths.
fn divide(
    bundles: &Bundles,
    part: Part,
    toward: &Toward,
    shares: &mut Vec<(BundleId, Share)>,
    next_layer: &mut Vec<Part>,
) -> Option<()> {
    let mut take = |hop: &Hop, share: Share| {
        shares.push((hop.bundle, share));
        next_layer.push(Part {
            at: hop.other,
            share,
            latency_ps: part.latency_ps + hop.latency_ps,
        });
    };
    let mut candidates = toward.next(bundles, part.at);
    let first = candidates
        .next()
        .expect("a class with a distance has a next hop");
    let Some(second) = candidates.next() else {
        take(first, part.share);
        return Some(());
    };
    let rest: u64 = candidates.map(|hop| hop.weight).sum();
    let total = first.weight + second.weight + rest;
    for hop in toward.next(bundles, part.at) {
        take(hop, part.share.times(Share::new(hop.weight, total))?);
    }
    Some(())
}

/// Adds up the parts that have come to the same class.
fn merge(layer: &mut Vec<Part>) -> Option<()> {
    if layer.len() < 2 {
        return Some(());
    }
    layer.sort_by_key(|part| part.at);
    let mut kept = 0;
    for index in 1..layer.len() {
        let part = layer[index];
        if layer[kept].at == part.at {
            let into = &mut layer[kept];
            into.share = into.share.plus(part.share)?;
            into.latency_ps = into.latency_ps.max(part.latency_ps);
        } else {
            kept += 1;
            layer[kept] = part;
        }
    }
    layer.truncate(kept + 1);
    Some(())
}
