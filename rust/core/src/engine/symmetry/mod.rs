//! Symmetry: operations that must behave alike are simulated once.

mod quotient;
mod refine;

pub use quotient::{PartitionError, Quotient, quotient};
pub use refine::{Partition, refine};
