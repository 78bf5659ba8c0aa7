"""`cm-collectives sweep`: a file of scenarios in, a file or a directory of answers out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cm_collectives.errors import ArgumentError

from .output import add_output_flags, format_of, write_frame

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from .parser import Parser

READERS = ("csv", "json", "ndjson", "parquet")


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="simulate every scenario of a file",
        description="Simulate every scenario of a file: columns fabric (name of a preset), "
        "collective, ranks, size_bytes, and optionally algorithm, routing, engine, seed, root, "
        "degrade and options. Progress is shown on a terminal. Exit status 1 if a scenario failed; "
        "its row says why in the column error. With -o DIRECTORY the answers go to parts that "
        "survive a kill; the same command again does the parts that are missing.",
    )
    parser.add_argument("scenarios", type=Path, help=f"a file .{', .'.join(READERS)}")
    parser.add_argument("--threads", type=int, metavar="N", help="default: all processors")
    parser.add_argument(
        "--on-error",
        choices=("column", "raise"),
        default="column",
        help="go on and say why in the column error (default), or stop at the first error",
    )
    parser.add_argument(
        "--part-rows",
        type=int,
        metavar="N",
        help="scenarios per part of a directory (default: 16384)",
    )
    add_output_flags(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import sweep

    common = {"threads": chosen.threads, "on_error": chosen.on_error}
    if chosen.format is None and chosen.output is not None and _is_directory(chosen.output):
        parts = {} if chosen.part_rows is None else {"part_rows": chosen.part_rows}
        scenarios = scan_frame(chosen.scenarios)
        errors = sweep(scenarios, out=chosen.output, **common, **parts).select("error").collect()
    else:
        if chosen.part_rows is not None:
            raise ArgumentError("--part-rows needs -o DIRECTORY")
        form = format_of(chosen.output, chosen.format)
        frame = sweep(read_frame(chosen.scenarios), **common)
        write_frame(frame, form, chosen.output)
        errors = frame.select("error")
    failed = len(errors) - errors["error"].null_count()
    if failed:
        print(f"cm-collectives: {failed} of {len(errors)} scenarios failed", file=sys.stderr)
    return 1 if failed else 0


def _is_directory(output: Path) -> bool:
    return output.is_dir() or not output.suffix


def scan_frame(path: Path) -> pl.LazyFrame:
    """Return the frame in a file, read as it is needed where the format allows it."""
    import polars as pl

    if path.suffix not in (".csv", ".ndjson", ".parquet"):
        return read_frame(path).lazy()
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        match path.suffix:
            case ".csv":
                frame = pl.scan_csv(path)
            case ".ndjson":
                frame = pl.scan_ndjson(path)
            case _:
                frame = pl.scan_parquet(path)
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise ArgumentError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from None
    return frame


def read_frame(path: Path) -> pl.DataFrame:
    """Return the frame in a file; JSON is a list of rows, or an object with `rows`."""
    import polars as pl

    kind = path.suffix.removeprefix(".")
    if kind not in READERS:
        raise ArgumentError(f"the input must end in .{', .'.join(READERS)}, got {str(path)!r}")
    try:
        match kind:
            case "csv":
                return pl.read_csv(path)
            case "ndjson":
                return pl.read_ndjson(path)
            case "parquet":
                return pl.read_parquet(path)
        content = json.loads(path.read_text())
        rows = content["rows"] if isinstance(content, dict) else content
        return pl.DataFrame(rows, infer_schema_length=None)
    except (pl.exceptions.PolarsError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ArgumentError(f"{path} cannot be read as {kind}: {error}") from None
