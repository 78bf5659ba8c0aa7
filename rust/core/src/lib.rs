//! Exact simulation of collectives on AI supernodes.
//!
//! A question ("how long does this all-reduce take on that fabric, and why?") passes through a
//! chain of types, each valid once it exists:
//!
//! ```text
//! Collective + Team --algorithm--> Schedule --routing over Fabric--> Workload --engine--> Timeline
//!  what must hold                  who sends   which resources        flows       when, and proof
//!                                  what to whom
//! ```
//!
//! The modules depend on each other in one direction only (`tests/layers.rs` enforces it); see
//! ARCHITECTURE.md for the map and the invariants.

pub mod algorithms;
pub mod bounds;
pub mod bracket;
pub mod charge;
pub mod collective;
pub mod cost;
pub mod csr;
pub mod engine;
pub mod error;
pub mod explain;
pub mod fabric;
pub mod ids;
pub mod placement;
pub mod plan;
pub mod question;
pub mod report;
pub mod rules;
pub mod schedule;
pub mod session;
pub mod simulate;
pub mod splitmix;
pub mod suggest;
pub mod sweep;
pub mod team;
