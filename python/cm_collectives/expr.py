"""Answers inside polars queries: expressions over columns, eager, lazy or streaming.

`time_ps` and `time_s` are the times alone; `answer` is a struct of all that `sweep` says of a row,
and asks once for all of it. Each argument is a polars expression or one value for all rows, so a
text is a value and `pl.col("name")` a column. A row with a null argument has no answer.

>>> queries = pl.DataFrame({"message": [0, 270_000_000], "die": [2, 2]}).lazy()
>>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
>>> time_ps = cm.expr.time_ps(
...     pl.col("message"), collective="all_reduce", fabric=fabric, ranks=pl.col("die"),
...     algorithm="ring",
... )
>>> queries.select(time_ps).collect()["time_ps"].to_list()
[0, 1000000000]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .asked import WITHOUT_SIZE
from .errors import ArgumentError
from .fabric import Fabric
from .scenarios import OPTIONAL_COLUMNS, Scenarios, changes_cell
from .sweep import answer as answer_all
from .sweep import check_on_error, raise_first

if TYPE_CHECKING:
    import polars as pl

__all__ = ["answer", "time_ps", "time_s"]

_NAMELESS = "fabric"


def answer(
    size_bytes: object,
    *,
    collective: object,
    fabric: object,
    ranks: object,
    fabrics: Mapping[str, Fabric] | None = None,
    on_error: str = "raise",
    **question: object,
) -> pl.Expr:
    """Return a struct of the result columns of `sweep`, named `answer`.

    Parameters
    ----------
    size_bytes : expression or size
        In the nccl-tests sense; None for a barrier.
    collective, ranks : expression or value
        As the columns of `sweep`.
    fabric : expression, text or Fabric
        A key of `fabrics`, the name of a preset, or the fabric itself.
    fabrics : mapping of str to Fabric, optional
        Fabrics that `fabric` may name.
    on_error : {"raise", "column"}
        Raise the first error, or say it in the field `error` and leave the others null.
    **question
        `algorithm`, `routing`, `engine`, `seed`, `root`, `degrade`, `set_links`, `options`:
        expressions or values, as the columns of `sweep`.

    Returns
    -------
    polars.Expr
        Element by element, so that lazy and streaming queries may use it anywhere. Its fields are
        `time_ps` (Int64), `time_s`, `algbw_Bps`, `busbw_Bps` (Float64), `bound_ps` (Int64),
        `efficiency` (Float64), `algorithm_used`, `bottleneck` (String), `max_utilisation`
        (Float64) and `error` (String).

    Raises
    ------
    ArgumentError
        If no argument is an expression, or one is unknown; other errors when the query runs.

    Examples
    --------
    >>> frame = pl.DataFrame({"size_bytes": [4096, 8192], "ranks": [4, 1000]})
    >>> answer = cm.expr.answer(
    ...     pl.col("size_bytes"), collective="all_gather", fabric="cm384", ranks=pl.col("ranks"),
    ...     on_error="column",
    ... )
    >>> frame.with_columns(answer.struct.unnest()).select("ranks", pl.col("error").str.head(9))
    shape: (2, 2)
    ...
    >>> frame.select(answer.struct.field("error").is_null()).to_series().to_list()
    [True, False]
    """
    import polars as pl

    check_on_error(on_error)
    for name in question:
        if name not in OPTIONAL_COLUMNS:
            raise ArgumentError(
                f"unknown argument {name!r}; allowed: {', '.join(OPTIONAL_COLUMNS)}; options of an "
                "algorithm go into options"
            )
    known = dict(fabrics or {})
    if isinstance(fabric, Fabric):
        known, fabric = {_NAMELESS: fabric}, _NAMELESS
    required = {
        "fabric": fabric,
        "collective": collective,
        "ranks": ranks,
        "size_bytes": size_bytes,
    }
    arguments = required | question
    columns = {name: each for name, each in arguments.items() if isinstance(each, pl.Expr)}
    if not columns:
        raise ArgumentError("no argument is a polars expression; for values use Fabric.time_ps")
    values = {
        name: _cell(name, each)
        for name, each in arguments.items()
        if name not in columns and (each is not None or name in required)
    }
    kernel = _Kernel(values, known, on_error)
    dtype = pl.Struct(_fields())
    named = [column.alias(name) for name, column in columns.items()]
    struct = pl.struct(named).map_batches(kernel, return_dtype=dtype, is_elementwise=True)
    return struct.alias("answer")


def time_ps(size_bytes: object, **arguments: Any) -> pl.Expr:  # noqa: ANN401
    """Return the time in integer picoseconds (Int64), named `time_ps`; see `answer`.

    Examples
    --------
    >>> frame = pl.DataFrame({"size_bytes": ["0B", "270MB"]})
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> # two sibling dies exchange halves twice over 270 GB/s
    >>> time_ps = cm.expr.time_ps(
    ...     pl.col("size_bytes"), collective="all_reduce", fabric=fabric, ranks=2, algorithm="ring"
    ... )
    >>> frame.with_columns(time_ps).rows()
    [('0B', 0), ('270MB', 1000000000)]
    """
    return answer(size_bytes, **arguments).struct.field("time_ps")


def time_s(size_bytes: object, **arguments: Any) -> pl.Expr:  # noqa: ANN401
    """Return the time in seconds (Float64), named `time_s`; see `answer`.

    Examples
    --------
    >>> frame = pl.DataFrame({"ranks": [2, 4]})
    >>> time_s = cm.expr.time_s(
    ...     "1MiB", collective="all_gather", fabric="hgx_h20", ranks=pl.col("ranks")
    ... )
    >>> frame.select(time_s > 0).to_series().all()
    True
    """
    return answer(size_bytes, **arguments).struct.field("time_s")


def _fields() -> dict[str, Any]:
    import polars as pl

    return {
        "time_ps": pl.Int64,
        "time_s": pl.Float64,
        "algbw_Bps": pl.Float64,
        "busbw_Bps": pl.Float64,
        "bound_ps": pl.Int64,
        "efficiency": pl.Float64,
        "algorithm_used": pl.String,
        "bottleneck": pl.String,
        "max_utilisation": pl.Float64,
        "error": pl.String,
    }


def _cell(name: str, value: object) -> object:
    """Return one value as a cell of a column of `sweep`."""
    if isinstance(value, str) or value is None:
        return value
    if name == "set_links":
        return changes_cell(value)
    if isinstance(value, Mapping) and all(isinstance(each, float) for each in value.values()):
        # Selectors and factors.
        return [{"selector": name, "factor": factor} for name, factor in value.items()]
    if hasattr(value, "tolist"):
        return value.tolist()
    is_list = isinstance(value, Iterable) and not isinstance(value, Mapping)
    return list(value) if is_list else value  # type: ignore[call-overload]


class _Kernel:
    """Answers one batch of rows; it can be pickled."""

    def __init__(
        self, values: dict[str, object], fabrics: dict[str, Fabric], on_error: str
    ) -> None:
        self._values = values
        self._fabrics = fabrics
        self._on_error = on_error

    def __call__(self, batch: pl.Series) -> pl.Series:
        """Return the answers of a batch of structs."""
        import polars as pl

        frame = batch.struct.unnest()
        for name, value in self._values.items():
            column = pl.Series(name, [value])
            frame = frame.with_columns(column.new_from_index(0, len(frame)))
        silent = pl.col("collective").cast(pl.String) == WITHOUT_SIZE
        is_known = pl.col("size_bytes").is_not_null() | silent
        for name in ("fabric", "collective", "ranks"):
            is_known &= pl.col(name).is_not_null()
        known = frame.select(is_known.fill_null(value=False)).to_series()
        scenarios = Scenarios.of(frame.filter(known), self._fabrics)
        answered = answer_all(scenarios)
        if self._on_error == "raise":
            raise_first(scenarios, answered, None)
        if not known.all():
            place = (known.cum_sum() - 1).cast(pl.Int64)
            place = place.zip_with(known, place.clear(1))
            answered = answered.select(pl.all().gather(place))
        return answered.cast(pl.Schema(_fields())).to_struct("answer")
