//! The second rung: a double-double (about 31 digits) with an error bound, and the residue.
//!
//! Double-double arithmetic after Dekker, "A floating-point technique for extending the available
//! precision", Numer. Math. 18 (1971), with a bound of 2^-100 per operation, which the sloppy
//! variants used here keep with room to spare.

use super::{ANCHOR, Number, ROUND_UP, Relation, residue, two_product, two_sum};

/// Relative error bound of one operation.
const UNIT: f64 = 1.0 / 1_267_650_600_228_229_401_496_703_205_376.0; // 2^-100

/// Largest relative error that an event time is taken to have: that of a pair, smaller by the ratio
/// of the precisions, 2^-100 to 2^-53.
const DD_ANCHOR: f64 = ANCHOR / 140_737_488_355_328.0; // 2^47

/// A rational known as `high + low` within `error`, and modulo 2^61-1.
#[derive(Clone, Copy, Debug)]
pub struct Extended {
    high: f64,
    low: f64,
    error: f64,
    residue: u64,
}

impl Extended {
    /// A number from its parts, as a certificate stores it.
    pub fn from_parts(high: f64, low: f64, error: f64, residue: u64) -> Self {
        Self {
            high,
            low,
            error,
            residue,
        }
    }

    /// `(high, low, error, residue)`.
    pub fn parts(&self) -> (f64, f64, f64, u64) {
        (self.high, self.low, self.error, self.residue)
    }

    /// The residue modulo 2^61-1.
    pub fn residue(&self) -> u64 {
        self.residue
    }

    #[inline]
    fn new((high, low): (f64, f64), error: f64, residue: u64) -> Self {
        let error = (error + high.abs() * UNIT) * ROUND_UP;
        if residue == 0 && (high + low).abs() <= error {
            return Self {
                high: 0.0,
                low: 0.0,
                error: 0.0,
                residue: 0,
            };
        }
        Self {
            high,
            low,
            error,
            residue,
        }
    }

    fn from_integer(value: u128) -> (f64, f64) {
        let high = value as f64;
        // `high` is an integer within 2^75 of `value`, so the difference fits and is exact in i128
        // unless `high` rounded up to 2^128.
        let low = if high >= 2f64.powi(127) {
            0.0
        } else {
            (value as i128 - high as i128) as f64
        };
        normalize(high, low)
    }
}

/// Renormalizes so that `high` is the nearest double to the sum.
#[inline]
fn normalize(high: f64, low: f64) -> (f64, f64) {
    let sum = high + low;
    (sum, low - (sum - high))
}

#[inline]
fn add_dd(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (high, rounding) = two_sum(a.0, b.0);
    let (low, rest) = two_sum(a.1, b.1);
    let (high, carry) = normalize(high, rounding + low);
    normalize(high, carry + rest)
}

#[inline]
fn mul_dd(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let (high, rounding) = two_product(a.0, b.0);
    normalize(high, rounding + (a.0 * b.1 + a.1 * b.0))
}

#[inline]
fn div_dd(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    let neg = |(x, y): (f64, f64)| (-x, -y);
    let q1 = a.0 / b.0;
    let rest = add_dd(a, neg(mul_dd(b, (q1, 0.0))));
    let q2 = rest.0 / b.0;
    let rest = add_dd(rest, neg(mul_dd(b, (q2, 0.0))));
    let q3 = rest.0 / b.0;
    let (high, low) = normalize(q1, q2);
    add_dd((high, low), (q3, 0.0))
}

impl Number for Extended {
    const EXACTNESS: &'static str = "exact (extended)";

    /// As `from_ratio` would, without a division.
    #[inline]
    fn from_int(value: u128) -> Self {
        if value >= 1 << 53 {
            return Self::from_ratio(value, 1);
        }
        Self {
            high: value as u64 as f64,
            low: 0.0,
            error: 0.0,
            residue: residue::reduce(value),
        }
    }

    fn from_ratio(numerator: u128, denominator: u64) -> Self {
        let residue = residue::mul(
            residue::reduce(numerator),
            residue::inverse(residue::reduce(denominator.into())),
        );
        let n = Self::from_integer(numerator);
        if denominator == 1 && numerator < 1 << 100 {
            return Self {
                high: n.0,
                low: n.1,
                error: 0.0,
                residue,
            };
        }
        let d = Self::from_integer(denominator.into());
        Self::new(div_dd(n, d), n.0 / d.0 * UNIT, residue)
    }

