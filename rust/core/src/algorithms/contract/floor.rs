//! Floors: what an algorithm must do whatever the machine, known before its schedule is built.

use crate::ids::RankId;

/// A lower bound on a schedule. It may be loose, never too high; `tests/floors.rs` compares it with
/// the schedules themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Floor {
    /// Transfers in some chain of which each waits for the bytes of the one before.
    pub hops: u32,
    /// Whole bytes that the transfers of this chain carry together, each as many.
    pub hop_bytes: u64,
    /// Whole bytes that some rank sends, or that some rank receives.
    pub bytes: u64,
    /// The ranks that such a chain passes, source and destination of every hop; empty where only
    /// the number of hops is stated.
    pub path: Vec<RankId>,
}

impl Floor {
    /// `hops` in a row, and `numerator / denominator` times `size_bytes` through one rank.
    pub fn new(hops: u32, size_bytes: u64, numerator: u64, denominator: u64) -> Self {
        Self {
            hops,
            bytes: part(size_bytes, numerator, denominator),
            ..Self::default()
        }
    }

    /// The hops carry `numerator / denominator` times `size_bytes` together.
    #[must_use]
    pub fn in_a_row(self, size_bytes: u64, numerator: u64, denominator: u64) -> Self {
        Self {
            hop_bytes: part(size_bytes, numerator, denominator),
            ..self
        }
    }

    /// A chain that passes these ranks.
    #[must_use]
    pub fn along(self, path: Vec<RankId>) -> Self {
        Self { path, ..self }
    }
}

/// The ranks passed from `start` on by hops of these distances around `n` ranks.
pub(in crate::algorithms) fn path_from(n: u32, start: u32, hops: &[i64]) -> Vec<RankId> {
    let mut at = i64::from(start);
    let mut path = vec![RankId(start)];
    path.extend(hops.iter().map(|hop| {
        at = (at + hop).rem_euclid(n.into());
        RankId(at as u32)
    }));
    path
}

/// Against a path whose last rank is the deepest of a tree, and along it again.
pub(in crate::algorithms) fn up_and_down(down: &[RankId]) -> Vec<RankId> {
    let up = down.iter().rev().copied();
    up.chain(down.iter().skip(1).copied()).collect()
}

fn part(size_bytes: u64, numerator: u64, denominator: u64) -> u64 {
    let bytes = u128::from(size_bytes) * u128::from(numerator) / u128::from(denominator);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
