"""Which algorithm is best, by how much, and where that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from .arguments import ask, known_collective, size
from .errors import ArgumentError, CmError, UnsupportedError
from .fabric import PS_PER_S, Fabric
from .sweep import Row, answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from .arguments import Ranks, Size


def tune(
    fabric: Fabric,
    collective: str,
    sizes: Iterable[Size],
    ranks: Ranks | None = None,
    *,
    threads: int | None = None,
    **question: Any,  # noqa: ANN401
) -> pl.DataFrame:
    """Return the algorithms for each size, the fastest first.

    Algorithms that do not compute the collective on these ranks are left out; options keep their
    defaults.

    Parameters
    ----------
    fabric : Fabric
        The machine.
    collective : str
        Name of a collective other than a barrier.
    sizes : iterable of int or str
        Sizes in bytes.
    ranks : int or sequence of int, optional
        The first n endpoints, or endpoints in rank order; all by default.
    threads : int, optional
        Threads to use; all processors by default.
    **question
        Everything else that `cm.simulate` takes for one collective (`routing`, `root`, ...).

    Returns
    -------
    polars.DataFrame
        One row per size and algorithm, sizes in the given order: `size_bytes`, `place` (Int64, 1 is
        the fastest; equals in the order of `cm.algorithms()`), `algorithm` (String), `time_ps`
        (Int64), `time_s`, `slowdown` (Float64, time over that of the fastest; null where that is
        0).

    Raises
    ------
    ArgumentError
        If a name is unknown or a value is outside its range.
    UnsupportedError
        If no algorithm computes the collective on these ranks.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384")
    >>> best = cm.tune(fabric, "all_reduce", ["1KiB", "1MiB"], ranks=16).filter(place=1)
    >>> best.select("size_bytes", "algorithm").rows()
    [(1024, 'one_shot'), (1048576, 'two_shot')]
    """
    import polars as pl

    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    for name in ("algorithm", "size_bytes", "per_rank_bytes", "counts", "start_ps"):
        if name in question:
            raise ArgumentError(f"tune takes no {name}; it tries every algorithm at every size")
    name = known_collective(collective)
    checked = [size(each, f"sizes[{i}]") for i, each in enumerate(sizes)]
    asking = {"ranks": ranks, **question}
    candidates = _candidates(fabric, name, asking)
    asked = [
        (size_bytes, algorithm, _row(fabric, name, algorithm, size_bytes, asking))
        for size_bytes in checked
        for algorithm in candidates
    ]
    batch = answer([row for _, _, row in asked], threads=threads, progress=False)
    for message in batch.error:
        if message is not None:
            raise CmError(message)
    frame = pl.DataFrame(
        {
            "size_bytes": pl.Series([each[0] for each in asked], dtype=pl.Int64),
            "algorithm": pl.Series([each[1] for each in asked], dtype=pl.String),
            "time_ps": pl.Series(batch.time_ps, dtype=pl.Int64),
        }
    )
    return _ranked(frame, checked)


def _candidates(fabric: Fabric, collective: str, asking: dict[str, Any]) -> list[str]:
    """Return the algorithms that fit, in the order of the registry."""
    columns = _core.algorithms()
    pairs = zip(columns["collective"], columns["algorithm"], strict=True)
    names = [algorithm for each, algorithm in pairs if each == collective]
    fitting = []
    reasons = []
    for name in names:
        try:
            _row(fabric, collective, name, 1, asking)
        except UnsupportedError as error:
            reasons.append(str(error))
        else:
            fitting.append(name)
    if not fitting:
        raise UnsupportedError(f"no algorithm for {collective} fits: {'; '.join(reasons)}")
    return fitting


def _row(
    fabric: Fabric, collective: str, algorithm: str, size_bytes: int, asking: dict[str, Any]
) -> Row:
    keywords = {"size_bytes": size_bytes, "algorithm": algorithm, **asking}
    asked = ask(fabric.n_endpoints, collective, keywords)
    return Row(fabric, asked, asked.question.case(fabric.core, asked.settings.core()), None)


def _ranked(frame: pl.DataFrame, sizes: list[int]) -> pl.DataFrame:
    import polars as pl

    # A size may be asked for twice: its rows are told apart by their place in `sizes`.
    per_size = len(frame) // max(len(sizes), 1)
    times = pl.col("time_ps")
    best = times.min().over("asked")
    return (
        frame.with_columns(asked=pl.int_range(pl.len()) // max(per_size, 1))
        .with_columns(
            place=times.rank("ordinal").over("asked").cast(pl.Int64),
            time_s=times / PS_PER_S,
            slowdown=pl.when(best > 0).then(times / best),
        )
        .sort("asked", "place")
        .select("size_bytes", "place", "algorithm", "time_ps", "time_s", "slowdown")
    )
