"""Many scenarios at once: a frame in, the same frame with answers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from . import _core
from .arguments import KEYWORDS, WITHOUT_SIZE, ask, flag, integer
from .errors import ArgumentError, CmError
from .fabric import PS_PER_S, Fabric
from .frames import Column, collected, from_frame
from .progress import reporter
from .result import algbw, busbw, efficiency

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from os import PathLike

    import polars as pl

    from .arguments import Asked
    from .progress import Progress

RESULT_COLUMNS = (
    "time_ps",
    "time_s",
    "algbw_Bps",
    "busbw_Bps",
    "bound_ps",
    "efficiency",
    "algorithm_used",
    "bottleneck",
    "max_utilisation",
    "error",
)

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
        `selector`, `factor`), `options` (a struct, or a String with a JSON object). Other columns
        are handed through. With `out` a LazyFrame is streamed: read once for its digest, and once
        for the work.
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
    if on_error not in ("column", "raise"):
        raise ArgumentError(f'on_error must be "column" or "raise", got {on_error!r}')
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
    rows = _rows(frame, fabrics, first_row)
    batch = answer(rows, threads=threads, report=report)
    if on_error == "raise":
        raise_first(rows, batch, first_row)
    return frame.hstack(_result_frame(rows, batch))


class Row(NamedTuple):
    """One scenario, checked; or the reason why it is none."""

    fabric: Fabric | None
    asked: Asked | None
    case: _core.Case | None
    error: CmError | None


class Batch(NamedTuple):
    """Answers of a batch, one value per row; None where there is none."""

    time_ps: list[int | None]
    bound_ps: list[int | None]
    algorithm_used: list[str | None]
    bottleneck: list[str | None]
    max_utilisation: list[float | None]
    error: list[str | None]


def answer(rows: list[Row], *, threads: int | None = None, report: Progress | None = None) -> Batch:
    """Return the answers to checked scenarios."""
    n_threads = None if threads is None else integer(threads, "threads", 1, MAX_THREADS)
    if report is not None:
        report(0, len(rows))
    columns = _core.sweep([row.case for row in rows], n_threads, report)
    errors = [
        str(row.error) if row.error is not None else message or None
        for row, message in zip(rows, columns["error"], strict=True)
    ]

    def known(name: str) -> list[Any]:
        values = columns[name]
        values = values if isinstance(values, list) else values.tolist()
        return [
            None if error is not None else value
            for value, error in zip(values, errors, strict=True)
        ]

    return Batch(
        time_ps=known("time_ps"),
        bound_ps=known("bound_ps"),
        algorithm_used=known("algorithm_used"),
        bottleneck=[name or None for name in known("bottleneck")],
        max_utilisation=known("max_utilisation"),
        error=errors,
    )


def raise_first(rows: list[Row], batch: Batch, first_row: int = 0) -> None:
    """Raise the error of the first row that has one, in its own class and with its row."""
    for index, (row, message) in enumerate(zip(rows, batch.error, strict=True)):
        if message is None:
            continue
        error = row.error or _error_of(row, message)
        raise type(error)(f"row {first_row + index}: {error}") from row.error


def _error_of(row: Row, message: str) -> CmError:
    """Return the error of a scenario that failed in a batch, which keeps only the words.

    The same scenario alone fails in the same way, and tells its class.
    """
    if row.fabric is not None and row.asked is not None:
        try:
            row.asked.run(row.fabric.core)
        except CmError as error:
            return error
    return CmError(message)


def _result_frame(rows: list[Row], batch: Batch) -> pl.DataFrame:
    import polars as pl

    speeds = [_bandwidths(row, time_ps) for row, time_ps in zip(rows, batch.time_ps, strict=True)]
    efficiencies = [
        None if time_ps is None or bound_ps is None else efficiency(bound_ps, time_ps)
        for time_ps, bound_ps in zip(batch.time_ps, batch.bound_ps, strict=True)
    ]
    seconds = [None if time_ps is None else time_ps / PS_PER_S for time_ps in batch.time_ps]
    return pl.DataFrame(
        {
            "time_ps": pl.Series(batch.time_ps, dtype=pl.Int64),
            "time_s": pl.Series(seconds, dtype=pl.Float64),
            "algbw_Bps": pl.Series([pair[0] for pair in speeds], dtype=pl.Float64),
            "busbw_Bps": pl.Series([pair[1] for pair in speeds], dtype=pl.Float64),
            "bound_ps": pl.Series(batch.bound_ps, dtype=pl.Int64),
            "efficiency": pl.Series(efficiencies, dtype=pl.Float64),
            "algorithm_used": pl.Series(batch.algorithm_used, dtype=pl.String),
            "bottleneck": pl.Series(batch.bottleneck, dtype=pl.String),
            "max_utilisation": pl.Series(batch.max_utilisation, dtype=pl.Float64),
            "error": pl.Series(batch.error, dtype=pl.String),
        }
    )


def _bandwidths(row: Row, time_ps: int | None) -> tuple[float | None, float | None]:
    if row.asked is None or time_ps is None:
        return None, None
    question = row.asked.question
    speed = algbw(question.payload.volume_bytes, time_ps)
    return speed, busbw(speed, question.collective, len(question.endpoints))


_DEFAULTED = ("algorithm", "routing", "engine", "seed", "root")


def check_columns(frame: pl.DataFrame, first_row: int = 0) -> None:
    """Refuse scenarios with a wrong or missing column, or a null where none may be."""
    import polars as pl

    taken = [name for name in frame.columns if name in RESULT_COLUMNS]
    if taken:
        raise ArgumentError(f"scenarios already have the result column {taken[0]!r}; drop it first")
    columns = _scenario_columns(frame)
    from_frame(frame.clear(), "scenarios", columns, others=True)
    holes = {column.name: pl.col(column.name).is_null() for column in columns if column.required}
    holes["size_bytes"] &= pl.col("collective") != WITHOUT_SIZE
    for name, is_null in holes.items():
        rows = frame.select(is_null).to_series().arg_true()
        if len(rows) > 0:
            row = first_row + rows[0]
            raise ArgumentError(f"scenarios: column {name!r} is null in row {row}")


def _rows(frame: pl.DataFrame, fabrics: Mapping[str, Fabric], first_row: int) -> list[Row]:
    """Check the columns of all scenarios, then the values of each."""
    check_columns(frame, first_row)
    columns = from_frame(frame, "scenarios", _scenario_columns(frame), others=True)
    columns = {name: _as_list(values) for name, values in columns.items()}
    columns["degrade"] = _raw(frame, "degrade")
    columns["options"] = _raw(frame, "options")
    machines = _Machines(fabrics)
    return [
        _row(machines, {name: values[i] for name, values in columns.items()})
        for i in range(len(frame))
    ]


def _row(machines: _Machines, scenario: Mapping[str, Any]) -> Row:
    keywords = {name: scenario[name] for name in _DEFAULTED if scenario.get(name) is not None}
    keywords["ranks"] = scenario["ranks"]
    # A size of 0 may stand for "none", which a grid over collectives cannot say otherwise.
    if scenario["collective"] != WITHOUT_SIZE or scenario["size_bytes"]:
        keywords["size_bytes"] = scenario["size_bytes"]
    try:
        machine = machines.get(scenario["fabric"], _factors(scenario["degrade"]))
        options = _options(scenario["options"])
        asked = ask(machine.n_endpoints, scenario["collective"], keywords | options)
        case = asked.question.case(machine.core, asked.settings.core())
    except CmError as error:
        return Row(None, None, None, error)
    return Row(machine, asked, case, None)


def _scenario_columns(frame: pl.DataFrame) -> list[Column]:
    """Return what the scenarios must and may have; some columns have more than one form."""
    import polars as pl

    def dtype(name: str) -> pl.DataType | None:
        return frame.schema.get(name)

    lists = isinstance(dtype("ranks"), (pl.List, pl.Array))
    size_dtype = dtype("size_bytes")
    if size_dtype is not None and size_dtype.is_float():
        size_kind = "number"
    else:
        size_kind = "text" if size_dtype == pl.String else "integer"
    return [
        Column("fabric", "text"),
        Column("collective", "text"),
        Column("ranks", "integers" if lists else "integer"),
        Column("size_bytes", size_kind, nullable=True),
        Column("algorithm", "text", required=False, nullable=True),
        Column("routing", "text", required=False, nullable=True),
        Column("engine", "text", required=False, nullable=True),
        Column("seed", "integer", required=False, nullable=True),
        Column("root", "integer", required=False, nullable=True),
    ]


def _as_list(values: Any) -> list[Any]:  # noqa: ANN401
    return values if isinstance(values, list) else values.tolist()


def _raw(frame: pl.DataFrame, name: str) -> list[Any]:
    return frame[name].to_list() if name in frame.columns else [None] * len(frame)


def _factors(value: object) -> dict[str, float]:
    """Return the selectors and factors of one cell of the column `degrade`."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.rpartition("=") for part in value.split(",")]
        try:
            return {selector.strip(): float(factor) for selector, _, factor in pairs}
        except ValueError:
            raise ArgumentError(
                f'degrade must be text like "l2.2.11=0.5,l2.3.*=0", got {value!r}'
            ) from None
    try:
        return {each["selector"]: each["factor"] for each in value}  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        raise ArgumentError(
            f"degrade must be text or a list of structs with selector and factor, got {value!r}"
        ) from None


