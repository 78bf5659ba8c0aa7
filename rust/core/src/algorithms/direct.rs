//! Direct exchange: every pair of ranks at once.
//!
//! In a single step rank r sends each other rank what it must have of r's: all-to-all its block, all-
//! gather r's block, reduce-scatter (the transpose) the block to be summed there. Rooted collectives
//! are stars: the root sends to all, or all send to the root. Ranks are addressed in the order r + 1,
//! r + 2, ... so that an engine which issues one by one does not start with everybody at rank 0.
//! Pairs without bytes are skipped, which makes it the all-to-all-v too. Cost through one port:
//! alpha + (n-1)/n S beta, broadcast and reduce alpha + (n-1) S beta; on a full mesh of private links
//! alpha + S/n beta, broadcast and reduce alpha + S beta.
//! Source: HCCL full mesh and star, MSCCL++ all-pairs; `reference/algorithms.md` 3.10 to 3.12.

use super::contract::{About, Algorithm, Floor, pair};
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Op, Program};

/// The direct algorithm.
#[derive(Debug)]
pub(super) struct Direct;

static ABOUT: About = About {
    name: "direct",
    summary: "every rank sends to every other rank at once",
    source: "HCCL full mesh and star; MSCCL++ all-pairs",
    constraint: "any n, any root",
    collectives: &[
        Collective::ReduceScatter,
        Collective::AllGather,
        Collective::Broadcast,
        Collective::Reduce,
        Collective::Gather,
        Collective::Scatter,
        Collective::AllToAll,
        Collective::SendRecv,
    ],
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
            Collective::SendRecv | Collective::Reduce => "S",
            Collective::Broadcast => "(n-1) S",
            Collective::Gather => "S/n",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::SendRecv | Collective::Broadcast | Collective::Reduce => 1,
            _ => problem.n_ranks(),
        }
    }

    fn n_steps(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        if problem.collective.is_rooted() {
            n - 1
        } else {
            n * (n - 1)
        }
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (n, size_bytes) = (u64::from(problem.n_ranks()), problem.size_bytes());
        match (problem.collective, &problem.payload) {
            // Who sends how much is known from the counts alone.
            (_, Payload::Counts(_)) => Floor::default(),
            (Collective::Broadcast | Collective::Reduce | Collective::SendRecv, _) => {
                Floor::new(1, size_bytes, n - 1, 1)
            }
            (Collective::ReduceScatter, _) => {
                Floor::new(1, size_bytes, n - 1, n).along(vec![RankId(1), RankId(0)])
            }
            (Collective::AllGather | Collective::AllToAll, _) => {
                Floor::new(1, size_bytes, n - 1, n).along(vec![RankId(0), RankId(1)])
            }
            _ => Floor::new(1, size_bytes, n - 1, n),
        }
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        let all = Symmetry::of_ranks(n, Alike::Any);
        match problem.collective {
            Collective::AllToAll => all.with_chunks_by_pair(n, n),
            _ if problem.collective.is_rooted() => Symmetry::NONE,
            _ => all.with_chunks_by_rank(n, n),
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        let others = (1..n).map(|distance| RankId((rank.0 + distance) % n));
        match problem.collective {
            Collective::AllToAll => {
                for to in others {
                    program.send(0, to, ChunkRange::one(pair(n, rank.0, to.0)));
                }
            }
            Collective::ReduceScatter => {
                for to in others {
                    program.reduce(0, to, ChunkRange::one(to.0));
                }
            }
            Collective::Gather | Collective::Reduce => {
                program.transposed(1, op_at_root(problem), |p| star(p, problem, rank));
            }
            _ if problem.collective.is_rooted() => star(program, problem, rank),
            _ => {
                for to in others {
                    program.send(0, to, ChunkRange::one(rank.0));
                }
            }
        }
    }
}

fn op_at_root(problem: &Problem) -> Op {
    match problem.collective {
        Collective::Reduce => Op::Reduce,
        _ => Op::Copy,
    }
}

/// The root sends every other rank its block, or the vector where there are no blocks.
fn star(program: &mut Program, problem: &Problem, rank: RankId) {
    if rank != problem.root {
        return;
    }
    let n = problem.n_ranks();
    for to in (1..n).map(|distance| (rank.0 + distance) % n) {
        let block = match problem.collective {
            Collective::Gather | Collective::Scatter => to,
            _ => 0,
        };
        program.send(0, RankId(to), ChunkRange::one(block));
    }
}
