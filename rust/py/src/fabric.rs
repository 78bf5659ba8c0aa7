//! `Fabric`: a frozen, shared handle on a core fabric.

use std::sync::Arc;

use cm_core::charge::regime;
use cm_core::collective::Collective;
use cm_core::fabric::{Fabric, ParamValue, Params, presets};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::columns::{Columns, or_minus_one};
use crate::cost::{self, CalibrationTuple, TuningTuple};
use crate::error::{argument, raise, raise_fabric};
use crate::fabric_columns::{fabric_of, level_column};

/// Groups of rank indices per level, innermost first.
pub(crate) type Levels = Vec<(String, Vec<Vec<u32>>)>;

/// A machine: endpoints, switches and links.
#[pyclass(frozen, name = "Fabric", module = "cm_collectives._core")]
pub(crate) struct PyFabric {
    pub(crate) fabric: Arc<Fabric>,
    /// How to build it again: what pickling stores.
    recipe: Recipe,
}

#[derive(Clone)]
enum Recipe {
    Preset {
        name: String,
        params: Vec<(String, ParamValue)>,
        degraded: Vec<(String, f64)>,
        weighed: Vec<(String, f64)>,
    },
    Columns,
}

impl PyFabric {
    fn from_preset(
        py: Python<'_>,
        name: &str,
        params: Vec<(String, ParamValue)>,
        degraded: Vec<(String, f64)>,
    ) -> PyResult<Self> {
        let mut known = Params::new();
        for (key, value) in &params {
            known.set(key, value.clone());
        }
        let built = presets::lookup(name).and_then(|preset| preset.build(&known));
        let mut fabric = built.map_err(|error| raise_fabric(py, error))?;
        if !degraded.is_empty() {
            fabric = fabric
                .degrade(&degraded)
                .map_err(|error| raise_fabric(py, error))?;
        }
        let recipe = Recipe::Preset {
            name: name.to_owned(),
            params,
            degraded,
            weighed: Vec::new(),
        };
        Ok(Self {
            fabric: Arc::new(fabric),
            recipe,
        })
    }
}

#[pymethods]
impl PyFabric {
    /// A preset with parameters; those left out take their defaults.
    #[staticmethod]
    fn preset(py: Python<'_>, name: &str, params: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut values = Vec::with_capacity(params.len());
        for (key, value) in params {
            let key: String = key.extract()?;
            let value = if let Ok(number) = value.extract::<i64>() {
                ParamValue::Int(number)
            } else if let Ok(word) = value.extract::<String>() {
                ParamValue::Text(word)
            } else {
                let given = value.repr()?;
                let text = format!("parameter '{key}' must be an integer or a string, got {given}");
                return Err(argument(py, text));
            };
            values.push((key, value));
        }
        Self::from_preset(py, name, values, Vec::new())
    }

    /// Any graph, from columns.
    #[staticmethod]
    fn from_columns(
        py: Python<'_>,
        name: &str,
        nodes: &Bound<'_, PyDict>,
        links: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let fabric = fabric_of(py, name, nodes, links)?;
        Ok(Self {
            fabric: Arc::new(fabric),
            recipe: Recipe::Columns,
        })
    }

    #[getter]
    fn name(&self) -> &str {
        self.fabric.name()
    }

    #[getter]
    fn title(&self) -> &str {
        self.fabric.title()
    }

    #[getter]
    fn digest(&self) -> &str {
        self.fabric.digest()
    }

    #[getter]
    fn n_endpoints(&self) -> u32 {
        self.fabric.n_endpoints()
    }

