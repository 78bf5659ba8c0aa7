//! Binomial tree: the set of ranks that have the data doubles at each step.
//!
//! With v = r - root and L = ceil(log2 n): at step s, d = 2^(L-1-s), every v that is a multiple of
//! 2d sends to v + d. Broadcast sends the whole vector, in K pipelined chunks (chunk k at step
//! s + k); scatter sends the blocks [v + d, v + 2d), around the last rank as the root rotates them. Reduce and gather are the transposes. Cost: broadcast L (alpha + S beta) for K = 1,
//! scatter L alpha + (n-1)/n S beta.
//! Source: Thakur, Rabenseifner, Gropp 2005; `reference/algorithms.md` 3.10.

use super::contract::{About, Algorithm, CHUNKS, Floor, default_chunks, halving, path_from};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The binomial tree.
#[derive(Debug)]
pub(super) struct BinomialTree;

static ABOUT: About = About {
    name: "binomial_tree",
    summary: "at each step every rank that has the data sends it half as far as before",
    source: "Thakur, Rabenseifner, Gropp 2005; MPICH",
    constraint: "any n, any root; chunks for broadcast and reduce only",
    collectives: &[
        Collective::Broadcast,
        Collective::Reduce,
        Collective::Scatter,
        Collective::Gather,
    ],
    options: &[CHUNKS],
};

impl Algorithm for BinomialTree {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Broadcast | Collective::Reduce => "ceil(log2 n)+K-1",
            _ => "ceil(log2 n)",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Broadcast => "ceil(log2 n) S",
            Collective::Reduce => "S",
            Collective::Scatter => "(n-1)/n S",
            _ => "2^(ceil(log2 n)-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::Broadcast | Collective::Reduce => {
                default_chunks(problem, problem.size_bytes())
            }
            _ => problem.n_ranks(),
        }
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        depth(problem.n_ranks()) + n_pipelined(self, problem) - 1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let edges = u64::from(problem.n_ranks() - 1);
        match problem.collective {
            Collective::Broadcast | Collective::Reduce => {
                edges * u64::from(n_pipelined(self, problem))
            }
            _ => edges,
        }
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (size_bytes, n) = (problem.size_bytes(), problem.n_ranks());
        // A rank lies as deep as v has bits; v = 2^k - 1 has the most. The root has a child for
        // every power of two below n.
        let (hops, children) = (n.ilog2(), u64::from(depth(n)));
        let mut path = longest_path(n, problem.root.0);
        if matches!(problem.collective, Collective::Reduce | Collective::Gather) {
            path.reverse();
        }
        let floor = match problem.collective {
            Collective::Broadcast | Collective::Reduce => {
                let n_chunks = self.n_chunks(problem);
                Floor::new(hops, size_bytes, children, 1).in_a_row(
                    size_bytes,
                    hops.into(),
                    n_chunks.into(),
                )
            }
            _ => Floor::new(hops, size_bytes, u64::from(n) - 1, n.into()),
        };
        floor.along(path)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = self.n_steps(problem);
        let n_chunks = self.n_chunks(problem);
        match problem.collective {
            Collective::Broadcast => {
                program.phase(n_steps, |p| whole_vector(p, problem, rank, n_chunks));
            }
            Collective::Reduce => program.transposed(n_steps, Op::Reduce, |p| {
                whole_vector(p, problem, rank, n_chunks);
            }),
            Collective::Gather => {
                program.transposed(n_steps, Op::Copy, |p| scatter(p, problem, rank));
            }
            _ => program.phase(n_steps, |p| scatter(p, problem, rank)),
        }
    }
}

fn n_pipelined(algorithm: &BinomialTree, problem: &Problem) -> u32 {
    match problem.collective {
        Collective::Broadcast | Collective::Reduce => algorithm.n_chunks(problem),
        _ => 1,
    }
}

/// ceil(log2 n): the steps until n ranks know of each other.
pub(super) fn depth(n: u32) -> u32 {
    n.next_power_of_two().ilog2()
}

/// From the root to the rank 2^l - 1 < n places on, the deepest.
pub(super) fn longest_path(n: u32, root: u32) -> Vec<RankId> {
    path_from(n, root, &halving(n, 1))
}

/// Step and distance d at which v sends to v + d.
fn children(n: u32, v: u32) -> impl Iterator<Item = (u32, u32)> {
    let distances = (0..depth(n)).map(move |step| (step, 1 << (depth(n) - 1 - step)));
    distances.filter(move |&(_, d)| v.is_multiple_of(2 * d) && v + d < n)
}

/// The broadcast from the root in `n_chunks` pipelined chunks.
pub(super) fn whole_vector(program: &mut Program, problem: &Problem, rank: RankId, n_chunks: u32) {
    let (n, root) = (problem.n_ranks(), problem.root.0);
    for (step, d) in children(n, (rank.0 + n - root) % n) {
        let to = RankId((rank.0 + d) % n);
        for chunk in 0..n_chunks {
            program.send(step + chunk, to, ChunkRange::one(chunk));
        }
    }
}

fn scatter(program: &mut Program, problem: &Problem, rank: RankId) {
    let (n, root) = (problem.n_ranks(), problem.root.0);
    let v = (rank.0 + n - root) % n;
    for (step, d) in children(n, v) {
        let to = (rank.0 + d) % n;
        let count = d.min(n - (v + d));
        // The blocks of v + d and on start at rank `to` and go on behind rank n - 1.
        program.send(step, RankId(to), ChunkRange::cyclic(n, to, count, 1));
    }
}
