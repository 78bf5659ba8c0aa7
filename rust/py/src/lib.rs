//! The extension module `cm_collectives._core`: registration only.

use pyo3::prelude::*;

#[pymodule]
mod _core {}
