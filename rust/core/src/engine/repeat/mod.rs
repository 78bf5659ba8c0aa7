//! Repetition: the steps of a loop are simulated until they repeat, then skipped.

mod evaluated;
mod looped;
mod recurrence;

pub use evaluated::{Evaluated, Steps};
pub use looped::{Looped, Place, Segment, Skip};
pub use recurrence::{Recurrence, solve, starts_shared};
