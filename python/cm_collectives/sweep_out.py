"""Sweeps into a directory: part by part, here or by an executor, and again after a kill.

The scenarios are read twice. The first time gives their digests, by which the directory is opened;
the second time gives the parts that are missing. A part is a pure function of its scenarios, so who
computes it and when does not matter.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import _core
from .content import frame_digest
from .errors import ArgumentError, CmError, SweepError
from .fabric import Fabric
from .progress import part_of
from .scenarios import check_columns
from .sweep import answers
from .sweep_parts import Directory, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor, Future
    from os import PathLike

    import polars as pl

    from .progress import Progress

# Parts handed to an executor and not yet done; it keeps their scenarios in memory.
_IN_FLIGHT = 256


def sweep_out(
    scenarios: pl.DataFrame | pl.LazyFrame,
    fabrics: Mapping[str, Fabric],
    *,
    out: str | PathLike[str],
    executor: Executor | None,
    resume: bool,
    part_rows: int,
    threads: int | None,
    report: Progress | None,
    on_error: str,
) -> pl.LazyFrame:
    """Sweep into a directory; see `sweep`."""
    import polars as pl

    _check_executor(executor)
    survey = _Survey.of(scenarios, fabrics, part_rows)
    manifest = survey.manifest
    directory = Directory(_path(out))
    directory.open(manifest, resume=resume)
    missing = [i for i, digest in enumerate(survey.digests) if not directory.has(i, digest)]
    n_missing = sum(survey.part_rows_of(i) for i in missing)
    count = _Count(manifest.rows - n_missing, manifest.rows, report)
    tasks = (
        Task(
            directory=directory.path,
            number=index,
            first_row=index * part_rows,
            scenarios=frame,
            digest=survey.digests[index],
            fabrics=_needed(frame, fabrics),
            threads=threads if executor is None else threads or 1,
            on_error=on_error,
            version=manifest.version,
        )
        for index, frame in _chosen(scenarios, survey, missing)
    )
    if executor is None:
        for task in tasks:
            count.add(task.run(count.of_part()))
    else:
        _spread(executor, tasks, count)
    lost = [i for i in missing if not directory.part(i).exists()]
    if lost:
        raise SweepError(
            f"{directory.part(lost[0])} is not there although its task is done; the workers of the "
            "executor must see the directory under the same path"
        )
    directory.clear()
    answered = pl.scan_parquet([directory.part(i) for i in range(manifest.n_parts)])
    if on_error == "raise":
        _raise_first(answered)
    return answered


def _raise_first(answered: pl.LazyFrame) -> None:
    """Raise the first error of the parts of an earlier run, which went on after errors."""
    import polars as pl

    failed = answered.select("error").with_row_index("row").filter(pl.col("error").is_not_null())
    for row, error in failed.head(1).collect().iter_rows():
        raise CmError(f"row {row}: {error}")


def _path(out: object) -> Path:
    try:
        return Path(out).resolve()  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"out must be the path of a directory, got {out!r}") from None


def _check_executor(executor: object) -> None:
    if executor is None:
        return
    from concurrent.futures import Executor

    if not isinstance(executor, Executor):
        raise ArgumentError(
            f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}"
        )


class Task(NamedTuple):
    """One part: all that a worker needs, on whatever machine."""

    directory: Path
    number: int
    first_row: int
    scenarios: pl.DataFrame
    digest: str
    fabrics: dict[str, Fabric]
    threads: int | None
    on_error: str
    version: str

    def run(self, report: Progress | None = None) -> int:
        """Write the part and return its number of rows."""
        if _core.__version__ != self.version:
            raise SweepError(
                f"the sweep is by version {self.version} of cm_collectives, this worker has "
                f"{_core.__version__}"
            )
        frame = answers(
            self.scenarios,
            self.fabrics,
            threads=self.threads,
            report=report,
            on_error=self.on_error,
            first_row=self.first_row,
        )
        Directory(self.directory).write(self.number, frame, self.digest)
        return len(frame)


class _Survey(NamedTuple):
    """What one reading of the scenarios tells."""

    manifest: Manifest
    digests: list[str]

    @classmethod
    def of(
        cls, scenarios: pl.DataFrame | pl.LazyFrame, fabrics: Mapping[str, Fabric], part_rows: int
    ) -> _Survey:
        """Read and check all scenarios."""
        rows, digests, named, schema = 0, [], set[str](), {}
        total = sha256()
        for frame in _slices(scenarios, part_rows):
            check_columns(frame, rows)
            rows += len(frame)
            digests.append(frame_digest(frame))
            total.update(digests[-1].encode())
            named.update(frame["fabric"].unique().to_list())
            schema = {name: repr(dtype) for name, dtype in frame.schema.items()}
        manifest = Manifest(
            version=_core.__version__,
            rows=rows,
            part_rows=part_rows,
            schema=schema,
            scenarios=total.hexdigest(),
            fabrics={name: _digest_of(name, fabrics) for name in sorted(named)},
        )
        return cls(manifest, digests)

    def part_rows_of(self, index: int) -> int:
        """Return the number of rows of a part."""
        first = index * self.manifest.part_rows
        return min(self.manifest.part_rows, self.manifest.rows - first)


def _digest_of(name: str, fabrics: Mapping[str, Fabric]) -> str | None:
    """Return the digest of a fabric; none for an unknown name, which its rows will say."""
    try:
        fabric = fabrics.get(name)
        return (Fabric.preset(name) if fabric is None else fabric).digest
    except CmError:
        return None


def _needed(frame: pl.DataFrame, fabrics: Mapping[str, Fabric]) -> dict[str, Fabric]:
    named = set(frame["fabric"].unique().to_list())
    return {name: fabric for name, fabric in fabrics.items() if name in named}


def _slices(scenarios: pl.DataFrame | pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield the scenarios in frames of `rows`; of none, one frame without rows."""
    import polars as pl

    if isinstance(scenarios, pl.DataFrame):
        yield from scenarios.iter_slices(rows) if len(scenarios) > 0 else [scenarios]
        return
    if not isinstance(scenarios, pl.LazyFrame):
        raise ArgumentError(
            f"scenarios must be a polars DataFrame or LazyFrame, got {type(scenarios).__name__}"
        )
    held = pl.DataFrame(schema=scenarios.collect_schema())
    empty = True
    for batch in scenarios.collect_batches(chunk_size=rows, maintain_order=True):
        held = held.vstack(batch)
        while len(held) >= rows:
            yield held[:rows].rechunk()
            held, empty = held[rows:], False
    if len(held) > 0 or empty:
        yield held.rechunk()


