//! `Case`, `sweep` and `times_ps`: many questions on a thread pool of their own.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use cm_core::question::{OpenQuestion, Question};
use cm_core::sweep::{Answers, Row};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::columns::{Columns, snapshot, to_array};
use crate::error::{argument, raise};
use crate::fabric::PyFabric;
use crate::interrupt::{Progress, interruptible};
use crate::schedule::{Counts, payload};
use crate::simulate::{LinkChanges, PySettings, question};

/// One scenario of a batch, checked.
#[pyclass(frozen, name = "Case", module = "cm_collectives._core")]
pub(crate) struct PyCase {
    open: Arc<OpenQuestion>,
}

impl PyCase {
    pub(crate) fn question(&self) -> &Question {
        self.open.question()
    }
}

#[pymethods]
impl PyCase {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one question has these parts")]
    #[pyo3(signature = (fabric, collective, algorithm, endpoints, root, size_bytes, counts, options, split, settings, set_links))]
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
        set_links: LinkChanges,
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
            set_links,
        )?;
        Ok(Self {
            open: Arc::new(OpenQuestion::new(question)),
        })
    }

    #[getter]
    fn n_ranks(&self) -> usize {
        self.question().endpoints.len()
    }

    /// The time for another number of bytes.
    #[pyo3(signature = (size_bytes))]
    fn time_ps(&self, py: Python<'_>, size_bytes: Option<u64>) -> PyResult<u64> {
        let payload = payload(py, size_bytes, None)?;
        // What takes microseconds needs no thread that can be interrupted.
        let quick = py.detach(|| self.open.quick_time_ps(payload.clone()));
        let time = if let Some(time) = quick {
            time
        } else {
            let open = self.open.clone();
            interruptible(py, move |cancel| open.time_ps(payload, Some(cancel)), None)?
        };
        time.map_err(|error| raise(py, error))
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

fn answers(
    py: Python<'_>,
    questions: Vec<Question>,
    rows: Vec<Row>,
    threads: Option<usize>,
    on_progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Answers> {
    let pool = pool(py, threads)?;
    let done = Arc::new(AtomicU64::new(0));
    let total = rows.len() as u64;
    let progress = on_progress.map(|callback| Progress {
        callback,
        done: &done,
        total,
    });
    let of_worker = done.clone();
    interruptible(
        py,
        move |cancel| pool.install(|| cm_core::sweep::sweep(&questions, &rows, &of_worker, cancel)),
        progress.as_ref(),
    )
}

/// Rows of a question and a size each; a size of -1 is none.
fn rows(
    py: Python<'_>,
    n_questions: usize,
    which: &PyReadonlyArray1<'_, i64>,
    sizes_bytes: &PyReadonlyArray1<'_, i64>,
) -> PyResult<Vec<Row>> {
    let (which, sizes) = (which.as_array(), sizes_bytes.as_array());
    if which.len() != sizes.len() {
        let text = format!("{} rows have {} sizes", which.len(), sizes.len());
        return Err(argument(py, text));
    }
    let row = |(&question, &size): (&i64, &i64)| {
        let question = u32::try_from(question).ok();
        let question = question.filter(|&question| (question as usize) < n_questions);
        let question = question.ok_or_else(|| argument(py, "no such question".to_owned()))?;
        Ok(Row {
            question,
            size_bytes: u64::try_from(size).ok(),
        })
    };
    which.iter().zip(&sizes).map(row).collect()
}

/// Words by number, in the order of their first use; -1 is none.
#[derive(Default)]
struct Words {
    number: BTreeMap<String, i64>,
    words: Vec<String>,
}

impl Words {
    fn number(&mut self, word: &str) -> i64 {
        if word.is_empty() {
            return -1;
        }
        if let Some(&number) = self.number.get(word) {
            return number;
        }
        let number = self.words.len() as i64;
        self.number.insert(word.to_owned(), number);
        self.words.push(word.to_owned());
        number
    }
}

/// Answers all rows in order. Words are numbers into the lists `..._words`.
#[pyfunction]
#[pyo3(signature = (cases, which, sizes_bytes, threads=None, on_progress=None))]
pub(crate) fn sweep<'py>(
    py: Python<'py>,
    cases: Vec<Py<PyCase>>,
    which: PyReadonlyArray1<'py, i64>,
    sizes_bytes: PyReadonlyArray1<'py, i64>,
    threads: Option<usize>,
    on_progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let rows = rows(py, cases.len(), &which, &sizes_bytes)?;
    let questions = cases.iter().map(|case| case.get().question().clone());
    let answers = answers(py, questions.collect(), rows, threads, on_progress.as_ref())?;
    let (mut algorithms, mut bottlenecks, mut errors) =
        (Words::default(), Words::default(), Words::default());
    let mut numbers = Vec::with_capacity(answers.distinct.len());
    for answered in &answers.distinct {
        numbers.push(match answered {
            Ok(answer) => [
                answer.time_ps as i64,
                answer.bound_ps as i64,
                algorithms.number(&answer.algorithm),
                bottlenecks.number(&answer.bottleneck),
                -1,
            ],
            Err(error) => [-1, -1, -1, -1, errors.number(&error.to_string())],
        });
    }
    let each = |column: usize| {
        let rows = answers.of_row.iter();
        rows.map(|&index| numbers[index as usize][column])
            .collect::<Vec<i64>>()
    };
    let utilisation = |&index: &u32| match &answers.distinct[index as usize] {
        Ok(answer) => answer.max_utilisation,
        Err(_) => f64::NAN,
    };
    Ok(Columns::new(py)
        .ints("time_ps", each(0))?
        .ints("bound_ps", each(1))?
        .ints("algorithm_used", each(2))?
        .ints("bottleneck", each(3))?
        .ints("error", each(4))?
        .floats(
            "max_utilisation",
            answers.of_row.iter().map(utilisation).collect(),
        )?
        .words("algorithm_used_words", algorithms.words)?
        .words("bottleneck_words", bottlenecks.words)?
        .words("error_words", errors.words)?
        .done())
}

/// The same question at many sizes; the error of the first size that has one is raised.
#[pyfunction]
#[pyo3(signature = (case, sizes_bytes, threads=None))]
pub(crate) fn times_ps<'py>(
    py: Python<'py>,
    case: &PyCase,
    sizes_bytes: PyReadonlyArray1<'py, i64>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let mut sizes = Vec::with_capacity(sizes_bytes.len()?);
    for size in snapshot(&sizes_bytes) {
        let size = u64::try_from(size);
        sizes.push(size.map_err(|_| argument(py, "size_bytes must be at least 0".to_owned()))?);
    }
    let (pool, open) = (pool(py, threads)?, case.open.clone());
    let times = interruptible(
        py,
        move |cancel| pool.install(|| cm_core::sweep::times_ps(&open, &sizes, cancel)),
        None,
    )?;
    let times = times.map_err(|error| raise(py, error))?;
    Ok(to_array(
        py,
        times
            .into_iter()
            .map(|time| time as i64)
            .collect::<Vec<_>>(),
    ))
}
