//! Numbers of one rung in flat arrays, so that a weighted sum of many is a loop over vectors.
//!
//! A sum of products by small weights is what a level equation costs. For pairs the residue is kept
//! as two digits of 31 and 30 bits: a 16-bit weight times a digit has at most 47 bits, so up to 2^17
//! products fit in 64 bits and the whole sum needs one reduction modulo 2^61-1.

use super::{ANCHOR, Number, Pair, residue};

/// How many numbers one chunk holds.
pub const CHUNK: usize = 64;

/// Most numbers that one sum may take in.
pub const MAX_LANES: usize = 1 << 17;

/// Non-negative numbers, by lane; those with a weight are levels, each known to 1e-11.
pub trait Lanes<N>: Clone + std::fmt::Debug + Send + Sync {
    /// A sum under way.
    type Sum: Default;
    /// `n_chunks * 64` zeros.
    fn new(n_chunks: usize) -> Self;
    /// Adds a chunk of zeros.
    fn grow(&mut self);
    /// The number in a lane.
    fn get(&self, lane: usize) -> N;
    /// Changes the number in a lane.
    fn set(&mut self, lane: usize, number: &N);
    /// Adds the products of one chunk to a sum; `non_zero` has a bit per weight that is not zero.
    fn add_chunk(&self, chunk: usize, weights: &[u16; CHUNK], non_zero: u64, sum: &mut Self::Sum);
    /// The value of a sum.
    fn total(sum: &Self::Sum) -> N;
}

