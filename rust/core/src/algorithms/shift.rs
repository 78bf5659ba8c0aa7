//! Linear shift: an all-to-all as n - 1 permutations.
//!
//! At step s = 1..n-1 rank r sends block r + s to rank r + s (and receives from r - s), so each
//! rank has one partner per direction at a time. Cost: (n-1) alpha + (n-1)/n S beta.
//! Source: HCCL "Pairwise"; MPICH `alltoall_pairwise`; `reference/algorithms.md` 3.12.

use super::contract::{About, Algorithm, pair};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The linear shift algorithm.
#[derive(Debug)]
pub(super) struct Shift;

static ABOUT: About = About {
    name: "shift",
    summary: "at step s every rank sends to the rank s places on",
    source: "HCCL pairwise; MPICH",
    constraint: "any n",
    collectives: &[Collective::AllToAll],
    options: &[],
};

impl Algorithm for Shift {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "n-1"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "(n-1)/n S"
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
        Symmetry::of_ranks(n, Alike::Rotations).with_chunks_by_pair(n, n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        for distance in 1..n {
            let to = (rank.0 + distance) % n;
            let block = pair(n, rank.0, to);
            program.send(distance - 1, RankId(to), ChunkRange::one(block));
        }
    }
}
