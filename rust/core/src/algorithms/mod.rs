//! The algorithms: how a team computes a collective.
//!
//! One file per algorithm, each a unit struct with an entry in [`ALGORITHMS`] beside its `mod`
//! line; `tests/registry.rs` compares the two. What an algorithm must provide, and the way from a
//! problem to a verified schedule, are in [`contract`]. Algorithms see a team, never a fabric.

pub mod contract;

mod ahc;
mod bidirectional_ring;
mod bine;
mod binomial_tree;
mod bruck;
mod chain;
mod direct;
mod direct_write;
mod dissemination;
mod double_binary_tree;
mod grouped;
mod halving_doubling;
mod hierarchical;
mod kary_tree;
mod low_latency;
mod multi_ring;
mod nb;
mod neighbor_exchange;
mod nhr;
mod nvls;
mod one_shot;
mod pat;
mod pipeline;
mod rabenseifner;
mod recursive_doubling;
mod ring;
mod shift;
mod swing;
mod two_level;
mod two_phase;
mod two_shot;
mod xor;

pub use contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, PlanError, Slots, UnknownAlgorithm,
    Unsupported, algorithms_for, check, excerpt, lookup, n_chunks, orbit_schedule, schedule,
    variants,
};

/// All algorithms, in documentation order.
pub static ALGORITHMS: &[&dyn Algorithm] = &[
    &ring::Ring,
    &bidirectional_ring::BidirectionalRing,
    &multi_ring::MultiRing,
    &neighbor_exchange::NeighborExchange,
    &nhr::Nhr,
    &nb::Nb,
    &recursive_doubling::RecursiveDoubling,
    &rabenseifner::Rabenseifner,
    &halving_doubling::HalvingDoubling,
    &one_shot::OneShot,
    &two_shot::TwoShot,
    &double_binary_tree::DoubleBinaryTree,
    &kary_tree::KaryTree,
    &pat::Pat,
    &swing::Swing,
    &hierarchical::Hierarchical,
    &ahc::Ahc,
    &pipeline::Pipeline,
    &binomial_tree::BinomialTree,
    &bine::Bine,
    &chain::Chain,
    &direct::Direct,
    &shift::Shift,
    &xor::Xor,
    &grouped::Grouped,
    &bruck::Bruck,
    &two_level::TwoLevel,
    &dissemination::Dissemination,
    &nvls::Nvls,
    &low_latency::LowLatency,
    &two_phase::TwoPhase,
    &direct_write::DirectWrite,
];
