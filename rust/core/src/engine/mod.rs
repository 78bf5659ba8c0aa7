//! Engines: from a workload (flows on resources) to a timeline, with its proof.

pub mod binding;
pub mod certificate;
pub mod event_queue;
pub mod fluid;
pub mod ladder;
pub mod layers;
pub mod maxmin;
pub mod number;
pub mod observer;
pub mod online;
pub mod pieces;
pub mod repeat;
pub mod symmetry;
pub mod timeline;
pub mod workload;
