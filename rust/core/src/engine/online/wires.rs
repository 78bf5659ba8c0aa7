//! Resources and paths, at no rung of the number ladder in particular.

use super::tasks::SLACK;
use crate::engine::workload::{Incidence, MAX_SCALE, WorkloadError};

/// A way through the resources.
#[derive(Debug, Clone)]
pub struct Path {
    /// Resources with the share (numerator, denominator) of the flow on each, ascending.
    shares: Vec<(u32, u64, u64)>,
    /// From the last byte's service to its arrival.
    pub(super) latency_ps: u64,
    /// No flow is served faster, up to rounding.
    most_bps: f64,
}

impl Path {
    /// Whether it loads nothing.
    pub(super) fn is_free(&self) -> bool {
        self.shares.is_empty()
    }

    /// A lower bound of when a flow arrives that has so much work left at a time, whatever else is
    /// under way: when it would alone.
    pub(super) fn arrives_after(&self, time_ps: f64, work: f64) -> f64 {
        (time_ps + work / self.most_bps + self.latency_ps as f64) * (1.0 - SLACK)
    }

    /// The weight on each resource, at the scales of the resources' rows.
    pub(super) fn row(&self, scales: &[u64]) -> impl Iterator<Item = Incidence> {
        self.shares
            .iter()
            .map(|&(resource, numerator, denominator)| Incidence {
                resource,
                weight: numerator * (scales[resource as usize] / denominator),
            })
    }
}

/// The resources so far.
#[derive(Debug, Clone, Default)]
pub struct Wires {
    rates_bps: Vec<u64>,
    pub(super) scales: Vec<u64>,
    /// How often anything was added or scaled.
    pub(super) n_edits: u64,
}

impl Wires {
    /// Adds a resource of `rate_bps` bytes per second.
    pub fn resource(&mut self, rate_bps: u64) -> u32 {
        self.rates_bps.push(rate_bps);
        self.scales.push(1);
        self.n_edits += 1;
        self.rates_bps.len() as u32 - 1
    }

    /// A path over resources with the share (numerator, denominator) of the flow on each.
    ///
    /// # Errors
    /// If the shares on a resource have no common denominator below 2^40; then nothing has changed.
    pub fn path(
        &mut self,
        mut shares: Vec<(u32, u64, u64)>,
        latency_ps: u64,
    ) -> Result<Path, WorkloadError> {
        shares.sort_unstable();
        let mut scales = Vec::with_capacity(shares.len());
        for &(resource, _, denominator) in &shares {
            let scale = u128::from(self.scales[resource as usize]);
            let scale = num_integer::lcm(scale, u128::from(denominator));
            let fits = u64::try_from(scale).ok();
            let fits = fits.filter(|&scale| scale <= MAX_SCALE);
            scales.push(fits.ok_or(WorkloadError::SharesTooFine { resource })?);
        }
        for (&(resource, ..), scale) in shares.iter().zip(scales) {
            let known = &mut self.scales[resource as usize];
            self.n_edits += u64::from(*known != scale);
            *known = scale;
        }
        let alone = shares.iter().map(|&(resource, numerator, denominator)| {
            self.rates_bps[resource as usize] as f64 * denominator as f64 / numerator as f64
        });
        Ok(Path {
            most_bps: alone.fold(f64::INFINITY, f64::min),
            shares,
            latency_ps,
        })
    }

    /// Capacity of a resource at the scale of its row.
    pub(super) fn capacity(&self, resource: usize) -> u128 {
        u128::from(self.rates_bps[resource]) * u128::from(self.scales[resource])
    }
}
