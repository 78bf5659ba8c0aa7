//! One-shot mesh: everybody sends everything to everybody.
//!
//! All-reduce in a single step: rank r sends its whole vector to r + 1, r + 2, ..., and each sums
//! what comes in. One message latency, n - 1 vectors per port, so for small vectors and few ranks.
//! Cost: alpha + (n-1) S (beta + gamma) through one port; on a full mesh of private links
//! alpha + S beta + (n-1) S gamma.
//! Source: MSCCL++ all-pairs, HCCL mesh one-shot; `reference/algorithms.md` 3.11.

use super::contract::{About, Algorithm, Floor};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The one-shot mesh.
#[derive(Debug)]
pub(super) struct OneShot;

static ABOUT: About = About {
    name: "one_shot",
    summary: "every rank sends its whole vector to every other rank at once",
    source: "HCCL mesh one-shot; MSCCL++ all-pairs",
    constraint: "any n",
    collectives: &[Collective::AllReduce],
    options: &[],
};

impl Algorithm for OneShot {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "1"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "(n-1) S"
    }

    fn n_chunks(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_steps(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        n * (n - 1)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let others = u64::from(problem.n_ranks() - 1);
        Floor::new(1, problem.size_bytes(), others, 1)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        Symmetry::of_ranks(problem.n_ranks(), Alike::Any)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        for distance in 1..n {
            let to = RankId((rank.0 + distance) % n);
            program.reduce(0, to, ChunkRange::one(0u32));
        }
    }
}
