//! Bidirectional ring: every block is cut in two halves that travel opposite ways.
//!
//! At step s = 0..n-2 rank r passes half 0 of block r - s on to r + 1 and half 1 of block r + s to r - 1.
//! Reduce-scatter is the transpose, all-reduce both. Through one port it costs what a ring does,
//! (n-1) alpha + (n-1)/n S beta each; where either neighbor has a port of its own, as on a physical
//! ring, the bytes cost half. HCCL's double ring is this one with the orders 0, 1, ... and 0, n-1, ...
//! Source: HCCL double ring; `reference/algorithms.md` 3.1.

use super::contract::{About, Algorithm, Floor, up_and_down};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Op, Program};

/// The bidirectional ring.
#[derive(Debug)]
pub(super) struct BidirectionalRing;

static ABOUT: About = About {
    name: "bidirectional_ring",
    summary: "half of each block goes around one way, the other half the other way",
    source: "HCCL double ring",
    constraint: "any n",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[],
};

impl Algorithm for BidirectionalRing {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)",
            _ => "n-1",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        2 * problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let around = problem.n_ranks() - 1;
        match problem.collective {
            Collective::AllReduce => 2 * around,
            _ => around,
        }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        2 * u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (steps, n) = (self.n_steps(problem), problem.n_ranks());
        // The half of a block that is gathered forward has been summed backward.
        let forward: Vec<RankId> = (0..n).map(RankId).collect();
        let backward = forward.iter().rev().copied().collect();
        let path = match problem.collective {
            Collective::AllGather => forward,
            Collective::ReduceScatter => backward,
            _ => up_and_down(&forward),
        };
        Floor::new(steps, problem.size_bytes(), steps.into(), n.into()).along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        Symmetry::of_ranks(n, Alike::Rotations).with_chunks_by_rank(n, 2 * n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        if problem.collective != Collective::AllGather {
            program.transposed(n - 1, Op::Reduce, |p| all_gather(p, n, rank));
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n - 1, |p| all_gather(p, n, rank));
        }
    }
}

fn all_gather(program: &mut Program, n: u32, rank: RankId) {
    for step in 0..n - 1 {
        for (half, forward) in [(0, 1), (1, n - 1)] {
            // What comes from the rank behind began `step` ranks behind.
            let block = (rank.0 + step * (n - forward)) % n;
            let to = RankId((rank.0 + forward) % n);
            program.send(step, to, ChunkRange::one(2 * block + half));
        }
    }
}
