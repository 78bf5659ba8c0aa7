//! Bruck: blocks travel digit by digit of their distance.
//!
//! All-to-all in radix k: the block from i to d has the offset j = d - i mod n; at step m, w = k^m, all
//! blocks whose digit floor(j/w) mod k is z > 0 hop z w ranks on, to all k - 1 of these at once.
//! All-gather: at step m rank r sends r - z w the blocks r + i, i < min(w, n - zw). There are M steps,
//! one for each digit of n - 1. Local rotations are renumberings and cost nothing here. Cost: all-gather M alpha +
//! (n-1)/n S beta; all-to-all M alpha + V/n S beta, V = the nonzero digits of 0..n-1 in radix k: few
//! messages for small blocks, at up to (k-1)/k M times the bytes.
//! Source: Bruck, Ho, Kipnis, Upfal, Weathersby, "Efficient algorithms for all-to-all communications
//! in multiport message-passing systems", IEEE TPDS 1997; `reference/algorithms.md` 3.6, 3.12.

use super::contract::{
    About, Algorithm, Candidate, Floor, OptionKind, OptionSpec, pair, path_from,
};
use crate::collective::{Collective, Payload, Problem};
use crate::ids::RankId;
use crate::schedule::symmetry::{Alike, Symmetry};
use crate::schedule::{ChunkRange, Program};

/// Bruck's algorithm.
#[derive(Debug)]
pub(super) struct Bruck;

const RADIX: &str = "radix";

static ABOUT: About = About {
    name: "bruck",
    summary: "at step m blocks hop z k^m ranks, z the m-th digit of their distance in radix k",
    source: "Bruck et al. 1997",
    constraint: "any n",
    collectives: &[Collective::AllGather, Collective::AllToAll],
    options: &[OptionSpec {
        name: RADIX,
        summary: "the radix k; by default 2",
        kind: OptionKind::Int {
            low: 2,
            high: 65_536,
        },
        candidates: &[Candidate::Int(4), Candidate::Int(8)],
    }],
};

impl Algorithm for Bruck {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, _collective: Collective) -> &'static str {
        "ceil(log_k n)"
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllToAll => "V/n S, V = nonzero digits of 0..n-1 in radix k",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        weights(problem).count() as u32
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        let hops = weights(problem).flat_map(|w| digits(problem, w).map(move |z| (w, z)));
        let ranges = hops.map(|(w, z)| match problem.collective {
            Collective::AllToAll => u64::from(w.min(n_laps(problem, w, z))),
            _ => 1,
        });
        n * ranges.sum::<u64>()
    }

    fn floor(&self, problem: &Problem) -> Floor {
        let n = u64::from(problem.n_ranks());
        let size_bytes = match problem.payload {
            Payload::Counts(_) => return Floor::default(),
            _ => problem.size_bytes(),
        };
        // The largest distance below n without a zero digit takes a hop per digit.
        let full = weights(problem).filter(|w| w * radix(problem) <= problem.n_ranks());
        let sign = match problem.collective {
            Collective::AllToAll => 1,
            _ => -1,
        };
        let distances = full.map(|w| sign * i64::from(w));
        let mut hops: Vec<i64> = distances.collect();
        if hops.is_empty() {
            hops.push(sign);
        }
        let path = path_from(problem.n_ranks(), 0, &hops);
        Floor::new(hops.len() as u32, size_bytes, n - 1, n).along(path)
    }

    fn symmetry(&self, problem: &Problem) -> Symmetry {
        let n = problem.n_ranks();
        let rotations = Symmetry::of_ranks(n, Alike::Rotations);
        match problem.collective {
            Collective::AllToAll => rotations.with_chunks_by_pair(n, n),
            _ => rotations.with_chunks_by_rank(n, n),
        }
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        for (step, w) in weights(problem).enumerate() {
            for z in digits(problem, w) {
                let (step, distance) = (step as u32, z * w);
                if problem.collective == Collective::AllGather {
                    let to = RankId((rank.0 + n - distance) % n);
                    let blocks = ChunkRange::cyclic(n, rank.0, w.min(n - distance), 1);
                    program.send(step, to, blocks);
                } else {
                    let to = RankId((rank.0 + distance) % n);
                    all_to_all_hop(program, problem, (step, to), (w, z));
                }
            }
        }
    }
}

/// The blocks of one hop. Rank r holds the block (i, d) at i = r - (j mod w), d = i + j, where the
/// offset is j = z w + low + lap k w with low < w. For one lap all go to d = r + z w + lap k w; for one
/// low all come from i = r - low. Whichever are fewer make the messages.
fn all_to_all_hop(
    program: &mut Program,
    problem: &Problem,
    (step, to): (u32, RankId),
    (w, z): (u32, u32),
) {
    let (n, period) = (problem.n_ranks(), w * radix(problem));
    // The rank that sends is z w before the one that receives.
    let rank = (to.0 + n - z * w) % n;
    let n_laps = n_laps(problem, w, z);
    if n_laps <= w {
        for lap in 0..n_laps {
            let j = z * w + lap * period;
            let n_lows = w.min(n - j);
            let (i, d) = ((rank + n - (n_lows - 1)) % n, (rank + j) % n);
            let all = u64::from(n) * u64::from(n);
            let blocks = ChunkRange::cyclic(all, pair(n, i, d), n_lows, n);
            program.send(step, to, blocks);
        }
    } else {
        for low in 0..w.min(n - z * w) {
            let count = (n - 1 - z * w - low) / period + 1;
            let (i, d) = ((rank + n - low) % n, (rank + z * w) % n);
            program.send(
                step,
                to,
                ChunkRange::cyclic(n, pair(n, i, d), count, period),
            );
        }
    }
}

fn radix(problem: &Problem) -> u32 {
    problem.options.int(RADIX).map_or(2, |radix| radix as u32)
}

/// The weights 1, k, k^2, ... < n of the digits.
fn weights(problem: &Problem) -> impl Iterator<Item = u32> {
    let (n, k) = (problem.n_ranks(), radix(problem));
    std::iter::successors(Some(1u32), move |w| w.checked_mul(k)).take_while(move |&w| w < n)
}

/// The digits z > 0 with z w < n.
fn digits(problem: &Problem, w: u32) -> impl Iterator<Item = u32> + use<> {
    let (n, k) = (problem.n_ranks(), radix(problem));
    (1..k).take_while(move |z| z * w < n)
}

/// How many of the offsets z w + lap k w are below n.
fn n_laps(problem: &Problem, w: u32, z: u32) -> u32 {
    (problem.n_ranks() - 1 - z * w) / (w * radix(problem)) + 1
}
