"""`cm-collectives validate`: what is predicted beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .measured import add_measurement_flags, read, warnings_in_one_line
from .output import add_output_flags, format_of, table, write, write_frame
from .parser import Parser, add_fabric_flags, machine, named_machine

if TYPE_CHECKING:
    import argparse

    import polars as pl

# What a reader of the table wants to see; files hold everything.
COLUMNS = (
    "fabric",
    "collective",
    "ranks",
    "size_bytes",
    "library",
    "time_us",
    "predicted_us",
    "error_percent",
    "algorithm_used",
    "regime",
)


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "validate",
        help="compare predictions with measurements",
        description="Predict every measurement of a file, or all published ones that ship, and "
        "print both times and their difference. The library of a row picks its calibration. The "
        "column fabric picks a preset; without one all rows are of --fabric.",
    )
    add_measurement_flags(parser, optional=True)
    add_fabric_flags(parser)
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="predict all rows with this one"
    )
    parser.add_argument(
        "--summary", action="store_true", help="errors per fabric, collective and size decade"
    )
    parser.add_argument(
        "--misses", type=float, metavar="PERCENT", help="only rows that are further off"
    )
    parser.add_argument(
        "--framework",
        action="store_true",
        help="rows of HCCL are production times: add the documented overhead of the framework",
    )
    add_output_flags(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    import polars as pl

    from cm_collectives import Calibration, measurements, summary, validate

    form = format_of(chosen.output, chosen.format)
    frame = measurements() if chosen.measurements is None else read(chosen)
    calibration = None if chosen.calibration is None else Calibration.load(chosen.calibration)
    with warnings_in_one_line():
        if "fabric" in frame.columns:
            fabrics = {name: named_machine(name, {}) for name in frame["fabric"].unique()}
            report = validate(fabrics, frame, calibration, framework=chosen.framework)
        else:
            report = validate(machine(chosen), frame, calibration, framework=chosen.framework)
    if chosen.misses is not None:
        report = report.filter(pl.col("relative_error").abs() * 100 > chosen.misses)
    if chosen.summary:
        report = summary(report)
    if form != "table":
        write_frame(report, form, chosen.output)
    else:
        write(f"{table(report if chosen.summary else _short(report))}\n".encode(), chosen.output)
    return 0


def _short(report: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    percent = (pl.col("relative_error") * 100).round(1).alias("error_percent")
    shown = report.with_columns(pl.col("predicted_us").round(2), percent)
    return shown.select(name for name in COLUMNS if name in shown.columns)
