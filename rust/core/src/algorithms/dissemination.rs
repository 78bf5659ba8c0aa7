//! Dissemination barrier: knowledge of who has entered doubles at each step.
//!
//! At step s = 0..L-1, L = ceil(log2 n), rank r signals rank r + 2^s; after it every rank knows of
//! the 2^(s+1) ranks up to itself. Signals carry no bytes. Cost: L alpha for any n.
//! Source: Hensgen, Finkel, Manber, "Two algorithms for barrier synchronization", IJPP 1988.

use super::contract::{About, Algorithm, Floor};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The dissemination barrier.
#[derive(Debug)]
pub(super) struct Dissemination;

static ABOUT: About = About {
    name: "dissemination",
    summary: "at step s every rank signals the rank 2^s places on",
    source: "Hensgen, Finkel, Manber 1988",
    constraint: "any n",
    collectives: &[Collective::Barrier],
    options: &[],
};

impl Algorithm for Dissemination {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "ceil(log2 n)"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "0"
    }

    fn n_chunks(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        problem.n_ranks().next_power_of_two().ilog2()
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        Floor::new(self.n_steps(problem), 0, 0, 1)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        Symmetry::of_ranks(problem.n_ranks(), Alike::Rotations)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        for step in 0..self.n_steps(problem) {
            let to = (rank.0 + (1 << step)) % n;
            program.send(step, RankId(to), ChunkRange::one(0u32));
        }
    }
}
