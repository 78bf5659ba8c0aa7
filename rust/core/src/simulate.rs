//! Simulation: from jobs on a fabric to a result that can explain and prove itself.

mod least;
mod placing;
mod run;
mod settings;
mod work;

pub use settings::{EngineKind, Settings};
pub use work::{PlacedJob, Source, Work};

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::bounds::{self, Bound};
use crate::charge::Charge;
use crate::engine::certificate::{self, Certificate};
use crate::engine::ladder::OpTimes;
use crate::engine::layers::{self, Layers, Solved};
use crate::error::Error;
use crate::fabric::{Bundles, Fabric, Phase};
use crate::placement::Placement;
use crate::plan::Planned;
pub use crate::plan::{BYTES_PER_TRANSFER, check_memory};
use least::any_algorithm_bound;
use placing::{OwnBundles, place};

/// The result of a run, with all that is needed to look into it.
#[derive(Debug)]
pub struct Simulation {
    /// Of a calibrated fabric its wires.
    fabric: Arc<Fabric>,
    calibrated: Option<Arc<Fabric>>,
    /// One per job on a calibrated fabric.
    charges: Vec<Option<Charge>>,
    /// When the network is through, without the charges.
    network_ps: u64,
    work: Work,
    settings: Settings,
    /// The fabric from each time on at which links change.
    phases: Vec<Phase>,
    own_bundles: OwnBundles,
    placement: OnceLock<Placement>,
    run: Option<Solved>,
    time_ps: u64,
    time_low_ps: u64,
    bound: OnceLock<Bound>,
    route_bound_ps: OnceLock<u64>,
}

/// What became of a run with a limit in time.
#[derive(Debug)]
pub enum Outcome {
    /// It ended in time.
    Done(Box<Simulation>),
    /// It was given up.
    Late {
        /// It would have taken at least this long.
        at_least_ps: u64,
    },
}

impl Simulation {
    /// The finish of a job with what its library costs, from that of the network alone.
    fn charged_ps(&self, job: usize, network_ps: u64) -> Result<u64, Error> {
        let (Work::Jobs(jobs), Some(Some(charge))) = (&self.work, self.charges.get(job)) else {
            return Ok(network_ps);
        };
        let last_start_ps = jobs[job].starts_ps.iter().copied().max().unwrap_or(0);
        fits(charge.finish_ps(last_start_ps, network_ps))
    }

    /// The fabric it ran on; of a calibrated one its wires.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// The fabric that was asked about.
    pub fn asked_fabric(&self) -> &Arc<Fabric> {
        self.calibrated.as_ref().unwrap_or(&self.fabric)
    }

    /// What the library of a calibrated fabric costs, per job; none where it does nothing.
    pub fn charges(&self) -> &[Option<Charge>] {
        &self.charges
    }

    /// When the network is through; what a library costs comes on top.
    pub fn network_ps(&self) -> u64 {
        self.network_ps
    }

    /// What ran.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// How it ran.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The workload that the engine saw: that of all transfers, or of one per orbit.
    pub fn placement(&self) -> &Placement {
        self.placement.get_or_init(|| {
            let planned = self.planned().expect("only plans are placed late");
            planned.placement()
        })
    }

    /// The plan that it ran by, if it did.
    pub fn planned(&self) -> Option<&Planned> {
        match &self.work {
            Work::Jobs(jobs) => match &jobs[..] {
                [
                    PlacedJob {
                        source: Source::Planned(planned),
                        ..
                    },
                ] => Some(planned),
                _ => None,
            },
            Work::Flows(_) => None,
        }
    }

    /// The fabric from each time on at which links change while this runs, by ascending times.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The fabric in one phase, 0 being the first.
    pub fn fabric_in(&self, phase: usize) -> &Arc<Fabric> {
        let later = phase.checked_sub(1);
        later.map_or(&self.fabric, |change| &self.phases[change].fabric)
    }

