//! Why columns are no schedule, and why a schedule does not compute its collective.

use crate::collective::Collective;
use crate::collective::conditions::What;
use crate::ids::RankId;

/// Why columns are no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Columns of different lengths.
    #[error("column {column} has {got} rows, column src has {expected}")]
    UnequalColumns {
        /// The column's name.
        column: &'static str,
        /// Its rows.
        got: usize,
        /// Rows of the column src.
        expected: usize,
    },
    /// The team does not suit the collective.
    #[error("{} needs {needs}, got {n_ranks}", collective.name())]
    WrongTeam {
        /// The collective.
        collective: Collective,
        /// "at least 1 rank" or "exactly 2 ranks".
        needs: &'static str,
        /// Ranks in the team.
        n_ranks: u32,
    },
    /// Neither steps nor dependencies.
    #[error("a schedule needs the column step or the column depends_on; got neither")]
    NoOrder,
    /// A rank outside the team.
    #[error("{what} of transfer {transfer} is rank {rank}, must be in 0..{n_ranks}")]
    RankOutOfRange {
        /// "src", "dst" or "root".
        what: &'static str,
        /// The row (0 for the root).
        transfer: usize,
        /// The rank given.
        rank: u32,
        /// Ranks in the team.
        n_ranks: u32,
    },
    /// A chunk that does not exist, or a range without chunks or with stride 0.
    #[error(
        "transfer {transfer} carries {count} chunks from {first} with stride {stride} around a window of {window}; a range needs count >= 1, stride >= 1 and distinct chunks in 0..{n_chunks}"
    )]
    ChunksOutOfRange {
        /// The row.
        transfer: usize,
        /// First chunk of the range.
        first: u64,
        /// Its length.
        count: u32,
        /// Its stride.
        stride: u32,
        /// The chunks that it goes around; 0 if it does not.
        window: u64,
        /// Chunks of the schedule.
        n_chunks: u64,
    },
    /// The chunks do not divide the collective's blocks evenly.
    #[error("n_chunks must be a positive multiple of the {n_blocks} blocks of {} over these ranks, got {n_chunks}", collective.name())]
    ChunksPerBlock {
        /// The collective.
        collective: Collective,
        /// Its blocks.
        n_blocks: u64,
        /// Chunks of the schedule.
        n_chunks: u64,
    },
    /// Tokens missing, not asked for, or of another number of chunks.
    #[error("a schedule of {} over {n_chunks} chunks needs {needs}", collective.name())]
    WrongTokens {
        /// The collective.
        collective: Collective,
        /// Chunks of the schedule.
        n_chunks: u64,
        /// "no tokens", "tokens", "as many chunks as its tokens have".
        needs: &'static str,
    },
    /// Sizes for another number of chunks.
    #[error("the chunk sizes are not those of {n_chunks} chunks")]
    SizesMismatch {
        /// Chunks of the schedule.
        n_chunks: u64,
    },
    /// An edge to a row that does not exist.
    #[error("{column} of transfer {transfer} names transfer {other}, must be in 0..{n_transfers}")]
    EdgeOutOfRange {
        /// `depends_on` or `follows`.
        column: &'static str,
        /// The row.
        transfer: usize,
        /// The row it names.
        other: u32,
        /// Rows.
        n_transfers: usize,
    },
    /// An edge against the order of steps.
    #[error(
        "{column} of transfer {transfer} (step {step}) names transfer {other} (step {other_step}), which must come earlier"
    )]
    EdgeNotEarlier {
        /// `depends_on` or `follows`.
        column: &'static str,
        /// The row.
        transfer: usize,
        /// Its step.
        step: u32,
        /// The row it names.
        other: u32,
        /// The other's step.
        other_step: u32,
    },
    /// Transfers that wait for each other.
    #[error("transfers {transfers:?} wait for each other in a cycle of depends_on")]
    Cycle {
        /// The rows on the cycle, each depending on the next, the last on the first.
        transfers: Vec<u32>,
    },
    /// More than fits in memory.
    #[error("a schedule of {got} {what} exceeds the limit of {limit}")]
    TooLarge {
        /// "transfers", "chunk moves", "edges" or "steps".
        what: &'static str,
        /// How many.
        got: u64,
        /// The limit.
        limit: u64,
    },
}

/// Where a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transfer {transfer} (step {step}, chunk {chunk}, rank {} to rank {})", src.0, dst.0)]
pub struct Place {
    /// The transfer.
    pub transfer: u32,
    /// Its step.
    pub step: u32,
    /// The chunk.
    pub chunk: u64,
    /// Its source.
    pub src: RankId,
    /// Its destination.
    pub dst: RankId,
}

/// Which rule a schedule breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A rank sends to itself, or a local operation is not local.
    #[error("endpoints: {at} must join two ranks, or be local to one")]
    Endpoints {
        /// Where.
        at: Place,
    },
    /// The source has nothing to send.
    #[error("source empty: {at} sends a chunk that its source does not hold")]
    SourceEmpty {
        /// Where.
        at: Place,
    },
    /// Data is added to nothing.
    #[error("reduce into nothing: {at} adds to a chunk that its destination does not hold")]
    ReduceIntoNothing {
        /// Where.
        at: Place,
    },
    /// A contribution would be summed twice.
    #[error("double counting: {at} adds the contribution of rank {}, which is in the sum already", rank.0)]
    DoubleCounting {
        /// Where.
        at: Place,
        /// Whose contribution.
        rank: RankId,
    },
    /// A copy would destroy a contribution.
    #[error("lost contribution: {at} overwrites the contribution of rank {} by data without it", rank.0)]
    LostContribution {
        /// Where.
        at: Place,
        /// Whose contribution.
        rank: RankId,
    },
    /// A token is brought where it is already.
    #[error("delivered twice: {at} brings what its destination has already")]
    DeliveredTwice {
        /// Where.
        at: Place,
    },
    /// Two writes of a step where one is no reduction.
    #[error(
        "write conflict: {at} and transfer {other} write the same chunk of the same rank in one step, and not both reduce"
    )]
    WriteConflict {
        /// Where.
        at: Place,
        /// The other transfer.
        other: u32,
    },
    /// A dependency is missing.
    #[error(
        "under-specified: {at} sends without depending on transfer {writer}, which wrote that chunk of its source"
    )]
    UnderSpecified {
        /// Where.
        at: Place,
        /// The transfer that wrote what is sent.
        writer: u32,
    },
    /// A rank does not end with what it should.
    #[error("postcondition: rank {} must end with {}, and chunk {chunk} {}", rank.0, wanted(*want), lacks(*missing))]
    Postcondition {
        /// The rank.
        rank: RankId,
        /// The chunk.
        chunk: u64,
        /// What it should hold.
        want: What,
        /// A contribution that it lacks; none where it has one too many.
        missing: Option<RankId>,
    },
}

fn wanted(what: What) -> String {
    match what {
        What::Own => "its own contribution".to_owned(),
        What::Of(rank) => format!("the data of rank {}", rank.0),
        What::All => "the contributions of all ranks".to_owned(),
        What::Ends => "the contributions of the ranks of its experts".to_owned(),
    }
}

fn lacks(missing: Option<RankId>) -> String {
    match missing {
        Some(rank) => format!("lacks that of rank {}", rank.0),
        None => "has others too".to_owned(),
    }
}
