//! The machine: endpoints, switches and links, how they nest, and which links a flow takes.
//!
//! A [`Fabric`] is immutable and valid once it exists. It comes from a [`presets`] entry or from
//! a [`FabricBuilder`] (any graph), and [`Fabric::degrade`] derives one with slower or failed
//! links. [`Bundles`] merges links that always carry equal loads, and [`routing`] turns a pair of
//! nodes into exact shares of those bundles.
#![expect(
    non_snake_case,
    reason = "B/s must not read as b/s: the unit suffix is `_Bps` everywhere"
)]

mod automorphism;
mod builder;
mod bundle;
mod calibrate;
mod change;
mod cut;
mod degrade;
mod digest;
mod element;
mod error;
mod flow;
mod glob;
mod graph;
mod hierarchy;
mod memo;
mod params;
mod parts;
pub mod presets;
mod refine;
pub mod routing;
mod select;
mod summary;
mod weigh;

pub use automorphism::{Automorphism, AutomorphismSearch};
pub use builder::FabricBuilder;
pub use bundle::{Bundle, Bundles, Hop};
pub use change::{LinkChange, Phase};
pub use cut::Cut;
pub use element::{Link, LinkKind, Node, NodeKind, WHOLE_PPM};
pub use error::FabricError;
pub use graph::Fabric;
pub use hierarchy::ContainerLevel;
pub use params::{Allowed, ParamSpec, ParamValue, Params};
pub use summary::Summary;
