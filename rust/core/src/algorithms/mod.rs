//! The algorithms: how a team computes a collective.
//!
//! One file per algorithm, each a unit struct with an entry in [`ALGORITHMS`] beside its `mod`
//! line; `tests/registry.rs` compares the two. What an algorithm must provide, and the way from a
//! problem to a verified schedule, are in [`contract`]. Algorithms see a team, never a fabric.

pub mod contract;

mod binomial_tree;
mod chain;
mod direct;
mod dissemination;
mod double_binary_tree;
mod hierarchical;
mod nvls;
mod ring;
mod shift;
mod xor;

pub use contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, PlanError, UnknownAlgorithm,
    Unsupported, algorithms_for, check, lookup, orbit_schedule, schedule, variants,
};

/// All algorithms, in documentation order.
pub static ALGORITHMS: &[&dyn Algorithm] = &[
    &ring::Ring,
    &double_binary_tree::DoubleBinaryTree,
    &hierarchical::Hierarchical,
    &binomial_tree::BinomialTree,
    &chain::Chain,
    &direct::Direct,
    &shift::Shift,
    &xor::Xor,
    &dissemination::Dissemination,
    &nvls::Nvls,
];
