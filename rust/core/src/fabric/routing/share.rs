//! A part of a flow as an exact reduced fraction.

use num_integer::Integer as _;

/// `num / den`, reduced, of the flow; the part that a whole bundle carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    num: u64,
    den: u64,
}

impl Share {
    /// The whole flow.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// `num / den`, reduced.
    ///
    /// # Panics
    /// If `den` is 0.
    pub fn new(num: u64, den: u64) -> Self {
        assert!(den > 0, "a share has a denominator above 0");
        let g = num.gcd(&den);
        Self {
            num: num / g,
            den: den / g,
        }
    }

    /// The numerator.
    pub const fn num(self) -> u64 {
        self.num
    }

    /// The denominator, at least 1.
    pub const fn den(self) -> u64 {
        self.den
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// Whether it is less than another.
    pub fn is_less(self, other: Self) -> bool {
        u128::from(self.num) * u128::from(other.den) < u128::from(other.num) * u128::from(self.den)
    }

    /// The product, unless it needs more than 64 bits.
    pub fn times(self, other: Self) -> Option<Self> {
        // Reduced factors whose common parts are cancelled crosswise give a reduced product.
        let a = self.num.gcd(&other.den);
        let b = other.num.gcd(&self.den);
        Some(Self {
            num: (self.num / a).checked_mul(other.num / b)?,
            den: (self.den / b).checked_mul(other.den / a)?,
        })
    }

    /// The sum, unless it needs more than 64 bits.
    pub fn plus(self, other: Self) -> Option<Self> {
        let g = u128::from(self.den.gcd(&other.den));
        let (a, b) = (u128::from(self.num), u128::from(self.den));
        let (c, d) = (u128::from(other.num), u128::from(other.den));
        let num = (a * (d / g)).checked_add(c * (b / g))?;
        let den = b / g * d;
        // A common factor of the sum divides g: it is prime to both denominators' own parts.
        let common = num.gcd(&g);
        Some(Self {
            num: u64::try_from(num / common).ok()?,
            den: u64::try_from(den / common).ok()?,
        })
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (a, b) = (u128::from(self.num), u128::from(self.den));
        let (c, d) = (u128::from(other.num), u128::from(other.den));
        (a * d).cmp(&(c * b))
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_are_reduced_and_overflow_is_seen() {
        // 1/6 + 1/10 = 16/60 = 4/15; 4/15 * 5/8 = 20/120 = 1/6.
        let sum = Share::new(1, 6).plus(Share::new(2, 20)).unwrap();
        assert_eq!(sum, Share::new(4, 15));
        assert_eq!(sum.times(Share::new(5, 8)), Some(Share::new(1, 6)));
        // 2^40 and 3^25 are coprime and their product exceeds 2^64.
        let (a, b) = (Share::new(1, 1 << 40), Share::new(1, 847_288_609_443));
        assert_eq!((a.times(b), a.plus(b)), (None, None));
    }
}
