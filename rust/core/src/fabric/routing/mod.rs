//! Which links a flow takes, and with what share.
//!
//! A [`Network`] is a fabric with its links as bundles (spraying) or one by one (choosing). A
//! [`Routing`] turns a pair of nodes into a [`Route`]: exact shares of bundles, latency and hops.
//! Every routing follows shortest paths by hops over live ordinary links; [`pinned`] routes follow
//! the nodes they are given.

mod adaptive;
mod dest;
mod error;
mod hash;
mod hops;
mod latency;
mod network;
mod paths;
mod plane;
mod route;
mod share;
mod spray;
mod stripes;
mod via;

pub use error::RoutingError;
pub(super) use hops::Toward;
pub use network::Network;
pub use paths::MAX_PATHS;
pub use route::Route;
pub use share::Share;
pub use via::{pinned, pinned_links, resolve_via};

use crate::ids::NodeId;
use crate::suggest;

/// A rule that picks links.
pub trait Routing: Sync + Send + std::fmt::Debug {
    /// Whether it picks single links, and so needs [`Network::of_links`].
    fn needs_links(&self) -> bool {
        true
    }
    /// Whether the same pair may take another route at its next occurrence.
    fn per_occurrence(&self) -> bool {
        false
    }
    /// Whether an automorphism of the fabric takes routes to routes: nothing but links, rates and
    /// hops decides, no name, number or chance.
    fn is_symmetric(&self) -> bool {
        false
    }
    /// A copy that remembers what this one does and goes its own way; none where it remembers nothing.
    fn fork(&self) -> Option<Box<dyn Routing>> {
        None
    }
    /// The route of the `occurrence`-th flow from `src` to `dst`; from a node to itself it is
    /// empty.
    ///
    /// # Errors
    /// If live links do not join the two, or they are not alone in their classes.
    fn route(
        &self,
        network: &Network<'_>,
        src: NodeId,
        dst: NodeId,
        occurrence: u64,
    ) -> Result<Route, RoutingError>;
}

/// What a routing may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingOptions {
    /// Stirs the choices of "hash"; the others make none by chance and pass over it.
    pub seed: u64,
    /// The planes that "plane" may use; all live ones if left out. The others refuse it.
    pub planes: Option<Vec<u32>>,
}

/// A routing in the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name users type.
    pub name: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    build: fn(&RoutingOptions) -> Result<Box<dyn Routing>, RoutingError>,
}

impl Entry {
    /// The routing with these options.
    ///
    /// # Errors
    /// If it does not take an option that is set.
    pub fn build(&self, options: &RoutingOptions) -> Result<Box<dyn Routing>, RoutingError> {
        (self.build)(options)
    }
}

/// Every routing; the first is the default.
pub static ROUTINGS: &[Entry] = &[
    spray::ENTRY,
    hash::ENTRY,
    dest::ENTRY,
    plane::ENTRY,
    adaptive::ENTRY,
];

/// The routing of that name.
///
/// # Errors
/// If there is none; the error lists the nearest names.
pub fn lookup(name: &str) -> Result<&'static Entry, RoutingError> {
    let found = ROUTINGS.iter().find(|entry| entry.name == name);
    found.ok_or_else(|| RoutingError::UnknownRouting {
        name: name.to_owned(),
        hint: suggest::hint(name, ROUTINGS.iter().map(|entry| entry.name)),
    })
}

/// Refuses the option `planes` for a routing that has no use for it.
fn refuse_planes(routing: &'static str, options: &RoutingOptions) -> Result<(), RoutingError> {
    match options.planes {
        None => Ok(()),
        Some(_) => Err(RoutingError::UnknownOption {
            routing,
            option: "planes",
        }),
    }
}
