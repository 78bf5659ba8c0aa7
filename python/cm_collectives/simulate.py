"""One simulation: a collective, a schedule, several jobs at once, or plain flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from . import _core
from .arguments import endpoints, link_changes, size_array, start_times
from .asked import AUTO, Question, Settings, ask, settings
from .collectives import Schedule
from .errors import ArgumentError
from .fabric import Fabric
from .frames import Column, Columns, collected, from_frame
from .result import Asked, Result

if TYPE_CHECKING:
    import polars as pl

    from .arguments import Counts, LinkChange, Ranks, Size, Starts
    from .moe import Moe


class Job:
    """One of several collectives that share a fabric.

    Takes what `cm.simulate` takes for one collective; routing, engine and the like are said once,
    to `cm.simulate`. A job is immutable, hashable and picklable.

    Parameters
    ----------
    collective : str or Schedule
        Name of a collective, or a schedule, which brings its own payload, root and algorithm; one
        without a size wants it here.
    size_bytes, per_rank_bytes, counts, moe, ranks, root, algorithm, start_ps, split, **options
        As for `cm.simulate`. With "auto", the algorithm that is fastest alone on the fabric.

    Raises
    ------
    ArgumentError
        If `collective` is neither; values are checked when the job is simulated.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> # two pairs of dies share no link, so neither slows the other down
    >>> jobs = [cm.Job("all_reduce", size_bytes=10**6, ranks=[r, r + 2]) for r in (0, 4)]
    >>> cm.simulate(fabric, jobs).jobs["slowdown"].to_list()
    [1.0, 1.0]
    """

    __slots__ = ("_keywords", "collective")

    collective: str | Schedule
    _keywords: tuple[tuple[str, Any], ...]

    def __init__(
        self,
        collective: str | Schedule,
        *,
        size_bytes: Size | None = None,
        per_rank_bytes: Size | None = None,
        counts: Counts | None = None,
        moe: Moe | None = None,
        ranks: Ranks | None = None,
        root: SupportsIndex = 0,
        algorithm: str = "auto",
        start_ps: Starts = 0,
        split: str = "exact",
        **options: int | str | None,
    ) -> None:
        if not isinstance(collective, (str, Schedule)):
            raise ArgumentError(
                f"a job needs the name of a collective or a Schedule, got {collective!r}"
            )
        given = {
            "size_bytes": size_bytes,
            "per_rank_bytes": per_rank_bytes,
            "counts": counts,
            "moe": moe,
            "ranks": ranks,
            "root": root,
            "algorithm": algorithm,
            "start_ps": start_ps,
            "split": split,
            **options,
        }
        chosen = {name: value for name, value in given.items() if not _is_default(name, value)}
        object.__setattr__(self, "collective", collective)
        object.__setattr__(self, "_keywords", tuple((k, _frozen(v)) for k, v in chosen.items()))

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments that were given, by name.

        Examples
        --------
        >>> cm.Job("barrier", ranks=range(4)).keywords
        {'ranks': (0, 1, 2, 3)}
        """
        return dict(self._keywords)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a job is immutable."""
        raise AttributeError(f"a Job is immutable; make a new one with another {name}")

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Job) and self._content() == other._content()

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self._content())

    def _content(self) -> tuple[object, ...]:
        return self.collective, tuple(sorted(self._keywords, key=lambda pair: pair[0]))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by content."""
        return _job, (self.collective, self.keywords)

    def __repr__(self) -> str:
        """Write the call that makes the job."""
        given = "".join(f", {name}={value!r}" for name, value in self._keywords)
        return f"Job({self.collective!r}{given})"


def _job(collective: str | Schedule, keywords: dict[str, Any]) -> Job:
    return Job(collective, **keywords)


_DEFAULTS = {"root": 0, "algorithm": "auto", "start_ps": 0, "split": "exact"}


