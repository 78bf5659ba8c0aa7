//! NB, the nonuniform Bruck algorithm: L steps for every n, all-gather near ranks first.
//!
//! All-gather: at step s = 0..L-1, L = ceil(log2 n), d = 2^s, rank r sends r + d the slices r - i,
//! i < min(d, n-d): Bruck's, so the farthest rank gets the most. Reduce-scatter is NHR's, mirrored: at
//! d = 2^s rank r sends r + d the slices r + d + 2di, i < floor((n-1+d)/(2d)). Scatter is NHR's in the
//! direction of ascending ranks. Cost: as NHR; on tapered fabrics the all-gather is slower.
//! Source: HCCL (cann-hcomm, NB; its text lets the distance fall, its code lets it grow);
//! `reference/algorithms.md` 3.4.

use super::binomial_tree::depth;
use super::contract::{
    About, Algorithm, Blockwise, Floor, Hops, blockwise_floor, blockwise_symmetry, doubling,
    halving, n_phases,
};
use super::nhr::{n_slices, scatter};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::Symmetry;
use crate::schedule::{ChunkRange, Program};

/// NB.
#[derive(Debug)]
pub(super) struct Nb;

static ABOUT: About = About {
    name: "nb",
    summary: "log2 n steps over doubling distances",
    source: "HCCL; Bruck et al. 1997",
    constraint: "any n, any root",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
        Collective::Broadcast,
        Collective::Reduce,
        Collective::Gather,
        Collective::Scatter,
    ],
    options: &[],
};

impl Algorithm for Nb {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match n_phases(collective) {
            2 => "2 ceil(log2 n)",
            _ => "ceil(log2 n)",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce | Collective::Broadcast => "2(n-1)/n S",
            Collective::Reduce => "(n-1)/n S + up to S/2",
            Collective::Gather => "up to S/2",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        n_phases(problem.collective) * depth(problem.n_ranks())
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = problem.n_ranks();
        let hops = Hops {
            all_gather: doubling(n, 1),
            transpose_of_reduce_scatter: halving(n, -1),
            scatter: doubling(n, 1),
        };
        blockwise_floor(problem, &hops)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        blockwise_symmetry(problem)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        Blockwise {
            n_steps: depth(n),
            all_gather: |p: &mut Program| all_gather(p, n, rank),
            transpose_of_reduce_scatter: |p: &mut Program| mirrored_nhr(p, n, rank),
            scatter: |p: &mut Program| scatter(p, problem, rank, 1),
        }
        .write(problem.collective, program);
    }
}

fn all_gather(program: &mut Program, n: u32, rank: RankId) {
    for step in 0..depth(n) {
        let d = 1 << step;
        let count = d.min(n - d);
        let first = (rank.0 + n - (count - 1)) % n;
        let slices = ChunkRange::cyclic(n, first, count, 1);
        program.send(step, RankId((rank.0 + d) % n), slices);
    }
}

/// The all-gather whose transpose is the reduce-scatter: r sends r - d the slices r + 2di.
fn mirrored_nhr(program: &mut Program, n: u32, rank: RankId) {
    for (step, d) in (0..depth(n)).map(|step| (step, 1 << (depth(n) - 1 - step))) {
        let slices = ChunkRange::cyclic(n, rank.0, n_slices(n, d), 2 * d);
        program.send(step, RankId((rank.0 + n - d) % n), slices);
    }
}
