//! Why a fabric cannot be built, derived, selected from or looked up.

use super::params::ParamValue;
use crate::cost::CalibrationError;
use crate::team::TeamError;

/// Why a fabric, or something asked of it, cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FabricError {
    /// A calibration with a number outside its range.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A weight that routing cannot have.
    #[error(
        "weight {factor} of '{selector}' is not allowed: weights are 0, or a millionth to 1000, and so \
         are their products"
    )]
    BadWeight {
        /// The selector.
        selector: String,
        /// The factor.
        factor: f64,
    },
    /// Weights without a common unit.
    #[error(
        "nominal rates times weights add up to {total} of their common units, above 2^64; round the \
         weights so that their ratios are simpler"
    )]
    WeightsTooFine {
        /// The sum.
        total: u128,
    },
    /// No endpoint among the nodes.
    #[error("a fabric needs at least one endpoint, got {n_nodes} nodes and no endpoint")]
    NoEndpoint {
        /// Nodes given.
        n_nodes: usize,
    },
    /// A name breaks the rule for names.
    #[error(
        "{what} name '{name}' is not allowed: names are not empty and hold no whitespace and no '->'"
    )]
    BadName {
        /// What is named: "node", "level", "link kind".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name is used twice.
    #[error("{what} name '{name}' appears twice; {what} names are unique")]
    DuplicateName {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A link, container or rate mentions an id that is not there.
    #[error("{what} {id} does not exist; allowed: 0..{n}")]
    UnknownId {
        /// What the id counts: "node", "level", "link kind".
        what: &'static str,
        /// The id.
        id: u32,
        /// How many there are.
        n: usize,
    },
    /// No node has that name.
    #[error("no node is named '{name}'; {hint}")]
    UnknownNode {
        /// The name.
        name: String,
        /// The nearest names.
        hint: String,
    },
    /// A link from a node to itself.
    #[error("link '{link}' joins a node to itself; src and dst must differ")]
    SelfLink {
        /// The link's name.
        link: String,
    },
    /// Two links with the same ends.
    #[error("link '{link}' appears twice; add the rates of parallel links into one")]
    DuplicateLink {
        /// The link's name.
        link: String,
    },
    /// A rate outside its range.
    #[error("{what} of '{name}' is {value} B/s; allowed: {low}..={high}")]
    RateRange {
        /// Which rate: "nominal rate", "live rate", "reduction rate".
        what: &'static str,
        /// The link or node.
        name: String,
        /// The rate, in B/s.
        value: u64,
        /// Least allowed.
        low: u64,
        /// Largest allowed.
        high: u64,
    },
    /// Sums along paths could overflow.
    #[error("the {what} of all links add up to {total}; allowed: at most {high}")]
    TotalRange {
        /// "nominal rates (B/s)" or "latencies (ps)".
        what: &'static str,
        /// The sum.
        total: u128,
        /// Largest allowed.
        high: u64,
    },
    /// A reduction rate on something that is no endpoint.
    #[error("'{node}' has a reduction rate but is no endpoint; only endpoints reduce")]
    NotAnEndpoint {
        /// The node's name.
        node: String,
    },
    /// A capability of switches on something else.
    #[error("'{node}' is no switch; only switches reduce and multicast in the network")]
    NotASwitch {
        /// The node's name.
        node: String,
    },
    /// An endpoint or an inner container that a level does not place.
    #[error(
        "level '{level}' does not place '{node}'; it must place every endpoint and every node that an inner level places"
    )]
    Unplaced {
        /// The level's name.
        level: String,
        /// The node's name.
        node: String,
    },
    /// A container straddles two outer ones.
    #[error(
        "level '{inner}' does not nest inside level '{outer}': '{a}' and '{b}' share a container of the first only"
    )]
    NotNested {
        /// The inner level's name.
        inner: String,
        /// The outer level's name.
        outer: String,
        /// One node.
        a: String,
        /// Another node.
        b: String,
    },
    /// A selector that matches nothing.
    #[error("selector '{selector}' matches no {what}; {hint}")]
    UnknownSelector {
        /// The selector.
        selector: String,
        /// "node" or "link".
        what: &'static str,
        /// The nearest names.
        hint: String,
    },
    /// A factor outside 0 to 1.
    #[error("factor {factor} for selector '{selector}' is not allowed: 0 (failed) to 1 (as it is)")]
    BadFactor {
        /// The selector.
        selector: String,
        /// The factor.
        factor: f64,
    },
    /// A factor above 0 that leaves less than 1 B/s.
    #[error(
        "link '{link}' of {rate_Bps} B/s times {factor} rounds to 0 B/s; use a factor of 0 for a failed link"
    )]
    VanishingRate {
        /// The link's name.
        link: String,
        /// Its live rate before.
        rate_Bps: u64,
        /// The product of the factors.
        factor: f64,
    },
    /// No preset of that name.
    #[error("no fabric preset is named '{name}'; {hint}")]
    UnknownPreset {
        /// The name.
        name: String,
        /// The nearest names.
        hint: String,
    },
    /// A parameter that the preset does not have.
    #[error("preset '{preset}' has no parameter '{name}'; allowed: {allowed}")]
    UnknownParam {
        /// The preset.
        preset: String,
        /// The parameter.
        name: String,
        /// The preset's parameters.
        allowed: String,
    },
    /// A parameter's value outside its range or of the wrong type.
    #[error("parameter '{name}' of preset '{preset}' is {value}; allowed: {allowed}")]
    BadParam {
        /// The preset.
        preset: String,
        /// The parameter.
        name: String,
        /// The value.
        value: ParamValue,
        /// The allowed values.
        allowed: String,
    },
    /// A team without ranks.
    #[error("a team needs at least one rank, got none")]
    NoRanks,
    /// A rank on an endpoint that is not there.
    #[error("rank {rank} is on endpoint {endpoint}; allowed: 0..{n_endpoints}")]
    RankRange {
        /// Position in the list.
        rank: usize,
        /// The endpoint given.
        endpoint: u32,
        /// Endpoints of the fabric.
        n_endpoints: u32,
    },
    /// Two ranks on one endpoint.
    #[error(
        "ranks {first} and {second} are both on endpoint {endpoint}; endpoints of a team differ"
    )]
    DuplicateRank {
        /// The endpoint.
        endpoint: u32,
        /// One position in the list.
        first: usize,
        /// A later position.
        second: usize,
    },
    /// The levels do not make a team.
    #[error(transparent)]
    Team(#[from] TeamError),
}
