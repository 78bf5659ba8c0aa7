//! Chunks of a schedule: which ones a message carries, and how many bytes each has.
//!
//! A message carries an arithmetic progression of chunks, maybe around the end of a block, so that
//! hierarchical and Bruck-like algorithms send one message where the data is strided. Sizes are exact: an equal split is a
//! fraction S / C that is never rounded; whole-byte splits list each chunk's offset.

use num_integer::Integer;

use crate::collective::{Payload, Problem, Split, Traffic};

/// The chunks `first, first + stride, ...`: `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkRange {
    /// The first chunk.
    pub first: u32,
    /// How many chunks.
    pub count: u32,
    /// The distance between neighbors; 1 where there is one chunk.
    pub stride: u32,
    /// Past the end of the window of so many chunks that `first` lies in (windows lie side by side
    /// from chunk 0 on), they go on at its start; 0 where they pass no end.
    pub window: u32,
}

impl ChunkRange {
    /// One chunk.
    pub const fn one(chunk: u32) -> Self {
        Self::span(chunk, 1)
    }

    /// `count` neighboring chunks.
    pub const fn span(first: u32, count: u32) -> Self {
        Self {
            first,
            count,
            stride: 1,
            window: 0,
        }
    }

    /// `count` > 0 chunks from `first` on in strides of `stride`, around the window of `window`
    /// chunks that `first` lies in.
    pub fn cyclic(window: u32, first: u32, count: u32, stride: u32) -> Self {
        let offset = u64::from(first % window);
        let passed = u64::from(count) * u64::from(stride);
        let range = Self {
            first,
            count,
            stride: if count == 1 { 1 } else { stride },
            window: 0,
        };
        if count == 1 || offset + passed - u64::from(stride) < u64::from(window) {
            return range;
        }
        if passed == u64::from(window) {
            // Once around: it makes no difference where that began.
            let first = first - first % window + first % window % stride;
            return Self { first, ..range };
        }
        Self { window, ..range }
    }

    /// Chunks in the order in which [`Self::iter`] has them, if each is `stride` behind the one
    /// before, maybe around one of these windows.
    pub fn from_sequence(chunks: &[u32], stride: u32, windows: &[u32]) -> Option<Self> {
        let [first, ..] = *chunks else { return None };
        let count = chunks.len() as u32;
        let end = chunks.windows(2).find(|pair| pair[0] >= pair[1]);
        // Where the numbers fall, the window ends.
        let around = |pair: &[u32]| pair[0].checked_add(stride)?.checked_sub(pair[1]);
        let window = match end {
            Some(pair) => around(pair).filter(|window| windows.contains(window))?,
            None => 0,
        };
        let range = Self {
            first,
            count,
            stride: if count == 1 { 1 } else { stride },
            window,
        };
        let is_it = stride > 0 && range.iter().eq(chunks.iter().copied());
        is_it.then(|| match end {
            Some(_) => Self::cyclic(window, first, count, stride),
            None => range,
        })
    }

    /// The chunks in order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let offset = self.first.checked_rem(self.window).unwrap_or(0);
        (0..self.count).map(move |i| {
            if self.window == 0 {
                return self.first + i * self.stride;
            }
            let passed = u64::from(offset) + u64::from(i) * u64::from(self.stride);
            self.first - offset + (passed % u64::from(self.window)) as u32
        })
    }

    /// The largest chunk that there may be, in 64 bits because unchecked input may leave the 32.
    pub fn last(self) -> u64 {
        let first = u64::from(self.first);
        match first.checked_rem(u64::from(self.window)) {
            Some(offset) => first - offset + u64::from(self.window) - 1,
            None => first + u64::from(self.stride) * u64::from(self.count.saturating_sub(1)),
        }
    }

    /// Whether no chunk comes twice.
    pub fn is_distinct(self) -> bool {
        let around = self.window.checked_div(self.window.gcd(&self.stride));
        self.stride > 0 && (self.window == 0 || around.is_some_and(|around| self.count <= around))
    }

    /// Progressions that cover ascending, distinct chunks, greedily from the left.
    pub fn cover(chunks: &[u32]) -> Vec<Self> {
        let mut ranges = Vec::new();
        let mut rest = chunks;
        while let [first, tail @ ..] = rest {
            let stride = tail.first().map_or(1, |second| second - first);
            let mut count = 1;
            while count < rest.len() && rest[count] - rest[count - 1] == stride {
                count += 1;
            }
            ranges.push(Self {
                first: *first,
                count: count as u32,
                stride: if count == 1 { 1 } else { stride },
                window: 0,
            });
            rest = &rest[count..];
        }
        ranges
    }
}

/// Bytes per chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkSizes {
    /// Each buffer of `total_bytes` is divided exactly into `n_chunks`. An all-to-all has a buffer
    /// per rank, everything else has one.
    Equal {
        /// Bytes of one buffer.
        total_bytes: u64,
        /// Chunks of one buffer, at least 1.
        n_chunks: u32,
    },
    /// Whole bytes: chunk c has `offsets[c + 1] - offsets[c]`.
    Each {
        /// Running sums of the sizes, starting at 0: one entry more than there are chunks.
        offsets: Vec<u64>,
    },
}

