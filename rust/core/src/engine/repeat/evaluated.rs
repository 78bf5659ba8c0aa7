//! A finished run by the recurrence: times of its own, or those of another size in proportion.

use std::sync::{Arc, OnceLock};

use super::looped::Looped;
use super::recurrence::{Recurrence, evaluate};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::pieces::{Factor, Piece, Split};

/// A run by the recurrence that answers for other sizes too.
pub type Steps = Piece<Recurrence<Split>>;

impl Steps {
    /// Runs the loops with these sizes; `None` where operations share a resource, or 128 bits do
    /// not suffice.
    pub fn of(
        looped: &Looped,
        sizes: &[(u128, u64)],
        limits: Limits,
    ) -> Result<Option<Self>, EngineError> {
        let found = evaluate::<Split>(looped, sizes, limits)?;
        Ok(found.map(|(times, reach)| Self::new(sizes, reach, times.latest, times)))
    }
}

/// The times of a run; those of a piece are computed when first asked for.
#[derive(Debug)]
pub struct Evaluated {
    /// The loops.
    pub looped: Arc<Looped>,
    piece: Option<(Arc<Steps>, Factor)>,
    times: OnceLock<Recurrence>,
}

impl Evaluated {
    /// Times that are there.
    pub fn whole(looped: Arc<Looped>, times: Recurrence) -> Self {
        Self {
            looped,
            piece: None,
            times: OnceLock::from(times),
        }
    }

    /// The times of a piece for sizes times a factor.
    pub fn scaled(looped: Arc<Looped>, piece: Arc<Steps>, factor: Factor) -> Self {
        Self {
            looped,
            piece: Some((piece, factor)),
            times: OnceLock::new(),
        }
    }

    /// The times of every operation.
    pub fn times(&self) -> &Recurrence {
        self.times.get_or_init(|| {
            let (piece, factor) = self.piece.as_ref().expect("times or a piece are there");
            piece.run.scaled(*factor)
        })
    }

    /// Operations evaluated.
    pub fn n_evaluated(&self) -> u64 {
        match &self.piece {
            Some((piece, _)) => piece.run.n_evaluated,
            None => self.times().n_evaluated,
        }
    }

    /// Last arrival of all, in picoseconds, rounded up.
    pub fn last_arrival_ps(&self) -> i128 {
        if let (Some((piece, factor)), None) = (&self.piece, self.times.get()) {
            return piece.run.last_arrival_ps(*factor);
        }
        self.times().ceil_ps(self.times().last_arrival)
    }
}
