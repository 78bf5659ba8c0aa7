"""One question and how to run it, checked and in the form that the extension takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _core
from .arguments import (
    MAX_SEED,
    MAX_SIZE_BYTES,
    MAX_TIME_PS,
    LinkChange,
    algorithm_options,
    endpoints,
    flag,
    integer,
    link_changes,
    size,
    start_times,
    text,
    unknown_name,
    within,
)
from .errors import ArgumentError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .moe import Moe

# Above what a laptop has free, a run should be asked for, not happen.
DEFAULT_MEMORY_LIMIT_BYTES = 8 * 2**30
# About an hour of events.
DEFAULT_EVENT_LIMIT = 10**9
AUTO = "auto"
# Where one rank's part is 1/n of the size; everywhere else it is the size.
_DIVIDED = frozenset({"all_gather", "reduce_scatter"})
WITHOUT_SIZE = "barrier"
_WITH_COUNTS = "all_to_all"
WITH_TOKENS = frozenset({"dispatch", "combine"})


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
    if array.dtype.kind in "iu" and within(array, 0, MAX_SIZE_BYTES):
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


class Question(NamedTuple):
    """One collective on some endpoints, checked: what the extension is asked."""

    collective: str
    algorithm: str
    endpoints: list[int]
    root: int
    payload: Payload
    options: dict[str, int | str]
    split: str

    def case(
        self, fabric: _core.Fabric, settings: _core.Settings, set_links: list[LinkChange]
    ) -> _core.Case:
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
            set_links,
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
    set_links: list[LinkChange]

    def case(self, fabric: _core.Fabric) -> _core.Case:
        """Return the question as a row of a batch; all ranks enter at 0 there."""
        return self.question.case(fabric, self.settings.core(), self.set_links)

    def run(self, fabric: _core.Fabric) -> _core.Run:
        """Return the simulated answer."""
        return self.question.run(fabric, self.start_ps, self.settings.core(), self.set_links)


_QUESTION = frozenset(
    ("size_bytes", "per_rank_bytes", "counts", "moe", "ranks", "root", "algorithm", "split")
)
_SETTINGS = frozenset(
    ("routing", "seed", "planes", "engine", "engine_options", "sync", "barrier_per_step")
)
# Every other keyword is an option of the algorithm.
KEYWORDS = _QUESTION | _SETTINGS | {"start_ps", "set_links"}


def ask(n_endpoints: int, collective: object, keywords: Mapping[str, Any]) -> Asked:
    """Return the checked form of `simulate(fabric, collective, **keywords)`.

    A keyword that is not in `KEYWORDS` is an option of the algorithm.
    """
    question = {name: value for name, value in keywords.items() if name in _QUESTION}
    run = {name: value for name, value in keywords.items() if name in _SETTINGS}
    options = {name: value for name, value in keywords.items() if name not in KEYWORDS}
    checked = ask_question(n_endpoints, collective, options=options, **question)
    starts = start_times(keywords.get("start_ps", 0), len(checked.endpoints))
    changes = link_changes(keywords.get("set_links", ()))
    return Asked(checked, starts, settings(**run), changes)
