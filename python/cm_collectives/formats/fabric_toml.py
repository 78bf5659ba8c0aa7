"""The schema cm.fabric/1: a machine as a TOML file that people write and programs check.

`schemas/fabric-1.json` is the same schema as a JSON Schema. A file lists nodes, links and the
groups that nodes are in; `"gpu{0..7}"` stands for eight names. Each error names the place: the
table, its number from 0, its line and the key.
"""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import LimitError, SpecError

from .parsed import Parsed
from .tables import Place, Table, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA = "cm.fabric/1"
DEFAULT_MAX_LINKS = 10**7

KINDS = ("endpoint", "cpu", "nic", "switch")
TOP_KEYS = ("schema", "name", "levels", "nodes", "groups", "links")
NODE_KEYS = ("name", "kind", "in", "reduction_rate", "reduction_rate_Bps", "in_network")
GROUP_KEYS = ("name", "level", "in")
LINK_KEYS = (
    "src", "dst", "rate", "rate_Bps", "latency", "latency_ps", "kind", "plane", "live_rate_Bps",
    "ordinary", "duplex", "back_kind", "back_latency_ps", "back_live_rate_Bps",
)  # fmt: skip

_HEADER = re.compile(r"\s*\[\[\s*(\w+)\s*\]\]", re.ASCII)


def parse(content: str, origin: str, max_links: int) -> Parsed:
    """Read a file; SpecError names the place of the first mistake."""
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{origin}: {error}") from None
    return _Reader(document, content, origin).read(max_links)


def read_tables(document: dict[str, Any], origin: str, max_links: int) -> Parsed:
    """Read tables that come from no text."""
    return _Reader(document, "", origin).read(max_links)


class _Reader:
    def __init__(self, document: dict[str, Any], content: str, origin: str) -> None:
        self.origin = origin
        self.lines: dict[str, list[int]] = {}
        for number, line in enumerate(content.splitlines(), 1):
            header = _HEADER.match(line)
            if header:
                self.lines.setdefault(header[1], []).append(number)
        self.top = Table(document, Place(origin, "top level", None), TOP_KEYS)

    def read(self, max_links: int) -> Parsed:
        schema = self.top.text("schema")
        if schema != SCHEMA:
            raise self.top.place.error(f"must be {SCHEMA!r}, got {schema!r}", "schema")
        levels = self._levels()
        groups = self._groups(levels)
        nodes = self._nodes(levels, groups)
        links = self._links(set(nodes["node"]), max_links)
        return Parsed(self.top.text("name", "custom"), nodes, links)

    def _tables(self, key: str, keys: tuple[str, ...]) -> Iterator[Table]:
        tables = self.top.values.get(key, [])
        if not isinstance(tables, list):
            raise self.top.place.error(f"must be tables, each under [[{key}]]", key)
        lines = self.lines.get(key, [])
        for index, values in enumerate(tables):
            line = lines[index] if len(lines) == len(tables) else None
            yield Table(values, Place(self.origin, f"{key}[{index}]", line), keys)

    def _levels(self) -> list[str]:
        levels = self.top.values.get("levels", [])
        if not isinstance(levels, list) or not all(isinstance(each, str) for each in levels):
            raise self.top.place.error("must be a list of names, innermost first", "levels")
        return levels

    def _groups(self, levels: list[str]) -> dict[str, dict[str, str]]:
        """Return, per group, the group it is in at each level, itself included."""
        level_of: dict[str, str] = {}
        parent: dict[str, str] = {}
        place: dict[str, Place] = {}
        for table in self._tables("groups", GROUP_KEYS):
            level = table.text("level")
            if level not in levels:
                known = nearest(level, levels) if levels else "add it to levels"
                raise table.place.error(f"unknown level {level!r}; {known}", "level")
            for name in table.names("name"):
                if name in level_of:
                    raise table.place.error(f"group {name!r} appears twice", "name")
                level_of[name] = level
                place[name] = table.place
                if "in" in table.values:
                    parent[name] = table.text("in")
        return {name: _ancestors(name, level_of, parent, place, levels) for name in level_of}

    def _nodes(self, levels: list[str], groups: dict[str, dict[str, str]]) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            "node": [],
            "kind": [],
            "reduction_rate_Bps": [],
            "in_network": [],
        }
        columns |= {level_column(level): [] for level in levels}
        seen: set[str] = set()
        for table in self._tables("nodes", NODE_KEYS):
            kind = table.text("kind")
            if kind not in KINDS:
                raise table.place.error(f"unknown kind {kind!r}; {nearest(kind, KINDS)}", "kind")
            reduction = table.measured("reduction_rate", "Bps", 1)
            in_network = table.flag("in_network", default=False)
            inside: Mapping[str, str] = {}
            if "in" in table.values:
                group = table.text("in")
                if group not in groups:
                    raise table.place.error(
                        f"unknown group {group!r}; {nearest(group, groups)}", "in"
                    )
                inside = groups[group]
            for name in table.names("name"):
                if name in seen:
                    raise table.place.error(f"node {name!r} appears twice", "name")
                seen.add(name)
                columns["node"].append(name)
                columns["kind"].append(kind)
                columns["reduction_rate_Bps"].append(reduction)
                columns["in_network"].append(in_network)
                for level in levels:
                    columns[level_column(level)].append(inside.get(level))
        return columns

    def _links(self, nodes: set[str], max_links: int) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            key: []
            for key in ("src", "dst", "kind", "plane", "rate_Bps", "latency_ps",
                        "nominal_rate_Bps", "ordinary")
        }  # fmt: skip
        seen: set[tuple[str, str]] = set()
        for table in self._tables("links", LINK_KEYS):
            ends = {key: _known(table, key, nodes) for key in ("src", "dst")}
            ways = _ways(table)
            n_links = len(seen) + len(ends["src"]) * len(ends["dst"]) * len(ways)
            if n_links > max_links:
                raise LimitError(
                    f"{table.place.error(f'{n_links} links so far')}; the limit is "
                    f"max_links={max_links}, which may be raised"
                )
            for pair, way in _directions(table, ends["src"], ends["dst"], ways):
                if pair in seen:
                    raise table.place.error(f"link {'->'.join(pair)!r} appears twice")
                seen.add(pair)
                for key, value in zip(columns, (*pair, *way), strict=True):
                    columns[key].append(value)
        return columns


