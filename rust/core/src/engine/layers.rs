//! The layers of the fluid engine, tried from the top; each is lossless and can be switched off.
//!
//! Operations that must behave alike become one ([`super::symmetry`]); what is left of them runs by
//! a recurrence where nothing is shared ([`super::repeat`]), and otherwise event by event
//! ([`super::ladder`]). The answer knows the times of every operation of the workload it was given,
//! and looks them up only when asked.

use super::fluid::{EngineError, Limits};
use super::ladder::{Exactness, OpTimes, Run, Rung, busy_ps};
use super::repeat::{self, Looped, Recurrence};
use super::symmetry::{Quotient, quotient, refine};
use super::workload::Workload;

/// Which short cuts may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Representatives of an algorithm's orbits instead of all its operations.
    pub orbits: bool,
    /// Classes of operations that must behave alike.
    pub refine: bool,
    /// Loops, and work without sharing.
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

/// A finished run; its operations are those of the workload that was solved.
#[derive(Debug)]
pub struct Solved {
    quotient: Option<Quotient>,
    /// The loops written out, where a caller gave nothing else and events were needed.
    expanded: Option<Workload>,
    engine: Engine,
    rung: Rung,
}

#[derive(Debug)]
enum Engine {
    Events(Run),
    Recurrence(Box<(Looped, Recurrence)>),
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
    let solved = |engine, quotient| Solved {
        quotient,
        expanded: None,
        engine,
        rung,
    };
    if layers.fast_forward
        && !repeat::starts_shared(workload)
        && let Some(engine) = recurrence(Looped::list(workload), limits)?
    {
        return Ok(solved(engine, None));
    }
    let quotient = layers
        .refine
        .then(|| refine(workload))
        .flatten()
        .and_then(|partition| quotient(workload, partition).ok());
    let looped = quotient.as_ref().filter(|_| layers.fast_forward);
    let looped = looped.and_then(|quotient| Looped::detect(&quotient.workload));
    if let Some(engine) = recurrence(looped, limits)? {
        return Ok(solved(engine, quotient));
    }
    let simulated = quotient.as_ref().map_or(workload, |q| &q.workload);
    let run = Run::climb(simulated, limits, rung)?;
    Ok(solved(Engine::Events(run), quotient))
}

fn recurrence(looped: Option<Looped>, limits: Limits) -> Result<Option<Engine>, EngineError> {
    let Some(looped) = looped else {
        return Ok(None);
    };
    let times = repeat::solve(&looped, limits)?;
    Ok(times.map(|times| Engine::Recurrence(Box::new((looped, times)))))
}

/// Runs loops that the caller knows, without writing them out unless events are needed.
pub fn solve_looped(looped: Looped, limits: Limits, rung: Rung) -> Result<Solved, EngineError> {
    let (engine, expanded) = if let Some(times) = repeat::solve(&looped, limits)? {
        (Engine::Recurrence(Box::new((looped, times))), None)
    } else {
        let expanded = looped.expanded();
        let run = Run::climb(&expanded, limits, rung)?;
        (Engine::Events(run), Some(expanded))
    };
    Ok(Solved {
        quotient: None,
        expanded,
        engine,
        rung,
    })
}

impl Solved {
    /// The workload whose events were simulated.
    fn simulated<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        let quotient = self.quotient.as_ref().map(|quotient| &quotient.workload);
        quotient.or(self.expanded.as_ref()).unwrap_or(workload)
    }

    /// The simulated operation that stands for one of the workload.
    fn stand_in(&self, op: usize) -> usize {
        self.quotient
            .as_ref()
            .map_or(op, |quotient| quotient.partition.op_classes[op] as usize)
    }

    /// Events processed, or operations evaluated where there were no events.
    pub fn n_events(&self) -> u64 {
        match &self.engine {
            Engine::Events(run) => run.n_events(),
            Engine::Recurrence(solved) => solved.1.n_evaluated,
        }
    }

    /// How exact the result is.
    pub fn exactness(&self) -> Exactness {
        match &self.engine {
            Engine::Events(run) => run.exactness(),
            Engine::Recurrence(_) => Exactness {
                rung: self.rung,
                n_ambiguous: 0,
            },
        }
    }

    /// The latest arrival of all operations in whole picoseconds; where even the last rung cannot
    /// round it, the upper end of its interval.
    pub fn last_arrival_ps(&self, workload: &Workload) -> i128 {
        match &self.engine {
            Engine::Events(run) => {
                let simulated = self.simulated(workload);
                run.last_arrival_ps(simulated)
                    .or_else(|| run.last_arrival_upper_ps(simulated))
                    .unwrap_or(0)
            }
            Engine::Recurrence(solved) => solved.1.ceil_ps(solved.1.last_arrival),
        }
    }

    /// The latest arrival of some operations, 0 for none; `None` where this rung cannot round it.
    pub fn last_arrival_of(
        &self,
        workload: &Workload,
        ops: impl IntoIterator<Item = usize>,
    ) -> Option<i128> {
        let ops = ops.into_iter().map(|op| self.stand_in(op));
        match &self.engine {
            Engine::Events(run) => run.last_arrival_of(self.simulated(workload), ops),
            Engine::Recurrence(solved) => {
                let (looped, times) = &**solved;
                let last = ops.map(|op| times.times(looped, op as u64)[2]).max();
                Some(times.ceil_ps(last.unwrap_or(0)))
            }
        }
    }

    /// Released, served and arrived time of one operation in picoseconds, for display.
    pub fn values_ps(&self, workload: &Workload, op: usize) -> [f64; 3] {
        let op = self.stand_in(op);
        match &self.engine {
            Engine::Events(run) => run.values_ps(self.simulated(workload), op),
            Engine::Recurrence(solved) => {
                let (looped, times) = &**solved;
                times
                    .times(looped, op as u64)
                    .map(|time| times.value_ps(time))
            }
        }
    }

    /// The times of every operation, refined where a time straddles a picosecond at the rung of the
    /// run.
    pub fn op_times(
        &self,
        workload: &Workload,
        limits: Limits,
    ) -> Result<Vec<OpTimes>, EngineError> {
        let simulated = match &self.engine {
            Engine::Events(run) => run.op_times(self.simulated(workload), limits)?,
            Engine::Recurrence(solved) => {
                let (looped, times) = &**solved;
                let each = (0..looped.n_ops()).map(|op| {
                    let [released_ps, served_ps, arrived_ps] =
                        times.times(looped, op).map(|time| times.ceil_ps(time));
                    OpTimes {
                        released_ps,
                        served_ps,
                        arrived_ps,
                    }
                });
                each.collect()
            }
        };
        let Some(quotient) = &self.quotient else {
            return Ok(simulated);
        };
        let classes = quotient.partition.op_classes.iter();
        Ok(classes.map(|&class| simulated[class as usize]).collect())
    }

    /// For how long each resource was in use, in picoseconds.
    pub fn busy_ps(&self, workload: &Workload, limits: Limits) -> Result<Vec<f64>, EngineError> {
        let simulated = match &self.engine {
            Engine::Events(_) => busy_ps(self.simulated(workload), limits)?,
            Engine::Recurrence(solved) => solved.1.busy_ps(&solved.0),
        };
        let Some(quotient) = &self.quotient else {
            return Ok(simulated);
        };
        let classes = quotient.partition.resource_classes.iter();
        Ok(classes.map(|&class| simulated[class as usize]).collect())
    }
}
