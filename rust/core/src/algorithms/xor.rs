//! XOR exchange: an all-to-all as n - 1 perfect matchings.
//!
//! At step s = 1..n-1 rank r and rank r XOR s swap their blocks, so partners are symmetric, which
//! suits links that are shared by both directions. Needs n = 2^k. Cost: (n-1) alpha + (n-1)/n S beta.
//! Source: MPICH pairwise exchange for powers of two (Thakur et al. 2005); `reference/algorithms.md`
//! 3.12.

use super::contract::{About, Algorithm, Unsupported, pair};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The XOR algorithm.
#[derive(Debug)]
pub(super) struct Xor;

static ABOUT: About = About {
    name: "xor",
    summary: "at step s ranks r and r XOR s swap their blocks",
    source: "Thakur, Rabenseifner, Gropp 2005; MPICH",
    constraint: "n = 2^k",
    collectives: &[Collective::AllToAll],
    options: &[],
};

impl Algorithm for Xor {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "n-1"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "(n-1)/n S"
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let n_ranks = problem.n_ranks();
        if n_ranks.is_power_of_two() {
            return Ok(());
        }
        Err(Unsupported::PowerOfTwo {
            algorithm: ABOUT.name,
            n_ranks,
        })
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        problem.n_ranks() - 1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        n * (n - 1)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        Symmetry::of_ranks(n, Alike::Xor).with_chunks_by_pair(n, n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        for mask in 1..n {
            let to = rank.0 ^ mask;
            let block = pair(n, rank.0, to);
            program.send(mask - 1, RankId(to), ChunkRange::one(block));
        }
    }
}
