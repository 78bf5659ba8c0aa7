//! Exact numbers for the fluid engine.
//!
//! Rates, times and bytes are rationals whose numerators outgrow any fixed width, so the engine
//! carries an approximation *and* a fingerprint: a floating-point value with a running error bound,
//! and the residue of the exact rational modulo the prime 2^61-1. The residue decides equality, the
//! value decides order, and a comparison of unequal residues whose error intervals overlap is
//! *ambiguous*: it is counted, and the run is repeated one rung up the ladder ([`Pair`],
//! [`Extended`], [`Rational`]) as `model.md` ("Exact means") demands. No tolerance decides anything.
//!
//! Every operation carries a rigorous error bound on. Two kinds of numbers need more, because each
//! is derived from earlier ones of its kind and a bound that counts correlated errors as independent
//! grows exponentially along the run, while the true error grows with the number of roundings: event
//! times, computed from earlier ones through clocks that were read at those very times, and levels,
//! each what lower levels leave of a capacity. [`Number::anchored`] therefore takes the error of an
//! event time, of a clock read at one, and of a level to be at most 1e-11 of it (hence the
//! "ambiguous below 1e-11" of a result), above what runs of 5e5 events were measured to be off
//! against double-doubles (at most 7e-12, mostly below 1e-13). Each tie puts that to the test: equal
//! residues outside the error bounds mean that a bound was too small, and count as ambiguous. Known
//! fault: a run can amplify rounding itself, tenfold every 1,400 events or so, and a multi-ring of 23
//! ranks on single planes is off by 4e-8 without a tie that would tell.
//!
//! Two unequal rationals share a residue only if the prime divides the numerator of their
//! difference, about once in 2^61 comparisons.

mod extended;
pub mod lanes;
mod pair;
mod rational;
pub mod residue;

pub use extended::Extended;
pub use pair::Pair;
pub use rational::Rational;

/// Outcome of comparing two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Certainly less.
    Less,
    /// Equal: the residues agree and the error intervals overlap.
    Equal,
    /// Certainly greater.
    Greater,
    /// The residues and the error intervals contradict each other; the values say less.
    AmbiguousLess,
    /// The residues and the error intervals contradict each other; the values say greater.
    AmbiguousGreater,
}

/// Counts the ambiguous comparisons of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambiguity(pub u64);

impl Ambiguity {
    /// Whether `a < b`; counts if only the values say so.
    #[inline]
    pub fn less<N: Number>(&mut self, a: &N, b: &N) -> bool {
        matches!(self.relation(a, b), Relation::Less)
    }

    /// Whether `a == b`; counts if residues and intervals contradict each other.
    #[inline]
    pub fn equal<N: Number>(&mut self, a: &N, b: &N) -> bool {
        matches!(self.relation(a, b), Relation::Equal)
    }

    /// The relation with the ambiguous outcomes folded into the certain ones, after counting them.
    #[inline]
    pub fn relation<N: Number>(&mut self, a: &N, b: &N) -> Relation {
        match a.compare(b) {
            Relation::AmbiguousLess => {
                self.0 += 1;
                Relation::Less
            }
            Relation::AmbiguousGreater => {
                self.0 += 1;
                Relation::Greater
            }
            certain => certain,
        }
    }

    /// The larger of two numbers.
    #[inline]
    pub fn max<N: Number>(&mut self, a: N, b: N) -> N {
        if self.less(&a, &b) { b } else { a }
    }
}

