//! `Schedule`: a frozen, shared handle on a core schedule.

use std::sync::Arc;

use cm_core::algorithms::{self, PlanError};
use cm_core::collective::{Collective, OptionValue, Options, Payload, Problem, Split, Traffic};
use cm_core::error::Error;
use cm_core::ids::RankId;
use cm_core::schedule::{
    ChunkRange, ChunkSizes, Op, Schedule, ScheduleParts, ScheduleStats, SumOrder, verify,
};
use cm_core::simulate::{BYTES_PER_TRANSFER, check_memory};
use cm_core::team::{Level, Team};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::columns::{
    Columns, snapshot_counts, take_edges_if, take_ints, take_ints_if, take_words, to_array,
    to_unsigned,
};
use crate::error::{argument, raise};
use crate::fabric::Levels;
use crate::tokens::{PyTokens, TrafficTuple};

/// Memory above which a schedule is refused before it is built.
const MEMORY_LIMIT_BYTES: u64 = 8_000_000_000;

/// Who sends what to whom, proved right unless asked otherwise.
#[pyclass(frozen, name = "Schedule", module = "cm_collectives._core")]
pub(crate) struct PySchedule {
    pub(crate) schedule: Arc<Schedule>,
}

/// Names, shape and chunk sizes of a pickled schedule.
type Pickled = (
    (String, String),
    (u32, u32, u64),
    (u64, u32, Vec<u64>),
    Option<TrafficTuple>,
    Vec<(u32, u32)>,
);

/// What a schedule is for.
struct Shape {
    collective: Collective,
    n_ranks: u32,
    root: RankId,
    n_chunks: u64,
    traffic: Option<Traffic>,
}

/// Algorithm options from a dict of integers and strings.
pub(crate) fn options(py: Python<'_>, dict: &Bound<'_, PyDict>) -> PyResult<Options> {
    let mut options = Options::default();
    for (key, value) in dict {
        let key: String = key.extract()?;
        let value = if let Ok(number) = value.extract::<i64>() {
            OptionValue::Int(number)
        } else if let Ok(word) = value.extract::<String>() {
            OptionValue::Text(word)
        } else {
            let given = value.repr()?;
            let text = format!("option '{key}' must be an integer or a string, got {given}");
            return Err(argument(py, text));
        };
        options = options.with(&key, value);
    }
    Ok(options)
}

/// The same options as Python has them.
pub(crate) fn option_dict<'py>(py: Python<'py>, options: &Options) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in options.iter() {
        match value {
            OptionValue::Int(value) => dict.set_item(name, value)?,
            OptionValue::Text(word) => dict.set_item(name, word)?,
        }
    }
    Ok(dict)
}

/// The split of that name.
pub(crate) fn split(py: Python<'_>, name: &str) -> PyResult<Split> {
    match name {
        "exact" => Ok(Split::Exact),
        "balanced" => Ok(Split::Balanced),
        "hccl" => Ok(Split::Hccl),
        _ => Err(argument(
            py,
            format!("split must be exact, balanced or hccl, got '{name}'"),
        )),
    }
}

/// What each rank has for each other, or its tokens.
#[derive(FromPyObject)]
pub(crate) enum Counts<'py> {
    Matrix(PyReadonlyArray2<'py, i64>),
    Tokens(Py<PyTokens>),
}

/// The payload of a size, of counts or of tokens.
pub(crate) fn payload(
    py: Python<'_>,
    size_bytes: Option<u64>,
    counts: Option<&Counts<'_>>,
) -> PyResult<Payload> {
    match (size_bytes, counts) {
        (Some(size), None) => Ok(Payload::Bytes(size)),
        (None, Some(Counts::Matrix(counts))) => Ok(Payload::Counts(snapshot_counts(py, counts)?)),
        (None, Some(Counts::Tokens(tokens))) => Ok(Payload::Tokens(tokens.get().tokens.clone())),
        (None, None) => Ok(Payload::None),
        (Some(_), Some(_)) => Err(argument(
            py,
            "size_bytes and counts exclude each other".to_owned(),
        )),
    }
}

/// A team from its levels, innermost first.
pub(crate) fn team(py: Python<'_>, n_ranks: u32, levels: Levels) -> PyResult<Team> {
    let levels = levels
        .into_iter()
        .map(|(name, groups)| Level {
            name,
            groups: groups
                .into_iter()
                .map(|g| g.into_iter().map(RankId).collect())
                .collect(),
        })
        .collect();
    Team::new(n_ranks, levels).map_err(|error| raise(py, error.into()))
}