def _chosen(
    scenarios: pl.DataFrame | pl.LazyFrame, survey: _Survey, parts: list[int]
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the slices of these parts, as the survey has seen them."""
    import polars as pl

    wanted, last = set(parts), max(parts, default=-1)
    if not wanted:
        return
    for index, frame in enumerate(_slices(scenarios, survey.manifest.part_rows)):
        if index in wanted:
            # A frame in memory is the same frame; a query may give its rows in another order.
            is_query = not isinstance(scenarios, pl.DataFrame)
            if is_query and frame_digest(frame) != survey.digests[index]:
                raise ArgumentError(
                    "scenarios: the rows differ when the LazyFrame is read again; sort or collect "
                    "it first"
                )
            yield index, frame
        if index == last:
            return


class _Count:
    """How many scenarios are done, and who wants to know."""

    def __init__(self, done: int, total: int, report: Progress | None) -> None:
        self._done, self._total, self._report = done, total, report
        self.add(0)

    def add(self, rows: int) -> None:
        """Count a finished part."""
        self._done += rows
        if self._report is not None:
            self._report(self._done, self._total)

    def of_part(self) -> Progress | None:
        """Return the reporter of the part that comes next."""
        return part_of(self._report, self._done, self._total)


def _spread(executor: Executor, tasks: Iterator[Task], count: _Count) -> None:
    """Run tasks by an executor, a bounded number at a time."""
    from concurrent.futures import FIRST_COMPLETED, wait

    running: dict[Future[int], int] = {}

    def settle() -> None:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            count.add(_result(future, running.pop(future)))

    try:
        for task in tasks:
            if len(running) >= _IN_FLIGHT:
                settle()
            running[_submit(executor, task)] = task.number
        while running:
            settle()
    finally:
        for future in running:
            future.cancel()


def _submit(executor: Executor, task: Task) -> Future[int]:
    try:
        return executor.submit(task.run)
    except Exception as error:
        raise _died(task.number, error) from error


def _result(future: Future[int], index: int) -> int:
    """Return what a task did, or raise its error; whatever an executor raises means it is lost."""
    try:
        return future.result()
    except CmError:
        raise
    except Exception as error:
        raise _died(index, error) from error


def _died(index: int, error: BaseException) -> SweepError:
    return SweepError(
        f"the executor did not finish part {index}: {type(error).__name__}: {error}; what is "
        "finished is kept, and the same call with a working executor goes on"
    )
