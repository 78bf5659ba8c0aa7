//! Core errors become the exception classes of `cm_collectives.errors`: one exhaustive match.

use cm_core::algorithms::PlanError;
use cm_core::engine::fluid::EngineError;
use cm_core::error::Error;
use cm_core::fabric::FabricError;
use cm_core::fabric::routing::RoutingError;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;

/// The class that an error belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Argument,
    Verify,
    Spec,
    Unsupported,
    Limit,
    Interrupted,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::Argument => "ArgumentError",
            Self::Verify => "VerifyError",
            Self::Spec => "SpecError",
            Self::Unsupported => "UnsupportedError",
            Self::Limit | Self::Interrupted => "LimitError",
        }
    }
}

const fn class_of(error: &Error) -> Class {
    match error {
        Error::Verify(_) | Error::Certificate(_) | Error::Plan(PlanError::Verify(_)) => Class::Verify,
        Error::Schedule(_) | Error::Workload(_) => Class::Spec,
        Error::Plan(PlanError::Unsupported(_))
        | Error::NoAlgorithm { .. }
        | Error::NoTimeline
        | Error::CutOff { .. }
        | Error::BracketOfChanges
        | Error::NotInLibrary { .. }
        | Error::Routing(
            RoutingError::Unreachable { .. }
            | RoutingError::FailedLink { .. }
            | RoutingError::NotInNetwork { .. }
            | RoutingError::TreeRouting,
        ) => {
            Class::Unsupported
        }
        Error::Engine(EngineError::Interrupted) => Class::Interrupted,
        Error::Engine(_) | Error::TimeOverflow { .. } | Error::Plan(PlanError::Schedule(_)) => {
            Class::Limit
        }
        Error::Collective(_)
        | Error::Algorithm(_)
        | Error::Plan(_)
        | Error::Fabric(_)
        | Error::Team(_)
        | Error::Routing(_)
        | Error::RankCount { .. }
        | Error::StartCount { .. }
        | Error::Rule(_)
        // The core's enum is non-exhaustive: what it gains is an argument until said otherwise.
        | _ => Class::Argument,
    }
}

/// The Python exception of a core error.
pub(crate) fn raise(py: Python<'_>, error: Error) -> PyErr {
    let class = class_of(&error);
    if class == Class::Interrupted {
        return PyKeyboardInterrupt::new_err(());
    }
    make(py, class, error.to_string())
}

/// The Python exception of a fabric error.
pub(crate) fn raise_fabric(py: Python<'_>, error: FabricError) -> PyErr {
    raise(py, error.into())
}

/// An `ArgumentError` of the binding itself.
pub(crate) fn argument(py: Python<'_>, message: String) -> PyErr {
    make(py, Class::Argument, message)
}

fn make(py: Python<'_>, class: Class, message: String) -> PyErr {
    let exception = py
        .import("cm_collectives.errors")
        .and_then(|module| module.getattr(class.name()))
        .and_then(|class| class.call1((message.clone(),)));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => {
            PyRuntimeError::new_err(format!("{message} (and its class is missing: {error})"))
        }
    }
}