/// Calls `visit` with the index of each set bit, ascending.
#[inline]
pub fn each_bit(mut bits: u64, mut visit: impl FnMut(usize)) {
    while bits != 0 {
        visit(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// Any numbers, one by one.
#[derive(Debug, Clone)]
pub struct Plain<N>(Vec<N>);

impl<N: Number> Lanes<N> for Plain<N> {
    type Sum = Option<N>;

    fn new(n_chunks: usize) -> Self {
        Self(vec![N::zero(); n_chunks * CHUNK])
    }

    fn grow(&mut self) {
        self.0.resize(self.0.len() + CHUNK, N::zero());
    }

    fn get(&self, lane: usize) -> N {
        self.0[lane].clone()
    }

    fn set(&mut self, lane: usize, number: &N) {
        self.0[lane] = number.clone();
    }

    fn add_chunk(&self, chunk: usize, weights: &[u16; CHUNK], non_zero: u64, sum: &mut Self::Sum) {
        each_bit(non_zero, |at| {
            let product = self.0[chunk * CHUNK + at].mul_int(weights[at].into());
            *sum = Some(match sum {
                Some(sum) => sum.add(&product),
                None => product,
            });
        });
    }

    fn total(sum: &Self::Sum) -> N {
        sum.clone().unwrap_or_else(N::zero)
    }
}

/// Non-zero weights of a chunk below which they are visited one by one.
pub const FEW: u32 = 12;

/// Doubles that are summed side by side, in an order that is the same on every machine.
const COLUMNS: usize = 8;

/// Pairs, as values, residue digits and errors.
#[derive(Debug, Clone)]
pub struct PairLanes {
    values: Vec<[f64; CHUNK]>,
    low: Vec<[u32; CHUNK]>,
    high: Vec<[u32; CHUNK]>,
    errors: Vec<f64>,
}

/// A weighted sum of pairs.
#[derive(Debug, Default, Clone, Copy)]
pub struct PairSum {
    values: [f64; COLUMNS],
    low: u64,
    high: u64,
}

const LOW_BITS: u32 = 31;
const LOW_MASK: u64 = (1 << LOW_BITS) - 1;

impl Lanes<Pair> for PairLanes {
    type Sum = PairSum;

    fn new(n_chunks: usize) -> Self {
        Self {
            values: vec![[0.0; CHUNK]; n_chunks],
            low: vec![[0; CHUNK]; n_chunks],
            high: vec![[0; CHUNK]; n_chunks],
            errors: vec![0.0; n_chunks * CHUNK],
        }
    }

    fn grow(&mut self) {
        self.values.push([0.0; CHUNK]);
        self.low.push([0; CHUNK]);
        self.high.push([0; CHUNK]);
        self.errors.resize(self.errors.len() + CHUNK, 0.0);
    }

    fn get(&self, lane: usize) -> Pair {
        let (chunk, at) = (lane / CHUNK, lane % CHUNK);
        let residue = u64::from(self.low[chunk][at]) | u64::from(self.high[chunk][at]) << LOW_BITS;
        Pair::from_parts(self.values[chunk][at], self.errors[lane], residue)
    }

    fn set(&mut self, lane: usize, number: &Pair) {
        let (chunk, at) = (lane / CHUNK, lane % CHUNK);
        let (value, error, residue) = number.parts();
        self.values[chunk][at] = value;
        self.low[chunk][at] = (residue & LOW_MASK) as u32;
        self.high[chunk][at] = (residue >> LOW_BITS) as u32;
        self.errors[lane] = error;
    }

    #[expect(clippy::inline_always, reason = "vectors are as wide as the caller's")]
    #[inline(always)]
    fn add_chunk(&self, chunk: usize, weights: &[u16; CHUNK], non_zero: u64, sum: &mut PairSum) {
        let (values, low, high) = (&self.values[chunk], &self.low[chunk], &self.high[chunk]);
        if non_zero.count_ones() < FEW {
            each_bit(non_zero, |at| {
                sum.values[at % COLUMNS] += f64::from(weights[at]) * values[at];
                sum.low += u64::from(weights[at]) * u64::from(low[at]);
                sum.high += u64::from(weights[at]) * u64::from(high[at]);
            });
            return;
        }
        for row in 0..CHUNK / COLUMNS {
            for column in 0..COLUMNS {
                let at = row * COLUMNS + column;
                sum.values[column] += f64::from(weights[at]) * values[at];
            }
        }
        let (mut low_sum, mut high_sum) = (0u64, 0u64);
        for at in 0..CHUNK {
            // No product and no sum comes near 2^64 (see above).
            low_sum = low_sum.wrapping_add(u64::from(weights[at]) * u64::from(low[at]));
            high_sum = high_sum.wrapping_add(u64::from(weights[at]) * u64::from(high[at]));
        }
        sum.low += low_sum;
        sum.high += high_sum;
    }

    fn total(sum: &PairSum) -> Pair {
        let value: f64 = sum.values.iter().sum();
        let residue = residue::reduce(u128::from(sum.low) + (u128::from(sum.high) << LOW_BITS));
        // Each level is known to `ANCHOR` of it, so a sum of at most 2^17 is, plus 2^17 roundings.
        let error = value.abs() * (ANCHOR * (1.0 + 1e-4) + MAX_LANES as f64 * f64::EPSILON);
        Pair::from_parts(
            value,
            if residue == 0 && value == 0.0 {
                0.0
            } else {
                error
            },
            residue,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sum_over_lanes_is_the_sum_of_the_products(
            numbers in prop::collection::vec((1u64..1 << 40, 1u64..1000), CHUNK),
            weights in prop::collection::vec(prop_oneof![Just(0u16), 0u16..4, any::<u16>()], CHUNK),
            n_zero in 0usize..CHUNK,
        ) {
            let mut lanes = PairLanes::new(2);
            let mut plain = Plain::<Pair>::new(2);
            let mut row = [0u16; CHUNK];
            let mut expected = Pair::zero();
            let mut non_zero = 0u64;
            for (at, (&(n, d), &weight)) in numbers.iter().zip(&weights).enumerate() {
                let number = Pair::from_ratio(n.into(), d);
                lanes.set(CHUNK + at, &number);
                plain.set(CHUNK + at, &number);
                if at >= n_zero && weight > 0 {
                    row[at] = weight;
                    non_zero |= 1 << at;
                    expected = expected.add(&number.mul_int(weight.into()));
                }
                prop_assert_eq!(lanes.get(CHUNK + at).parts(), number.parts());
            }
            let mut sum = PairSum::default();
            lanes.add_chunk(1, &row, non_zero, &mut sum);
            let total = PairLanes::total(&sum);
            prop_assert_eq!(total.residue(), expected.residue());
            prop_assert!(matches!(total.compare(&expected), super::super::Relation::Equal));
            let mut sum = None;
            plain.add_chunk(1, &row, non_zero, &mut sum);
            let same = Plain::total(&sum).compare(&expected);
            prop_assert!(matches!(same, super::super::Relation::Equal));
        }
    }
}
