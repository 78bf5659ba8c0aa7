"""How far a batch has come: a caller's function, or a line on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from .errors import ArgumentError

Progress = Callable[[int, int], None]


def reporter(progress: object) -> Progress | None:
    """Return what to call as `(done, total)` while a batch runs; see `sweep`."""
    if callable(progress):
        return progress
    if progress is not None and not isinstance(progress, bool):
        raise ArgumentError(f"progress must be callable, True, False or None, got {progress!r}")
    shown = sys.stderr.isatty() if progress is None else progress
    return _Line() if shown else None


def part_of(report: Progress | None, before: int, total: int) -> Progress | None:
    """Return the reporter of a part of a batch of which `before` are done already."""
    if report is None:
        return None
    return lambda done, _: report(before + done, total)


class _Line:
    """A line on standard error with what is done and an estimate of the time left."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._before: int | None = None
        self._ended = False

    def __call__(self, done: int, total: int) -> None:
        """Write the line anew; the last one ends it."""
        if self._ended:
            return
        self._ended = done >= total
        if self._before is None:
            self._before = done  # of a batch that goes on, what an earlier run did
        spent, new = time.monotonic() - self._begin, done - self._before
        left = f", {spent / new * (total - done):.0f} s left" if new > 0 and done < total else ""
        end = "\n" if self._ended else ""
        sys.stderr.write(f"\r\x1b[K{done} of {total} scenarios, {spent:.0f} s{left}{end}")
        sys.stderr.flush()
