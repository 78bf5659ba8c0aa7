//! Rabenseifner's all-reduce: the vector halves while the distance doubles, and back.
//!
//! At step s = 0..l-1 ranks v and v XOR 2^s split the range of the vector that both still sum: the
//! lower keeps and receives the lower half. After l steps each has one of p = 2^l parts of the sum;
//! the same exchanges in reverse order gather them. Half of the bytes move between neighbors. Other
//! n fold whole vectors, or ("halved") sum half a vector on either rank of a pair first. Cost for
//! n = 2^l: 2l alpha + 2(n-1)/n S beta + (n-1)/n S gamma; folded 2 (alpha + S beta) + S gamma more;
//! halved 3 alpha + 2 S beta + S/2 gamma more.
//! Source: Rabenseifner, "Optimization of collective reduction operations", ICCS 2004; Thakur,
//! Rabenseifner, Gropp 2005; `reference/algorithms.md` 3.5.

use super::contract::{About, Algorithm, FOLD, Floor, Fold, OptionKind, OptionSpec, Part};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// Rabenseifner's algorithm.
#[derive(Debug)]
pub(super) struct Rabenseifner;

const HALVED: &str = "halved";

static ABOUT: About = About {
    name: "rabenseifner",
    summary: "recursive vector halving at doubling distance, then the same backward",
    source: "Rabenseifner 2004; Thakur, Rabenseifner, Gropp 2005; MPICH",
    constraint: "any n; other n than 2^k fold",
    collectives: &[Collective::AllReduce],
    options: &[OptionSpec {
        summary: "which rank of a folded pair takes part: the odd one (mpich, the default) or the even one (hccl); halved: the odd one, after either has summed half a vector",
        kind: OptionKind::OneOf(&["mpich", "hccl", HALVED]),
        ..FOLD
    }],
};

impl Algorithm for Rabenseifner {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "2 floor(log2 n), +2 (halved: +3) if n is not 2^k"
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "2(p-1)/p S, p = 2^floor(log2 n); +S (halved: +3/2 S) if n is not 2^k"
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        fold(problem).n_active()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let fold = fold(problem);
        let folding = if fold.is_folded() {
            before(problem) + 1
        } else {
            0
        };
        2 * fold.log2 + folding
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let fold = fold(problem);
        let butterfly = 2 * u64::from(fold.n_active()) * u64::from(fold.log2);
        butterfly + 4 * u64::from(fold.n_pairs())
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let fold = fold(problem);
        let p = u64::from(fold.n_active());
        let parts = 2 * (p - 1) + p * u64::from(fold.is_folded());
        let bits: Vec<u32> = (0..fold.log2).collect();
        Floor::new(self.n_steps(problem), problem.size_bytes(), parts, p)
            .along(fold.path(&bits, true))
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let fold = fold(problem);
        let (p, log2) = (fold.n_active(), fold.log2);
        let (lower, upper) = (
            ChunkRange::span(0u32, p / 2),
            ChunkRange::span(p / 2, p / 2),
        );
        let whole = ChunkRange::span(0u32, p);
        if fold.is_folded() {
            let part = fold.part(rank);
            program.phase(before(problem), |p| match part {
                Part::Quiet { partner } if is_halved(problem) => {
                    p.reduce(0, partner, lower);
                    p.send(1, partner, upper);
                }
                Part::Quiet { partner } => p.reduce(0, partner, whole),
                Part::Active {
                    partner: Some(quiet),
                    ..
                } if is_halved(problem) => p.reduce(0, quiet, upper),
                Part::Active { .. } => {}
            });
        }
        let Part::Active { v, partner } = fold.part(rank) else {
            return;
        };
        let all_gather = |program: &mut Program| {
            for step in 0..log2 {
                let s = log2 - 1 - step;
                program.send(step, fold.rank_of(v ^ 1 << s), range_of(v, s + 1, log2));
            }
        };
        program.transposed(log2, Op::Reduce, all_gather);
        program.phase(log2, all_gather);
        if let Some(quiet) = partner {
            program.send(0, quiet, whole);
        }
    }
}

/// The chunks that v sums after `n_halvings` of l: bit s of v chose the half at step s.
fn range_of(v: u32, n_halvings: u32, log2: u32) -> ChunkRange {
    let chosen = (0..n_halvings).map(|s| (v >> s & 1) << (log2 - 1 - s));
    ChunkRange::span(chosen.sum::<u32>(), 1 << (log2 - n_halvings))
}

fn fold(problem: &Problem) -> Fold {
    Fold::of(problem, "mpich")
}

fn is_halved(problem: &Problem) -> bool {
    problem.options.text(FOLD.name) == Some(HALVED)
}

/// Steps of a fold before the butterfly.
fn before(problem: &Problem) -> u32 {
    1 + u32::from(is_halved(problem))
}
