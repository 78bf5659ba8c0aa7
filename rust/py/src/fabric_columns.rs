//! A user's fabric: a table of nodes and one of links, checked row by row.

use cm_core::fabric::{Fabric, FabricBuilder, Link, NodeKind, WHOLE_PPM};
use cm_core::ids::NodeId;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustc_hash::FxHashMap;

use crate::columns::{take_ints, take_ints_if, take_words};
use crate::error::{argument, raise_fabric};

/// The column of the level "node": the column "node" holds the nodes' names.
const NODE_LEVEL_COLUMN: &str = "node_group";

pub(crate) fn level_column(level: &str) -> &str {
    if level == "node" {
        NODE_LEVEL_COLUMN
    } else {
        level
    }
}

/// Columns of `nodes` that are not container levels.
const NODE_COLUMNS: [&str; 5] = [
    "node",
    "kind",
    "endpoint",
    "reduction_rate_Bps",
    "in_network",
];

/// The fabric of a table of nodes and one of links.
pub(crate) fn fabric_of(
    py: Python<'_>,
    name: &str,
    nodes: &Bound<'_, PyDict>,
    links: &Bound<'_, PyDict>,
) -> PyResult<Fabric> {
    let mut builder = FabricBuilder::new(name, "user's fabric");
    let names = take_words(nodes, "node")?;
    let kinds = take_words(nodes, "kind")?;
    let mut ids = NodeIds::default();
    for (row, (name, kind)) in names.iter().zip(&kinds).enumerate() {
        let kind = NodeKind::from_name(kind).ok_or_else(|| {
            let known: Vec<&str> = NodeKind::ALL.iter().map(|kind| kind.name()).collect();
            argument(
                py,
                format!(
                    "row {row}: kind '{kind}' is not one of {}",
                    known.join(", ")
                ),
            )
        })?;
        ids.insert(name.clone(), builder.node(name, kind));
    }
    if let Some(rates) = take_ints_if(nodes, "reduction_rate_Bps")? {
        for (name, rate) in names.iter().zip(rates) {
            if let Ok(rate) = u64::try_from(rate) {
                builder.reduction_rate(ids[name], rate);
            }
        }
    }
    if let Some(column) = nodes.get_item("in_network")? {
        let flags: Vec<bool> = take_bools(&column, "in_network")?;
        for (name, _) in names.iter().zip(flags).filter(|(_, able)| *able) {
            builder.in_network(ids[name]);
        }
    }
    place_levels(nodes, &names, &ids, &mut builder)?;
    add_links(py, links, &names, &ids, &mut builder)?;
    builder.build().map_err(|error| raise_fabric(py, error))
}

type NodeIds = FxHashMap<String, NodeId>;

fn place_levels(
    nodes: &Bound<'_, PyDict>,
    names: &[String],
    ids: &NodeIds,
    builder: &mut FabricBuilder,
) -> PyResult<()> {
    for key in nodes.keys() {
        let level: String = key.extract()?;
        if NODE_COLUMNS.contains(&level.as_str()) {
            continue;
        }
        let containers = take_words(nodes, &level)?;
        let index = builder.level(if level == NODE_LEVEL_COLUMN {
            "node"
        } else {
            &level
        });
        let mut numbers: Vec<&str> = Vec::new();
        for (name, container) in names.iter().zip(&containers).filter(|(_, c)| !c.is_empty()) {
            let number = numbers
                .iter()
                .position(|known| known == container)
                .unwrap_or_else(|| {
                    numbers.push(container);
                    numbers.len() - 1
                });
            builder.place(ids[name], index, number as u32);
        }
    }
    Ok(())
}

fn take_bools(column: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<bool>> {
    let values = column.call_method0("tolist")?;
    let wrong = |_| argument(column.py(), format!("column '{name}' must be boolean"));
    values.extract().map_err(wrong)
}

fn add_links(
    py: Python<'_>,
    links: &Bound<'_, PyDict>,
    names: &[String],
    ids: &NodeIds,
    builder: &mut FabricBuilder,
) -> PyResult<()> {
    let (src, dst) = (take_words(links, "src")?, take_words(links, "dst")?);
    let (rate, latency) = (
        take_ints(links, "rate_Bps")?,
        take_ints(links, "latency_ps")?,
    );
    let nominal = take_ints_if(links, "nominal_rate_Bps")?;
    let weight = take_ints_if(links, "weight_ppm")?;
    let plane = take_ints_if(links, "plane")?;
    let kind = if links.contains("kind")? {
        Some(take_words(links, "kind")?)
    } else {
        None
    };
    let ordinary: Option<Vec<bool>> = match links.get_item("ordinary")? {
        Some(column) => Some(take_bools(&column, "ordinary")?),
        None => None,
    };
    let node = |row: usize, name: &String| {
        ids.get(name).copied().ok_or_else(|| {
            let hint = cm_core::suggest::nearest(name, names.iter().map(String::as_str));
            let hint = if hint.is_empty() {
                String::new()
            } else {
                format!("; did you mean {}?", hint.join(", "))
            };
            argument(py, format!("links row {row}: unknown node '{name}'{hint}"))
        })
    };
    for row in 0..src.len() {
        let unsigned = |what: &str, value: i64| {
            u64::try_from(value).map_err(|_| {
                argument(
                    py,
                    format!("links row {row}: {what} must be at least 0, got {value}"),
                )
            })
        };
        let kind = builder.kind(kind.as_ref().map_or("link", |kinds| kinds[row].as_str()));
        let live = unsigned("rate_Bps", rate[row])?;
        let mut link = Link::new(
            node(row, &src[row])?,
            node(row, &dst[row])?,
            kind,
            live,
            unsigned("latency_ps", latency[row])?,
        );
        if let Some(nominal) = &nominal {
            link.nominal_rate_Bps = unsigned("nominal_rate_Bps", nominal[row])?;
        }
        if let Some(weight) = &weight {
            link.weight_ppm = u32::try_from(unsigned("weight_ppm", weight[row])?)
                .ok()
                .filter(|&ppm| ppm <= 1000 * WHOLE_PPM)
                .ok_or_else(|| {
                    let got = weight[row];
                    argument(
                        py,
                        format!("links row {row}: weight_ppm must be in 0..=1000000000, got {got}"),
                    )
                })?;
        }
        link.plane = plane
            .as_ref()
            .and_then(|planes| u32::try_from(planes[row]).ok());
        link.ordinary = ordinary.as_ref().is_none_or(|flags| flags[row]);
        builder.link(link);
    }
    Ok(())
}
