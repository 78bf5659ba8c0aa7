//! A schedule by representatives: one transfer per orbit of a group, the rest are its images.

use rustc_hash::FxHashMap;

use super::symmetry::{Action, Group};
use super::verify::verify_in;
use super::{Proof, Schedule, ScheduleBuilder, ScheduleError, Send, VerifyError};

/// A symmetric schedule, of which only the sends of representatives are written down. It is the
/// set of their images under all turns of the group.
#[derive(Clone, Debug)]
pub struct OrbitSchedule {
    action: Action,
    representatives: Schedule,
}

impl OrbitSchedule {
    /// Orders and links the sends of representatives, which `builder` holds.
    ///
    /// # Errors
    /// As for [`ScheduleBuilder::build`].
    ///
    /// # Panics
    /// If a send is not one of a representative, or edges are given.
    pub fn build(builder: ScheduleBuilder, action: Action) -> Result<Self, ScheduleError> {
        let is_home = |send: &Send| action.home(*send) == Some(*send);
        assert!(builder.sends.iter().all(is_home), "representatives send");
        assert!(builder.depends_on.is_none() && builder.follows.is_none());
        let representatives = builder.build_in(&action)?;
        Ok(Self {
            action,
            representatives,
        })
    }

    /// Proves that the whole schedule computes its collective; places are those of
    /// representatives.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn verify(&self) -> Result<Proof, VerifyError> {
        verify_in(&self.representatives, &self.action)
    }

    /// The group.
    pub fn group(&self) -> &Group {
        self.action.group()
    }

    /// One transfer per orbit, sent by a representative; edges lead to the orbits of the
    /// transfers waited for.
    pub fn representatives(&self) -> &Schedule {
        &self.representatives
    }

    /// Number of transfers of the whole schedule.
    pub fn n_transfers(&self) -> u64 {
        self.representatives.len() as u64 * u64::from(self.group().order())
    }

    /// The orbit of each transfer of the same schedule written out in full, or `None` if it is
    /// another schedule.
    pub fn orbit_of_each(&self, whole: &Schedule) -> Option<Vec<u32>> {
        if whole.len() as u64 != self.n_transfers() {
            return None;
        }
        let known = (0..self.representatives.len())
            .map(|orbit| (self.representatives.send(orbit), (orbit as u32, 0)));
        let mut known: FxHashMap<Send, (u32, u32)> = known.collect();
        let orbits = (0..whole.len()).map(|transfer| {
            let (orbit, n_seen) = known.get_mut(&self.action.home(whole.send(transfer))?)?;
            *n_seen += 1;
            (*n_seen <= self.group().order()).then_some(*orbit)
        });
        orbits.collect()
    }
}
