//! The extreme keys among those that have a weight.
//!
//! Doubles order like their bits read as integers, except that negative ones order backwards among
//! themselves; minima of integers, unlike those of doubles, are computed in vectors.

use super::weights::Chunk;
use crate::engine::number::lanes::{CHUNK, each_bit};

/// The least key where a weight is not zero, infinite where all are.
#[expect(clippy::inline_always, reason = "vectors are as wide as the caller's")]
#[inline(always)]
pub(super) fn smallest(chunk: &Chunk<'_>, keys: &[f64; CHUNK]) -> f64 {
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
#[expect(clippy::inline_always, reason = "vectors are as wide as the caller's")]
#[inline(always)]
pub(super) fn largest(chunk: &Chunk<'_>, keys: &[f64; CHUNK]) -> f64 {
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
