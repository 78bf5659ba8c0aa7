//! Two-shot mesh: everybody sends everybody one block, twice.
//!
//! Rank r sends block d to rank d in one step; in the next each passes its block on to all. All-reduce
//! sums in the first step; broadcast scatters from the root instead, reduce gathers at the root in
//! the second. Ranks are addressed in the order r + 1, r + 2, ... Cost: all-reduce 2 alpha +
//! 2(n-1)/n S beta + (n-1)/n S gamma through one port; on a full mesh of private links
//! 2 alpha + 2 S/n beta + (n-1)/n S gamma, broadcast 2 (alpha + S/n beta).
//! Source: HCCL mesh, MSCCL++ two-phase all-pairs; `reference/algorithms.md` 3.11.

use super::contract::{About, Algorithm, Floor};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// The two-shot mesh.
#[derive(Debug)]
pub(super) struct TwoShot;

static ABOUT: About = About {
    name: "two_shot",
    summary: "every rank sends each other rank one block, and then its own block to all",
    source: "HCCL mesh; MSCCL++ two-phase all-pairs",
    constraint: "any n, any root",
    collectives: &[
        Collective::AllReduce,
        Collective::Broadcast,
        Collective::Reduce,
    ],
    options: &[],
};

impl Algorithm for TwoShot {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "2"
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Reduce => "S",
            _ => "2(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, _problem: &Problem) -> u32 {
        2
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        2 * n * (n - 1)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (n, size_bytes) = (u64::from(problem.n_ranks()), problem.size_bytes());
        match (problem.collective, n) {
            // The other of two ranks has nobody to pass anything on to.
            (Collective::Broadcast, 2) => Floor::new(1, size_bytes, 1, 1),
            (Collective::Broadcast, _) => {
                let next = |distance| RankId((problem.root.0 + distance) % problem.n_ranks());
                Floor::new(2, size_bytes, 2 * (n - 1), n).along([0, 1, 2].map(next).to_vec())
            }
            (Collective::Reduce, _) => Floor::new(2, size_bytes, 1, 1),
            _ => Floor::new(2, size_bytes, 2 * (n - 1), n),
        }
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        if problem.collective.is_rooted() {
            return Symmetry::NONE;
        }
        Symmetry::of_ranks(n, Alike::Any).with_chunks_by_rank(n, n)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let (n, root) = (problem.n_ranks(), problem.root);
        let others = move || (1..n).map(move |distance| RankId((rank.0 + distance) % n));
        if problem.collective == Collective::Broadcast {
            if rank == root {
                for to in others() {
                    program.send(0, to, ChunkRange::one(to.0));
                }
            }
            for to in others().filter(|&to| to != root) {
                program.send(1, to, ChunkRange::one(rank.0));
            }
            return;
        }
        for to in others() {
            program.reduce(0, to, ChunkRange::one(to.0));
        }
        match problem.collective {
            Collective::Reduce if rank != root => {
                program.send(1, root, ChunkRange::one(rank.0));
            }
            Collective::Reduce => {}
            _ => {
                for to in others() {
                    program.send(1, to, ChunkRange::one(rank.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Op, Send};

    #[test]
    fn destinations_start_behind_the_sender() {
        // Serial engines would otherwise all start at rank 0.
        let team = crate::team::Team::flat(4);
        let payload = crate::collective::Payload::Bytes(4);
        let problem = Problem::new(Collective::AllReduce, &team, payload);
        let mut program = Program::default();
        program.begin(RankId(2));
        TwoShot.rank_program(&problem, RankId(2), &mut program);
        let sends: Vec<Send> = program.into_sends();
        let order: Vec<(u32, u32, Op)> = sends.iter().map(|s| (s.step, s.dst.0, s.op)).collect();
        let expected = [3, 0, 1].map(|to| (0, to, Op::Reduce));
        assert_eq!(order[..3], expected);
        assert_eq!(order[3..], expected.map(|(_, to, _)| (1, to, Op::Copy)));
    }
}