def _options(value: object) -> dict[str, Any]:
    """Return one cell of the column `options`."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        import json

        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ArgumentError(f"options must be a JSON object: {error}, got {value!r}") from None
    if not isinstance(value, dict):
        raise ArgumentError(f"options must be a struct or a JSON object, got {value!r}")
    for name in value:
        if name in KEYWORDS:
            raise ArgumentError(f"{name!r} is no option of an algorithm; allowed as a column only")
    return {name: option for name, option in value.items() if option is not None}


class _Machines:
    """Fabrics of a batch by name and degradation, each made once."""

    def __init__(self, fabrics: Mapping[str, Fabric]) -> None:
        if not isinstance(fabrics, Mapping):
            raise ArgumentError(f"fabrics must be a mapping from name to Fabric, got {fabrics!r}")
        for name, fabric in fabrics.items():
            if not isinstance(fabric, Fabric):
                raise ArgumentError(f"fabrics[{name!r}] must be a Fabric, got {fabric!r}")
        self._fabrics = fabrics
        self._made: dict[tuple[object, ...], Fabric] = {}

    def get(self, name: str, factors: Mapping[str, float]) -> Fabric:
        """Return the fabric of that name with these degradations."""
        key = (name, *factors.items())
        if key not in self._made:
            plain = self._fabrics.get(name)
            fabric = Fabric.preset(name) if plain is None else plain
            self._made[key] = fabric.degrade(factors) if factors else fabric
        return self._made[key]
