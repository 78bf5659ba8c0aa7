"""Which algorithm is best, by how much, and where that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core
from .arguments import flag, integer, size, text
from .asked import AUTO, ask, known_collective
from .errors import ArgumentError, UnsupportedError
from .fabric import Fabric
from .fabric_times import PS_PER_S
from .scenarios import Question, Scenarios
from .sweep import MAX_THREADS, answer, raise_first

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from .arguments import Ranks, Size
    from .frames import Columns


def tune(
    fabric: Fabric,
    collective: str,
    sizes: Iterable[Size],
    ranks: Ranks | None = None,
    *,
    exhaustive: bool = False,
    rule: str | None = None,
    threads: int | None = None,
    **question: Any,  # noqa: ANN401
) -> pl.DataFrame:
    """Return the algorithms for each size, the fastest first.

    Every algorithm that computes the collective on these ranks competes with the options that are
    worth trying (`cm.algorithms()` lists them). One that cannot win any more, because a lower bound
    of its time is above the best time so far, is not simulated to its end: it stands with that
    bound and without a time.

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
    exhaustive : bool
        True simulates all of them to their end, so that no time is missing.
    rule : str, optional
        Instead of a contest: what a real library would choose. "hccl-a2", "hccl-a3" (AI CPU),
        "hccl-a3-aiv" (vector cores) or "nccl"; models of the libraries, with algorithms of ours for
        theirs.
    threads : int, optional
        Threads to use; all processors by default.
    **question
        Everything else that `cm.simulate` takes for one collective (`routing`, `root`, ...).
        Options of algorithms given here are kept; only algorithms that have them compete.

    Returns
    -------
    polars.DataFrame
        One row per size and algorithm, sizes in the given order, the algorithm with its best
        options: `size_bytes`, `place` (Int64, 1 is the fastest; equals in the order of
        `cm.algorithms()`; without a time by `at_least_ps`, and last what the memory limit keeps
        from running), `algorithm`, `options` (String, a JSON object; defaults are left out),
        `time_ps` (Int64, null where it was not simulated to its end), `time_s`, `slowdown`
        (Float64, time over that of the fastest; null where there is no time or that is 0),
        `at_least_ps` (Int64, the time or a lower bound of it). With `rule` one row per size:
        `size_bytes`, `rule`, `choice` (String, the library's words), `algorithm`, `options`,
        `time_ps`, `time_s`, then of the fastest of all `best_algorithm`, `best_options`, `best_ps`,
        and `slowdown` (Float64, `time_ps / best_ps`, null where that is 0).

    Raises
    ------
    ArgumentError
        If a name is unknown or a value is outside its range.
    UnsupportedError
        If no algorithm computes the collective on these ranks.
    LimitError
        If no algorithm fits into the memory limit, or a run reaches the limit of events.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384")
    >>> best = cm.tune(fabric, "broadcast", ["1KiB", "64MiB"], ranks=16).filter(place=1)
    >>> best.select("size_bytes", "algorithm", "options").rows()
    [(1024, 'direct', '{}'), (67108864, 'double_binary_tree', '{"level": "package"}')]
    """
    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    for name in ("algorithm", "size_bytes", "per_rank_bytes", "counts", "start_ps"):
        if name in question:
            raise ArgumentError(f"tune takes no {name}; it tries every algorithm at every size")
    name = known_collective(collective)
    checked = [size(each, f"sizes[{i}]") for i, each in enumerate(sizes)]
    everybody = flag(exhaustive, "exhaustive")
    n_threads = None if threads is None else integer(threads, "threads", 1, MAX_THREADS)
    asking = {"ranks": ranks, **question}
    cases = [_case(fabric, name, each, asking) for each in checked]
    if rule is not None:
        decisions = [_decision(fabric, text(rule, "rule"), name, each, asking) for each in checked]
        contest = _ranked(checked, *_core.tune(cases, False, n_threads))  # noqa: FBT003
        return _compared(decisions, contest, n_threads)
    return _ranked(checked, *_core.tune(cases, everybody, n_threads))


class _Decision(NamedTuple):
    """What a library would do at one size."""

    size_bytes: int
    rule: str
    choice: str
    algorithm: str
    options: dict[str, int | str]
    question: Question


def _decision(
    fabric: Fabric, rule: str, collective: str, size_bytes: int, asking: dict[str, Any]
) -> _Decision:
    keywords = {"size_bytes": size_bytes, "algorithm": AUTO, **asking}
    plain = ask(fabric.n_endpoints, collective, keywords).question
    decided = _core.decide(rule, fabric.core, collective, plain.endpoints, size_bytes)
    if decided is None:
        raise UnsupportedError(f"rule {rule!r} does not decide {collective} on these ranks")
    choice, algorithm, options = decided
    asked = ask(fabric.n_endpoints, collective, keywords | options | {"algorithm": algorithm})
    try:
        case = asked.case(fabric.core)
    except ArgumentError as error:
        raise UnsupportedError(
            f"rule {rule!r} takes {choice}, for which this version has no algorithm: {error}"
        ) from None
    question = Question(fabric, asked, case, None)
    return _Decision(size_bytes, rule, choice, algorithm, options, question)


def _compared(
    decisions: list[_Decision], contest: pl.DataFrame, threads: int | None
) -> pl.DataFrame:
    """Return what a library would choose beside what is best."""
    import json

    import numpy as np
    import polars as pl

    scenarios = Scenarios(
        questions=[decision.question for decision in decisions],
        which=np.arange(len(decisions), dtype=np.int64),
        sizes=np.array([decision.size_bytes for decision in decisions], dtype=np.int64),
        errors={},
    )
    answered = answer(scenarios, threads=threads)
    raise_first(scenarios, answered)
    best = contest.filter(pl.col("place") == 1)
    time_ps, best_ps = pl.col("time_ps"), pl.col("best_ps")
    return pl.DataFrame(
        {
            "size_bytes": pl.Series([each.size_bytes for each in decisions], dtype=pl.Int64),
            "rule": pl.Series([each.rule for each in decisions], dtype=pl.String),
            "choice": pl.Series([each.choice for each in decisions], dtype=pl.String),
            "algorithm": pl.Series([each.algorithm for each in decisions], dtype=pl.String),
            "options": pl.Series([json.dumps(each.options) for each in decisions], dtype=pl.String),
            "time_ps": answered["time_ps"],
            "best_algorithm": best["algorithm"],
            "best_options": best["options"],
            "best_ps": best["time_ps"],
        }
    ).select(
        "size_bytes",
        "rule",
        "choice",
        "algorithm",
        "options",
        "time_ps",
        (time_ps / PS_PER_S).alias("time_s"),
        "best_algorithm",
        "best_options",
        "best_ps",
        pl.when(best_ps > 0).then(time_ps / best_ps).alias("slowdown"),
    )


def _case(fabric: Fabric, collective: str, size_bytes: int, asking: dict[str, Any]) -> _core.Case:
    keywords = {"size_bytes": size_bytes, "algorithm": AUTO, **asking}
    asked = ask(fabric.n_endpoints, collective, keywords)
    return asked.case(fabric.core)


def _ranked(
    sizes: list[int], columns: Columns, options: list[dict[str, int | str]]
) -> pl.DataFrame:
    """Return each algorithm once per size, with the options that are best for it."""
    import json

    import polars as pl

    at_least, is_timed = pl.col("at_least_ps"), pl.col("is_timed")
    time_ps = pl.when(is_timed).then(at_least)
    fastest = time_ps.min().over("case")
    rivals = pl.DataFrame(
        {
            "case": pl.Series(columns["case"], dtype=pl.Int64),
            "algorithm": pl.Series(columns["algorithm"], dtype=pl.String),
            "options": pl.Series([json.dumps(each) for each in options], dtype=pl.String),
            "at_least_ps": pl.Series(columns["at_least_ps"], dtype=pl.Int64),
            "is_timed": pl.Series(columns["is_timed"], dtype=pl.Int64) == 1,
        }
    )
    # Rivals come in the order that decides ties, and the sort keeps it. A bound says less than an
    # equal time; one below the best time is that of a rival too large to run.
    is_open = ~is_timed & (at_least < fastest)
    ordered = rivals.sort("case", is_open, "at_least_ps", ~is_timed, maintain_order=True)
    best = ordered.unique(["case", "algorithm"], keep="first", maintain_order=True)
    sizes_bytes = pl.Series("size_bytes", sizes, dtype=pl.Int64)
    return best.select(
        pl.lit(sizes_bytes).gather("case").alias("size_bytes"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("case").alias("place"),
        "algorithm",
        "options",
        time_ps.alias("time_ps"),
        (time_ps / PS_PER_S).alias("time_s"),
        pl.when(fastest > 0).then(time_ps / fastest).alias("slowdown"),
        "at_least_ps",
    )
