//! Running: place the work, bound it, let the engine answer, add what a library costs.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use super::least::any_algorithm_bound;
use super::placing::{OwnBundles, cut_off, on_wires, place};
use super::{EngineKind, Outcome, PlacedJob, Settings, Simulation, Source, Work, fits};
use crate::bounds;
use crate::bracket::{Bracket, bracket};
use crate::charge::Charge;
use crate::engine::fluid::{EngineError, Limits};
use crate::engine::layers;
use crate::error::Error;
use crate::fabric::{Fabric, Phase};
use crate::plan::Planned;

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
        if let Some(until_ps) = until_ps
            && phases.is_empty()
            && settings.engine != EngineKind::Bound
        {
            // All steps of all ranks: dearer than the bound of the routes, and far cheaper than a run.
            let at_least_ps = bounds::joint_path_ps(&placement.workload);
            if at_least_ps > until_ps {
                return Ok(Outcome::Late { at_least_ps });
            }
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
}
