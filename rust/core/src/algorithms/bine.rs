//! Bine: a binomial tree over negabinary numbers, whose hops are short on average.
//!
//! n = 2^L. Negabinary (base -2) maps x = r - root to b(x) = (A + x) XOR A, A = ...1010. A rank joins at
//! the first step i from which on the low L - i bits of b(x) are equal; whoever holds the vector at
//! step i = 0..L-1 sends it to the rank whose b differs from its own in the low L - i bits. Reduce is the
//! transpose. As a binomial tree L (alpha + S beta), but over shorter distances, which
//! spares the links between groups of neighbors.
//! Source: De Sensi et al., "Bine trees: enhancing collective operations by optimizing communication
//! locality", SC 2025, arXiv 2508.17311; `reference/algorithms.md` 3.9.

use super::contract::{About, Algorithm, Floor, Unsupported};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The binomial negabinary tree.
#[derive(Debug)]
pub(super) struct Bine;

static ABOUT: About = About {
    name: "bine",
    summary: "a binomial tree whose distances alternate in sign, so that hops are shorter",
    source: "De Sensi et al. 2025 (arXiv 2508.17311)",
    constraint: "n = 2^k, any root",
    collectives: &[Collective::Broadcast, Collective::Reduce],
    options: &[],
};

impl Algorithm for Bine {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "log2 n"
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Broadcast => "log2 n S",
            _ => "S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let n_ranks = problem.n_ranks();
        if n_ranks.is_power_of_two() {
            return Ok(());
        }
        Err(Unsupported::RankCount {
            algorithm: ABOUT.name,
            needs: "2^k ranks",
            n_ranks,
            instead: "binomial_tree",
        })
    }

    fn n_chunks(&self, _problem: &Problem) -> u32 {
        1
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        problem.n_ranks().ilog2()
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        u64::from(problem.n_ranks() - 1)
    }

    fn floor(&self, problem: &Problem) -> Floor {
        // The root has a child per step.
        let children = problem.n_ranks().ilog2();
        Floor::new(1, problem.size_bytes(), children.into(), 1)
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = self.n_steps(problem);
        match problem.collective {
            Collective::Reduce => {
                program.transposed(n_steps, Op::Reduce, |p| broadcast(p, problem, rank));
            }
            _ => program.phase(n_steps, |p| broadcast(p, problem, rank)),
        }
    }
}

fn broadcast(program: &mut Program, problem: &Problem, rank: RankId) {
    let (n, root) = (problem.n_ranks(), problem.root.0);
    let x = (rank.0 + n - root) % n;
    let (number, log2) = (negabinary(x) % n, n.ilog2());
    for step in 0..log2 {
        let low = u32::MAX >> (32 - (log2 - step));
        // A rank joined at an earlier step if one more bit is equal too; the root at none.
        let low_and_next = low << 1 | 1;
        if [0, low_and_next].contains(&(number & low_and_next)) {
            let to = (from_negabinary(number ^ low) % n + root) % n;
            program.send(step, RankId(to), ChunkRange::one(0u32));
        }
    }
}

const ALTERNATING: u32 = 0xAAAA_AAAA;

/// The digits of x in base -2.
fn negabinary(x: u32) -> u32 {
    ALTERNATING.wrapping_add(x) ^ ALTERNATING
}

/// The number with these digits in base -2, modulo 2^32.
fn from_negabinary(digits: u32) -> u32 {
    (digits ^ ALTERNATING).wrapping_sub(ALTERNATING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_base_minus_two() {
        for x in 0..1000 {
            let digits = negabinary(x);
            let value: i64 = (0..32)
                .map(|i| i64::from(digits >> i & 1) * (-2i64).pow(i))
                .sum();
            assert_eq!(value, i64::from(x));
            assert_eq!(from_negabinary(digits), x);
        }
    }
}
