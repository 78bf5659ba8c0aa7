"""What callers pass, one argument at a time, checked and brought into one form.

Names of collectives, algorithms, routings and engines are checked by the extension, which knows
them and suggests the nearest ones. Here are shapes, types and ranges.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from .errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .team import Team

    Size: TypeAlias = SupportsIndex | float | str
    Counts: TypeAlias = NDArray[Any] | Sequence[Sequence[SupportsIndex | float]]
    Ranks: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | NDArray[np.integer[Any]] | Team"
    Levels: TypeAlias = Mapping[str, Sequence[Sequence[int]]] | Sequence[Sequence[int]]
    Starts: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | NDArray[np.integer[Any]]

# Integers up to here are exact as doubles too, so a size means the same in every column.
MAX_SIZE_BYTES = 2**53
MAX_TIME_PS = 2**63 - 1
MAX_SEED = 2**64 - 1


# In their own spelling: "Mb" might mean bits.
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
# Thirty digits are more than any size needs and fewer than Python refuses to convert.
_SIZE = re.compile(r"\s*([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*([A-Za-z]*)\s*", re.ASCII)
_SIZE_FORMS = 'an integer number of bytes or text with a unit such as "256MiB", "1GB" or "512B"'


# Selector, share of the nominal rate, time in picoseconds.
LinkChange: TypeAlias = tuple[str, float, int]


def unknown_name(what: str, name: object, known: Iterable[str]) -> ArgumentError:
    """Return the error for a name that is not among `known`, with the nearest ones."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
    return ArgumentError(f"unknown {what} {name!r}; {hint}")


def integer(value: object, name: str, low: int, high: int) -> int:
    """Return an int in `low..=high` from an int or a NumPy integer; a bool is refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{name} must be an integer from {low} to {high}, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:  # a NumPy array of several elements, a NumPy bool
        raise ArgumentError(
            f"{name} must be an integer from {low} to {high}, got {value!r}"
        ) from None
    if not low <= number <= high:
        raise ArgumentError(f"{name} must be from {low} to {high}, got {number}")
    return number


def flag(value: object, name: str) -> bool:
    """Return a bool, or raise the error for anything else."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} must be True or False, got {value!r}")
    return value