/// Arithmetic on exact rationals, at one rung of the ladder.
pub trait Number: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// What `exactness` says of a run at this rung without ambiguous comparisons.
    const EXACTNESS: &'static str;

    /// `numerator / denominator`.
    fn from_ratio(numerator: u128, denominator: u64) -> Self;
    /// An integer.
    fn from_int(value: u128) -> Self {
        Self::from_ratio(value, 1)
    }
    /// Zero.
    fn zero() -> Self {
        Self::from_int(0)
    }
    /// Sum.
    #[must_use]
    fn add(&self, other: &Self) -> Self;
    /// Difference.
    #[must_use]
    fn sub(&self, other: &Self) -> Self;
    /// Product.
    #[must_use]
    fn mul(&self, other: &Self) -> Self;
    /// Product with an integer.
    #[must_use]
    fn mul_int(&self, factor: u64) -> Self;
    /// Quotient by a positive integer.
    #[must_use]
    fn div_int(&self, divisor: u64) -> Self;
    /// Many numbers of this kind, for weighted sums.
    type Lanes: lanes::Lanes<Self>;
    /// What division by this number needs, computed once per divisor.
    type Reciprocal: Clone + std::fmt::Debug + Send + Sync;
    /// The reciprocal of a non-zero number.
    fn reciprocal(&self) -> Self::Reciprocal;
    /// `self / divisor`, given the divisor's reciprocal.
    #[must_use]
    fn div(&self, divisor: &Self, reciprocal: &Self::Reciprocal) -> Self;
    /// How this number relates to another.
    fn compare(&self, other: &Self) -> Relation;
    /// Whether this number is another, as far as that is decided.
    fn is_same(&self, other: &Self) -> bool {
        matches!(self.compare(other), Relation::Equal)
    }
    /// Whether this number is zero.
    fn is_zero(&self) -> bool;
    /// The smallest double that the number may be.
    fn lower(&self) -> f64;
    /// The largest double that the number may be.
    fn upper(&self) -> f64;
    /// The nearest double, for display.
    fn value(&self) -> f64;
    /// The number rounded up to an integer, or `None` where the error interval straddles one.
    fn ceil(&self) -> Option<i128>;
    /// The number with the precision of [`Extended`], for certificates.
    fn to_extended(&self) -> Extended;
    /// The same number as an event time, or a reading taken at one, of magnitude `scale`: see the
    /// module's text on running errors.
    #[must_use]
    fn anchored(self, _scale: f64) -> Self {
        self
    }
    /// Whether the number has outgrown the budget of its rung.
    fn over_budget(&self) -> bool {
        false
    }
}

/// Largest relative error that an event time is taken to have as a pair.
const ANCHOR: f64 = 1e-11;

/// Orders non-negative doubles as integers.
#[inline]
pub(super) fn order_key(x: f64) -> u64 {
    x.max(0.0).to_bits()
}

/// Half a unit in the last place of 1.0: the relative rounding error of one operation.
const HALF_ULP: f64 = 1.0 / 9_007_199_254_740_992.0;
/// Rounds a sum of a few non-negative error terms up.
const ROUND_UP: f64 = 1.0 + 8.0 * HALF_ULP;