    /// For how much of the run's time a phase lasts.
    pub fn lasts_ps(&self, phase: usize) -> u64 {
        let at = |phase: usize| match phase.checked_sub(1) {
            None => 0,
            Some(change) => self
                .phases
                .get(change)
                .map_or(u64::MAX, |phase| phase.at_ps),
        };
        let end_ps = at(phase + 1).min(self.time_ps);
        end_ps.saturating_sub(at(phase))
    }

    /// The bundles that the link resources of a phase are.
    pub fn bundles(&self, phase: usize) -> &Bundles {
        if let Some(own) = self.own_bundles.get(phase).and_then(Option::as_ref) {
            return own;
        }
        let routing = self
            .settings
            .routing()
            .expect("the run has built it before");
        let bundles = placing::shared(self.fabric_in(phase), &*routing, &self.work);
        bundles.expect("a run without bundles of its own shares those of its fabric")
    }

    /// The lower end of a bracket; otherwise the time itself.
    pub fn time_low_ps(&self) -> u64 {
        self.time_low_ps
    }

    /// When the last rank is through; of a bracket, the upper end.
    pub fn time_ps(&self) -> u64 {
        self.time_ps
    }

    /// No algorithm and no routing on this fabric is faster.
    pub fn bound(&self) -> &Bound {
        self.bound.get_or_init(|| {
            let bound = any_algorithm_bound(&self.fabric, &self.work);
            bound.expect("a plan has found the nodes of its ranks")
        })
    }

    /// No congestion control makes this schedule on these routes faster.
    pub fn route_bound_ps(&self) -> u64 {
        *self.route_bound_ps.get_or_init(|| {
            let placement = self.placement();
            let time = bounds::route_bound_ps(&placement.workload, placement.alone());
            u64::try_from(time.max(self.bound().time_ps)).unwrap_or(u64::MAX)
        })
    }

    /// How exact the result is.
    pub fn exactness(&self) -> String {
        let bounds_only = || match self.settings.engine {
            EngineKind::Bracket if self.time_low_ps == self.time_ps => "exact",
            EngineKind::Bracket => "bracket",
            EngineKind::Bound | EngineKind::Fluid => "lower bound",
        };
        self.run
            .as_ref()
            .map_or_else(|| bounds_only().to_owned(), |r| r.exactness().to_string())
    }

    /// Whether switches did reductions or multicasts.
    pub fn is_in_network(&self) -> bool {
        match &self.work {
            // What runs in switches has no plan by orbits.
            Work::Jobs(jobs) => jobs.iter().any(
                |job| matches!(&job.source, Source::Written(schedule) if schedule.is_in_network()),
            ),
            Work::Flows(_) => false,
        }
    }

    /// Events processed.
    pub fn n_events(&self) -> u64 {
        self.run.as_ref().map_or(0, Solved::n_events)
    }

