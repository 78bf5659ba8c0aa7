"""What readers of logs share: where a value stands, what is one, and the frame of all rows."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from cm_collectives.errors import ArgumentError, SpecError

if TYPE_CHECKING:
    from os import PathLike

    import polars as pl


def content(source: str | PathLike[str]) -> tuple[str, str]:
    """Return the text of a path or of the text itself, and what to call it."""
    from os import PathLike
    from pathlib import Path

    if isinstance(source, str) and "\n" in source:
        return source, "text"
    if not isinstance(source, (str, PathLike)):
        raise ArgumentError(f"source must be a path, or text with a line break, got {source!r}")
    try:
        return Path(source).read_text(encoding="utf-8"), str(source)
    except UnicodeDecodeError as error:
        raise SpecError(f"{source}: is no UTF-8 text: {error}") from None


class Log:
    """A log under way: what is known of all its rows, and those read so far."""

    def __init__(self, origin: str, collective: str | None, n_ranks: int | None) -> None:
        self.origin = origin
        self.collective = collective
        self.n_ranks = n_ranks
        self.library = ""
        self.rows: list[tuple[str, int, int, float, str, str]] = []

    def at(self, place: int | str) -> str:
        """Return the name of a line, or of a place inside JSON."""
        return (
            f"{self.origin}, line {place}" if isinstance(place, int) else f"{self.origin}: {place}"
        )

    def whole(self, place: int | str, what: str, value: object) -> int:
        """Return a whole number of bytes."""
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if number < 0:
            raise SpecError(f"{self.at(place)}: {what} must be bytes >= 0, got {value!r}")
        return number

    def positive(self, place: int | str, what: str, value: object) -> float:
        """Return microseconds above 0."""
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        if not isfinite(number) or number <= 0:
            raise SpecError(f"{self.at(place)}: {what} must be microseconds > 0, got {value!r}")
        return number

    def add(self, place: int | str, size_bytes: int, time_us: float) -> None:
        """Add a row; one of 0 bytes moves nothing and is left out."""
        if self.collective is None:
            raise SpecError(f"{self.at(place)}: the log names no collective; give collective=")
        if self.n_ranks is None:
            raise SpecError(f"{self.at(place)}: the log does not list its ranks; give ranks=")
        if size_bytes > 0:
            row = (self.collective, self.n_ranks, size_bytes, time_us, self.library, self.at(place))
            self.rows.append(row)

    def frame(self) -> pl.DataFrame:
        """Return all rows."""
        import polars as pl

        if not self.rows:
            raise SpecError(f"{self.origin}: has no row of measurements")
        return pl.DataFrame(
            self.rows,
            schema={
                "collective": pl.String,
                "ranks": pl.Int64,
                "size_bytes": pl.Int64,
                "time_us": pl.Float64,
                "library": pl.String,
                "source": pl.String,
            },
            orient="row",
        )