/// The sum of two doubles and its exact rounding error (Knuth, TAOCP vol. 2, 4.2.2, theorem B).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The product of two doubles and its exact rounding error (Dekker 1971), without a fused
/// multiply-add so that every machine computes the same bits.
#[inline]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    const SPLITTER: f64 = 134_217_729.0; // 2^27 + 1
    let split = |x: f64| {
        let t = SPLITTER * x;
        let high = t - (t - x);
        (high, x - high)
    };
    let product = a * b;
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    (product, ((ah * bh - product) + ah * bl + al * bh) + al * bl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn apply<N: Number>(a: &N, b: &N, op: u8, k: u64) -> N {
        match op % 6 {
            0 => a.add(b),
            1 => a.sub(b),
            2 => a.mul(b),
            3 => a.mul_int(k),
            4 => a.div_int(k),
            _ if b.is_zero() => a.clone(),
            _ => a.div(b, &b.reciprocal()),
        }
    }

    /// A random straight-line program on small numbers, run at every rung in lockstep.
    fn run(ops: &[(u8, u64)]) -> Vec<(Rational, Pair, Extended)> {
        fn start<N: Number>() -> [N; 2] {
            [N::from_int(7), N::from_ratio(22, 7)]
        }
        let ([r0, r1], [p0, p1], [e0, e1]) = (start(), start(), start());
        let mut stack: Vec<(Rational, Pair, Extended)> = vec![(r0, p0, e0), (r1, p1, e1)];
        for &(op, k) in ops {
            let (a, b) = (&stack[stack.len() - 1], &stack[stack.len() - 2]);
            let next = (
                apply(&a.0, &b.0, op, k),
                apply(&a.1, &b.1, op, k),
                apply(&a.2, &b.2, op, k),
            );
            // Keep the magnitudes, and the relative errors, where a double can follow.
            let follows = next.1.upper() - next.1.lower() < 1e-3 * next.1.value().abs();
            let small = (1e-30..1e30).contains(&next.0.value().abs());
            let k = u128::from(k);
            let fresh = (
                Rational::from_int(k),
                Pair::from_int(k),
                Extended::from_int(k),
            );
            stack.push(if follows && small { next } else { fresh });
        }
        stack
    }

    fn exact(x: f64) -> BigRational {
        BigRational::from_float(x).unwrap()
    }

    proptest! {
        #[test]
        fn every_rung_encloses_the_rational_and_shares_its_residue(
            ops in prop::collection::vec((any::<u8>(), 1u64..2000), 1..40)
        ) {
            for (t, p, e) in run(&ops) {
                prop_assert!(exact(p.lower()) <= t.0 && t.0 <= exact(p.upper()));
                prop_assert!(exact(e.lower()) <= t.0 && t.0 <= exact(e.upper()));
                prop_assert_eq!(p.residue(), residue::of_rational(&t.0));
                prop_assert_eq!(e.residue(), residue::of_rational(&t.0));
            }
        }

        #[test]
        fn comparisons_agree_with_the_rational_unless_they_say_ambiguous(
            a in 1u64..1_000_000, b in 1u64..1000, c in 1u64..1_000_000, d in 1u64..1000
        ) {
            let truth = Rational::from_ratio(a.into(), b).compare(&Rational::from_ratio(c.into(), d));
            let pair = Pair::from_ratio(a.into(), b).compare(&Pair::from_ratio(c.into(), d));
            let extended = Extended::from_ratio(a.into(), b).compare(&Extended::from_ratio(c.into(), d));
            prop_assert_eq!(pair, truth);
            prop_assert_eq!(extended, truth);
        }

        #[test]
        fn ceil_is_the_rational_ceil_where_it_answers(a in 0u64..u64::MAX / 2, b in 1u64..100_000) {
            let truth = BigRational::new(BigInt::from(a), BigInt::from(b)).ceil().to_integer();
            for answer in [Pair::from_ratio(a.into(), b).ceil(), Extended::from_ratio(a.into(), b).ceil()].into_iter().flatten() {
                prop_assert_eq!(BigInt::from(answer), truth.clone());
            }
            prop_assert!(Extended::from_ratio(a.into(), b).ceil().is_some());
        }
    }

    #[test]
    fn unequal_numbers_closer_than_the_error_are_ambiguous_for_the_pair_only() {
        // 1/3 + 2/3 * 2^-60 differs from 1/3 by less than the rounding error of a double.
        let tiny_pair = Pair::from_ratio(2, 3).div_int(1 << 60);
        let near = Pair::from_ratio(1, 3).add(&tiny_pair);
        assert!(matches!(
            Pair::from_ratio(1, 3).compare(&near),
            Relation::AmbiguousLess | Relation::AmbiguousGreater
        ));
        let tiny = Extended::from_ratio(2, 3).div_int(1 << 60);
        let near = Extended::from_ratio(1, 3).add(&tiny);
        assert_eq!(Extended::from_ratio(1, 3).compare(&near), Relation::Less);
    }

    #[test]
    fn a_difference_with_zero_residue_inside_its_error_is_zero() {
        // 1/7 summed seven times is 1 although the doubles disagree.
        let seventh = Pair::from_ratio(1, 7);
        let sum = (0..7).fold(Pair::zero(), |sum, _| sum.add(&seventh));
        assert!(sum.sub(&Pair::from_int(1)).is_zero());
        assert_eq!(sum.ceil(), Some(1));
    }

    #[test]
    fn a_tie_outside_the_error_bounds_betrays_a_bound_that_is_too_small() {
        // The seven sevenths above again, with the error bound taken away.
        let seventh = Pair::from_ratio(1, 7);
        let sum = (0..7).fold(Pair::zero(), |sum, _| sum.add(&seventh));
        let wrong = sum.anchored(0.0);
        let mut ambiguity = Ambiguity::default();
        assert!(!ambiguity.equal(&wrong, &Pair::from_int(1)));
        assert_eq!(ambiguity, Ambiguity(1));
    }
}
