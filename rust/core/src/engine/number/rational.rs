//! The last rung: big rationals, for small runs within a stated budget.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

use super::{Extended, Number, Relation, residue};

/// Bits of a denominator beyond which a rational run gives up (`Number::over_budget`).
const MAX_BITS: u64 = 4096;

/// An exact rational.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rational(pub BigRational);

impl Number for Rational {
    const EXACTNESS: &'static str = "exact (rational)";

    fn from_ratio(numerator: u128, denominator: u64) -> Self {
        Self(BigRational::new(numerator.into(), denominator.into()))
    }

    fn add(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    fn sub(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    fn mul(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0)
    }

    fn mul_int(&self, factor: u64) -> Self {
        Self(&self.0 * BigInt::from(factor))
    }

    fn div_int(&self, divisor: u64) -> Self {
        Self(&self.0 / BigInt::from(divisor))
    }

    type Lanes = super::lanes::Plain<Self>;

    type Reciprocal = ();

    fn reciprocal(&self) {}

    fn div(&self, divisor: &Self, (): &()) -> Self {
        Self(&self.0 / &divisor.0)
    }

    fn compare(&self, other: &Self) -> Relation {
        match self.0.cmp(&other.0) {
            std::cmp::Ordering::Less => Relation::Less,
            std::cmp::Ordering::Equal => Relation::Equal,
            std::cmp::Ordering::Greater => Relation::Greater,
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    fn lower(&self) -> f64 {
        let value = self.value();
        value - value.abs() * 4.0 * super::HALF_ULP
    }

    fn upper(&self) -> f64 {
        let value = self.value();
        value + value.abs() * 4.0 * super::HALF_ULP
    }

    fn value(&self) -> f64 {
        self.0
            .to_f64()
            .expect("a ratio of big integers converts to a double")
    }

    fn ceil(&self) -> Option<i128> {
        self.0.ceil().to_integer().to_i128()
    }

    fn to_extended(&self) -> Extended {
        let high = self.value();
        let rest = BigRational::from_float(high)
            .map(|exact| &self.0 - exact)
            .unwrap_or_default();
        let low = rest
            .to_f64()
            .expect("a ratio of big integers converts to a double");
        let error = rest.abs().to_f64().unwrap_or(0.0) * super::HALF_ULP * 4.0;
        Extended::from_parts(high, low, error, residue::of_rational(&self.0))
    }

    fn over_budget(&self) -> bool {
        self.0.denom().bits() > MAX_BITS
    }
}
