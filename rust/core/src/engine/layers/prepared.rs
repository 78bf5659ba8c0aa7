//! What of a run does not depend on the sizes: the classes of operations, the loops among them.
//!
//! A partition is equitable whatever the sizes are, as long as operations of one size keep one size:
//! it was checked on the *indices* of the sizes. The same holds for loops. So a question that is
//! asked again for another number of bytes costs only a run of the classes; and where that run goes
//! by the recurrence, it answers for all sizes between which no comparison turns round, so that many
//! questions cost one multiplication. The answers are the same whatever was asked before.

use std::sync::Arc;

use once_cell::race::OnceBox;

use super::solved::Engine;
use super::{Layers, Solved, collapsed};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::ladder::{Run, Rung};
use crate::engine::repeat::{self, Evaluated, Looped, Piece};
use crate::engine::symmetry::Partition;
use crate::engine::workload::Workload;

/// A workload whose sizes may be replaced; made by [`prepare`].
#[derive(Debug)]
pub struct Prepared {
    partition: Option<Arc<Partition>>,
    /// One operation per class, or the workload itself.
    simulated: Workload,
    looped: Option<Arc<Looped>>,
    /// What was asked before. Nobody waits for anybody here: in a forked child the other threads do
    /// not exist any more.
    pieces: [OnceBox<Arc<Piece>>; MAX_PIECES],
}

/// Pieces kept; the sizes of a collective fall into a handful.
const MAX_PIECES: usize = 32;

/// Finds the classes and the loops of a workload.
pub fn prepare(workload: Workload, layers: Layers) -> Prepared {
    let (partition, simulated) = match collapsed(&workload, layers) {
        Some(quotient) => (Some(Arc::new(quotient.partition)), quotient.workload),
        None => (None, workload),
    };
    let looped = layers.fast_forward.then(|| Looped::detect(&simulated));
    Prepared {
        partition,
        simulated,
        looped: looped.flatten().map(Arc::new),
        pieces: Default::default(),
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
        Ok(match &self.partition {
            Some(partition) => solved.by(partition.clone()),
            None => solved,
        })
    }

    /// Whether the answer for these sizes follows from an earlier one.
    pub fn knows(&self, sizes: &[(u128, u64)]) -> bool {
        let looped = self.looped.as_ref();
        looped.is_some_and(|looped| self.known(looped, sizes).is_some())
    }

    fn known(&self, looped: &Arc<Looped>, sizes: &[(u128, u64)]) -> Option<Evaluated> {
        let mut known = self.pieces.iter().map_while(OnceBox::get);
        known.find_map(|piece| Evaluated::of_piece(looped, piece, sizes))
    }

    fn recurrence(
        &self,
        sizes: &[(u128, u64)],
        limits: Limits,
    ) -> Result<Option<Engine>, EngineError> {
        let Some(looped) = &self.looped else {
            return Ok(None);
        };
        if let Some(run) = self.known(looped, sizes) {
            return within(run, limits).map(Some);
        }
        let Some(piece) = Piece::of(looped, sizes, limits)?.map(Arc::new) else {
            return Ok(None);
        };
        let Some(run) = Evaluated::of_piece(looped, &piece, sizes) else {
            let times = repeat::solve(looped, sizes, limits)?;
            let run = times.map(|times| Evaluated::whole(looped.clone(), times));
            return Ok(run.map(|run| Engine::Recurrence(Box::new(run))));
        };
        let mut piece = Box::new(piece);
        for place in &self.pieces {
            match place.set(piece) {
                Ok(()) => break,
                Err(refused) => piece = refused,
            }
        }
        within(run, limits).map(Some)
    }
}

/// Refuses a known answer as its run would have been.
fn within(run: Evaluated, limits: Limits) -> Result<Engine, EngineError> {
    if run.n_evaluated() > limits.events {
        return Err(EngineError::EventLimit {
            limit: limits.events,
        });
    }
    Ok(Engine::Recurrence(Box::new(run)))
}

fn resized(workload: &Workload, sizes: &[(u128, u64)]) -> Workload {
    Workload {
        sizes: sizes.to_vec(),
        ..workload.clone()
    }
}
