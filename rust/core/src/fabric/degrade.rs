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
        let live = self.links().iter().enumerate().map(|(index, link)| {
            if failed[index] || link.rate_Bps == 0 {
                return Ok(0);
            }
            self.scaled(LinkId::from_index(index), link.rate_Bps, product[index])
        });
        let live: Vec<u64> = live.collect::<Result<_, _>>()?;
        Ok(self.with_live_rates(&live))
    }

    /// The links that a selector matches, if the factor is in 0..=1.
    pub(super) fn checked_select(
        &self,
        selector: &str,
        factor: f64,
    ) -> Result<Vec<LinkId>, FabricError> {
        if !(0.0..=1.0).contains(&factor) {
            return Err(FabricError::BadFactor {
                selector: selector.to_owned(),
                factor,
            });
        }
        self.select(selector)
    }

    /// A rate of a link times a factor, which must leave something of it.
    pub(super) fn scaled(
        &self,
        link: LinkId,
        rate_Bps: u64,
        factor: f64,
    ) -> Result<u64, FabricError> {
        // Rates are below 2^53, so the conversion is exact and the product is rounded once.
        match (rate_Bps as f64 * factor).round() as u64 {
            0 => Err(FabricError::VanishingRate {
                link: self.link_name(link),
                rate_Bps,
                factor,
            }),
            rate_Bps => Ok(rate_Bps),
        }
    }
}
