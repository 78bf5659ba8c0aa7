//! NVLS: an all-reduce by switches that add up and multicast.
//!
//! Rank r is in charge of part r, in K chunks. In step k the switches add up chunk k of every part
//! on the way to its rank, and take chunk k - 1 of it from there to everybody. Each port carries S +
//! S/n each way, with the rank's own part: less than the 2(n-1)/n S of a ring from n = 4 on, so that
//! busbw may pass the rate of the links. The first step uses one direction, and so does the last.
//! Cost: (K+1) alpha + (2 + (K-1)(1 + 1/n)) S/K beta. All-gather is the second half alone,
//! reduce-scatter the first, unchunked. The fabric must have such switches (NVSwitch from its third
//! generation on, SHARP).
//! Source: NVIDIA/nccl `src/transport/nvls.cc`; `reference/algorithms.md` on NVLS.

use std::ops::Range;

use super::contract::{About, Algorithm, CHUNKS, default_chunks};
use crate::collective::{Collective, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// The NVLS algorithm.
#[derive(Debug)]
pub(super) struct Nvls;

static ABOUT: About = About {
    name: "nvls",
    summary: "switches add up and multicast, each part by way of one rank",
    source: "NVIDIA NCCL, NVLink SHARP",
    constraint: "switches that reduce; routing spray",
    collectives: &[
        Collective::AllReduce,
        Collective::ReduceScatter,
        Collective::AllGather,
    ],
    options: &[CHUNKS],
};

impl Algorithm for Nvls {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn in_network(&self, problem: &Problem) -> Vec<Range<u32>> {
        std::iter::once(0..self.n_steps(problem)).collect()
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::AllReduce => "K+1",
            _ => "1",
        }
    }

    fn bytes_formula(&self, collective: Collective) -> &'static str {
        // As messages; through a port go (1 + 1/n) S, S and S/n, its own part included.
        match collective {
            Collective::AllReduce => "2(n-1)/n S",
            _ => "(n-1)/n S",
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        problem.n_ranks() * chunks_per_part(problem)
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        match problem.collective {
            Collective::AllReduce => chunks_per_part(problem) + 1,
            _ => 1,
        }
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        let halves = 1 + u64::from(problem.collective == Collective::AllReduce);
        n * (n - 1) * halves * u64::from(chunks_per_part(problem))
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let (n, n_chunks) = (problem.n_ranks(), chunks_per_part(problem));
        let others = || (1..n).map(|distance| RankId((rank.0 + distance) % n));
        let reduces = problem.collective != Collective::AllGather;
        let multicasts = problem.collective != Collective::ReduceScatter;
        for chunk in 0..n_chunks {
            if reduces {
                for to in others() {
                    let part = ChunkRange::one(to.0 * n_chunks + chunk);
                    program.reduce(chunk, to, part);
                }
            }
            if multicasts {
                for to in others() {
                    let part = ChunkRange::one(rank.0 * n_chunks + chunk);
                    program.send(chunk + u32::from(reduces), to, part);
                }
            }
        }
    }
}

/// K: only an all-reduce has two halves that can overlap.
fn chunks_per_part(problem: &Problem) -> u32 {
    match problem.collective {
        Collective::AllReduce => default_chunks(problem, problem.size_bytes()),
        _ => 1,
    }
}
