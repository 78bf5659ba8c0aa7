//! `Session`: flows that join and leave while time goes by.

use cm_core::error::Error;
use cm_core::fabric::routing::RoutingOptions;
use cm_core::session::Session;
use pyo3::prelude::*;

use crate::error::{argument, raise};
use crate::fabric::PyFabric;
use crate::simulate::End;

/// One session; calls from several threads follow one another under the GIL.
#[pyclass(name = "Session", module = "cm_collectives._core")]
pub(crate) struct PySession {
    session: Session,
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
        Ok(Self {
            session: session.map_err(|error| raise(py, error))?,
        })
    }

    #[pyo3(signature = (t_ps, src, dst, size_bytes))]
    fn inject(
        &mut self,
        py: Python<'_>,
        t_ps: u64,
        src: End,
        dst: End,
        size_bytes: u64,
    ) -> PyResult<u64> {
        let fabric = self.session.fabric();
        let node = |what: &str, end: &End| {
            end.node(fabric)
                .map_err(|error| argument(py, format!("{what}: {error}")))
        };
        let (src, dst) = (node("src", &src)?, node("dst", &dst)?);
        let injected = self.session.inject(t_ps, src, dst, size_bytes);
        injected.map_err(|error| raise(py, error))
    }

    fn cancel(&mut self, py: Python<'_>, flow: u64) -> PyResult<()> {
        let cancelled = self.session.cancel(flow).map_err(Error::from);
        cancelled.map_err(|error| raise(py, error))
    }

    fn next_event_ps(&mut self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.session
            .next_event_ps()
            .map_err(|error| raise(py, error))
    }

    /// Pairs (id, time in ps), by time and id.
    fn advance_to(&mut self, py: Python<'_>, t_ps: u64) -> PyResult<Vec<(u64, u64)>> {
        let arrived = self.session.advance_to(t_ps).map_err(Error::from);
        arrived.map_err(|error| raise(py, error))
    }

    fn fork(&self) -> Self {
        Self {
            session: self.session.clone(),
        }
    }

    #[getter]
    fn now_ps(&self) -> u64 {
        self.session.now_ps()
    }

    #[getter]
    fn version(&self) -> u64 {
        self.session.version()
    }

    #[getter]
    fn n_live(&self) -> usize {
        self.session.n_live()
    }

    #[getter]
    fn exactness(&mut self) -> String {
        self.session.exactness().to_string()
    }
}
