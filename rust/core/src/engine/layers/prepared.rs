//! What of a run does not depend on the sizes: the classes of operations, the loops among them.
//!
//! A partition is equitable whatever the sizes are, as long as operations of one size keep one size:
//! it was checked on the *indices* of the sizes. The same holds for loops. So a question that is
//! asked again for another number of bytes costs only a run of the classes; and that run answers for
//! all sizes between which no comparison turns round ([`crate::engine::pieces`]), so that many
//! questions cost one multiplication. The answers are the same whatever was asked before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::solved::Engine;
use super::{Layers, Solved, collapsed};
use crate::engine::binding::binding;
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::ladder::{Run, Rung};
use crate::engine::pieces::{Ending, Pieces, Split};
use crate::engine::repeat::{self, Evaluated, Looped, Recurrence, Steps};
use crate::engine::symmetry::Partition;
use crate::engine::workload::Workload;

/// A workload whose sizes may be replaced; made by [`prepare`].
#[derive(Debug)]
pub struct Prepared {
    partition: Option<Arc<Partition>>,
    /// One operation per class, or the workload itself.
    simulated: Workload,
    looped: Option<Arc<Looped>>,
    /// What was asked before: runs by the recurrence, and last arrivals of runs by events.
    steps: Pieces<Recurrence<Split>>,
    endings: Pieces<Ending>,
    may_keep_endings: bool,
    /// Where resources were left out: the short cuts of a run that leaves out none.
    whole: Option<Layers>,
    /// Runs by events so far that no earlier one answered for.
    n_runs: AtomicU32,
}

/// Operations up to which a run by events is followed in rationals, so that it answers for other
/// sizes. Below [`crate::engine::ladder::RATIONAL_MAX_OPS`], so that every run is decided exactly.
const MAX_FOLLOWED_OPS: usize = 512;

/// Runs by events before one is followed, each time. That was measured to cost as much as 16 (an
/// all-to-all over 768 ranks) to 50 (a hierarchical all-reduce) plain ones.
const RUNS_PER_FOLLOWED: u32 = 32;

/// Finds the classes and the loops of a workload.
pub fn prepare(workload: Workload, layers: Layers) -> Prepared {
    let slim = layers.refine.then(|| binding(&workload)).flatten();
    let whole = slim.is_some().then_some(layers);
    let workload = slim.unwrap_or(workload);
    let (partition, simulated) = match collapsed(&workload, layers) {
        Some(quotient) => (Some(Arc::new(quotient.partition)), quotient.workload),
        None => (None, workload),
    };
    let looped = layers.fast_forward.then(|| Looped::detect(&simulated));
    let n_ops = simulated.n_ops();
    Prepared {
        partition,
        simulated,
        looped: looped.flatten().map(Arc::new),
        steps: Pieces::default(),
        endings: Pieces::default(),
        may_keep_endings: layers.fast_forward && n_ops <= MAX_FOLLOWED_OPS,
        whole,
        n_runs: AtomicU32::new(0),
    }
}

impl Prepared {
    /// Operations that a run looks at: one per class, loops written out.
    pub fn n_ops(&self) -> usize {
        self.simulated.n_ops()
    }

    /// Runs the workload with other sizes: one per entry of its `sizes`, in bytes.
    ///
    /// The operations of the answer are those of the workload that was prepared. Where its methods
    /// take that workload, they do not look at its sizes.
    ///
    /// # Panics
    /// If there are more or fewer sizes than before.
    pub fn solve(
        &self,
        sizes: &[(u128, u64)],
        limits: Limits,
        rung: Rung,
    ) -> Result<Solved, EngineError> {
        assert_eq!(
            sizes.len(),
            self.simulated.sizes.len(),
            "a size for each of the workload's"
        );
        let solved = if let Some(engine) = self.recurrence(sizes, limits)? {
            Solved::of(engine, rung)
        } else {
            let simulated = resized(&self.simulated, sizes);
            let run = Run::climb(&simulated, limits, rung)?;
            Solved::of(Engine::Events(run), rung).on(simulated)
        };
        let solved = match &self.partition {
            Some(partition) => solved.by(partition.clone()),
            None => solved,
        };
        Ok(match self.whole {
            Some(layers) => solved.without_some(layers),
            None => solved,
        })
    }

    /// The latest arrival of all operations with other sizes, as that of [`Self::solve`].
    ///
    /// # Panics
    /// If there are more or fewer sizes than before.
    pub fn last_arrival_ps(
        &self,
        sizes: &[(u128, u64)],
        limits: Limits,
        rung: Rung,
    ) -> Result<i128, EngineError> {
        if limits.until_ps.is_none() {
            if let Some((piece, factor)) = self.endings.find(sizes) {
                within(piece.run.n_events, limits)?;
                return Ok(piece.run.last_arrival_ps(factor));
            }
            if let Some((piece, factor)) = self.steps.find(sizes) {
                within(piece.run.n_evaluated, limits)?;
                return Ok(piece.run.last_arrival_ps(factor));
            }
        }
        let solved = self.solve(sizes, limits, rung)?;
        if solved.is_by_events() {
            self.follow(sizes, limits)?;
        }
        Ok(solved.last_arrival_ps(&self.simulated))
    }

    /// Follows every so many runs by events, where that may pay.
    fn follow(&self, sizes: &[(u128, u64)], limits: Limits) -> Result<(), EngineError> {
        if !self.may_keep_endings || !self.endings.has_room() {
            return Ok(());
        }
        let n_before = self.n_runs.fetch_add(1, Ordering::Relaxed);
        if n_before % RUNS_PER_FOLLOWED + 1 == RUNS_PER_FOLLOWED {
            let found = Ending::of(&resized(&self.simulated, sizes), limits)?;
            self.endings.keep(found.map(Arc::new));
        }
        Ok(())
    }

    /// Whether [`Self::last_arrival_ps`] for these sizes follows from an earlier answer.
    pub fn knows(&self, sizes: &[(u128, u64)]) -> bool {
        self.endings.find(sizes).is_some() || self.steps.find(sizes).is_some()
    }

    fn recurrence(
        &self,
        sizes: &[(u128, u64)],
        limits: Limits,
    ) -> Result<Option<Engine>, EngineError> {
        let Some(looped) = &self.looped else {
            return Ok(None);
        };
        let engine = |run| Some(Engine::Recurrence(Box::new(run)));
        if let Some((piece, factor)) = self.steps.find(sizes) {
            within(piece.run.n_evaluated, limits)?;
            return Ok(engine(Evaluated::scaled(
                looped.clone(),
                piece.clone(),
                factor,
            )));
        }
        let Some(piece) = Steps::of(looped, sizes, limits)?.map(Arc::new) else {
            return Ok(None);
        };
        let Some(factor) = piece.factor(sizes) else {
            let times = repeat::solve(looped, sizes, limits)?;
            return Ok(times.and_then(|times| engine(Evaluated::whole(looped.clone(), times))));
        };
        self.steps.keep(Some(piece.clone()));
        Ok(engine(Evaluated::scaled(looped.clone(), piece, factor)))
    }
}

/// Refuses a known answer as its run would have been, which took so many events.
fn within(n_events: u64, limits: Limits) -> Result<(), EngineError> {
    if n_events > limits.events {
        return Err(EngineError::EventLimit {
            limit: limits.events,
        });
    }
    Ok(())
}

fn resized(workload: &Workload, sizes: &[(u128, u64)]) -> Workload {
    Workload {
        sizes: sizes.to_vec(),
        ..workload.clone()
    }
}
