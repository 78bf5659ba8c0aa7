//! Seven collectives from an all-gather and a scatter of blocks.
//!
//! Reduce-scatter and gather are transposes. All-reduce is a reduce-scatter and an all-gather,
//! broadcast a scatter and an all-gather (van de Geijn), reduce a reduce-scatter and a gather. In a
//! broadcast the all-gather also brings ranks blocks that the scatter left there, as it does in
//! MPICH and HCCL. Source: `reference/algorithms.md` section 1 (transposition theorem); Chan et al.,
//! "Collective communication: theory, practice, and experience", 2007.

use super::{Floor, path_from};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{Op, Program};

/// What one rank does in either pattern, both of `n_steps` steps.
pub(in crate::algorithms) struct Blockwise<A, R, S> {
    pub(in crate::algorithms) n_steps: u32,
    /// The all-gather.
    pub(in crate::algorithms) all_gather: A,
    /// The all-gather whose transpose is the reduce-scatter.
    pub(in crate::algorithms) transpose_of_reduce_scatter: R,
    /// The scatter from the root.
    pub(in crate::algorithms) scatter: S,
}

impl<A, R, S> Blockwise<A, R, S>
where
    A: FnOnce(&mut Program),
    R: FnOnce(&mut Program),
    S: FnOnce(&mut Program),
{
    /// Writes the phases of `collective`.
    pub(in crate::algorithms) fn write(self, collective: Collective, program: &mut Program) {
        let n_steps = self.n_steps;
        if matches!(
            collective,
            Collective::ReduceScatter | Collective::AllReduce | Collective::Reduce
        ) {
            program.transposed(n_steps, Op::Reduce, self.transpose_of_reduce_scatter);
        }
        match collective {
            Collective::Scatter => program.phase(n_steps, self.scatter),
            Collective::Gather | Collective::Reduce => {
                program.transposed(n_steps, Op::Copy, self.scatter);
            }
            Collective::Broadcast => {
                program.phase(n_steps, self.scatter);
                program.phase(n_steps, self.all_gather);
            }
            Collective::AllReduce | Collective::AllGather => {
                program.phase(n_steps, self.all_gather);
            }
            Collective::ReduceScatter
            | Collective::AllToAll
            | Collective::SendRecv
            | Collective::Barrier
            | Collective::Dispatch
            | Collective::Combine => {}
        }
    }
}

/// How many phases [`Blockwise`] writes for `collective`.
pub(in crate::algorithms) const fn n_phases(collective: Collective) -> u32 {
    match collective {
        Collective::AllReduce | Collective::Broadcast | Collective::Reduce => 2,
        _ => 1,
    }
}

/// How a block pattern hops, as the signed distances of a rank to the one it sends to.
pub(in crate::algorithms) struct Hops {
    /// Of the all-gather.
    pub(in crate::algorithms) all_gather: Vec<i64>,
    /// Of the all-gather whose transpose is the reduce-scatter.
    pub(in crate::algorithms) transpose_of_reduce_scatter: Vec<i64>,
    /// Of the scatter from the root.
    pub(in crate::algorithms) scatter: Vec<i64>,
}

/// The floor of block patterns in which a block reaches the rank at distance x in as many hops as x
/// has bits, x = 2^l - 1 < n the most, and in which every rank (in a gather the root) receives all
/// others' blocks.
pub(in crate::algorithms) fn blockwise_floor(problem: &Problem, hops: &Hops) -> Floor {
    let (n, root) = (problem.n_ranks(), problem.root.0);
    // The root of a broadcast sends its blocks twice, that of a reduce receives them twice.
    let passes = n_phases(problem.collective);
    let floor = Floor::new(
        passes * n.ilog2(),
        problem.size_bytes(),
        u64::from(passes) * u64::from(n - 1),
        n.into(),
    );
    let scatter = path_from(n, root, &hops.scatter);
    // Where the other phase of a broadcast or a reduce takes over.
    let last = scatter[scatter.len() - 1].0;
    let backward = |mut path: Vec<RankId>| {
        path.reverse();
        path
    };
    let all_gather = |start| path_from(n, start, &hops.all_gather);
    let reduce_scatter = |end| backward(path_from(n, end, &hops.transpose_of_reduce_scatter));
    let (first, second) = match problem.collective {
        Collective::AllReduce => (reduce_scatter(0), all_gather(0)),
        Collective::Broadcast => (scatter, all_gather(last)),
        Collective::Reduce => (reduce_scatter(last), backward(scatter)),
        Collective::Gather => (backward(scatter), Vec::new()),
        Collective::Scatter => (scatter, Vec::new()),
        Collective::ReduceScatter => (reduce_scatter(0), Vec::new()),
        _ => (all_gather(0), Vec::new()),
    };
    floor.along(
        first
            .into_iter()
            .chain(second.into_iter().skip(1))
            .collect(),
    )
}

/// What such a pattern does not tell apart: every rank does the same from where it is, unless one is
/// the root.
pub(in crate::algorithms) fn blockwise_symmetry(problem: &Problem) -> Symmetry {
    let n = problem.n_ranks();
    if problem.collective.is_rooted() {
        return Symmetry::NONE;
    }
    Symmetry::of_ranks(n, Alike::Rotations).with_chunks_by_rank(n, n)
}

/// The distances 1, 2, 4, ... that add up to less than n, times `sign`.
pub(in crate::algorithms) fn doubling(n: u32, sign: i64) -> Vec<i64> {
    (0..n.ilog2()).map(|bit| sign << bit).collect()
}

/// The same distances, the largest first.
pub(in crate::algorithms) fn halving(n: u32, sign: i64) -> Vec<i64> {
    (0..n.ilog2()).rev().map(|bit| sign << bit).collect()
}
