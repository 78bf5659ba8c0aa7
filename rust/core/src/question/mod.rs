//! A question: one collective on one fabric, answered by a named algorithm or the fastest one.

mod contest;
mod open;
mod pace;
mod sketch;

pub use contest::{Contest, Extent, Rival};
pub use open::OpenQuestion;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::algorithms::{self, Algorithm, PlanError};
use crate::charge;
use crate::collective::{Collective, Options, Payload, Problem, Split};
use crate::error::Error;
use crate::fabric::routing::{ROUTINGS, RoutingError};
use crate::fabric::{Fabric, LinkChange, NodeKind, Phase};
use crate::ids::{NodeId, RankId};
use crate::placement::Sync;
use crate::plan::{Plan, Planned, Recipe, Setting};
use crate::schedule::Schedule;
use crate::simulate::{EngineKind, Outcome, PlacedJob, Settings, Simulation, Source, Work};
use crate::team::Team;

/// Operations of a plan that runs where nobody can interrupt it: about a microsecond each.
const QUICK_OPS: u64 = 10_000;

/// Which algorithm answers.
#[derive(Clone, Copy)]
pub enum Choice {
    /// The fastest of those that apply; ties by registry order.
    Auto,
    /// This one.
    Named(&'static dyn Algorithm),
}

impl Choice {
    /// "auto" or an algorithm's name.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        if name == "auto" {
            Ok(Self::Auto)
        } else {
            Ok(Self::Named(algorithms::lookup(name)?))
        }
    }
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Named(algorithm) => algorithm.name(),
        })
    }
}

/// One collective on one fabric.
#[derive(Debug, Clone)]
pub struct Question {
    /// Where.
    pub fabric: Arc<Fabric>,
    /// What.
    pub collective: Collective,
    /// By which algorithm.
    pub algorithm: Choice,
    /// The endpoint of each rank.
    pub endpoints: Vec<u32>,
    /// The ranks and their levels.
    pub team: Arc<Team>,
    /// The root of a rooted collective.
    pub root: RankId,
    /// How many bytes.
    pub payload: Payload,
    /// How they are divided.
    pub split: Split,
    /// Options of the algorithm.
    pub options: Options,
    /// Start time of each rank, or one for all.
    pub starts_ps: Vec<u64>,
    /// How to simulate.
    pub settings: Settings,
    /// The fabric from each later time on at which links change; none while they stay.
    pub phases: Vec<Phase>,
}

impl Question {
    /// The same question while links change.
    ///
    /// # Errors
    /// If a change is not valid, or a bracket is asked for.
    pub fn changing(mut self, changes: &[LinkChange]) -> Result<Self, Error> {
        self.phases = self.fabric.phases(changes)?;
        // What changes at time 0 has never been otherwise.
        if self.phases.first().is_some_and(|phase| phase.at_ps == 0) {
            self.fabric = self.phases.remove(0).fabric;
        }
        if !self.phases.is_empty() && self.settings.engine == EngineKind::Bracket {
            return Err(Error::BracketOfChanges);
        }
        Ok(self)
    }

    /// The wires at their best: nothing is slower on them than while links change.
    fn best_wires(&self) -> Arc<Fabric> {
        if self.phases.is_empty() {
            return self.wires().clone();
        }
        let best = Arc::new(self.fabric.at_best(&self.phases));
        if best.calibration().is_some() {
            best.wires().clone()
        } else {
            best
        }
    }

