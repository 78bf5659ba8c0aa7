//! Neighbor exchange: pairs of neighbors swap blocks, alternating sides.
//!
//! All-gather for even n in n/2 steps: at step 0 ranks 2i and 2i + 1 swap their blocks; at step s rank r
//! meets r + 1 if (r is even) == (s is even), else r - 1, and they swap the two blocks that each
//! received last (at step 1 the own pair). Reduce-scatter is the transpose, all-reduce both. Cost:
//! n/2 alpha + (n-1)/n S beta, half of the ring's steps; either neighbor is used in turn.
//! Source: Chen, Zhang, Zhang, Yuan, "Performance evaluation of allgather algorithms on terascale
//! Linux cluster with fast Ethernet", HPC Asia 2005; Open MPI; `reference/algorithms.md` 3.1.

use super::contract::{About, Algorithm, Floor, Unsupported};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Op, Program};

/// Neighbor exchange.
#[derive(Debug)]
pub(super) struct NeighborExchange;

static ABOUT: About = About {
    name: "neighbor_exchange",
    summary: "neighbors swap the two blocks they got last, on alternating sides",
    source: "Chen et al. 2005; Open MPI",
    constraint: "even n",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[],
};

impl Algorithm for NeighborExchange {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "n",
            _ => "n/2",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let n_ranks = problem.n_ranks();
        if n_ranks == 1 || n_ranks.is_multiple_of(2) {
            return Ok(());
        }
        Err(Unsupported::RankCount {
            algorithm: ABOUT.name,
            needs: "an even number of ranks",
            n_ranks,
            instead: "ring",
        })
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::AllReduce => problem.n_ranks(),
            _ => problem.n_ranks() / 2,
        }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        let (steps, size_bytes) = (self.n_steps(problem), problem.size_bytes());
        match problem.collective {
            Collective::AllReduce => Floor::new(steps, size_bytes, 2 * (n - 1), n),
            _ => Floor::new(steps, size_bytes, n - 1, n),
        }
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        // Even ranks turn the other way than odd ones.
        Symmetry {
            ranks: vec![(2, Alike::None), (n / 2, Alike::Rotations)],
            ..Symmetry::NONE.with_chunks_by_rank(n, n)
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        if problem.collective != Collective::AllGather {
            program.transposed(n / 2, Op::Reduce, |p| all_gather(p, n, rank));
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n / 2, |p| all_gather(p, n, rank));
        }
    }
}

fn all_gather(program: &mut Program, n: u32, rank: RankId) {
    let partner = |r: u32, step: u32| {
        let is_upward = r.is_multiple_of(2) == step.is_multiple_of(2);
        (r + if is_upward { 1 } else { n - 1 }) % n
    };
    program.send(0, RankId(partner(rank.0, 0)), ChunkRange::one(rank.0));
    for step in 1..n / 2 {
        // What came at step s - 1 had been received a step before by a rank one further on the same
        // side, and so on: s - 1 places on is the rank whose pair it is.
        let side = (partner(rank.0, step - 1) + n - rank.0) % n;
        let origin = (rank.0 + (step - 1) * side) % n;
        let pair = ChunkRange::span(origin / 2 * 2, 2);
        program.send(step, RankId(partner(rank.0, step)), pair);
    }
}
