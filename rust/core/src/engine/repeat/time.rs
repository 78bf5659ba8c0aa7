//! Times of the recurrence: plain ticks, or ticks of which one part grows with the sizes.
//!
//! If all sizes are multiplied by one factor, durations grow with it and latencies do not. While no
//! comparison between two times turns round, each time is its fixed part plus the factor times its
//! part of bytes: the run is one *piece* of a piecewise linear function of the factor, and every
//! comparison says how far the piece reaches.

use std::fmt::Debug;
use std::ops::{Add, Sub};

/// What the recurrence computes with.
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

/// Above the roundings of two conversions and a division.
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

/// A time and its part of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    ticks: i128,
    bytes: i128,
}

impl Split {
    /// The time in ticks of `1 / denominator` for sizes times `numerator / denominator`.
    pub fn scaled(self, (numerator, denominator): (i128, i128)) -> i128 {
        (self.ticks - self.bytes) * denominator + self.bytes * numerator
    }
}

impl Add for Split {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            ticks: self.ticks + other.ticks,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Sub for Split {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            ticks: self.ticks - other.ticks,
            bytes: self.bytes - other.bytes,
        }
    }
}

impl Time for Split {
    fn fixed(ticks: i128) -> Self {
        Self { ticks, bytes: 0 }
    }

    fn of_bytes(ticks: i128) -> Self {
        Self {
            ticks,
            bytes: ticks,
        }
    }

    fn ticks(self) -> i128 {
        self.ticks
    }

    fn times(self, n: i128) -> Self {
        Self {
            ticks: self.ticks * n,
            bytes: self.bytes * n,
        }
    }

    fn same(self, other: Self) -> bool {
        self == other
    }

    /// The difference at factor m is `late + (m - 1) grows`.
    #[inline]
    fn at_least(self, other: Self, reach: &mut Reach) -> bool {
        let Self { ticks, bytes } = self - other;
        let holds = ticks >= 0;
        let (late, grows) = if holds {
            (ticks, bytes)
        } else {
            (-ticks, -bytes)
        };
        if grows != 0 {
            let off = late as f64 / grows.unsigned_abs() as f64 * (1.0 - SLACK);
            let limit = if grows > 0 {
                &mut reach.down
            } else {
                &mut reach.up
            };
            *limit = limit.min(off);
        }
        holds
    }
}
