//! The two loops that all time goes into: over the widest vectors that the machine has where many
//! resources meet, over short lists where few do.
//!
//! Of many, a row or column of weights is visited chunk by chunk, or weight by weight where few are not zero.
//! Doubles order like their bits read as integers, except that negative ones order backwards among
//! themselves; extremes of integers, unlike those of doubles, are computed in vectors. Nothing here
//! is summed in an order that depends on the width, so results have the same bits on every machine.

#![expect(
    clippy::inline_always,
    reason = "vectors are as wide as those of the function that everything is inlined into"
)]

use super::dense::{Chunk, Dense};
use super::sparse::Sparse;
use super::weights::Weights;
use super::{Levels, split};
use crate::engine::number::Number;
use crate::engine::number::lanes::{CHUNK, Lanes, each_bit};

/// What the flows held back elsewhere load a lane with, and the fastest of their rates.
struct Pull<'a, L> {
    weights: &'a Dense,
    values: &'a L,
    keys: &'a [[f64; CHUNK]],
    lane: usize,
}

/// A change of level passed on to the loads of the lanes that it weighs on.
struct Push<'a> {
    weights: &'a Dense,
    keys: &'a [[f64; CHUNK]],
    loads: &'a mut [[f64; CHUNK]],
    thresholds: &'a [[f64; CHUNK]],
    holding: &'a [u64],
    is_waiting: &'a [u64],
    lane: usize,
    change: f64,
    /// Chunks and bits of the lanes whose equation the change breaks, unless they wait anyway.
    marks: &'a mut Vec<(usize, u64)>,
}

impl<N: Number> Levels<N> {
    /// What the flows held back elsewhere load a lane with, and the fastest of their rates.
    pub(super) fn foreign(&self, lane: usize) -> (N, f64) {
        let weights = match &self.weights {
            Weights::Dense(weights) => weights,
            Weights::Sparse(weights) => return self.foreign_few(weights, lane),
        };
        let pull = Pull {
            weights,
            values: &self.values,
            keys: &self.keys,
            lane,
        };
        self.vectors
            .dispatch(Typed::<_, N>(pull, std::marker::PhantomData))
    }

    fn foreign_few(&self, weights: &Sparse, lane: usize) -> (N, f64) {
        let (mut sum, mut fastest) = (N::zero(), 0.0f64);
        for entry in weights.column(lane) {
            let (chunk, at) = split(entry.lane as usize);
            let rate = self.values.get(entry.lane as usize);
            sum = sum.add(&rate.mul_int(entry.weight));
            fastest = fastest.max(self.keys[chunk][at]);
        }
        (sum, fastest)
    }

    /// Passes a change of level on to the loads of the lanes that it weighs on, marks those whose
    /// equation it breaks, and returns the least level among them.
    pub(super) fn push(&mut self, lane: usize, change: f64) -> f64 {
        let mut marks = std::mem::take(&mut self.marks);
        let slowest = match &self.weights {
            Weights::Dense(weights) => self.vectors.dispatch(Push {
                weights,
                keys: &self.keys,
                loads: &mut self.loads,
                thresholds: &self.thresholds,
                holding: &self.holding,
                is_waiting: &self.is_waiting,
                lane,
                change,
                marks: &mut marks,
            }),
            Weights::Sparse(weights) => {
                let mut slowest = f64::INFINITY;
                for entry in weights.row(lane) {
                    let (chunk, at) = split(entry.lane as usize);
                    let load = &mut self.loads[chunk][at];
                    *load += entry.weight as i64 as f64 * change;
                    slowest = slowest.min(self.keys[chunk][at]);
                    let is_broken =
                        self.holding[chunk] >> at & 1 == 1 || *load > self.thresholds[chunk][at];
                    if is_broken && self.is_waiting[chunk] >> at & 1 == 0 {
                        marks.push((chunk, 1 << at));
                    }
                }
                slowest
            }
        };
        for (chunk, marked) in marks.drain(..) {
            each_bit(marked, |at| self.mark(chunk * CHUNK + at));
        }
        self.marks = marks;
        slowest
    }
}

/// A loop over numbers of a kind.
struct Typed<T, N>(T, std::marker::PhantomData<N>);

impl<N: Number, L: Lanes<N>> pulp::NullaryFnOnce for Typed<Pull<'_, L>, N> {
    type Output = (N, f64);

    #[inline(always)]
    fn call(self) -> (N, f64) {
        let pull = self.0;
        let mut sum = L::Sum::default();
        let mut fastest = 0.0f64;
        for column in pull.weights.column(pull.lane) {
            let (weights, non_zero) = (column.weights, column.non_zero);
            pull.values
                .add_chunk(column.index, weights, non_zero, &mut sum);
            fastest = fastest.max(largest(&column, &pull.keys[column.index]));
        }
        (L::total(&sum), fastest)
    }
}

impl pulp::NullaryFnOnce for Push<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let mut slowest = f64::INFINITY;
        for row in self.weights.row(self.lane) {
            let loads = &mut self.loads[row.index];
            let thresholds = &self.thresholds[row.index];
            let holding = self.holding[row.index];
            let mut marked = row.non_zero & holding;
            if row.is_sparse() {
                each_bit(row.non_zero, |at| {
                    loads[at] += f64::from(row.weights[at]) * self.change;
                    marked |= u64::from(loads[at] > thresholds[at]) << at;
                });
            } else {
                let mut above = 0;
                for at in 0..CHUNK {
                    loads[at] += f64::from(row.weights[at]) * self.change;
                    above |= u64::from(loads[at] > thresholds[at]);
                }
                if above != 0 {
                    each_bit(row.non_zero & !holding, |at| {
                        marked |= u64::from(loads[at] > thresholds[at]) << at;
                    });
                }
            }
            slowest = slowest.min(smallest(&row, &self.keys[row.index]));
            marked &= !self.is_waiting[row.index];
            if marked != 0 {
                self.marks.push((row.index, marked));
            }
        }
        slowest
    }
}

/// The least key where a weight is not zero, infinite where all are.
#[inline(always)]
fn smallest(chunk: &Chunk<'_>, keys: &[f64; CHUNK]) -> f64 {
    let mut least = f64::INFINITY.to_bits() as i64;
    if chunk.is_sparse() {
        each_bit(chunk.non_zero, |at| {
            least = least.min(keys[at].to_bits() as i64);
        });
    } else {
        for (key, &weight) in keys.iter().zip(chunk.weights) {
            let key = key.to_bits() as i64;
            let key = if weight > 0 { key } else { i64::MAX };
            least = if key < least { key } else { least };
        }
    }
    f64::from_bits(least as u64)
}

/// The largest key where a weight is not zero, at least 0.
#[inline(always)]
fn largest(chunk: &Chunk<'_>, keys: &[f64; CHUNK]) -> f64 {
    let mut largest = 0;
    if chunk.is_sparse() {
        each_bit(chunk.non_zero, |at| {
            largest = largest.max(keys[at].to_bits() as i64);
        });
    } else {
        for (key, &weight) in keys.iter().zip(chunk.weights) {
            let key = key.to_bits() as i64;
            let key = if weight > 0 { key } else { 0 };
            largest = if key > largest { key } else { largest };
        }
    }
    f64::from_bits(largest as u64)
}
