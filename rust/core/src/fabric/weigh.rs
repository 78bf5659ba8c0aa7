//! Weights of routing: a new fabric on which classes of links get another part of the traffic.
//!
//! A class is what a selector means: a plane, a kind of link, the links of some switches. Spraying
//! divides a flow in proportion to nominal rate times weight; routings by stripes cut it over the
//! planes in proportion to the mean weight of its first links in each. Rates stay, so a link that is
//! weighed down carries less and lasts as long. Weights are millionths.

use num_integer::Integer;

use super::element::{Link, WHOLE_PPM};
use super::error::FabricError;
use super::graph::Fabric;

impl Fabric {
    /// The fabric with weights multiplied by the factors of all selectors that match, rounded to the
    /// nearest millionth.
    ///
    /// # Errors
    /// If a factor is not in 0..=1000, a selector matches nothing, the weights of a link multiply to
    /// more than 1000 or, from factors above 0, to less than a millionth, or nominal rates times
    /// weights are too fine to be shares of 64 bits.
    pub fn weigh(&self, factors: &[(String, f64)]) -> Result<Self, FabricError> {
        let ppm = |link: &Link| f64::from(link.weight_ppm);
        let mut weights: Vec<f64> = self.links().iter().map(ppm).collect();
        let mut is_out = vec![false; weights.len()];
        for (selector, factor) in factors {
            let refused = || FabricError::BadWeight {
                selector: selector.clone(),
                factor: *factor,
            };
            if !(0.0..=MAX_WEIGHT).contains(factor) {
                return Err(refused());
            }
            for link in self.select(selector)? {
                let weight = &mut weights[link.index()];
                *weight *= factor;
                is_out[link.index()] |= *factor <= 0.0 || *weight <= 0.0;
                let is_kept = is_out[link.index()] || weight.round() >= 1.0;
                if weight.round() > MAX_WEIGHT * f64::from(WHOLE_PPM) || !is_kept {
                    return Err(refused());
                }
            }
        }
        let weighed = self.with_content(|content| {
            for (link, (weight, is_out)) in content.links.iter_mut().zip(weights.iter().zip(is_out))
            {
                link.weight_ppm = if is_out { 0 } else { weight.round() as u32 };
            }
        });
        let unit = weight_unit(&weighed);
        let total: u128 = weighed
            .links()
            .iter()
            .map(|link| raw_weight(link) / unit)
            .sum();
        if total > u128::from(u64::MAX) {
            return Err(FabricError::WeightsTooFine { total });
        }
        Ok(weighed)
    }
}

const MAX_WEIGHT: f64 = 1000.0;

/// Nominal rate times weight.
fn raw_weight(link: &Link) -> u128 {
    u128::from(link.nominal_rate_Bps) * u128::from(link.weight_ppm)
}

/// What all of these products are multiples of.
pub(super) fn weight_unit(fabric: &Fabric) -> u128 {
    let (mut unit, mut last) = (0, 0);
    for raw in fabric.links().iter().map(raw_weight) {
        // Neighbors are mostly alike, and division is slow.
        if raw != last {
            (unit, last) = (raw.gcd(&unit), raw);
        }
    }
    unit.max(1)
}

/// By what a routing weighs a link, in the fabric's units.
pub(super) fn weight(link: &Link, unit: u128) -> u64 {
    u64::try_from(raw_weight(link) / unit).expect("their sum was found to fit")
}
