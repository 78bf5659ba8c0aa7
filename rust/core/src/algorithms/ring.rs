//! Ring: every rank talks to its two neighbors only.
//!
//! All-gather: at step s = 0..n-2 rank r passes block r - s on to r + 1. Reduce-scatter is the
//! transpose of the all-gather that runs the other way around, which makes it the textbook one:
//! rank r sends block r - s - 1 to r + 1 and ends with block r. All-reduce is one after the other.
//! Cost: (n-1) alpha + (n-1)/n S beta each, bandwidth-optimal for any n.
//! Source: Patarasuk, Yuan, "Bandwidth optimal all-reduce algorithms", JPDC 2009;
//! same order in NCCL and HCCL.

use super::contract::{About, Algorithm, Floor};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Op, Program};

/// The ring algorithm.
#[derive(Debug)]
pub(super) struct Ring;

static ABOUT: About = About {
    name: "ring",
    summary: "each rank passes blocks on to the next rank, n - 1 times around",
    source: "Patarasuk, Yuan 2009; NCCL, HCCL",
    constraint: "any n",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[],
};

impl Algorithm for Ring {
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
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let around = problem.n_ranks() - 1;
        match problem.collective {
            Collective::AllReduce => 2 * around,
            _ => around,
        }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        // Every rank sends one block in every step.
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        // A rank sends a block of S/n per step, and each block moves on once it has arrived.
        let steps = self.n_steps(problem);
        let (size_bytes, n) = (problem.size_bytes(), problem.n_ranks().into());
        let path = (0..=steps)
            .map(|step| RankId(step % problem.n_ranks()))
            .collect();
        Floor::new(steps, size_bytes, steps.into(), n)
            .in_a_row(size_bytes, steps.into(), n)
            .along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        Symmetry::of_ranks(n, Alike::Rotations).with_chunks_by_rank(n, n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        if problem.collective != Collective::AllGather {
            program.transposed(n - 1, Op::Reduce, |p| all_gather(p, n, rank, n - 1));
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n - 1, |p| all_gather(p, n, rank, 1));
        }
    }
}

/// Rank r passes on to `r + stride` at step s what it got at step s - 1: block `r - s * stride`.
fn all_gather(program: &mut Program, n: u32, rank: RankId, stride: u32) {
    let next = RankId((rank.0 + stride) % n);
    let mut block = rank.0;
    for step in 0..n - 1 {
        program.send(step, next, ChunkRange::one(block));
        block = (block + n - stride) % n;
    }
}
