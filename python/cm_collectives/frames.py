"""Frames and columns: the one place where polars meets the extension.

The extension speaks in columns (see `_core.pyi`): a dict from a name to a NumPy array or a list of
text. A column of lists is two, offsets and values: row i is `values[offsets[i]:offsets[i + 1]]`. A
column of words, each of which many rows may hold, is two as well: which word, and the words.
`to_frame` makes a DataFrame of them, `from_frame` checks a caller's DataFrame and takes it
apart. Arrays that come from the extension are held by nobody else, so polars adopts them without a
copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import polars as pl

Columns = dict[str, Any]

_OFFSETS = "_offsets"
_VALUES = "_values"
_WORDS = "_words"


class Column(NamedTuple):
    """A column that a caller's frame must or may have."""

    name: str
    kind: str  # "integer", "number", "text", "bool", "word", "integers" or "words" (a list per row)
    required: bool = True
    nullable: bool = False


def to_frame(columns: Columns, nullable: Collection[str] = ()) -> pl.DataFrame:
    """Make a DataFrame; in the columns named `nullable`, -1 and "" become null."""
    import numpy as np
    import polars as pl

    series: list[pl.Series] = []
    for name, values in columns.items():
        if name.endswith(_OFFSETS) and name.removesuffix(_OFFSETS) + _VALUES in columns:
            stem = name.removesuffix(_OFFSETS)
            series.append(_list_series(stem, values, columns[stem + _VALUES]))
        elif name.endswith(_VALUES) and name.removesuffix(_VALUES) + _OFFSETS in columns:
            continue
        elif isinstance(values, np.ndarray):
            series.append(pl.Series(name, values))
        else:
            series.append(pl.Series(name, values, dtype=pl.String))
    frame = pl.DataFrame(series)
    missing = [
        pl.when(pl.col(name) != ("" if frame.schema[name] == pl.String else -1)).then(pl.col(name))
        for name in nullable
        if name in frame.columns
    ]
    return frame.with_columns(missing) if missing else frame


def _list_series(name: str, offsets: Any, values: Any) -> pl.Series:  # noqa: ANN401
    """Rows `values[offsets[i]:offsets[i + 1]]` as one list column."""
    import numpy as np
    import polars as pl

    lengths = np.diff(offsets)
    rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    lists = (
        pl.DataFrame({"row": rows, name: np.asarray(values, dtype=np.int64)})
        .group_by("row", maintain_order=True)
        .agg(pl.col(name))
    )
    every = pl.DataFrame({"row": np.arange(len(lengths), dtype=np.int64)})
    joined = every.join(lists, on="row", how="left", maintain_order="left")
    empty = pl.lit([], dtype=pl.List(pl.Int64))
    return joined.select(pl.col(name).cast(pl.List(pl.Int64)).fill_null(empty)).to_series()


def collected(frame: object, what: str) -> pl.DataFrame:
    """Return `frame` as a DataFrame; a LazyFrame is collected."""
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if not isinstance(frame, pl.DataFrame):
        raise ArgumentError(
            f"{what} must be a polars DataFrame or LazyFrame, got {type(frame).__name__}"
        )
    return frame


def from_frame(
    frame: object,
    what: str,
    columns: Sequence[Column],
    *,
    others: bool = False,
    first_row: int = 0,
) -> Columns:
    """Check a caller's frame against `columns` and take it apart.

    Columns that are absent and not required are left out. Unless `others` is set, a column that is
    not listed is an error, so that a misspelled optional column is not lost in silence. Nulls stay
    in list form (None), and only in nullable columns. Errors count rows from `first_row`.
    """
    frame = collected(frame, what)
    known = {column.name for column in columns}
    unknown = [name for name in frame.columns if name not in known]
    if unknown and not others:
        raise ArgumentError(f"{what}: unknown column {unknown[0]!r}; allowed: {_names(columns)}")
    taken: Columns = {}
    for column in columns:
        if _present(frame, column, what, columns):
            taken |= _taken(frame[column.name], column, what, first_row)
    return taken


