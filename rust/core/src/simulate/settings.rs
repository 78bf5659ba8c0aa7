//! How to simulate, and what of it limits a run.

use std::sync::atomic::AtomicBool;

use crate::engine::fluid::Limits;
use crate::engine::ladder::Rung;
use crate::engine::layers::Layers;
use crate::engine::maxmin::LEVELS_BYTES_PER_INCIDENCE;
use crate::error::Error;
use crate::fabric::routing::{self, Routing, RoutingOptions};
use crate::placement::Sync;
use crate::plan::{BYTES_PER_TRANSFER, check_memory};

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Exact max-min fair flows.
    Fluid,
    /// Lower bounds only.
    Bound,
    /// Of the fluid engine's time a lower and an upper end, without events.
    Bracket,
}

impl EngineKind {
    /// All engines, with their names; a bracket is an option of the fluid engine.
    pub const ALL: [(&'static str, Self); 2] = [("fluid", Self::Fluid), ("bound", Self::Bound)];

    /// The name of the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fluid | Self::Bracket => "fluid",
            Self::Bound => "bound",
        }
    }
}

/// How to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The routing's registry name.
    pub routing: &'static str,
    /// What the routing is told.
    pub routing_options: RoutingOptions,
    /// What holds a rank's next step back beside its data.
    pub sync: Sync,
    /// Which engine answers.
    pub engine: EngineKind,
    /// The rung of the number ladder to start from.
    pub rung: Rung,
    /// Which lossless short cuts may be taken.
    pub layers: Layers,
    /// Memory above which a run is refused before it allocates.
    pub memory_limit_bytes: u64,
    /// Events after which a run ends with an error.
    pub event_limit: u64,
}

/// Further bytes per transfer where every transfer has a route of its own: 7 stripes of 4 links,
/// 16 bytes as shares, 16 as weights, 12 in the engine's member lists, and what repair by levels may
/// take.
const BYTES_PER_OWN_ROUTE: u64 = 28 * (44 + LEVELS_BYTES_PER_INCIDENCE);

impl Settings {
    /// The routing, built.
    pub fn routing(&self) -> Result<Box<dyn Routing>, Error> {
        Ok(routing::lookup(self.routing)?.build(&self.routing_options)?)
    }

    /// Refuses a run of so many transfers if it would need more memory than allowed.
    pub fn check_memory(&self, n_transfers: u64) -> Result<(), Error> {
        let own_routes = self.routing()?.per_occurrence();
        let each = BYTES_PER_TRANSFER + if own_routes { BYTES_PER_OWN_ROUTE } else { 0 };
        Ok(check_memory(n_transfers, each, self.memory_limit_bytes)?)
    }

    /// What bounds a run.
    pub fn limits<'a>(&self, cancel: Option<&'a AtomicBool>) -> Limits<'a> {
        Limits {
            events: self.event_limit,
            until_ps: None,
            cancel,
        }
    }
}
