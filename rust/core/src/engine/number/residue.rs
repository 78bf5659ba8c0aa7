//! The field of residues modulo the Mersenne prime p = 2^61 - 1.
//!
//! Reduction needs no division because 2^61 = 1 (mod p): the high bits are added to the low ones.

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::ToPrimitive;

/// The prime 2^61 - 1.
pub const P: u64 = (1 << 61) - 1;

/// Inverses of small integers: weights of resources are mostly flow counts.
const SMALL: usize = 2048;
static SMALL_INVERSES: [u64; SMALL] = small_inverses();

const fn small_inverses() -> [u64; SMALL] {
    // p = q i + r gives inv(i) = -q inv(r), with r < i.
    let mut table = [0u64; SMALL];
    table[1] = 1;
    let mut i = 2;
    while i < SMALL {
        let (q, r) = (P / i as u64, P % i as u64);
        table[i] = P - (((q as u128) * (table[r as usize] as u128)) % P as u128) as u64;
        i += 1;
    }
    table
}

/// `x` modulo p.
#[inline]
pub fn reduce(x: u128) -> u64 {
    let folded = (x as u64 & P) + ((x >> 61) as u64 & P) + (x >> 122) as u64;
    let folded = (folded & P) + (folded >> 61);
    if folded >= P { folded - P } else { folded }
}

/// Sum of two residues.
#[inline]
pub fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= P { sum - P } else { sum }
}

/// Difference of two residues.
#[inline]
pub fn sub(a: u64, b: u64) -> u64 {
    if a >= b { a - b } else { a + P - b }
}

/// Product of two residues.
#[inline]
pub fn mul(a: u64, b: u64) -> u64 {
    reduce(u128::from(a) * u128::from(b))
}

/// Inverse of a non-zero residue (extended Euclid).
#[inline]
pub fn inverse(a: u64) -> u64 {
    if (a as usize) < SMALL {
        return SMALL_INVERSES[a as usize];
    }
    let (mut r0, mut r1) = (P as i64, a as i64);
    let (mut s0, mut s1) = (0i64, 1i64);
    while r1 != 0 {
        let q = r0 / r1;
        (r0, r1) = (r1, r0 - q * r1);
        (s0, s1) = (s1, s0 - q * s1);
    }
    if s0 < 0 {
        (s0 + P as i64) as u64
    } else {
        s0 as u64
    }
}

/// The residue of a signed integer.
pub fn of_signed(x: i128) -> u64 {
    let magnitude = reduce(x.unsigned_abs());
    if x < 0 { sub(0, magnitude) } else { magnitude }
}

/// The residue of a rational whose denominator p does not divide.
pub fn of_rational(x: &BigRational) -> u64 {
    let part = |n: &BigInt| {
        n.mod_floor(&BigInt::from(P))
            .to_u64()
            .expect("a remainder modulo 2^61-1 fits in 64 bits")
    };
    mul(part(x.numer()), inverse(part(x.denom())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_times_its_number_is_one() {
        for a in (1..5000).chain([P - 1, P / 2, 1 << 60, 123_456_789_012_345]) {
            assert_eq!(mul(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    fn reduction_agrees_with_the_remainder() {
        for x in [
            0,
            1,
            u128::from(P),
            u128::from(P) * u128::from(P),
            u128::MAX,
            (1 << 122) - 1,
            1 << 122,
        ] {
            assert_eq!(u128::from(reduce(x)), x % u128::from(P));
        }
        assert_eq!(of_signed(-1), P - 1);
    }
}
