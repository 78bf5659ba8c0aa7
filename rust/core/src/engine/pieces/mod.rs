//! One run answers for other sizes: pieces of a piecewise linear function.
//!
//! If all sizes are multiplied by one factor, work grows with it, while latencies, software costs,
//! start times and the rates of whatever is active together do not. So as long as everything happens
//! in the same order, each time is a fixed part plus the factor times a part of bytes, and every
//! comparison that the order rests on says for which factors it comes out the same ([`Reach`]).
//! A run that keeps both parts of its times is a [`Piece`]: whatever the run, by the recurrence
//! ([`super::repeat`]) or by events ([`Ending`]), a size within reach costs one product and one
//! rounding, and has the bits of a run of its own.

mod events;
mod time;

pub use events::Ending;
pub use time::{Reach, Split, Time};

use std::sync::Arc;

use num_integer::Integer;
use once_cell::race::OnceBox;

/// A factor on all sizes: positive numerator and denominator.
pub type Factor = (i128, i128);

/// A run whose times are functions of a factor on all sizes, as far as no comparison turns round.
#[derive(Debug)]
pub struct Piece<R> {
    sizes: Vec<(u128, u64)>,
    reach: Reach,
    /// Bounds whatever is multiplied by the numerator or the denominator of a factor.
    latest: i128,
    /// The run at factor 1.
    pub run: R,
}

impl<R> Piece<R> {
    /// A run with these sizes.
    pub(super) fn new(sizes: &[(u128, u64)], reach: Reach, latest: i128, run: R) -> Self {
        Self {
            sizes: sizes.to_vec(),
            reach,
            latest,
            run,
        }
    }

    /// For which factors the run stays the same.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The factor by which all sizes differ from those of this run, if there is one within reach and
    /// the times fit.
    pub fn factor(&self, sizes: &[(u128, u64)]) -> Option<Factor> {
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
        self.latest
            .checked_mul(numerator.checked_add(denominator)?)?;
        Some((numerator, denominator))
    }
}

/// Pieces kept; the sizes of a collective fall into a handful.
const MAX_PIECES: usize = 32;

/// The pieces found so far. Nobody waits for anybody here: in a forked child the other threads do
/// not exist any more.
#[derive(Debug)]
pub struct Pieces<R> {
    /// One for each search, none where it was in vain.
    found: [OnceBox<Option<Arc<Piece<R>>>>; MAX_PIECES],
}

impl<R> Default for Pieces<R> {
    fn default() -> Self {
        Self {
            found: std::array::from_fn(|_| OnceBox::new()),
        }
    }
}

impl<R> Pieces<R> {
    /// The piece that answers for these sizes, and their factor.
    pub fn find(&self, sizes: &[(u128, u64)]) -> Option<(&Arc<Piece<R>>, Factor)> {
        let mut found = self.found.iter().map_while(OnceBox::get).flatten();
        found.find_map(|piece| Some((piece, piece.factor(sizes)?)))
    }

    /// Whether a further one would be kept.
    pub fn has_room(&self) -> bool {
        self.found[MAX_PIECES - 1].get().is_none()
    }

    /// Keeps what a search found, while there is room.
    pub fn keep(&self, found: Option<Arc<Piece<R>>>) {
        let mut found = Box::new(found);
        for place in &self.found {
            match place.set(found) {
                Ok(()) => break,
                Err(refused) => found = refused,
            }
        }
    }
}
