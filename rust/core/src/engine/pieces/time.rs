//! Times that may have a part that grows with the sizes, and how far a comparison of two holds.

use std::fmt::Debug;
use std::ops::{Add, Sub};

use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// What the recurrence computes with: plain ticks, or ticks of which one part grows with the sizes.
pub trait Time: Copy + Debug + Add<Output = Self> + Sub<Output = Self> {
    /// A time that the sizes have no part in.
    fn fixed(ticks: i128) -> Self;
    /// A time in proportion to the sizes.
    fn of_bytes(ticks: i128) -> Self;
    /// The whole time.
    fn ticks(self) -> i128;
    /// So many times the time.
    #[must_use]
    fn times(self, n: i128) -> Self;
    /// Whether the times are equal for all factors.
    fn same(self, other: Self) -> bool;
    /// Whether `self >= other`, and for which factors it stays so.
    fn at_least(self, other: Self, reach: &mut Reach) -> bool;
}

/// The factors for which a run stays the same: from `1 - down` to `1 + up`, rounded inwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// How far below 1.
    pub down: f64,
    /// How far above 1.
    pub up: f64,
}

impl Reach {
    /// Every factor.
    pub const ALL: Self = Self {
        down: f64::INFINITY,
        up: f64::INFINITY,
    };

    /// Leaves out the factors m for which `late + (m - 1) grows` is negative; `late` is not, `grows`
    /// is not zero, and either may be off by two roundings.
    #[inline]
    fn narrow(&mut self, late: f64, grows: f64) {
        let off = late / grows.abs() * (1.0 - SLACK);
        let limit = if grows > 0.0 {
            &mut self.down
        } else {
            &mut self.up
        };
        *limit = limit.min(off);
    }

    /// Whether the factor `numerator / denominator` is certainly within reach.
    pub fn holds(&self, (numerator, denominator): (u128, u128)) -> bool {
        let off = numerator.abs_diff(denominator) as f64 / denominator as f64 * (1.0 + SLACK);
        let limit = if numerator < denominator {
            self.down
        } else {
            self.up
        };
        off <= limit
    }
}

/// Above the roundings of two conversions, a division and a product.
const SLACK: f64 = 1e-15;

impl Time for i128 {
    #[inline]
    fn fixed(ticks: i128) -> Self {
        ticks
    }

    #[inline]
    fn of_bytes(ticks: i128) -> Self {
        ticks
    }

    #[inline]
    fn ticks(self) -> i128 {
        self
    }

    #[inline]
    fn times(self, n: i128) -> Self {
        self * n
    }

    #[inline]
    fn same(self, other: Self) -> bool {
        self == other
    }

    #[inline]
    fn at_least(self, other: Self, _reach: &mut Reach) -> bool {
        self >= other
    }
}

/// A time, and the part of it that grows with the sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split<Q = i128> {
    whole: Q,
    bytes: Q,
}

impl Split {
    /// A time in ticks, and its part of bytes.
    pub fn new(whole: i128, bytes: i128) -> Self {
        Self { whole, bytes }
    }

    /// The time in ticks of `1 / denominator` for sizes times `numerator / denominator`.
    pub fn scaled(self, (numerator, denominator): (i128, i128)) -> i128 {
        (self.whole - self.bytes) * denominator + self.bytes * numerator
    }
}

impl Add for Split {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            whole: self.whole + other.whole,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Sub for Split {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            whole: self.whole - other.whole,
            bytes: self.bytes - other.bytes,
        }
    }
}

impl Time for Split {
    fn fixed(ticks: i128) -> Self {
        Self {
            whole: ticks,
            bytes: 0,
        }
    }

    fn of_bytes(ticks: i128) -> Self {
        Self {
            whole: ticks,
            bytes: ticks,
        }
    }

    fn ticks(self) -> i128 {
        self.whole
    }

    fn times(self, n: i128) -> Self {
        Self {
            whole: self.whole * n,
            bytes: self.bytes * n,
        }
    }

    fn same(self, other: Self) -> bool {
        self == other
    }

    /// The difference at factor m is `whole + (m - 1) bytes`.
    #[inline]
    fn at_least(self, other: Self, reach: &mut Reach) -> bool {
        let Self { whole, bytes } = self - other;
        let holds = whole >= 0;
        if bytes != 0 {
            let grows = if holds { bytes } else { -bytes };
            reach.narrow(whole.unsigned_abs() as f64, grows as f64);
        }
        holds
    }
}

impl Split<BigRational> {
    /// A time that the sizes have no part in.
    pub fn fixed(whole: BigRational) -> Self {
        Self {
            whole,
            bytes: BigRational::zero(),
        }
    }

    /// A time, or work, in proportion to the sizes.
    pub fn of_bytes(whole: BigRational) -> Self {
        Self {
            bytes: whole.clone(),
            whole,
        }
    }

    /// The whole and its part of bytes.
    pub fn parts(&self) -> [&BigRational; 2] {
        [&self.whole, &self.bytes]
    }

    /// Sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            whole: &self.whole + &other.whole,
            bytes: &self.bytes + &other.bytes,
        }
    }

    /// Difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            whole: &self.whole - &other.whole,
            bytes: &self.bytes - &other.bytes,
        }
    }

    /// Product with what the sizes have no part in.
    #[must_use]
    pub fn times_ratio(&self, ratio: &BigRational) -> Self {
        Self {
            whole: &self.whole * ratio,
            bytes: &self.bytes * ratio,
        }
    }

    /// Whether `self >= other`, and for which factors it stays so.
    pub fn not_before(&self, other: &Self, reach: &mut Reach) -> bool {
        let Self { whole, bytes } = self.minus(other);
        let holds = !whole.is_negative();
        if !bytes.is_zero() {
            let double = |ratio: &BigRational| {
                let double = ratio.to_f64();
                double.expect("a ratio of big integers converts to a double")
            };
            let grows = if holds {
                double(&bytes)
            } else {
                -double(&bytes)
            };
            reach.narrow(double(&whole.abs()), grows);
        }
        holds
    }

    /// The later of two times, for as long as it is.
    #[must_use]
    pub fn max(self, other: Self, reach: &mut Reach) -> Self {
        if self.not_before(&other, reach) {
            self
        } else {
            other
        }
    }
}