#[pymethods]
impl PySchedule {
    /// The schedule of an algorithm, verified.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one question has these parts")]
    fn build(
        py: Python<'_>,
        collective: &str,
        algorithm: &str,
        n_ranks: u32,
        levels: Levels,
        root: u32,
        size_bytes: Option<u64>,
        counts: Option<Counts<'_>>,
        options: &Bound<'_, PyDict>,
        split: &str,
    ) -> PyResult<Self> {
        let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
        let algorithm = algorithms::lookup(algorithm).map_err(|e| raise(py, e.into()))?;
        let team = team(py, n_ranks, levels)?;
        let payload = payload(py, size_bytes, counts.as_ref())?;
        let options = self::options(py, options)?;
        let split = self::split(py, split)?;
        let problem = Problem {
            collective,
            team: &team,
            root: RankId(root),
            payload,
            split,
            options,
        };
        let built = py.detach(|| {
            algorithms::check(algorithm, &problem)?;
            let n_transfers = algorithm.n_transfers(&problem);
            check_memory(n_transfers, BYTES_PER_TRANSFER, MEMORY_LIMIT_BYTES)?;
            Ok::<_, Error>(algorithms::schedule(algorithm, &problem)?)
        });
        let schedule = Arc::new(built.map_err(|error| raise(py, error))?);
        Ok(Self { schedule })
    }

    /// A user's own schedule, from columns.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one question has these parts")]
    fn from_columns(
        py: Python<'_>,
        columns: &Bound<'_, PyDict>,
        collective: &str,
        n_ranks: u32,
        root: u32,
        size_bytes: Option<u64>,
        counts: Option<Counts<'_>>,
        n_chunks: u32,
        algorithm: &str,
        verify: bool,
    ) -> PyResult<Self> {
        let collective = Collective::from_name(collective).map_err(|e| raise(py, e.into()))?;
        let team = Team::flat(n_ranks);
        let payload = payload(py, size_bytes, counts.as_ref())?;
        let is_sizeless = payload == Payload::None && collective != Collective::Barrier;
        let payload = if is_sizeless {
            Payload::Bytes(1)
        } else {
            payload
        };
        let mut problem = Problem::new(collective, &team, payload);
        problem.root = RankId(root);
        problem
            .check()
            .map_err(|error| raise(py, PlanError::from(error).into()))?;
        let n_chunks = if n_chunks > 0 {
            n_chunks.into()
        } else {
            fewest_chunks(columns, &problem)?
        };
        if is_sizeless {
            // One byte per chunk; in an all-to-all the size is that of one rank's chunks.
            let n_buffers = collective.n_buffers(n_ranks);
            problem.payload = Payload::Bytes(n_chunks / u64::from(n_buffers));
        }
        let sizes = ChunkSizes::of(&problem, n_chunks);
        let shape = Shape {
            collective,
            n_ranks,
            root: RankId(root),
            n_chunks,
            traffic: None,
        };
        let parts = parts(py, columns, shape, sizes, algorithm)?;
        let schedule = parts.build().map_err(|error| raise(py, error.into()))?;
        if verify {
            cm_core::schedule::verify(&schedule).map_err(|error| raise(py, error.into()))?;
        }
        Ok(Self {
            schedule: Arc::new(schedule),
        })
    }

    /// The same transfers of the same parts of another size.
    fn resized(&self, py: Python<'_>, size_bytes: u64) -> PyResult<Self> {
        let team = Team::flat(self.schedule.n_ranks());
        let mut problem = Problem::new(
            self.schedule.collective(),
            &team,
            Payload::Bytes(size_bytes),
        );
        problem.root = self.schedule.root();
        problem
            .check()
            .map_err(|error| raise(py, PlanError::from(error).into()))?;
        let resized = py.detach(|| {
            let mut parts = self.schedule.to_parts();
            parts.sizes = ChunkSizes::of(&problem, parts.n_chunks);
            parts.build()
        });
        let schedule = resized.map_err(|error| raise(py, error.into()))?;
        Ok(Self {
            schedule: Arc::new(schedule),
        })
    }

