//! What a collective costs beside the network: the endpoint and the software.
//!
//! A library launches a kernel, synchronizes, takes steps, and moves bytes at the rate of the
//! protocol that it chose; the network only decides where it is slower than that. One form for all
//! libraries, a sum of named terms with at most a dozen fitted numbers each ([`Parameters`]); which
//! [`Regime`] applies is the library's choice (`rules`) and never fitted. The forms are linear in
//! 1/rate and in the times, so that a fit is well behaved. Source: `reference/fidelity.md` 1 and 3.

#![expect(
    non_snake_case,
    reason = "GBs and kB are units, which end a name and keep their case"
)]

mod calibration;
mod form;
mod moe;
mod parameters;
mod shape;

pub use calibration::{Calibration, CalibrationError, Tuning};
pub use form::{Form, Term, TermKind, total_us};
pub use moe::{Moe, Operation};
pub use parameters::{PARAMETERS, Parameter, Parameters, Quantity, UnknownParameter};
pub use shape::Shape;

/// The way in which a library moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Regime {
    /// Small: the flag travels inside the data (NCCL LL).
    Ll,
    /// Small: every peer is written or read at once (HCCL on the vector cores).
    Direct,
    /// Middle: a flag per 128 bytes (NCCL LL128).
    Mid,
    /// Large, step by step (NCCL Simple, HCCL ring).
    Bulk,
    /// Large, to every peer at once (send/receive, all-to-all).
    Pair,
    /// The switches reduce (NVLS).
    Switch,
    /// Loads from memory far away.
    Read,
    /// Stores to memory far away.
    Write,
}

impl Regime {
    /// All regimes, in documentation order.
    pub const ALL: [Self; 8] = [
        Self::Ll,
        Self::Direct,
        Self::Mid,
        Self::Bulk,
        Self::Pair,
        Self::Switch,
        Self::Read,
        Self::Write,
    ];

    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ll => "ll",
            Self::Direct => "direct",
            Self::Mid => "mid",
            Self::Bulk => "bulk",
            Self::Pair => "pair",
            Self::Switch => "switch",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The regime of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|regime| regime.name() == name)
    }
}
