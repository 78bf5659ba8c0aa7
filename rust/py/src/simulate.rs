//! `simulate`, `simulate_jobs` and their result, `Run`.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use cm_core::collective::{Collective, Options};
use cm_core::engine::ladder::Rung;
use cm_core::engine::layers::Layers;
use cm_core::error::Error;
use cm_core::fabric::routing::{self, RoutingOptions};
use cm_core::fabric::{Fabric, LinkChange, Phase};
use cm_core::ids::RankId;
use cm_core::placement::Sync;
use cm_core::question::{Choice, Question};
use cm_core::report;
use cm_core::simulate::{EngineKind, PlacedJob, Settings, Simulation, Source, Work};
use cm_core::suggest;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::certificate::PyCertificate;
use crate::columns::Columns;
use crate::error::{argument, raise, raise_fabric};
use crate::fabric::PyFabric;
use crate::interrupt::interruptible;
use crate::schedule::{Counts, PySchedule, option_dict, options, payload, split, transfer_columns};

/// How to run: immutable.
#[pyclass(frozen, name = "Settings", module = "cm_collectives._core")]
pub(crate) struct PySettings {
    pub(crate) settings: Settings,
}

fn named<T: Copy>(py: Python<'_>, what: &str, name: &str, all: &[(&str, T)]) -> PyResult<T> {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        let hint = suggest::hint(name, names);
        argument(py, format!("unknown {what} '{name}'; {hint}"))
    })
}

const RUNGS: [(&str, Rung); 3] = [
    ("pair", Rung::Pair),
    ("extended", Rung::Extended),
    ("rational", Rung::Rational),
];

#[pymethods]
impl PySettings {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "settings are what they are")]
    #[pyo3(signature = (routing, seed, planes, sync, engine, arithmetic, layers, bracket, memory_limit_bytes, event_limit))]
    fn new(
        py: Python<'_>,
        routing: &str,
        seed: u64,
        planes: Option<Vec<u32>>,
        sync: &str,
        engine: &str,
        arithmetic: &str,
        layers: (bool, bool, bool),
        bracket: bool,
        memory_limit_bytes: u64,
        event_limit: u64,
    ) -> PyResult<Self> {
        let entry = routing::lookup(routing).map_err(|error| raise(py, error.into()))?;
        let routing_options = RoutingOptions { seed, planes };
        entry
            .build(&routing_options)
            .map_err(|error| raise(py, error.into()))?;
        let mut engine = named(py, "engine", engine, &EngineKind::ALL)?;
        if bracket {
            if engine != EngineKind::Fluid {
                let text = "engine_options['bracket'] is an option of engine 'fluid'";
                return Err(argument(py, text.to_owned()));
            }
            engine = EngineKind::Bracket;
        }
        let settings = Settings {
            routing: entry.name,
            routing_options,
            sync: named(py, "sync", sync, &Sync::ALL)?,
            engine,
            rung: named(py, "arithmetic", arithmetic, &RUNGS)?,
            layers: Layers {
                orbits: layers.0,
                refine: layers.1,
                fast_forward: layers.2,
            },
            memory_limit_bytes,
            event_limit,
        };
        Ok(Self { settings })
    }
}

/// The parts of one question, checked.
#[expect(clippy::too_many_arguments, reason = "one question has these parts")]
pub(crate) fn question(
    py: Python<'_>,
    fabric: &PyFabric,
    collective: &str,
    algorithm: &str,
    endpoints: Vec<u32>,
    root: u32,
    size_bytes: Option<u64>,
    counts: Option<&Counts<'_>>,
    options: &Bound<'_, PyDict>,
    split: &str,
    starts_ps: Vec<u64>,
    settings: &PySettings,
    set_links: LinkChanges,
) -> PyResult<Question> {
    let question = Question {
        collective: Collective::from_name(collective).map_err(|e| raise(py, e.into()))?,
        algorithm: Choice::from_name(algorithm).map_err(|e| raise(py, e))?,
        team: fabric
            .fabric
            .shared_team(&endpoints)
            .map_err(|e| raise_fabric(py, e))?,
        fabric: fabric.fabric.clone(),
        endpoints,
        root: RankId(root),
        payload: payload(py, size_bytes, counts)?,
        split: self::split(py, split)?,
        options: self::options(py, options)?,
        starts_ps,
        settings: settings.settings.clone(),
        phases: Vec::new(),
    };
    let question = if set_links.is_empty() {
        question
    } else {
        let changes = link_changes(set_links);
        py.detach(|| question.changing(&changes))
            .map_err(|error| raise(py, error))?
    };
    question.check().map_err(|error| raise(py, error))?;
    Ok(question)
}

/// Selector, share of the nominal rate and time, as `set_links` has them.
pub(crate) type LinkChanges = Vec<(String, f64, u64)>;

