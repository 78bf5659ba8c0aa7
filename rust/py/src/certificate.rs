//! `Certificate`: a run's optimality proof as columns, and its check.

use std::sync::Arc;

use cm_core::csr::Csr;
use cm_core::engine::certificate::{Certificate, Record};
use cm_core::engine::number::Extended;
use cm_core::engine::symmetry::Partition;
use cm_core::simulate::Simulation;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::{Columns, take_ints, take_words};
use crate::error::{argument, raise};

/// The proof that the rates of a run were the max-min fair ones.
#[pyclass(frozen, name = "Certificate", module = "cm_collectives._core")]
pub(crate) struct PyCertificate {
    simulation: Arc<Simulation>,
    certificate: Certificate,
}

impl PyCertificate {
    pub(crate) fn new(simulation: Arc<Simulation>, certificate: Certificate) -> Self {
        Self {
            simulation,
            certificate,
        }
    }
}

/// Kinds of records, as the column `kind` spells them.
const KINDS: [&str; 5] = ["passed", "entered", "left", "bottleneck", "level"];

/// What has a class, as the column `kind` spells it.
const MEMBERS: [&str; 2] = ["op", "resource"];

fn fields(record: Record) -> (usize, i64, i64, i64) {
    match record {
        Record::Passed { op } => (0, op.into(), -1, -1),
        Record::Entered { op } => (1, op.into(), -1, -1),
        Record::Left { op } => (2, op.into(), -1, -1),
        Record::Bottleneck { op, resource } => (3, op.into(), resource.into(), -1),
        Record::Level { resource, level } => (4, -1, resource.into(), level.into()),
    }
}

fn number_columns<'py>(
    columns: Columns<'py>,
    index: &str,
    value: &str,
    numbers: &[Extended],
) -> PyResult<Columns<'py>> {
    let parts = || numbers.iter().map(Extended::parts);
    columns
        .ints(index, 0..numbers.len() as i64)?
        .floats(value, parts().map(|part| part.0).collect())?
        .floats("low", parts().map(|part| part.1).collect())?
        .floats("error", parts().map(|part| part.2).collect())?
        .ints("residue", parts().map(|part| part.3 as i64))
}

#[pymethods]
impl PyCertificate {
    #[getter]
    fn time_ps(&self) -> i64 {
        i64::try_from(self.certificate.time_ps).unwrap_or(i64::MAX)
    }

    #[getter]
    fn n_events(&self) -> usize {
        self.certificate.times.len()
    }

    /// Checks the proof against a workload built anew from fabric and schedules.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let checked = py.detach(|| self.simulation.check(&self.certificate));
        checked.map_err(|error| raise(py, error))
    }

    /// Exact time of each event.
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        Ok(number_columns(
            Columns::new(py),
            "event",
            "time_ps",
            &self.certificate.times,
        )?
        .done())
    }

    /// What happened at each event.
    fn records<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rows = || {
            let each = self.certificate.records.rows().enumerate();
            each.flat_map(|(event, row)| row.iter().map(move |record| (event, fields(*record))))
        };
        Ok(Columns::new(py)
            .ints("event", rows().map(|(event, _)| event as i64))?
            .words("kind", rows().map(|(_, record)| KINDS[record.0]))?
            .ints("op", rows().map(|(_, record)| record.1))?
            .ints("resource", rows().map(|(_, record)| record.2))?
            .ints("level", rows().map(|(_, record)| record.3))?
            .done())
    }

    /// Exact levels that the records name.
    fn levels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        Ok(number_columns(
            Columns::new(py),
            "level",
            "rate_Bps",
            &self.certificate.levels,
        )?
        .done())
    }

    /// Resources and weights of each operation's route.
    fn routes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let certificate = &self.certificate;
        let rows = || {
            certificate
                .op_routes
                .iter()
                .enumerate()
                .flat_map(|(op, &route)| {
                    certificate
                        .routes
                        .row(route as usize)
                        .iter()
                        .map(move |incidence| (op, incidence))
                })
        };
        Ok(Columns::new(py)
            .ints("op", rows().map(|(op, _)| op as i64))?
            .ints(
                "resource",
                rows().map(|(_, incidence)| incidence.resource.into()),
            )?
            .ints(
                "weight",
                rows().map(|(_, incidence)| incidence.weight as i64),
            )?
            .done())
    }

    /// Class of every operation and resource; none where the records are of operations.
    fn classes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rows = || {
            self.certificate.partition.iter().flat_map(|partition| {
                let kinds = [&partition.op_classes, &partition.resource_classes];
                kinds.into_iter().zip(MEMBERS).flat_map(|(classes, kind)| {
                    let members = classes.iter().enumerate();
                    members.map(move |(member, &class)| (kind, member as i64, i64::from(class)))
                })
            })
        };
        Ok(Columns::new(py)
            .words("kind", rows().map(|row| row.0))?
            .ints("member", rows().map(|row| row.1))?
            .ints("class", rows().map(|row| row.2))?
            .done())
    }

    /// The certificate with other levels, records, routes or classes; `check` says whether it still
    /// proves the run.
    #[pyo3(signature = (levels=None, records=None, op_routes=None, classes=None))]
    fn replaced(
        &self,
        py: Python<'_>,
        levels: Option<&Bound<'_, PyDict>>,
        records: Option<&Bound<'_, PyDict>>,
        op_routes: Option<PyReadonlyArray1<'_, i64>>,
        classes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut certificate = self.certificate.clone();
        if let Some(columns) = classes {
            certificate.partition = read_classes(py, columns)?;
        }
        if let Some(columns) = levels {
            certificate.levels = read_levels(columns)?;
        }
        if let Some(columns) = records {
            certificate.records = read_records(py, columns, certificate.times.len())?;
        }
        if let Some(routes) = op_routes {
            let narrow = |route: &i64| {
                u32::try_from(*route).map_err(|_| argument(py, format!("no route {route}")))
            };
            certificate.op_routes = routes
                .as_array()
                .iter()
                .map(narrow)
                .collect::<PyResult<_>>()?;
        }
        Ok(Self {
            simulation: self.simulation.clone(),
            certificate,
        })
    }
}

