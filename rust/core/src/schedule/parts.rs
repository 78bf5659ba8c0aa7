//! A schedule as plain columns: how a user's own algorithm enters, and how mutants are made.
//!
//! Steps may be left out (then a transfer's step is one more than the latest it depends on), and so
//! may either kind of edges (then they are derived as for a built-in algorithm). Rows may come in
//! any order; edges name row numbers.

use std::ops::Range;

use super::{ChunkRange, ChunkSizes, Op, Schedule, ScheduleBuilder, ScheduleError, Send};
use crate::collective::{Collective, Traffic};
use crate::csr::Csr;
use crate::ids::RankId;

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
    pub n_chunks: u64,
    /// Their sizes.
    pub sizes: ChunkSizes,
    /// The tokens that move, if that is what does.
    pub traffic: Option<Traffic>,
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
    /// Steps whose reductions and multicasts are done by switches.
    pub in_network: Vec<Range<u32>>,
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
            traffic: self.traffic,
            sends: sends.collect(),
            queues: Vec::new(),
            depends_on: self.depends_on,
            follows: self.follows,
            in_network: self.in_network,
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
            traffic: self.traffic.clone(),
            step: Some(self.step.clone()),
            src: self.src.clone(),
            dst: self.dst.clone(),
            chunks: self.chunks.clone(),
            op: self.op.clone(),
            depends_on: Some(self.depends_on.clone()),
            follows: Some(self.follows.clone()),
            in_network: self.in_network.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A broadcast of one chunk along 0 -> 1 -> 2, rows in reverse, in `sizes`.
    fn chain(sizes: ChunkSizes, depends_on: &[&[u32]]) -> ScheduleParts {
        let mut edges = Csr::default();
        for row in depends_on {
            edges.push_row(row.iter().copied());
        }
        ScheduleParts {
            collective: Collective::Broadcast,
            algorithm: "mine".to_owned(),
            n_ranks: 3,
            root: RankId(0),
            n_chunks: 1,
            sizes,
            traffic: None,
            step: None,
            src: vec![RankId(1), RankId(0)],
            dst: vec![RankId(2), RankId(1)],
            chunks: vec![ChunkRange::one(0u32); 2],
            op: vec![Op::Copy; 2],
            depends_on: Some(edges),
            follows: None,
            in_network: Vec::new(),
        }
    }

    fn eight_bytes() -> ChunkSizes {
        ChunkSizes::each([8])
    }

    #[test]
    fn steps_are_inferred_and_rows_put_in_order() {
        let schedule = chain(eight_bytes(), &[&[1], &[]]).build().unwrap();
        assert_eq!(schedule.step(), [0, 1]);
        assert_eq!(schedule.src(), [RankId(0), RankId(1)]);
        assert_eq!(schedule.depends_on().row(1), [0]);
        assert_eq!(schedule.to_parts().build().unwrap(), schedule);
    }

    #[test]
    fn derived_edges_are_the_explicit_ones_of_a_chain() {
        let explicit = chain(eight_bytes(), &[&[1], &[]]).build().unwrap();
        let mut parts = chain(eight_bytes(), &[&[1], &[]]);
        parts.step = Some(vec![1, 0]);
        parts.depends_on = None;
        assert_eq!(parts.build().unwrap(), explicit);
    }

    #[test]
    fn a_cycle_names_its_transfers() {
        let error = chain(eight_bytes(), &[&[1], &[0]]).build().unwrap_err();
        let expected = ScheduleError::Cycle {
            transfers: vec![0, 1],
        };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_dropped_transfer_hands_its_dependencies_on() {
        // Rows 0 -> 1 -> 2 of three chunks, the middle one without bytes: row 2 then waits for 0.
        let mut parts = chain(ChunkSizes::each([8, 0, 8]), &[&[], &[0], &[1]]);
        parts.n_chunks = 3;
        parts.src = vec![RankId(0); 3];
        parts.dst = vec![RankId(1); 3];
        parts.chunks = (0..3u32).map(ChunkRange::one).collect();
        parts.op = vec![Op::Copy; 3];
        let schedule = parts.build().unwrap();
        assert_eq!(
            (schedule.len(), schedule.depends_on().row(1)),
            (2, &[0][..])
        );
    }

    #[test]
    fn bad_columns_are_refused_by_name_value_and_range() {
        type Break = fn(&mut ScheduleParts);
        let cases: [(Break, &str); 9] = [
            (
                |p| p.dst.truncate(1),
                "column dst has 1 rows, column src has 2",
            ),
            (|p| p.depends_on = None, "got neither"),
            (
                |p| p.dst[1] = RankId(3),
                "dst of transfer 1 is rank 3, must be in 0..3",
            ),
            (
                |p| p.root = RankId(4),
                "root of transfer 0 is rank 4, must be in 0..3",
            ),
            (
                |p| p.chunks[0] = ChunkRange::span(0u32, 2),
                "carries 2 chunks from 0",
            ),
            (
                |p| p.n_chunks = 0,
                "positive multiple of the 1 blocks of broadcast",
            ),
            (|p| p.n_chunks = 2, "not those of 2 chunks"),
            (|p| p.step = Some(vec![0, 0]), "which must come earlier"),
            (|p| p.n_ranks = 0, "at least 1 rank"),
        ];
        for (break_it, expected) in cases {
            let mut parts = chain(eight_bytes(), &[&[1], &[]]);
            break_it(&mut parts);
            let error = parts.build().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = chain(eight_bytes(), &[&[2], &[]]).build().unwrap_err();
        assert!(error.to_string().contains("must be in 0..2"), "{error}");
    }
}
