"""Frames as text and files: where the results of every command go."""

from __future__ import annotations

import io
import json
import sys
from math import floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

    import polars as pl

MAX_DECIMALS = 9

FORMATS = ("table", "csv", "json", "ndjson", "parquet")


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--format` and `-o`."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="form of the output (default: by the suffix of the output file, else a table)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write to a file (default: stdout)"
    )


def format_of(output: Path | None, chosen: str | None) -> str:
    """Return the format: the one chosen, or the one of the file's suffix, or a table."""
    if chosen is not None:
        return chosen
    if output is None:
        return "table"
    suffix = output.suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise ArgumentError(
            f"--output must end in one of .{', .'.join(FORMATS[1:])}, or --format must be given, "
            f"got {str(output)!r}"
        )
    return suffix


def write_frame(
    frame: pl.DataFrame, form: str, output: Path | None, about: dict[str, Any] | None = None
) -> None:
    """Write a frame; `about` is what JSON and Parquet files say besides the rows."""
    write(encode(frame, form, about or {}), output)


def write(data: bytes, output: Path | None) -> None:
    """Write to a file or to standard output."""
    if output is not None:
        output.write_bytes(data)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def encode(frame: pl.DataFrame, form: str, about: dict[str, Any]) -> bytes:
    """Return a frame in one of the formats."""
    if form == "table":
        return (table(frame) + "\n").encode()
    if form == "csv":
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        if nested:
            raise ArgumentError(f"csv cannot hold the nested column {nested[0]!r}; use parquet")
        return frame.write_csv().encode()
    if form == "json":
        return (json.dumps({**about, "rows": frame.to_dicts()}, indent=1) + "\n").encode()
    if form == "ndjson":
        return frame.write_ndjson().encode()
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata={"cm": json.dumps(about)})
    return buffer.getvalue()


def table(frame: pl.DataFrame) -> str:
    """Return every row and column as aligned text; numbers to the right."""
    columns = []
    for name, dtype in frame.schema.items():
        values = frame[name].to_list()
        decimals = _decimals(values) if dtype.is_float() else 0
        cells = [name, *(_cell(value, decimals) for value in values)]
        width = max(len(cell) for cell in cells)
        number = dtype.is_numeric()
        columns.append([cell.rjust(width) if number else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def _decimals(values: list[float | None]) -> int:
    """Return how many decimals, two at least, show three digits of the smallest value.

    None that are zero in every row.
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return 0
    needed = min(max(2 - floor(log10(min(sizes))), 2), MAX_DECIMALS)
    written = [f"{size:.{needed}f}".partition(".")[2].rstrip("0") for size in sizes]
    return max(len(digits) for digits in written)


def _cell(value: object, decimals: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{decimals}f}" if isinstance(value, float) else str(value)
