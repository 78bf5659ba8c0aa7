//! `Session`: flows that join and leave while time goes by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cm_core::error::Error;
use cm_core::fabric::LinkChange;
use cm_core::fabric::routing::{RoutingOptions, resolve_via};
use cm_core::session::Session;
use pyo3::prelude::*;

use crate::error::{argument, raise};
use crate::fabric::PyFabric;
use crate::flows::End;
use crate::schedule::PySchedule;

/// One session; calls from several threads follow one another.
#[pyclass(frozen, name = "Session", module = "cm_collectives._core")]
pub(crate) struct PySession {
    session: Mutex<Session>,
}

impl PySession {
    fn own(session: Session) -> Self {
        Self {
            session: Mutex::new(session),
        }
    }

    /// Nobody waits for the GIL while holding the session.
    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
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
        let next = py.detach(|| self.lock().next_event_ps());
        next.map_err(|error| raise(py, error))
    }

    /// Pairs (id, time in ps), by time and id.
    fn advance_to(&self, py: Python<'_>, t_ps: u64) -> PyResult<Vec<(u64, u64)>> {
        let arrived = py.detach(|| self.lock().advance_to(t_ps));
        arrived.map_err(|error| raise(py, error))
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
