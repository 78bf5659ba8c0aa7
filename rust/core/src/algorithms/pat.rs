//! PAT, parallel aggregated trees: a binomial tree per block, with few buffers.
//!
//! With P = 2^ceil(log2 n), A the aggregation (a power of two, at most P) and D = P/A. All-gather,
//! logarithmic part: at d = P/2, P/4, ..., D rank r sends r - d the blocks r + 2dj, for all j with
//! 2dj + d < n. Linear part: for the offsets o of a D-element binomial tree in depth-first order, with
//! b = o & -o, rank r sends r - b the blocks r + aD + o - b, for all a < A with aD + o < n. Depth first,
//! at most log2 D blocks wait in buffers. Reduce-scatter is the transpose. log2 A + D - 1 steps, fewer
//! if n < P. Cost: steps alpha + (n-1)/n S beta. A = P is a mirrored NHR.
//! Source: Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at scale",
//! arXiv 2506.20252, 2025; NCCL; `reference/algorithms.md` 3.7.

use super::binomial_tree::depth;
use super::contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, blockwise_symmetry,
};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::Symmetry;
use crate::schedule::{ChunkRange, Op, Program};

/// PAT.
#[derive(Debug)]
pub(super) struct Pat;

const AGGREGATION: &str = "log2_aggregation";

static ABOUT: About = About {
    name: "pat",
    summary: "a binomial tree per block: far hops for all blocks at once, near ones depth first",
    source: "Jeaugey 2025 (arXiv 2506.20252); NCCL",
    constraint: "any n",
    collectives: &[Collective::ReduceScatter, Collective::AllGather],
    options: &[OptionSpec {
        name: AGGREGATION,
        summary: "log2 of A, the blocks sent at once in the linear part; by default ceil(log2 n), all of them",
        kind: OptionKind::Int { low: 0, high: 32 },
        candidates: &[Candidate::Int(0), Candidate::Int(3)],
    }],
};

impl Algorithm for Pat {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "log2 A + D - 1, D = 2^ceil(log2 n)/A; fewer if n is not 2^k"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "(n-1)/n S"
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        steps(problem).len() as u32
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks()) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        Floor::new(problem.n_ranks().ilog2(), problem.size_bytes(), n - 1, n)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        blockwise_symmetry(problem)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let steps = steps(problem);
        let all_gather = |p: &mut Program| {
            let n = problem.n_ranks();
            for (step, hop) in steps.iter().enumerate() {
                let to = RankId((rank.0 + n - hop.distance) % n);
                let first = (rank.0 + hop.first) % n;
                let blocks = ChunkRange::cyclic(n, first, hop.count, hop.stride);
                p.send(step as u32, to, blocks);
            }
        };
        match problem.collective {
            Collective::ReduceScatter => {
                program.transposed(steps.len() as u32, Op::Reduce, all_gather);
            }
            _ => program.phase(steps.len() as u32, all_gather),
        }
    }
}

/// What every rank r does in one step: blocks r + first, r + first + stride, ... go to r - distance.
struct Hop {
    distance: u32,
    first: u32,
    count: u32,
    stride: u32,
}

fn steps(problem: &Problem) -> Vec<Hop> {
    let (n, log2) = (problem.n_ranks(), depth(problem.n_ranks()));
    let asked = problem.options.int(AGGREGATION);
    let aggregated = asked.map_or(log2, |asked| log2.min(asked as u32));
    // D, the size of the trees of the linear part.
    let tree = 1 << (log2 - aggregated);
    let far = (0..aggregated).map(|i| {
        let distance = 1 << (log2 - 1 - i);
        Hop {
            distance,
            first: 0,
            count: (n - 1 - distance) / (2 * distance) + 1,
            stride: 2 * distance,
        }
    });
    let near = depth_first(tree).into_iter().filter(|&o| o < n).map(|o| {
        let distance = o & o.wrapping_neg();
        Hop {
            distance,
            first: o - distance,
            count: (n - 1 - o) / tree + 1,
            stride: tree,
        }
    });
    far.chain(near).collect()
}

/// The offsets 1..size of a binomial tree in the order of NCCL: the farthest child first, each
/// followed by all beneath it.
fn depth_first(size: u32) -> Vec<u32> {
    fn below(o: u32, mut d: u32, order: &mut Vec<u32>) {
        while d > 0 {
            order.push(o + d);
            below(o + d, d / 2, order);
            d /= 2;
        }
    }
    let mut order = Vec::new();
    below(0, size / 2, &mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_traversed_as_in_nccl() {
        // `reference/algorithms.md` 3.7.
        assert_eq!(depth_first(4), [2, 3, 1]);
        assert_eq!(depth_first(8), [4, 6, 7, 5, 2, 3, 1]);
        let sixteen = [8, 12, 14, 15, 13, 10, 11, 9, 4, 6, 7, 5, 2, 3, 1];
        assert_eq!(depth_first(16), sixteen);
    }
}
