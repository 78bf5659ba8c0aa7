"""`cm-collectives verify`: the proof that a schedule computes its collective."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError, VerifyError

from .nccl import parse_size
from .parser import pairs
from .sweep import READERS, read_frame

if TYPE_CHECKING:
    import argparse

    import cm_collectives as cm

    from .parser import Parser


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "verify",
        help="prove that a schedule computes its collective",
        description="Prove that the transfers of a file, or of a built-in algorithm, compute a "
        "collective. Exit status 1 with the broken rule if they do not.",
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        help=f"transfers (.{', .'.join(READERS)}) with the columns src, dst, chunk, op and step or "
        "depends_on",
    )
    parser.add_argument("--collective", required=True)
    parser.add_argument("--algorithm", help="instead of a file, a built-in algorithm")
    parser.add_argument("-g", "--ngpus", type=int, required=True, metavar="N", help="ranks")
    parser.add_argument("-b", "--minbytes", default="1M", metavar="SIZE", help="size (default: 1M)")
    parser.add_argument("-r", "--root", type=int, default=0, metavar="RANK", help="root rank")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the algorithm; may be repeated",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    if (chosen.file is None) == (chosen.algorithm is None):
        raise ArgumentError("verify needs either a file or --algorithm")
    try:
        schedule = _schedule(chosen)
        schedule.verify()
    except VerifyError as error:
        print(f"cm-collectives: {error}", file=sys.stderr)
        return 1
    print(f"verified: {schedule!r}")
    return 0


def _schedule(chosen: argparse.Namespace) -> cm.Schedule:
    from cm_collectives import Schedule, schedule

    size_bytes = None if chosen.collective == "barrier" else parse_size(chosen.minbytes)
    if chosen.file is None:
        options: dict[str, Any] = {**pairs(chosen.option, "--option")}
        return schedule(
            chosen.collective,
            chosen.algorithm,
            ranks=chosen.ngpus,
            size_bytes=size_bytes,
            root=chosen.root,
            **options,
        )
    return Schedule.from_frame(
        read_frame(chosen.file),
        collective=chosen.collective,
        ranks=chosen.ngpus,
        size_bytes=size_bytes,
        root=chosen.root,
    )
