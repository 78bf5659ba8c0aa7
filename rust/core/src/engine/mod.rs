//! Engines: from a workload (flows on resources) to a timeline, with its proof.

pub mod number;
