//! A run by the recurrence that answers for other sizes too.

use std::sync::{Arc, OnceLock};

use num_integer::Integer;

use super::looped::Looped;
use super::recurrence::{Recurrence, evaluate};
use super::time::{Reach, Split};
use crate::engine::fluid::{EngineError, Limits};

/// The times of loops as functions of a factor on all sizes, as far as no comparison turns round.
#[derive(Debug)]
pub struct Piece {
    sizes: Vec<(u128, u64)>,
    reach: Reach,
    times: Recurrence<Split>,
}

impl Piece {
    /// Runs the loops with these sizes; `None` where operations share a resource, or 128 bits do
    /// not suffice.
    pub fn of(
        looped: &Looped,
        sizes: &[(u128, u64)],
        limits: Limits,
    ) -> Result<Option<Self>, EngineError> {
        let found = evaluate::<Split>(looped, sizes, limits)?;
        Ok(found.map(|(times, reach)| Self {
            sizes: sizes.to_vec(),
            reach,
            times,
        }))
    }

    /// The factor by which all sizes differ from those of this run, if there is one within reach and
    /// the times fit.
    fn factor(&self, sizes: &[(u128, u64)]) -> Option<(i128, i128)> {
        let mut factor = None;
        for (&(n, d), &(own_n, own_d)) in sizes.iter().zip(&self.sizes) {
            let numerator = n.checked_mul(own_d.into())?;
            let denominator = own_n.checked_mul(d.into())?;
            match (numerator, denominator) {
                (0, 0) => continue,
                (0, _) | (_, 0) => return None,
                _ => {}
            }
            let common = numerator.gcd(&denominator);
            let here = (numerator / common, denominator / common);
            if *factor.get_or_insert(here) != here {
                return None;
            }
        }
        let factor = factor.unwrap_or((1, 1));
        if !self.reach.holds(factor) {
            return None;
        }
        let (numerator, denominator) = (
            i128::try_from(factor.0).ok()?,
            i128::try_from(factor.1).ok()?,
        );
        self.times
            .latest
            .checked_mul(numerator.checked_add(denominator)?)?;
        Some((numerator, denominator))
    }
}

/// The times of a run; those of a piece are computed when first asked for.
#[derive(Debug)]
pub struct Evaluated {
    /// The loops.
    pub looped: Arc<Looped>,
    piece: Option<(Arc<Piece>, (i128, i128))>,
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

    /// The times of a piece for other sizes, where it answers for them.
    pub fn of_piece(
        looped: &Arc<Looped>,
        piece: &Arc<Piece>,
        sizes: &[(u128, u64)],
    ) -> Option<Self> {
        let factor = piece.factor(sizes)?;
        Some(Self {
            looped: looped.clone(),
            piece: Some((piece.clone(), factor)),
            times: OnceLock::new(),
        })
    }

    /// The times of every operation.
    pub fn times(&self) -> &Recurrence {
        self.times.get_or_init(|| {
            let (piece, factor) = self.piece.as_ref().expect("times or a piece are there");
            piece.times.scaled(*factor)
        })
    }

    /// Operations evaluated.
    pub fn n_evaluated(&self) -> u64 {
        match &self.piece {
            Some((piece, _)) => piece.times.n_evaluated,
            None => self.times().n_evaluated,
        }
    }

    /// Last arrival of all, in picoseconds, rounded up.
    pub fn last_arrival_ps(&self) -> i128 {
        if let (Some((piece, factor)), None) = (&self.piece, self.times.get()) {
            let ticks = piece.times.ticks * factor.1;
            return Integer::div_ceil(&piece.times.last_arrival.scaled(*factor), &ticks);
        }
        self.times().ceil_ps(self.times().last_arrival)
    }
}
