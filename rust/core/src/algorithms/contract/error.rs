//! Why an algorithm does not answer a problem.

use crate::algorithms::ALGORITHMS;
use crate::collective::{Collective, ProblemError};
use crate::schedule::{ScheduleError, VerifyError};
use crate::suggest;

/// The name is not that of an algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm '{name}'; {}", suggest::hint(name, ALGORITHMS.iter().map(|a| a.name())))]
pub struct UnknownAlgorithm {
    /// The name given.
    pub name: String,
}

/// What an algorithm cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// A collective that is not among its own.
    #[error("{algorithm} does not compute {}; it computes {supported}", collective.name())]
    Collective {
        /// The algorithm.
        algorithm: &'static str,
        /// The collective asked for.
        collective: Collective,
        /// Those it computes.
        supported: String,
    },
    /// A number of ranks that is no power of two.
    #[error("{algorithm} needs 2^k ranks, got {n_ranks}; shift works for any number")]
    PowerOfTwo {
        /// The algorithm.
        algorithm: &'static str,
        /// Ranks in the team.
        n_ranks: u32,
    },
    /// A number of ranks that it cannot serve.
    #[error("{algorithm} needs {needs}, got {n_ranks}; {instead} works for any number")]
    RankCount {
        /// The algorithm.
        algorithm: &'static str,
        /// What it needs: "an even number of ranks".
        needs: &'static str,
        /// Ranks in the team.
        n_ranks: u32,
        /// An algorithm without the constraint.
        instead: &'static str,
    },
    /// An algorithm named in an option that does not fit its part.
    #[error("{algorithm} cannot use its option {option}: {reason}")]
    Inner {
        /// The algorithm.
        algorithm: &'static str,
        /// The option.
        option: &'static str,
        /// Why not.
        reason: String,
    },
    /// Group sizes with little in common.
    #[error(
        "{algorithm} cuts the vector into lcm(group sizes) x groups chunks, here more than {limit}"
    )]
    UnrelatedGroups {
        /// The algorithm.
        algorithm: &'static str,
        /// The most chunks.
        limit: u64,
    },
    /// A value of an option that the question does not allow.
    #[error("{algorithm} takes {option}={value} {only}")]
    OptionHere {
        /// The algorithm.
        algorithm: &'static str,
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// Where it is allowed: "only for ...".
        only: &'static str,
    },
    /// A team without the level that a hierarchy needs.
    #[error(
        "{algorithm} needs a team with a level of groups{}; the team's levels are: {known}",
        asked.as_ref().map(|name| format!(" named '{name}'")).unwrap_or_default()
    )]
    NoLevel {
        /// The algorithm.
        algorithm: &'static str,
        /// The level asked for by name.
        asked: Option<String>,
        /// The team's levels with the number of groups and ranks in each.
        known: String,
    },
    /// Groups of different sizes.
    #[error(
        "{algorithm} needs groups of equal size; in level '{level}' one group has {first} ranks and another {other}"
    )]
    UnequalGroups {
        /// The algorithm.
        algorithm: &'static str,
        /// The level.
        level: String,
        /// Ranks in its first group.
        first: usize,
        /// Ranks in one that differs.
        other: usize,
    },
}

/// An option that an algorithm does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// No option of that name.
    #[error(
        "{algorithm} has no option '{name}'; its options are: {}",
        list(allowed)
    )]
    Unknown {
        /// The algorithm.
        algorithm: &'static str,
        /// The name given.
        name: String,
        /// The names it has.
        allowed: Vec<&'static str>,
    },
    /// A value of the wrong kind or out of range.
    #[error("option {name} of {algorithm} must be {allowed}, got {got}")]
    Value {
        /// The algorithm.
        algorithm: &'static str,
        /// The option.
        name: String,
        /// What is allowed.
        allowed: String,
        /// The value given.
        got: String,
    },
}

fn list(allowed: &[&str]) -> String {
    if allowed.is_empty() {
        "none".to_owned()
    } else {
        allowed.join(", ")
    }
}

/// Why a problem gives no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The problem makes no sense for any algorithm.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The algorithm cannot answer it.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// An option is not accepted.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The schedule would be malformed or too large.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The algorithm is wrong: its schedule does not compute the collective.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
