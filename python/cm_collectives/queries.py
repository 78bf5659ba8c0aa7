"""Cost queries: the questions and answers that a fabric remembers.

A client of another program asks the same few questions over and over, so what is remembered are
answers, by their arguments, and under them questions that are open for any size.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import _core
from .arguments import endpoints
from .asked import WITHOUT_SIZE, ask, payload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .asked import Asked, Question
    from .measure.calibration import Calibration

# Answers that a fabric remembers; at about 200 bytes each, 13 MB.
MEMO_SIZE = 65_536

# Questions that it remembers, whatever their size; at 4 bytes per rank and 1 kB, 2 MB.
CASES_SIZE = 512


class Machine(NamedTuple):
    """What of a fabric answers questions."""

    core: _core.Fabric
    calibration: Calibration | None


class Memo(Protocol):
    """What `functools.lru_cache` makes of `_time_ps`."""

    def __call__(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401
        """Return the picoseconds of a question."""

    def cache_info(self) -> Any:  # noqa: ANN401
        """Return hits, misses and sizes."""

    def cache_clear(self) -> None:
        """Forget all."""


class Cases(Protocol):
    """What `functools.lru_cache` makes of `open_case`."""

    def __call__(self, *args: Any, **kwargs: Any) -> _core.Case:  # noqa: ANN401
        """Return the question of collective, ranks, algorithm and keywords."""

    def cache_clear(self) -> None:
        """Forget all."""


class CacheInfo(NamedTuple):
    """How a fabric's memory of answers is used, as `functools.lru_cache` reports it."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Memory(NamedTuple):
    """What a fabric remembers of what it was asked."""

    cases: Cases
    answers: Memo
    lists: _core.RankLists


def memory(machine: Machine) -> Memory:
    """Return a memory of questions, one of answers and one of lists of ranks, all empty.

    They do not hold the fabric, so that it is freed as soon as nobody needs it.
    """
    # typed: True must not find the answer for 1.
    cases: Cases = lru_cache(CASES_SIZE, typed=True)(partial(open_case, machine.core))
    answers = lru_cache(MEMO_SIZE, typed=True)(partial(_time_ps, machine, cases))
    return Memory(cases, answers, _core.RankLists())


# What says more than how many bytes there are, or says it for one size only.
ONE_SIZE = frozenset(("counts", "moe", "per_rank_bytes", "size_bytes", "start_ps"))


def open_case(
    core: _core.Fabric,
    collective: object,
    ranks: object,
    algorithm: object,
    **keywords: Any,  # noqa: ANN401
) -> _core.Case:
    """Return the question that `keywords` ask, ready for any size."""
    asked = open_question(core, collective, ranks, algorithm, **keywords)
    return asked.case(core)


def open_question(
    core: _core.Fabric,
    collective: object,
    ranks: object,
    algorithm: object,
    **keywords: Any,  # noqa: ANN401
) -> Asked:
    """Return the question that `keywords` ask, at size 0 for all sizes."""
    size_bytes = None if collective == WITHOUT_SIZE else 0
    given = {"size_bytes": size_bytes, "ranks": listed(ranks), "algorithm": algorithm, **keywords}
    return ask(core.n_endpoints, collective, given)


def _time_ps(  # noqa: PLR0917 - lru_cache is fastest with positions
    machine: Machine,
    cases: Cases,
    collective: str,
    size_bytes: object,
    ranks: object,
    algorithm: object,
    **keywords: Any,  # noqa: ANN401
) -> int:
    per_rank_bytes = keywords.pop("per_rank_bytes", None)
    if not ONE_SIZE.isdisjoint(keywords):
        keywords["per_rank_bytes"] = per_rank_bytes
        return asked_once_ps(machine, collective, size_bytes, ranks, algorithm, **keywords)
    case = cases(collective, ranks, algorithm, **keywords)
    asked = payload(collective, case.n_ranks, size_bytes, per_rank_bytes)
    time_ps = case.time_ps(asked.size_bytes)
    if machine.calibration is not None:
        question = open_question(machine.core, collective, ranks, algorithm, **keywords).question
        warn_beyond(machine, question, asked.size_bytes or 0)
    return time_ps


def asked_once_ps(
    machine: Machine,
    collective: object,
    size_bytes: object,
    ranks: object,
    algorithm: object,
    **keywords: Any,  # noqa: ANN401
) -> int:
    """Return the picoseconds of a question that is not remembered."""
    given = {"size_bytes": size_bytes, "ranks": listed(ranks), "algorithm": algorithm, **keywords}
    asked = ask(machine.core.n_endpoints, collective, given)
    time_ps = asked.run(machine.core).time_ps
    warn_beyond(machine, asked.question, asked.question.payload.volume_bytes or 0)
    return time_ps


def warn_beyond(machine: Machine, question: Question, sizes_bytes: int | NDArray[np.int64]) -> None:
    """Warn where the answer to a caller of `Fabric` leaves what its calibration has seen."""
    if machine.calibration is not None:
        from .measure import reach

        sizes = [sizes_bytes] if isinstance(sizes_bytes, int) else reach.telling(sizes_bytes)
        used = [reach.Used(machine.core, machine.calibration, question, size) for size in sizes]
        reach.warn(used)


def rank_key(lists: _core.RankLists, ranks: Any, n_endpoints: int) -> object:  # noqa: ANN401
    """Return what stands for a list, a tuple or an array of ranks as a key, wherever it comes from.

    Ranks that are plain integers are checked where the question is new. A bool or a NumPy integer
    among them would be equal to one, so others are checked and made plain here.
    """
    if isinstance(ranks, (list, tuple)) and (known := lists.find(ranks)) is not None:
        return known
    return lists.find(endpoints(ranks, n_endpoints))


def listed(ranks: object) -> object:
    """Return ranks as `ask` takes them."""
    return ranks.ranks if isinstance(ranks, _core.RankList) else ranks


def are_hashable(*values: object) -> bool:
    """Return whether arguments could be a key."""
    try:
        hash(values)
    except TypeError:
        return False
    return True
