"""The published measurements of `tests/data`, and what is known of them (see its README)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent / "data"
_TEXT = {"rank_list": pl.String, "note": pl.String}
COLLECTIVES = pl.read_csv(FOLDER / "measured_collectives.csv", schema_overrides=_TEXT)
EXPERTS = pl.read_csv(FOLDER / "measured_moe.csv", schema_overrides=_TEXT)


def rows(fabric: str, library: str) -> pl.DataFrame:
    """Return the rows of a machine whose library's name begins so."""
    frame = COLLECTIVES
    if library in ("CANN", "DeepEP", "TensorRT"):
        frame = EXPERTS
    return frame.filter(pl.col("fabric") == fabric, pl.col("library").str.starts_with(library))
