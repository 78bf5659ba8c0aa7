//! `Session`: flows that join and leave while time goes by.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cm_core::engine::fluid::EngineError;
use cm_core::error::Error;
use cm_core::fabric::LinkChange;
use cm_core::fabric::routing::{RoutingOptions, resolve_via};
use cm_core::session::{Session, Stop};
use pyo3::prelude::*;

use crate::error::{argument, raise};
use crate::fabric::PyFabric;
use crate::flows::End;
use crate::interrupt::interruptible;
use crate::schedule::PySchedule;

/// Flows looked at, event by event, after which a call goes on where Ctrl-C ends it. One costs well
/// under a microsecond, and to go on there some fifty.
const SHORT: usize = 100_000;

/// One session; calls from several threads follow one another.
#[pyclass(frozen, name = "Session", module = "cm_collectives._core")]
pub(crate) struct PySession {
    session: Arc<Mutex<Session>>,
}

/// Nobody waits for the GIL while holding the session.
fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PySession {
    fn own(session: Session) -> Self {
        Self {
            session: Arc::new(Mutex::new(session)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    /// Lets time go by on this thread, or, where that takes long, on one that Ctrl-C stops.
    fn pass<T: Send + 'static>(
        &self,
        py: Python<'_>,
        call: impl Fn(&mut Session, Stop<'_>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> PyResult<T> {
        let mut n_looked_at = 0;
        let mut is_long = |n_flows: usize| {
            n_looked_at += n_flows;
            n_looked_at > SHORT
        };
        match py.detach(|| call(&mut self.lock(), &mut is_long)) {
            Err(Error::Engine(EngineError::Interrupted)) => {}
            done => return done.map_err(|error| raise(py, error)),
        }
        let session = self.session.clone();
        let work = move |cancel: &AtomicBool| {
            call(&mut lock(&session), &mut |_| cancel.load(Ordering::Relaxed))
        };
        interruptible(py, work, None)?.map_err(|error| raise(py, error))
    }
}

#[pymethods]
impl PySession {
    #[new]
    #[pyo3(signature = (fabric, routing, seed, planes))]
    fn new(
        py: Python<'_>,
        fabric: &PyFabric,
        routing: &str,
        seed: u64,
        planes: Option<Vec<u32>>,
    ) -> PyResult<Self> {
        let options = RoutingOptions { seed, planes };
        let session = Session::new(&fabric.fabric, routing, &options);
        session.map(Self::own).map_err(|error| raise(py, error))
    }

    #[pyo3(signature = (t_ps, src, dst, size_bytes, via))]
    fn inject(
        &self,
        py: Python<'_>,
        t_ps: u64,
        src: End,
        dst: End,
        size_bytes: u64,
        via: Vec<String>,
    ) -> PyResult<u64> {
        let mut session = self.lock();
        let fabric = session.fabric();
        let node = |what: &str, end: &End| {
            end.node(fabric)
                .map_err(|error| argument(py, format!("{what}: {error}")))
        };
        let (src, dst) = (node("src", &src)?, node("dst", &dst)?);
        let names: Vec<&str> = via.iter().map(String::as_str).collect();
        let via = resolve_via(fabric, &names).map_err(|error| raise(py, error.into()))?;
        let injected = session.inject(t_ps, src, dst, size_bytes, &via);
        injected.map_err(|error| raise(py, error))
    }

    fn inject_collective(
        &self,
        py: Python<'_>,
        schedule: &PySchedule,
        endpoints: Vec<u32>,
        starts_ps: Vec<u64>,
    ) -> PyResult<u64> {
        let schedule = schedule.schedule.clone();
        let n_ranks = schedule.n_ranks();
        if endpoints.len() != n_ranks as usize {
            let endpoints = endpoints.len();
            let error = Error::RankCount {
                schedule: n_ranks,
                endpoints,
            };
            return Err(raise(py, error));
        }
        let inject = || (self.lock()).inject_collective(&schedule, &endpoints, &starts_ps);
        py.detach(inject).map_err(|error| raise(py, error))
    }

    fn set_link(&self, py: Python<'_>, selector: String, factor: f64, t_ps: u64) -> PyResult<()> {
        let change = LinkChange {
            selector,
            factor,
            at_ps: t_ps,
        };
        py.detach(|| self.lock().set_link(change))
            .map_err(|error| raise(py, error))
    }

    fn cancel(&self, py: Python<'_>, flow: u64) -> PyResult<()> {
        let cancelled = py.detach(|| self.lock().cancel(flow));
        cancelled.map_err(|error| raise(py, error.into()))
    }

    fn next_event_ps(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.pass(py, Session::next_event_ps_unless)
    }

    /// Pairs (id, time in ps), by time and id.
    fn advance_to(&self, py: Python<'_>, t_ps: u64) -> PyResult<Vec<(u64, u64)>> {
        self.pass(py, move |session, stop| {
            session.advance_to_unless(t_ps, stop)
        })
    }

    fn fork(&self, py: Python<'_>) -> Self {
        py.detach(|| Self::own(self.lock().fork()))
    }

    #[getter]
    fn now_ps(&self) -> u64 {
        self.lock().now_ps()
    }

    #[getter]
    fn version(&self) -> u64 {
        self.lock().version()
    }

    #[getter]
    fn n_live(&self) -> usize {
        self.lock().n_live()
    }

    #[getter]
    fn exactness(&self) -> String {
        self.lock().exactness().to_string()
    }
}