impl ChunkSizes {
    /// The sizes of a checked problem's chunks.
    pub fn of(problem: &Problem, n_chunks: u32) -> Self {
        let blocks = problem.collective.n_blocks(problem.n_ranks());
        let buffers = (blocks / u64::from(problem.n_ranks())).max(1) as u32;
        let per_buffer = n_chunks / buffers;
        match (&problem.payload, problem.split) {
            (Payload::Counts(counts), _) => {
                let per_block = n_chunks / counts.len() as u32;
                Self::each(counts.iter().flat_map(|&c| balanced(c, per_block)))
            }
            (Payload::Bytes(size), Split::Balanced) => {
                Self::each((0..buffers).flat_map(|_| balanced(*size, per_buffer)))
            }
            (Payload::Bytes(size), Split::Hccl) => {
                Self::each((0..buffers).flat_map(|_| hccl(*size, per_buffer)))
            }
            // Tokens have sizes of their own: `of_tokens`.
            (Payload::Bytes(_) | Payload::None | Payload::Tokens(_), _) => Self::Equal {
                total_bytes: problem.size_bytes(),
                n_chunks: per_buffer,
            },
        }
    }

    /// The sizes of tokens in slots of `slot_bytes`, and of status blocks of `status_bytes` for each
    /// expert of the rank that they are for.
    pub fn of_tokens(traffic: &Traffic, slot_bytes: u64, status_bytes: u64) -> Self {
        let (copies, experts) = (traffic.copies(), traffic.tokens.experts());
        if !traffic.layout.has_status {
            return Self::Equal {
                total_bytes: slot_bytes * u64::from(copies.len()),
                n_chunks: copies.len().max(1),
            };
        }
        Self::each((0..copies.len()).map(|chunk| {
            if copies.token(chunk).is_none() {
                u64::from(experts.n_local(copies.ends(chunk)[0]).max(1)) * status_bytes
            } else {
                slot_bytes
            }
        }))
    }

    /// Whole bytes, chunk by chunk; their sum must be below 2^64.
    pub fn each(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for size in sizes {
            end += size;
            offsets.push(end);
        }
        Self::Each { offsets }
    }

    /// Whether a chunk has no bytes.
    #[inline]
    pub fn is_zero(&self, chunk: u32) -> bool {
        match self {
            Self::Equal { total_bytes, .. } => *total_bytes == 0,
            Self::Each { offsets } => offsets[chunk as usize] == offsets[chunk as usize + 1],
        }
    }

    /// Exact bytes of a range as a reduced fraction.
    pub fn size_of(&self, range: ChunkRange) -> (u128, u64) {
        reduced(self.numerator(range), self.denominator())
    }

    /// Exact bytes of so many chunks of equal size.
    ///
    /// # Panics
    /// If the chunks are not of equal size.
    pub fn size_of_chunks(&self, count: u32) -> (u128, u64) {
        assert!(
            matches!(self, Self::Equal { .. }),
            "chunks are of equal size"
        );
        self.size_of(ChunkRange::span(0, count))
    }

    /// Bytes of a range in units of 1 / `denominator()` byte.
    pub(super) fn numerator(&self, range: ChunkRange) -> u128 {
        match self {
            Self::Equal { total_bytes, .. } => u128::from(*total_bytes) * u128::from(range.count),
            Self::Each { .. } => u128::from(self.balanced_size_bytes(range)),
        }
    }

    /// The common denominator of all sizes.
    pub(super) fn denominator(&self) -> u64 {
        match self {
            Self::Equal { n_chunks, .. } => u64::from(*n_chunks),
            Self::Each { .. } => 1,
        }
    }

    /// Bytes of a range when an equal split is rounded to whole bytes (for display).
    pub fn balanced_size_bytes(&self, range: ChunkRange) -> u64 {
        match self {
            Self::Equal {
                total_bytes,
                n_chunks,
            } => {
                let (floor, extra) = total_bytes.div_rem(&u64::from(*n_chunks));
                let size = |chunk: u32| floor + u64::from(u64::from(chunk % n_chunks) < extra);
                range.iter().map(size).sum()
            }
            Self::Each { offsets } if range.stride == 1 && range.window == 0 => {
                let first = range.first as usize;
                offsets[first + range.count as usize] - offsets[first]
            }
            Self::Each { offsets } => {
                let size = |chunk: u32| offsets[chunk as usize + 1] - offsets[chunk as usize];
                range.iter().map(size).sum()
            }
        }
    }

    /// Where the range starts in its buffer, in whole bytes (for display); buffers of an
    /// all-to-all with whole bytes lie one behind the other.
    pub fn offset_bytes(&self, range: ChunkRange) -> u64 {
        match self {
            Self::Equal {
                total_bytes,
                n_chunks,
            } => {
                let (floor, extra) = total_bytes.div_rem(&u64::from(*n_chunks));
                let chunk = u64::from(range.first % n_chunks);
                chunk * floor + chunk.min(extra)
            }
            Self::Each { offsets } => offsets[range.first as usize],
        }
    }

