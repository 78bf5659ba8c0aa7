//! Statistics of a schedule: counts and bytes, no links and no times.

use super::chunks::reduced;
use super::{Op, Schedule};
use crate::ids::RankId;

/// An exact number of bytes: a reduced fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bytes {
    /// Numerator.
    pub numerator: u128,
    /// Denominator, at least 1.
    pub denominator: u64,
}

/// What a schedule amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleStats {
    /// Steps.
    pub n_steps: u32,
    /// Transfers.
    pub n_transfers: usize,
    /// Bytes that each rank sends to others.
    pub sent: Vec<Bytes>,
    /// Bytes that each rank receives from others.
    pub received: Vec<Bytes>,
    /// Transfers on the longest chain of data and order edges.
    pub critical_path: u32,
}

impl ScheduleStats {
    /// Counts one schedule.
    pub fn of(schedule: &Schedule) -> Self {
        let mut sent = vec![0u128; schedule.n_ranks as usize];
        let mut received = sent.clone();
        for t in 0..schedule.len() {
            if schedule.op[t] != Op::Local {
                let numerator = schedule.sizes.numerator(schedule.chunks[t]);
                sent[schedule.src[t].index()] += numerator;
                received[schedule.dst[t].index()] += numerator;
            }
        }
        let denominator = schedule.sizes.denominator();
        let exact = |numerator| {
            let (numerator, denominator) = reduced(numerator, denominator);
            Bytes {
                numerator,
                denominator,
            }
        };
        Self {
            n_steps: schedule.n_steps(),
            n_transfers: schedule.len(),
            sent: sent.into_iter().map(exact).collect(),
            received: received.into_iter().map(exact).collect(),
            critical_path: critical_path(schedule),
        }
    }

    /// Bytes that `rank` sends to others.
    pub fn sent_by(&self, rank: RankId) -> Bytes {
        self.sent[rank.index()]
    }
}

/// Edges lead to earlier positions, so one pass in order is enough.
fn critical_path(schedule: &Schedule) -> u32 {
    let mut length: Vec<u32> = Vec::with_capacity(schedule.len());
    for t in 0..schedule.len() {
        let before = schedule.depends_on.row(t).iter();
        let before = before.chain(schedule.follows.row(t));
        let longest = before.map(|&other| length[other as usize]).max();
        length.push(longest.unwrap_or(0) + 1);
    }
    length.into_iter().max().unwrap_or(0)
}