fn take_floats(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Vec<f64>> {
    let missing = || {
        argument(
            columns.py(),
            format!("column '{name}' must be a float64 array"),
        )
    };
    let column = columns.get_item(name)?.ok_or_else(missing)?;
    let array: PyReadonlyArray1<'_, f64> = column.extract().map_err(|_| missing())?;
    Ok(array.as_array().to_vec())
}

fn read_levels(columns: &Bound<'_, PyDict>) -> PyResult<Vec<Extended>> {
    let high = take_floats(columns, "rate_Bps")?;
    let (low, error) = (take_floats(columns, "low")?, take_floats(columns, "error")?);
    let residue = take_ints(columns, "residue")?;
    let rows = high.iter().zip(&low).zip(&error).zip(&residue);
    Ok(rows
        .map(|(((high, low), error), residue)| {
            Extended::from_parts(*high, *low, *error, *residue as u64)
        })
        .collect())
}

fn read_classes(py: Python<'_>, columns: &Bound<'_, PyDict>) -> PyResult<Option<Partition>> {
    let (kind, class) = (take_words(columns, "kind")?, take_ints(columns, "class")?);
    let mut classes = [Vec::new(), Vec::new()];
    for (kind, class) in kind.iter().zip(class) {
        let of = MEMBERS.iter().position(|known| known == kind);
        let of = of.ok_or_else(|| argument(py, format!("classes: unknown kind '{kind}'")))?;
        let class =
            u32::try_from(class).map_err(|_| argument(py, format!("classes: no class {class}")))?;
        classes[of].push(class);
    }
    let [op_classes, resource_classes] = classes;
    Ok((!kind.is_empty()).then_some(Partition {
        op_classes,
        resource_classes,
    }))
}

fn read_records(py: Python<'_>, columns: &Bound<'_, PyDict>, n: usize) -> PyResult<Csr<Record>> {
    let (event, kind) = (take_ints(columns, "event")?, take_words(columns, "kind")?);
    let (op, resource) = (take_ints(columns, "op")?, take_ints(columns, "resource")?);
    let level = take_ints(columns, "level")?;
    let mut rows: Vec<Vec<Record>> = vec![Vec::new(); n];
    for row in 0..event.len() {
        let id = |values: &[i64]| {
            u32::try_from(values[row])
                .map_err(|_| argument(py, format!("record {row} lacks an id")))
        };
        let record = match kind[row].as_str() {
            "passed" => Record::Passed { op: id(&op)? },
            "entered" => Record::Entered { op: id(&op)? },
            "left" => Record::Left { op: id(&op)? },
            "bottleneck" => Record::Bottleneck {
                op: id(&op)?,
                resource: id(&resource)?,
            },
            "level" => Record::Level {
                resource: id(&resource)?,
                level: id(&level)?,
            },
            other => {
                return Err(argument(
                    py,
                    format!("record {row}: unknown kind '{other}'"),
                ));
            }
        };
        let slot = usize::try_from(event[row])
            .ok()
            .and_then(|event| rows.get_mut(event));
        slot.ok_or_else(|| argument(py, format!("record {row}: no event {}", event[row])))?
            .push(record);
    }
    let mut csr = Csr::default();
    for row in rows {
        csr.push_row(row);
    }
    Ok(csr)
}