    #[getter]
    fn collective(&self) -> &'static str {
        self.schedule.collective().name()
    }

    #[getter]
    fn algorithm(&self) -> &str {
        self.schedule.algorithm()
    }

    #[getter]
    fn n_ranks(&self) -> u32 {
        self.schedule.n_ranks()
    }

    #[getter]
    fn n_chunks(&self) -> u64 {
        self.schedule.n_chunks()
    }

    #[getter]
    fn n_transfers(&self) -> usize {
        self.schedule.len()
    }

    #[getter]
    fn n_steps(&self) -> u32 {
        self.schedule.n_steps()
    }

    #[getter]
    fn root(&self) -> u32 {
        self.schedule.root().0
    }

    #[getter]
    fn digest(&self, py: Python<'_>) -> String {
        py.detach(|| self.schedule.digest())
    }

    /// Pickles by content: the columns, and how the chunks divide the bytes.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (py, schedule) = (slf.py(), &slf.get().schedule);
        let (total_bytes, n_chunks, offsets) = match schedule.sizes() {
            ChunkSizes::Equal {
                total_bytes,
                n_chunks,
            } => (*total_bytes, *n_chunks, Vec::new()),
            ChunkSizes::Each { offsets } => (0, 0, offsets.clone()),
        };
        let about = (
            (schedule.collective().name(), schedule.algorithm()),
            (schedule.n_ranks(), schedule.root().0, schedule.n_chunks()),
            (total_bytes, n_chunks, offsets),
            schedule
                .traffic()
                .map(|traffic| crate::tokens::pickled(py, traffic))
                .transpose()?,
            (schedule.in_network().iter())
                .map(|steps| (steps.start, steps.end))
                .collect::<Vec<_>>(),
        );
        let columns = transfer_columns(Columns::new(py), schedule)?.done();
        let rebuild = py.get_type::<Self>().getattr("_rebuild")?;
        PyTuple::new(
            py,
            [rebuild, (columns, about).into_pyobject(py)?.into_any()],
        )
    }

    /// Rebuilds a pickled schedule.
    #[staticmethod]
    fn _rebuild(py: Python<'_>, columns: &Bound<'_, PyDict>, about: Pickled) -> PyResult<Self> {
        let ((collective, algorithm), (n_ranks, root, n_chunks), sizes, traffic, in_network) =
            about;
        let collective = Collective::from_name(&collective).map_err(|e| raise(py, e.into()))?;
        let sizes = match sizes {
            (total_bytes, n_chunks, offsets) if offsets.is_empty() => ChunkSizes::Equal {
                total_bytes,
                n_chunks,
            },
            (_, _, offsets) => ChunkSizes::Each { offsets },
        };
        let shape = Shape {
            collective,
            n_ranks,
            root: RankId(root),
            n_chunks,
            traffic: traffic.map(crate::tokens::unpickled),
        };
        let mut parts = parts(py, columns, shape, sizes, &algorithm)?;
        parts.in_network = in_network
            .into_iter()
            .map(|(start, end)| start..end)
            .collect();
        let built = parts.build();
        let schedule = built.map_err(|error| raise(py, error.into()))?;
        Ok(Self {
            schedule: Arc::new(schedule),
        })
    }

    /// Proves the schedule right, or names what is wrong.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let verified = py.detach(|| verify(&self.schedule));
        verified
            .map(|_| ())
            .map_err(|error| raise(py, error.into()))
    }

    /// Columns of all transfers.
    fn transfers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        Ok(transfer_columns(Columns::new(py), &self.schedule)?.done())
    }

    /// Steps, transfers, bytes per rank, critical path.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = ScheduleStats::of(&self.schedule);
        let dict = PyDict::new(py);
        dict.set_item("steps", stats.n_steps)?;
        dict.set_item("transfers", stats.n_transfers)?;
        dict.set_item("critical_path", stats.critical_path)?;
        let sums = SumOrder::of(&self.schedule);
        dict.set_item(
            "bitwise_equal_across_ranks",
            sums.map(|sums| sums.bitwise_equal_across_ranks),
        )?;
        dict.set_item("order_preserving", sums.map(|sums| sums.order_preserving))?;
        let floats = |bytes: Vec<cm_core::schedule::Bytes>| {
            let value = |b: &cm_core::schedule::Bytes| b.numerator as f64 / b.denominator as f64;
            to_array(py, bytes.iter().map(value).collect::<Vec<f64>>())
        };
        dict.set_item("bytes_sent", floats(stats.sent))?;
        dict.set_item("bytes_received", floats(stats.received))?;
        Ok(dict)
    }
}

