//! Why a flow has no route.

use crate::fabric::error::FabricError;

/// Why a route cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// No live path.
    #[error(
        "no live path leads from '{src}' to '{dst}'; routes use ordinary links above 0 B/s and pass only switches"
    )]
    Unreachable {
        /// The flow's source.
        src: String,
        /// Its destination.
        dst: String,
    },
    /// A switch that neither reduces nor multicasts.
    #[error(
        "switch '{switch}' does not reduce and multicast in the network; choose another algorithm"
    )]
    NotInNetwork {
        /// The switch.
        switch: String,
    },
    /// Reductions in the network along chosen paths.
    #[error("reductions and multicasts in the network need routing 'spray'")]
    TreeRouting,
    /// None of the allowed planes leads there.
    #[error("no plane of {allowed:?} leads from '{src}' to '{dst}'; live planes: {live:?}")]
    NoPlane {
        /// The flow's source.
        src: String,
        /// Its destination.
        dst: String,
        /// The planes allowed.
        allowed: Vec<u32>,
        /// The planes on live shortest paths.
        live: Vec<u32>,
    },
    /// A route's end shares its class with other nodes.
    #[error(
        "'{node}' cannot be the end of a route: it is merged with {n_merged} nodes; distinguish it"
    )]
    MergedEnd {
        /// The node.
        node: String,
        /// Other nodes in its class.
        n_merged: usize,
    },
    /// A share's numerator or denominator exceeds 64 bits.
    #[error(
        "the shares from '{src}' to '{dst}' need a denominator above 2^64; use rates with common factors"
    )]
    ShareOverflow {
        /// The flow's source.
        src: String,
        /// Its destination.
        dst: String,
    },
    /// Too many equal-cost paths to list.
    #[error(
        "'{src}' and '{dst}' are joined by {n_paths} shortest paths; at most {high} are listed"
    )]
    TooManyPaths {
        /// The source.
        src: String,
        /// The destination.
        dst: String,
        /// How many there are.
        n_paths: u128,
        /// How many are listed at most.
        high: u128,
    },
    /// A pinned route uses a link that is not there.
    #[error("the pinned route needs a link '{src}->{dst}', which the fabric does not have; {hint}")]
    MissingLink {
        /// Where it would start.
        src: String,
        /// Where it would end.
        dst: String,
        /// Links that are there.
        hint: String,
    },
    /// A pinned route uses a failed link.
    #[error("the pinned route needs the link '{link}', which has failed (0 B/s)")]
    FailedLink {
        /// The link's name.
        link: String,
    },
    /// A pinned route passes a node that does not forward for it.
    #[error(
        "the pinned route passes '{node}', a node of kind {kind}; only switches forward, and a nic for the end of the route it is linked to"
    )]
    NotForwarding {
        /// The node.
        node: String,
        /// Its kind.
        kind: &'static str,
    },
    /// A pinned route passes a node twice.
    #[error("the pinned route passes '{node}' twice; each node may appear once")]
    RepeatedNode {
        /// The node.
        node: String,
    },
    /// A pinned link is merged with others.
    #[error(
        "the pinned link '{link}' is merged in a bundle of {n_links}; route it on single links or distinguish its switches"
    )]
    MergedLink {
        /// The link's name.
        link: String,
        /// Links in the bundle.
        n_links: u32,
    },
    /// No routing of that name.
    #[error("no routing is named '{name}'; {hint}")]
    UnknownRouting {
        /// The name.
        name: String,
        /// The nearest names.
        hint: String,
    },
    /// An option that the routing does not take.
    #[error("routing '{routing}' has no option '{option}'; only 'plane' takes it")]
    UnknownOption {
        /// The routing.
        routing: &'static str,
        /// The option.
        option: &'static str,
    },
    /// An empty list of planes.
    #[error("planes is empty; name at least one plane or leave it out")]
    EmptyPlanes,
    /// A node of a pinned route is not in the fabric.
    #[error(transparent)]
    Fabric(#[from] FabricError),
}
