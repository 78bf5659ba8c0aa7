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
    pub first: u64,
    /// How many chunks.
    pub count: u32,
    /// The distance between neighbors; 1 where there is one chunk.
    pub stride: u32,
    /// Past the end of the window of so many chunks that `first` lies in (windows lie side by side
    /// from chunk 0 on), they go on at its start; 0 where they pass no end.
    pub window: u64,
}

impl ChunkRange {
    /// One chunk.
    pub fn one(chunk: impl Into<u64>) -> Self {
        Self::span(chunk, 1)
    }

    /// `count` neighboring chunks.
    pub fn span(first: impl Into<u64>, count: u32) -> Self {
        Self {
            first: first.into(),
            count,
            stride: 1,
            window: 0,
        }
    }

    /// `count` > 0 chunks from `first` on in strides of `stride`, around the window of `window`
    /// chunks that `first` lies in.
    pub fn cyclic(window: impl Into<u64>, first: impl Into<u64>, count: u32, stride: u32) -> Self {
        let (window, first) = (window.into(), first.into());
        let offset = first % window;
        let passed = u64::from(count) * u64::from(stride);
        let range = Self {
            first,
            count,
            stride: if count == 1 { 1 } else { stride },
            window: 0,
        };
        if count == 1 || offset + passed - u64::from(stride) < window {
            return range;
        }
        if passed == window {
            // Once around: it makes no difference where that began.
            let first = first - offset + offset % u64::from(stride);
            return Self { first, ..range };
        }
        Self { window, ..range }
    }

    /// Chunks in the order in which [`Self::iter`] has them, if each is `stride` behind the one
    /// before, maybe around one of these windows.
    pub fn from_sequence(chunks: &[u64], stride: u32, windows: &[u64]) -> Option<Self> {
        let [first, ..] = *chunks else { return None };
        let count = chunks.len() as u32;
        let end = chunks.windows(2).find(|pair| pair[0] >= pair[1]);
        // Where the numbers fall, the window ends.
        let around = |pair: &[u64]| pair[0].checked_add(stride.into())?.checked_sub(pair[1]);
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
    pub fn iter(self) -> impl Iterator<Item = u64> {
        let offset = self.first.checked_rem(self.window).unwrap_or(0);
        (0..self.count).map(move |i| {
            let passed = u64::from(i) * u64::from(self.stride);
            if self.window == 0 {
                return self.first + passed;
            }
            self.first - offset + (offset + passed) % self.window
        })
    }

    /// The largest chunk that there may be; as far as 64 bits go, as input may be unchecked.
    pub fn last(self) -> u64 {
        let passed = u64::from(self.stride) * u64::from(self.count.saturating_sub(1));
        match self.first.checked_rem(self.window) {
            Some(offset) => (self.first - offset).saturating_add(self.window - 1),
            None => self.first.saturating_add(passed),
        }
    }

    /// Whether no chunk comes twice.
    pub fn is_distinct(self) -> bool {
        let around = self
            .window
            .checked_div(self.window.gcd(&self.stride.into()));
        let is_once_around = around.is_some_and(|around| u64::from(self.count) <= around);
        self.stride > 0 && (self.window == 0 || is_once_around)
    }

    /// Progressions that cover ascending, distinct chunks, greedily from the left.
    pub fn cover<T: Copy + Into<u64>>(chunks: &[T]) -> Vec<Self> {
        let mut ranges = Vec::new();
        let mut rest = chunks;
        let apart = |pair: &[T]| -> u64 { pair[1].into() - pair[0].into() };
        while let [first, ..] = rest {
            // Chunks farther apart than a stride can say are ranges of their own.
            let stride = rest
                .get(..2)
                .map_or(Ok(1), |pair| u32::try_from(apart(pair)));
            let is_next = |pair: &&[T]| Ok(apart(pair)) == stride.map(u64::from);
            let count = 1 + rest.windows(2).take_while(is_next).count();
            ranges.push(Self {
                first: (*first).into(),
                count: count as u32,
                stride: stride.ok().filter(|_| count > 1).unwrap_or(1),
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
    pub fn of(problem: &Problem, n_chunks: u64) -> Self {
        let buffers = problem.collective.n_buffers(problem.n_ranks());
        let per_buffer = (n_chunks / u64::from(buffers)) as u32;
        match (&problem.payload, problem.split) {
            (Payload::Counts(counts), _) => {
                let per_block = (n_chunks / counts.len() as u64) as u32;
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
    pub fn is_zero(&self, chunk: u64) -> bool {
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
        self.size_of(ChunkRange::span(0u32, count))
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
                let n_chunks = u64::from(*n_chunks);
                let size = |chunk: u64| floor + u64::from(chunk % n_chunks < extra);
                range.iter().map(size).sum()
            }
            Self::Each { offsets } if range.stride == 1 && range.window == 0 => {
                let first = range.first as usize;
                offsets[first + range.count as usize] - offsets[first]
            }
            Self::Each { offsets } => {
                let size = |chunk: u64| offsets[chunk as usize + 1] - offsets[chunk as usize];
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
                let chunk = range.first % u64::from(*n_chunks);
                chunk * floor + chunk.min(extra)
            }
            Self::Each { offsets } => offsets[range.first as usize],
        }
    }

    /// Whether the sizes are those of `n_chunks` chunks of a schedule.
    pub(crate) fn fits(&self, n_chunks: u64) -> bool {
        match self {
            Self::Equal {
                n_chunks: per_buffer,
                ..
            } => *per_buffer > 0 && n_chunks.is_multiple_of((*per_buffer).into()),
            Self::Each { offsets } => offsets.len() as u64 == n_chunks + 1,
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
                    let expected: Vec<u64> = expected.map(u64::from).collect();
                    let range = ChunkRange::cyclic(n, n + first, count, stride);
                    let mut chunks: Vec<u64> = range.iter().collect();
                    let what = format!("{n} {first} {count} {stride}");
                    assert!(
                        range.is_distinct() && range.last() < 2 * u64::from(n),
                        "{what}"
                    );
                    assert_eq!(
                        ChunkRange::from_sequence(&expected, stride, &[n.into()]),
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
            Some(ChunkRange::cyclic(6u32, 5u32, 3, 2))
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
        assert_eq!(equal.size_of(ChunkRange::one(2u32)), (7, 3));
        assert_eq!(equal.size_of(ChunkRange::span(0u32, 3)), (7, 1));
        assert_eq!(equal.balanced_size_bytes(ChunkRange::span(0u32, 2)), 5);
        assert_eq!(equal.offset_bytes(ChunkRange::one(2u32)), 5);
    }

    #[test]
    fn scattered_chunks_become_few_progressions() {
        let range = |first, count, stride| ChunkRange {
            first,
            count,
            stride,
            window: 0,
        };
        assert_eq!(ChunkRange::cover::<u32>(&[]), []);
        assert_eq!(ChunkRange::cover(&[1u32, 4, 7]), [range(1, 3, 3)]);
        assert_eq!(
            ChunkRange::cover(&[0u32, 1, 2, 9]),
            [range(0, 3, 1), range(9, 1, 1)]
        );
        // Of an all-to-all over 2^17 ranks, two chunks with 2^33 others between them.
        assert_eq!(
            ChunkRange::cover(&[5u64, (1 << 33) + 6, (1 << 33) + 8]),
            [range(5, 1, 1), range((1 << 33) + 6, 2, 2)]
        );
    }
}
