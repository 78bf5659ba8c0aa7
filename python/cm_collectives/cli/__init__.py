"""The command `cm-collectives`: one file per command, built on the public interface only."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cm_collectives.errors import ArgumentError, CmError, SpecError, UnsupportedError

from . import algorithms, calibrate, compare, fabric, perf, report, sweep, tune, validate, verify
from .parser import Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

OK = 0
FAILED = 1
BAD_ARGUMENTS = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Returns
    -------
    int
        0; 1 if a run failed; 2 for bad arguments; 130 after Ctrl-C. Errors are one line on standard
        error.
    """
    try:
        chosen = _parser().parse_args(arguments)
        return int(chosen.run(chosen))
    except (ArgumentError, SpecError, UnsupportedError, FileNotFoundError) as error:
        return _complain(error, BAD_ARGUMENTS)
    except CmError as error:
        return _complain(error, FAILED)
    except BrokenPipeError:
        # The reader has seen enough. Nothing may be written when the interpreter closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(error: Exception, status: int) -> int:
    words = " ".join(str(error).split())
    print(f"cm-collectives: {words}", file=sys.stderr)
    return status


def _parser() -> Parser:
    parser = Parser(
        prog="cm-collectives",
        description="Exact simulation of collectives on AI supernodes.",
        epilog="Exit status: 0; 1 if a run failed; 2 for bad arguments; 130 after Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=f"cm-collectives {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (
        perf,
        compare,
        sweep,
        tune,
        validate,
        calibrate,
        report,
        fabric,
        algorithms,
        verify,
    ):
        command.add_to(commands)
    return parser


def _version() -> str:
    from cm_collectives import __version__

    return __version__