def text(value: object, name: str) -> str:
    """Return a string, or raise the error for anything else."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be text, got {value!r}")
    return value


def size(value: object, name: str = "size_bytes") -> int:
    """Return a size in bytes from an integer, an integral float or text with a unit."""
    if isinstance(value, str):
        number = _parsed_size(value, name)
    elif isinstance(value, bool):
        raise ArgumentError(f"{name} must be {_SIZE_FORMS}, got {value!r}")
    elif hasattr(value, "__index__"):
        return integer(value, name, 0, MAX_SIZE_BYTES)
    elif isinstance(value, Real):
        number = _integral(float(value), name)
    else:
        raise ArgumentError(f"{name} must be {_SIZE_FORMS}, got {value!r}")
    if not 0 <= number <= MAX_SIZE_BYTES:
        raise ArgumentError(
            f"{name} must be from 0 to {MAX_SIZE_BYTES} bytes (2^53), got {value!r}"
        )
    return number


def _integral(value: float, name: str) -> int:
    if not value.is_integer():  # False for NaN and infinities
        raise ArgumentError(f"{name} must be a whole number of bytes, at most 2^53, got {value!r}")
    return int(value)


def _parsed_size(value: str, name: str) -> int:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ArgumentError(f"{name} must be {_SIZE_FORMS}, got {value!r}")
    whole, fraction, unit = match[1], match[2] or "", match[3]
    if unit not in _UNITS:
        raise ArgumentError(f"{name} must be {_SIZE_FORMS}, got {value!r}{_unit_hint(match)}")
    tens: int = 10 ** len(fraction)
    number, rest = divmod(int(whole + fraction) * _UNITS[unit], tens)
    if rest:
        raise ArgumentError(f"{name} must be a whole number of bytes, got {value!r}")
    return number


def _unit_hint(match: re.Match[str]) -> str:
    unit = match[3]
    if not unit:
        return "; write the number without quotes"
    if unit.upper() in ("K", "M", "G", "T"):
        # The command line follows nccl-tests, where M means MiB; here it must be said.
        return f"; did you mean {match[1]}{unit.upper()}iB or {match[1]}{unit.upper()}B?"
    return f"; known units: {', '.join(_UNITS)}"


def size_array(values: object, name: str = "sizes_bytes") -> NDArray[np.int64]:
    """Return sizes as an int64 array of the same shape."""
    import numpy as np

    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ArgumentError(f"{name} must be an array of sizes: {error}") from None
    if array.dtype.kind in "iu" and (array.size == 0 or within(array, 0, MAX_SIZE_BYTES)):
        return array.astype(np.int64)
    checked = [size(value, f"{name}[{i}]") for i, value in enumerate(array.ravel().tolist())]
    return np.array(checked, dtype=np.int64).reshape(array.shape)


def within(array: NDArray[Any], low: int, high: int) -> bool:
    """Return whether all numbers of an array are in `low..=high`."""
    return bool(array.min() >= low) and bool(array.max() <= high)


def endpoints(ranks: object, n_endpoints: int) -> list[int]:
    """Return the endpoint of each rank; None means all, an int n the first n."""
    from .team import Team

    if ranks is None:
        return list(range(n_endpoints))
    if isinstance(ranks, Team):
        return endpoints(list(ranks.ranks), n_endpoints)
    if hasattr(ranks, "__index__") and not hasattr(ranks, "__len__"):
        return list(range(integer(ranks, "ranks", 1, n_endpoints)))
    if isinstance(ranks, (str, bytes, Mapping)) or not isinstance(ranks, Iterable):
        raise ArgumentError(
            f"ranks must be a number from 1 to {n_endpoints} or a sequence of endpoints, "
            f"got {ranks!r}"
        )
    chosen = [integer(rank, f"ranks[{i}]", 0, n_endpoints - 1) for i, rank in enumerate(ranks)]
    if not chosen:
        raise ArgumentError("ranks must name at least one endpoint, got an empty sequence")
    if len(set(chosen)) < len(chosen):
        first: dict[int, int] = {}
        for i, rank in enumerate(chosen):
            if first.setdefault(rank, i) != i:
                raise ArgumentError(
                    f"ranks names endpoint {rank} twice, at positions {first[rank]} and {i}; "
                    "each endpoint may be one rank"
                )
    return chosen


def n_ranks_of(ranks: object) -> tuple[int, Levels | None]:
    """Return the number of ranks, and the levels if `ranks` is a Team; for schedules."""
    from .team import Team

    if isinstance(ranks, Team):
        return len(ranks.ranks), ranks.levels
    if hasattr(ranks, "__len__"):
        raise ArgumentError(
            f"ranks of a schedule must be a number or a Team, got {type(ranks).__name__}; "
            "which endpoints they are is said to simulate()"
        )
    return integer(ranks, "ranks", 1, 2**31 - 1), None


def level_list(levels: object) -> list[tuple[str, list[list[int]]]]:
    """Return levels, innermost first, from a mapping name -> groups or from one list of groups.

    A lone list of groups is the level "node".
    """
    if levels is None:
        return []
    named = levels if isinstance(levels, Mapping) else {"node": levels}
    return [(text(name, "levels: a name"), _groups(name, groups)) for name, groups in named.items()]


def _groups(name: object, groups: object) -> list[list[int]]:
    if isinstance(groups, (str, bytes)) or not isinstance(groups, Iterable):
        raise ArgumentError(f"levels[{name!r}] must be a list of groups of ranks, got {groups!r}")
    checked = []
    for i, group in enumerate(groups):
        if isinstance(group, (str, bytes)) or not isinstance(group, Iterable):
            raise ArgumentError(
                f"levels[{name!r}][{i}] must be a group, a list of ranks, got {group!r}"
            )
        checked.append([integer(rank, f"levels[{name!r}][{i}]", 0, 2**31 - 1) for rank in group])
    return checked


def start_times(start_ps: object, n_ranks: int) -> list[int]:
    """Return one start for all ranks, or one for each."""
    if hasattr(start_ps, "__index__") and not hasattr(start_ps, "__len__"):
        return [integer(start_ps, "start_ps", 0, MAX_TIME_PS)]
    if isinstance(start_ps, (str, bytes, Mapping)) or not isinstance(start_ps, Iterable):
        raise ArgumentError(f"start_ps must be an integer >= 0 or one per rank, got {start_ps!r}")
    starts = [integer(start, f"start_ps[{i}]", 0, MAX_TIME_PS) for i, start in enumerate(start_ps)]
    if len(starts) != n_ranks:
        raise ArgumentError(
            f"start_ps must have one entry for each of the {n_ranks} ranks, got {len(starts)}"
        )
    return starts


def link_changes(set_links: object) -> list[LinkChange]:
    """Return selector, share of the nominal rate and time of each change of links."""
    if isinstance(set_links, (str, bytes, Mapping)) or not isinstance(set_links, Iterable):
        raise ArgumentError(
            f"set_links must be a sequence of (selector, factor, t_ps), got {set_links!r}"
        )
    changes = []
    for i, change in enumerate(set_links):
        name = f"set_links[{i}]"
        match change:
            case [selector, factor, t_ps]:
                selector = text(selector, f"{name}: selector")
                factor = share(factor, f"{name}: factor")
                changes.append((selector, factor, integer(t_ps, f"{name}: t_ps", 0, MAX_TIME_PS)))
            case _:
                raise ArgumentError(f"{name} must be (selector, factor, t_ps), got {change!r}")
    return changes


def share(value: object, name: str) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise ArgumentError(f"{name} must be a number from 0 to 1, got {value!r}")
    return float(value)


def algorithm_options(options: Mapping[str, object]) -> dict[str, int | str]:
    """Return the options of an algorithm; those that are None are left to their default."""
    checked: dict[str, int | str] = {}
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, str):
            checked[name] = value
        elif isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ArgumentError(f"option {name} must be an integer or text, got {value!r}")
        else:
            checked[name] = integer(value, f"option {name}", -MAX_TIME_PS, MAX_TIME_PS)
    return checked
