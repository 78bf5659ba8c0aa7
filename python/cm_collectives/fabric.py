"""Fabrics: the machines that collectives run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _core, queries
from .arguments import algorithm_options, endpoints, integer, text
from .asked import settings
from .errors import ArgumentError, SpecError, UnsupportedError
from .fabric_frames import DEFAULT_MAX_LINKS, MAX_LINKS, checked_columns, link_frame, node_frame
from .fabric_times import Timed
from .frames import to_frame
from .queries import are_hashable
from .team import Team

if TYPE_CHECKING:
    import polars as pl

    from .arguments import Ranks
    from .measure.calibration import Calibration
    from .session import Session


def presets() -> pl.DataFrame:
    """Return the machines that ship with the package.

    Returns
    -------
    polars.DataFrame
        One row per preset: `name`, `title`, `endpoints` (Int64, of the default parameters),
        `parameters` (name, allowed values and default of each), `source` of the numbers, and what
        is not published and so `assumed`.

    Examples
    --------
    >>> cm.presets().filter(name="cm384")["endpoints"].item()
    768
    """
    return to_frame(_core.presets())


def routings() -> pl.DataFrame:
    """Return the rules by which a flow picks its links.

    Returns
    -------
    polars.DataFrame
        One row per rule: `routing`, `description` (String). The first is the default.

    Examples
    --------
    >>> cm.routings()["routing"].to_list()
    ['spray', 'hash', 'dest', 'plane', 'adaptive']
    """
    return to_frame(_core.routings())


class Fabric(Timed):
    """A machine: endpoints, switches and directed links with rates and latencies.

    Get one from `Fabric.preset` or `Fabric.from_frames`. A fabric is immutable, compares and hashes
    by content (`digest`), can be pickled and shared between threads.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("cm384", nodes=2)
    >>> fabric.n_endpoints
    32
    """

    __slots__ = (
        "__weakref__",
        "_calibration",
        "_frames",
        "_machine",
        "_memory",
        "_recipe",
        "core",
    )

    def __init__(
        self,
        core: _core.Fabric,
        recipe: tuple[str, dict[str, int | str]] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.core = core
        self._calibration = calibration
        self._recipe = recipe
        self._machine = queries.Machine(core, calibration)
        self._frames: dict[str, pl.DataFrame] = {}
        self._memory = queries.memory(self._machine)

    @staticmethod
    def preset(name: str, **params: SupportsIndex | str) -> Fabric:
        """Return a machine that ships with the package.

        The same name and parameters give the same object, in microseconds after the first call.

        Parameters
        ----------
        name : str
            A name from `cm.presets()`.
        **params : int or str
            Parameters of the preset, such as `nodes=48`, `rank="die"` or `timing="line_rate"` of
            "cm384"; those left out take their defaults. `library="hccl"`, "nccl" and others of
            `cm.calibrations()` adds what that library costs, as `calibrated` does.

        Returns
        -------
        Fabric

        Raises
        ------
        ArgumentError
            If the name or a parameter is unknown, or a value is outside its range.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
        >>> fabric is cm.Fabric.preset("cm384", timing="line_rate")
        True
        """
        if not are_hashable(name, *params.values()):
            return _make_preset(name, params)  # which refuses what cannot be a key
        return _preset(name, **params)  # type: ignore[arg-type] # hashable, as was asked above

    @staticmethod
    def from_toml(source: str | PathLike[str], *, max_links: int = DEFAULT_MAX_LINKS) -> Fabric:
        """Return a machine described by a file of the schema cm.fabric/1.

        The schema is explained in the guide; `cm_collectives/schemas/fabric-1.json` is it as a JSON
        Schema. Nodes, links and groups may be written by ranges, `"gpu{0..7}"`; rates as "400 Gb/s"
        or `rate_Bps`, latencies as "350 ns" or `latency_ps`.

        Parameters
        ----------
        source : str or path
            A path, or the text itself if it has a line break.
        max_links : int
            More links than this are refused.

        Returns
        -------
        Fabric

        Raises
        ------
        SpecError
            If the text breaks a rule: the message names the table, its line and the key.
        LimitError
            If there are more than `max_links` links.

        Examples
        --------
        >>> fabric = cm.Fabric.from_toml('''
        ... schema = "cm.fabric/1"
        ... [[nodes]]
        ... name = "gpu{0..7}"
        ... kind = "endpoint"
        ... [[nodes]]
        ... name = "switch"
        ... kind = "switch"
        ... [[links]]
        ... src = "gpu{0..7}"
        ... dst = "switch"
        ... rate = "400 Gb/s"
        ... latency = "350 ns"
        ... ''')
        >>> fabric.n_endpoints, len(fabric.links), fabric.links["rate_Bps"].max()
        (8, 16, 50000000000)
        """
        from .formats import fabric_toml, parsed, source_text

        limit = integer(max_links, "max_links", 1, MAX_LINKS)
        content, origin = source_text.read(source, "source")
        fabric = Fabric(parsed.fabric(fabric_toml.parse(content, origin, limit), origin))
        parts = fabric.core.parts()
        if len(parts) > 1:
            raise SpecError(f"{origin}: links: no way joins {parts[0]!r} and {parts[1]!r}")
        return fabric

    def to_toml(self) -> str:
        """Return the machine as a file of the schema cm.fabric/1; `from_toml` gives an equal one.

        Raises
        ------
        SpecError
            If a name reads as a range, such as "gpu{0..7}".
        UnsupportedError
            If the fabric is calibrated: the schema describes machines, not libraries.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("hgx_h100")
        >>> cm.Fabric.from_toml(fabric.to_toml()) == fabric
        True
        """
        from .formats import fabric_toml_writer

        if self._calibration is not None:
            raise UnsupportedError(
                "cm.fabric/1 has no place for a calibration; write fabric.calibrated(None) and "
                "fabric.calibration apart"
            )
        return fabric_toml_writer.render(self.name, self.nodes, self.links)

    @staticmethod
    def from_networkx(
        graph: object,
        *,
        name: str = "custom",
        levels: Sequence[str] = (),
        max_links: int = DEFAULT_MAX_LINKS,
    ) -> Fabric:
        """Return a machine described by a graph of the networkx package.

        Nodes have the attribute `kind` and edges `rate` or `rate_Bps` and `latency` or
        `latency_ps`, and further ones as the tables of `from_toml` do; an edge without direction is
        a link each way.

        Parameters
        ----------
        graph : networkx.Graph or networkx.DiGraph
            Nodes are named by their text.
        name : str
            What `Fabric.name` says.
        levels : sequence of str
            Node attributes that give the container at each level, innermost first.
        max_links : int
            More links than this are refused.

        Returns
        -------
        Fabric

        Raises
        ------
        SpecError
            If an attribute is missing, unknown or wrong.
        LimitError
            If there are more than `max_links` links.

        Examples
        --------
        >>> import networkx as nx
        >>> graph = nx.star_graph(4)
        >>> nx.set_node_attributes(graph, "endpoint", "kind")
        >>> graph.nodes[0]["kind"] = "switch"
        >>> nx.set_edge_attributes(graph, "400 Gb/s", "rate")
        >>> nx.set_edge_attributes(graph, "1 us", "latency")
        >>> cm.Fabric.from_networkx(graph).n_endpoints
        4
        """
        from .formats import networkx, parsed

        limit = integer(max_links, "max_links", 1, MAX_LINKS)
        found = networkx.parse(graph, text(name, "name"), levels, limit)
        return Fabric(parsed.fabric(found, "graph"))

    @staticmethod
    def from_frames(
        nodes: pl.DataFrame,
        links: pl.DataFrame,
        *,
        name: str = "custom",
        max_links: int = DEFAULT_MAX_LINKS,
    ) -> Fabric:
        """Return a machine described by two frames.

        Endpoints are numbered in the order of their rows. Switches forward, and NICs between their
        owners and switches; endpoints and CPUs begin and end paths.

        Parameters
        ----------
        nodes : polars.DataFrame
            `node` (String, unique), `kind` (String: "endpoint", "cpu", "nic" or "switch").
            Optional: `reduction_rate_Bps` (integer, or null for no limit), `in_network` (Boolean,
            true for switches that reduce and multicast). Each other text column
            is a level of containers, innermost first, null where a node is in none; the level
            "node" is the column `node_group`. A column `endpoint` is ignored.
        links : polars.DataFrame
            One row per direction: `src`, `dst` (String), `rate_Bps`, `latency_ps` (integers).
            Optional: `kind` (String), `plane` (integer or null), `nominal_rate_Bps` (integer, the
            rate before degradation, which weighs the paths), `ordinary` (Boolean; False for links
            that only pinned routes use), `weight_ppm` (integer, the weight in millionths, see
            `weigh`). A column `link` is ignored.
        name : str
            What `Fabric.name` says.
        max_links : int
            More links than this are refused.

        Returns
        -------
        Fabric

        Raises
        ------
        ArgumentError
            If a column is missing, unknown, of the wrong dtype or null, or a value is wrong.
        LimitError
            If there are more than `max_links` links.

        Examples
        --------
        >>> nodes = pl.DataFrame({"node": ["a", "b", "s"], "kind": ["endpoint"] * 2 + ["switch"]})
        >>> links = pl.DataFrame({"src": ["a", "s"], "dst": ["s", "b"]}).with_columns(
        ...     rate_Bps=10**9, latency_ps=5
        ... )
        >>> cm.Fabric.from_frames(nodes, links).n_endpoints
        2
        """
        node_columns, link_columns = checked_columns(nodes, links, max_links)
        return Fabric(_core.Fabric.from_columns(text(name, "name"), node_columns, link_columns))

    @property
    def name(self) -> str:
        """Name of the preset, or the one given to `from_frames`.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").name
        'cm384'
        """
        return self.core.name

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the content, equal on every machine and in every process.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384")
        >>> fabric.digest == fabric.degrade({"l2.0.0": 0.5}).digest
        False
        """
        return self.core.digest

    @property
    def n_endpoints(self) -> int:
        """Number of endpoints; ranks are endpoints `0..n_endpoints`.

        Examples
        --------
        >>> cm.Fabric.preset("cm384", rank="npu").n_endpoints
        384
        """
        return self.core.n_endpoints

    @property
    def nodes(self) -> pl.DataFrame:
        """Endpoints, CPUs, NICs and switches.

        One row per node: `node`, `kind` (String), `endpoint` (Int64, its number as a rank; null for
        the others), `reduction_rate_Bps` (Int64, null for no limit), `in_network` (Boolean, true
        for switches that reduce and multicast), and a String column per level of containers,
        innermost first (null outside of them); the level "node" is `node_group`.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").nodes["kind"].value_counts().sort("kind").rows()
        [('cpu', 192), ('endpoint', 768), ('nic', 816), ('switch', 450)]
        """
        return self._frame("nodes")

    @property
    def links(self) -> pl.DataFrame:
        """Directed links.

        One row per link: `link` ("SRC->DST"), `src`, `dst`, `kind` (String), `plane` (Int64, null
        outside of planes), `rate_Bps`, `latency_ps` (Int64, live), `nominal_rate_Bps` (Int64, the
        rate before degradation), `ordinary` (Boolean, False for links of pinned routes only),
        `weight_ppm` (Int64, the weight of routing in millionths).

        Examples
        --------
        >>> links = cm.Fabric.preset("cm384").links
        >>> links.filter(link="node03/die05->node03/l1.2")["rate_Bps"].item()
        28000000000
        """
        return self._frame("links")

    def _frame(self, which: str) -> pl.DataFrame:
        if which not in self._frames:
            make = node_frame if which == "nodes" else link_frame
            self._frames[which] = make(self.core)
        return self._frames[which].clone()

    def degrade(self, factors: Mapping[str, float]) -> Fabric:
        """Return the fabric with some links slower or failed.

        A degraded link keeps its share of sprayed flows and slows them; a failed one (factor 0) is
        routed around, and asking for a path that no longer exists is an `UnsupportedError`.

        Parameters
        ----------
        factors : mapping of str to float
            From a link ("node03/die05->node03/l1.2"), a node (all its links), a glob pattern over
            these names ("l2.2.*"), a plane ("plane:3") or a container of a level ("node:3", all its
            nodes) to a factor in 0..1 of the live rate. Where several match, they multiply.

        Returns
        -------
        Fabric
            A new fabric; this one stays as it is.

        Raises
        ------
        ArgumentError
            If a selector matches nothing or a factor is not in 0..1.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate").degrade({"l2.2.11": 0.5})
        >>> fabric.links.filter(link="node00/l1.2->l2.2.11")["rate_Bps"].item()
        14000000000
        """
        return Fabric(self.core.degrade(_factors(factors, "factor")), None, self._calibration)

    def weigh(self, factors: Mapping[str, float]) -> Fabric:
        """Return the fabric on which routing gives classes of links another part of the traffic.

        Spraying divides a flow in proportion to nominal rate times weight; routings that stripe
        over planes cut it by the mean weight of its first links in each. Rates stay. A link of
        weight 0 is used by pinned routes alone.

        Parameters
        ----------
        factors : mapping of str to float
            From a selector, as for `degrade`, or a kind of link ("kind:ub"), to a factor (0, or
            10^-6 to 1000) of its weight, which is 1 at first. Where several match, they multiply.

        Returns
        -------
        Fabric
            A new fabric; this one stays as it is.

        Raises
        ------
        ArgumentError
            If a selector matches nothing or a weight is not allowed.

        Examples
        --------
        >>> fabric = cm.Fabric.preset("cm384", timing="line_rate")
        >>> flow = pl.DataFrame({"src": [0], "dst": 2, "size_bytes": 196_000})
        >>> cm.simulate_flows(fabric, flow).time_ps  # 28 kB over each of seven planes
        1000000
        >>> # plane 3 gets half a part: 2/13 of the flow go over each of the six others
        >>> cm.simulate_flows(fabric.weigh({"plane:3": 0.5}), flow).time_ps
        1076924
        """
        return Fabric(self.core.weigh(_factors(factors, "weight")), None, self._calibration)

    def calibrated(self, calibration: Calibration | None) -> Fabric:
        """Return the fabric with what a library costs on it.

        Collectives then take the library's algorithm and protocol where none is named ("auto"), and
        their time is a sum of terms: launch, steps, copies and the like, and the transfer, for
        which the slower of protocol and network counts. `Result.explain` prints them. Latency of
        the first and last link is in those terms; `.transfers` and `.links` show the network's
        part. Links, paths and flows of the fabric are as before.

        Parameters
        ----------
        calibration : Calibration or None
            From `cm.calibrate` or `Calibration.load`; None gives the machine alone.

        Returns
        -------
        Fabric
            A new fabric with another digest; this one stays as it is.

        Raises
        ------
        ArgumentError
            If the calibration is of another fabric; see `Calibration.transferred`.

        Examples
        --------
        >>> plain = cm.Fabric.preset("hgx_h100")
        >>> nccl = plain.calibrated(cm.Fabric.preset("hgx_h100", library="nccl").calibration)
        >>> nccl.digest == plain.digest
        False
        >>> nccl.calibrated(None) == plain
        True
        """
        from .measure.calibration import checked

        if calibration is None:
            return Fabric(self.core.uncalibrated())
        fitted = checked(calibration)
        if fitted.fabric != self.name:
            raise ArgumentError(
                f"calibration is of fabric {fitted.fabric!r}, this one is {self.name!r}; "
                f"calibration.transferred({self.name!r}) uses it all the same"
            )
        core = self.core.calibrated(fitted.library, fitted.rule, fitted.tuning, fitted.values())
        return Fabric(core, None, fitted)

    @property
    def calibration(self) -> Calibration | None:
        """What a library costs on it; None where only the network counts.

        Examples
        --------
        >>> cm.Fabric.preset("cm384", library="hccl").calibration
        Calibration(hccl on cm384: 6 parameters from 15 rows, median error ...)
        """
        return self._calibration

    def paths(self, src: SupportsIndex | str, dst: SupportsIndex | str) -> pl.DataFrame:
        """Return every shortest path between two endpoints.

        Parameters
        ----------
        src, dst : int or str
            Endpoints, by number or by name.

        Returns
        -------
        polars.DataFrame
            One row per path and hop: `path`, `hop` (Int64), `link` (String), `rate_Bps`,
            `latency_ps` (Int64).

        Raises
        ------
        ArgumentError
            If an endpoint does not exist.

        Examples
        --------
        >>> paths = cm.Fabric.preset("cm384").paths("node00/die00", "node01/die00")
        >>> paths["path"].n_unique()  # 7 planes x 16 L2 chips
        112
        """
        return to_frame(self.core.paths(self._endpoint(src, "src"), self._endpoint(dst, "dst")))

    def _endpoint(self, value: SupportsIndex | str, name: str) -> int:
        if isinstance(value, str):
            return self.core.endpoint_index(value)
        return integer(value, name, 0, self.n_endpoints - 1)

    def team(self, ranks: Ranks | str | PathLike[str] | None = None) -> Team:
        r"""Return the ranks with their levels (on CM384: package, node, supernode).

        Parameters
        ----------
        ranks : int, sequence of int or path, optional
            The first n endpoints, or endpoints in rank order; all by default. A path, or text with
            a line break, is an HCCL rank table (JSON) or a host file of MPI: hosts are the nodes of
            the same name, or the nodes in order, and device i or slot i is endpoint i of a node.

        Returns
        -------
        Team

        Raises
        ------
        ArgumentError
            If an endpoint does not exist or appears twice.
        SpecError
            If a file breaks a rule: the message names the place.

        Examples
        --------
        >>> cm.Fabric.preset("cm384").team(768).grid(tp=16, dp=48)
        Team(768 ranks: 384 x package, 48 x node, 1 x supernode, 48 x tp, 16 x dp)
        >>> cm.Fabric.preset("cm384").team("node07 slots=2\nnode03 slots=2\n").ranks
        (112, 113, 48, 49)
        """
        if isinstance(ranks, (str, PathLike)):
            from .formats import placement, source_text

            content, origin = source_text.read(ranks, "ranks")
            ranks = placement.parse(content, origin, self._hosts())
        chosen = endpoints(ranks, self.n_endpoints)
        return Team(chosen, dict(self.core.levels(chosen)))

    def _hosts(self) -> dict[str, list[int]]:
        """Return the endpoints of each node, by what their names have in common: "node03"."""
        team = self.team()
        if "node" not in team.levels:
            return {}
        names = self.nodes.filter(kind="endpoint")["node"]
        return {
            names[group[0]].rpartition("/")[0] or f"node{index}": group
            for index, group in enumerate(team.groups("node"))
        }

    def session(
        self,
        *,
        routing: str = "spray",
        seed: SupportsIndex = 0,
        planes: Sequence[SupportsIndex] | None = None,
    ) -> Session:
        """Return a session at time 0: traffic that joins and leaves while time goes by.

        Parameters
        ----------
        routing, seed, planes
            As for `cm.simulate_flows`.

        Returns
        -------
        Session

        Raises
        ------
        ArgumentError
            If the routing is unknown or refuses its options.

        Examples
        --------
        >>> session = cm.Fabric.preset("cm384").session()
        >>> session.next_event_ps() is None
        True
        """
        from .session import Session

        run = settings(routing=routing, seed=seed, planes=planes)
        core = _core.Session(self.core, run.routing, run.seed, run.planes)
        return Session(core, self, run, {})

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Fabric) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle a preset by its name, others by content; an equal one here comes back."""
        if self._recipe is None:
            return _from_content, (self._calibration, self.digest, *self.core.__reduce__())
        return _from_recipe, self._recipe

    def __repr__(self) -> str:
        """Name the machine, its endpoints and its digest."""
        title = f", {self.core.title}" if self.core.title else ""
        if self._calibration is not None:
            title += f", calibrated for {self._calibration.library}"
        return (
            f"Fabric({self.name}: {self.n_endpoints} endpoints{title}, digest {self.digest[:12]})"
        )


# Equal presets are one object, whatever the spelling of their parameters.
_shared: dict[str, Fabric] = {}
_unpickled: dict[tuple[str, Calibration | None], Fabric] = {}
_sharing = threading.Lock()


# typed: nodes=True must be refused even after nodes=1.
@lru_cache(maxsize=1024, typed=True)
def _preset(name: str, **params: Hashable) -> Fabric:
    return _make_preset(name, params)


def _make_preset(name: str, params: Mapping[str, object]) -> Fabric:
    checked = algorithm_options(params)
    library = checked.pop("library", None)
    core = _core.Fabric.preset(text(name, "name"), checked)
    fabric = Fabric(core, (name, checked))
    if library is not None:
        from .measure.shipped import shipped

        fitted = fabric.calibrated(shipped(name, text(library, "library")))
        fabric = Fabric(fitted.core, (name, checked | {"library": library}), fitted.calibration)
    with _sharing:
        return _shared.setdefault(fabric.core.digest, fabric)


# Fabrics that came by pickle, kept for the next task that brings an equal one: its answers are then
# known, and nothing is built again.
UNPICKLED_SIZE = 16


def _from_content(
    calibration: Calibration | None,
    digest: str,
    build: Callable[..., _core.Fabric],
    args: tuple[Any, ...],
) -> Fabric:
    key = (digest, calibration)
    with _sharing:
        known = _unpickled.pop(key, None)
    fabric = Fabric(build(*args), None, calibration) if known is None else known
    with _sharing:
        fabric = _unpickled.setdefault(key, fabric)
        while len(_unpickled) > UNPICKLED_SIZE:
            del _unpickled[next(iter(_unpickled))]
    return fabric


def _from_recipe(name: str, params: dict[str, int | str]) -> Fabric:
    return _preset(name, **params)


def _factors(factors: object, what: str) -> list[tuple[str, float]]:
    if not isinstance(factors, Mapping):
        raise ArgumentError(f"factors must be a mapping from selector to {what}, got {factors!r}")
    return [(text(key, "factors: a selector"), _factor(key, factors[key])) for key in factors]


def _factor(selector: object, factor: object) -> float:
    if isinstance(factor, bool) or not isinstance(factor, (int, float)):
        raise ArgumentError(f"factors[{selector!r}] must be a number, got {factor!r}")
    return float(factor)
