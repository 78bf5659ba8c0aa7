//! Slower and failed links: a new fabric with other live rates.
//!
//! Nominal rates stay, so routing keeps its weights on a degraded link and the flow slows down;
//! a failed link (factor 0) is routed around.

use super::error::FabricError;
use super::graph::Fabric;
use crate::ids::LinkId;

impl Fabric {
    /// The fabric with live rates multiplied by the factors of all selectors that match, rounded
    /// to the nearest B/s (halves up).
    ///
    /// # Errors
    /// If a factor is not in 0..=1, a selector matches nothing, or a link with a factor above 0
    /// would be left with 0 B/s.
    pub fn degrade(&self, factors: &[(String, f64)]) -> Result<Self, FabricError> {
        let mut product = vec![1.0_f64; self.links().len()];
        let mut failed = vec![false; self.links().len()];
        for (selector, factor) in factors {
            for link in self.checked_select(selector, *factor)? {
                product[link.index()] *= factor;
                failed[link.index()] |= *factor <= 0.0;
            }
        }
        self.scaled(&product, &failed)
    }

    /// The links that a selector matches, if the factor is one.
    ///
    /// # Errors
    /// If the factor is not in 0..=1, or the selector matches nothing.
    pub fn checked_select(&self, selector: &str, factor: f64) -> Result<Vec<LinkId>, FabricError> {
        if !(0.0..=1.0).contains(&factor) {
            return Err(FabricError::BadFactor {
                selector: selector.to_owned(),
                factor,
            });
        }
        self.select(selector)
    }

    /// The fabric with the live rate of each link multiplied by its factor, likewise.
    ///
    /// # Errors
    /// If a link with a factor above 0 would be left with 0 B/s.
    pub fn with_factors(&self, factors: &[f64]) -> Result<Self, FabricError> {
        let failed: Vec<bool> = factors.iter().map(|factor| *factor <= 0.0).collect();
        self.scaled(factors, &failed)
    }

    fn scaled(&self, product: &[f64], failed: &[bool]) -> Result<Self, FabricError> {
        let live = self.links().iter().enumerate().map(|(index, link)| {
            if failed[index] || link.rate_Bps == 0 {
                return Ok(0);
            }
            // Rates are below 2^53, so the conversion is exact and the product is rounded once.
            match (link.rate_Bps as f64 * product[index]).round() as u64 {
                0 => Err(FabricError::VanishingRate {
                    link: self.link_name(LinkId::from_index(index)),
                    rate_Bps: link.rate_Bps,
                    factor: product[index],
                }),
                rate => Ok(rate),
            }
        });
        let live: Vec<u64> = live.collect::<Result<_, _>>()?;
        Ok(self.with_live_rates(&live))
    }
}
