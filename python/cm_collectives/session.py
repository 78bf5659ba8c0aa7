"""Sessions: traffic joins and leaves a fabric while the clock of another simulator goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

from .arguments import MAX_TIME_PS, integer, share, size, text
from .errors import ArgumentError
from .simulate import Job, placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import _core
    from .arguments import Counts, Ranks, Size, Starts
    from .asked import Settings
    from .collectives import Schedule
    from .fabric import Fabric
    from .moe import Moe
    from .simulate import Placed


class Arrival(NamedTuple):
    """A flow or a collective whose last byte has arrived."""

    id: int
    time_ps: int
    tag: object


class Session:
    """Flows and collectives on a fabric, from time 0 on; get one from `Fabric.session`.

    The host owns the clock. It asks `next_event_ps` for the first arrival as things stand, lets
    time go by with `advance_to`, and adds traffic as it comes. What joins may delay what was
    promised before; while `version` stays the same, so does the promise. Arrivals are those that
    `cm.simulate_flows` and `cm.simulate` give for the same flows and jobs, to the picosecond.

    Sessions cannot be pickled; `fork` copies one.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
    >>> session = fabric.session()
    >>> # 196 kB into a die of 196 GB/s: 1 us, unless another flow joins
    >>> first = session.inject(0, 2, 0, 196_000)
    >>> session.next_event_ps()
    1000000
    >>> second = session.inject(500_000, 4, 0, 196_000, tag="late")
    >>> session.next_event_ps()
    1500000
    >>> session.advance_to(2_000_000)  # (id, time_ps, tag)
    [Arrival(id=0, time_ps=1500000, tag=None), Arrival(id=1, time_ps=2000000, tag='late')]
    """

    __slots__ = ("_core", "_fabric", "_settings", "_tags")

    def __init__(
        self, core: _core.Session, fabric: Fabric, settings: Settings, tags: dict[int, object]
    ) -> None:
        self._core = core
        self._fabric = fabric
        self._settings = settings
        self._tags = tags

    @property
    def now_ps(self) -> int:
        """How far time has gone by, in ps: the largest time given to `advance_to`."""
        return self._core.now_ps

    @property
    def version(self) -> int:
        """How often something joined, left or changed; a promise holds while this is the same."""
        return self._core.version

    @property
    def n_live(self) -> int:
        """Number of flows and collectives that are neither reported nor cancelled."""
        return self._core.n_live

    @property
    def exactness(self) -> str:
        """What is known of the times so far: "exact", or how many comparisons are open.

        A comparison that doubles and residues leave open is decided by replaying, with more digits
        and then with rationals, what happened since nothing was being served last. Beyond 10,000
        joins and leaves without such a pause nothing can be replayed: the session goes on in
        double-doubles, and what these leave open is counted here.
        """
        return self._core.exactness

    def inject(
        self,
        t_ps: SupportsIndex,
        src: SupportsIndex | str,
        dst: SupportsIndex | str,
        size_bytes: Size,
        tag: object = None,
        *,
        via: Sequence[str] = (),
    ) -> int:
        """Add a flow that starts at `t_ps`, now or later; return its id.

        Parameters
        ----------
        t_ps : int
            Start in ps, at least `now_ps`.
        src, dst : int or str
            Endpoint numbers, or names of endpoints or CPUs.
        size_bytes : int, float or str
            Bytes, as for `cm.simulate`.
        tag : object
            Handed back by `advance_to`.
        via : sequence of str
            Names of the nodes that it passes, as in `cm.simulate_flows`. From the first pinned flow
            on every link is looked at by itself, which costs sprayed flows more time and changes
            no arrival.

        Returns
        -------
        int
            0 for what joins first, 1 for the next.

        Raises
        ------
        ArgumentError
            If the time is past, or a value is wrong; the session is unchanged.
        UnsupportedError
            If no live path joins the ends.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.inject(0, "node00/die00", "node01/die00", "1MiB", tag="activations")
        0
        """
        time_ps = integer(t_ps, "t_ps", 0, MAX_TIME_PS)
        if isinstance(via, str):
            raise ArgumentError(f"via must be a sequence of node names, got {via!r}")
        number = self._core.inject(
            time_ps,
            _end(src, "src"),
            _end(dst, "dst"),
            size(size_bytes),
            [text(name, "via: a name") for name in via],
        )
        return self._tagged(number, tag)

    def _tagged(self, number: int, tag: object) -> int:
        if tag is not None:
            self._tags[number] = tag
        return number

    def inject_collective(
        self,
        t_ps: SupportsIndex,
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
        tag: object = None,
        **options: int | str | None,
    ) -> int:
        """Add a collective that starts at `t_ps`, now or later; return its id.

        It arrives when its last rank is through. Its schedule is proved to compute it first. On a
        calibrated fabric it takes what the library adds as well, as in `cm.simulate`.

        Parameters
        ----------
        t_ps : int
            Start in ps, at least `now_ps`.
        start_ps : int or sequence of int
            How much later each rank enters.
        tag : object
            Handed back by `advance_to`.
        collective, size_bytes, per_rank_bytes, counts, moe, ranks, root, algorithm, split
            As for `cm.simulate`. With "auto", the algorithm that is fastest alone on the fabric
            that the session began with.
        **options
            Options of the algorithm.

        Returns
        -------
        int
            0 for what joins first, 1 for the next.

        Raises
        ------
        ArgumentError
            If the time is past, or a value is wrong; the session is unchanged.
        VerifyError
            If the schedule does not compute the collective.
        UnsupportedError
            If no live path joins two ranks, or the library of a calibrated fabric has no such
            collective.

        Warns
        -----
        CalibrationWarning
            If it leaves what the calibration of the fabric has seen.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384", timing="line_rate").session()
        >>> # ring of 7 packages of one node: 6 steps of 49 MB at 196 GB/s are 1.5 ms
        >>> session.inject_collective(
        ...     0, "all_gather", per_rank_bytes="49MB", ranks=range(0, 14, 2), algorithm="ring"
        ... )
        0
        >>> session.next_event_ps()
        1500000000
        """
        time_ps = integer(t_ps, "t_ps", 0, MAX_TIME_PS)
        job = Job(
            collective,
            size_bytes=size_bytes,
            per_rank_bytes=per_rank_bytes,
            counts=counts,
            moe=moe,
            ranks=ranks,
            root=root,
            algorithm=algorithm,
            start_ps=start_ps,
            split=split,
            **options,
        )
        where = placed(self._fabric, job, self._settings)
        starts = [time_ps + start for start in where.start_ps]
        integer(max(starts), "t_ps + start_ps", 0, MAX_TIME_PS)
        number = self._core.inject_collective(where.schedule.core, where.endpoints, starts)
        self._warn_beyond(where)
        return self._tagged(number, tag)

    def _warn_beyond(self, where: Placed) -> None:
        """Warn where a collective leaves what the calibration of the fabric has seen."""
        if (calibration := self._fabric.calibration) is None:
            return
        from .measure import reach

        schedule = where.schedule
        asked = reach.Placed(schedule.collective, schedule.algorithm, where.endpoints)
        reach.warn([reach.Used(self._fabric.core, calibration, asked, schedule.volume_bytes or 0)])

    def next_event_ps(self) -> int | None:
        """Return when the first arrival will be as things stand, in ps; None if nothing is there.

        Raises
        ------
        LimitError
            If that is beyond 2^63 ps.
        UnsupportedError
            If a change of links that comes before it leaves something without a path.

        Examples
        --------
        >>> session = cm.Fabric.preset("hgx_h100").session()
        >>> number = session.inject(5_000, 0, 0, 1)  # from an endpoint to itself: no time
        >>> session.next_event_ps()
        5000
        """
        return self._core.next_event_ps()

    def advance_to(self, t_ps: SupportsIndex) -> list[Arrival]:
        """Let time go by to `t_ps`; return what has arrived by then and was not told.

        Returns
        -------
        list of Arrival
            (id, time_ps, tag), by time and then by id.

        Raises
        ------
        ArgumentError
            If the time is past; the session is unchanged.
        UnsupportedError
            If a change of links on the way leaves something without a path. The session then stands
            at the time of the change, without it.
        KeyboardInterrupt
            After Ctrl-C, within 0.2 s. The session then stands at the time that it has reached,
            `now_ps`; the next call tells what had arrived by then.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.advance_to(10**6)
        []
        """
        arrived = self._core.advance_to(integer(t_ps, "t_ps", 0, MAX_TIME_PS))
        tags = self._tags
        return [Arrival(number, time_ps, tags.pop(number, None)) for number, time_ps in arrived]

    def cancel(self, number: SupportsIndex) -> None:
        """Take a flow or a collective out at `now_ps`, by its id; it is not reported.

        Raises
        ------
        ArgumentError
            If there is no such id under way.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.cancel(session.inject(0, 1, 2, 10**9))
        >>> session.next_event_ps() is None
        True
        """
        flow = integer(number, "number", 0, 2**64 - 1)
        self._core.cancel(flow)
        self._tags.pop(flow, None)

    def set_link(self, selector: str, factor: float, t_ps: SupportsIndex) -> None:
        """Let links have a share of their nominal rates from `t_ps` on, now or later.

        What is under way goes on with the bytes it has left, on the routes that the changed fabric
        gives it: a slower link keeps its share of a flow, a failed one is gone around.

        Parameters
        ----------
        selector : str
            Links, nodes or groups of them, as for `Fabric.degrade`.
        factor : float
            Share of the nominal rate, 0 to 1, as in `set_links` of `cm.simulate`; 0 is a failure, 1
            a recovery, also of what `Fabric.degrade` took away.
        t_ps : int
            When, in ps, at least `now_ps`. `next_event_ps` knows of changes to come.

        Raises
        ------
        ArgumentError
            If the time is past, the selector matches nothing or the factor is wrong.
        UnsupportedError
            If something under way has no live path left; the session is unchanged. Of a change to
            come `advance_to` says it.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384", timing="line_rate").session()
        >>> number = session.inject(0, 2, 0, 196_000)  # 1 us at 196 GB/s, 28 GB/s on each plane
        >>> # from 0.5 us on one of its seven equal shares has half a rate, and holds all back
        >>> session.set_link("node00/die02->node00/l1.3", 0.5, 500_000)
        >>> session.next_event_ps()
        1500000
        """
        time_ps = integer(t_ps, "t_ps", 0, MAX_TIME_PS)
        self._core.set_link(text(selector, "selector"), share(factor, "factor"), time_ps)

    def fork(self) -> Session:
        """Return a copy that goes its own way from here: what would happen if.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> number = session.inject(0, 1, 2, 10**9)
        >>> other = session.fork()
        >>> other.cancel(number)
        >>> session.n_live, other.n_live
        (1, 0)
        """
        return Session(self._core.fork(), self._fabric, self._settings, dict(self._tags))

    def __repr__(self) -> str:
        """Return the time and how much is under way."""
        return f"<Session at {self.now_ps} ps: {self.n_live} under way>"


def _end(value: object, name: str) -> int | str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{name} must be an endpoint number or a node's name, got {value!r}")
    return integer(value, name, 0, 2**32 - 1)
