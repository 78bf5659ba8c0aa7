"""Warnings where answers on a calibrated fabric leave what was measured.

A `Result` says so itself (`Result.extrapolates`); plain numbers and rows of a table cannot.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, NamedTuple

from cm_collectives.asked import AUTO, WITH_TOKENS, WITHOUT_SIZE
from cm_collectives.errors import CalibrationWarning

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from cm_collectives import _core
    from cm_collectives.asked import Question

    from .calibration import Calibration

_PACKAGE = __name__.partition(".")[0]


class Placed(NamedTuple):
    """A schedule on its endpoints: what of a question a calibration looks at."""

    collective: str
    algorithm: str
    endpoints: list[int]


class Used(NamedTuple):
    """A question that a calibrated fabric has answered."""

    core: _core.Fabric
    calibration: Calibration
    question: Question | Placed
    size_bytes: int


def beyond(used: Used) -> str | None:
    """Return why an answer lies outside of what was measured; None if it does not.

    Of "auto" the library's own choice is looked at, as the regime is the library's.
    """
    question, n_ranks = used.question, len(used.question.endpoints)
    if n_ranks == 1 or (used.size_bytes == 0 and question.collective != WITHOUT_SIZE):
        return None
    algorithm = None if question.algorithm == AUTO else question.algorithm
    regime: str | None = question.collective
    if question.collective not in WITH_TOKENS:
        regime = used.core.regime(
            question.collective, question.endpoints, algorithm, used.size_bytes
        )
    return (
        None if regime is None else used.calibration.extrapolates(regime, n_ranks, used.size_bytes)
    )


def telling(sizes_bytes: NDArray[np.int64]) -> list[int]:
    """Return the least and the greatest size of each power of two.

    What was measured is a few ranges of sizes, far wider than that: looking at these is enough for
    millions.
    """
    import numpy as np

    sizes = np.unique(sizes_bytes)
    power = np.frexp(sizes.astype(np.float64))[1]
    is_first = np.diff(power, prepend=-1) > 0
    is_last = np.diff(power, append=power[-1:] + 1) > 0
    chosen: list[int] = sizes[is_first | is_last].tolist()
    return chosen


def warn(answers: Iterable[Used]) -> None:
    """Warn once of all answers that lie outside of what was measured, with the first of them."""
    found = ((used, beyond(used)) for used in answers)
    outside = [(used, why) for used, why in found if why is not None]
    if not outside:
        return
    used, why = outside[0]
    others = f", and {len(outside) - 1} more" if len(outside) > 1 else ""
    warnings.warn(
        f"{used.question.collective} of {used.size_bytes} bytes over "
        f"{len(used.question.endpoints)} ranks{others}: outside of what the calibration for "
        f"{used.calibration.library} has seen: {why}",
        CalibrationWarning,
        stacklevel=_callers_level(),
    )


def _callers_level() -> int:
    """Return the level, as `warn` counts, of the frame that called into this package."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    return level