def _known(table: Table, key: str, nodes: set[str]) -> list[str]:
    names = table.names(key)
    for name in names:
        if name not in nodes:
            raise table.place.error(f"unknown node {name!r}; {nearest(name, nodes)}", key)
    return names


def _directions(
    table: Table, sources: list[str], destinations: list[str], ways: list[tuple[Any, ...]]
) -> Iterator[tuple[tuple[str, str], tuple[Any, ...]]]:
    """Yield each link's ends and the rest of it, there and back in turn."""
    for src, dst in product(sources, destinations):
        if src == dst:
            raise table.place.error(f"joins {src!r} to itself")
        yield (src, dst), ways[0]
        for way in ways[1:]:
            yield (dst, src), way


def _ways(table: Table) -> list[tuple[Any, ...]]:
    """Return kind, plane, live rate, latency, nominal rate and ordinary, there and back."""
    nominal = table.needed("rate", "Bps", 1)
    latency = table.needed("latency", "ps", 0)
    plane = table.whole("plane", 0)
    ordinary = table.flag("ordinary", default=True)
    kind = table.text("kind", "link")

    def way(prefix: str, kind: str, latency: int) -> tuple[Any, ...]:
        live = table.whole(f"{prefix}live_rate_Bps", 0)
        live = nominal if live is None else live
        if live > nominal:
            raise table.place.error(
                f"must be at most the rate of {nominal} B/s, got {live}", f"{prefix}live_rate_Bps"
            )
        return kind, plane, live, latency, nominal, ordinary

    ways = [way("", kind, latency)]
    if table.flag("duplex", default=True):
        back = table.whole("back_latency_ps", 0)
        ways.append(way("back_", table.text("back_kind", kind), latency if back is None else back))
    else:
        for key in ("back_kind", "back_latency_ps", "back_live_rate_Bps"):
            if key in table.values:
                raise table.place.error("a link of one direction has no way back", key)
    return ways


def _ancestors(
    name: str,
    level_of: Mapping[str, str],
    parent: Mapping[str, str],
    place: Mapping[str, Place],
    levels: list[str],
) -> dict[str, str]:
    chain_of = [name]
    while chain_of[-1] in parent:
        child, up = chain_of[-1], parent[chain_of[-1]]
        if up not in level_of:
            raise place[child].error(f"unknown group {up!r}; {nearest(up, level_of)}", "in")
        if up in chain_of:
            cycle = [*chain_of[chain_of.index(up) :], up]
            raise place[child].error(f"groups form a cycle: {' in '.join(cycle)}", "in")
        chain_of.append(up)
    for inner, outer in pairwise(chain_of):
        if levels.index(level_of[inner]) >= levels.index(level_of[outer]):
            raise place[inner].error(
                f"{inner!r} of level {level_of[inner]!r} cannot be in {outer!r} of level "
                f"{level_of[outer]!r}; levels are listed innermost first",
                "in",
            )
    return {level_of[each]: each for each in chain_of}


def level_column(level: str) -> str:
    """Return the column of a level; "node" is the column of names."""
    return "node_group" if level == "node" else level
