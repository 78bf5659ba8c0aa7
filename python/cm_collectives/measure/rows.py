"""Rows of measurements, checked: what was measured, where, by which library, how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cm_collectives import _core
from cm_collectives.arguments import endpoints, integer, size
from cm_collectives.asked import known_collective
from cm_collectives.errors import ArgumentError, UnsupportedError
from cm_collectives.frames import collected

from .libraries import recognized

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from cm_collectives.fabric import Fabric

    from .libraries import Library

MOE = ("dispatch", "combine")
_MOE_COLUMNS = ("tokens_per_rank", "hidden", "top_k", "experts", "bytes_per_token")
# Eight consecutive ranks form the group of a token in the pattern of TensorRT-LLM.
_GROUP = 8
_BAD_TIMES = "must be a finite number of microseconds above 0"


class Moe(NamedTuple):
    """What is sent to experts."""

    tokens_per_rank: int
    hidden: int
    top_k: int
    experts: int
    bytes_per_token: int


class Measured(NamedTuple):
    """One measurement, checked."""

    place: str  # for messages: "measurements, row 3"
    collective: str
    endpoints: list[int]
    size_bytes: int | None  # None for dispatch and combine
    moe: Moe | None
    time_us: float
    library: Library | None
    written: str | None  # the library in the words of the frame
    algorithm: str | None

    @property
    def volume_bytes(self) -> float:
        """Bytes by which a range of sizes is told: of experts, what one rank sends at most."""
        if self.moe is None:
            return self.size_bytes or 0
        return self.moe.tokens_per_rank * self.moe.top_k * self.moe.bytes_per_token


def take(
    fabric: Fabric,
    frame: object,
    what: str = "measurements",
    *,
    numbers: Sequence[int] | None = None,
) -> list[Measured]:
    """Return the rows of a frame as measurements on a fabric; `numbers` are theirs in messages."""
    rows = collected(frame, what)
    if rows.is_empty():
        raise ArgumentError(f"{what} must have at least one row, got none")
    if "time_us" not in rows.columns:
        raise ArgumentError(f"{what}: missing column 'time_us'; got {', '.join(rows.columns)}")
    return [
        _measured(fabric, row, f"{what}, row {index if numbers is None else numbers[index]}")
        for index, row in enumerate(rows.iter_rows(named=True))
    ]


def of_fabric(rows: pl.DataFrame, name: str) -> None:
    """Refuse rows that were measured on another machine."""
    if "fabric" not in rows.columns:
        return
    others = [each for each in rows["fabric"].unique().sort() if each not in (None, name)]
    if others:
        raise ArgumentError(
            f"measurements: rows of fabric {', '.join(others)}, but the fabric is {name!r}; "
            "filter them, or give validate a mapping of fabrics"
        )


def _measured(fabric: Fabric, row: dict[str, Any], place: str) -> Measured:
    name = row.get("collective") or row.get("operation")
    if name is None:
        raise ArgumentError(f"{place}: collective (or operation) must be given")
    is_moe = name in MOE
    chosen = _endpoints(fabric, row, place)
    written = row.get("library")
    return Measured(
        place,
        name if is_moe else known_collective(name),
        chosen,
        None if is_moe else _size(row, name, len(chosen), place),
        _moe(row, place) if is_moe else None,
        _time(row["time_us"], place),
        recognized(written),
        written,
        row.get("algorithm"),
    )


def _time(value: object, place: str) -> float:
    from math import isfinite

    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"{place}: time_us {_BAD_TIMES}, got {value!r}")
    if not isfinite(value) or value <= 0:
        raise ArgumentError(f"{place}: time_us {_BAD_TIMES}, got {value}")
    return float(value)


def _size(row: dict[str, Any], collective: str, n_ranks: int, place: str) -> int:
    if collective == "barrier":
        return 0
    if row.get("size_bytes") is None:
        raise ArgumentError(f"{place}: size_bytes must be given")
    checked = size(row["size_bytes"], f"{place}: size_bytes")
    if checked == 0 or n_ranks == 1:
        raise ArgumentError(
            f"{place}: {checked} bytes on {n_ranks} ranks move nothing, so that their time says "
            "nothing about a machine; leave the row out"
        )
    return checked


def _endpoints(fabric: Fabric, row: dict[str, Any], place: str) -> list[int]:
    listed = row.get("rank_list")
    if listed is not None and str(listed).strip():
        try:
            chosen = [int(each) for each in str(listed).split()]
        except ValueError:
            raise ArgumentError(
                f"{place}: rank_list must be endpoints separated by spaces, got {listed!r}"
            ) from None
        return endpoints(chosen, fabric.n_endpoints)
    if row.get("ranks") is None:
        raise ArgumentError(f"{place}: ranks (or rank_list) must be given")
    n_ranks = integer(row["ranks"], f"{place}: ranks", 1, 2**31)
    if n_ranks > fabric.n_endpoints:
        raise ArgumentError(
            f"{place}: {n_ranks} ranks do not fit into fabric {fabric.name!r} with its "
            f"{fabric.n_endpoints} endpoints"
        )
    return list(range(n_ranks))


def _moe(row: dict[str, Any], place: str) -> Moe:
    for name in _MOE_COLUMNS:
        if row.get(name) is None:
            raise ArgumentError(f"{place}: {name} must be given for dispatch and combine")
    return Moe(*(integer(row[name], f"{place}: {name}", 1, 2**53) for name in _MOE_COLUMNS))


def forms(fabric: Fabric, rows: list[Measured], library: Library) -> list[_core.Forms]:
    """Return the costs of rows as a library carries them out, collectives before experts.

    The fabric must be calibrated; `order` gives the rows in the same order.
    """
    plain = [row for row in rows if row.moe is None]
    experts = [row for row in rows if row.moe is not None]
    made: list[_core.Forms] = []
    if plain:
        asked = [(row.collective, row.endpoints, row.size_bytes or 0) for row in plain]
        made.append(_core.Forms.of_collectives(fabric.core, asked))
    if experts:
        made.append(_core.Forms.of_moe([_moe_row(row, library) for row in experts]))
    return made


def order(rows: list[Measured]) -> list[int]:
    """Return the positions of rows in the order of `forms`."""
    indices = range(len(rows))
    return [i for i in indices if rows[i].moe is None] + [
        i for i in indices if rows[i].moe is not None
    ]


def _moe_row(
    row: Measured, library: Library
) -> tuple[bool, float, float, float, float, float, float]:
    n_ranks, moe = len(row.endpoints), row.moe
    if moe is None:
        raise UnsupportedError(f"{row.place}: no dispatch or combine")
    copies = min(moe.top_k, n_ranks) if library.once_per_rank else moe.top_k
    incast = max(n_ranks / _GROUP - 1, 0) if library.lockstep else 0
    return (
        row.collective == "combine",
        float(n_ranks),
        float(moe.tokens_per_rank),
        float(moe.hidden),
        float(copies),
        float(moe.bytes_per_token),
        float(incast),
    )
