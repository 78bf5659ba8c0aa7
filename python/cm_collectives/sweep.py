"""Many scenarios at once: a frame in, the same frame with answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from . import _core
from .arguments import flag, integer
from .errors import ArgumentError, CmError
from .fabric_times import PS_PER_S
from .frames import collected
from .progress import reporter
from .scenarios import NO_SIZE, RESULT_COLUMNS, Scenarios

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor
    from os import PathLike

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from .fabric import Fabric
    from .progress import Progress
    from .scenarios import Question

MAX_THREADS = 2**16


# A part of a sweep takes seconds where scenarios are cheap, minutes where they are dear.
PART_ROWS = 16_384
MAX_PART_ROWS = 2**31


@overload
def sweep(
    scenarios: pl.DataFrame | pl.LazyFrame,
    fabrics: Mapping[str, Fabric] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | bool | None = None,
    on_error: str = "column",
    out: None = None,
) -> pl.DataFrame: ...


@overload
def sweep(
    scenarios: pl.DataFrame | pl.LazyFrame,
    fabrics: Mapping[str, Fabric] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | bool | None = None,
    on_error: str = "column",
    out: str | PathLike[str],
    executor: Executor | None = None,
    resume: bool = True,
    part_rows: int = PART_ROWS,
) -> pl.LazyFrame: ...


def sweep(
    scenarios: pl.DataFrame | pl.LazyFrame,
    fabrics: Mapping[str, Fabric] | None = None,
    *,
    threads: int | None = None,
    progress: Progress | bool | None = None,
    on_error: str = "column",
    out: str | PathLike[str] | None = None,
    executor: Executor | None = None,
    resume: bool = True,
    part_rows: int = PART_ROWS,
) -> pl.DataFrame | pl.LazyFrame:
    """Return the answers to many scenarios, one row each, in the same order.

    The scenarios run on all processors; the result does not depend on how many. Ctrl-C ends the
    batch within a fraction of a second.

    With `out` the answers go to a directory, in bounded memory: files `part-NNNNNN.parquet` in the
    order of the scenarios, and `manifest.json`, which says what they answer. A part appears whole
    or not at all, whatever happens: Ctrl-C, `kill -9`, a full disk. The same call again does the
    parts that are missing.

    Parameters
    ----------
    scenarios : polars.DataFrame or LazyFrame
        One row per scenario: `fabric` (String: a key of `fabrics`, or the name of a preset),
        `collective` (String), `ranks` (integer or list of integers), `size_bytes` (integer,
        integral float, or String with a unit; null or 0 for a barrier). Optional, where null means
        the default: `algorithm` ("auto"), `routing` ("spray"), `engine` ("fluid"), `seed` (0),
        `root` (0), `degrade` (String "selector=factor,selector=factor", or a list of structs
        `selector`, `factor`), `set_links` (String "selector=factor@t_ps,selector=factor@t_ps", or
        a list of structs `selector`, `factor`, `t_ps`: links that change during the run, as for
        `cm.simulate`), `options` (a struct, or a String with a JSON object). Other columns are
        handed through. With `out` a LazyFrame is streamed: read once for its digest, and once for
        the work.
    fabrics : mapping of str to Fabric, optional
        Fabrics that the column `fabric` may name.
    threads : int, optional
        Threads to use; all processors by default, one per part with `executor`.
    progress : callable or bool, optional
        Called as `progress(done, total)` while the batch runs; an exception in it ends the batch.
        True prints a line with the time left on standard error, False nothing; by default a line
        on a terminal only.
    on_error : {"column", "raise"}
        What to do with a scenario that cannot be simulated: say why in the column `error` and leave
        its answers null, or raise the first such error with its row.
    out : path, optional
        The directory, made if need be.
    executor : concurrent.futures.Executor, optional
        Who computes the parts: processes, or machines that see `out` under the same path (Dask's
        `Client.get_executor()`, for one). By default this process.
    resume : bool
        Whether `out` may hold a sweep that was begun before.
    part_rows : int
        Scenarios per part: what a kill may cost.

    Returns
    -------
    polars.DataFrame, or LazyFrame over the files with `out`
        The columns of the scenarios, then `time_ps` (Int64), `time_s`, `algbw_Bps`, `busbw_Bps`
        (Float64), `bound_ps` (Int64), `efficiency` (Float64), `algorithm_used`, `bottleneck`
        (String), `max_utilisation` (Float64), `error` (String, null where it worked). Bandwidths
        and efficiency are null where the time is 0.

    Raises
    ------
    ArgumentError
        If a column is missing, of the wrong dtype, or null where it may not be; names column and
        row. If `out` holds a sweep of other scenarios, fabrics or another version.
    SpecError
        If `out` holds a damaged part or manifest.
    SweepError
        If a part could not be written or an executor died: what is finished is kept.
    CmError
        With `on_error="raise"`: the error of the first row that has one.

    Warns
    -----
    CalibrationWarning
        If rows leave what the calibration of their fabric has seen.

    Examples
    --------
    >>> scenarios = cm.grid(
    ...     fabric="cm384", collective=["all_gather", "broadcast"], ranks=[4, 1000], size_bytes=4096
    ... )
    >>> cm.sweep(scenarios).select("ranks", pl.col("error").str.head(34)).rows()
    [(4, None), (1000, 'ranks must be from 1 to 768, got 1'),
     (4, None), (1000, 'ranks must be from 1 to 768, got 1')]

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     answers = cm.sweep(scenarios, out=directory)
    ...     answers.filter(pl.col("error").is_null()).select("collective", "ranks").collect().rows()
    [('all_gather', 4), ('broadcast', 4)]
    """
    check_on_error(on_error)
    report = reporter(progress)
    if out is not None:
        from .sweep_out import sweep_out

        return sweep_out(
            scenarios,
            fabrics or {},
            out=out,
            executor=executor,
            resume=flag(resume, "resume"),
            part_rows=integer(part_rows, "part_rows", 1, MAX_PART_ROWS),
            threads=threads,
            report=report,
            on_error=on_error,
        )
    if executor is not None:
        raise ArgumentError("executor= needs out=, the directory where its workers leave the parts")
    frame = collected(scenarios, "scenarios")
    return answers(frame, fabrics or {}, threads=threads, report=report, on_error=on_error)


def check_on_error(on_error: object) -> None:
    """Refuse what is neither "column" nor "raise"."""
    if on_error not in ("column", "raise"):
        raise ArgumentError(f'on_error must be "column" or "raise", got {on_error!r}')


def answers(
    frame: pl.DataFrame,
    fabrics: Mapping[str, Fabric],
    *,
    threads: int | None,
    report: Progress | None,
    on_error: str,
    first_row: int = 0,
) -> pl.DataFrame:
    """Return a frame of scenarios with its answers; errors count rows from `first_row`."""
    scenarios = Scenarios.of(frame, fabrics, first_row)
    answered = answer(scenarios, threads=threads, report=report)
    if on_error == "raise":
        raise_first(scenarios, answered, first_row)
    return frame.hstack(answered)


def answer(
    scenarios: Scenarios, *, threads: int | None = None, report: Progress | None = None
) -> pl.DataFrame:
    """Return the answers to checked scenarios, one row each."""
    n_threads = None if threads is None else integer(threads, "threads", 1, MAX_THREADS)
    if report is not None:
        report(0, len(scenarios.which))
    valid, errors = _valid(scenarios)
    cases = [question.case for question in scenarios.questions if question.case is not None]
    # Only questions that have a case are numbered.
    number = _cumulated([question.case is not None for question in scenarios.questions])
    answered = _core.sweep(
        cases, number[scenarios.which[valid]], scenarios.sizes[valid], n_threads, report
    )
    columns = _Columns(valid, answered)
    _warn_beyond(scenarios, columns.numbers("time_ps") >= 0)
    return _result_frame(scenarios, columns, errors)


def _warn_beyond(scenarios: Scenarios, answered: NDArray[np.bool_]) -> None:
    """Warn of answers for which the calibration of their fabric has seen nothing alike."""
    questions = scenarios.questions
    if all(each.fabric is None or each.fabric.calibration is None for each in questions):
        return
    import numpy as np

    from .measure import reach

    def used() -> Iterator[reach.Used]:
        rows = np.flatnonzero(answered)
        rows = rows[np.argsort(scenarios.which[rows], kind="stable")]
        for alike in np.split(rows, np.flatnonzero(np.diff(scenarios.which[rows])) + 1):
            if len(alike) == 0:
                continue
            fabric, asked, _, _ = questions[scenarios.which[alike[0]]]
            if fabric is None or fabric.calibration is None or asked is None:
                continue
            sizes = scenarios.sizes[alike]
            for size in reach.telling(np.where(sizes == NO_SIZE, 0, sizes)):
                yield reach.Used(fabric.core, fabric.calibration, asked.question, size)

    reach.warn(used())


def _valid(scenarios: Scenarios) -> tuple[NDArray[np.bool_], pl.Series]:
    """Return which rows are scenarios, and the words for those that are none."""
    import numpy as np
    import polars as pl

    words = [None if q.error is None else str(q.error) for q in scenarios.questions]
    is_question = np.array([word is None for word in words], dtype=np.bool_)
    valid = is_question[scenarios.which]
    errors = pl.Series(words, dtype=pl.String).gather(scenarios.which)
    rows = [row for row in scenarios.errors if valid[row]]
    if rows:
        valid[rows] = False
        errors = errors.scatter(rows, [str(scenarios.errors[row]) for row in rows])
    return valid, errors


def _cumulated(flags: list[bool]) -> NDArray[np.int64]:
    """Return how many flags are set before each."""
    import numpy as np

    counted = np.cumsum(flags, dtype=np.int64)
    return counted - np.array(flags, dtype=np.int64)


class _Columns:
    """The columns of the extension, spread over all rows."""

    def __init__(self, valid: NDArray[np.bool_], answered: dict[str, Any]) -> None:
        self._valid = valid
        self._all = bool(valid.all())
        self._answered = answered

    def numbers(self, name: str) -> NDArray[Any]:
        """Return a column of numbers, -1 or NaN where there is none."""
        import numpy as np

        values: NDArray[Any] = self._answered[name]
        if self._all:
            return values
        spread = np.full(len(self._valid), -1, dtype=values.dtype)
        spread[self._valid] = values
        return spread

    def words(self, name: str) -> pl.Series:
        """Return a column of words, which the extension gives as numbers."""
        import polars as pl

        words = pl.Series(self._answered[f"{name}_words"], dtype=pl.String)
        numbers = self.numbers(name)
        return words.gather(_where(numbers >= 0, numbers))


def _where(known: NDArray[np.bool_], values: NDArray[Any]) -> pl.Series:
    """Return a column that is null where its values are not known."""
    import polars as pl

    series = pl.Series(values)
    return series if known.all() else series.zip_with(pl.Series(known), series.clear(1))


def raise_first(scenarios: Scenarios, answered: pl.DataFrame, first_row: int | None = 0) -> None:
    """Raise the error of the first row that has one, in its own class.

    It says the row, counted from `first_row`, unless that is None: a batch has no place.
    """
    failed = answered["error"].is_not_null().arg_true()
    if len(failed) == 0:
        return
    row = failed[0]
    error = _error_of(scenarios, row, answered["error"][row])
    if first_row is None:
        raise error
    raise type(error)(f"row {first_row + row}: {error}") from error


def _error_of(scenarios: Scenarios, row: int, message: str) -> CmError:
    """Return the error of a scenario that failed in a batch, which keeps only the words.

    The same scenario alone fails in the same way, and tells its class.
    """
    question = scenarios.questions[scenarios.which[row]]
    known = question.error or scenarios.errors.get(row)
    if known is not None:
        return known
    if question.fabric is not None:
        try:
            question.at(int(scenarios.sizes[row])).run(question.fabric.core)
        except CmError as error:
            return error
    return CmError(message)


def _result_frame(scenarios: Scenarios, columns: _Columns, errors: pl.Series) -> pl.DataFrame:
    import numpy as np
    import polars as pl

    factors = [_busbw_factor(question) for question in scenarios.questions]
    factor = np.array(factors, dtype=np.float64)[scenarios.which]
    size, time = scenarios.sizes, columns.numbers("time_ps")
    bound, utilisation = columns.numbers("bound_ps"), columns.numbers("max_utilisation")
    is_known, has_taken_time = time >= 0, time > 0
    has_speed = has_taken_time & (size != NO_SIZE)
    # In the words of `result`: NumPy divides as Python does, and gives the same bits.
    with np.errstate(divide="ignore", invalid="ignore"):
        time_s = time / PS_PER_S
        algbw = size / time_s
        busbw = algbw * factor
        efficiency = bound / time
    return pl.DataFrame(
        {
            "time_ps": _where(is_known, time),
            "time_s": _where(is_known, time_s),
            "algbw_Bps": _where(has_speed, algbw),
            "busbw_Bps": _where(has_speed, busbw),
            "bound_ps": _where(is_known, bound),
            "efficiency": _where(has_taken_time, efficiency),
            "algorithm_used": columns.words("algorithm_used"),
            "bottleneck": columns.words("bottleneck"),
            "max_utilisation": _where(is_known, utilisation),
            "error": errors.zip_with(errors.is_not_null(), columns.words("error")),
        }
    ).select(RESULT_COLUMNS)


def _busbw_factor(question: Question) -> float:
    if question.asked is None:
        return 1.0
    asked = question.asked.question
    numerator, denominator = _core.busbw_factor(asked.collective, len(asked.endpoints))
    return numerator / denominator
