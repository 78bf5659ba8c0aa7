//! Repetition: the steps of a loop are simulated until they repeat, then skipped.

mod looped;
mod piece;
mod recurrence;
mod time;

pub use looped::{Looped, Place, Segment, Skip};
pub use piece::{Evaluated, Piece};
pub use recurrence::{Recurrence, solve, starts_shared};