def _is_default(name: str, value: object) -> bool:
    """Whether an argument was left out; False == 0 must not pass for a default."""
    default = _DEFAULTS.get(name)
    return value is None or (type(value) is type(default) and bool(value == default))


def _frozen(value: object) -> object:
    """Return arrays and lists as tuples, so that they can be hashed and not be changed."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return tuple(_frozen(each) for each in value)
    return value


def simulate(
    fabric: Fabric,
    collective: str | Schedule | Job | Sequence[Job],
    *,
    size_bytes: Size | None = None,
    per_rank_bytes: Size | None = None,
    counts: Counts | None = None,
    moe: Moe | None = None,
    ranks: Ranks | None = None,
    root: SupportsIndex = 0,
    algorithm: str = "auto",
    routing: str = "spray",
    seed: SupportsIndex = 0,
    planes: Sequence[SupportsIndex] | None = None,
    engine: str = "fluid",
    engine_options: Mapping[str, Any] | None = None,
    start_ps: Starts = 0,
    sync: str = "none",
    barrier_per_step: bool = False,
    split: str = "exact",
    set_links: Sequence[tuple[str, float, SupportsIndex]] = (),
    **options: int | str | None,
) -> Result:
    """Return when a collective finishes on a fabric, and why.

    Every transfer is a flow; at each moment the flows share the links max-min fairly. Time is exact
    and rounded up to the picosecond once. Not modelled: link errors and retries, packets, memory
    and cores beyond the limits of the endpoints, noise of the operating system.

    Parameters
    ----------
    fabric : Fabric
        The machine.
    collective : str, Schedule, Job or sequence of Job
        What runs: a collective by name; a schedule; or several jobs that share the fabric and, if
        they like, ranks.
    size_bytes : int or str, optional
        Size in the nccl-tests sense: all_reduce, broadcast, reduce: the vector; all_gather: the
        gathered total; reduce_scatter: the input of one rank; all_to_all: one rank's whole send
        buffer; gather, scatter: the root's buffer; send_recv: the message. An integer, an integral
        float, or text with a unit ("256MiB", "1GB").
    per_rank_bytes : int or str, optional
        Instead of it: what one rank contributes to an all_gather or keeps of a reduce_scatter. For
        the others it equals `size_bytes`.
    counts : array_like, optional
        Instead of it, for all_to_all: an (n, n) matrix of the bytes from row to column, 0 on the
        diagonal (all-to-all-v).
    moe : Moe, optional
        Instead of it, for dispatch and combine: the tokens, from `cm.moe`; `ranks` are then its
        ranks by default.
    ranks : int, sequence of int or Team, optional
        The first n endpoints, or endpoints in rank order; all by default. Of a schedule: the first
        as many as it has ranks.
    root : int
        Root rank of a rooted collective, the sender of a send_recv.
    algorithm : str
        A name from `cm.algorithms()`; "auto" is the fastest of those that fit, with the options
        that are worth trying and that `options` leaves open (of equals the first listed).
    routing : str
        "spray": over all shortest paths by nominal rate; "hash", "dest", "plane": one choice per
        plane and flow.
    seed : int
        Stirs the choices of "hash".
    planes : sequence of int, optional
        The planes that "plane" may use; all by default.
    engine : str
        "fluid" (max-min fair rates, exact), or "bound" (lower bounds only, at once).
    engine_options : mapping, optional
        `memory_limit_bytes` (8 GiB) and `event_limit` (10^9): above them the run is refused with a
        `LimitError`. `arithmetic`: the number to begin with, "pair" (default), "extended" or
        "rational"; the run climbs by itself where a comparison asks for it. `orbits`, `refine`,
        `fast_forward`: False switches off a lossless short cut. `bracket`: True simulates no event
        and gives `time_ps_low` and `time_ps_high` alone, whatever the routing; they are equal for
        one step of equal sizes and latencies, close for one step, and loose where steps wait for
        each other.
    start_ps : int or sequence of int
        When the ranks enter, one time or one per rank, in picoseconds (>= 0).
    sync : str
        "none": a transfer waits for its own predecessors; "pairwise": a step waits for both ends'
        previous step; "barrier": for everybody's.
    barrier_per_step : bool
        The same as `sync="barrier"`, the bulk-synchronous model of textbooks.
    split : str
        How chunks get their sizes: "exact" fractions, or whole bytes by "balanced" or "hccl".
    set_links : sequence of (selector, factor, t_ps)
        Links that fail, slow down or recover meanwhile: from `t_ps` on (>= 0, picoseconds), the
        links of the selector (as for `Fabric.degrade`) carry `factor` (0 to 1) of their nominal
        rate, whatever they carried before; of several for one link and time the last holds. What is
        under way goes on along the routes that the routing finds then. "auto" is the algorithm
        that is fastest with these changes; on a calibrated fabric the library's choice, which knows
        of none.
    **options
        Options of the algorithm, see `cm.algorithms()`; None means the default.

    Returns
    -------
    Result
        Time, bandwidths, bounds and frames.

    Raises
    ------
    ArgumentError
        If a name is unknown or a value is outside its range; the message lists what is allowed.
    UnsupportedError
        If the arguments are fine one by one but do not go together, or a rank cannot be reached, at
        the time at which something is to be sent to it.
    VerifyError
        If a schedule does not compute its collective.
    LimitError
        If the run would need more memory or events than allowed.

    Notes
    -----
    A ring all_reduce of S bytes over n dies of different packages takes 2(n-1)/n * S/B, B being the
    rate of a die's ports together. [1]_

    References
    ----------
    .. [1] P. Patarasuk, X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
       workstations", J. Parallel Distrib. Comput. 69, 2009, doi:10.1016/j.jpdc.2008.09.002.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> # 7 dies of different packages: each receives 6 * 49 MB over 7 * 28 GB/s, 1.5 ms
    >>> cm.simulate(
    ...     fabric, "all_gather", per_rank_bytes="49MB", ranks=range(0, 14, 2), algorithm="ring"
    ... ).time_s
    0.0015
    >>> # after 0.5 ms one of the seven planes fails: 1 ms of work is left, which takes 7/6 ms
    >>> r = cm.simulate(
    ...     fabric,
    ...     "all_gather",
    ...     per_rank_bytes="49MB",
    ...     ranks=range(0, 14, 2),
    ...     algorithm="ring",
    ...     set_links=[("plane:3", 0.0, 500_000_000)],
    ... )
    >>> round(r.time_s * 1e6, 3)
    1666.667
    """
    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    given: dict[str, Any] = {
        "size_bytes": size_bytes,
        "per_rank_bytes": per_rank_bytes,
        "counts": counts,
        "moe": moe,
        "ranks": ranks,
        "root": root,
        "algorithm": algorithm,
        "start_ps": start_ps,
        "split": split,
        **options,
    }
    given = {name: value for name, value in given.items() if not _is_default(name, value)}
    run = settings(
        routing=routing,
        seed=seed,
        planes=planes,
        engine=engine,
        engine_options=engine_options,
        sync=sync,
        barrier_per_step=barrier_per_step,
    )
    changes = link_changes(set_links)
    if isinstance(collective, str):
        return _simulate_collective(fabric, collective, given, run, changes)
    if isinstance(collective, Schedule):
        return _simulate_jobs(fabric, [_job(collective, given)], run, changes)
    jobs = _jobs(collective)
    if given:
        raise ArgumentError(f"{', '.join(given)} must be said by each Job, not to simulate()")
    return _simulate_jobs(fabric, jobs, run, changes)


def _jobs(value: object) -> list[Job]:
    if isinstance(value, Job):
        return [value]
    if not isinstance(value, Sequence) or isinstance(value, bytes):
        raise ArgumentError(
            "collective must be a name, a Schedule, a Job or a sequence of Jobs, got "
            f"{type(value).__name__}"
        )
    for i, job in enumerate(value):
        if not isinstance(job, Job):
            raise ArgumentError(f"jobs[{i}] must be a Job, got {type(job).__name__}")
    if not value:
        raise ArgumentError("jobs must have at least one Job, got none")
    return list(value)


def _checked_question(
    fabric: Fabric, collective: str, given: Mapping[str, Any]
) -> tuple[Question, list[int]]:
    """Return the question, and the starts of its ranks."""
    asked = ask(fabric.n_endpoints, collective, given)
    return asked.question, asked.start_ps


def _simulate_collective(
    fabric: Fabric,
    collective: str,
    given: Mapping[str, Any],
    run: Settings,
    set_links: list[LinkChange],
) -> Result:
    question, starts = _checked_question(fabric, collective, given)
    asked = Asked(
        fabric.name,
        len(question.endpoints),
        run.routing,
        question.collective,
        question.payload.volume_bytes,
        fabric.calibration,
    )
    return Result(asked, partial(_run_question, fabric, question, starts, run, set_links))


def _run_question(
    fabric: Fabric,
    question: Question,
    start_ps: list[int],
    run: Settings,
    set_links: list[LinkChange],
) -> _core.Run:
    return question.run(fabric.core, start_ps, run.core(), set_links)


class Placed(NamedTuple):
    """A job on its endpoints."""

    schedule: Schedule
    endpoints: list[int]
    start_ps: list[int]


def _simulate_jobs(
    fabric: Fabric, jobs: Sequence[Job], run: Settings, set_links: list[LinkChange]
) -> Result:
    ready = [placed(fabric, job, run) for job in jobs]
    only = ready[0].schedule if len(ready) == 1 else None
    asked = Asked(
        fabric.name,
        sum(len(job.endpoints) for job in ready),
        run.routing,
        None if only is None else only.collective,
        None if only is None else only.volume_bytes,
        fabric.calibration,
    )
    return Result(asked, partial(_run_jobs, fabric, ready, run, set_links))


def _run_jobs(
    fabric: Fabric, placed: list[Placed], run: Settings, set_links: list[LinkChange]
) -> _core.Run:
    jobs = [(job.schedule.core, job.endpoints, job.start_ps) for job in placed]
    return _core.simulate_jobs(fabric.core, jobs, run.core(), set_links)


def placed(fabric: Fabric, job: Job, run: Settings) -> Placed:
    """Return a job on its endpoints, its schedule proved."""
    given = job.keywords
    if isinstance(job.collective, str):
        question, starts = _checked_question(fabric, job.collective, given)
        return Placed(_schedule_of(fabric, question, run), question.endpoints, starts)
    schedule = job.collective
    sizes = {name: given.pop(name) for name in ("size_bytes", "per_rank_bytes") if name in given}
    if schedule.is_sizeless:
        schedule = schedule.with_size(**sizes)
    for name in (*sizes, *given) if not job.collective.is_sizeless else given:
        if name not in ("ranks", "start_ps"):
            raise ArgumentError(f"a Schedule brings its own {name}; leave it out")
    schedule.verify()
    chosen = endpoints(given.get("ranks", schedule.n_ranks), fabric.n_endpoints)
    if len(chosen) != schedule.n_ranks:
        raise ArgumentError(
            f"ranks must name {schedule.n_ranks} endpoints, as the schedule has, got {len(chosen)}"
        )
    return Placed(schedule, chosen, start_times(given.get("start_ps", 0), len(chosen)))


def _schedule_of(fabric: Fabric, question: Question, run: Settings) -> Schedule:
    """Return the schedule of a job; "auto" is what is fastest alone."""
    algorithm, options = question.algorithm, question.options
    if algorithm == AUTO:
        alone = question.run(fabric.core, [0], run.core(), [])
        algorithm, options = alone.algorithms[0], alone.options
    core = _core.Schedule.build(
        question.collective,
        algorithm,
        len(question.endpoints),
        fabric.core.levels(question.endpoints),
        question.root,
        question.payload.size_bytes,
        question.payload.table,
        options,
        question.split,
    )
    return Schedule(core, question.payload, verified=True)


_FLOW_COLUMNS = (
    Column("size_bytes", "integer"),
    Column("start_ps", "integer", required=False),
    Column("depends_on", "integers", required=False),
    Column("follows", "integers", required=False),
    Column("via", "words", required=False),
)


def simulate_flows(
    fabric: Fabric,
    flows: pl.DataFrame,
    *,
    routing: str = "spray",
    seed: SupportsIndex = 0,
    planes: Sequence[SupportsIndex] | None = None,
    engine: str = "fluid",
    engine_options: Mapping[str, Any] | None = None,
    set_links: Sequence[tuple[str, float, SupportsIndex]] = (),
) -> Result:
    """Return when flows finish that share a fabric: the engine without a collective.

    Parameters
    ----------
    fabric : Fabric
        The machine.
    flows : polars.DataFrame
        One row per flow: `src`, `dst` (endpoint numbers, or names), `size_bytes` (integer).
        Optional: `start_ps` (integer, >= 0), `depends_on` and `follows` (lists of row numbers: what
        must have arrived, what must have been served), `via` (list of node names: a pinned route,
        empty for none), `tag` (anything, handed back).
    routing, seed, planes, engine, engine_options, set_links
        As for `cm.simulate`.

    Returns
    -------
    Result
        `transfers` are the rows with `released_ps`, `served_ps`, `arrived_ps`; `algorithm`,
        `algbw_Bps` and `busbw_Bps` are None.

    Raises
    ------
    ArgumentError
        If a column is missing, unknown, of the wrong dtype or null, or a value is wrong.
    UnsupportedError
        If no live path joins the ends of a flow while it is to be served.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> # 5 dies of other packages send 196 kB each into one die of 196 GB/s: 5 us
    >>> flows = pl.DataFrame({"src": [2, 4, 6, 8, 10], "dst": 0, "size_bytes": 196_000})
    >>> cm.simulate_flows(fabric, flows).time_ps
    5000000
    >>> # after 2.5 us the one die has half of its rate: what is left takes 5 us
    >>> cm.simulate_flows(fabric, flows, set_links=[("node00/die00", 0.5, 2_500_000)]).time_ps
    7500000
    """
    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    run = settings(
        routing=routing, seed=seed, planes=planes, engine=engine, engine_options=engine_options
    )
    frame = collected(flows, "flows")
    columns = _flow_columns(frame)
    asked = Asked(fabric.name, 0, run.routing, None, None)
    replay = partial(_run_flows, fabric, columns, run, link_changes(set_links))
    return Result(asked, replay, extra=frame.clone())


def _flow_columns(frame: pl.DataFrame) -> Columns:
    ends = []
    for name in ("src", "dst"):
        is_number = name in frame.columns and frame.schema[name].is_integer()
        ends.append(Column(name, "integer" if is_number else "word"))
    untagged = frame.drop("tag", strict=False)
    columns = from_frame(untagged, "flows", [*ends, *_FLOW_COLUMNS])
    columns["size_bytes"] = size_array(columns["size_bytes"], "flows: size_bytes")
    starts = columns.get("start_ps")
    if starts is not None and len(starts) > 0 and starts.min() < 0:
        row = int(starts.argmin())
        raise ArgumentError(f"flows: start_ps must be at least 0, got {starts[row]} in row {row}")
    return columns


def _run_flows(
    fabric: Fabric, columns: Columns, run: Settings, set_links: list[LinkChange]
) -> _core.Run:
    return _core.simulate_flows(fabric.core, columns, run.core(), set_links)
