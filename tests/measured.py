"""The published measurements that ship, by machine and library."""

from __future__ import annotations

import polars as pl

import cm_collectives as cm

PUBLISHED = cm.measurements()
_EXPERTS = pl.col("collective").is_in(["dispatch", "combine"])
COLLECTIVES = PUBLISHED.filter(~_EXPERTS)
EXPERTS = PUBLISHED.filter(_EXPERTS)


def rows(fabric: str, library: str) -> pl.DataFrame:
    """Return the rows of a machine whose library's name begins so."""
    return PUBLISHED.filter(pl.col("fabric") == fabric, pl.col("library").str.starts_with(library))
