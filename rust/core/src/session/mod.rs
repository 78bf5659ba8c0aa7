//! Sessions: flows and collectives join and leave a fabric while its time goes by.
//!
//! What a session reports is exact in the way that a batch run is. It keeps the commands since the
//! last moment at which nothing was being served. Where a comparison or a rounding is not decided by
//! doubles and residues, these commands are replayed with double-doubles, and then with rationals, as
//! a batch run is repeated one rung up the ladder (`engine::ladder`); once nothing is being served
//! doubles are enough again, for a flow that begins at a whole picosecond brings no rounding along.
//! Commands beyond [`HISTORY_MAX`] are not kept: a session that never comes to rest goes on in
//! double-doubles, and counts what they leave open.
//!
//! The first arrival is foreseen without letting anything happen where that is possible. Where what is
//! served next may be overtaken on its way, a copy of the engine runs ahead, and is what the session
//! goes on with if nobody joins or leaves before its time.
//!
//! When links change, everything under way takes the routes that the changed fabric gives it, with the
//! bytes that it has left.
//!
//! On a calibrated fabric collectives run on its wires, as in a batch run, and count as arrived once
//! what the library adds is over; flows see the links as they are.

mod engine;
mod error;
mod history;
mod layout;
mod pass;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::engine::{Engine, at_rung};
pub use self::error::SessionError;
use self::history::History;
use self::layout::{Layout, Work};
use self::pass::Promise;
pub use self::pass::Stop;
use crate::engine::ladder::{Exactness, Rung};
use crate::engine::online::Arrival;
use crate::error::Error;
use crate::fabric::routing::{self, RoutingOptions, lookup};
use crate::fabric::{Fabric, LinkChange};
use crate::placement::Occurrences;

pub use self::history::HISTORY_MAX;

/// Flows and collectives on a fabric while time goes by.
#[derive(Debug)]
pub struct Session {
    /// As it was when the session began.
    fabric: Arc<Fabric>,
    rule: &'static routing::Entry,
    options: RoutingOptions,
    /// The live rate of each link now.
    rates_bps: Vec<u64>,
    /// Still to come, by time and order.
    changes: BTreeMap<(u64, u64), LinkChange>,
    layout: Layout,
    /// How often each pair was asked for, where the routing wants to know.
    occurrences: Occurrences,
    engine: Engine,
    /// A copy of it that has run to the first arrival, for as long as nobody joins or leaves.
    ahead: Option<Engine>,
    /// What [`Self::next_event_ps`] found, for just as long.
    promise: Promise,
    history: History,
    /// What earlier engines left open.
    n_open_before: u64,
    now_ps: u64,
    next_id: u64,
    version: u64,
    /// What is neither reported nor cancelled.
    live: BTreeMap<u64, Work>,
    /// When those of them that are served arrive.
    arrivals: BTreeSet<Arrival>,
}

impl Session {
    /// Nothing on a fabric, at time 0.
    ///
    /// # Errors
    /// If the routing is unknown or refuses its options.
    pub fn new(
        fabric: &Arc<Fabric>,
        routing: &str,
        options: &RoutingOptions,
    ) -> Result<Self, Error> {
        let rule = lookup(routing)?;
        let layout = Layout::new(fabric.clone(), rule.build(options)?.into(), false);
        Ok(Self {
            engine: Engine::new(Rung::Pair, &layout.wires),
            fabric: fabric.clone(),
            rule,
            options: options.clone(),
            rates_bps: fabric.links().iter().map(|link| link.rate_Bps).collect(),
            changes: BTreeMap::new(),
            layout,
            occurrences: Occurrences::default(),
            ahead: None,
            promise: Promise::Stale,
            history: History::default(),
            n_open_before: 0,
            now_ps: 0,
            next_id: 0,
            version: 0,
            live: BTreeMap::new(),
            arrivals: BTreeSet::new(),
        })
    }

    /// A session that is here too and goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            fabric: self.fabric.clone(),
            options: self.options.clone(),
            rates_bps: self.rates_bps.clone(),
            changes: self.changes.clone(),
            layout: self.layout.fork(),
            occurrences: self.occurrences.clone(),
            engine: self.engine.clone(),
            ahead: None,
            history: self.history.clone(),
            live: self.live.clone(),
            arrivals: self.arrivals.clone(),
            ..*self
        }
    }

    /// The fabric that the session began with.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// How far time has gone by.
    pub fn now_ps(&self) -> u64 {
        self.now_ps
    }

    /// How often something joined, left or changed: while it stays the same, so does what
    /// [`Self::next_event_ps`] promised.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many flows and collectives are neither reported nor cancelled.
    pub fn n_live(&self) -> usize {
        self.live.len()
    }

    /// How exact the reports were so far.
    pub fn exactness(&mut self) -> Exactness {
        Exactness {
            rung: self.engine.rung(),
            n_ambiguous: self.n_open_before + at_rung!(&mut self.engine, online => online.n_open()),
        }
    }

    fn check_time(&self, time_ps: u64) -> Result<(), SessionError> {
        if time_ps < self.now_ps {
            return Err(SessionError::Past {
                time_ps,
                now_ps: self.now_ps,
            });
        }
        Ok(())
    }
}
