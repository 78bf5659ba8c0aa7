//! Adaptive: equal stripes over the planes, in each the path whose busiest link is least loaded.
//!
//! Per-flow load balancing by what has been placed so far: the flows of a run come in order, and
//! each stripe takes, of the live shortest paths that keep to its plane, the one whose most loaded
//! link has the least load, where the load of a link is the sum of the shares placed on it over its
//! nominal rate. Ties go to the path through the smaller node ids. A flow counts by its share and
//! not by its bytes, as a switch that sees flows come does not know their sizes. On CM384 the one
//! choice is that of the L2 chip, by the uplink and the downlink together.
//!
//! A routing object remembers what it has placed: each run makes its own, and places its flows in
//! the same order every time. Shares are kept in units of 2^-48 of a flow, rounded down, so that
//! sums and comparisons are those of integers.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::error::RoutingError;
use super::network::Network;
use super::route::Route;
use super::stripes::Walk;
use super::{Entry, Routing, refuse_planes};
use crate::ids::{BundleId, NodeId};

const NAME: &str = "adaptive";
const DOC: &str = "equal stripes over the planes, the least loaded path so far in each";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    doc: DOC,
    build: |options| {
        refuse_planes(NAME, options)?;
        Ok(Box::new(Adaptive::default()))
    },
};

/// A whole flow, in the units of loads.
const WHOLE: u64 = 1 << 48;

#[derive(Debug, Default)]
struct Adaptive {
    /// What is placed on each link so far.
    placed: Mutex<FxHashMap<BundleId, u64>>,
}

/// Load over rate, as numerator and denominator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) placed: u64,
    pub(super) nominal_Bps: u64,
}

impl Load {
    /// No load at all.
    pub(super) const NONE: Self = Self {
        placed: 0,
        nominal_Bps: 1,
    };

    /// Whether this load is below another; exact, as products of 64-bit numbers fit in 128 bits.
    pub(super) fn is_below(self, other: Self) -> bool {
        let cross = |a: Self, b: Self| u128::from(a.placed) * u128::from(b.nominal_Bps);
        cross(self, other) < cross(other, self)
    }

    /// The larger of two.
    pub(super) fn max(self, other: Self) -> Self {
        if self.is_below(other) { other } else { self }
    }
}

impl Routing for Adaptive {
    fn per_occurrence(&self) -> bool {
        true
    }

    fn fork(&self) -> Option<Box<dyn Routing>> {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Box::new(Self {
            placed: Mutex::new(placed.clone()),
        }))
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
        let walk = Walk::new(network, src, dst)?;
        let planes = walk.planes();
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        walk.least_loaded(&planes, |hop| Load {
            placed: placed.get(&hop.bundle).copied().unwrap_or(0),
            nominal_Bps: hop.nominal_Bps,
        })
        .inspect(|route| {
            for (bundle, share) in &route.shares {
                let units = u128::from(WHOLE) * u128::from(share.num()) / u128::from(share.den());
                *placed.entry(*bundle).or_insert(0) += units as u64;
            }
        })
    }
}
