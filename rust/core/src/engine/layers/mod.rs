//! The layers of the fluid engine, tried from the top; each is lossless and can be switched off.
//!
//! Resources that never hold anybody back are left out ([`super::binding`]), and operations that must
//! behave alike become one ([`super::symmetry`]); what is left of them runs by a recurrence where
//! nothing is shared ([`super::repeat`]), and otherwise event by event ([`super::ladder`]). What of this does not depend on the sizes is done once by [`prepare`]. The
//! answer knows the times of every operation of the workload it was given, and looks them up only
//! when asked.

mod prepared;
mod solved;

pub use prepared::{Prepared, prepare};
pub use solved::Solved;

use std::sync::Arc;

use super::binding::binding;
use super::certificate::Certificate;
use super::fluid::{EngineError, Limits};
use super::ladder::{self, Run, Rung};
use super::repeat::{self, Evaluated, Looped};
use super::symmetry::{Quotient, quotient, refine};
use super::workload::Workload;
use solved::Engine;

/// Which short cuts may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Representatives of an algorithm's orbits instead of all its operations.
    pub orbits: bool,
    /// Classes of operations that must behave alike, on the resources that may hold them back.
    pub refine: bool,
    /// Loops, work without sharing, and other sizes of what was asked before.
    pub fast_forward: bool,
}

impl Layers {
    /// Every short cut.
    pub const ALL: Self = Self {
        orbits: true,
        refine: true,
        fast_forward: true,
    };
    /// Every operation, event by event.
    pub const NONE: Self = Self {
        orbits: false,
        refine: false,
        fast_forward: false,
    };
}

/// Runs a workload to its end, from the highest layer that applies.
///
/// Work without sharing needs neither classes nor events: the recurrence is through with it before
/// a partition would be found, and gives up where the first two operations meet.
pub fn solve(
    workload: &Workload,
    layers: Layers,
    limits: Limits,
    rung: Rung,
) -> Result<Solved, EngineError> {
    // The recurrences know routes that stay.
    let layers = Layers {
        fast_forward: layers.fast_forward && workload.changes.is_empty(),
        ..layers
    };
    let slim = layers.refine.then(|| binding(workload)).flatten();
    match slim {
        Some(slim) => Ok(solve_on(&slim, layers, limits, rung)?.without_some(layers)),
        None => solve_on(workload, layers, limits, rung),
    }
}

/// Runs a workload as it is, by classes and recurrences where layers allow.
fn solve_on(
    workload: &Workload,
    layers: Layers,
    limits: Limits,
    rung: Rung,
) -> Result<Solved, EngineError> {
    if layers.fast_forward
        && !repeat::starts_shared(workload)
        && let Some(engine) = recurrence(Looped::list(workload), limits)?
    {
        return Ok(Solved::of(engine, rung));
    }
    let quotient = collapsed(workload, layers);
    let looped = quotient.as_ref().filter(|_| layers.fast_forward);
    let looped = looped.and_then(|quotient| Looped::detect(&quotient.workload));
    let engine = if let Some(engine) = recurrence(looped, limits)? {
        engine
    } else {
        let simulated = quotient.as_ref().map_or(workload, |q| &q.workload);
        let run = Run::climb(simulated, limits, rung);
        Engine::Events(run.map_err(|error| of_operations(error, quotient.as_ref()))?)
    };
    Ok(match quotient {
        Some(quotient) => Solved::of(engine, rung)
            .on(quotient.workload)
            .by(Arc::new(quotient.partition)),
        None => Solved::of(engine, rung),
    })
}

/// Runs loops that the caller knows, without writing them out unless events are needed.
pub fn solve_looped(looped: Looped, limits: Limits, rung: Rung) -> Result<Solved, EngineError> {
    if let Some(times) = repeat::solve(&looped, &looped.bodies.sizes, limits)? {
        let run = Evaluated::whole(Arc::new(looped), times);
        return Ok(Solved::of(Engine::Recurrence(Box::new(run)), rung));
    }
    let expanded = looped.expanded();
    let run = Run::climb(&expanded, limits, rung)?;
    Ok(Solved::of(Engine::Events(run), rung).on(expanded))
}

/// Repeats a run to record its proof: of the classes, where operations behave alike.
pub fn certify(
    workload: &Workload,
    layers: Layers,
    limits: Limits,
) -> Result<Certificate, EngineError> {
    let Some(Quotient {
        workload,
        partition,
    }) = collapsed(workload, layers)
    else {
        return ladder::certify(workload, limits);
    };
    Ok(Certificate {
        partition: Some(partition),
        ..ladder::certify(&workload, limits)?
    })
}

/// An error of a quotient's run in terms of the operations that it stands for.
fn of_operations(error: EngineError, quotient: Option<&Quotient>) -> EngineError {
    match (error, quotient) {
        (EngineError::CutOff { op: class, phase }, Some(quotient)) => {
            let classes = &quotient.partition.op_classes;
            let op = classes.iter().position(|&of| of == class).unwrap_or(0) as u32;
            EngineError::CutOff { op, phase }
        }
        (error, _) => error,
    }
}

/// One operation for each class of those that behave alike, where there are enough of them.
fn collapsed(workload: &Workload, layers: Layers) -> Option<Quotient> {
    let partition = layers.refine.then(|| refine(workload)).flatten()?;
    quotient(workload, partition).ok()
}

fn recurrence(looped: Option<Looped>, limits: Limits) -> Result<Option<Engine>, EngineError> {
    let Some(looped) = looped else {
        return Ok(None);
    };
    let times = repeat::solve(&looped, &looped.bodies.sizes, limits)?;
    let run = times.map(|times| Evaluated::whole(Arc::new(looped), times));
    Ok(run.map(|run| Engine::Recurrence(Box::new(run))))
}
