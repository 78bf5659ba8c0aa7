//! `decide` and `hccl_algo`: what the real libraries would choose, and how to make them.

use cm_core::collective::Collective;
use cm_core::rules::{self, Situation};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{argument, raise, raise_fabric};
use crate::fabric::PyFabric;
use crate::schedule::{option_dict, options};

type Decision<'py> = Option<(String, &'static str, Bound<'py, PyDict>)>;

/// The library's choice in its own words, our algorithm for it and its options.
#[pyfunction]
pub(crate) fn decide<'py>(
    py: Python<'py>,
    rule: &str,
    fabric: &PyFabric,
    collective: &str,
    endpoints: Vec<u32>,
    size_bytes: u64,
) -> PyResult<Decision<'py>> {
    let rule = rules::lookup(rule).map_err(|error| argument(py, error.to_string()))?;
    let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
    let fabric = &fabric.fabric;
    let team = fabric
        .team(&endpoints)
        .map_err(|error| raise_fabric(py, error))?;
    let situation = Situation::on(fabric, &team, endpoints[0], collective, size_bytes);
    let ruling = rule.decide(&situation);
    ruling
        .map(|r| Ok((r.choice, r.algorithm, option_dict(py, &r.options)?)))
        .transpose()
}

/// The value of `HCCL_ALGO` for an algorithm, if HCCL has one like it.
#[pyfunction]
pub(crate) fn hccl_algo(
    py: Python<'_>,
    collective: &str,
    algorithm: &str,
    options: &Bound<'_, PyDict>,
) -> PyResult<Option<String>> {
    let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
    let options = self::options(py, options)?;
    Ok(rules::hccl_algo(collective, algorithm, &options))
}
