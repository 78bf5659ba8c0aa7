"""The cross product of some columns: scenarios for a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from .arguments import size
from .errors import ArgumentError

if TYPE_CHECKING:
    import polars as pl


def grid(**columns: object) -> pl.DataFrame:
    """Return the cross product of some columns, the first of which varies slowest.

    Parameters
    ----------
    **columns
        Values of each column: a list, a range, an array, or one value for all rows. Sizes in a
        column `size_bytes` may be text with a unit; they become bytes.

    Returns
    -------
    polars.DataFrame
        One row per combination, ready for `sweep`.

    Raises
    ------
    ArgumentError
        If a column is empty or its values are of several types.

    Examples
    --------
    >>> cm.grid(collective="all_reduce", ranks=[2, 4], size_bytes=["1KiB", "1MiB"]).rows()
    [('all_reduce', 2, 1024), ('all_reduce', 2, 1048576),
     ('all_reduce', 4, 1024), ('all_reduce', 4, 1048576)]
    """
    import polars as pl

    values = {name: _axis(name, column) for name, column in columns.items()}
    rows = list(product(*values.values()))
    series = []
    for i, name in enumerate(values):
        try:
            series.append(pl.Series(name, [row[i] for row in rows]))
        except TypeError:
            raise ArgumentError(
                f"grid: the values of {name} must be of one type, got {values[name]!r}"
            ) from None
    return pl.DataFrame(series)


def _axis(name: str, column: object) -> list[Any]:
    if hasattr(column, "tolist"):
        column = column.tolist()
    elif hasattr(column, "to_list"):
        column = column.to_list()
    single = isinstance(column, (str, bytes, Mapping)) or not isinstance(column, Iterable)
    values = [column] if single else list(column)  # type: ignore[call-overload]
    if not values:
        raise ArgumentError(f"grid: {name} must have at least one value, got none")
    if name == "size_bytes":
        return [None if value is None else size(value) for value in values]
    return [_plain(value) for value in values]


def _plain(value: object) -> object:
    """Return sequences as lists, so that one polars dtype holds them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, (tuple, range)) else value
