//! `tune`: a contest of all algorithms for each of many questions.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cm_core::question::{Extent, Question};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::columns::Columns;
use crate::error::raise;
use crate::interrupt::{Progress, interruptible};
use crate::schedule::option_dict;
use crate::sweep::{PyCase, pool};

/// Columns of the rivals of all cases, and the options of each; the first error is raised.
#[pyfunction]
#[pyo3(signature = (cases, exhaustive, threads=None, on_progress=None))]
pub(crate) fn tune<'py>(
    py: Python<'py>,
    cases: Vec<Py<PyCase>>,
    exhaustive: bool,
    threads: Option<usize>,
    on_progress: Option<Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyList>)> {
    let questions: Vec<Question> = cases
        .iter()
        .map(|case| case.get().question().clone())
        .collect();
    let extent = if exhaustive {
        Extent::All
    } else {
        Extent::Winner
    };
    let pool = pool(py, threads)?;
    let done = Arc::new(AtomicU64::new(0));
    let progress = on_progress.as_ref().map(|callback| Progress {
        callback,
        done: &done,
        total: questions.len() as u64,
    });
    let of_worker = done.clone();
    let contests = interruptible(
        py,
        move |cancel| pool.install(|| cm_core::sweep::tune(&questions, extent, &of_worker, cancel)),
        progress.as_ref(),
    )?;
    let mut rivals = Vec::new();
    for (case, contest) in contests.into_iter().enumerate() {
        let contest = contest.map_err(|error| raise(py, error))?;
        rivals.extend(contest.into_iter().map(|rival| (case as i64, rival)));
    }
    let options = rivals
        .iter()
        .map(|(_, rival)| option_dict(py, &rival.options))
        .collect::<PyResult<Vec<_>>>()?;
    let time = |at_least_ps: u64| i64::try_from(at_least_ps).unwrap_or(i64::MAX);
    let columns = Columns::new(py)
        .ints("case", rivals.iter().map(|(case, _)| *case))?
        .words(
            "algorithm",
            rivals.iter().map(|(_, rival)| rival.algorithm.name()),
        )?
        .ints(
            "at_least_ps",
            rivals.iter().map(|(_, rival)| time(rival.at_least_ps)),
        )?
        .ints(
            "is_timed",
            rivals.iter().map(|(_, rival)| i64::from(rival.is_timed)),
        )?
        .done();
    Ok((columns, PyList::new(py, options)?))
}
