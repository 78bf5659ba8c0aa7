//! The first rung: a double with an error bound, and the residue of the exact rational.

use super::{ANCHOR, Extended, HALF_ULP, Number, ROUND_UP, Relation, residue, two_sum};

/// A rational known as a double within `error`, and modulo 2^61-1.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    value: f64,
    error: f64,
    residue: u64,
}

impl Pair {
    /// A difference whose residue is zero within its error is zero: the rule that decides every
    /// equality also removes the rounding noise.
    #[inline]
    fn new(value: f64, error: f64, residue: u64) -> Self {
        if residue == 0 && value.abs() <= error {
            return Self {
                value: 0.0,
                error: 0.0,
                residue: 0,
            };
        }
        Self {
            value,
            error,
            residue,
        }
    }

    /// A number from what [`Self::parts`] gave.
    #[inline]
    pub(super) fn from_parts(value: f64, error: f64, residue: u64) -> Self {
        Self {
            value,
            error,
            residue,
        }
    }

    /// `(value, error, residue)`.
    #[inline]
    pub(super) fn parts(&self) -> (f64, f64, u64) {
        (self.value, self.error, self.residue)
    }

    /// The residue modulo 2^61-1.
    pub fn residue(&self) -> u64 {
        self.residue
    }
}

impl Number for Pair {
    const EXACTNESS: &'static str = "exact";

    /// As `from_ratio` would, without a division: latencies and zeros are made all along a run.
    #[inline]
    fn from_int(value: u128) -> Self {
        if value >= 1 << 53 {
            return Self::from_ratio(value, 1);
        }
        Self {
            value: value as u64 as f64,
            error: 0.0,
            residue: residue::reduce(value),
        }
    }

    fn from_ratio(numerator: u128, denominator: u64) -> Self {
        let residue = residue::mul(
            residue::reduce(numerator),
            residue::inverse(residue::reduce(denominator.into())),
        );
        let whole = numerator.is_multiple_of(u128::from(denominator));
        if whole && numerator / u128::from(denominator) < 1 << 53 {
            let value = (numerator / u128::from(denominator)) as f64;
            return Self {
                value,
                error: 0.0,
                residue,
            };
        }
        // Two conversions and one division: three roundings.
        let value = numerator as f64 / denominator as f64;
        Self {
            value,
            error: value * (4.0 * HALF_ULP),
            residue,
        }
    }

    #[inline]
    fn add(&self, other: &Self) -> Self {
        let (value, rounding) = two_sum(self.value, other.value);
        let error = (self.error + other.error + rounding.abs()) * ROUND_UP;
        Self::new(value, error, residue::add(self.residue, other.residue))
    }

    #[inline]
    fn sub(&self, other: &Self) -> Self {
        let (value, rounding) = two_sum(self.value, -other.value);
        let error = (self.error + other.error + rounding.abs()) * ROUND_UP;
        Self::new(value, error, residue::sub(self.residue, other.residue))
    }

    #[inline]
    fn mul(&self, other: &Self) -> Self {
        let value = self.value * other.value;
        let error = self.value.abs() * other.error
            + other.value.abs() * self.error
            + self.error * other.error
            + value.abs() * HALF_ULP;
        Self::new(
            value,
            error * ROUND_UP,
            residue::mul(self.residue, other.residue),
        )
    }

    #[inline]
    fn mul_int(&self, factor: u64) -> Self {
        if factor == 1 {
            return *self;
        }
        let scale = factor as f64;
        let value = self.value * scale;
        // The factor itself may round above 2^53.
        let error = (self.error * scale + value.abs() * (2.0 * HALF_ULP)) * ROUND_UP;
        Self::new(
            value,
            error,
            residue::mul(self.residue, residue::reduce(factor.into())),
        )
    }

    #[inline]
    fn div_int(&self, divisor: u64) -> Self {
        if divisor == 1 {
            return *self;
        }
        let scale = divisor as f64;
        let value = self.value / scale;
        let error = (self.error / scale + value.abs() * (2.0 * HALF_ULP)) * ROUND_UP;
        let inverse = residue::inverse(residue::reduce(divisor.into()));
        Self::new(value, error, residue::mul(self.residue, inverse))
    }

    type Lanes = super::lanes::PairLanes;

    type Reciprocal = u64;

    fn reciprocal(&self) -> u64 {
        residue::inverse(self.residue)
    }

    #[inline]
    fn div(&self, divisor: &Self, reciprocal: &u64) -> Self {
        let value = self.value / divisor.value;
        let room = divisor.value.abs() - divisor.error;
        let error = if room > 0.0 {
            (self.error + value.abs() * divisor.error) / room + value.abs() * HALF_ULP
        } else {
            f64::INFINITY
        };
        Self::new(
            value,
            error * ROUND_UP,
            residue::mul(self.residue, *reciprocal),
        )
    }

    #[inline]
    fn compare(&self, other: &Self) -> Relation {
        let gap = other.value - self.value;
        let overlap = gap.abs() <= (self.error + other.error) * ROUND_UP;
        if overlap {
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

    #[inline]
    fn is_zero(&self) -> bool {
        self.residue == 0 && self.value.abs() <= self.error
    }

    #[inline]
    fn lower(&self) -> f64 {
        let lower = self.value - self.error;
        if self.error == 0.0 {
            lower
        } else {
            lower - lower.abs() * (2.0 * HALF_ULP)
        }
    }

    #[inline]
    fn upper(&self) -> f64 {
        let upper = self.value + self.error;
        if self.error == 0.0 {
            upper
        } else {
            upper + upper.abs() * (2.0 * HALF_ULP)
        }
    }

    fn value(&self) -> f64 {
        self.value
    }

    fn ceil(&self) -> Option<i128> {
        let nearest = self.value.round();
        if (self.value - nearest).abs() <= self.error {
            // Some integer lies inside the interval: the residue says whether it is the number.
            let same = residue::of_signed(nearest as i128) == self.residue;
            return (same && self.error < 0.5).then_some(nearest as i128);
        }
        Some(self.value.ceil() as i128)
    }

    fn anchored(mut self, scale: f64) -> Self {
        self.error = self.error.min(ANCHOR * scale.abs());
        self
    }

    fn to_extended(&self) -> Extended {
        Extended::from_parts(self.value, 0.0, self.error, self.residue)
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
            let (int, ratio) = (Pair::from_int(value), Pair::from_ratio(value, 1));
            assert_eq!(int.parts(), ratio.parts(), "{value}");
        }
    }
}
