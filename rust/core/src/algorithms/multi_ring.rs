//! Multi-ring: edge-disjoint rings over a full mesh, every block striped over all of them.
//!
//! Walecki: with m = n - 1, cycle k = 0..floor(m/2)-1 visits rank n - 1 and then k, k+1, k-1, k+2, k-2, ...
//! modulo m, m ranks in all; no two cycles share an edge. In both directions that makes
//! R = 2 floor((n-1)/2) rings, each carrying 1/R of every block as a ring does. For even n a perfect
//! matching stays unused. Option `rings` limits R, since n R transfers per step are many. Cost: (n-1) alpha + (n-1)/n S beta through one port; on a full mesh of
//! private links (n-1)(alpha + S/(nR) beta). Reduce-scatter is the transpose, all-reduce both.
//! Source: Walecki's decomposition, in Alspach, "The wonderful Walecki construction", Bull. ICA 52,
//! 2008; `reference/algorithms.md` 3.1.

use super::contract::{About, Algorithm, Floor, OptionKind, OptionSpec, Unsupported};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// The multi-ring.
#[derive(Debug)]
pub(super) struct MultiRing;

const RINGS: &str = "rings";

static ABOUT: About = About {
    name: "multi_ring",
    summary: "R <= 2 floor((n-1)/2) edge-disjoint rings each carry 1/R of every block",
    source: "Walecki (Alspach 2008)",
    constraint: "n >= 3",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[OptionSpec {
        name: RINGS,
        summary: "the most directed rings R, two per cycle; by default 16",
        kind: OptionKind::Int {
            low: 2,
            high: 65_536,
        },
        candidates: &[],
    }],
};

impl Algorithm for MultiRing {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)",
            _ => "n-1",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        let n_ranks = problem.n_ranks();
        if n_ranks == 2 {
            return Err(Unsupported::RankCount {
                algorithm: ABOUT.name,
                needs: "3 ranks or more",
                n_ranks,
                instead: "ring",
            });
        }
        Ok(())
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        let n = problem.n_ranks();
        n * n_rings(problem).max(1)
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        let around = problem.n_ranks() - 1;
        match problem.collective {
            Collective::AllReduce => 2 * around,
            _ => around,
        }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = problem.n_ranks();
        u64::from(n) * u64::from(n_rings(problem)) * u64::from(self.n_steps(problem))
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (steps, n) = (self.n_steps(problem), problem.n_ranks());
        Floor::new(steps, problem.size_bytes(), steps.into(), n.into())
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        if problem.collective != Collective::AllGather {
            program.transposed(n - 1, Op::Reduce, |p| all_gather(p, problem, rank));
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n - 1, |p| all_gather(p, problem, rank));
        }
    }
}

fn n_rings(problem: &Problem) -> u32 {
    let limit = problem.options.int(RINGS).unwrap_or(16) as u32;
    2 * ((problem.n_ranks() - 1) / 2).min(limit / 2)
}

/// A block belongs to a rank, not to a position: rings visit ranks in different orders.
fn all_gather(program: &mut Program, problem: &Problem, rank: RankId) {
    let (n, n_rings) = (problem.n_ranks(), n_rings(problem));
    let mut order: Vec<u32> = (0..n_rings / 2).flat_map(|k| cycle(n, k)).collect();
    for (half, cycle) in order.chunks_exact_mut(n as usize).enumerate() {
        for direction in 0..2 {
            let ring = 2 * half as u32 + direction;
            let find = |r: u32| cycle.iter().position(|&each| each == r);
            let place = find(rank.0).expect("a cycle visits every rank");
            let at = |steps_back: usize| cycle[(place + n as usize - steps_back) % n as usize];
            let next = cycle[(place + 1) % n as usize];
            for step in 0..n - 1 {
                let chunk = at(step as usize) * n_rings + ring;
                program.send(step, RankId(next), ChunkRange::one(chunk));
            }
            cycle.reverse();
        }
    }
}

/// The k-th of Walecki's cycles: rank n - 1, then a zigzag around k.
fn cycle(n: u32, k: u32) -> impl Iterator<Item = u32> {
    let m = n - 1;
    let zigzag = (0..m).map(move |i| {
        let distance = i.div_ceil(2);
        let is_above = i % 2 == 1;
        (if is_above {
            k + distance
        } else {
            k + m - distance
        }) % m
    });
    std::iter::once(m).chain(zigzag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_cycles_share_an_edge() {
        for n in 3..60 {
            let mut edges = BTreeSet::new();
            for k in 0..(n - 1) / 2 {
                let cycle: Vec<u32> = cycle(n, k).collect();
                assert_eq!(cycle.iter().collect::<BTreeSet<_>>().len(), n as usize);
                for (i, &a) in cycle.iter().enumerate() {
                    let b = cycle[(i + 1) % n as usize];
                    assert!(edges.insert((a.min(b), a.max(b))), "n = {n}: {a} - {b}");
                }
            }
        }
    }
}
