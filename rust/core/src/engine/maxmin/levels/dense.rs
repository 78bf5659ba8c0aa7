//! How much the flows that one resource holds back weigh on each other resource, where many do.
//!
//! By row (what the flows of a resource load) and by column (what loads a resource), in chunks of 64
//! lanes with a bit per weight that is not zero. A chunk in which no route of the workload can ever
//! put a weight is not stored; two resources meet or do not meet whichever comes first, so rows and
//! columns share one addressing.

use crate::engine::number::lanes::{CHUNK, FEW};

/// Sixty-four weights of one row or column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// The lanes from `index * 64` on.
    pub(super) index: usize,
    pub(super) weights: &'a [u16; CHUNK],
    /// A bit per weight that is not zero.
    pub(super) non_zero: u64,
}

impl Chunk<'_> {
    /// Whether its weights are better visited one by one.
    #[inline]
    pub(super) fn is_sparse(&self) -> bool {
        self.non_zero.count_ones() < FEW
    }
}

/// Which chunks of lanes can meet.
#[derive(Debug, Clone)]
pub(super) struct Meetings {
    /// Of each chunk, the chunks that it can meet, ascending.
    near: Vec<Vec<u32>>,
}

impl Meetings {
    /// From the lanes of every route.
    pub(super) fn new(n_chunks: usize, routes: impl Iterator<Item = Vec<u32>>) -> Self {
        let mut meets = vec![false; n_chunks * n_chunks];
        let mut chunks: Vec<usize> = Vec::new();
        for route in routes {
            chunks.clear();
            chunks.extend(route.iter().map(|&lane| lane as usize / CHUNK));
            chunks.sort_unstable();
            chunks.dedup();
            for &a in &chunks {
                for &b in &chunks {
                    meets[a * n_chunks + b] = true;
                }
            }
        }
        let near = meets.chunks(n_chunks.max(1)).map(|row| {
            let chunks = row.iter().enumerate();
            chunks
                .filter(|(_, meets)| **meets)
                .map(|(chunk, _)| chunk as u32)
                .collect()
        });
        Self {
            near: near.collect(),
        }
    }

    /// Bytes that the weights need.
    pub(super) fn n_bytes(&self) -> u64 {
        let n_chunks: usize = self.near.iter().map(Vec::len).sum();
        let per_lane = 2 * (size_of::<[u16; CHUNK]>() + size_of::<u64>());
        (n_chunks * CHUNK * per_lane + self.near.len().pow(2) * size_of::<u32>()) as u64
    }
}

/// The weights.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    near: Vec<Vec<u32>>,
    /// Where chunk `b` stands in `near[a]`, at `a * n_chunks + b`.
    place: Vec<u32>,
    /// First chunk of each lane's row and column.
    start: Vec<u32>,
    rows: Vec<[u16; CHUNK]>,
    columns: Vec<[u16; CHUNK]>,
    row_bits: Vec<u64>,
    column_bits: Vec<u64>,
}

impl Dense {
    /// No weights.
    pub(super) fn new(meetings: Meetings) -> Self {
        let near = meetings.near;
        let n_chunks = near.len();
        let mut place = vec![u32::MAX; n_chunks * n_chunks];
        let mut start = Vec::with_capacity(n_chunks * CHUNK);
        let mut n = 0;
        for (chunk, others) in near.iter().enumerate() {
            for (at, &other) in others.iter().enumerate() {
                place[chunk * n_chunks + other as usize] = at as u32;
            }
            for _ in 0..CHUNK {
                start.push(n);
                n += others.len() as u32;
            }
        }
        let n = n as usize;
        Self {
            near,
            place,
            start,
            rows: vec![[0; CHUNK]; n],
            columns: vec![[0; CHUNK]; n],
            row_bits: vec![0; n],
            column_bits: vec![0; n],
        }
    }

    /// Removes all weights.
    pub(super) fn clear(&mut self) {
        self.rows.fill([0; CHUNK]);
        self.columns.fill([0; CHUNK]);
        self.row_bits.fill(0);
        self.column_bits.fill(0);
    }

    /// Changes what the flows held back in lane `from` weigh on lane `on`.
    pub(super) fn add(&mut self, from: usize, on: usize, weight: i64) {
        let row = self.chunk(from, on);
        let column = self.chunk(on, from);
        let weight = i64::from(self.rows[row][on % CHUNK]) + weight;
        let weight = u16::try_from(weight).expect("all flows of the workload weigh less than 2^16");
        self.rows[row][on % CHUNK] = weight;
        self.columns[column][from % CHUNK] = weight;
        set_bit(&mut self.row_bits[row], on % CHUNK, weight > 0);
        set_bit(&mut self.column_bits[column], from % CHUNK, weight > 0);
    }

    #[inline]
    fn chunk(&self, lane: usize, other: usize) -> usize {
        let place = self.place[lane / CHUNK * self.near.len() + other / CHUNK];
        (self.start[lane] + place) as usize
    }

    /// What the flows held back in a lane weigh on the others.
    #[inline]
    pub(super) fn row(&self, lane: usize) -> impl Iterator<Item = Chunk<'_>> {
        self.line(lane, &self.rows, &self.row_bits)
    }

    /// What weighs on a lane.
    #[inline]
    pub(super) fn column(&self, lane: usize) -> impl Iterator<Item = Chunk<'_>> {
        self.line(lane, &self.columns, &self.column_bits)
    }

    #[inline]
    fn line<'a>(
        &'a self,
        lane: usize,
        weights: &'a [[u16; CHUNK]],
        bits: &'a [u64],
    ) -> impl Iterator<Item = Chunk<'a>> {
        let near = &self.near[lane / CHUNK];
        let at = self.start[lane] as usize..self.start[lane] as usize + near.len();
        let chunks = weights[at.clone()].iter().zip(&bits[at]).zip(near);
        chunks
            .filter(|((_, non_zero), _)| **non_zero != 0)
            .map(|((weights, &non_zero), &index)| Chunk {
                index: index as usize,
                weights,
                non_zero,
            })
    }
}

#[inline]
fn set_bit(bits: &mut u64, at: usize, on: bool) {
    *bits = *bits & !(1 << at) | u64::from(on) << at;
}
