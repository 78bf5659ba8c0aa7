//! The extension module `cm_collectives._core`: registration only.
//!
//! Everything that simulates is in `cm-core`; here values are converted, the GIL is released, and
//! errors become the classes of `cm_collectives.errors`.

#![expect(
    clippy::needless_pass_by_value,
    reason = "pyo3 extracts arguments by value"
)]

mod certificate;
mod columns;
mod cost;
mod error;
mod fabric;
mod fabric_columns;
mod flows;
mod interrupt;
mod many_jobs;
mod ranks;
mod registry;
mod rules;
mod schedule;
mod session;
mod simulate;
mod sweep;
mod tokens;
mod tune;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::certificate::PyCertificate;
    #[pymodule_export]
    use super::cost::{PyForms, cost_parameters};
    #[pymodule_export]
    use super::fabric::PyFabric;
    #[pymodule_export]
    use super::flows::simulate_flows;
    #[pymodule_export]
    use super::ranks::{PyRankList, PyRankLists};
    #[pymodule_export]
    use super::registry::{
        algorithm_columns, build_info, busbw_factor, collectives, preset_columns, routings,
    };
    #[pymodule_export]
    use super::rules::{decide, hccl_algo};
    #[pymodule_export]
    use super::schedule::PySchedule;
    #[pymodule_export]
    use super::session::PySession;
    #[pymodule_export]
    use super::simulate::{PyRun, PySettings, simulate, simulate_jobs};
    #[pymodule_export]
    use super::sweep::{PyCase, sweep, times_ps};
    #[pymodule_export]
    use super::tokens::PyTokens;
    #[pymodule_export]
    use super::tune::tune;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