    fn problem(&self) -> Problem<'_> {
        self.problem_with(&self.options)
    }

    /// The problem with other options.
    fn problem_with(&self, options: &Options) -> Problem<'_> {
        Problem {
            collective: self.collective,
            team: &self.team,
            root: self.root,
            payload: self.payload.clone(),
            split: self.split,
            options: options.clone(),
        }
    }

    /// What the engine runs on: of a calibrated fabric the wires.
    fn wires(&self) -> &Arc<Fabric> {
        match self.fabric.calibration() {
            Some(_) => self.fabric.wires(),
            None => &self.fabric,
        }
    }

    /// What the library of a calibrated fabric would do: nobody asks for a contest there. None on
    /// other fabrics, and for one rank.
    fn library_choice(&self) -> Result<Option<(&'static dyn Algorithm, Options)>, Error> {
        if self.fabric.calibration().is_none() || self.endpoints.len() < 2 {
            return Ok(None);
        }
        let size_bytes = self.payload.most_bytes(self.endpoints.len());
        let ruling = charge::ruling(&self.fabric, &self.endpoints, self.collective, size_bytes)?;
        let options = self
            .options
            .iter()
            .fold(ruling.options, |all, (name, value)| {
                all.with(name, value.clone())
            });
        let algorithm = algorithms::lookup(ruling.algorithm)?;
        algorithms::check(algorithm, &self.problem_with(&options))?;
        self.check_fabric(algorithm, &self.problem_with(&options))?;
        Ok(Some((algorithm, options)))
    }

    /// Whether it says which algorithm answers.
    pub fn is_named(&self) -> bool {
        matches!(self.algorithm, Choice::Named(_))
    }

    /// Refuses what can be refused without building anything.
    pub fn check(&self) -> Result<(), Error> {
        let n_ranks = self.endpoints.len();
        if self.starts_ps.len() != 1 && self.starts_ps.len() != n_ranks {
            return Err(Error::StartCount {
                n_ranks,
                got: self.starts_ps.len(),
            });
        }
        let problem = self.problem();
        match self.algorithm {
            Choice::Named(algorithm) => {
                algorithms::check(algorithm, &problem)?;
                self.check_fabric(algorithm, &problem)
            }
            Choice::Auto => {
                problem.check().map_err(PlanError::from)?;
                if self.library_choice()?.is_none() {
                    self.candidates()?;
                }
                Ok(())
            }
        }
    }

    /// Refuses an algorithm that needs what the fabric does not have. Which switches have to reduce
    /// where only some steps are theirs, its routes say.
    fn check_fabric(&self, algorithm: &dyn Algorithm, problem: &Problem) -> Result<(), Error> {
        if problem.n_ranks() < 2 {
            return Ok(());
        }
        let in_network = algorithm.in_network(problem);
        if in_network.is_empty() {
            return Ok(());
        }
        if self.settings.routing != ROUTINGS[0].name {
            return Err(RoutingError::TreeRouting.into());
        }
        let switches = self.wires().nodes().iter().enumerate();
        let mut unable = switches.filter(|(id, node)| {
            node.kind == NodeKind::Switch && !self.wires().is_in_network(NodeId::from_index(*id))
        });
        let n_steps: u32 = in_network
            .iter()
            .map(ExactSizeIterator::len)
            .map(|n| n as u32)
            .sum();
        let is_partly = n_steps < algorithm.n_steps(problem) && self.wires().has_in_network();
        match unable.next() {
            Some((_, node)) if !is_partly => {
                let switch = node.name.clone();
                Err(RoutingError::NotInNetwork { switch }.into())
            }
            _ => Ok(()),
        }
    }

    /// The algorithms that apply, in registry order.
    fn candidates(&self) -> Result<Vec<&'static dyn Algorithm>, Error> {
        let problem = self.problem();
        let mut reasons = Vec::new();
        let mut fit = Vec::new();
        for algorithm in algorithms::algorithms_for(self.collective) {
            let checked = algorithms::check(algorithm, &problem).map_err(Error::from);
            match checked.and_then(|()| self.check_fabric(algorithm, &problem)) {
                Ok(()) => fit.push(algorithm),
                Err(error) => reasons.push(format!("{}: {error}", algorithm.name())),
            }
        }
        if fit.is_empty() {
            return Err(Error::NoAlgorithm {
                collective: self.collective.name(),
                n_ranks: self.team.n_ranks(),
                reasons: reasons.join("; "),
            });
        }
        Ok(fit)
    }

    /// The schedule of one algorithm with these options, verified.
    pub fn schedule(
        &self,
        algorithm: &dyn Algorithm,
        options: &Options,
    ) -> Result<Schedule, Error> {
        let problem = self.problem_with(options);
        algorithms::check(algorithm, &problem)?;
        self.settings
            .check_memory(algorithm.n_transfers(&problem))?;
        Ok(algorithms::schedule(algorithm, &problem)?)
    }

    /// Runs one algorithm, to its end or until it is clear that it takes longer than `until_ps`.
    fn run(
        &self,
        algorithm: &'static dyn Algorithm,
        options: &Options,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Outcome, Error> {
        match self.planned(algorithm, options)? {
            Some(planned) => self.run_planned(planned, until_ps, cancel),
            None => self.run_written(algorithm, options, until_ps, cancel),
        }
    }

    fn run_planned(
        &self,
        planned: Planned,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Outcome, Error> {
        Simulation::run_planned(
            self.fabric.clone(),
            planned,
            self.endpoints.clone(),
            self.starts_ps.clone(),
            self.settings.clone(),
            until_ps,
            cancel,
        )
    }

    fn run_written(
        &self,
        algorithm: &dyn Algorithm,
        options: &Options,
        until_ps: Option<u64>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Outcome, Error> {
        let job = PlacedJob {
            source: Source::Written(Arc::new(self.schedule(algorithm, options)?)),
            endpoints: self.endpoints.clone(),
            starts_ps: self.starts_ps.clone(),
        };
        Simulation::run_until(
            self.fabric.clone(),
            Work::Jobs(vec![job]),
            self.settings.clone(),
            self.phases.clone(),
            until_ps,
            cancel,
        )
    }

    /// The plan of one algorithm by one transfer per orbit, where symmetries allow it and links stay
    /// as they are.
    fn planned(
        &self,
        algorithm: &'static dyn Algorithm,
        options: &Options,
    ) -> Result<Option<Planned>, Error> {
        self.with_recipe(algorithm, options, |recipe, setting| {
            Plan::of(recipe, setting)
        })
    }

    /// Whether a plan of one algorithm is remembered, maybe from another size.
    fn has_plan(
        &self,
        algorithm: &'static dyn Algorithm,
        options: &Options,
    ) -> Result<bool, Error> {
        let known = self.with_recipe(algorithm, options, |recipe, setting| {
            Ok(Plan::quick(recipe, setting, usize::MAX))
        });
        Ok(known?.is_some())
    }

    /// What `plan` makes of one algorithm; nothing where a plan is out of the question.
    fn with_recipe(
        &self,
        algorithm: &'static dyn Algorithm,
        options: &Options,
        plan: impl FnOnce(&Recipe, &Setting) -> Result<Option<Arc<Plan>>, Error>,
    ) -> Result<Option<Planned>, Error> {
        let [start_ps] = self.starts_ps[..] else {
            return Ok(None);
        };
        let is_steady = self.phases.is_empty() && self.settings.sync == Sync::None;
        if !is_steady || !self.settings.layers.orbits {
            return Ok(None);
        }
        let recipe = Recipe {
            algorithm,
            collective: self.collective,
            team: self.team.clone(),
            root: self.root,
            payload: self.payload.clone(),
            split: self.split,
            options: options.clone(),
        };
        let setting = Setting {
            fabric: self.wires(),
            nodes: &self.fabric.rank_nodes(&self.endpoints)?,
            name: self.settings.routing,
            routing: &*self.settings.routing()?,
            start_ps,
            layers: self.settings.layers,
            memory_limit_bytes: self.settings.memory_limit_bytes,
        };
        let plan = plan(&recipe, &setting)?;
        Ok(plan.map(|plan| Planned::new(recipe, plan)))
    }

    /// The answer of a named algorithm, if a plan is remembered that answers in milliseconds.
    pub fn quick_answer(&self) -> Option<Result<Answered, Error>> {
        let Choice::Named(algorithm) = self.algorithm else {
            return None;
        };
        let n_ops = self.settings.event_limit.min(QUICK_OPS) as usize;
        let planned = self.with_recipe(algorithm, &self.options, |recipe, setting| {
            let is_it = recipe.has_equal_chunks() && setting.routing.is_symmetric();
            Ok(is_it.then(|| Plan::quick(recipe, setting, n_ops)).flatten())
        });
        let planned = planned.ok().flatten()?;
        let outcome = self.run_planned(planned, None, None);
        Some(outcome.map(|outcome| self.answered(outcome)))
    }

    fn answered(&self, outcome: Outcome) -> Answered {
        match outcome {
            Outcome::Done(simulation) => Answered {
                simulation: *simulation,
                options: self.options.clone(),
            },
            Outcome::Late { .. } => unreachable!("a run without a limit is not given up"),
        }
    }

    /// Simulates: the named algorithm, or all that apply and keeps the fastest.
    pub fn answer(&self, cancel: Option<&AtomicBool>) -> Result<Answered, Error> {
        self.check()?;
        match self.algorithm {
            Choice::Named(algorithm) => {
                let outcome = self.run(algorithm, &self.options, None, cancel)?;
                Ok(self.answered(outcome))
            }
            Choice::Auto => {
                if let Some((algorithm, options)) = self.library_choice()? {
                    let outcome = self.run(algorithm, &options, None, cancel)?;
                    return Ok(Answered {
                        options,
                        ..self.answered(outcome)
                    });
                }
                let mut contest = Contest::hold(self, Extent::Winner, cancel)?;
                Ok(Answered {
                    simulation: contest.simulation,
                    options: contest.rivals.swap_remove(contest.winner).options,
                })
            }
        }
    }
}

/// The answer to a question.
#[derive(Debug)]
pub struct Answered {
    /// The run.
    pub simulation: Simulation,
    /// The options of its algorithm, as given or as chosen; those left out have their defaults.
    pub options: Options,
}
