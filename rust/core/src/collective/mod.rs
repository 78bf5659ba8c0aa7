//! Collectives: what a team of ranks wants to have computed, and on how many bytes.
//!
//! The set of collectives is closed on purpose: adding a variant makes the compiler list what must
//! follow, and [`conditions`] then says what correct means. Nothing here knows an algorithm. Sizes
//! and bus-bandwidth factors are those of nccl-tests (doc/PERFORMANCE.md).

pub mod conditions;
mod copies;
mod experts;
mod gating;
mod problem;
mod tokens;

pub use copies::{Copies, Grain, Layout, Traffic};
pub use experts::Experts;
pub use gating::{Gating, GatingError};
pub use problem::{OptionValue, Options, Payload, Problem, ProblemError, Split};
pub use tokens::{TokenBytes, Tokens};

use crate::suggest;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collective {
    /// Every rank ends with the sum of all vectors.
    AllReduce,
    /// Rank b ends with block b of the sum of all vectors.
    ReduceScatter,
    /// Every rank ends with the blocks of all ranks.
    AllGather,
    /// Every rank ends with the root's vector.
    Broadcast,
    /// The root ends with the sum of all vectors.
    Reduce,
    /// The root ends with the blocks of all ranks.
    Gather,
    /// Rank b ends with block b of the root's buffer.
    Scatter,
    /// Rank d ends with block d of every rank's buffer.
    AllToAll,
    /// One of two ranks (the root) sends a message to the other.
    SendRecv,
    /// No rank leaves before every rank has entered.
    Barrier,
    /// Every token reaches the ranks of its experts.
    Dispatch,
    /// Every rank ends with the sums of what the experts made of its tokens.
    Combine,
}

/// The name is not that of a collective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown collective '{name}'; {}", suggest::hint(name, Collective::ALL.iter().map(|c| c.name())))]
pub struct UnknownCollective {
    /// The name given.
    pub name: String,
}

impl Collective {
    /// All collectives, in documentation order.
    pub const ALL: &'static [Self] = &[
        Self::AllReduce,
        Self::ReduceScatter,
        Self::AllGather,
        Self::Broadcast,
        Self::Reduce,
        Self::Gather,
        Self::Scatter,
        Self::AllToAll,
        Self::SendRecv,
        Self::Barrier,
        Self::Dispatch,
        Self::Combine,
    ];

    /// The public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllReduce => "all_reduce",
            Self::ReduceScatter => "reduce_scatter",
            Self::AllGather => "all_gather",
            Self::Broadcast => "broadcast",
            Self::Reduce => "reduce",
            Self::Gather => "gather",
            Self::Scatter => "scatter",
            Self::AllToAll => "all_to_all",
            Self::SendRecv => "send_recv",
            Self::Barrier => "barrier",
            Self::Dispatch => "dispatch",
            Self::Combine => "combine",
        }
    }

    /// The collective of that public name.
    pub fn from_name(name: &str) -> Result<Self, UnknownCollective> {
        let found = Self::ALL.iter().copied().find(|c| c.name() == name);
        found.ok_or_else(|| UnknownCollective {
            name: name.to_owned(),
        })
    }

    /// Whether one rank, the root, plays another part than the rest (of `send_recv`: the sender).
    pub const fn is_rooted(self) -> bool {
        matches!(
            self,
            Self::Broadcast | Self::Reduce | Self::Gather | Self::Scatter | Self::SendRecv
        )
    }

    /// Whether contributions are summed.
    pub const fn reduces(self) -> bool {
        matches!(self, Self::AllReduce | Self::ReduceScatter | Self::Reduce)
    }

    /// Whether what moves are the tokens of a mixture of experts.
    pub const fn moves_tokens(self) -> bool {
        matches!(self, Self::Dispatch | Self::Combine)
    }

    /// Blocks that the conditions speak of: the chunks of a schedule divide each block evenly.
    /// Block i * n + d of an all-to-all goes from rank i to rank d; tokens say for themselves where
    /// they go.
    pub const fn n_blocks(self, n_ranks: u32) -> u64 {
        let n = n_ranks as u64;
        match self {
            Self::AllReduce
            | Self::Broadcast
            | Self::Reduce
            | Self::SendRecv
            | Self::Barrier
            | Self::Dispatch
            | Self::Combine => 1,
            Self::ReduceScatter | Self::AllGather | Self::Gather | Self::Scatter => n,
            Self::AllToAll => n * n,
        }
    }

    /// Buffers that a size counts: an all-to-all has one of every rank, everything else has one.
    pub const fn n_buffers(self, n_ranks: u32) -> u32 {
        match self {
            Self::AllToAll => n_ranks,
            _ => 1,
        }
    }

    /// Numerator and denominator of busbw / algbw for `n_ranks` >= 1 ranks, as in nccl-tests; of
    /// tokens that of an all-to-all.
    pub const fn busbw_factor(self, n_ranks: u32) -> (u64, u64) {
        let n = n_ranks as u64;
        match self {
            Self::AllReduce => (2 * (n - 1), n),
            Self::ReduceScatter
            | Self::AllGather
            | Self::AllToAll
            | Self::Gather
            | Self::Scatter
            | Self::Dispatch
            | Self::Combine => (n - 1, n),
            Self::Broadcast | Self::Reduce | Self::SendRecv => (1, 1),
            Self::Barrier => (0, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_a_near_miss_is_suggested() {
        for &collective in Collective::ALL {
            assert_eq!(Collective::from_name(collective.name()), Ok(collective));
        }
        let error = Collective::from_name("allreduce").unwrap_err();
        assert!(error.to_string().contains("did you mean all_reduce"));
    }

    #[test]
    fn bus_bandwidth_factors_are_those_of_nccl_tests() {
        // doc/PERFORMANCE.md for 8 ranks: all_reduce 2 * 7 / 8, all_gather 7 / 8, broadcast 1.
        assert_eq!(Collective::AllReduce.busbw_factor(8), (14, 8));
        assert_eq!(Collective::AllGather.busbw_factor(8), (7, 8));
        assert_eq!(Collective::Broadcast.busbw_factor(8), (1, 1));
    }
}
