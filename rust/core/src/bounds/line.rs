//! The lower bound of one question at every size: the larger of a line and a constant.
//!
//! In equal blocks all that must cross a cut is in proportion to the size, and latencies do not look
//! at it. Rounding up keeps an order, so the steepest cut decides at every size.

use num_integer::Integer;

use super::{Demand, Limit, PS_PER_S, Volume, each_limit};
use crate::collective::Collective;
use crate::fabric::Fabric;
use crate::ids::NodeId;

/// The bound of a collective by its size, where all blocks are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Picoseconds per byte, as a reduced fraction.
    ps_per_byte: (u128, u128),
    least_ps: u128,
}

impl Line {
    /// The line of a collective; `root` is looked at where there is one.
    pub fn of(fabric: &Fabric, collective: Collective, nodes: &[NodeId], root: usize) -> Self {
        let volume = match collective {
            Collective::Barrier => Volume::Signals,
            _ => Volume::equal(1, nodes.len()),
        };
        let demand = Demand {
            collective,
            nodes,
            root,
            volume,
        };
        let mut line = Self {
            ps_per_byte: (0, 1),
            least_ps: 0,
        };
        if nodes.len() < 2 {
            return line;
        }
        each_limit(fabric, &demand, &mut |limit, _| match limit {
            Limit::Latency(ps) => line.least_ps = line.least_ps.max(ps.into()),
            Limit::Serial { rate: 0, .. } => {}
            Limit::Serial { bytes, per, rate } => {
                let common = (bytes * PS_PER_S).gcd(&(per * rate));
                let slope = (bytes * PS_PER_S / common, per * rate / common);
                if is_less(line.ps_per_byte, slope) {
                    line.ps_per_byte = slope;
                }
            }
        });
        line
    }

    /// The bound of so many bytes, for a barrier of none; no bytes take no time otherwise.
    pub fn at(&self, size_bytes: u64) -> u128 {
        let (numerator, denominator) = self.ps_per_byte;
        if size_bytes == 0 && numerator > 0 {
            return 0;
        }
        let serial_ps = (u128::from(size_bytes) * numerator).div_ceil(denominator);
        serial_ps.max(self.least_ps)
    }
}

/// Whether a fraction is less than another, by their continued fractions: no product is formed.
pub fn is_less(mut a: (u128, u128), mut b: (u128, u128)) -> bool {
    loop {
        let (whole_a, rest_a) = a.0.div_rem(&a.1);
        let (whole_b, rest_b) = b.0.div_rem(&b.1);
        if whole_a != whole_b || rest_a == 0 || rest_b == 0 {
            return (whole_a, rest_a > 0) < (whole_b, rest_b > 0);
        }
        // a/b < c/d if and only if d/c < b/a.
        (a, b) = ((b.1, rest_b), (a.1, rest_a));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_ordered_as_their_cross_products() {
        for a in 0..30u128 {
            for b in 1..30 {
                for c in 0..30 {
                    for d in 1..30 {
                        assert_eq!(is_less((a, b), (c, d)), a * d < c * b, "{a}/{b}, {c}/{d}");
                    }
                }
            }
        }
        let large = u128::MAX;
        assert!(is_less((large - 1, large), (large, large - 1)));
        assert!(!is_less((large, large), (large, large)));
    }
}
