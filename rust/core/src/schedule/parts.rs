//! A schedule as plain columns: how a user's own algorithm enters, and how mutants are made.
//!
//! Steps may be left out (then a transfer's step is one more than the latest it depends on), and so
//! may either kind of edges (then they are derived as for a built-in algorithm). Rows may come in
//! any order; edges name row numbers.

use super::{ChunkRange, ChunkSizes, Op, Schedule, ScheduleBuilder, Send};
use crate::collective::Collective;
use crate::csr::Csr;
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
        "transfer {transfer} carries {count} chunks from {first} with stride {stride}; a range needs count >= 1, stride >= 1 and chunks in 0..{n_chunks}"
    )]
    ChunksOutOfRange {
        /// The row.
        transfer: usize,
        /// First chunk of the range.
        first: u32,
        /// Its length.
        count: u32,
        /// Its stride.
        stride: u32,
        /// Chunks of the schedule.
        n_chunks: u32,
    },
    /// The chunks do not divide the collective's blocks evenly.
    #[error("n_chunks must be a positive multiple of the {n_blocks} blocks of {} over these ranks, got {n_chunks}", collective.name())]
    ChunksPerBlock {
        /// The collective.
        collective: Collective,
        /// Its blocks.
        n_blocks: u64,
        /// Chunks of the schedule.
        n_chunks: u32,
    },
    /// Sizes for another number of chunks.
    #[error("the chunk sizes are not those of {n_chunks} chunks")]
    SizesMismatch {
        /// Chunks of the schedule.
        n_chunks: u32,
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

/// The columns of a schedule.
#[derive(Clone, Debug)]
pub struct ScheduleParts {
    /// What is computed.
    pub collective: Collective,
    /// The algorithm's name, or a user's word.
    pub algorithm: String,
    /// Ranks in the team.
    pub n_ranks: u32,
    /// The root of a rooted collective, rank 0 of another.
    pub root: RankId,
    /// Chunks that the data is divided into.
    pub n_chunks: u32,
    /// Their sizes.
    pub sizes: ChunkSizes,
    /// Step of each transfer; by default one more than the latest it depends on.
    pub step: Option<Vec<u32>>,
    /// Source of each transfer.
    pub src: Vec<RankId>,
    /// Destination of each transfer.
    pub dst: Vec<RankId>,
    /// Chunks that each transfer carries.
    pub chunks: Vec<ChunkRange>,
    /// What the destination of each transfer does.
    pub op: Vec<Op>,
    /// Rows whose bytes must have arrived; by default derived from the data.
    pub depends_on: Option<Csr<u32>>,
    /// Rows that must have been served; by default the source's previous active step.
    pub follows: Option<Csr<u32>>,
}

impl ScheduleParts {
    /// The schedule of these columns, checked but not yet proved to compute anything.
    pub fn build(self) -> Result<Schedule, ScheduleError> {
        self.check_lengths()?;
        let step = match (self.step, &self.depends_on) {
            (Some(step), _) => step,
            (None, Some(depends_on)) => inferred_steps(depends_on)?,
            (None, None) => return Err(ScheduleError::NoOrder),
        };
        let sends = step.into_iter().enumerate().map(|(row, step)| Send {
            step,
            src: self.src[row],
            dst: self.dst[row],
            chunks: self.chunks[row],
            op: self.op[row],
        });
        ScheduleBuilder {
            collective: self.collective,
            algorithm: self.algorithm,
            n_ranks: self.n_ranks,
            root: self.root,
            n_chunks: self.n_chunks,
            sizes: self.sizes,
            sends: sends.collect(),
            depends_on: self.depends_on,
            follows: self.follows,
        }
        .build()
    }

    fn check_lengths(&self) -> Result<(), ScheduleError> {
        let expected = self.src.len();
        for (column, got) in [
            ("step", self.step.as_ref().map_or(expected, Vec::len)),
            ("dst", self.dst.len()),
            ("chunks", self.chunks.len()),
            ("op", self.op.len()),
            (
                "depends_on",
                self.depends_on.as_ref().map_or(expected, Csr::n_rows),
            ),
            (
                "follows",
                self.follows.as_ref().map_or(expected, Csr::n_rows),
            ),
        ] {
            if got != expected {
                return Err(ScheduleError::UnequalColumns {
                    column,
                    got,
                    expected,
                });
            }
        }
        Ok(())
    }
}

impl Schedule {
    /// The columns, edges included.
    pub fn to_parts(&self) -> ScheduleParts {
        ScheduleParts {
            collective: self.collective,
            algorithm: self.algorithm.clone(),
            n_ranks: self.n_ranks,
            root: self.root,
            n_chunks: self.n_chunks,
            sizes: self.sizes.clone(),
            step: Some(self.step.clone()),
            src: self.src.clone(),
            dst: self.dst.clone(),
            chunks: self.chunks.clone(),
            op: self.op.clone(),
            depends_on: Some(self.depends_on.clone()),
            follows: Some(self.follows.clone()),
        }
    }
}

/// The layer of each transfer: 0 without dependencies, else one more than its latest dependency.
fn inferred_steps(depends_on: &Csr<u32>) -> Result<Vec<u32>, ScheduleError> {
    let n = depends_on.n_rows();
    check_edges("depends_on", depends_on)?;
    let dependents = depends_on.transposed(n);
    let mut waiting: Vec<usize> = depends_on.rows().map(<[u32]>::len).collect();
    let mut ready: Vec<u32> = (0..n as u32)
        .filter(|&t| waiting[t as usize] == 0)
        .collect();
    let mut step = vec![0; n];
    let mut n_done = 0;
    while let Some(transfer) = ready.pop() {
        n_done += 1;
        let after = step[transfer as usize] + 1;
        for &next in dependents.row(transfer as usize) {
            step[next as usize] = after.max(step[next as usize]);
            waiting[next as usize] -= 1;
            if waiting[next as usize] == 0 {
                ready.push(next);
            }
        }
    }
    if n_done == n {
        return Ok(step);
    }
    Err(ScheduleError::Cycle {
        transfers: a_cycle(depends_on, &waiting),
    })
}

/// Every transfer that still waits depends on another that does: following these ends in a cycle.
fn a_cycle(depends_on: &Csr<u32>, waiting: &[usize]) -> Vec<u32> {
    let waits = |&transfer: &u32| waiting[transfer as usize] > 0;
    let mut walk: Vec<u32> = (0..waiting.len() as u32).filter(waits).take(1).collect();
    let mut position = vec![None; waiting.len()];
    loop {
        let here = *walk.last().expect("a cycle exists, so some transfer waits");
        if let Some(start) = position[here as usize] {
            walk.pop();
            return walk.split_off(start);
        }
        position[here as usize] = Some(walk.len() - 1);
        let next = depends_on
            .row(here as usize)
            .iter()
            .copied()
            .find(|t| waits(t));
        walk.push(next.expect("a waiting transfer depends on a waiting one"));
    }
}

/// Whether all edges name rows.
pub(super) fn check_edges(column: &'static str, edges: &Csr<u32>) -> Result<(), ScheduleError> {
    let n_transfers = edges.n_rows();
    for (transfer, row) in edges.rows().enumerate() {
        if let Some(&other) = row.iter().find(|&&other| other as usize >= n_transfers) {
            return Err(ScheduleError::EdgeOutOfRange {
                column,
                transfer,
                other,
                n_transfers,
            });
        }
    }
    Ok(())
}
