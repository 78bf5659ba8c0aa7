//! `decide` and `hccl_algo`: what the real libraries would choose, and how to make them.

use cm_core::collective::Collective;
use cm_core::fabric::Fabric;
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
    let (intra_bps, inter_bps) = rates(fabric, endpoints[0]);
    let situation = Situation {
        collective,
        size_bytes,
        team: &team,
        intra_bps,
        inter_bps,
        tuning: None,
    };
    let ruling = rule.decide(&situation);
    ruling
        .map(|r| Ok((r.choice, r.algorithm, option_dict(py, &r.options)?)))
        .transpose()
}

/// Bytes per second out of an endpoint, and its share of what leaves its node.
fn rates(fabric: &Fabric, endpoint: u32) -> (u64, u64) {
    let Some(node) = fabric.endpoint(endpoint) else {
        return (0, 0);
    };
    let links = fabric.out_links(node).iter().map(|id| fabric.link(*id));
    let usable = links.filter(|link| link.is_usable());
    let intra = usable.map(|link| link.rate_Bps).sum();
    let between = fabric.level("node").and_then(|level| {
        let container = level.container(node)?;
        let cut = fabric.container_cuts(level)[container as usize];
        let ends = fabric.endpoints().iter();
        let n_inside = ends.filter(|end| level.container(**end) == Some(container));
        Some(cut.leaving_Bps / n_inside.count() as u64)
    });
    (intra, between.filter(|rate| *rate > 0).unwrap_or(intra))
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
