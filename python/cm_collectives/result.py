"""What a simulation answers: times, bandwidths, bounds, and frames that say why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import _core
from .certificate import Certificate
from .errors import UnsupportedError
from .frames import to_frame

if TYPE_CHECKING:
    import polars as pl

    from .measure.calibration import Calibration

PS_PER_S = 1e12

SCHEMA = "cm.result/1"


class Replay(Protocol):
    """Runs the same simulation again; picklable."""

    def __call__(self) -> _core.Run:
        """Return the run."""
        ...


class Asked(NamedTuple):
    """What a result keeps of its question, for bandwidths and for its text."""

    fabric: str
    n_ranks: int
    routing: str
    collective: str | None  # None for several jobs and for flows
    volume_bytes: int | None  # None likewise, and for a barrier
    calibration: Calibration | None = None


class _Answer(NamedTuple):
    """The numbers of a run; a pickled result carries them, and its digest."""

    time_ps: int
    time_ps_low: int
    exactness: str
    engine: str
    n_events: int
    algorithms: tuple[str, ...]
    options: tuple[tuple[str, int | str], ...]
    # Where switches reduce or multicast, busbw is no rate of a link: this is, as a share of it.
    busiest_link: float | None = None


def algbw(volume_bytes: float | None, time_ps: int) -> float | None:
    """Return bytes per second; None without bytes or without time.

    A batch computes the same expression, so that it gives the same bits.
    """
    if volume_bytes is None or time_ps == 0:
        return None
    return volume_bytes / (time_ps / PS_PER_S)


def busbw(algbw_Bps: float | None, collective: str, n_ranks: int) -> float | None:
    """Return `algbw_Bps` times the factor of nccl-tests."""
    if algbw_Bps is None:
        return None
    numerator, denominator = _core.busbw_factor(collective, n_ranks)
    return algbw_Bps * (numerator / denominator)


def efficiency(bound_ps: int, time_ps: int) -> float | None:
    """Return the bound as a share of the time; None without time."""
    return None if time_ps == 0 else float(bound_ps) / float(time_ps)


class Result:
    """The answer of `cm.simulate` or `cm.simulate_flows`.

    Times are there at once; bounds and frames are made when they are first asked for. A result is
    immutable and compares by `digest`. A pickled copy carries the numbers and its question, and
    runs it again when a frame is asked for; the bits are the same.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> # 3 dies of different packages: 2 * 2/3 * 147 MB / (7 * 28 GB/s) = 1 ms
    >>> r = cm.simulate(
    ...     fabric, "all_reduce", size_bytes=147_000_000, ranks=[0, 2, 4], algorithm="ring"
    ... )
    >>> r.time_ps, r.algorithm, r.exactness
    (1000000000, 'ring', 'exact')
    """

    __slots__ = (
        "_answer",
        "_asked",
        "_bounds",
        "_digest",
        "_extra",
        "_frames",
        "_replay",
        "_run",
    )

    def __init__(
        self,
        asked: Asked,
        replay: Replay,
        *,
        extra: pl.DataFrame | None = None,
        answer: _Answer | None = None,
        bounds: tuple[int, int] | None = None,
        digest: str | None = None,
    ) -> None:
        self._asked = asked
        self._replay = replay
        self._extra = extra  # columns of a flows frame, which stand before the times
        self._frames: dict[str, pl.DataFrame] = {}
        self._run: _core.Run | None = None
        self._digest = digest
        self._bounds = bounds
        self._answer = answer or _answer_of(self._again())

    def _both_bounds(self) -> tuple[int, int]:
        if self._bounds is None:
            run = self._again()
            self._bounds = (run.bound_ps, run.route_bound_ps)
        return self._bounds

    def _again(self) -> _core.Run:
        if self._run is None:
            self._run = self._replay()
        return self._run

    @property
    def time_ps(self) -> int:
        """Time of the last finish in picoseconds, counted from 0 and rounded up once.

        The upper end where a bracket was asked for.
        """
        return self._answer.time_ps

    @property
    def time_ps_low(self) -> int:
        """Picoseconds below which the time cannot be: `time_ps` itself unless it is a bracket.

        With `engine_options={"bracket": True}` no event is simulated; the time is certain to be
        in `time_ps_low..time_ps_high`, and the two are equal where all transfers are released
        together with equal sizes and latencies.
        """
        return self._answer.time_ps_low

    @property
    def time_ps_high(self) -> int:
        """Picoseconds above which the time cannot be: `time_ps`."""
        return self._answer.time_ps

    @property
    def time_s(self) -> float:
        """`time_ps / 1e12`."""
        return self._answer.time_ps / PS_PER_S

    @property
    def algbw_Bps(self) -> float | None:
        """Size over time in bytes per second, as in nccl-tests.

        With counts the size is the largest number of bytes that one rank sends or receives. None
        for a barrier, for several jobs, for flows, and where the time is 0.
        """
        return algbw(self._asked.volume_bytes, self._answer.time_ps)

    @property
    def busbw_Bps(self) -> float | None:
        """`algbw_Bps` times the factor of nccl-tests, which makes it comparable with a link rate.

        2(n-1)/n for all_reduce; (n-1)/n for reduce_scatter, all_gather, all_to_all, gather and
        scatter; 1 for broadcast, reduce and send_recv. None where `algbw_Bps` is. Where switches
        reduce or multicast it may pass the rate of the links; `repr` and `explain` say so.
        """
        if self._asked.collective is None:
            return None
        return busbw(self.algbw_Bps, self._asked.collective, self._asked.n_ranks)

    @property
    def bound_ps(self) -> int:
        """Picoseconds below which no algorithm and no routing on this fabric can come.

        0 for flows, which are no collective.
        """
        return self._both_bounds()[0]

    @property
    def route_bound_ps(self) -> int:
        """Picoseconds below which this schedule on these routes cannot come."""
        return self._both_bounds()[1]

    @property
    def efficiency(self) -> float | None:
        """`bound_ps / time_ps`, in 0..1; None where the time is 0."""
        return efficiency(self.bound_ps, self._answer.time_ps)

    @property
    def exactness(self) -> str:
        """How comparisons were decided.

        "exact", "exact (extended)", "exact (rational)", or how many stayed open and below what.
        "bracket" where only the two ends are known, "lower bound" of engine "bound".
        """
        return self._answer.exactness

    @property
    def algorithm(self) -> str | None:
        """Name of the algorithm, the chosen one for "auto"; None for several jobs and for flows."""
        if self._asked.collective is None:
            return None
        return self._answer.algorithms[0]

    @property
    def options(self) -> dict[str, int | str]:
        """Options of the algorithm, as given or, for "auto", as chosen; the rest are defaults.

        Empty for a schedule, for several jobs and for flows.
        """
        return dict(self._answer.options)

    @property
    def routing(self) -> str:
        """Name of the routing."""
        return self._asked.routing

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self._answer.engine

    @property
    def digest(self) -> str:
        """Hexadecimal digest of question and answer, equal on every machine and in any process."""
        if self._digest is None:
            self._digest = self._again().digest
        return self._digest

    @property
    def extrapolates(self) -> str | None:
        """Why the costs of a calibrated fabric lie outside of what was measured.

        None if they do not, and where only the network counts.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("hgx_h100", library="nccl")
        >>> cm.simulate(fabric, "all_gather", size_bytes="4GiB").extrapolates
        'regime bulk was measured from 4194304 to 268435456 bytes'
        """
        if self._asked.calibration is None:
            return None
        from .measure.rows import MOE

        beyond = [
            self._asked.calibration.extrapolates(
                collective if collective in MOE else regime, n_ranks, size_bytes
            )
            for collective, regime, n_ranks, size_bytes in self._again().charged
        ]
        return "; ".join(dict.fromkeys(each for each in beyond if each is not None)) or None

    @property
    def n_events(self) -> int:
        """Events that the engine processed."""
        return self._answer.n_events

    @property
    def transfers(self) -> pl.DataFrame:
        """Every transfer with its times, in schedule order.

        `job`, the columns of `Schedule.transfers` (`src` and `dst` are ranks), `src_endpoint`,
        `dst_endpoint`, `released_ps`, `served_ps` (last byte sent), `arrived_ps` (Int64). Of flows:
        the columns of the caller's frame, then the three times.
        """
        return self._frame("transfers")

    @property
    def links(self) -> pl.DataFrame:
        """Every link and what it carried.

        `link`, `src`, `dst`, `kind` (String), `plane` (Int64 or null), `rate_Bps` (Int64), `bytes`
        (Float64), `busy_ps` (Int64, time with a flow on it), `utilisation` (Float64, bytes over
        what the link could have carried in `time_ps`).
        """
        return self._frame("links")

    @property
    def ranks(self) -> pl.DataFrame:
        """When each rank finished: `job`, `rank`, `endpoint`, `finish_ps` (Int64)."""
        return self._frame("ranks")

    @property
    def jobs(self) -> pl.DataFrame:
        """When each job finished, and what sharing the fabric cost it.

        `job` (Int64), `collective`, `algorithm` (String), `ranks`, `start_ps`, `finish_ps`,
        `time_ps`, `alone_ps` (Int64, its time with the fabric to itself), `slowdown` (Float64).
        """
        return self._frame("jobs")

    @property
    def bottlenecks(self) -> pl.DataFrame:
        """Resources that were loaded, the heaviest first.

        `resource` (String), `links` (Int64, how many it bundles; 0 for a reduction unit),
        `rate_Bps` (Int64, of all of them), `bytes`, `utilisation` (Float64).
        """
        return self._frame("bottlenecks")

    def _frame(self, which: str) -> pl.DataFrame:
        if which not in self._frames:
            frame = to_frame(getattr(self._again(), which)(), _NULLABLE)
            if which == "transfers" and self._extra is not None:
                frame = self._extra.hstack(frame.select("released_ps", "served_ps", "arrived_ps"))
            self._frames[which] = frame
        return self._frames[which].clone()

    def explain(self) -> str:
        """Return a short text: the terms of the time, and the link or cut that binds.

        Returns
        -------
        str
            The time and how exact it is; the terms that it is made of, along the chain of transfers
            that ends last (start, software, latency, serialization, reduction, congestion; those
            that are zero are left out); the busiest resource; the two bounds and what binds them.
            Of a calibrated fabric first the terms of its library, and what of them extrapolates.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384")
        >>> ranks = range(0, 8, 2)  # four dies of different packages
        >>> r = cm.simulate(fabric, "all_gather", size_bytes="4MB", ranks=ranks, algorithm="ring")
        >>> print(r.explain())
        all_gather by ring on 4 ranks of cm384, routing spray
        time          18.9061 us   exact
          latency          3.6000 us   19.0 %   from the last byte sent to its arrival
          serialization   15.3061 us   81.0 %   bytes over the tightest link of their route
          along the critical chain of 3 transfers
        busiest     node00/die00->node00/l1.0 (+6): 3.000 MB at 196 GB/s, 81.0 % used
        route bound   18.9061 us   this schedule on these routes, whatever the sharing
        bound         15.3061 us   any algorithm on any routes, by the links into node00/die00
        efficiency        81.0 %   only another schedule or other routes can be faster
        """
        told = self._again().explain()
        if self.extrapolates is not None:
            told = f"{told}\nextrapolates  {self.extrapolates}"
        busiest = self._answer.busiest_link
        if busiest is None:
            return told
        return (
            f"{told}\nin network    switches reduce and multicast, so busbw may pass the rate of "
            f"the links; the busiest is {busiest:.1%} used"
        )

    def certificate(self) -> Certificate:
        """Return the proof that the rates were max-min fair at all times.

        The run is repeated with a recorder.

        Returns
        -------
        Certificate

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=1)
        >>> cm.simulate(fabric, "all_gather", size_bytes=1600).certificate().check()
        True
        """
        return Certificate(self._again().certificate())

    def to_hccl_algo(self) -> str:
        """Return the value of the variable HCCL_ALGO that makes HCCL take this algorithm.

        It says what happens between servers; inside a server HCCL decides by itself.

        Returns
        -------
        str
            As in "allreduce=level0:NA;level1:ring".

        Raises
        ------
        UnsupportedError
            If HCCL has nothing like it.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=2)
        >>> cm.simulate(fabric, "all_reduce", size_bytes=8, algorithm="ring").to_hccl_algo()
        'allreduce=level0:NA;level1:ring'
        """
        name = self.algorithm
        if self._asked.collective is None or name is None:
            raise UnsupportedError("several jobs and flows have no HCCL_ALGO")
        value = _core.hccl_algo(self._asked.collective, name, self.options)
        if value is None:
            raise UnsupportedError(
                f"HCCL_ALGO has no word for {self._asked.collective} by {name} "
                f"with options {self.options}"
            )
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, ready for JSON.

        Returns
        -------
        dict
            `schema` ("cm.result/1"), the question (`fabric`, `collective`, `ranks`, `routing`,
            `engine`) and every scalar of the result.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", nodes=1)
        >>> cm.simulate(fabric, "all_gather", size_bytes=0).to_dict()["time_ps"]
        0
        """
        return {
            "schema": SCHEMA,
            "fabric": self._asked.fabric,
            "collective": self._asked.collective,
            "ranks": self._asked.n_ranks,
            "size_bytes": self._asked.volume_bytes,
            "algorithm": self.algorithm,
            "options": self.options,
            "routing": self.routing,
            "engine": self.engine,
            "time_ps": self.time_ps,
            "time_s": self.time_s,
            "algbw_Bps": self.algbw_Bps,
            "busbw_Bps": self.busbw_Bps,
            "bound_ps": self.bound_ps,
            "route_bound_ps": self.route_bound_ps,
            "efficiency": self.efficiency,
            "in_network_busiest_link": self._answer.busiest_link,
            "exactness": self.exactness,
            "events": self.n_events,
            "digest": self.digest,
        }

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Result) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the numbers and the question."""
        bounds = self._both_bounds()
        numbers = (self._answer, bounds, self.digest)
        return _unpickled, (self._asked, self._replay, self._extra, numbers)

    def __repr__(self) -> str:
        """Tell the question, the time, the bandwidths and how close to the bound it is."""
        parts = [f"{self.time_s * 1e6:.6g} us"]
        if self.algbw_Bps is not None and self.busbw_Bps is not None:
            parts += [
                f"algbw {self.algbw_Bps / 1e9:.4g} GB/s",
                f"busbw {self.busbw_Bps / 1e9:.4g} GB/s",
            ]
        busiest = self._answer.busiest_link
        if busiest is not None:
            parts.append(f"reduced in the network, busiest link {busiest:.1%} used")
        if self.efficiency is not None and self.bound_ps > 0:
            parts.append(f"{self.efficiency:.1%} of the bound")
        return (
            f"Result({self._subject()} on {self._asked.fabric}: {', '.join(parts)}, "
            f"{self.exactness})"
        )

    def _subject(self) -> str:
        if self._extra is not None:
            return f"{len(self._extra)} flows"
        if self._asked.collective is None:
            return f"{len(self._answer.algorithms)} jobs"
        return f"{self._asked.collective} {self.algorithm}, {self._asked.n_ranks} ranks"


# Where the extension says "none" with -1 or "".
_NULLABLE = ("plane", "step", "op", "algorithm")


def _answer_of(run: _core.Run) -> _Answer:
    return _Answer(
        time_ps=run.time_ps,
        time_ps_low=run.time_low_ps,
        exactness=run.exactness,
        engine=run.engine,
        n_events=run.n_events,
        algorithms=tuple(run.algorithms),
        options=tuple(run.options.items()),
        busiest_link=run.max_utilisation() if run.is_in_network and _is_timed(run) else None,
    )


def _is_timed(run: _core.Run) -> bool:
    """Return whether the engine simulated; bounds say nothing about links."""
    return run.engine != "bound"


def _unpickled(
    asked: Asked,
    replay: Replay,
    extra: pl.DataFrame | None,
    numbers: tuple[_Answer, tuple[int, int], str],
) -> Result:
    answer, bounds, digest = numbers
    return Result(asked, replay, extra=extra, answer=answer, bounds=bounds, digest=digest)