    /// SHA-256 in hexadecimal over everything that the result follows from: fabric, work and
    /// settings, but not which lossless short cuts were taken. Equal digests have equal results, on
    /// every machine.
    pub fn digest(&self) -> Result<String, Error> {
        let mut hash = Sha256::new();
        hash.update(b"cm.run/1");
        hash.update(self.asked_fabric().digest());
        let settings = Settings {
            layers: Layers::ALL,
            ..self.settings.clone()
        };
        hash.update(format!("{settings:?}"));
        for phase in &self.phases {
            hash.update(phase.at_ps.to_le_bytes());
            hash.update(phase.fabric.digest());
        }
        match &self.work {
            Work::Jobs(jobs) => {
                for job in jobs {
                    hash.update(job.schedule()?.digest());
                    hash.update(format!("{:?}{:?}", job.endpoints, job.starts_ps));
                }
            }
            Work::Flows(flows) => hash.update(format!("{flows:?}")),
        }
        let digest = hash.finalize();
        Ok(digest
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                write!(text, "{byte:02x}").expect("writing to a string never fails");
                text
            }))
    }

    /// The engine's timeline.
    ///
    /// # Errors
    /// If the engine gave bounds only.
    pub fn timeline(&self) -> Result<&Solved, Error> {
        self.run.as_ref().ok_or(Error::NoTimeline)
    }

    /// Released, served and arrived time of every transfer of every job, or of every flow.
    pub fn transfer_times(&self) -> Result<Vec<Vec<OpTimes>>, Error> {
        let times = self.op_times()?;
        let mut ops = self.placement().op_of_transfer.clone();
        if let Some(planned) = self.planned() {
            let orbit_of_each = planned.plan().orbits().orbit_of_each(planned.schedule()?);
            ops = vec![orbit_of_each.expect("the plan is that of the schedule")];
        }
        let of_job = |ops: Vec<u32>| ops.into_iter().map(|op| times[op as usize]).collect();
        Ok(ops.into_iter().map(of_job).collect())
    }

    /// Released, served and arrived time of every operation of [`Simulation::placement`], refined
    /// where a time straddles a picosecond at the rung of the run.
    pub fn op_times(&self) -> Result<Vec<OpTimes>, Error> {
        let limits = self.settings.limits(None);
        Ok(self
            .timeline()?
            .op_times(&self.placement().workload, limits)?)
    }

    /// The finish of one job: its last arrival, and what its library costs.
    pub fn job_finish_ps(&self, job: usize) -> Result<u64, Error> {
        self.charged_ps(job, self.network_finish_ps(job)?)
    }

    /// The last arrival of one job.
    pub fn network_finish_ps(&self, job: usize) -> Result<u64, Error> {
        let ops = self.placement().op_of_transfer[job]
            .iter()
            .map(|&op| op as usize);
        let run = self.timeline()?;
        let time = run.last_arrival_of(&self.placement().workload, ops.clone());
        if let Some(time) = time {
            Ok(u64::try_from(time).unwrap_or(u64::MAX))
        } else {
            let times = self.op_times()?;
            let last = ops.map(|op| times[op].arrived_ps).max().unwrap_or(0);
            Ok(u64::try_from(last).unwrap_or(u64::MAX))
        }
    }

    /// For how long each resource was in use, in picoseconds.
    pub fn busy_ps(&self) -> Result<Vec<f64>, Error> {
        let limits = self.settings.limits(None);
        Ok(self
            .timeline()?
            .busy_ps(&self.placement().workload, limits)?)
    }

    /// How long each resource needs at full rate for what it served while links changed, in
    /// picoseconds.
    pub fn served_ps(&self) -> Result<Vec<f64>, Error> {
        let limits = self.settings.limits(None);
        let workload = &self.placement().workload;
        Ok(self.timeline()?.served_ps(workload, limits)?)
    }

    /// The proof that the rates of this run were max-min fair.
    pub fn certificate(&self) -> Result<Certificate, Error> {
        self.timeline()?;
        let (layers, limits) = (self.settings.layers, self.settings.limits(None));
        if self.planned().is_some() {
            let (written, _) = place(&self.fabric, &self.work, &self.settings, &self.phases)?;
            return Ok(layers::certify(&written.workload, layers, limits)?);
        }
        Ok(layers::certify(&self.placement().workload, layers, limits)?)
    }

    /// Checks a certificate against a workload built anew from fabric and schedules.
    pub fn check(&self, certificate: &Certificate) -> Result<(), Error> {
        let (placement, _) = place(&self.fabric, &self.work, &self.settings, &self.phases)?;
        Ok(certificate::check(&placement.workload, certificate)?)
    }
}

/// A time that a signed 64-bit column holds.
pub(crate) fn fits(time_ps: u128) -> Result<u64, Error> {
    let fits = i64::try_from(time_ps).map(|time| time as u64);
    fits.map_err(|_| Error::TimeOverflow { time_ps })
}
