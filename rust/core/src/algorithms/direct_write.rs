//! Direct write: tokens into the slots of the peers' windows, then flags.
//!
//! Every rank writes each of its tokens straight into a slot of the window of each expert's rank, a
//! slot being a multiple of 512 bytes. When all of its writes are out (the cores of the rank
//! synchronize) it writes every peer a status block of 32 bytes per expert there, which says how
//! many tokens came; the receiver polls these. Combine writes back in the same way, and the
//! origin sums when data and flags are there. With T tokens per rank and k experts per token a
//! rank sends T k slots and 32 bytes per expert.
//! Source: CANN's direct-write kernels (sgl-project/sgl-kernel-npu, `moe_distribute_dispatch`);
//! `reference/algorithms.md` 3.15.

use super::contract::{
    About, Algorithm, LOCAL, MESSAGES, OptionKind, OptionSpec, Slots, exchange, tokens,
};
use crate::collective::{Collective, Grain, Layout, Problem};
use crate::ids::RankId;
use crate::schedule::{ChunkRange, Program};

/// The direct-write exchange.
#[derive(Debug)]
pub(super) struct DirectWrite;

const ALIGN: &str = "align_bytes";

/// Bytes that a slot is a multiple of (CANN, sgl-kernel-npu, read 2026-04).
const SLOT_ALIGNMENT_BYTES: u64 = 512;
/// Bytes of the status of one expert: flag and count, one block of the vector unit (ditto).
const STATUS_BYTES: u64 = 32;

static ABOUT: About = About {
    name: "direct_write",
    summary: "tokens into slots of the peers' windows, then a status block to every peer",
    source: "CANN direct-write dispatch and combine",
    constraint: "any n",
    collectives: &[Collective::Dispatch, Collective::Combine],
    options: &[
        OptionSpec {
            name: ALIGN,
            summary: "bytes that a slot is a multiple of; 512 by default",
            kind: OptionKind::Int {
                low: 1,
                high: 65_536,
            },
            candidates: &[],
        },
        MESSAGES,
        LOCAL,
    ],
};

impl Algorithm for DirectWrite {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn steps_formula(&self, collective: Collective) -> &'static str {
        match collective {
            Collective::Combine => "4",
            _ => "3",
        }
    }

    fn bytes_formula(&self, _collective: Collective) -> &'static str {
        "T k slot + 32 experts"
    }

    fn slots(&self, problem: &Problem) -> Slots {
        let plain = Slots::of(problem);
        let align = problem.options.int(ALIGN);
        let align = align.map_or(SLOT_ALIGNMENT_BYTES, |align| align as u64);
        Slots {
            layout: Layout {
                grain: Grain::Expert,
                has_status: true,
            },
            slot_bytes: plain.slot_bytes.next_multiple_of(align),
            status_bytes: STATUS_BYTES,
        }
    }

    fn n_chunks(&self, problem: &Problem) -> u32 {
        tokens(problem).copies(self.slots(problem).layout).len()
    }

    fn n_steps(&self, problem: &Problem) -> u32 {
        3 + u32::from(problem.collective == Collective::Combine)
    }

    fn n_transfers(&self, problem: &Problem) -> u64 {
        let n = u64::from(problem.n_ranks());
        tokens(problem).n_copies() + n * n + n
    }

    fn rank_program(&self, problem: &Problem, rank: RankId, program: &mut Program) {
        let n = problem.n_ranks();
        let copies = tokens(problem).copies(self.slots(problem).layout);
        let is_combine = problem.collective == Collective::Combine;
        exchange(problem, copies, rank, program);
        // A rank's own block is where its cores meet: it waits for all writes, the others for it.
        program.local(1, ChunkRange::one(copies.status(rank, rank)));
        for peer in (1..n).map(|distance| RankId((rank.0 + distance) % n)) {
            let block = if is_combine {
                copies.status(peer, rank)
            } else {
                copies.status(rank, peer)
            };
            program.send(2, peer, ChunkRange::one(block));
        }
        if is_combine {
            let own = copies.of_source(rank);
            program.local(3, ChunkRange::span(own.start, own.len() as u32));
        }
    }
}
