//! `Case`, `sweep` and `times_ps`: many questions on a thread pool of their own.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use cm_core::collective::Payload;
use cm_core::error::Error;
use cm_core::question::Question;
use cm_core::sweep::Answer;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::columns::{Columns, snapshot, to_array};
use crate::error::{argument, raise};
use crate::fabric::PyFabric;
use crate::interrupt::{Progress, interruptible};
use crate::schedule::Counts;
use crate::simulate::{PySettings, question};

/// One scenario of a batch, checked.
#[pyclass(frozen, name = "Case", module = "cm_collectives._core")]
pub(crate) struct PyCase {
    pub(crate) question: Question,
}

#[pymethods]
impl PyCase {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one question has these parts")]
    #[pyo3(signature = (fabric, collective, algorithm, endpoints, root, size_bytes, counts, options, split, settings))]
    fn new(
        py: Python<'_>,
        fabric: &PyFabric,
        collective: &str,
        algorithm: &str,
        endpoints: Vec<u32>,
        root: u32,
        size_bytes: Option<u64>,
        counts: Option<Counts<'_>>,
        options: &Bound<'_, PyDict>,
        split: &str,
        settings: &PySettings,
    ) -> PyResult<Self> {
        let question = question(
            py,
            fabric,
            collective,
            algorithm,
            endpoints,
            root,
            size_bytes,
            counts.as_ref(),
            options,
            split,
            vec![0],
            settings,
        )?;
        Ok(Self { question })
    }
}

type Kept = Option<(u32, usize, Arc<ThreadPool>)>;

/// The pool of this process, kept between calls. A forked child finds its parent's process id here
/// and makes its own: the parent's threads do not exist in it, and dropping their pool would wait
/// for them for ever.
static POOL: Mutex<Kept> = Mutex::new(None);

pub(crate) fn pool(py: Python<'_>, threads: Option<usize>) -> PyResult<Arc<ThreadPool>> {
    let threads = threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    if threads == 0 {
        return Err(argument(py, "threads must be at least 1, got 0".to_owned()));
    }
    let pid = std::process::id();
    let mut kept = POOL
        .lock()
        .map_err(|_| PyRuntimeError::new_err("the thread pool is broken"))?;
    match kept.take() {
        Some((owner, size, pool)) if owner == pid && size == threads => {
            *kept = Some((owner, size, pool.clone()));
            return Ok(pool);
        }
        Some((owner, _, pool)) if owner != pid => std::mem::forget(pool),
        _ => {}
    }
    let built = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("cm-sweep-{index}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let pool = Arc::new(built);
    *kept = Some((pid, threads, pool.clone()));
    Ok(pool)
}

type Answers = Vec<Option<Result<Answer, Error>>>;

fn answers(
    py: Python<'_>,
    questions: Vec<Option<Question>>,
    threads: Option<usize>,
    on_progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Answers> {
    let pool = pool(py, threads)?;
    let done = Arc::new(AtomicU64::new(0));
    let total = questions.len() as u64;
    let progress = on_progress.map(|callback| Progress {
        callback,
        done: &done,
        total,
    });
    let of_worker = done.clone();
    interruptible(
        py,
        move |cancel| pool.install(|| cm_core::sweep::sweep(&questions, &of_worker, cancel)),
        progress.as_ref(),
    )
}

/// Answers all cases in order; `None` rows give nulls.
#[pyfunction]
#[pyo3(signature = (cases, threads=None, on_progress=None))]
pub(crate) fn sweep<'py>(
    py: Python<'py>,
    cases: Vec<Option<Py<PyCase>>>,
    threads: Option<usize>,
    on_progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let questions: Vec<Option<Question>> = cases
        .iter()
        .map(|case| case.as_ref().map(|case| case.get().question.clone()))
        .collect();
    let answers = answers(py, questions, threads, on_progress.as_ref())?;
    let ok = || {
        answers
            .iter()
            .map(|answer| answer.as_ref().and_then(|a| a.as_ref().ok()))
    };
    let ints = |value: fn(&Answer) -> u64| ok().map(move |a| a.map_or(-1, |a| value(a) as i64));
    let words = |value: fn(&Answer) -> &str| {
        ok().map(move |a| a.map_or(String::new(), |a| value(a).into()))
    };
    let error = answers.iter().map(|answer| match answer {
        Some(Err(error)) => error.to_string(),
        _ => String::new(),
    });
    Ok(Columns::new(py)
        .ints("time_ps", ints(|answer| answer.time_ps))?
        .ints("bound_ps", ints(|answer| answer.bound_ps))?
        .words("algorithm_used", words(|answer| &answer.algorithm))?
        .words("bottleneck", words(|answer| &answer.bottleneck))?
        .floats(
            "max_utilisation",
            ok().map(|answer| answer.map_or(f64::NAN, |answer| answer.max_utilisation))
                .collect(),
        )?
        .words("error", error)?
        .done())
}

/// The same question at many sizes; the first error is raised.
#[pyfunction]
#[pyo3(signature = (case, sizes_bytes, threads=None))]
pub(crate) fn times_ps<'py>(
    py: Python<'py>,
    case: &PyCase,
    sizes_bytes: PyReadonlyArray1<'py, i64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let sizes = snapshot(&sizes_bytes);
    let mut questions = Vec::with_capacity(sizes.len());
    for size in sizes {
        let size = u64::try_from(size)
            .map_err(|_| argument(py, format!("size_bytes must be at least 0, got {size}")))?;
        let mut question = case.question.clone();
        question.payload = Payload::Bytes(size);
        questions.push(Some(question));
    }
    let answers = answers(py, questions, threads, None)?;
    let times = answers.into_iter().flatten().map(|answer| match answer {
        Ok(answer) => Ok(answer.time_ps as i64),
        Err(error) => Err(raise(py, error)),
    });
    Ok(to_array(py, times.collect::<PyResult<Vec<i64>>>()?))
}
