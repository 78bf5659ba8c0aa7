//! What an algorithm provides: a description for users, and what rank r sends.
//!
//! An algorithm is SPMD: it never sees all ranks at once. Its counts of chunks, steps and transfers
//! are known before anything is allocated, so that a question too large is refused, not attempted.

mod blockwise;
mod error;
mod floor;
mod fold;
mod groups;
mod lanes;
mod options;
mod orbits;
mod pairs;
mod plan;
mod tokens;
pub(super) mod two_trees;

pub use error::{OptionError, PlanError, UnknownAlgorithm, Unsupported};
pub use floor::Floor;
pub use options::{Candidate, OptionKind, OptionSpec};
pub use orbits::orbit_schedule;
pub use plan::{algorithms_for, check, excerpt, lookup, n_chunks, schedule, variants};

pub use tokens::Slots;

pub(super) use blockwise::{
    Blockwise, Hops, blockwise_floor, blockwise_symmetry, doubling, halving, n_phases,
};
pub(super) use floor::{path_from, up_and_down};
pub(super) use fold::{FOLD, Fold, Part};
pub(super) use groups::{equal_groups_of, level_of, place_of};
pub(super) use lanes::Lanes;
pub(super) use options::{CHUNKS, default_chunks};
pub(super) use pairs::pair;
pub(super) use tokens::{LOCAL, MESSAGES, WINDOW, Window, copies_local, exchange, tokens};

use std::ops::Range;

use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::Program;
use crate::schedule::symmetry::Symmetry;

/// An algorithm's entry in the documentation.
#[derive(Debug)]
pub struct About {
    /// The public name; also the name of its file.
    pub name: &'static str,
    /// One sentence: how it works.
    pub summary: &'static str,
    /// Who described it, where.
    pub source: &'static str,
    /// Which teams it works for.
    pub constraint: &'static str,
    /// Which collectives it computes.
    pub collectives: &'static [Collective],
    /// What can be chosen.
    pub options: &'static [OptionSpec],
}

/// A way to compute some collectives.
pub trait Algorithm: Sync {
    /// Name, summary, source, constraint, collectives and options.
    fn about(&self) -> &'static About;

    /// Number of steps as a formula in n (ranks), K (chunks) and the like.
    fn steps_formula(&self, collective: Collective) -> &'static str;

    /// The most bytes that one rank sends, as a formula in S (size), n and K.
    fn bytes_formula(&self, collective: Collective) -> &'static str;

    /// Whether it can answer a checked problem of one of its collectives.
    fn supports(&self, _problem: &Problem) -> Result<(), Unsupported> {
        Ok(())
    }

    /// The steps whose reductions and multicasts are done by the switches of the fabric. Only asked
    /// for two ranks or more.
    fn in_network(&self, _problem: &Problem) -> Vec<Range<u32>> {
        Vec::new()
    }

    /// Chunks that each buffer is divided into; see [`Collective::n_buffers`].
    fn n_chunks(&self, problem: &Problem) -> u32;

    /// What the chunks of tokens are and take; only asked where tokens move.
    fn slots(&self, problem: &Problem) -> Slots {
        Slots::of(problem)
    }

    /// Steps for two ranks or more and a size above zero.
    fn n_steps(&self, problem: &Problem) -> u32;

    /// Transfers, or an upper bound, in time linear in the number of ranks at most.
    fn n_transfers(&self, problem: &Problem) -> u64;

    /// What its schedule must at least do where all chunks are equal, without building it: a
    /// search for the fastest algorithm leaves out what is too slow by this alone. Only asked for
    /// two ranks or more.
    fn floor(&self, _problem: &Problem) -> Floor {
        Floor::default()
    }

    /// Which permutations of the ranks leave its schedule as it is. Where the machine has them too,
    /// only the sends of representatives are enumerated. Only asked for two ranks or more.
    fn symmetry(&self, _problem: &Problem) -> Symmetry {
        Symmetry::NONE
    }

    /// Writes what `rank` sends. Only asked for two ranks or more.
    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program);

    /// The public name.
    fn name(&self) -> &'static str {
        self.about().name
    }
}

impl std::fmt::Debug for dyn Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
