"""Answers as the tables that other tools read; each format is a file in `formats`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .arguments import text, unknown_name
from .errors import ArgumentError
from .frames import collected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from .fabric import Fabric

# The columns of an answered sweep that tables are made of.
_COLUMNS = ("fabric", "collective", "ranks", "size_bytes", "time_ps")

FORMATS = ("nccl-tests", "msmodeling", "aiconfigurator")


def write_tables(
    answered: pl.DataFrame,
    out: str | os.PathLike[str],
    *,
    format: str,  # noqa: A002 - the word of the command line
    fabric: Fabric,
    datatype: str = "half",
) -> list[Path]:
    """Write answered scenarios as the files that another tool reads in place of measurements.

    Parameters
    ----------
    answered : polars.DataFrame
        What `cm.sweep` returned, of one fabric, with `ranks` as numbers. Every row must have a
        time. Where one question is there more than once (by several algorithms), the least time
        counts.
    out : str or path
        A directory; it is made if it is not there. A file of the same name is replaced, at once.
    format : str
        "nccl-tests": `<collective>_<ranks>.json` as its option `-J` writes it. "msmodeling": the
        CSV files of Huawei's msmodeling, `hcom_allReduce_.csv` and so on. "aiconfigurator": the
        table `nccl_perf.parquet` of NVIDIA's aiconfigurator.
    fabric : Fabric
        The machine; the tiers of msmodeling follow from it.
    datatype : str
        Type of the elements: "half", "bfloat16", "int8", "float"; a tool may know fewer.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the collectives.

    Raises
    ------
    ArgumentError
        If a column is missing, a row has no time, or the format has no place for a collective, a
        datatype or a size.

    Notes
    -----
    Times in microseconds (nccl-tests, msmodeling) and milliseconds (aiconfigurator) are floats; the
    files say where they can that they are simulated.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> asked = cm.grid(
    ...     fabric="cm384", collective="all_reduce", ranks=[2], size_bytes=[270_000_000]
    ... )
    >>> answered = cm.sweep(asked, {"cm384": fabric})
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as out:
    ...     (file,) = cm.write_tables(answered, out, format="msmodeling", fabric=fabric)
    ...     # 270 MB over the link of 270 GB/s between two dies: 1 ms
    ...     file.name, pl.read_csv(file)["Duration(us)"].item()
    ('hcom_allReduce_.csv', 1000.0)
    """
    render = _renderer(text(format, "format"))
    rows = _rows(answered)
    from pathlib import Path

    folder = Path(out)
    files = render(rows, fabric, text(datatype, "datatype"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _replace(folder / name, content)
    return [folder / name for name in files]


def _renderer(
    form: str,
) -> Callable[[list[dict[str, Any]], Fabric, str], dict[str, bytes]]:
    if form == "nccl-tests":
        from .formats.nccl_tests_json import render
    elif form == "msmodeling":
        from .formats.msmodeling_csv import render
    elif form == "aiconfigurator":
        from .formats.aiconfigurator_parquet import render
    else:
        raise unknown_name("format", form, FORMATS)
    return render


def _rows(answered: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one row per question, with the least time, in order of collective, ranks and size."""
    import polars as pl

    frame = collected(answered, "answered")
    for name in _COLUMNS:
        if name not in frame.columns:
            raise ArgumentError(f"answered has no column {name!r}; write_tables takes a sweep's")
    if not frame.schema["ranks"].is_integer():
        raise ArgumentError("answered: ranks must be numbers; a table has no lists of ranks")
    frame = frame.select(_COLUMNS)
    holes = frame.with_row_index("row").filter(pl.any_horizontal(pl.all().is_null()))
    if len(holes):
        raise ArgumentError(f"answered: row {holes['row'][0]} has no time or no size; leave it out")
    if frame["fabric"].n_unique() > 1:
        names = ", ".join(frame["fabric"].unique().sort())
        raise ArgumentError(f"answered must be of one fabric, got {names}; filter it first")
    by = ["collective", "ranks", "size_bytes"]
    return frame.group_by(by).agg(pl.col("time_ps").min()).sort(by).to_dicts()


def _replace(path: Path, content: bytes) -> None:
    """Write a file and put it in its place, so that nobody finds half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