    /// Whether the sizes are those of `n_chunks` chunks of a schedule.
    pub(crate) fn fits(&self, n_chunks: u32) -> bool {
        match self {
            Self::Equal {
                n_chunks: per_buffer,
                ..
            } => *per_buffer > 0 && n_chunks.is_multiple_of(*per_buffer),
            Self::Each { offsets } => offsets.len() == n_chunks as usize + 1,
        }
    }
}

/// A fraction in lowest terms.
pub(super) fn reduced(numerator: u128, denominator: u64) -> (u128, u64) {
    let divisor = numerator.gcd(&u128::from(denominator));
    // The divisor divides the denominator, so it fits.
    (numerator / divisor, denominator / divisor as u64)
}

fn balanced(size: u64, n_chunks: u32) -> impl Iterator<Item = u64> {
    let (floor, extra) = size.div_rem(&u64::from(n_chunks));
    (0..u64::from(n_chunks)).map(move |chunk| floor + u64::from(chunk < extra))
}

/// Alignment of HCCL's slices in bytes (CANN hcomm, slice division, read 2026-04).
const HCCL_ALIGNMENT_BYTES: u64 = 128;

fn hccl(size: u64, n_chunks: u32) -> impl Iterator<Item = u64> {
    // Next to 2^64 the rounding up saturates: the first chunk takes everything then.
    let whole = size.div_ceil(u64::from(n_chunks));
    let slice = whole
        .checked_next_multiple_of(HCCL_ALIGNMENT_BYTES)
        .unwrap_or(u64::MAX);
    (0..u64::from(n_chunks)).map(move |chunk| {
        let start = chunk.saturating_mul(slice).min(size);
        slice.min(size - start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cyclic_chunks_are_those_of_the_definition() {
        let each =
            |n: u32| (0..n).flat_map(move |first| (1..=n).map(move |stride| (first, stride)));
        for n in 1..=12u32 {
            for (first, stride) in each(n) {
                for count in 1..=n / n.gcd(&stride) {
                    // In the second window of n chunks.
                    let expected = (0..count).map(|i| n + (first + i * stride) % n);
                    let expected: Vec<u32> = expected.collect();
                    let range = ChunkRange::cyclic(n, n + first, count, stride);
                    let mut chunks: Vec<u32> = range.iter().collect();
                    let what = format!("{n} {first} {count} {stride}");
                    assert!(
                        range.is_distinct() && range.last() < 2 * u64::from(n),
                        "{what}"
                    );
                    assert_eq!(
                        ChunkRange::from_sequence(&expected, stride, &[n]),
                        Some(range),
                        "{what}"
                    );
                    if range.window == 0 {
                        assert!(chunks.is_sorted(), "{what}");
                    } else {
                        assert_eq!(chunks, expected, "{what}");
                        assert!(
                            range.count > n / n.gcd(&stride) || !chunks.is_sorted(),
                            "{what}"
                        );
                    }
                    chunks.sort_unstable();
                    let mut expected = expected;
                    expected.sort_unstable();
                    assert_eq!(chunks, expected, "{what}");
                }
            }
        }
        assert_eq!(ChunkRange::from_sequence(&[3, 5, 8], 2, &[]), None);
        assert_eq!(
            ChunkRange::from_sequence(&[5, 1, 3], 2, &[4, 6]),
            Some(ChunkRange::cyclic(6, 5, 3, 2))
        );
        assert_eq!(ChunkRange::from_sequence(&[5, 1, 3], 2, &[4]), None);
        let repeated = ChunkRange {
            first: 0,
            count: 3,
            stride: 4,
            window: 8,
        };
        assert!(!repeated.is_distinct());
    }

    #[test]
    fn the_three_splits_divide_seven_bytes_over_three_chunks() {
        // 7 = 3 + 2 + 2 balanced; HCCL rounds ceil(7 / 3) = 3 up to 128, so the first takes all.
        assert_eq!(balanced(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(hccl(7, 3).collect::<Vec<_>>(), [7, 0, 0]);
        assert_eq!(hccl(300, 2).collect::<Vec<_>>(), [256, 44]);
        let equal = ChunkSizes::Equal {
            total_bytes: 7,
            n_chunks: 3,
        };
        assert_eq!(equal.size_of(ChunkRange::one(2)), (7, 3));
        assert_eq!(equal.size_of(ChunkRange::span(0, 3)), (7, 1));
        assert_eq!(equal.balanced_size_bytes(ChunkRange::span(0, 2)), 5);
        assert_eq!(equal.offset_bytes(ChunkRange::one(2)), 5);
    }

    #[test]
    fn scattered_chunks_become_few_progressions() {
        let range = |first, count, stride| ChunkRange {
            first,
            count,
            stride,
            window: 0,
        };
        assert_eq!(ChunkRange::cover(&[]), []);
        assert_eq!(ChunkRange::cover(&[1, 4, 7]), [range(1, 3, 3)]);
        assert_eq!(
            ChunkRange::cover(&[0, 1, 2, 9]),
            [range(0, 3, 1), range(9, 1, 1)]
        );
    }
}
