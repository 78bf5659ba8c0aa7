"""What callers pass, checked and brought into one form; the only place that does so.

Names of collectives, algorithms, routings and engines are checked by the extension, which knows
them and suggests the nearest ones. Here are shapes, types and ranges.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, TypeAlias

from . import _core
from .errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .moe import Moe
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

# Above what a laptop has free, a run should be asked for, not happen.
DEFAULT_MEMORY_LIMIT_BYTES = 8 * 2**30
# About an hour of events.
DEFAULT_EVENT_LIMIT = 10**9

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

AUTO = "auto"

# Selector, share of the nominal rate, time in picoseconds.
LinkChange: TypeAlias = tuple[str, float, int]

# Where one rank's part is 1/n of the size; everywhere else it is the size.
_DIVIDED = frozenset({"all_gather", "reduce_scatter"})
WITHOUT_SIZE = "barrier"
_WITH_COUNTS = "all_to_all"
WITH_TOKENS = frozenset({"dispatch", "combine"})


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
    if array.dtype.kind in "iu" and (array.size == 0 or _within(array, 0, MAX_SIZE_BYTES)):
        return array.astype(np.int64)
    checked = [size(value, f"{name}[{i}]") for i, value in enumerate(array.ravel().tolist())]
    return np.array(checked, dtype=np.int64).reshape(array.shape)


def _within(array: NDArray[Any], low: int, high: int) -> bool:
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


class Payload(NamedTuple):
    """The bytes of a collective: a size, a matrix of counts, tokens, or none (barrier)."""

    size_bytes: int | None
    counts: NDArray[np.int64] | None
    moe: Moe | None = None

    @property
    def table(self) -> NDArray[np.int64] | _core.Tokens | None:
        """What each rank has for each other, as the extension takes it."""
        return self.counts if self.moe is None else self.moe.core

    @property
    def volume_bytes(self) -> int | None:
        """The bytes that algbw divides by the time.

        With counts or tokens it is the largest number that one rank sends or receives.
        """
        if self.moe is not None:
            return self.moe.volume_bytes
        if self.counts is None:
            return self.size_bytes
        sent = self.counts.sum(axis=1)
        received = self.counts.sum(axis=0)
        return max(int(sent.max()), int(received.max()))


def known_collective(collective: object) -> str:
    """Return the name of a collective, or raise the error that lists the nearest ones."""
    name = text(collective, "collective")
    known = _core.collectives()
    if name not in known:
        raise unknown_name("collective", name, known)
    return name


def payload(
    collective: str,
    n_ranks: int,
    size_bytes: object = None,
    per_rank_bytes: object = None,
    counts: object = None,
    *,
    moe: object = None,
) -> Payload:
    """Return what a known collective moves, from exactly one of the arguments."""
    if moe is not None or collective in WITH_TOKENS:
        others = [each for each in (size_bytes, per_rank_bytes, counts) if each is not None]
        return _tokens(collective, n_ranks, moe, others)
    given = {"size_bytes": size_bytes, "per_rank_bytes": per_rank_bytes, "counts": counts}
    names = [name for name, value in given.items() if value is not None]
    if collective == WITHOUT_SIZE:
        if names:
            raise ArgumentError(f"a {collective} moves no bytes; leave {', '.join(names)} out")
        return Payload(None, None)
    if len(names) != 1:
        got = " and ".join(names) or "none"
        raise ArgumentError(
            f"{collective} needs exactly one of size_bytes, per_rank_bytes and counts, got {got}"
        )
    if counts is not None:
        if collective != _WITH_COUNTS:
            raise ArgumentError(f"counts is for {_WITH_COUNTS}; {collective} takes size_bytes")
        return Payload(None, count_matrix(counts, n_ranks))
    if size_bytes is not None:
        return Payload(size(size_bytes), None)
    part = size(per_rank_bytes, "per_rank_bytes")
    total = part * n_ranks if collective in _DIVIDED else part
    if total > MAX_SIZE_BYTES:
        raise ArgumentError(
            f"per_rank_bytes times {n_ranks} ranks must be at most {MAX_SIZE_BYTES} bytes (2^53), "
            f"got per_rank_bytes={part}"
        )
    return Payload(total, None)


def _tokens(collective: str, n_ranks: int, moe: object, others: list[object]) -> Payload:
    from .moe import Moe

    if collective not in WITH_TOKENS:
        allowed = " and ".join(sorted(WITH_TOKENS))
        raise ArgumentError(f"moe is for {allowed}; {collective} takes size_bytes")
    if not isinstance(moe, Moe) or others:
        raise ArgumentError(f"{collective} needs moe=cm.moe(...) and no size, got moe={moe!r}")
    if moe.n_ranks != n_ranks:
        raise ArgumentError(f"moe has {moe.n_ranks} ranks, but {n_ranks} ranks were given")
    return Payload(None, None, moe)


def count_matrix(counts: object, n_ranks: int) -> NDArray[np.int64]:
    """Return the bytes from row to column as an (n, n) int64 array with an empty diagonal."""
    import numpy as np

    try:
        array = np.asarray(counts)
    except ValueError:
        raise ArgumentError(
            f"counts must have shape ({n_ranks}, {n_ranks}), got rows of different lengths"
        ) from None
    if array.shape != (n_ranks, n_ranks):
        raise ArgumentError(
            f"counts must have shape ({n_ranks}, {n_ranks}) for {n_ranks} ranks, got {array.shape}"
        )
    if array.dtype.kind in "iu" and _within(array, 0, MAX_SIZE_BYTES):
        matrix = array.astype(np.int64)
    else:
        cells = [
            size(value, f"counts[{i}][{j}]")
            for i, row in enumerate(array.tolist())
            for j, value in enumerate(row)
        ]
        matrix = np.array(cells, dtype=np.int64).reshape(n_ranks, n_ranks)
    diagonal = np.flatnonzero(matrix.diagonal())
    if diagonal.size > 0:
        i = int(diagonal[0])
        raise ArgumentError(
            f"counts must be 0 on the diagonal, got counts[{i}][{i}] = {matrix[i, i]}; "
            "what a rank keeps is not sent"
        )
    total = int(matrix.sum(dtype=object))
    if total > MAX_TIME_PS:
        raise ArgumentError(f"counts must sum to less than 2^63 bytes, got {total}")
    return matrix


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


class Question(NamedTuple):
    """One collective on some endpoints, checked: what the extension is asked."""

    collective: str
    algorithm: str
    endpoints: list[int]
    root: int
    payload: Payload
    options: dict[str, int | str]
    split: str

    def case(self, fabric: _core.Fabric, settings: _core.Settings) -> _core.Case:
        """Return the question as a row of a batch."""
        return _core.Case(
            fabric,
            self.collective,
            self.algorithm,
            self.endpoints,
            self.root,
            self.payload.size_bytes,
            self.payload.table,
            self.options,
            self.split,
            settings,
        )

    def run(
        self,
        fabric: _core.Fabric,
        start_ps: list[int],
        settings: _core.Settings,
        set_links: list[LinkChange],
    ) -> _core.Run:
        """Return the simulated answer."""
        return _core.simulate(
            fabric,
            self.collective,
            self.algorithm,
            self.endpoints,
            self.root,
            self.payload.size_bytes,
            self.payload.table,
            self.options,
            self.split,
            start_ps,
            settings,
            set_links,
        )


def ask_question(
    n_endpoints: int,
    collective: object,
    *,
    size_bytes: object = None,
    per_rank_bytes: object = None,
    counts: object = None,
    moe: object = None,
    ranks: object = None,
    root: object = 0,
    algorithm: object = "auto",
    split: object = "exact",
    options: Mapping[str, object],
) -> Question:
    """Return the checked question about one collective."""
    name = known_collective(collective)
    chosen = endpoints(getattr(moe, "ranks", None) if ranks is None else ranks, n_endpoints)
    return Question(
        collective=name,
        algorithm=text(algorithm, "algorithm"),
        endpoints=chosen,
        root=integer(root, "root", 0, len(chosen) - 1),
        payload=payload(name, len(chosen), size_bytes, per_rank_bytes, counts, moe=moe),
        options=algorithm_options(options),
        split=text(split, "split"),
    )


class Settings(NamedTuple):
    """How to run, checked; plain values, so that it can be a key and be pickled."""

    routing: str
    seed: int
    planes: tuple[int, ...] | None
    sync: str
    engine: str
    arithmetic: str
    layers: tuple[bool, bool, bool]  # orbits, refine, fast_forward
    bracket: bool
    memory_limit_bytes: int
    event_limit: int

    def core(self) -> _core.Settings:
        """Return the form that the extension takes."""
        planes = None if self.planes is None else list(self.planes)
        return _core.Settings(
            self.routing,
            self.seed,
            planes,
            self.sync,
            self.engine,
            self.arithmetic,
            self.layers,
            self.bracket,
            self.memory_limit_bytes,
            self.event_limit,
        )


def settings(
    *,
    routing: object = "spray",
    seed: object = 0,
    planes: object = None,
    engine: object = "fluid",
    engine_options: object = None,
    sync: object = "none",
    barrier_per_step: object = False,
) -> Settings:
    """Return the checked settings of a run."""
    if engine == "packet":
        raise UnsupportedError('engine="packet" comes in a later version; use "fluid"')
    options = _engine_options(engine_options)
    return Settings(
        routing=text(routing, "routing"),
        seed=integer(seed, "seed", 0, MAX_SEED),
        planes=_planes(planes),
        sync=_sync(sync, barrier_per_step),
        engine=text(engine, "engine"),
        arithmetic=text(options.get("arithmetic", "pair"), "engine_options['arithmetic']"),
        layers=(
            flag(options.get("orbits", True), "engine_options['orbits']"),
            flag(options.get("refine", True), "engine_options['refine']"),
            flag(options.get("fast_forward", True), "engine_options['fast_forward']"),
        ),
        bracket=flag(options.get("bracket", False), "engine_options['bracket']"),
        memory_limit_bytes=size(
            options.get("memory_limit_bytes", DEFAULT_MEMORY_LIMIT_BYTES),
            "engine_options['memory_limit_bytes']",
        ),
        event_limit=integer(
            options.get("event_limit", DEFAULT_EVENT_LIMIT),
            "engine_options['event_limit']",
            1,
            MAX_TIME_PS,
        ),
    )


_ENGINE_OPTIONS = (
    "arithmetic",
    "memory_limit_bytes",
    "event_limit",
    "orbits",
    "refine",
    "fast_forward",
    "bracket",
)


def _engine_options(options: object) -> Mapping[str, object]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ArgumentError(f"engine_options must be a mapping, got {options!r}")
    for name in options:
        if name not in _ENGINE_OPTIONS:
            raise unknown_name("engine option", name, _ENGINE_OPTIONS)
    return options


def _planes(planes: object) -> tuple[int, ...] | None:
    if planes is None:
        return None
    if isinstance(planes, (str, bytes, Mapping)) or not isinstance(planes, Iterable):
        raise ArgumentError(f"planes must be a sequence of plane numbers, got {planes!r}")
    chosen = tuple(integer(plane, f"planes[{i}]", 0, 2**32 - 1) for i, plane in enumerate(planes))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ArgumentError(f"planes must name at least one plane, each once, got {planes!r}")
    return chosen


def _sync(sync: object, barrier_per_step: object) -> str:
    if not flag(barrier_per_step, "barrier_per_step"):
        return text(sync, "sync")
    if sync not in ("none", "barrier"):
        raise ArgumentError(f'barrier_per_step=True means sync="barrier", got sync={sync!r} too')
    return "barrier"


class Asked(NamedTuple):
    """A question about one collective with all that goes with it."""

    question: Question
    start_ps: list[int]
    settings: Settings

    def run(self, fabric: _core.Fabric) -> _core.Run:
        """Return the simulated answer."""
        return self.question.run(fabric, self.start_ps, self.settings.core(), [])


_QUESTION = frozenset(
    ("size_bytes", "per_rank_bytes", "counts", "moe", "ranks", "root", "algorithm", "split")
)
_SETTINGS = frozenset(
    ("routing", "seed", "planes", "engine", "engine_options", "sync", "barrier_per_step")
)
# Every other keyword is an option of the algorithm.
KEYWORDS = _QUESTION | _SETTINGS | {"start_ps"}


def ask(n_endpoints: int, collective: object, keywords: Mapping[str, Any]) -> Asked:
    """Return the checked form of `simulate(fabric, collective, **keywords)`.

    A keyword that is not in `KEYWORDS` is an option of the algorithm.
    """
    question = {name: value for name, value in keywords.items() if name in _QUESTION}
    run = {name: value for name, value in keywords.items() if name in _SETTINGS}
    options = {name: value for name, value in keywords.items() if name not in KEYWORDS}
    checked = ask_question(n_endpoints, collective, options=options, **question)
    starts = start_times(keywords.get("start_ps", 0), len(checked.endpoints))
    return Asked(checked, starts, settings(**run))
