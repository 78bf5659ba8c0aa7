"""Sessions: flows that join and leave a fabric while the clock of another simulator goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

from .arguments import integer, size
from .errors import ArgumentError

if TYPE_CHECKING:
    from . import _core
    from .arguments import Size

MAX_TIME_PS = 2**63 - 1


class Arrival(NamedTuple):
    """A flow whose last byte has arrived."""

    id: int
    time_ps: int
    tag: object


class Session:
    """Flows on a fabric, from time 0 on; get one from `Fabric.session`.

    The host owns the clock. It asks `next_event_ps` for the first arrival as things stand, lets
    time go by with `advance_to`, and adds flows as they come. A flow that joins may delay what was
    promised before; while `version` stays the same, so does the promise. Arrivals are those that
    `cm.simulate_flows` gives for the same flows, to the picosecond.

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

    __slots__ = ("_core", "_tags")

    def __init__(self, core: _core.Session, tags: dict[int, object]) -> None:
        self._core = core
        self._tags = tags

    @property
    def now_ps(self) -> int:
        """How far time has gone by, in ps: the largest time given to `advance_to`."""
        return self._core.now_ps

    @property
    def version(self) -> int:
        """How many flows have joined or been cancelled; a promise holds while this is the same."""
        return self._core.version

    @property
    def n_live(self) -> int:
        """Number of flows that are neither reported nor cancelled."""
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

        Returns
        -------
        int
            0 for the first flow, 1 for the next.

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
        number = self._core.inject(time_ps, _end(src, "src"), _end(dst, "dst"), size(size_bytes))
        if tag is not None:
            self._tags[number] = tag
        return number

    def next_event_ps(self) -> int | None:
        """Return when the first flow will have arrived as things stand, in ps; None without flows.

        Raises
        ------
        LimitError
            If that is beyond 2^63 ps.

        Examples
        --------
        >>> session = cm.Fabric.preset("hgx_h100").session()
        >>> number = session.inject(5_000, 0, 0, 1)  # from an endpoint to itself: no time
        >>> session.next_event_ps()
        5000
        """
        return self._core.next_event_ps()

    def advance_to(self, t_ps: SupportsIndex) -> list[Arrival]:
        """Let time go by to `t_ps`; return the flows that have arrived by then and were not told.

        Returns
        -------
        list of Arrival
            (id, time_ps, tag), by time and then by id.

        Raises
        ------
        ArgumentError
            If the time is past; the session is unchanged.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.advance_to(10**6)
        []
        """
        arrived = self._core.advance_to(integer(t_ps, "t_ps", 0, MAX_TIME_PS))
        tags = self._tags
        return [Arrival(number, time_ps, tags.pop(number, None)) for number, time_ps in arrived]

    def cancel(self, flow: SupportsIndex) -> None:
        """Take a flow out at `now_ps`; it is not reported.

        Raises
        ------
        ArgumentError
            If there is no such flow under way.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.cancel(session.inject(0, 1, 2, 10**9))
        >>> session.next_event_ps() is None
        True
        """
        number = integer(flow, "flow", 0, 2**64 - 1)
        self._core.cancel(number)
        self._tags.pop(number, None)

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
        return Session(self._core.fork(), dict(self._tags))

    def __repr__(self) -> str:
        """Return the time and how many flows are under way."""
        return f"<Session at {self.now_ps} ps: {self.n_live} flows under way>"


def _end(value: object, name: str) -> int | str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentError(f"{name} must be an endpoint number or a node's name, got {value!r}")
    return integer(value, name, 0, 2**32 - 1)
