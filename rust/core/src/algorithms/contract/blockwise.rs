//! Seven collectives from an all-gather and a scatter of blocks.
//!
//! Reduce-scatter and gather are transposes. All-reduce is a reduce-scatter and an all-gather,
//! broadcast a scatter and an all-gather (van de Geijn), reduce a reduce-scatter and a gather. In a
//! broadcast the all-gather also brings ranks blocks that the scatter left there, as it does in
//! MPICH and HCCL. Source: `reference/algorithms.md` section 1 (transposition theorem); Chan et al.,
//! "Collective communication: theory, practice, and experience", 2007.

use super::Floor;
use crate::collective::{Collective, Problem};
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

/// The floor of block patterns in which a block reaches the rank at distance x in as many hops as x
/// has bits, x = 2^l - 1 < n the most, and in which every rank (in a gather the root) receives all
/// others' blocks.
pub(in crate::algorithms) fn blockwise_floor(problem: &Problem) -> Floor {
    let n = u64::from(problem.n_ranks());
    let hops = n_phases(problem.collective) * problem.n_ranks().ilog2();
    // The root of a broadcast sends its blocks twice, that of a reduce receives them twice.
    let passes = u64::from(n_phases(problem.collective));
    Floor::new(hops, problem.size_bytes(), passes * (n - 1), n)
}
