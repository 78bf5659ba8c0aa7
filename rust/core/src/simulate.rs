//! Simulation: from jobs on a fabric to a result that can explain and prove itself.

mod placing;

use std::fmt::Write;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::bounds::{self, Bound, Demand, Volume};
use crate::bracket::{Bracket, bracket};
use crate::charge::{Charge, Traffic};
use crate::collective::Collective;
use crate::engine::certificate::{self, Certificate};
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::ladder::{OpTimes, Rung};
use crate::engine::layers::{self, Layers, Solved};
use crate::engine::maxmin::LEVELS_BYTES_PER_INCIDENCE;
use crate::error::Error;
use crate::fabric::routing::{self, Routing, RoutingOptions};
use crate::fabric::{Bundles, Fabric, Phase};
use crate::ids::NodeId;
use crate::placement::{Flow, Placement, Sync};
use crate::plan::Planned;
pub use crate::plan::{BYTES_PER_TRANSFER, check_memory};
use crate::schedule::{ChunkRange, ChunkSizes, Outline, Schedule};
use placing::{OwnBundles, cut_off, on_wires, place, rank_nodes};

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// Exact max-min fair flows.
    Fluid,
    /// Lower bounds only.
    Bound,
    /// Of the fluid engine's time a lower and an upper end, without events.
    Bracket,
}

impl EngineKind {
    /// All engines, with their names; a bracket is an option of the fluid engine.
    pub const ALL: [(&'static str, Self); 2] = [("fluid", Self::Fluid), ("bound", Self::Bound)];

    /// The name of the engine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fluid | Self::Bracket => "fluid",
            Self::Bound => "bound",
        }
    }
}

/// How to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The routing's registry name.
    pub routing: &'static str,
    /// What the routing is told.
    pub routing_options: RoutingOptions,
    /// What holds a rank's next step back beside its data.
    pub sync: Sync,
    /// Which engine answers.
    pub engine: EngineKind,
    /// The rung of the number ladder to start from.
    pub rung: Rung,
    /// Which lossless short cuts may be taken.
    pub layers: Layers,
    /// Memory above which a run is refused before it allocates.
    pub memory_limit_bytes: u64,
    /// Events after which a run ends with an error.
    pub event_limit: u64,
}

/// Further bytes per transfer where every transfer has a route of its own: 7 stripes of 4 links,
/// 16 bytes as shares, 16 as weights, 12 in the engine's member lists, and what repair by levels may
/// take.
const BYTES_PER_OWN_ROUTE: u64 = 28 * (44 + LEVELS_BYTES_PER_INCIDENCE);

impl Settings {
    /// The routing, built.
    pub fn routing(&self) -> Result<Box<dyn Routing>, Error> {
        Ok(routing::lookup(self.routing)?.build(&self.routing_options)?)
    }

    /// Refuses a run of so many transfers if it would need more memory than allowed.
    pub fn check_memory(&self, n_transfers: u64) -> Result<(), Error> {
        let own_routes = self.routing()?.per_occurrence();
        let each = BYTES_PER_TRANSFER + if own_routes { BYTES_PER_OWN_ROUTE } else { 0 };
        Ok(check_memory(n_transfers, each, self.memory_limit_bytes)?)
    }

