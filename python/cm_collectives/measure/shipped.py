"""The calibrations that ship with the package: one file per machine and library."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cm_collectives.errors import UnsupportedError

from .calibration_toml import parse

if TYPE_CHECKING:
    import polars as pl

    from .calibration import Calibration

_SUFFIX = ".toml"


def _folder() -> dict[str, str]:
    """Return the texts of all files, by "fabric.library"."""
    from importlib.resources import files  # 15 ms that `import cm_collectives` need not take

    found = sorted(files(__package__).joinpath("calibrations").iterdir(), key=lambda f: f.name)
    return {
        each.name.removesuffix(_SUFFIX): each.read_text(encoding="utf-8")
        for each in found
        if each.name.endswith(_SUFFIX)
    }


@lru_cache(maxsize=1)
def _all() -> dict[tuple[str, str], Calibration]:
    loaded = [parse(text, f"{name}{_SUFFIX}") for name, text in _folder().items()]
    return {(each.fabric, each.library): each for each in loaded}


def find(fabric: str, library: str) -> Calibration | None:
    """Return a calibration that ships, or None."""
    return _all().get((fabric, library))


def shipped(fabric: str, library: str) -> Calibration:
    """Return a calibration that ships, or say which ones there are."""
    found = find(fabric, library)
    if found is None:
        known = [name for machine, name in _all() if machine == fabric]
        raise UnsupportedError(
            f"library {library!r}: no calibration of it ships for {fabric!r}; "
            f"there is {', '.join(known) or 'none for this machine'}"
        )
    return found


def calibrations() -> pl.DataFrame:
    """Return the calibrations that ship with the package.

    Returns
    -------
    polars.DataFrame
        One row each: `fabric`, `library` (for `Fabric.preset(fabric, library=library)`),
        `transferred_from` (String, the machine that was measured if it is another one; null
        otherwise), `parameters`, `rows` (Int64), `median_error`, `worst_error` (Float64, of the
        fit), `left_out_median` (Float64, of rows predicted from the others), `undetermined`,
        `sources` (List(String)), `note` (String).

    Examples
    --------
    >>> cm.calibrations().filter(fabric="cm384")["library"].to_list()
    ['cann-ep', 'deepep-ascend', 'hccl', 'remote-read', 'remote-write']
    """
    import polars as pl

    return pl.DataFrame(
        [
            (
                each.fabric,
                each.library,
                each.transferred_from,
                len(each.parameters),
                each.provenance.rows,
                each.provenance.fitted.median,
                each.provenance.fitted.worst,
                None if each.provenance.left_out is None else each.provenance.left_out.median,
                list(each.undetermined),
                list(each.provenance.sources),
                each.provenance.note,
            )
            for each in _all().values()
        ],
        schema={
            "fabric": pl.String,
            "library": pl.String,
            "transferred_from": pl.String,
            "parameters": pl.Int64,
            "rows": pl.Int64,
            "median_error": pl.Float64,
            "worst_error": pl.Float64,
            "left_out_median": pl.Float64,
            "undetermined": pl.List(pl.String),
            "sources": pl.List(pl.String),
            "note": pl.String,
        },
        orient="row",
    )
