"""Which rows of a frame are fitted, and as rows of which library."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cm_collectives.arguments import text
from cm_collectives.errors import ArgumentError, CalibrationWarning

from . import rows
from .libraries import MEMORY, Library, Tuning, default_of, named, recognized, tuning_of

if TYPE_CHECKING:
    import polars as pl

    from cm_collectives.fabric import Fabric


def own_rows(
    fabric: Fabric, frame: pl.DataFrame, given: str | None
) -> tuple[list[Library], list[int]]:
    """Return the library to fit and the rows that are its own, on this machine."""
    if frame.is_empty():
        raise ArgumentError("measurements must have at least one row, got none")
    names = frame["fabric"].to_list() if "fabric" in frame.columns else [None] * len(frame)
    here = [row for row, name in enumerate(names) if name in (None, fabric.name)]
    if not here:
        rows.of_fabric(frame, fabric.name)
    if len(here) < len(frame):
        _warn(f"{len(frame) - len(here)} of {len(frame)} rows are of other fabrics, and left out")
    written = frame["library"].to_list() if "library" in frame.columns else [None] * len(frame)
    of_row = {row: recognized(written[row]) for row in here}
    libraries = _libraries(fabric, of_row, given)
    own = [row for row in here if of_row[row] is None or of_row[row] in libraries]
    if not own:
        others = sorted({each.name for each in of_row.values() if each is not None})
        raise ArgumentError(
            f"measurements: library={given!r}, but the rows are of {', '.join(others)}"
        )
    if given is None and len(own) < len(here):
        _warn(
            f"{len(here) - len(own)} of {len(here)} rows are of other libraries than "
            f"{libraries[0].name}, and left out; library= picks another"
        )
    return libraries, own


def _libraries(
    fabric: Fabric, of_row: dict[int, Library | None], given: str | None
) -> list[Library]:
    """Return the library to fit; reads and writes of memory may come together."""
    if given is not None:
        return [named(text(given, "library"))]
    found = {library.name for library in of_row.values() if library is not None}
    default = default_of(fabric)
    strangers = [row for row, library in of_row.items() if library is None]
    if found and strangers:
        raise ArgumentError(
            f"measurements, row {strangers[0]}: names no library that is known, as others do; "
            "give library="
        )
    if len(found) == 1 or (found and found <= MEMORY):
        return [named(name) for name in sorted(found)]
    if default is None or (found and default.name not in found):
        told = f"rows of {', '.join(sorted(found))}" if found else "no row names a known library"
        raise ArgumentError(
            f"measurements: {told}, and the fabric has no obvious one; give library="
        )
    if not found:
        _warn(f"no row names a library that is known; taken as {default.name}")
    return [default]


def tuning_for(fabric: Fabric, library: Library, given: object) -> Tuning | None:
    """Return what the library's tuner believes: as given, or that of a preset."""
    if given is None:
        return tuning_of(fabric, library)
    if not isinstance(given, (tuple, list)) or len(given) != len(Tuning._fields):
        raise ArgumentError(f"tuning must be {', '.join(Tuning._fields)}, got {given!r}")
    return Tuning(*given)


def _warn(message: str) -> None:
    warnings.warn(message, CalibrationWarning, stacklevel=4)