def _present(frame: pl.DataFrame, column: Column, what: str, columns: Sequence[Column]) -> bool:
    if column.name in frame.columns:
        return True
    if column.required:
        required = [each for each in columns if each.required]
        raise ArgumentError(f"{what}: missing column {column.name!r}; required: {_names(required)}")
    return False


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def _taken(series: pl.Series, column: Column, what: str, first_row: int) -> Columns:
    """Return one checked column: NumPy arrays, or a list where it is text or has a null."""
    import polars as pl

    name, kind = column.name, column.kind
    place = f"{what}: column {name!r}"
    if series.dtype == pl.Null and column.nullable:
        return {name: [None] * len(series)}
    _check_kind(series, kind, place)
    if series.null_count() > 0 and not column.nullable:
        row = first_row + series.is_null().arg_true()[0]
        raise ArgumentError(f"{place} is null in row {row}")
    if kind in ("integers", "words"):
        return _taken_apart(series, column, place, first_row)
    if kind == "text":
        return {name: series.cast(pl.String).to_list()}
    if kind == "word":
        return _coded(name, name, series)
    if kind == "integer":
        series = _as_int64(series, place, first_row)
    return {name: series.to_list() if series.null_count() > 0 else series.rechunk().to_numpy()}


def _taken_apart(series: pl.Series, column: Column, place: str, first_row: int) -> Columns:
    """Return a column of lists as offsets and values."""
    import numpy as np
    import polars as pl

    name, lists = column.name, series
    if isinstance(series.dtype, pl.Array):
        lists = series.cast(pl.List(series.dtype.inner))
    inner = lists.explode(empty_as_null=False)
    if inner.null_count() > 0:
        row = next(i for i, items in enumerate(series) if items is not None and None in items)
        raise ArgumentError(f"{place} has a null inside the list of row {first_row + row}")
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum(lists.list.len().to_numpy(), out=offsets[1:])
    if column.kind == "words":
        values = _coded(name, name + _VALUES, inner)
    else:
        values = {name + _VALUES: _as_int64(inner, place, first_row).rechunk().to_numpy()}
    return {name + _OFFSETS: offsets, **values}


def _coded(name: str, which: str, series: pl.Series) -> Columns:
    """Return text as the distinct words and which of them each row is."""
    import polars as pl

    text = series.cast(pl.String)
    words = text.unique(maintain_order=True)
    codes = text.cast(pl.Enum(words)).to_physical().cast(pl.Int64)
    return {which: codes.rechunk().to_numpy(), name + _WORDS: words.to_list()}


def _check_kind(series: pl.Series, kind: str, place: str) -> None:
    import polars as pl

    dtype = series.dtype
    inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else None
    fits = {
        "integer": dtype.is_integer(),
        "number": dtype.is_numeric(),
        "text": dtype in (pl.String, pl.Categorical, pl.Enum),
        "word": dtype in (pl.String, pl.Categorical, pl.Enum),
        "bool": dtype == pl.Boolean,
        "integers": inner is not None and (inner.is_integer() or inner == pl.Null),
        "words": inner is not None and inner in (pl.String, pl.Null),
    }
    wanted = {
        "integer": "integers",
        "number": "numbers",
        "text": "text",
        "word": "text",
        "bool": "booleans",
        "integers": "lists of integers",
        "words": "lists of text",
    }
    if not fits[kind]:
        raise ArgumentError(f"{place} must hold {wanted[kind]}, got dtype {dtype}")


def _as_int64(series: pl.Series, place: str, first_row: int) -> pl.Series:
    import polars as pl

    cast = series.cast(pl.Int64, strict=False)
    lost = (cast.is_null() & series.is_not_null()).arg_true()
    if len(lost) > 0:
        row = first_row + lost[0]
        raise ArgumentError(
            f"{place} has {series[lost[0]]} in row {row}; the largest value is 2^63 - 1"
        )
    return cast
