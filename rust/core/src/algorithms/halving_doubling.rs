//! Recursive halving and doubling: blocks in rank order, the largest exchange at half the team.
//!
//! All-gather: at step s = 0..l-1 ranks v and v XOR 2^s send each other the 2^s blocks that each has,
//! which are neighbors. Reduce-scatter is the transpose: distance and volume halve, and every sum
//! is formed of neighboring ranks. All-reduce is one after the other on p = 2^l parts. Other n fold:
//! in all-reduce whole vectors; in all-gather the quiet rank of a pair gives its block and gets
//! all others at the end. Cost for n = 2^l: l alpha + (n-1)/n S (beta + gamma), all-reduce twice that
//! (gamma once); folded all-reduce 2 (alpha + S beta) + S gamma more.
//! Source: Thakur, Rabenseifner, Gropp 2005; HCCL's RHD; `reference/algorithms.md` 3.5.

use super::contract::{About, Algorithm, FOLD, Floor, Fold, OptionSpec, Part};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// Recursive halving and doubling.
#[derive(Debug)]
pub(super) struct HalvingDoubling;

static ABOUT: About = About {
    name: "halving_doubling",
    summary: "reduce-scatter by recursive halving, all-gather by recursive doubling",
    source: "Thakur, Rabenseifner, Gropp 2005; HCCL",
    constraint: "any n; other n than 2^k fold",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[OptionSpec {
        summary: "which rank of a folded pair takes part: the even one (hccl, the default) or the odd one (mpich)",
        ..FOLD
    }],
};

impl Algorithm for HalvingDoubling {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2 floor(log2 n), +2 if n is not 2^k",
            _ => "floor(log2 n), +2 if n is not 2^k",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(p-1)/p S, p = 2^floor(log2 n); +S if n is not 2^k",
            Collective::ReduceScatter => "(n-1)/n S, +S/n if n is not 2^k",
            _ => "(n-1)/n S; at most twice that if n is not 2^k",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::AllReduce => fold(problem).n_active(),
            _ => problem.n_ranks(),
        }
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let fold = fold(problem);
        let phases = 1 + u32::from(problem.collective == Collective::AllReduce);
        phases * fold.log2 + 2 * u32::from(fold.is_folded())
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let fold = fold(problem);
        let butterfly = u64::from(fold.n_active()) * u64::from(fold.log2);
        2 * butterfly + 2 * u64::from(fold.n_pairs())
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (fold, size_bytes) = (fold(problem), problem.size_bytes());
        let folded = u64::from(fold.is_folded());
        let (n, p) = (u64::from(problem.n_ranks()), u64::from(fold.n_active()));
        match problem.collective {
            Collective::AllReduce => {
                let parts = 2 * (p - 1) + p * folded;
                let bits: Vec<u32> = (0..fold.log2).rev().collect();
                Floor::new(self.n_steps(problem), size_bytes, parts, p)
                    .along(fold.path(&bits, true))
            }
            collective => {
                let bits: Vec<u32> = (0..fold.log2).collect();
                let mut path = fold.path(&bits, false);
                if collective == Collective::ReduceScatter {
                    path.reverse();
                }
                // With a single pair nobody waits for both of its exchanges.
                Floor::new(fold.log2 + folded as u32, size_bytes, n - 1, n).along(path)
            }
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = self.n_steps(problem);
        match problem.collective {
            Collective::AllReduce => all_reduce(program, fold(problem), rank),
            Collective::ReduceScatter => program.transposed(n_steps, Op::Reduce, |p| {
                all_gather(p, problem, rank);
            }),
            _ => program.phase(n_steps, |p| all_gather(p, problem, rank)),
        }
    }
}

fn all_reduce(program: &mut Program, fold: Fold, rank: RankId) {
    let (p, log2) = (fold.n_active(), fold.log2);
    let whole = ChunkRange::span(0u32, p);
    match fold.part(rank) {
        Part::Quiet { partner } => program.reduce(0, partner, whole),
        Part::Active { v, partner } => {
            let doubling = |program: &mut Program| {
                for s in 0..log2 {
                    let first = v >> s << s;
                    program.send(s, fold.rank_of(v ^ 1 << s), ChunkRange::span(first, 1 << s));
                }
            };
            program.phase(u32::from(fold.is_folded()), |_| {});
            program.transposed(log2, Op::Reduce, doubling);
            program.phase(log2, doubling);
            if let Some(quiet) = partner {
                program.send(0, quiet, whole);
            }
        }
    }
}

fn all_gather(program: &mut Program, problem: &Problem, rank: RankId) {
    let fold = fold(problem);
    let before = u32::from(fold.is_folded());
    match fold.part(rank) {
        Part::Quiet { partner } => program.send(0, partner, ChunkRange::one(rank.0)),
        Part::Active { v, partner } => {
            for s in 0..fold.log2 {
                let (low, high) = (v >> s << s, ((v >> s) + 1) << s);
                let (first, end) = (fold.first_of(low), fold.first_of(high));
                let blocks = ChunkRange::span(first, end - first);
                program.send(before + s, fold.rank_of(v ^ 1 << s), blocks);
            }
            if let Some(quiet) = partner {
                let n = problem.n_ranks();
                let others = ChunkRange::cyclic(n, (quiet.0 + 1) % n, n - 1, 1);
                program.send(before + fold.log2, quiet, others);
            }
        }
    }
}

fn fold(problem: &Problem) -> Fold {
    Fold::of(problem, "hccl")
}
