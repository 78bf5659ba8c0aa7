//! Schedules: who sends which chunks to whom, in which order. No links and no times.
//!
//! A schedule is a graph of transfers with two kinds of edges. `depends_on`: the bytes must have
//! arrived. `follows`: the earlier operation of the same queue must have been served. The step of
//! a transfer is only the canonical layering: all transfers of one step read the state at its
//! start, and receivers stage what arrives early. A `Schedule` that exists is well formed; whether
//! it computes its collective is what [`verify`] proves. Source: `design/model.md`.

mod builder;
mod chunks;
mod contributions;
mod digest;
mod error;
mod frame;
mod locations;
mod orbits;
mod parts;
mod program;
mod stats;
mod sums;
pub mod symmetry;
mod verify;

pub use builder::ScheduleBuilder;
pub(crate) use builder::{MAX_CHUNK_MOVES, MAX_TRANSFERS, within};
pub use chunks::{ChunkRange, ChunkSizes};
pub use error::{Place, ScheduleError, VerifyError};
pub use orbits::OrbitSchedule;
pub use parts::ScheduleParts;
pub use program::{Program, Send};
pub use stats::{Bytes, ScheduleStats};
pub use sums::SumOrder;
pub use verify::{Proof, verify};

use std::ops::Range;

use crate::collective::conditions::Conditions;
use crate::collective::{Collective, Traffic};
use crate::csr::Csr;
use crate::ids::RankId;

/// What the destination does with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// It stores them.
    Copy,
    /// It adds them to what it has.
    Reduce,
    /// Source and destination are one rank, which copies or reduces in its own memory.
    Local,
}

impl Op {
    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Reduce => "reduce",
            Self::Local => "local",
        }
    }
}

/// What a schedule is about, without its transfers.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    /// What is computed.
    pub collective: Collective,
    /// The algorithm's name, or a user's word.
    pub algorithm: &'a str,
    /// Ranks in the team.
    pub n_ranks: u32,
    /// The root of a rooted collective.
    pub root: RankId,
    /// Chunks that the data is divided into.
    pub n_chunks: u64,
    /// Their sizes.
    pub sizes: &'a ChunkSizes,
    /// The tokens that move, if that is what does.
    pub traffic: Option<&'a Traffic>,
}

/// Transfers in the order (step, source, emission), as one array per column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What is computed.
    pub(crate) collective: Collective,
    /// The algorithm's name, or a user's word.
    pub(crate) algorithm: String,
    /// Ranks in the team.
    pub(crate) n_ranks: u32,
    /// The root of a rooted collective.
    pub(crate) root: RankId,
    /// Chunks that the data is divided into.
    pub(crate) n_chunks: u64,
    /// Their sizes.
    pub(crate) sizes: ChunkSizes,
    /// The tokens that move, if that is what does.
    pub(crate) traffic: Option<Traffic>,
    pub(crate) step: Vec<u32>,
    pub(crate) src: Vec<RankId>,
    pub(crate) dst: Vec<RankId>,
    pub(crate) chunks: Vec<ChunkRange>,
    pub(crate) op: Vec<Op>,
    pub(crate) depends_on: Csr<u32>,
    pub(crate) follows: Csr<u32>,
    /// Steps whose reductions and multicasts are done by switches.
    pub(crate) in_network: Vec<Range<u32>>,
}

