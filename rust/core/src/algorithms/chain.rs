//! Pipelined chain: broadcast from rank to rank in K chunks.
//!
//! With offsets i = r - root, offset i = 0..n-2 sends chunk k to offset i + 1 at step i + k. Reduce
//! is the transpose. Cost: (n - 2 + K)(alpha + S/K beta), near S beta for long vectors; the best K
//! is sqrt((n - 2) S beta / alpha).
//! Source: pipelined ring of NCCL's broadcast; Chan et al., "Collective communication: theory,
//! practice, and experience", 2007; `reference/algorithms.md` 3.1.

use super::contract::{About, Algorithm, CHUNKS, Floor, default_chunks};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The pipelined chain.
#[derive(Debug)]
pub(super) struct Chain;

static ABOUT: About = About {
    name: "chain",
    summary: "each rank passes K chunks on to the next, one behind the other",
    source: "NCCL broadcast; Chan et al. 2007",
    constraint: "any n, any root",
    collectives: &[Collective::Broadcast, Collective::Reduce],
    options: &[CHUNKS],
};

impl Algorithm for Chain {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "n-2+K"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "S"
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        default_chunks(problem, problem.size_bytes())
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        problem.n_ranks() - 2 + self.n_chunks(problem)
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks() - 1) * u64::from(self.n_chunks(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (size_bytes, hops) = (problem.size_bytes(), problem.n_ranks() - 1);
        let n_chunks = self.n_chunks(problem);
        Floor::new(hops, size_bytes, 1, 1).in_a_row(size_bytes, hops.into(), n_chunks.into())
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let (n, n_chunks, n_steps) = (
            problem.n_ranks(),
            self.n_chunks(problem),
            self.n_steps(problem),
        );
        let offset = (rank.0 + n - problem.root.0) % n;
        let broadcast = |p: &mut Program| {
            if offset < n - 1 {
                let next = RankId((rank.0 + 1) % n);
                for chunk in 0..n_chunks {
                    p.send(offset + chunk, next, ChunkRange::one(chunk));
                }
            }
        };
        match problem.collective {
            Collective::Reduce => program.transposed(n_steps, Op::Reduce, broadcast),
            _ => program.phase(n_steps, broadcast),
        }
    }
}
