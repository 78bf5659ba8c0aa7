//! A finished run and the times of every operation of the workload that it answers for.

use std::sync::Arc;

use super::{Layers, solve_on};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::ladder::{Exactness, OpTimes, Run, Rung, busy_ps, served_ps};
use crate::engine::repeat::Evaluated;
use crate::engine::symmetry::Partition;
use crate::engine::workload::Workload;

/// A finished run; its operations are those of the workload that was solved.
#[derive(Debug)]
pub struct Solved {
    /// Classes of the workload's operations; each its own where there is none.
    partition: Option<Arc<Partition>>,
    /// What was simulated; the workload itself where there is none.
    simulated: Option<Workload>,
    engine: Engine,
    rung: Rung,
    /// Where resources were left out: the short cuts of a run that leaves out none.
    whole: Option<Layers>,
}

#[derive(Debug)]
pub(super) enum Engine {
    Events(Run),
    Recurrence(Box<Evaluated>),
}

impl Solved {
    pub(super) fn of(engine: Engine, rung: Rung) -> Self {
        Self {
            partition: None,
            simulated: None,
            engine,
            rung,
            whole: None,
        }
    }

    /// A run of `simulated` in place of the workload.
    #[must_use]
    pub(super) fn on(mut self, simulated: Workload) -> Self {
        self.simulated = Some(simulated);
        self
    }

    /// A run of one operation for each class.
    #[must_use]
    pub(super) fn by(mut self, partition: Arc<Partition>) -> Self {
        self.partition = Some(partition);
        self
    }

    /// A run without the resources that never hold anybody back.
    #[must_use]
    pub(super) fn without_some(mut self, layers: Layers) -> Self {
        self.whole = Some(layers);
        self
    }

    /// The workload whose events were simulated.
    fn simulated<'a>(&'a self, workload: &'a Workload) -> &'a Workload {
        self.simulated.as_ref().unwrap_or(workload)
    }

    /// The simulated operation that stands for one of the workload.
    fn stand_in(&self, op: usize) -> usize {
        self.partition
            .as_ref()
            .map_or(op, |partition| partition.op_classes[op] as usize)
    }

    /// Whether its events were simulated.
    pub(super) fn is_by_events(&self) -> bool {
        matches!(self.engine, Engine::Events(_))
    }

    /// Events processed, or operations evaluated where there were no events.
    pub fn n_events(&self) -> u64 {
        match &self.engine {
            Engine::Events(run) => run.n_events(),
            Engine::Recurrence(run) => run.n_evaluated(),
        }
    }

    /// How exact the result is.
    pub fn exactness(&self) -> Exactness {
        match &self.engine {
            Engine::Events(run) => run.exactness(),
            Engine::Recurrence(..) => Exactness {
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
            Engine::Recurrence(run) => run.last_arrival_ps(),
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
            Engine::Recurrence(run) => {
                let (looped, times) = (&run.looped, run.times());
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
            Engine::Recurrence(run) => {
                let times = run.times();
                times
                    .times(&run.looped, op as u64)
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
            Engine::Recurrence(run) => {
                let (looped, times) = (&run.looped, run.times());
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
        let Some(partition) = &self.partition else {
            return Ok(simulated);
        };
        let classes = partition.op_classes.iter();
        Ok(classes.map(|&class| simulated[class as usize]).collect())
    }

    /// How long each resource needs at full rate for what it served, in picoseconds; for runs whose
    /// routes change at a time, by a repeat.
    pub fn served_ps(&self, workload: &Workload, limits: Limits) -> Result<Vec<f64>, EngineError> {
        let simulated = match &self.engine {
            Engine::Events(run) => {
                served_ps(self.simulated(workload), limits, run.exactness().rung)?
            }
            Engine::Recurrence(_) => unreachable!("routes that change are simulated by events"),
        };
        Ok(self.of_members(simulated))
    }

    /// For how long each resource was in use, in picoseconds; where some were left out, by a run with
    /// all of them.
    pub fn busy_ps(&self, workload: &Workload, limits: Limits) -> Result<Vec<f64>, EngineError> {
        if let Some(layers) = self.whole {
            return solve_on(workload, layers, limits, self.rung)?.busy_ps(workload, limits);
        }
        let simulated = match &self.engine {
            Engine::Events(run) => busy_ps(self.simulated(workload), limits, run.exactness().rung)?,
            Engine::Recurrence(run) => run.times().busy_ps(&run.looped),
        };
        Ok(self.of_members(simulated))
    }

    /// What holds for each class of resources, for each of its members.
    fn of_members(&self, simulated: Vec<f64>) -> Vec<f64> {
        let Some(partition) = &self.partition else {
            return simulated;
        };
        let classes = partition.resource_classes.iter();
        classes.map(|&class| simulated[class as usize]).collect()
    }
}
