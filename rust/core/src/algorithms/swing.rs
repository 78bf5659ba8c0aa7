//! Swing: a butterfly whose partners alternate sides at distances 1, 1, 3, 5, 11, ...
//!
//! With rho(s) = (1 - (-2)^(s+1))/3 = 1, -1, 3, -5, 11, ... the partner of rank r at step s is r + rho(s) if
//! r is even, r - rho(s) if it is odd; on rings and tori those are nearer than r XOR 2^s. All-gather, L =
//! ceil(log2 n) steps: at step t, s = L-1-t, every rank sends its partner exactly the blocks that this
//! one lacks. Reduce-scatter is the transpose, all-reduce both. Even n, here up to 128. Cost: all-gather L alpha +
//! (n-1)/n S beta, with gamma for reduce-scatter, all-reduce both.
//! Source: De Sensi, Bonato, Saam, Hoefler, "Swing: short-cutting rings for higher bandwidth
//! allreduce", NSDI 2024, arXiv 2401.09356; `reference/algorithms.md` 3.8.

use super::binomial_tree::depth;
use super::contract::{About, Algorithm, Floor, Unsupported};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Op, Program};

/// Swing.
#[derive(Debug)]
pub(super) struct Swing;

/// The blocks of a message are scattered over the ranks, so that a schedule has nearly as many
/// messages as blocks times ranks: beyond this it would be too long for what swing is good for.
const MAX_RANKS: u32 = 128;

static ABOUT: About = About {
    name: "swing",
    summary: "a butterfly with partners at distances 1, 1, 3, 5, 11, ... on alternating sides",
    source: "De Sensi et al. 2024 (arXiv 2401.09356)",
    constraint: "even n, 128 at most",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[],
};

impl Algorithm for Swing {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "2 ceil(log2 n)",
            _ => "ceil(log2 n)",
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
        if n_ranks == 1 || (n_ranks.is_multiple_of(2) && n_ranks <= MAX_RANKS) {
            return Ok(());
        }
        Err(Unsupported::RankCount {
            algorithm: ABOUT.name,
            needs: "an even number of ranks, 128 at most",
            n_ranks,
            instead: "nhr",
        })
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        n_phases(problem) * depth(problem.n_ranks())
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        let ranges = all_gather(problem.n_ranks()).map(|hop| hop.pieces(0).len() as u64 + 1);
        u64::from(n_phases(problem)) * n * ranges.sum::<u64>()
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let (n, phases) = (problem.n_ranks(), n_phases(problem));
        let bytes = u64::from(phases) * u64::from(n - 1);
        Floor::new(
            phases * least_hops(n),
            problem.size_bytes(),
            bytes,
            n.into(),
        )
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n_steps = depth(problem.n_ranks());
        let write = |p: &mut Program| {
            for (step, hop) in all_gather(problem.n_ranks()).enumerate() {
                p.send_each(step as u32, hop.partner(rank.0), hop.pieces(rank.0));
            }
        };
        if problem.collective != Collective::AllGather {
            program.transposed(n_steps, Op::Reduce, write);
        }
        if problem.collective != Collective::ReduceScatter {
            program.phase(n_steps, write);
        }
    }
}

fn n_phases(problem: &Problem) -> u32 {
    1 + u32::from(problem.collective == Collective::AllReduce)
}

/// With one partner per step a block reaches at most C(L, h) ranks by h hops, so some of the n ranks
/// are as far as it takes for these to add up to n.
fn least_hops(n: u32) -> u32 {
    let steps = u64::from(depth(n));
    let (mut reached, mut at_distance) = (1, 1);
    let mut hops = 0;
    while reached < u64::from(n) {
        at_distance = at_distance * (steps - hops) / (hops + 1);
        reached += at_distance;
        hops += 1;
    }
    hops as u32
}

/// What all ranks do in one step of the all-gather. Even ranks are alike but for a shift, odd ones
/// their mirror images, so everything is an offset from the rank that an odd one subtracts.
struct Hop {
    n: u32,
    /// To the partner.
    distance: u32,
    /// The blocks to send.
    offsets: Vec<u32>,
}

impl Hop {
    fn at(&self, rank: u32, offset: u32) -> u32 {
        let shift = if rank.is_multiple_of(2) {
            offset
        } else {
            self.n - offset
        };
        (rank + shift) % self.n
    }

    fn partner(&self, rank: u32) -> RankId {
        RankId(self.at(rank, self.distance))
    }

    fn pieces(&self, rank: u32) -> Vec<ChunkRange> {
        let mut blocks: Vec<u32> = self.offsets.iter().map(|&o| self.at(rank, o)).collect();
        blocks.sort_unstable();
        ChunkRange::cover(&blocks)
    }
}

fn all_gather(n: u32) -> impl Iterator<Item = Hop> {
    // What even ranks hold, as offsets; odd ranks hold the mirror image.
    let mut held = vec![false; n as usize];
    held[0] = true;
    (0..depth(n)).rev().map(move |s| {
        let power = (-2i64).pow(s + 1);
        let distance = ((1 - power) / 3).rem_euclid(i64::from(n)) as u32;
        // The partner, odd, at the offset `distance` holds what lies before it.
        let partner_holds = |held: &[bool], o: u32| held[((distance + n - o) % n) as usize];
        let lacks = |&o: &u32| held[o as usize] && !partner_holds(&held, o);
        let offsets: Vec<u32> = (0..n).filter(lacks).collect();
        held = (0..n)
            .map(|o| held[o as usize] || partner_holds(&held, o))
            .collect();
        Hop {
            n,
            distance,
            offsets,
        }
    })
}
