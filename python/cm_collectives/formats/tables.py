"""Tables of a file, looked up with checks: every mistake is reported with its place."""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from cm_collectives.errors import SpecError

from . import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# No fabric that may be built has more nodes.
MAX_NAMES = 10**7

RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Place(NamedTuple):
    """A table of the file."""

    origin: str
    table: str
    line: int | None

    def error(self, message: str, key: str | None = None) -> SpecError:
        """Return the error that names this place."""
        line = "" if self.line is None else f" (line {self.line})"
        at = f", key {key!r}" if key is not None else ""
        return SpecError(f"{self.origin}: {self.table}{line}{at}: {message}")


class Table:
    """One table with its place: every look-up is checked."""

    def __init__(self, values: object, place: Place, keys: tuple[str, ...]) -> None:
        if not isinstance(values, dict):
            raise place.error(f"must be a table, got {values!r}")
        self.values: dict[str, Any] = values
        self.place = place
        for key in values:
            if key not in keys:
                raise place.error(f"unknown key {key!r}; {nearest(key, keys)}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return text that is not empty; without a default it is required."""
        value = self.values.get(key, default)
        if value is None:
            raise self.place.error(f"missing key {key!r}")
        if not isinstance(value, str) or not value:
            raise self.place.error(f"must be text, got {value!r}", key)
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.place.error(f"must be true or false, got {value!r}", key)
        return value

    def whole(self, key: str, low: int) -> int | None:
        """Return an integer of at least `low`, or none if it is left out."""
        if key not in self.values:
            return None
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
            raise self.place.error(f"must be an integer from {low} to 2^63 - 1, got {value!r}", key)
        return value

    def measured(self, key: str, unit: str, low: int) -> int | None:
        """Return `key` as text with a unit, or `key_unit` as an integer; not both."""
        exact = self.whole(f"{key}_{unit}", low)
        if key not in self.values:
            return exact
        if exact is not None:
            raise self.place.error(f"give {key!r} or '{key}_{unit}', not both")
        value = self.values[key]
        if not isinstance(value, str):
            forms = units.RATE_FORMS if unit == "Bps" else units.TIME_FORMS
            raise self.place.error(
                f"must be {forms}, got {value!r}; the integer goes into '{key}_{unit}'", key
            )
        try:
            number = units.rate_Bps(value) if unit == "Bps" else units.time_ps(value)
        except ValueError as error:
            raise self.place.error(str(error), key) from None
        if number < low:
            raise self.place.error(f"must be at least {low} {unit}, got {value!r}", key)
        return number

    def needed(self, key: str, unit: str, low: int) -> int:
        """Return what `measured` does, which is required."""
        value = self.measured(key, unit, low)
        if value is None:
            raise self.place.error(f"missing key {key!r} or '{key}_{unit}'")
        return value

    def names(self, key: str) -> list[str]:
        """Return one name or several, ranges written out."""
        value = self.values.get(key)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed:
            raise self.place.error("must be a name or a list of names", key)
        for each in listed:
            if not isinstance(each, str):
                raise self.place.error(f"must hold names, got {each!r}", key)
        written_out = chain.from_iterable(self._expanded(each, key) for each in listed)
        names = list(islice(written_out, MAX_NAMES + 1))
        if len(names) > MAX_NAMES:
            raise self.place.error(f"stands for more than {MAX_NAMES} names", key)
        return names

    def _expanded(self, name: str, key: str) -> Iterator[str]:
        match = RANGE.search(name)
        if match is None:
            yield name
            return
        low, high = int(match[1]), int(match[2])
        if high < low:
            raise self.place.error(f"range {match[0]!r} must ascend", key)
        for number in range(low, high + 1):
            filled = f"{name[: match.start()]}{number:0{len(match[1])}}{name[match.end() :]}"
            yield from self._expanded(filled, key)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to say about an unknown name."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"did you mean {', '.join(near)}?"
    return f"known: {', '.join(names[:8]) or 'none'}"
