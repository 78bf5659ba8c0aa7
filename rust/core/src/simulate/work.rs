//! What runs: collectives on their endpoints, or flows of their own.

use std::sync::Arc;

use crate::charge::Traffic;
use crate::error::Error;
use crate::placement::Flow;
use crate::plan::Planned;
use crate::schedule::{Outline, Schedule};

/// Who sends what to whom.
#[derive(Debug, Clone)]
pub enum Source {
    /// Every transfer is written down.
    Written(Arc<Schedule>),
    /// One transfer per orbit is; the others are if somebody asks.
    Planned(Box<Planned>),
}

/// A verified schedule on the endpoints of its ranks.
#[derive(Debug, Clone)]
pub struct PlacedJob {
    /// Who sends what to whom.
    pub source: Source,
    /// The endpoint of each rank.
    pub endpoints: Vec<u32>,
    /// Start time of each rank, or one for all.
    pub starts_ps: Vec<u64>,
}

impl PlacedJob {
    /// What the schedule is about.
    pub fn outline(&self) -> Outline<'_> {
        match &self.source {
            Source::Written(schedule) => schedule.outline(),
            Source::Planned(planned) => planned.outline(),
        }
    }

    /// What the collective asks of its ranks.
    pub(super) fn traffic(&self) -> Traffic<'_> {
        let (schedule, copies) = match &self.source {
            Source::Written(schedule) => (&**schedule, 1),
            Source::Planned(planned) => {
                let orbits = planned.plan().orbits();
                (orbits.representatives(), orbits.group().order())
            }
        };
        Traffic::new(schedule, copies, self.outline(), &self.endpoints)
    }

    /// The schedule, every transfer written down.
    pub fn schedule(&self) -> Result<&Arc<Schedule>, Error> {
        match &self.source {
            Source::Written(schedule) => Ok(schedule),
            Source::Planned(planned) => Ok(planned.schedule()?),
        }
    }
}

/// What ran.
#[derive(Debug, Clone)]
pub enum Work {
    /// Collectives, at once.
    Jobs(Vec<PlacedJob>),
    /// Flows of their own.
    Flows(Vec<Flow>),
}