    fn add(&self, other: &Self) -> Self {
        let sum = add_dd((self.high, self.low), (other.high, other.low));
        // Cancellation: the rounding is relative to the operands' low parts, not to the sum.
        let noise = (self.high.abs() + other.high.abs()) * UNIT;
        Self::new(
            sum,
            self.error + other.error + noise,
            residue::add(self.residue, other.residue),
        )
    }

    fn sub(&self, other: &Self) -> Self {
        let difference = add_dd((self.high, self.low), (-other.high, -other.low));
        let noise = (self.high.abs() + other.high.abs()) * UNIT;
        Self::new(
            difference,
            self.error + other.error + noise,
            residue::sub(self.residue, other.residue),
        )
    }

    fn mul(&self, other: &Self) -> Self {
        let product = mul_dd((self.high, self.low), (other.high, other.low));
        let error = self.high.abs() * other.error
            + other.high.abs() * self.error
            + self.error * other.error
            + product.0.abs() * UNIT;
        Self::new(
            product,
            error * ROUND_UP,
            residue::mul(self.residue, other.residue),
        )
    }

    fn mul_int(&self, factor: u64) -> Self {
        if factor == 1 {
            return *self;
        }
        self.mul(&Self::from_int(factor.into()))
    }

    fn div_int(&self, divisor: u64) -> Self {
        let divisor = Self::from_int(divisor.into());
        self.div(&divisor, &divisor.reciprocal())
    }

    type Lanes = super::lanes::Plain<Self>;

    type Reciprocal = u64;

    fn reciprocal(&self) -> u64 {
        residue::inverse(self.residue)
    }

    fn div(&self, divisor: &Self, reciprocal: &u64) -> Self {
        let quotient = div_dd((self.high, self.low), (divisor.high, divisor.low));
        let room = divisor.high.abs() * (1.0 - 1e-15) - divisor.error;
        let error = if room > 0.0 {
            (self.error + quotient.0.abs() * divisor.error) / room * (1.0 + 1e-15)
                + quotient.0.abs() * UNIT
        } else {
            f64::INFINITY
        };
        Self::new(quotient, error, residue::mul(self.residue, *reciprocal))
    }

    fn compare(&self, other: &Self) -> Relation {
        let (high, low) = add_dd((other.high, other.low), (-self.high, -self.low));
        let gap = high + low;
        let noise = (self.high.abs() + other.high.abs()) * UNIT;
        // Numbers known without error compare exactly.
        let error = if self.error + other.error == 0.0 {
            0.0
        } else {
            self.error + other.error + noise
        };
        if gap.abs() <= error * ROUND_UP {
            return match (self.residue == other.residue, gap >= 0.0) {
                (true, _) => Relation::Equal,
                (false, true) => Relation::AmbiguousLess,
                (false, false) => Relation::AmbiguousGreater,
            };
        }
        match (self.residue == other.residue, gap > 0.0) {
            (false, true) => Relation::Less,
            (false, false) => Relation::Greater,
            (true, true) => Relation::AmbiguousLess,
            (true, false) => Relation::AmbiguousGreater,
        }
    }

    fn is_zero(&self) -> bool {
        self.residue == 0 && (self.high + self.low).abs() <= self.error
    }

    fn lower(&self) -> f64 {
        let slack = self.low.abs() + self.error;
        let lower = self.high - slack;
        if slack == 0.0 {
            lower
        } else {
            lower - lower.abs() * 4.0 * super::HALF_ULP
        }
    }

    fn upper(&self) -> f64 {
        let slack = self.low.abs() + self.error;
        let upper = self.high + slack;
        if slack == 0.0 {
            upper
        } else {
            upper + upper.abs() * 4.0 * super::HALF_ULP
        }
    }

    fn value(&self) -> f64 {
        self.high
    }

    fn ceil(&self) -> Option<i128> {
        let base = self.high.round();
        let offset = (self.high - base) + self.low;
        let nearest = offset.round();
        if (offset - nearest).abs() <= self.error {
            let integer = base as i128 + nearest as i128;
            let same = residue::of_signed(integer) == self.residue;
            return (same && self.error < 0.5).then_some(integer);
        }
        Some(base as i128 + offset.ceil() as i128)
    }

    fn anchored(mut self, scale: f64) -> Self {
        self.error = self.error.min(DD_ANCHOR * scale.abs());
        self
    }

    fn to_extended(&self) -> Extended {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_a_ratio_to_one() {
        let border = 1u128 << 53;
        let near = (border - 2..border + 3).chain([0, 1, u128::from(u64::MAX), u128::MAX]);
        for value in near {
            let (int, ratio) = (Extended::from_int(value), Extended::from_ratio(value, 1));
            assert_eq!(int.parts(), ratio.parts(), "{value}");
        }
    }
}