pub(crate) fn link_changes(changes: LinkChanges) -> Vec<LinkChange> {
    let change = |(selector, factor, at_ps)| LinkChange {
        selector,
        factor,
        at_ps,
    };
    changes.into_iter().map(change).collect()
}

/// Simulates one collective.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one question has these parts")]
pub(crate) fn simulate(
    py: Python<'_>,
    fabric: &PyFabric,
    collective: &str,
    algorithm: &str,
    endpoints: Vec<u32>,
    root: u32,
    size_bytes: Option<u64>,
    counts: Option<Counts<'_>>,
    options: &Bound<'_, PyDict>,
    split: &str,
    start_ps: Vec<u64>,
    settings: &PySettings,
    set_links: LinkChanges,
) -> PyResult<PyRun> {
    let question = question(
        py,
        fabric,
        collective,
        algorithm,
        endpoints,
        root,
        size_bytes,
        counts.as_ref(),
        options,
        split,
        start_ps,
        settings,
        set_links,
    )?;
    // What takes microseconds needs no thread that can be interrupted.
    if let Some(answered) = py.detach(|| question.quick_answer()) {
        let answered = answered.map_err(|error| raise(py, error))?;
        return Ok(PyRun::new(answered.simulation, answered.options));
    }
    let answered = interruptible(py, move |cancel| question.answer(Some(cancel)), None)?;
    let answered = answered.map_err(|error| raise(py, error))?;
    Ok(PyRun::new(answered.simulation, answered.options))
}

/// Simulates schedules that share the fabric.
#[pyfunction]
pub(crate) fn simulate_jobs(
    py: Python<'_>,
    fabric: &PyFabric,
    jobs: Vec<(Py<PySchedule>, Vec<u32>, Vec<u64>)>,
    settings: &PySettings,
    set_links: LinkChanges,
) -> PyResult<PyRun> {
    let mut placed = Vec::with_capacity(jobs.len());
    let mut n_transfers = 0;
    for (schedule, endpoints, starts_ps) in jobs {
        let schedule = schedule.get().schedule.clone();
        if endpoints.len() != schedule.n_ranks() as usize {
            let error = Error::RankCount {
                schedule: schedule.n_ranks(),
                endpoints: endpoints.len(),
            };
            return Err(raise(py, error));
        }
        if starts_ps.len() != 1 && starts_ps.len() != endpoints.len() {
            let error = Error::StartCount {
                n_ranks: endpoints.len(),
                got: starts_ps.len(),
            };
            return Err(raise(py, error));
        }
        n_transfers += schedule.len() as u64;
        placed.push(PlacedJob {
            source: Source::Written(schedule),
            endpoints,
            starts_ps,
        });
    }
    let (fabric, settings) = (fabric.fabric.clone(), settings.settings.clone());
    run(py, move |cancel| {
        settings.check_memory(n_transfers)?;
        let phases = fabric.phases(&link_changes(set_links))?;
        simulated(fabric, Work::Jobs(placed), settings, phases, cancel)
    })
}

pub(crate) fn simulated(
    fabric: Arc<Fabric>,
    work: Work,
    settings: Settings,
    phases: Vec<Phase>,
    cancel: &AtomicBool,
) -> Result<Simulation, Error> {
    if phases.is_empty() {
        return Simulation::run(fabric, work, settings, Some(cancel));
    }
    Simulation::run_changing(fabric, work, settings, phases, Some(cancel))
}

pub(crate) fn run(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> Result<Simulation, Error> + Send + 'static,
) -> PyResult<PyRun> {
    let simulation = interruptible(py, work, None)?.map_err(|error| raise(py, error))?;
    Ok(PyRun::new(simulation, Options::default()))
}

/// A finished simulation.
#[pyclass(frozen, name = "Run", module = "cm_collectives._core")]
pub(crate) struct PyRun {
    simulation: Arc<Simulation>,
    /// Options of the algorithm of the one collective that was asked for.
    options: Options,
    /// Link usage, computed when first asked for.
    busy: Mutex<Option<Vec<report::LinkUse>>>,
}

impl PyRun {
    fn new(simulation: Simulation, options: Options) -> Self {
        Self {
            simulation: Arc::new(simulation),
            options,
            busy: Mutex::new(None),
        }
    }
}

/// A time in whole picoseconds as Python's Int64 columns hold it.
fn ps(time: i128) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

#[pymethods]
impl PyRun {
    #[getter]
    fn time_ps(&self) -> u64 {
        self.simulation.time_ps()
    }

    #[getter]
    fn time_low_ps(&self) -> u64 {
        self.simulation.time_low_ps()
    }

    #[getter]
    fn bound_ps(&self) -> u64 {
        u64::try_from(self.simulation.bound().time_ps).unwrap_or(u64::MAX)
    }

