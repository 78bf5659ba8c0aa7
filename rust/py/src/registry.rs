//! What there is: presets, algorithms, collectives, routings.

use cm_core::algorithms::{ALGORITHMS, OptionSpec};
use cm_core::collective::Collective;
use cm_core::fabric::routing::ROUTINGS;
use cm_core::fabric::{Params, presets};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::Columns;
use crate::error::{raise, raise_fabric};

/// Columns of all presets.
#[pyfunction]
#[pyo3(name = "presets")]
pub(crate) fn preset_columns(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = presets::PRESETS;
    let endpoints = all.iter().map(|preset| {
        let fabric = preset
            .build(&Params::new())
            .map_err(|error| raise_fabric(py, error))?;
        Ok(i64::from(fabric.n_endpoints()))
    });
    let parameters = all.iter().map(|preset| {
        let specs: Vec<String> = preset
            .params()
            .iter()
            .map(|spec| {
                format!(
                    "{} ({}; default {})",
                    spec.name,
                    spec.allowed,
                    spec.allowed.default_value()
                )
            })
            .collect();
        specs.join(", ")
    });
    Ok(Columns::new(py)
        .words("name", all.iter().map(|preset| preset.name()))?
        .words("title", all.iter().map(|preset| preset.title()))?
        .ints("endpoints", endpoints.collect::<PyResult<Vec<i64>>>()?)?
        .words("parameters", parameters)?
        .words("source", all.iter().map(|preset| preset.source()))?
        .words("assumed", all.iter().map(|preset| preset.assumed()))?
        .done())
}

fn describe(spec: &OptionSpec) -> String {
    format!("{} ({}; {})", spec.name, spec.kind.describe(), spec.summary)
}

/// Columns of all pairs of collective and algorithm.
#[pyfunction]
#[pyo3(name = "algorithms")]
pub(crate) fn algorithm_columns(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let pairs: Vec<_> = Collective::ALL
        .iter()
        .flat_map(|&collective| {
            let fitting = ALGORITHMS
                .iter()
                .filter(move |a| a.about().collectives.contains(&collective));
            fitting.map(move |&algorithm| (collective, algorithm))
        })
        .collect();
    let options = pairs.iter().map(|(_, algorithm)| {
        let lines: Vec<String> = algorithm.about().options.iter().map(describe).collect();
        lines.join("\n")
    });
    Ok(Columns::new(py)
        .words(
            "collective",
            pairs.iter().map(|(collective, _)| collective.name()),
        )?
        .words(
            "algorithm",
            pairs.iter().map(|(_, algorithm)| algorithm.name()),
        )?
        .words(
            "summary",
            pairs.iter().map(|(_, algorithm)| algorithm.about().summary),
        )?
        .words(
            "constraint",
            pairs
                .iter()
                .map(|(_, algorithm)| algorithm.about().constraint),
        )?
        .words("options", options)?
        .words(
            "steps",
            pairs
                .iter()
                .map(|(c, algorithm)| algorithm.steps_formula(*c)),
        )?
        .words(
            "bytes_per_rank",
            pairs
                .iter()
                .map(|(c, algorithm)| algorithm.bytes_formula(*c)),
        )?
        .words(
            "source",
            pairs.iter().map(|(_, algorithm)| algorithm.about().source),
        )?
        .done())
}

/// Names of all collectives.
#[pyfunction]
pub(crate) fn collectives() -> Vec<&'static str> {
    Collective::ALL
        .iter()
        .map(|collective| collective.name())
        .collect()
}

/// Columns of all routings.
#[pyfunction]
pub(crate) fn routings(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    Ok(Columns::new(py)
        .words("routing", ROUTINGS.iter().map(|entry| entry.name))?
        .words("description", ROUTINGS.iter().map(|entry| entry.doc))?
        .done())
}

/// busbw over algbw, as numerator and denominator.
#[pyfunction]
pub(crate) fn busbw_factor(py: Python<'_>, collective: &str, n_ranks: u32) -> PyResult<(u64, u64)> {
    let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
    Ok(collective.busbw_factor(n_ranks.max(1)))
}

/// What the extension was built from.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("version", env!("CARGO_PKG_VERSION"))?;
    dict.set_item("rust_version", env!("CARGO_PKG_RUST_VERSION"))?;
    dict.set_item(
        "profile",
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
    )?;
    Ok(dict)
}
