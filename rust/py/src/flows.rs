//! `simulate_flows`: flows of their own, from columns.

use cm_core::csr::Csr;
use cm_core::fabric::{Fabric, FabricError};
use cm_core::ids::NodeId;
use cm_core::placement::Flow;
use cm_core::simulate::Work;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::columns::{take_edges_if, take_ints, take_ints_if, take_words_if};
use crate::error::argument;
use crate::fabric::PyFabric;
use crate::simulate::{LinkChanges, PyRun, PySettings, link_changes, run, simulated};

/// A flow's end: an endpoint's index, or the name of any node that is no switch.
#[derive(FromPyObject)]
pub(crate) enum End {
    Endpoint(u32),
    Name(String),
}

impl End {
    pub(crate) fn node(&self, fabric: &Fabric) -> Result<NodeId, FabricError> {
        match self {
            Self::Endpoint(endpoint) => fabric.rank_nodes(&[*endpoint]).map(|nodes| nodes[0]),
            Self::Name(name) => fabric.require_node(name),
        }
    }
}

/// Simulates flows without a collective.
#[pyfunction]
pub(crate) fn simulate_flows(
    py: Python<'_>,
    fabric: &PyFabric,
    flows: &Bound<'_, PyDict>,
    settings: &PySettings,
    set_links: LinkChanges,
) -> PyResult<PyRun> {
    let fabric = fabric.fabric.clone();
    let flows = taken(py, &fabric, flows)?;
    let settings = settings.settings.clone();
    run(py, move |cancel| {
        settings.check_memory(flows.len() as u64)?;
        let phases = fabric.phases(&link_changes(set_links))?;
        simulated(fabric, Work::Flows(flows), settings, phases, cancel)
    })
}

fn taken(py: Python<'_>, fabric: &Fabric, columns: &Bound<'_, PyDict>) -> PyResult<Vec<Flow>> {
    let ends = [ends(fabric, columns, "src")?, ends(fabric, columns, "dst")?];
    let [src, dst] = &ends;
    let sizes = times_or_sizes(py, take_ints(columns, "size_bytes")?, "size_bytes")?;
    let starts = take_ints_if(columns, "start_ps")?;
    let starts = starts
        .map(|starts| times_or_sizes(py, starts, "start_ps"))
        .transpose()?;
    let edges = [
        take_edges_if(columns, "depends_on")?,
        take_edges_if(columns, "follows")?,
    ];
    for edges in edges.iter().flatten() {
        check_edges(py, edges, sizes.len())?;
    }
    let [depends_on, follows] = &edges;
    let before =
        |edges: &Option<Csr<u32>>, row| edges.as_ref().map_or(vec![], |e| e.row(row).into());
    let via = via(fabric, columns)?;
    let flow = |row: usize| Flow {
        src: src[row],
        dst: dst[row],
        size_bytes: sizes[row],
        start_ps: starts.as_ref().map_or(0, |starts| starts[row]),
        depends_on: before(depends_on, row),
        follows: before(follows, row),
        via: via.as_ref().map_or(vec![], |via| via.row(row).into()),
    };
    Ok((0..sizes.len()).map(flow).collect())
}

fn times_or_sizes(py: Python<'_>, values: Vec<i64>, what: &str) -> PyResult<Vec<u64>> {
    let unsigned = |(row, value): (usize, i64)| {
        u64::try_from(value).map_err(|_| {
            let text = format!("flow {row}: {what} must be at least 0, got {value}");
            argument(py, text)
        })
    };
    values.into_iter().enumerate().map(unsigned).collect()
}

fn check_edges(py: Python<'_>, edges: &Csr<u32>, n_flows: usize) -> PyResult<()> {
    for (row, preds) in edges.rows().enumerate() {
        if let Some(pred) = preds.iter().find(|&&pred| pred as usize >= n_flows) {
            let text = format!("flow {row}: predecessor {pred} is not a row (0..{n_flows})");
            return Err(argument(py, text));
        }
    }
    Ok(())
}

/// The nodes that a column names, by number or by name; each name is looked up once.
fn ends(fabric: &Fabric, columns: &Bound<'_, PyDict>, what: &str) -> PyResult<Vec<NodeId>> {
    let py = columns.py();
    let of_row = |row: usize, found: Result<NodeId, FabricError>| {
        found.map_err(|error| argument(py, format!("flow {row}: {what}: {error}")))
    };
    let rows = take_ints(columns, what)?.into_iter().enumerate();
    if let Some(words) = take_words_if(columns, what)? {
        let nodes: Vec<Option<NodeId>> = words.iter().map(|w| fabric.node_by_name(w)).collect();
        let node = |(row, word): (usize, i64)| match nodes[word as usize] {
            Some(node) => Ok(node),
            None => of_row(row, fabric.require_node(&words[word as usize])),
        };
        return rows.map(node).collect();
    }
    let node = |(row, endpoint): (usize, i64)| {
        let endpoint = u32::try_from(endpoint).map_err(|_| {
            let text = format!("flow {row}: {what}: endpoint must be in 0..2^32, got {endpoint}");
            argument(py, text)
        })?;
        of_row(row, End::Endpoint(endpoint).node(fabric))
    };
    rows.map(node).collect()
}

/// The switches that pin each flow's route, if the column is there.
fn via(fabric: &Fabric, columns: &Bound<'_, PyDict>) -> PyResult<Option<Csr<NodeId>>> {
    let (Some(words), Some(which)) = (
        take_words_if(columns, "via")?,
        take_edges_if(columns, "via")?,
    ) else {
        return Ok(None);
    };
    let nodes: Vec<Option<NodeId>> = words.iter().map(|w| fabric.node_by_name(w)).collect();
    let mut via = Csr::with_capacity(which.n_rows(), which.n_items());
    for (row, names) in which.rows().enumerate() {
        if let Some(&unknown) = names.iter().find(|&&name| nodes[name as usize].is_none()) {
            let error = fabric.require_node(&words[unknown as usize]).err();
            let error = error.map_or_else(String::new, |error| error.to_string());
            return Err(argument(columns.py(), format!("flow {row}: via: {error}")));
        }
        via.push_row(names.iter().filter_map(|&name| nodes[name as usize]));
    }
    Ok(Some(via))
}
