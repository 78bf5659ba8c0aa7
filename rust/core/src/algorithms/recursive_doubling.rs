//! Recursive doubling: partners exchange whole vectors, at twice the distance in each step.
//!
//! At step s = 0..l-1 rank v and rank v XOR 2^s send each other all they have summed, so every rank
//! has the sum of 2^(s+1) ranks. Other n than 2^l fold: rem = n - 2^l ranks hand their vector to a
//! neighbor first and get the result back last. Cost: l (alpha + S beta + S gamma), and
//! 2 (alpha + S beta) + S gamma more if folded: the fewest steps, so for small vectors.
//! Source: Thakur, Rabenseifner, Gropp 2005; `reference/algorithms.md` 3.5.

use super::contract::{About, Algorithm, FOLD, Floor, Fold, Part};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// Recursive doubling.
#[derive(Debug)]
pub(super) struct RecursiveDoubling;

static ABOUT: About = About {
    name: "recursive_doubling",
    summary: "at step s ranks v and v XOR 2^s swap whole vectors",
    source: "Thakur, Rabenseifner, Gropp 2005; MPICH",
    constraint: "any n; other n than 2^k fold",
    collectives: &[Collective::AllReduce],
    options: &[FOLD],
};

const VECTOR: ChunkRange = ChunkRange {
    first: 0,
    count: 1,
    stride: 1,
    window: 0,
};

impl Algorithm for RecursiveDoubling {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "floor(log2 n), +2 if n is not 2^k"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "floor(log2 n) S, +S if n is not 2^k"
    }

    fn n_chunks(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let fold = fold(problem);
        fold.log2 + 2 * u32::from(fold.is_folded())
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let fold = fold(problem);
        u64::from(fold.n_active()) * u64::from(fold.log2) + 2 * u64::from(fold.n_pairs())
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let fold = fold(problem);
        let vectors = fold.log2 + u32::from(fold.is_folded());
        // Data takes l hops from v to its complement, with a hop more where either is of a pair.
        let are_both_paired = 2 * fold.n_pairs() > fold.n_active();
        let hops = fold.log2 + u32::from(fold.is_folded()) + u32::from(are_both_paired);
        let bits: Vec<u32> = (0..fold.log2).collect();
        Floor::new(hops, problem.size_bytes(), vectors.into(), 1).along(fold.path(&bits, false))
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        if !n.is_power_of_two() {
            return Symmetry::NONE;
        }
        Symmetry::of_ranks(n, Alike::Xor)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let fold = fold(problem);
        let before = u32::from(fold.is_folded());
        match fold.part(rank) {
            Part::Quiet { partner } => program.reduce(0, partner, VECTOR),
            Part::Active { v, partner } => {
                for s in 0..fold.log2 {
                    program.reduce(before + s, fold.rank_of(v ^ 1 << s), VECTOR);
                }
                if let Some(quiet) = partner {
                    program.send(before + fold.log2, quiet, VECTOR);
                }
            }
        }
    }
}

fn fold(problem: &Problem) -> Fold {
    Fold::of(problem, "mpich")
}
