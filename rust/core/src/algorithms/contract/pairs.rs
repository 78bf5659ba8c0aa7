//! Blocks of an all-to-all: one for each pair of ranks, n^2 of them, which may need 64 bits.

/// The block that goes from one of n ranks to another.
pub(in crate::algorithms) fn pair(n_ranks: u32, src: u32, dst: u32) -> u64 {
    u64::from(src) * u64::from(n_ranks) + u64::from(dst)
}
