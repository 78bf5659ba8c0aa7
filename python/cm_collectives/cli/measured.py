"""What `validate` and `calibrate` share: files of measurements, and warnings in one line."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .sweep import READERS, read_frame

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import polars as pl

LOGS = ("nccl-tests", "hccl-test")


def add_measurement_flags(parser: argparse.ArgumentParser, *, optional: bool) -> None:
    """Add the file and what to know for reading a log."""
    parser.add_argument(
        "measurements",
        type=Path,
        nargs="?" if optional else None,
        help=f"a file .{', .'.join(READERS)} with the columns of cm.measurements(), or a log"
        + (" (default: the published measurements that ship)" if optional else ""),
    )
    parser.add_argument("--log", choices=LOGS, help="the file is what this program printed")
    parser.add_argument("--collective", help="of a log that does not name its program")
    parser.add_argument("-g", "--ngpus", type=int, metavar="N", help="ranks, of a log without them")


def read(chosen: argparse.Namespace) -> pl.DataFrame:
    """Return the measurements that the flags ask for."""
    from cm_collectives import read_hccl_test, read_nccl_tests

    path, known = chosen.measurements, {"collective": chosen.collective, "ranks": chosen.ngpus}
    if chosen.log == LOGS[0]:
        return read_nccl_tests(path, **known)
    if chosen.log == LOGS[1]:
        return read_hccl_test(path, **known)
    return read_frame(path)


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Write warnings as a command does its errors."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        print(f"cm-collectives: warning: {each.message}", file=sys.stderr)