    /// What bounds a run.
    pub fn limits<'a>(&self, cancel: Option<&'a AtomicBool>) -> Limits<'a> {
        Limits {
            events: self.event_limit,
            until_ps: None,
            cancel,
        }
    }
}

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
    fn traffic(&self) -> Traffic<'_> {
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
    /// Runs jobs or flows on a fabric.
    pub fn run(
        fabric: Arc<Fabric>,
        work: Work,
        settings: Settings,
        cancel: Option<&AtomicBool>,
    ) -> Result<Self, Error> {
        match Self::run_until(fabric, work, settings, Vec::new(), None, cancel)? {
            Outcome::Done(simulation) => Ok(*simulation),
            Outcome::Late { .. } => unreachable!("a run without a limit is not given up"),
        }
    }

    /// Runs jobs or flows on a fabric whose links change at ascending times. What is under way then
    /// goes on along the routes that the routing gives it on the fabric of the new phase.
    ///
    /// # Errors
    /// As for a fabric that stays, and if something is released or under way that no live path
    /// serves, or a bracket is asked for.
    pub fn run_changing(
        fabric: Arc<Fabric>,
        work: Work,
        settings: Settings,
        phases: Vec<Phase>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Self, Error> {
        if settings.engine == EngineKind::Bracket {
            return Err(Error::BracketOfChanges);
        }
        match Self::run_until(fabric, work, settings, phases, None, cancel)? {
            Outcome::Done(simulation) => Ok(*simulation),
            Outcome::Late { .. } => unreachable!("a run without a limit is not given up"),
        }
    }

    /// Runs jobs or flows while links may change, but gives up once it is clear that they take longer
    /// than `until_ps`.
    pub fn run_until(
        fabric: Arc<Fabric>,
        work: Work,
        settings: Settings,
        mut phases: Vec<Phase>,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Outcome, Error> {
        // What changes at time 0 has never been otherwise.
        let at_start = phases.first().is_some_and(|phase| phase.at_ps == 0);
        let fabric = if at_start {
            phases.remove(0).fabric
        } else {
            fabric
        };
        let (calibrated, fabric) = on_wires(fabric, &work);
        for phase in &mut phases {
            phase.fabric = on_wires(phase.fabric.clone(), &work).1;
        }
        let (placement, own_bundles) = place(&fabric, &work, &settings, &phases)?;
        let bound = if phases.is_empty() {
            any_algorithm_bound(&fabric, &work)?
        } else {
            any_algorithm_bound(&fabric.at_best(&phases), &work)?
        };
        let route_bound_ps = bounds::route_bound_ps(&placement.workload, placement.alone());
        let route_bound_ps = route_bound_ps.max(bound.time_ps);
        if until_ps.is_some_and(|until_ps| route_bound_ps > until_ps.into()) {
            let at_least_ps = u64::try_from(route_bound_ps).unwrap_or(u64::MAX);
            return Ok(Outcome::Late { at_least_ps });
        }
        let mut low_ps = None;
        let (run, time_ps) = match settings.engine {
            EngineKind::Bound => (None, route_bound_ps),
            EngineKind::Bracket => {
                let Bracket {
                    low_ps: low,
                    high_ps,
                } = bracket(&placement.workload);
                low_ps = Some(low.max(route_bound_ps));
                (None, high_ps.max(route_bound_ps))
            }
            EngineKind::Fluid => {
                let limits = Limits {
                    until_ps,
                    ..settings.limits(cancel)
                };
                let workload = &placement.workload;
                let run = match layers::solve(workload, settings.layers, limits, settings.rung) {
                    Err(EngineError::Late { at_least_ps }) => {
                        return Ok(Outcome::Late { at_least_ps });
                    }
                    Err(EngineError::CutOff { op, phase }) => {
                        let since_ps = match phase.checked_sub(1) {
                            None => 0,
                            Some(change) => phases[change].at_ps,
                        };
                        return Err(cut_off(&fabric, &work, &placement, op, since_ps));
                    }
                    run => run?,
                };
                let time = run.last_arrival_ps(workload);
                (Some(run), u128::try_from(time).unwrap_or(u128::MAX))
            }
        };
        let simulation = Self {
            network_ps: fits(time_ps)?,
            time_ps: fits(time_ps)?,
            time_low_ps: fits(low_ps.unwrap_or(time_ps))?,
            route_bound_ps: fits(route_bound_ps)?.into(),
            fabric,
            calibrated,
            charges: Vec::new(),
            work,
            settings,
            phases,
            own_bundles,
            placement: placement.into(),
            run,
            bound: bound.into(),
        };
        Ok(simulation.charged()?.unless_late(until_ps))
    }

    /// Runs a planned collective by one operation per orbit, likewise. Bounds, routes and the
    /// transfers of the other ranks are only looked at if asked for.
    pub fn run_planned(
        fabric: Arc<Fabric>,
        planned: Planned,
        endpoints: Vec<u32>,
        starts_ps: Vec<u64>,
        settings: Settings,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Outcome, Error> {
        let (calibrated, fabric) = match fabric.calibration() {
            Some(_) => (Some(fabric.clone()), fabric.wires().clone()),
            None => (None, fabric),
        };
        let mut run = None;
        let mut time_ps = 0;
        if settings.engine == EngineKind::Fluid {
            let limits = Limits {
                until_ps,
                ..settings.limits(cancel)
            };
            let prepared = planned.plan().prepared();
            let solved = match prepared.solve(&planned.sizes(), limits, settings.rung) {
                Err(EngineError::Late { at_least_ps }) => {
                    return Ok(Outcome::Late { at_least_ps });
                }
                solved => solved?,
            };
            let time = solved.last_arrival_ps(&planned.plan().placement().workload);
            time_ps = fits(u128::try_from(time).unwrap_or(u128::MAX))?;
            run = Some(solved);
        }
        let job = PlacedJob {
            source: Source::Planned(Box::new(planned)),
            endpoints,
            starts_ps,
        };
        let mut simulation = Self {
            fabric,
            calibrated,
            charges: Vec::new(),
            work: Work::Jobs(vec![job]),
            settings,
            phases: Vec::new(),
            own_bundles: OwnBundles::default(),
            placement: OnceLock::new(),
            run,
            network_ps: time_ps,
            time_ps,
            time_low_ps: time_ps,
            bound: OnceLock::new(),
            route_bound_ps: OnceLock::new(),
        };
        match simulation.settings.engine {
            EngineKind::Fluid => {}
            EngineKind::Bound => {
                simulation.time_ps = simulation.route_bound_ps();
                simulation.time_low_ps = simulation.time_ps;
            }
            // Of an orbit all operations are alike, and its operation has the weight of all.
            EngineKind::Bracket => {
                let Bracket { low_ps, high_ps } = bracket(&simulation.placement().workload);
                let floor_ps = simulation.route_bound_ps();
                simulation.time_ps = fits(high_ps)?.max(floor_ps);
                simulation.time_low_ps = fits(low_ps)?.max(floor_ps);
            }
        }
        simulation.network_ps = simulation.time_ps;
        Ok(simulation.charged()?.unless_late(until_ps))
    }

    fn unless_late(self, until_ps: Option<u64>) -> Outcome {
        match until_ps {
            Some(until_ps) if self.time_ps > until_ps => Outcome::Late {
                at_least_ps: self.time_ps,
            },
            _ => Outcome::Done(Box::new(self)),
        }
    }

    /// Adds what the library of a calibrated fabric costs.
    fn charged(mut self) -> Result<Self, Error> {
        let (Some(calibrated), Work::Jobs(jobs)) = (&self.calibrated, &self.work) else {
            return Ok(self);
        };
        let charges = jobs
            .iter()
            .map(|job| Charge::of(calibrated, &job.traffic()));
        self.charges = charges.collect::<Result<_, _>>()?;
        let (mut time_ps, mut time_low_ps) = (0, 0);
        for job in 0..self.charges.len() {
            // Without a timeline no job is known to be through before the last one is.
            let alone = self.charges.len() == 1 || self.run.is_none();
            let high_ps = if alone {
                self.time_ps
            } else {
                self.network_finish_ps(job)?
            };
            let low_ps = if alone { self.time_low_ps } else { high_ps };
            time_ps = time_ps.max(self.charged_ps(job, high_ps)?);
            time_low_ps = time_low_ps.max(self.charged_ps(job, low_ps)?);
        }
        self.time_ps = time_ps.max(self.time_ps);
        self.time_low_ps = time_low_ps.max(self.time_low_ps);
        Ok(self)
    }

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

/// The bound of the jobs: each job needs its own time from its first start on.
fn any_algorithm_bound(fabric: &Fabric, work: &Work) -> Result<Bound, Error> {
    let Work::Jobs(jobs) = work else {
        return Ok(Bound {
            time_ps: 0,
            binding: "flows of their own have no other algorithm".into(),
        });
    };
    let mut best: Option<Bound> = None;
    for (job, nodes) in jobs.iter().zip(rank_nodes(fabric, jobs)?) {
        let mut bound = bounds::bound(fabric, &demand(&job.outline(), &nodes));
        if bound.time_ps > 0 {
            bound.time_ps += u128::from(job.starts_ps.iter().copied().min().unwrap_or(0));
        }
        if best
            .as_ref()
            .is_none_or(|best| bound.time_ps > best.time_ps)
        {
            best = Some(bound);
        }
    }
    Ok(best.unwrap_or(Bound {
        time_ps: 0,
        binding: "nothing to do".into(),
    }))
}

/// What a schedule's collective must move, from its chunk sizes.
fn demand<'a>(schedule: &Outline, nodes: &'a [NodeId]) -> Demand<'a> {
    let collective = schedule.collective;
    let n = nodes.len() as u64;
    let n_blocks = collective.n_blocks(schedule.n_ranks);
    let per_block = (u64::from(schedule.n_chunks) / n_blocks) as u32;
    let block = |index: u64| {
        schedule
            .sizes
            .size_of(ChunkRange::span(index as u32 * per_block, per_block))
    };
    let whole_bytes = matches!(schedule.sizes, ChunkSizes::Each { .. });
    let volume = match collective {
        Collective::Barrier => Volume::Signals,
        Collective::Dispatch | Collective::Combine => {
            let traffic = schedule.traffic.expect("a schedule of tokens has them");
            Volume::Tokens(traffic.tokens.clone())
        }
        Collective::AllToAll if whole_bytes => {
            Volume::Counts((0..n_blocks).map(|index| block(index).0 as u64).collect())
        }
        // Blocks count in units of 1/n byte, which makes an equal part of S/n exactly S.
        _ if n_blocks == 1 => {
            let (numerator, denominator) = block(0);
            Volume::Blocks(vec![numerator / u128::from(denominator); nodes.len()])
        }
        _ => Volume::Blocks(
            (0..n)
                .map(|index| {
                    let (numerator, denominator) = block(index);
                    numerator * u128::from(n) / u128::from(denominator)
                })
                .collect(),
        ),
    };
    Demand {
        collective,
        nodes,
        root: schedule.root.index(),
        volume,
    }
}
