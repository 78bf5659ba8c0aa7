"""Quick questions about a fabric, for callers who ask the same few over and over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core, queries
from .arguments import integer, size_array
from .asked import WITHOUT_SIZE
from .errors import ArgumentError
from .queries import (
    ONE_SIZE,
    CacheInfo,
    are_hashable,
    asked_once_ps,
    open_case,
    open_question,
    rank_key,
    warn_beyond,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .arguments import Ranks, Size
    from .queries import Memory

PS_PER_S = 1e12


class Timed:
    """What answers how long one collective takes, and remembers it: the base of `Fabric`."""

    __slots__ = ()

    core: _core.Fabric
    _machine: queries.Machine
    _memory: Memory

    def time_ps(
        self,
        collective: str,
        size_bytes: Size | None = None,
        *,
        ranks: Ranks | None = None,
        algorithm: str = "auto",
        **question: Any,  # noqa: ANN401
    ) -> int:
        """Return the time of one collective in integer picoseconds.

        The answer is that of `cm.simulate(...).time_ps`, remembered per process: a repeated
        question with hashable arguments costs about a microsecond.

        Parameters
        ----------
        collective : str
            Name of the collective.
        size_bytes : int or str, optional
            Size in the nccl-tests sense, in bytes (>= 0).
        ranks : int or sequence of int, optional
            The first n endpoints, or endpoints in rank order; all by default.
        algorithm : str
            Name of the algorithm; "auto" is the fastest.
        **question
            Everything else that `cm.simulate` takes for one collective.

        Returns
        -------
        int
            Picoseconds, the exact time rounded up once.

        Raises
        ------
        CmError
            As `cm.simulate`.

        Warns
        -----
        CalibrationWarning
            If the answer leaves what the calibration of the fabric has seen.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
        >>> # two sibling dies exchange halves twice over 270 GB/s: 2 * 1/2 * 270 MB / 270 GB/s
        >>> fabric.time_ps("all_reduce", 270_000_000, ranks=2, algorithm="ring")
        1000000000
        """
        memory = self._memory
        asked: object = ranks
        if isinstance(ranks, (list, tuple)) or hasattr(ranks, "tolist"):
            asked = rank_key(memory.lists, ranks, self.core.n_endpoints)
        try:
            return memory.answers(collective, size_bytes, asked, algorithm, **question)
        except TypeError:
            if are_hashable(size_bytes, *question.values()):
                raise
        return asked_once_ps(self._machine, collective, size_bytes, ranks, algorithm, **question)

    def time_s(
        self,
        collective: str,
        size_bytes: Size | None = None,
        *,
        ranks: Ranks | None = None,
        algorithm: str = "auto",
        **question: Any,  # noqa: ANN401
    ) -> float:
        """Return the time of one collective in seconds.

        Parameters, errors, warnings and memory are those of `time_ps`.

        Returns
        -------
        float
            `time_ps / 1e12`.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
        >>> fabric.time_s("all_reduce", size_bytes=270_000_000, ranks=2, algorithm="ring")
        0.001
        """
        return (
            self.time_ps(collective, size_bytes, ranks=ranks, algorithm=algorithm, **question)
            / PS_PER_S
        )

    def times_s(
        self,
        collective: str,
        sizes_bytes: object,
        *,
        ranks: Ranks | None = None,
        algorithm: str = "auto",
        threads: int | None = None,
        **question: Any,  # noqa: ANN401
    ) -> NDArray[np.float64]:
        """Return the times of one collective at many sizes, in seconds.

        The values are the same bits as those of `time_s`. The interpreter is free for other threads
        meanwhile.

        Parameters
        ----------
        collective : str
            Name of the collective; not a barrier, which has no size.
        sizes_bytes : array_like
            Sizes in bytes.
        ranks, algorithm, **question
            As for `time_ps`, without `counts` and `start_ps`.
        threads : int, optional
            Threads to use; all processors by default. The result does not depend on it.

        Returns
        -------
        numpy.ndarray
            float64, in the shape of `sizes_bytes`.

        Raises
        ------
        CmError
            As `cm.simulate`.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
        >>> fabric.times_s("all_reduce", [0, 270_000_000], ranks=2, algorithm="ring")
        array([0.   , 0.001])
        """
        sizes = size_array(sizes_bytes)
        if collective == WITHOUT_SIZE or not ONE_SIZE.isdisjoint(question):
            raise ArgumentError(
                f"times_s asks for many sizes, so it takes no {WITHOUT_SIZE} and none of "
                f"{', '.join(sorted(ONE_SIZE))}; use time_s"
            )
        case = open_case(self.core, collective, ranks, algorithm, **question)
        n_threads = None if threads is None else integer(threads, "threads", 1, 2**16)
        times = _core.times_ps(case, sizes.ravel(), n_threads)
        if self._machine.calibration is not None and sizes.size > 0:
            asked = open_question(self.core, collective, ranks, algorithm, **question)
            warn_beyond(self._machine, asked.question, sizes)
        seconds: NDArray[np.float64] = times.reshape(sizes.shape) / PS_PER_S
        return seconds

    def cache_info(self) -> CacheInfo:
        """Return how the memory of `time_ps` and `time_s` is used.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=1, timing="line_rate").degrade({})
        >>> _ = [fabric.time_s("barrier", ranks=4) for _ in range(3)]
        >>> fabric.cache_info()
        CacheInfo(hits=2, misses=1, maxsize=65536, currsize=1)
        """
        info = self._memory.answers.cache_info()
        return CacheInfo(info.hits, info.misses, queries.MEMO_SIZE, info.currsize)

    def cache_clear(self) -> None:
        """Forget the answers of `time_ps` and `time_s`, and the questions.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=1)
        >>> fabric.cache_clear()
        >>> fabric.cache_info().currsize
        0
        """
        self._memory.answers.cache_clear()
        self._memory.cases.cache_clear()