    #[getter]
    fn route_bound_ps(&self) -> u64 {
        self.simulation.route_bound_ps()
    }

    #[getter]
    fn exactness(&self) -> String {
        self.simulation.exactness()
    }

    #[getter]
    fn engine(&self) -> &'static str {
        self.simulation.settings().engine.name()
    }

    #[getter]
    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.simulation.digest())
            .map_err(|error| raise(py, error))
    }

    #[getter]
    fn n_events(&self) -> u64 {
        self.simulation.n_events()
    }

    #[getter]
    fn algorithms(&self) -> Vec<String> {
        report::algorithms(&self.simulation)
    }

    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        option_dict(py, &self.options)
    }

    /// Collective, regime, ranks and size of each job that its library was charged for.
    #[getter]
    fn charged(&self) -> Vec<(&'static str, &'static str, u32, u64)> {
        let jobs: &[PlacedJob] = match self.simulation.work() {
            Work::Jobs(jobs) => jobs,
            Work::Flows(_) => &[],
        };
        let each = jobs.iter().zip(self.simulation.charges());
        let told = each.filter_map(|(job, charge)| {
            let (outline, regime) = (job.outline(), charge.as_ref()?.regime);
            let size_bytes = cm_core::charge::size_bytes(&outline);
            let collective = outline.collective.name();
            Some((collective, regime.name(), outline.n_ranks, size_bytes))
        });
        told.collect()
    }

    /// Columns of all transfers, or of all flows.
    fn transfers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let simulation = &self.simulation;
        let times = py
            .detach(|| simulation.transfer_times())
            .map_err(|error| raise(py, error))?;
        let columns = match simulation.work() {
            Work::Flows(flows) => {
                let fabric = simulation.fabric();
                Columns::new(py)
                    .ints("flow", 0..flows.len() as i64)?
                    .words("src", flows.iter().map(|flow| &fabric.node(flow.src).name))?
                    .words("dst", flows.iter().map(|flow| &fabric.node(flow.dst).name))?
                    .ints(
                        "size_bytes",
                        flows.iter().map(|flow| flow.size_bytes as i64),
                    )?
            }
            Work::Jobs(jobs) => job_columns(py, jobs)?,
        };
        let each = || times.iter().flatten();
        Ok(columns
            .ints("released_ps", each().map(|times| ps(times.released_ps)))?
            .ints("served_ps", each().map(|times| ps(times.served_ps)))?
            .ints("arrived_ps", each().map(|times| ps(times.arrived_ps)))?
            .done())
    }

    /// Columns of all links.
    fn links<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let known = self
            .busy
            .lock()
            .expect("no holder of this lock panics")
            .clone();
        let uses = if let Some(uses) = known {
            uses
        } else {
            let uses = py.detach(|| report::links(&self.simulation));
            let uses = uses.map_err(|error| raise(py, error))?;
            *self.busy.lock().expect("no holder of this lock panics") = Some(uses.clone());
            uses
        };
        let fabric = self.simulation.fabric();
        let links = fabric.links();
        let ids = (0..links.len()).map(cm_core::ids::LinkId::from_index);
        Ok(Columns::new(py)
            .words("link", ids.map(|id| fabric.link_name(id)))?
            .words("src", links.iter().map(|link| &fabric.node(link.src).name))?
            .words("dst", links.iter().map(|link| &fabric.node(link.dst).name))?
            .words("kind", links.iter().map(|link| fabric.kind_name(link.kind)))?
            .ints(
                "plane",
                links.iter().map(|link| link.plane.map_or(-1, i64::from)),
            )?
            .ints("rate_Bps", links.iter().map(|link| link.rate_Bps as i64))?
            .floats("bytes", uses.iter().map(|usage| usage.bytes).collect())?
            .ints("busy_ps", uses.iter().map(|usage| usage.busy_ps as i64))?
            .floats(
                "utilisation",
                uses.iter().map(|usage| usage.utilisation).collect(),
            )?
            .done())
    }

    /// Whether switches did reductions or multicasts.
    #[getter]
    fn is_in_network(&self) -> bool {
        self.simulation.is_in_network()
    }

    /// The share of its capacity that the busiest link used.
    fn max_utilisation(&self, py: Python<'_>) -> PyResult<f64> {
        let uses = py.detach(|| report::links(&self.simulation));
        let uses = uses.map_err(|error| raise(py, error))?;
        Ok(uses
            .iter()
            .map(|usage| usage.utilisation)
            .fold(0.0, f64::max))
    }

    /// Columns of all ranks of all jobs.
    fn ranks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let finishes = py.detach(|| report::rank_finishes(&self.simulation));
        let finishes = finishes.map_err(|error| raise(py, error))?;
        let jobs: &[PlacedJob] = match self.simulation.work() {
            Work::Jobs(jobs) => jobs,
            Work::Flows(_) => &[],
        };
        let rows = || {
            let each = jobs.iter().zip(&finishes).enumerate();
            each.flat_map(|(index, (job, finish))| {
                job.endpoints.iter().zip(finish).enumerate().map(
                    move |(rank, (endpoint, finish))| {
                        (
                            index as i64,
                            rank as i64,
                            i64::from(*endpoint),
                            *finish as i64,
                        )
                    },
                )
            })
        };
        Ok(Columns::new(py)
            .ints("job", rows().map(|row| row.0))?
            .ints("rank", rows().map(|row| row.1))?
            .ints("endpoint", rows().map(|row| row.2))?
            .ints("finish_ps", rows().map(|row| row.3))?
            .done())
    }

    /// Columns of all jobs.
    fn jobs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let simulation = &self.simulation;
        let jobs: &[PlacedJob] = match simulation.work() {
            Work::Jobs(jobs) => jobs,
            Work::Flows(_) => &[],
        };
        let times = py.detach(|| {
            (0..jobs.len())
                .map(|job| {
                    Ok((
                        simulation.job_finish_ps(job)?,
                        report::alone_ps(simulation, job)?,
                    ))
                })
                .collect::<Result<Vec<(u64, u64)>, Error>>()
        });
        let times = times.map_err(|error| raise(py, error))?;
        let start = |job: &PlacedJob| job.starts_ps.iter().copied().min().unwrap_or(0);
        let rows = || {
            jobs.iter().zip(&times).map(|(job, &(finish, alone))| {
                let start = start(job);
                (
                    start,
                    finish,
                    finish.saturating_sub(start),
                    alone.saturating_sub(start),
                )
            })
        };
        let slowdown = rows().map(|(_, _, time, alone)| {
            if alone > 0 {
                time as f64 / alone as f64
            } else {
                1.0
            }
        });
        Ok(Columns::new(py)
            .ints("job", 0..jobs.len() as i64)?
            .words(
                "collective",
                jobs.iter().map(|job| job.outline().collective.name()),
            )?
            .words("algorithm", jobs.iter().map(|job| job.outline().algorithm))?
            .ints("ranks", jobs.iter().map(|job| job.endpoints.len() as i64))?
            .ints("start_ps", rows().map(|row| row.0 as i64))?
            .ints("finish_ps", rows().map(|row| row.1 as i64))?
            .ints("time_ps", rows().map(|row| row.2 as i64))?
            .ints("alone_ps", rows().map(|row| row.3 as i64))?
            .floats("slowdown", slowdown.collect())?
            .done())
    }

    /// Columns of all resources in use, most utilised first.
    fn bottlenecks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let uses = py.detach(|| report::bottlenecks(&self.simulation));
        let uses = uses.map_err(|error| raise(py, error))?;
        Ok(Columns::new(py)
            .words("resource", uses.iter().map(|usage| &usage.name))?
            .ints("links", uses.iter().map(|usage| i64::from(usage.n_links)))?
            .ints("rate_Bps", uses.iter().map(|usage| usage.rate_bps as i64))?
            .floats("bytes", uses.iter().map(|usage| usage.bytes).collect())?
            .floats(
                "utilisation",
                uses.iter().map(|usage| usage.utilisation).collect(),
            )?
            .done())
    }

    /// Where the time goes, in words.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        let text = py.detach(|| cm_core::explain::explain(&self.simulation));
        text.map_err(|error| raise(py, error))
    }

    /// The proof that the rates were max-min fair; repeats the run to record it.
    fn certificate(&self, py: Python<'_>) -> PyResult<PyCertificate> {
        let simulation = self.simulation.clone();
        let certificate = interruptible(py, move |_| simulation.certificate(), None)?;
        let certificate = certificate.map_err(|error| raise(py, error))?;
        Ok(PyCertificate::new(self.simulation.clone(), certificate))
    }
}

fn job_columns<'py>(py: Python<'py>, jobs: &[PlacedJob]) -> PyResult<Columns<'py>> {
    let mut placed = Vec::with_capacity(jobs.len());
    for job in jobs {
        let schedule = job.schedule().map_err(|error| raise(py, error))?;
        placed.push((&**schedule, &job.endpoints[..]));
    }
    let columns = Columns::new(py);
    if let [(schedule, endpoints)] = placed[..] {
        let all = || 0..schedule.len();
        let endpoint = |rank: RankId| i64::from(endpoints[rank.index()]);
        return transfer_columns(columns.ints("job", all().map(|_| 0))?, schedule)?
            .ints("src_endpoint", all().map(|t| endpoint(schedule.src()[t])))?
            .ints("dst_endpoint", all().map(|t| endpoint(schedule.dst()[t])));
    }
    crate::many_jobs::columns(columns, &placed)
}
