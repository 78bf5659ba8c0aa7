//! `Forms` and the calibration of a `Fabric`: the cost model for fits, a batch of rows at a time.

use cm_core::charge::library_form;
use cm_core::collective::Collective;
use cm_core::cost::{
    Calibration, Form, Moe, Operation, PARAMETERS, Parameter, Parameters, Quantity, Tuning,
};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::{Columns, to_array};
use crate::error::{argument, raise};
use crate::fabric::PyFabric;

/// Bus, LL and LL128 in GB/s, the efficiency of reduction in switches, whether links span nodes.
pub(crate) type TuningTuple = (f64, f64, f64, Option<f64>, bool);

/// Library, rule, tuning and the parameters that apply.
pub(crate) type CalibrationTuple = (String, String, Option<TuningTuple>, Vec<(String, f64)>);

/// A calibration from plain values.
pub(crate) fn calibration(
    py: Python<'_>,
    library: String,
    rule: String,
    tuning: Option<TuningTuple>,
    values: &[(String, f64)],
) -> PyResult<Calibration> {
    cm_core::rules::lookup(&rule).map_err(|error| argument(py, error.to_string()))?;
    let mut parameters = Parameters::default();
    for (name, value) in values {
        let parameter = Parameter::from_name(name);
        let parameter = parameter.map_err(|error| argument(py, error.to_string()))?;
        parameters = parameters.with(parameter, *value);
    }
    let tuning = tuning.map(|(bus, ll_max, mid_max, switch_share, spans_nodes)| Tuning {
        bus_GBs: bus,
        ll_max_GBs: ll_max,
        mid_max_GBs: mid_max,
        switch_share,
        spans_nodes,
    });
    Ok(Calibration {
        library,
        rule,
        tuning,
        parameters,
    })
}

/// The plain values of a calibration.
pub(crate) fn plain(calibration: &Calibration) -> CalibrationTuple {
    let tuning = calibration.tuning.map(|tuning| {
        (
            tuning.bus_GBs,
            tuning.ll_max_GBs,
            tuning.mid_max_GBs,
            tuning.switch_share,
            tuning.spans_nodes,
        )
    });
    let values = calibration.parameters.iter();
    let values = values.map(|(parameter, value)| (parameter.name().to_owned(), value));
    (
        calibration.library.clone(),
        calibration.rule.clone(),
        tuning,
        values.collect(),
    )
}

/// Columns of the parameters of the cost model, in the order that values are given in.
#[pyfunction]
pub(crate) fn cost_parameters(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let quantity = |parameter: &Parameter| match parameter.quantity() {
        Quantity::Time => "time",
        Quantity::Rate => "rate",
        Quantity::Size => "size",
        Quantity::Share => "share",
    };
    Ok(Columns::new(py)
        .words("parameter", PARAMETERS.iter().map(|p| p.name()))?
        .words("quantity", PARAMETERS.iter().map(quantity))?
        .words("meaning", PARAMETERS.iter().map(|p| p.meaning()))?
        .done())
}

/// Costs before their parameters are known, one per row.
#[pyclass(frozen, name = "Forms", module = "cm_collectives._core")]
pub(crate) struct PyForms {
    forms: Vec<Form>,
    regimes: Vec<&'static str>,
    choices: Vec<String>,
    algorithms: Vec<&'static str>,
}

fn values(given: &[Option<f64>]) -> Parameters {
    let each = PARAMETERS.iter().zip(given);
    each.fold(
        Parameters::default(),
        |all, (&parameter, value)| match value {
            Some(value) => all.with(parameter, *value),
            None => all,
        },
    )
}

/// Is it a combine; ranks, tokens per rank, hidden, copies, bytes per token, incast.
type MoeRow = (bool, f64, f64, f64, f64, f64, f64);

#[pymethods]
impl PyForms {
    /// Collectives as the library of a calibrated fabric carries them out.
    #[staticmethod]
    fn of_collectives(
        py: Python<'_>,
        fabric: &PyFabric,
        rows: Vec<(String, Vec<u32>, u64)>,
    ) -> PyResult<Self> {
        let fabric = &fabric.fabric;
        if fabric.calibration().is_none() {
            return Err(argument(py, "fabric must be calibrated".to_owned()));
        }
        let mut all = Self {
            forms: Vec::with_capacity(rows.len()),
            regimes: Vec::with_capacity(rows.len()),
            choices: Vec::with_capacity(rows.len()),
            algorithms: Vec::with_capacity(rows.len()),
        };
        for (collective, endpoints, size_bytes) in rows {
            let collective = Collective::from_name(&collective).map_err(|e| raise(py, e.into()))?;
            let found = library_form(fabric, &endpoints, collective, size_bytes);
            let (ruling, form) = found.map_err(|error| raise(py, error))?;
            all.forms.push(form);
            all.regimes.push(ruling.regime.name());
            all.choices.push(ruling.choice);
            all.algorithms.push(ruling.algorithm);
        }
        Ok(all)
    }

    /// Dispatches and combines of experts.
    #[staticmethod]
    fn of_moe(rows: Vec<MoeRow>) -> Self {
        let operation = |row: &MoeRow| {
            if row.0 {
                Operation::Combine
            } else {
                Operation::Dispatch
            }
        };
        let name = |row: &MoeRow| match operation(row) {
            Operation::Combine => "combine",
            Operation::Dispatch => "dispatch",
        };
        let form = |row: &MoeRow| {
            let &(_, n_ranks, tokens_per_rank, hidden, copies, bytes_per_token, incast) = row;
            Form::Moe(Moe {
                operation: operation(row),
                n_ranks,
                tokens_per_rank,
                hidden,
                copies,
                bytes_per_token,
                incast,
            })
        };
        Self {
            forms: rows.iter().map(form).collect(),
            regimes: rows.iter().map(name).collect(),
            choices: rows.iter().map(|row| name(row).to_owned()).collect(),
            algorithms: vec!["direct"; rows.len()],
        }
    }

    fn __len__(&self) -> usize {
        self.forms.len()
    }

    /// The regime of each row.
    #[getter]
    fn regimes(&self) -> Vec<&'static str> {
        self.regimes.clone()
    }

    /// What each row is in the library's words.
    #[getter]
    fn choices(&self) -> Vec<String> {
        self.choices.clone()
    }

    /// Our algorithm for it.
    #[getter]
    fn algorithms(&self) -> Vec<&'static str> {
        self.algorithms.clone()
    }

    /// Microseconds of each row; values in the order of `cost_parameters`, None where absent.
    fn times_us<'py>(
        &self,
        py: Python<'py>,
        parameters: Vec<Option<f64>>,
    ) -> Bound<'py, PyArray1<f64>> {
        let parameters = values(&parameters);
        let times = self.forms.iter().map(|form| form.time_us(&parameters));
        to_array(py, times.collect())
    }

    /// The terms of each row: names and microseconds, in order.
    fn terms(&self, parameters: Vec<Option<f64>>) -> Vec<Vec<(&'static str, f64)>> {
        let parameters = values(&parameters);
        let terms = |form: &Form| {
            let each = form.terms(&parameters).into_iter();
            each.map(|term| (term.name, term.us)).collect()
        };
        self.forms.iter().map(terms).collect()
    }
}
