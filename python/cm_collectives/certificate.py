"""The certificate of a run: the proof that its rates were fair, in frames, and its check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ArgumentError
from .frames import Column, Columns, from_frame, to_frame

if TYPE_CHECKING:
    import polars as pl

    from . import _core

# Where the extension says "none" with -1.
_NULLABLE = ("resource", "level", "op")


class Certificate:
    """The proof that, between any two events, the rates of a run are the max-min fair ones.

    It lists each event with the operations that entered and left, the resource that holds each of
    them back, and the level of each resource. `check` goes through it with sums and comparisons
    alone, against operations and routes built anew from the fabric and the schedules.

    Where operations behave alike, the proof is of one operation per class: `classes` says which,
    the operations and resources of the other frames are classes, and `check` first proves that the
    members of a class cannot differ in time.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", nodes=1)
    >>> certificate = cm.simulate(fabric, "all_gather", size_bytes=1600, ranks=4).certificate()
    >>> certificate.check()
    True
    """

    __slots__ = ("core",)

    core: _core.Certificate

    def __init__(self, core: _core.Certificate) -> None:
        self.core = core

    @property
    def time_ps(self) -> int:
        """The claimed time of the last finish in picoseconds."""
        return self.core.time_ps

    @property
    def n_events(self) -> int:
        """Number of events."""
        return self.core.n_events

    @property
    def events(self) -> pl.DataFrame:
        """One row per event, in order of time.

        `event` (Int64), `time_ps` (Float64), and what makes it exact: `low` (the second part of a
        double-double), `error` (Float64), `residue` (Int64, modulo 2^61 - 1).
        """
        return to_frame(self.core.events())

    @property
    def records(self) -> pl.DataFrame:
        """What happened at each event.

        `event` (Int64), `kind` (String: "passed", "entered", "left", "bottleneck" or "level"),
        `op`, `resource`, `level` (Int64, null where the kind has none).
        """
        return to_frame(self.core.records(), _NULLABLE)

    @property
    def levels(self) -> pl.DataFrame:
        """The levels that records speak of.

        `level` (Int64), `rate_Bps`, `low`, `error` (Float64), `residue` (Int64, modulo 2^61 - 1).
        """
        return to_frame(self.core.levels())

    @property
    def routes(self) -> pl.DataFrame:
        """What each operation loads: `op`, `resource`, `weight` (Int64).

        An operation of rate x puts `weight * x` on a resource; weights are shares of the flow,
        scaled to integers per resource.
        """
        return to_frame(self.core.routes())

    @property
    def classes(self) -> pl.DataFrame:
        """The classes that the other frames speak of; empty where they speak of each operation.

        `kind` (String: "op" or "resource"), `member`, `class` (Int64).
        """
        return to_frame(self.core.classes())

    def check(self) -> bool:
        """Prove the run from the fabric and the schedules.

        Returns
        -------
        bool
            True.

        Raises
        ------
        VerifyError
            If a class, a rate, a bottleneck, a route or a time does not hold; names the event.
        """
        self.core.check()
        return True

    def replace(
        self,
        *,
        levels: pl.DataFrame | None = None,
        records: pl.DataFrame | None = None,
        op_routes: object = None,
        classes: pl.DataFrame | None = None,
    ) -> Certificate:
        """Return a certificate with other contents, to see that `check` refuses it.

        Parameters
        ----------
        levels, records, classes : polars.DataFrame, optional
            In the form of the attributes.
        op_routes : array_like of int, optional
            Route of each operation.

        Returns
        -------
        Certificate

        Raises
        ------
        ArgumentError
            If a frame does not have the columns of the attribute.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=1)
        >>> certificate = cm.simulate(fabric, "all_gather", size_bytes=1600, ranks=4).certificate()
        >>> faster = certificate.levels.with_columns(pl.col("rate_Bps") * 2)
        >>> certificate.replace(levels=faster).check()
        Traceback (most recent call last):
            ...
        cm_collectives.errors.VerifyError: ...
        """
        return Certificate(
            self.core.replaced(
                _taken(levels, "levels", _LEVEL_COLUMNS),
                _taken(records, "records", _RECORD_COLUMNS),
                None if op_routes is None else _routes(op_routes),
                _taken(classes, "classes", _CLASS_COLUMNS),
            )
        )

    def __repr__(self) -> str:
        """Name the number of events and the claimed time."""
        return f"Certificate({self.n_events} events, {self.time_ps} ps)"


_LEVEL_COLUMNS = (
    Column("level", "integer"),
    Column("rate_Bps", "number"),
    Column("low", "number"),
    Column("error", "number"),
    Column("residue", "integer"),
)
_RECORD_COLUMNS = (
    Column("event", "integer"),
    Column("kind", "text"),
    Column("op", "integer", nullable=True),
    Column("resource", "integer", nullable=True),
    Column("level", "integer", nullable=True),
)
_CLASS_COLUMNS = (
    Column("kind", "text"),
    Column("member", "integer"),
    Column("class", "integer"),
)


def _taken(frame: pl.DataFrame | None, what: str, columns: tuple[Column, ...]) -> Columns | None:
    import numpy as np

    if frame is None:
        return None
    taken = from_frame(frame, what, columns)
    for column in columns:
        values = taken[column.name]
        if column.kind == "integer" and isinstance(values, list):
            values = np.array([-1 if value is None else value for value in values], dtype=np.int64)
        elif column.kind == "number":
            values = np.asarray(values, dtype=np.float64)
        taken[column.name] = values
    return taken


def _routes(op_routes: object) -> Any:  # noqa: ANN401
    import numpy as np

    routes = np.asarray(op_routes)
    if routes.ndim != 1 or routes.dtype.kind not in "iu":
        raise ArgumentError("op_routes must be a one-dimensional array of integers")
    return routes.astype(np.int64)