    /// Columns of all nodes.
    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fabric = &self.fabric;
        let ids = || (0..fabric.nodes().len()).map(cm_core::ids::NodeId::from_index);
        let mut columns = Columns::new(py)
            .words("node", fabric.nodes().iter().map(|node| &node.name))?
            .words("kind", fabric.nodes().iter().map(|node| node.kind.name()))?
            .ints(
                "endpoint",
                ids().map(|id| or_minus_one(fabric.endpoint_of(id))),
            )?
            .ints(
                "reduction_rate_Bps",
                ids().map(|id| fabric.reduction_rate_Bps(id).map_or(-1, |rate| rate as i64)),
            )?;
        columns = columns.bools(
            "in_network",
            ids().map(|id| fabric.is_in_network(id)).collect(),
        )?;
        for level in fabric.levels() {
            let name = |container: &Option<u32>| {
                container.map_or_else(String::new, |c| format!("{}{c}", level.name))
            };
            columns = columns.words(
                level_column(&level.name),
                level.container_of.iter().map(name),
            )?;
        }
        Ok(columns.done())
    }

    /// Columns of all links.
    fn links<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fabric = &self.fabric;
        let links = fabric.links();
        let ids = (0..links.len()).map(cm_core::ids::LinkId::from_index);
        Ok(Columns::new(py)
            .words("link", ids.map(|id| fabric.link_name(id)))?
            .words("src", links.iter().map(|link| &fabric.node(link.src).name))?
            .words("dst", links.iter().map(|link| &fabric.node(link.dst).name))?
            .words("kind", links.iter().map(|link| fabric.kind_name(link.kind)))?
            .ints("plane", links.iter().map(|link| or_minus_one(link.plane)))?
            .ints(
                "nominal_rate_Bps",
                links.iter().map(|link| link.nominal_rate_Bps as i64),
            )?
            .ints("rate_Bps", links.iter().map(|link| link.rate_Bps as i64))?
            .ints(
                "latency_ps",
                links.iter().map(|link| link.latency_ps as i64),
            )?
            .bools("ordinary", links.iter().map(|link| link.ordinary).collect())?
            .ints(
                "weight_ppm",
                links.iter().map(|link| link.weight_ppm.into()),
            )?
            .done())
    }

    /// The same fabric with slower or failed links.
    fn degrade(&self, py: Python<'_>, factors: Vec<(String, f64)>) -> PyResult<Self> {
        let fabric = self
            .fabric
            .degrade(&factors)
            .map_err(|error| raise_fabric(py, error))?;
        let mut recipe = self.recipe.clone();
        if let Recipe::Preset { degraded, .. } = &mut recipe {
            degraded.extend(factors);
        }
        Ok(Self {
            fabric: Arc::new(fabric),
            recipe,
        })
    }

    /// The same fabric whose links get other parts of the traffic.
    fn weigh(&self, py: Python<'_>, factors: Vec<(String, f64)>) -> PyResult<Self> {
        let fabric = self.fabric.weigh(&factors);
        let fabric = fabric.map_err(|error| raise_fabric(py, error))?;
        let mut recipe = self.recipe.clone();
        if let Recipe::Preset { weighed, .. } = &mut recipe {
            weighed.extend(factors);
        }
        Ok(Self {
            fabric: Arc::new(fabric),
            recipe,
        })
    }

    /// The same machine with a calibration, which takes the place of another one.
    fn calibrated(
        &self,
        py: Python<'_>,
        library: String,
        rule: String,
        tuning: Option<TuningTuple>,
        parameters: Vec<(String, f64)>,
    ) -> PyResult<Self> {
        let calibration = cost::calibration(py, library, rule, tuning, &parameters)?;
        let fabric = self.fabric.calibrated(calibration);
        Ok(Self {
            fabric: Arc::new(fabric.map_err(|error| raise_fabric(py, error))?),
            recipe: self.recipe.clone(),
        })
    }

    /// The same machine without a calibration.
    fn uncalibrated(&self) -> Self {
        Self {
            fabric: Arc::new(self.fabric.uncalibrated()),
            recipe: self.recipe.clone(),
        }
    }

    /// Library, rule, tuning and parameters of its calibration.
    fn calibration(&self) -> Option<CalibrationTuple> {
        self.fabric.calibration().map(|known| cost::plain(known))
    }

    /// How its library moves the bytes of an algorithm, of its own if none is named.
    fn regime(
        &self,
        py: Python<'_>,
        collective: &str,
        endpoints: Vec<u32>,
        algorithm: Option<&str>,
        size_bytes: u64,
    ) -> PyResult<Option<&'static str>> {
        if self.fabric.calibration().is_none() {
            return Ok(None);
        }
        let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
        let regime = regime(&self.fabric, &endpoints, collective, algorithm, size_bytes);
        let regime = regime.map_err(|error| raise(py, error))?;
        Ok(Some(regime.name()))
    }

    /// The levels of a list of endpoints, as groups of rank indices.
    fn levels(&self, py: Python<'_>, endpoints: Vec<u32>) -> PyResult<Levels> {
        let team = self
            .fabric
            .team(&endpoints)
            .map_err(|error| raise_fabric(py, error))?;
        let groups = |level: &cm_core::team::Level| {
            level
                .groups
                .iter()
                .map(|group| group.iter().map(|rank| rank.0).collect())
                .collect()
        };
        Ok(team
            .levels()
            .iter()
            .map(|level| (level.name.clone(), groups(level)))
            .collect())
    }

    /// Columns of every equal-cost path between two endpoints, a row per path and hop.
    fn paths<'py>(&self, py: Python<'py>, src: u32, dst: u32) -> PyResult<Bound<'py, PyDict>> {
        let node = |endpoint| {
            let nodes = self.fabric.rank_nodes(&[endpoint]);
            nodes
                .map(|nodes| nodes[0])
                .map_err(|error| raise_fabric(py, error))
        };

        let paths = self.fabric.paths(node(src)?, node(dst)?);
        let paths = paths.map_err(|error| raise(py, error.into()))?;
        let rows = || {
            paths.iter().enumerate().flat_map(|(path, links)| {
                links
                    .iter()
                    .enumerate()
                    .map(move |(hop, link)| (path, hop, *link))
            })
        };
        Ok(Columns::new(py)
            .ints("path", rows().map(|(path, _, _)| path as i64))?
            .ints("hop", rows().map(|(_, hop, _)| hop as i64))?
            .words(
                "link",
                rows().map(|(_, _, link)| self.fabric.link_name(link)),
            )?
            .ints(
                "rate_Bps",
                rows().map(|(_, _, link)| self.fabric.link(link).rate_Bps as i64),
            )?
            .ints(
                "latency_ps",
                rows().map(|(_, _, link)| self.fabric.link(link).latency_ps as i64),
            )?
            .done())
    }

    /// The numbers of a data sheet.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let summary = self.fabric.summary();
        let dict = PyDict::new(py);
        dict.set_item("endpoints", summary.n_endpoints)?;
        dict.set_item("switches", summary.n_switches)?;
        dict.set_item("links", summary.n_links)?;
        dict.set_item("scale_up_Bps", summary.scale_up_Bps)?;
        dict.set_item("scale_up_total_Bps", summary.scale_up_total_Bps)?;
        dict.set_item("bisection_Bps", summary.bisection_Bps)?;
        dict.set_item("hops", summary.hops)?;
        Ok(dict)
    }

    /// BF16 operations per second, memory in bytes and its rate in B/s of one endpoint.
    fn chip(&self, py: Python<'_>) -> PyResult<Option<(u64, u64, u64)>> {
        let Recipe::Preset { name, params, .. } = &self.recipe else {
            return Ok(None);
        };
        let mut known = Params::new();
        for (key, value) in params {
            known.set(key, value.clone());
        }
        let chip = presets::lookup(name).and_then(|preset| preset.chip(&known));
        let chip = chip.map_err(|error| raise_fabric(py, error))?;
        Ok(chip.map(|chip| (chip.bf16_flops, chip.memory_bytes, chip.memory_Bps)))
    }

    /// What of a preset is not published; empty for other machines.
    fn assumed(&self) -> &'static str {
        match &self.recipe {
            Recipe::Preset { name, .. } => presets::lookup(name).map_or("", |p| p.assumed()),
            Recipe::Columns => "",
        }
    }

    /// The name of the first node of each part that no link joins to the others.
    fn parts(&self) -> Vec<String> {
        let firsts = self.fabric.parts();
        let names = firsts.iter().map(|id| self.fabric.node(*id).name.clone());
        names.collect()
    }

    /// The endpoint of a node's name.
    fn endpoint_index(&self, py: Python<'_>, name: &str) -> PyResult<u32> {
        let node = self
            .fabric
            .require_node(name)
            .map_err(|error| raise_fabric(py, error))?;
        self.fabric
            .endpoint_of(node)
            .ok_or_else(|| argument(py, format!("node '{name}' is no endpoint")))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.fabric == other.fabric
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(&self.fabric.digest()[..16], 16).expect("a digest is hexadecimal")
    }

    /// Pickles a preset by its recipe, any other fabric by its columns.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let this = slf.get();
        let class = py.get_type::<Self>();
        if let Some((library, rule, tuning, parameters)) = this.calibration() {
            let rebuild = class.getattr("_with_calibration")?;
            let args = (this.uncalibrated(), library, rule, tuning, parameters);
            return PyTuple::new(py, [rebuild, args.into_pyobject(py)?.into_any()]);
        }
        match &this.recipe {
            Recipe::Preset {
                name,
                params,
                degraded,
                weighed,
            } => {
                let dict = PyDict::new(py);
                for (key, value) in params {
                    match value {
                        ParamValue::Int(number) => dict.set_item(key, number)?,
                        ParamValue::Text(word) => dict.set_item(key, word)?,
                    }
                }
                let rebuild = class.getattr("_preset_degraded")?;
                PyTuple::new(
                    py,
                    [
                        rebuild,
                        (name, dict, degraded.clone(), weighed.clone())
                            .into_pyobject(py)?
                            .into_any(),
                    ],
                )
            }
            Recipe::Columns => {
                let rebuild = class.getattr("from_columns")?;
                let args = (this.name(), this.nodes(py)?, this.links(py)?);
                PyTuple::new(py, [rebuild, args.into_pyobject(py)?.into_any()])
            }
        }
    }

    /// Rebuilds a pickled calibrated fabric.
    #[staticmethod]
    fn _with_calibration(
        py: Python<'_>,
        plain: &Self,
        library: String,
        rule: String,
        tuning: Option<TuningTuple>,
        parameters: Vec<(String, f64)>,
    ) -> PyResult<Self> {
        plain.calibrated(py, library, rule, tuning, parameters)
    }

    /// Rebuilds a pickled preset.
    #[staticmethod]
    fn _preset_degraded(
        py: Python<'_>,
        name: &str,
        params: &Bound<'_, PyDict>,
        degraded: Vec<(String, f64)>,
        weighed: Vec<(String, f64)>,
    ) -> PyResult<Self> {
        let mut fabric = Self::preset(py, name, params)?;
        if !degraded.is_empty() {
            fabric = fabric.degrade(py, degraded)?;
        }
        if !weighed.is_empty() {
            fabric = fabric.weigh(py, weighed)?;
        }
        Ok(fabric)
    }
}
