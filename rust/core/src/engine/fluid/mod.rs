//! The fluid engine: max-min fair rates between events, exactly.
//!
//! Events are releases, completions and changes of the routes; rates are constant between them. The
//! engine pops every event of the earliest time (equality by residue), applies them and whatever they
//! release at that same time, and repairs the rates once.
//!
//! Virtual time per bottleneck: the flows that a resource holds back share one rate, its level, so
//! the resource keeps a clock V(t), the integral of its level. A flow that joins with `remaining`
//! bytes is due when the clock reads V + remaining, whatever the level does meanwhile; only a flow
//! whose bottleneck *changes* is touched. The global queue holds one completion per resource.

mod clock;
mod events;
mod net;

use std::sync::atomic::{AtomicBool, Ordering};

use self::events::Fluid;
pub(super) use self::net::{Net, Program};
use super::maxmin::Method;
use super::number::Number;
use super::observer::Observer;
use super::timeline::Timeline;
use super::workload::Workload;

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// More events than allowed.
    #[error("the run reached its limit of {limit} events; raise event_limit to go on")]
    EventLimit {
        /// The limit.
        limit: u64,
    },
    /// More memory than allowed would be needed.
    #[error(
        "the run needs about {needed_bytes} bytes for {n_transfers} transfers, above the memory \
         limit of {limit_bytes}; raise memory_limit_bytes or ask for fewer ranks or chunks"
    )]
    MemoryLimit {
        /// The estimate.
        needed_bytes: u64,
        /// The limit.
        limit_bytes: u64,
        /// What needs it.
        n_transfers: u64,
    },
    /// The caller asked to stop.
    #[error("the run was interrupted")]
    Interrupted,
    /// The caller's limit in simulated time has passed.
    #[error("the run takes more than {at_least_ps} ps, longer than was asked for")]
    Late {
        /// It takes at least this long.
        at_least_ps: u64,
    },
    /// An operation is released or under way while no live path serves it.
    #[error("operation {op} has no live path in phase {phase}")]
    CutOff {
        /// The operation.
        op: u32,
        /// How many changes of the routes came before.
        phase: usize,
    },
    /// The numbers outgrew the budget of their rung.
    #[error("the exact rationals outgrew their budget")]
    OverBudget,
}

/// What bounds a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// Events after which the run ends with an error.
    pub events: u64,
    /// Simulated time after which the run ends with an error.
    pub until_ps: Option<u64>,
    /// Set by the caller to stop the run.
    pub cancel: Option<&'a AtomicBool>,
}

/// Events between two looks at the cancel flag.
const CANCEL_EVERY: u64 = 256;

/// Runs a workload to its end.
pub fn run<N: Number>(
    workload: &Workload,
    limits: Limits,
    observer: &mut impl Observer<N>,
) -> Result<Timeline<N>, EngineError> {
    run_by(Method::Auto, workload, limits, observer)
}

/// Runs a workload to its end with a solver of choice, which changes how long that takes and nothing
/// else.
pub fn run_by<N: Number>(
    method: Method,
    workload: &Workload,
    limits: Limits,
    observer: &mut impl Observer<N>,
) -> Result<Timeline<N>, EngineError> {
    let mut engine = Fluid::new(method, workload, observer);
    engine.release_sources();
    let mut n_events = 0;
    while let Some(now) = engine.next_event() {
        n_events += 1;
        if n_events > limits.events {
            return Err(EngineError::EventLimit {
                limit: limits.events,
            });
        }
        if n_events % CANCEL_EVERY == 0 && limits.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
        {
            return Err(EngineError::Interrupted);
        }
        if let Some(until_ps) = limits.until_ps
            && now.lower() > until_ps as f64
        {
            return Err(EngineError::Late {
                at_least_ps: until_ps.saturating_add(1),
            });
        }
        if now.over_budget() {
            return Err(EngineError::OverBudget);
        }
        if let Some((op, phase)) = engine.cut_off() {
            return Err(EngineError::CutOff { op, phase });
        }
        engine.settle(&now);
    }
    Ok(engine.finish(n_events))
}
