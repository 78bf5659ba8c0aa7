//! Direct exchange: every pair of ranks at once.
//!
//! All-to-all: in a single step rank r sends block d to rank d, in the order r + 1, r + 2, ... so
//! that an engine which issues one by one does not start with everybody at rank 0. Pairs without
//! bytes are skipped, which makes it the all-to-all-v too. `send_recv` is the case of one pair.
//! Cost: alpha + (n-1)/n S beta on a fabric with full bisection.
//! Source: HCCL full mesh, MSCCL++ all-pairs; `reference/algorithms.md` 3.11, 3.12.

use super::contract::{About, Algorithm};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The direct algorithm.
#[derive(Debug)]
pub(super) struct Direct;

static ABOUT: About = About {
    name: "direct",
    summary: "every rank sends to every other rank at once",
    source: "HCCL full mesh; MSCCL++ all-pairs",
    constraint: "any n",
    collectives: &[Collective::AllToAll, Collective::SendRecv],
    options: &[],
};

impl Algorithm for Direct {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "1"
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::SendRecv => "S",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::SendRecv => 1,
            _ => problem.n_ranks() * problem.n_ranks(),
        }
    }

    fn n_steps(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        match problem.collective {
            Collective::SendRecv => 1,
            _ => n * (n - 1),
        }
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        if problem.collective == Collective::SendRecv {
            return Symmetry::NONE;
        }
        Symmetry::of_ranks(n, Alike::Any).with_chunks_by_pair(n, n * n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        if problem.collective == Collective::SendRecv {
            if rank == problem.root {
                program.send(0, RankId(1 - rank.0), ChunkRange::one(0));
            }
            return;
        }
        for distance in 1..n {
            let to = (rank.0 + distance) % n;
            program.send(0, RankId(to), ChunkRange::one(rank.0 * n + to));
        }
    }
}
