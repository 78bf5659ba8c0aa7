//! A route: what a flow puts on which bundles.

use super::share::Share;
use crate::ids::BundleId;

/// The links a flow takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The part of the flow on each bundle it touches (on all its links together), by bundle.
    pub shares: Vec<(BundleId, Share)>,
    /// The largest latency of the paths used, in ps.
    pub latency_ps: u64,
    /// Links passed one after the other.
    pub hops: u32,
}

impl Route {
    /// The route from a node to itself.
    pub(super) const EMPTY: Self = Self {
        shares: Vec::new(),
        latency_ps: 0,
        hops: 0,
    };
}
