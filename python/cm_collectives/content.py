"""Digests of frames: equal for equal values, however they lie in memory and whoever made them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from .errors import ArgumentError

if TYPE_CHECKING:
    from hashlib import _Hash

    import polars as pl


def frame_digest(frame: pl.DataFrame) -> str:
    """Return SHA-256 in hexadecimal over names, dtypes and values."""
    total = sha256(str(len(frame)).encode())
    for series in frame:
        total.update(f"{series.name!r}:{series.dtype!r};".encode())
        _feed(total, series)
    return total.hexdigest()


def _feed(total: _Hash, series: pl.Series) -> None:
    """Add values: where the nulls are, then what is not null, each kind in one plain form."""
    import polars as pl

    total.update(f"{len(series)},{series.null_count()};".encode())
    if series.null_count() > 0:
        total.update(series.is_null().to_numpy().tobytes())
        series = series.drop_nulls()
    series = _plain(series)
    dtype = series.dtype
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _feed(total, series.struct.field(field.name))
    elif isinstance(dtype, pl.List):
        _feed(total, series.list.len())
        _feed(total, series.explode(empty_as_null=False))
    elif dtype == pl.String:
        _feed(total, series.str.len_bytes())
        total.update("".join(series.to_list()).encode())
    elif dtype == pl.Binary:
        _feed(total, series.bin.size())
        total.update(b"".join(series.to_list()))
    elif dtype == pl.Object:
        raise ArgumentError(f"scenarios: column {series.name!r} holds Python objects")
    elif dtype != pl.Null:
        total.update(series.to_physical().rechunk().to_numpy().tobytes())


def _plain(series: pl.Series) -> pl.Series:
    """Return values whose form in memory depends on their neighbours, or on polars, in another."""
    import polars as pl

    dtype = series.dtype
    if isinstance(dtype, (pl.Categorical, pl.Enum, pl.Decimal, pl.Int128, pl.UInt128)):
        return series.cast(pl.String)
    return series.arr.to_list() if isinstance(dtype, pl.Array) else series