/// The schedule's own columns.
pub(crate) fn transfer_columns<'py>(
    columns: Columns<'py>,
    schedule: &Schedule,
) -> PyResult<Columns<'py>> {
    let all = || 0..schedule.len();
    let sizes = schedule.sizes();
    columns
        .ints("transfer", all().map(|t| t as i64))?
        .ints("step", all().map(|t| i64::from(schedule.step()[t])))?
        .ints("src", all().map(|t| i64::from(schedule.src()[t].0)))?
        .ints("dst", all().map(|t| i64::from(schedule.dst()[t].0)))?
        .ints("chunk", all().map(|t| schedule.chunks()[t].first as i64))?
        .ints(
            "n_chunks",
            all().map(|t| i64::from(schedule.chunks()[t].count)),
        )?
        .ints(
            "chunk_stride",
            all().map(|t| i64::from(schedule.chunks()[t].stride)),
        )?
        .ints(
            "chunk_window",
            all().map(|t| schedule.chunks()[t].window as i64),
        )?
        .ints(
            "offset",
            all().map(|t| sizes.offset_bytes(schedule.chunks()[t]) as i64),
        )?
        .ints(
            "size_bytes",
            all().map(|t| sizes.balanced_size_bytes(schedule.chunks()[t]) as i64),
        )?
        .words("op", all().map(|t| schedule.op()[t].name()))?
        .lists("depends_on", schedule.depends_on())?
        .lists("follows", schedule.follows())
}

/// A user's table as the parts of a schedule.
fn parts(
    py: Python<'_>,
    columns: &Bound<'_, PyDict>,
    shape: Shape,
    sizes: ChunkSizes,
    algorithm: &str,
) -> PyResult<ScheduleParts> {
    let ranks = |name| Ok::<_, PyErr>(unsigned(columns, name)?.into_iter().map(RankId).collect());
    let first = unsigned(columns, "chunk")?;
    let count = unsigned_if(columns, "n_chunks")?;
    let stride = unsigned_if(columns, "chunk_stride")?;
    let window = unsigned_if(columns, "chunk_window")?;
    let at = |column: &Option<Vec<u32>>, row: usize, default: u32| {
        column
            .as_ref()
            .map_or(Some(default), |values| values.get(row).copied())
    };
    let chunks = first
        .iter()
        .enumerate()
        .map(|(row, &first)| {
            let known = (at(&count, row, 1), at(&stride, row, 1), at(&window, row, 0));
            let (Some(count), Some(stride), Some(window)) = known else {
                let text = "columns 'n_chunks', 'chunk_stride' and 'chunk_window' must be as long as 'chunk'";
                return Err(argument(py, text.to_owned()));
            };
            Ok(ChunkRange {
                first: first.into(),
                count,
                stride,
                window: window.into(),
            })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let op = take_words(columns, "op")?;
    let op = op.iter().enumerate().map(|(row, name)| {
        let known = [Op::Copy, Op::Reduce, Op::Local];
        known
            .into_iter()
            .find(|op| op.name() == name)
            .ok_or_else(|| {
                argument(
                    py,
                    format!("column 'op' row {row} must be copy, reduce or local, got '{name}'"),
                )
            })
    });
    Ok(ScheduleParts {
        collective: shape.collective,
        algorithm: algorithm.to_owned(),
        n_ranks: shape.n_ranks,
        root: shape.root,
        n_chunks: shape.n_chunks,
        sizes,
        traffic: shape.traffic,
        step: unsigned_if(columns, "step")?,
        src: ranks("src")?,
        dst: ranks("dst")?,
        chunks,
        op: op.collect::<PyResult<Vec<_>>>()?,
        depends_on: take_edges_if(columns, "depends_on")?,
        follows: take_edges_if(columns, "follows")?,
        in_network: Vec::new(),
    })
}

/// The fewest chunks that cover those of a table and divide every block of the collective.
fn fewest_chunks(columns: &Bound<'_, PyDict>, problem: &Problem) -> PyResult<u64> {
    let last = unsigned(columns, "chunk")?.into_iter().max().unwrap_or(0);
    let blocks = problem.collective.n_blocks(problem.n_ranks());
    let n_chunks = (u64::from(last) + 1).next_multiple_of(blocks);
    if n_chunks > u64::from(u32::MAX) {
        let text = format!("{n_chunks} chunks exceed 2^32");
        return Err(argument(columns.py(), text));
    }
    Ok(n_chunks)
}

fn unsigned(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Vec<u32>> {
    to_unsigned(columns.py(), name, take_ints(columns, name)?)
}

fn unsigned_if(columns: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Vec<u32>>> {
    let values = take_ints_if(columns, name)?;
    values
        .map(|values| to_unsigned(columns.py(), name, values))
        .transpose()
}
