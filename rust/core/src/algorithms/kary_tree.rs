//! k-ary tree: every rank passes what it gets on to k children, in K pipelined chunks.
//!
//! With v = r - root the children of v are kv + 1 .. kv + k, those below n. Broadcast: v sends chunk c to
//! all its children at step depth(v) + c. Reduce is the transpose; all-reduce reduces to rank 0 and
//! broadcasts from there. D = depth of n - 1 levels. Cost through one port: about
//! (D - 1 + K)(alpha + k S/K beta); with a port per child the factor k falls away.
//! Source: MPICH and Open MPI (k-ary and pipelined trees); `reference/algorithms.md` 3.10.

use super::contract::{
    About, Algorithm, CHUNKS, Candidate, Floor, OptionKind, OptionSpec, default_chunks, up_and_down,
};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The k-ary tree.
#[derive(Debug)]
pub(super) struct KaryTree;

const RADIX: &str = "radix";

static ABOUT: About = About {
    name: "kary_tree",
    summary: "every rank passes K chunks on to k children",
    source: "MPICH, Open MPI",
    constraint: "any n, any root",
    collectives: &[
        Collective::AllReduce,
        Collective::Broadcast,
        Collective::Reduce,
    ],
    options: &[
        CHUNKS,
        OptionSpec {
            name: RADIX,
            summary: "children k of each rank; by default 2",
            kind: OptionKind::Int {
                low: 1,
                high: 65_536,
            },
            candidates: &[Candidate::Int(4), Candidate::Int(8)],
        },
    ],
};

impl Algorithm for KaryTree {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(D+K-1), D = depth of the tree",
            _ => "D+K-1, D = depth of the tree",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "(k+1) S",
            Collective::Broadcast => "k S",
            _ => "S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        default_chunks(problem, problem.size_bytes())
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let last = problem.n_ranks() - 1;
        n_phases(problem) * (depth(last, radix(problem)) + self.n_chunks(problem) - 1)
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let chunks = u64::from(n_phases(problem)) * u64::from(self.n_chunks(problem));
        u64::from(problem.n_ranks() - 1) * chunks
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (n, k) = (problem.n_ranks(), radix(problem));
        let hops = n_phases(problem) * depth(n - 1, k);
        // The root sends or receives a vector for each of its children.
        let n_chunks = self.n_chunks(problem);
        let last = std::iter::successors(Some(n - 1), |&v| (v > 0).then(|| (v - 1) / k));
        let up: Vec<RankId> = last.map(|v| RankId((problem.root.0 + v) % n)).collect();
        let down: Vec<RankId> = up.iter().rev().copied().collect();
        let path = match problem.collective {
            Collective::Broadcast => down,
            Collective::Reduce => up,
            _ => up_and_down(&down),
        };
        Floor::new(hops, problem.size_bytes(), k.min(n - 1).into(), 1)
            .in_a_row(problem.size_bytes(), hops.into(), n_chunks.into())
            .along(path)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = self.n_steps(problem) / n_phases(problem);
        let n_chunks = self.n_chunks(problem);
        if problem.collective != Collective::Broadcast {
            program.transposed(n_steps, Op::Reduce, |p| {
                broadcast(p, problem, rank, n_chunks);
            });
        }
        if problem.collective != Collective::Reduce {
            program.phase(n_steps, |p| broadcast(p, problem, rank, n_chunks));
        }
    }
}

fn broadcast(program: &mut Program, problem: &Problem, rank: RankId, n_chunks: u32) {
    let (n, root, k) = (problem.n_ranks(), problem.root.0, radix(problem));
    let v = (rank.0 + n - root) % n;
    let first = u64::from(v) * u64::from(k) + 1;
    for child in (first..first + u64::from(k)).take_while(|&child| child < u64::from(n)) {
        let to = RankId((root + child as u32) % n);
        for chunk in 0..n_chunks {
            program.send(depth(v, k) + chunk, to, ChunkRange::one(chunk));
        }
    }
}

/// Hops from the root to v.
fn depth(v: u32, k: u32) -> u32 {
    std::iter::successors(Some(v), |&v| (v > 0).then(|| (v - 1) / k)).count() as u32 - 1
}

fn radix(problem: &Problem) -> u32 {
    problem.options.int(RADIX).map_or(2, |radix| radix as u32)
}

fn n_phases(problem: &Problem) -> u32 {
    1 + u32::from(problem.collective == Collective::AllReduce)
}
