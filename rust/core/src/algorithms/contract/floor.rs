//! Floors: what an algorithm must do whatever the machine, known before its schedule is built.

/// A lower bound on a schedule. It may be loose, never too high; conformance tests compare it with
/// the schedules themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// Transfers in some chain of which each waits for the bytes of the one before.
    pub hops: u32,
    /// Whole bytes that the transfers of this chain carry together.
    pub hop_bytes: u64,
    /// Whole bytes that some rank sends, or that some rank receives.
    pub bytes: u64,
}

impl Floor {
    /// `hops` in a row, and `numerator / denominator` times `size_bytes` through one rank.
    pub fn new(hops: u32, size_bytes: u64, numerator: u64, denominator: u64) -> Self {
        Self {
            hops,
            hop_bytes: 0,
            bytes: part(size_bytes, numerator, denominator),
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
}

fn part(size_bytes: u64, numerator: u64, denominator: u64) -> u64 {
    let bytes = u128::from(size_bytes) * u128::from(numerator) / u128::from(denominator);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
