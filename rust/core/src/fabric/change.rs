//! Links that fail, slow down or recover at a time: a fabric for each phase of a run.
//!
//! A change *sets* the live rate of its links to a share of their nominal rate, whatever that was
//! before; so 1.0 is a recovery, also of what [`Fabric::degrade`] took away. Of several changes of a
//! link at one time the last one given holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::FabricError;
use super::graph::Fabric;
use crate::ids::LinkId;

/// From a time on, the links of a selector carry a share of their nominal rate.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkChange {
    /// Which links, as for [`Fabric::select`].
    pub selector: String,
    /// Share of the nominal rate, in 0..=1; 0 is a failed link.
    pub factor: f64,
    /// From when on.
    pub at_ps: u64,
}

/// A fabric from some time on.
#[derive(Debug, Clone)]
pub struct Phase {
    /// From when on.
    pub at_ps: u64,
    /// With the live rates from then on.
    pub fabric: Arc<Fabric>,
}

impl Fabric {
    /// The fabric after each time at which links change, by ascending times.
    ///
    /// # Errors
    /// If a factor is not in 0..=1, a selector matches nothing, or a link with a factor above 0
    /// would be left with 0 B/s.
    pub fn phases(&self, changes: &[LinkChange]) -> Result<Vec<Phase>, FabricError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut by_time: BTreeMap<u64, Vec<&LinkChange>> = BTreeMap::new();
        for change in changes {
            by_time.entry(change.at_ps).or_default().push(change);
        }
        let mut live: Vec<u64> = self.links().iter().map(|link| link.rate_Bps).collect();
        let mut phases = Vec::with_capacity(by_time.len());
        for (at_ps, changes) in by_time {
            for change in changes {
                self.set(change, &mut live)?;
            }
            let fabric = Arc::new(self.with_live_rates(&live));
            phases.push(Phase { at_ps, fabric });
        }
        Ok(phases)
    }

    /// The fabric after one more change, where its links had these live rates before; and after it.
    ///
    /// # Errors
    /// As for [`Self::phases`].
    pub fn after(
        &self,
        change: &LinkChange,
        mut live_Bps: Vec<u64>,
    ) -> Result<(Self, Vec<u64>), FabricError> {
        self.set(change, &mut live_Bps)?;
        Ok((self.with_live_rates(&live_Bps), live_Bps))
    }

    fn set(&self, change: &LinkChange, live_Bps: &mut [u64]) -> Result<(), FabricError> {
        let factor = change.factor;
        for id in self.checked_select(&change.selector, factor)? {
            let nominal_Bps = self.link(id).nominal_rate_Bps;
            live_Bps[id.index()] = if factor <= 0.0 {
                0
            } else {
                self.scaled(id, nominal_Bps, factor)?
            };
        }
        Ok(())
    }

    /// The fabric whose links have the largest rate that they have in any phase: nothing is slower on
    /// it than while the links change.
    #[must_use]
    pub fn at_best(&self, phases: &[Phase]) -> Self {
        let best = self.links().iter().enumerate().map(|(index, link)| {
            let id = LinkId::from_index(index);
            let later = phases.iter().map(|phase| phase.fabric.link(id).rate_Bps);
            later.fold(link.rate_Bps, u64::max)
        });
        self.with_live_rates(&best.collect::<Vec<_>>())
    }
}