impl Schedule {
    /// What it is about.
    pub fn outline(&self) -> Outline<'_> {
        Outline {
            collective: self.collective,
            algorithm: &self.algorithm,
            n_ranks: self.n_ranks,
            root: self.root,
            n_chunks: self.n_chunks,
            sizes: &self.sizes,
            traffic: self.traffic.as_ref(),
        }
    }

    /// Whether switches do any of its reductions and multicasts.
    pub fn is_in_network(&self) -> bool {
        !self.in_network.is_empty()
    }

    /// The steps whose reductions and multicasts are done by switches.
    pub fn in_network(&self) -> &[Range<u32>] {
        &self.in_network
    }

    /// Whether switches do the reductions and multicasts of a transfer's step.
    pub fn is_transfer_in_network(&self, transfer: usize) -> bool {
        let step = self.step[transfer];
        self.in_network.iter().any(|steps| steps.contains(&step))
    }

    /// What is computed.
    pub fn collective(&self) -> Collective {
        self.collective
    }

    /// The algorithm's name, or a user's word.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// Ranks in the team.
    pub fn n_ranks(&self) -> u32 {
        self.n_ranks
    }

    /// The root of a rooted collective, rank 0 of another.
    pub fn root(&self) -> RankId {
        self.root
    }

    /// Chunks that the data is divided into.
    pub fn n_chunks(&self) -> u64 {
        self.n_chunks
    }

    /// Bytes per chunk.
    pub fn sizes(&self) -> &ChunkSizes {
        &self.sizes
    }

    /// The tokens that move, if that is what does.
    pub fn traffic(&self) -> Option<&Traffic> {
        self.traffic.as_ref()
    }

    /// Number of transfers.
    pub fn len(&self) -> usize {
        self.step.len()
    }

    /// Whether nothing needs to be sent.
    pub fn is_empty(&self) -> bool {
        self.step.is_empty()
    }

    /// Number of steps: one more than the last transfer's step.
    pub fn n_steps(&self) -> u32 {
        self.step.last().map_or(0, |last| last + 1)
    }

    /// Step of each transfer, ascending.
    pub fn step(&self) -> &[u32] {
        &self.step
    }

    /// Source of each transfer.
    pub fn src(&self) -> &[RankId] {
        &self.src
    }

    /// Destination of each transfer.
    pub fn dst(&self) -> &[RankId] {
        &self.dst
    }

    /// Chunks that each transfer carries.
    pub fn chunks(&self) -> &[ChunkRange] {
        &self.chunks
    }

    /// What the destination of each transfer does.
    pub fn op(&self) -> &[Op] {
        &self.op
    }

    /// Transfers whose bytes must have arrived before each transfer starts, ascending.
    pub fn depends_on(&self) -> &Csr<u32> {
        &self.depends_on
    }

    /// Transfers that must have been served before each transfer starts, ascending.
    pub fn follows(&self) -> &Csr<u32> {
        &self.follows
    }

    /// A transfer as a message.
    pub fn send(&self, transfer: usize) -> Send {
        Send {
            step: self.step[transfer],
            src: self.src[transfer],
            dst: self.dst[transfer],
            chunks: self.chunks[transfer],
            op: self.op[transfer],
        }
    }

    /// Exact bytes of a transfer: a reduced fraction, numerator and denominator.
    pub fn size_of(&self, transfer: usize) -> (u128, u64) {
        self.sizes.size_of(self.chunks[transfer])
    }

    /// Bytes of a transfer in whole bytes, for display.
    pub fn balanced_size_bytes(&self, transfer: usize) -> u64 {
        self.sizes.balanced_size_bytes(self.chunks[transfer])
    }

    /// Where a transfer's first chunk starts in its buffer, in whole bytes, for display.
    pub fn offset_bytes(&self, transfer: usize) -> u64 {
        self.sizes.offset_bytes(self.chunks[transfer])
    }

    /// The conditions that the schedule must meet.
    pub fn conditions(&self) -> Conditions<'_> {
        Conditions {
            collective: self.collective,
            n_ranks: self.n_ranks,
            root: self.root,
            n_chunks: self.n_chunks,
            copies: self.traffic.as_ref().map(Traffic::copies),
        }
    }

    /// The transfers of each step that has any, in order.
    pub fn step_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let mut start = 0;
        self.step.chunk_by(|a, b| a == b).map(move |step| {
            let range = start..start + step.len();
            start = range.end;
            range
        })
    }

    /// Whether a chunk takes part: one without bytes never moves, save for a barrier's signal.
    #[inline]
    pub(crate) fn is_live(&self, chunk: u64) -> bool {
        self.collective == Collective::Barrier || !self.sizes.is_zero(chunk)
    }
}
