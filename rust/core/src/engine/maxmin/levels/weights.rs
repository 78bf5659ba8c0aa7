//! What the flows that one resource holds back weigh on the others, in one of two tables.

use super::dense::{Dense, Meetings};
use super::sparse::Sparse;
use crate::engine::number::lanes::{CHUNK, each_bit};

/// The weights.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    /// Of a workload, whose routes say beforehand which resources can meet.
    Dense(Dense),
    /// Of flows that come one by one.
    Sparse(Sparse),
}

impl Weights {
    /// No weights on resources that can meet as said.
    pub(super) fn of_meetings(meetings: Meetings) -> Self {
        Self::Dense(Dense::new(meetings))
    }

    /// No weights on so many resources.
    pub(super) fn open(n_lanes: usize) -> Self {
        Self::Sparse(Sparse::new(n_lanes))
    }

    /// Removes all weights.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Dense(table) => table.clear(),
            Self::Sparse(table) => table.clear(),
        }
    }

    /// Changes what the flows held back in lane `from` weigh on lane `on`.
    #[inline]
    pub(super) fn add(&mut self, from: usize, on: usize, weight: i64) {
        match self {
            Self::Dense(table) => table.add(from, on, weight),
            Self::Sparse(table) => table.add(from, on, weight),
        }
    }

    /// Visits those of the lanes whose bits are set that a lane's flows weigh on, ascending.
    #[inline]
    pub(super) fn each_on(&self, lane: usize, among: &[u64], mut visit: impl FnMut(usize)) {
        match self {
            Self::Dense(table) => {
                for row in table.row(lane) {
                    let both = row.non_zero & among[row.index];
                    each_bit(both, |at| visit(row.index * CHUNK + at));
                }
            }
            Self::Sparse(table) => {
                let lanes = table.row(lane).iter().map(|entry| entry.lane as usize);
                for other in lanes.filter(|other| among[other / CHUNK] >> (other % CHUNK) & 1 == 1)
                {
                    visit(other);
                }
            }
        }
    }

    /// Visits the lanes whose flows weigh on a lane, ascending, and how much they do.
    #[inline]
    pub(super) fn each_from(&self, lane: usize, mut visit: impl FnMut(usize, u64)) {
        match self {
            Self::Dense(table) => {
                for column in table.column(lane) {
                    each_bit(column.non_zero, |at| {
                        visit(column.index * CHUNK + at, column.weights[at].into());
                    });
                }
            }
            Self::Sparse(table) => {
                for entry in table.column(lane) {
                    visit(entry.lane as usize, entry.weight);
                }
            }
        }
    }
}
