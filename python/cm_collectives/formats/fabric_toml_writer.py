"""Writing a machine in the schema cm.fabric/1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cm_collectives.errors import SpecError

from .fabric_toml import SCHEMA, WHOLE_PPM
from .tables import RANGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import polars as pl

_FIXED_NODE_COLUMNS = ("node", "kind", "endpoint", "reduction_rate_Bps", "in_network")
# A TOML basic string escapes everything below it, and the delete character.
_SPACE = 32
_DELETE = 127


def render(name: str, nodes: pl.DataFrame, links: pl.DataFrame) -> str:
    """Return the file of a machine's frames; reading it gives an equal fabric."""
    levels = [each for each in nodes.columns if each not in _FIXED_NODE_COLUMNS]
    spelled = ["node" if each == "node_group" else each for each in levels]
    parts = [f"schema = {_quoted(SCHEMA)}", f"name = {_quoted(name)}"]
    parts += [f"levels = {_listed(spelled)}", ""] if levels else [""]
    parts += _group_tables(nodes, levels, spelled)
    parts += _node_tables(nodes, levels, spelled)
    parts += _link_tables(links)
    return "\n".join(parts)


def _group_tables(nodes: pl.DataFrame, levels: list[str], spelled: list[str]) -> Iterator[str]:
    for depth in range(len(levels) - 1, -1, -1):
        outer = levels[depth + 1 : depth + 2]
        pairs = (
            nodes.select(levels[depth], *outer)
            .drop_nulls(levels[depth])
            .unique(maintain_order=True)
        )
        rows = pairs.rows()
        for parent, names in _runs([row[1:] for row in rows], [row[0] for row in rows]):
            yield "[[groups]]"
            yield f"name = {_listed(_group(spelled[depth], each) for each in names)}"
            yield f"level = {_quoted(spelled[depth])}"
            if parent:
                yield f"in = {_quoted(_group(spelled[depth + 1], parent[0]))}"
            yield ""


def _group(level: str, container: str) -> str:
    """Return "node.3" for the container "node3": names of different levels never meet."""
    return f"{level}.{container.removeprefix(level)}"


def _node_tables(nodes: pl.DataFrame, levels: list[str], spelled: list[str]) -> Iterator[str]:
    rows = nodes.select("kind", "reduction_rate_Bps", "in_network", *levels).rows()
    for (kind, reduction, in_network, *inside), names in _runs(rows, nodes["node"].to_list()):
        yield "[[nodes]]"
        yield f"name = {_listed(names)}"
        yield f"kind = {_quoted(kind)}"
        innermost = next((i for i, each in enumerate(inside) if each is not None), None)
        if innermost is not None:
            yield f"in = {_quoted(_group(spelled[innermost], inside[innermost]))}"
        if reduction is not None:
            yield f"reduction_rate_Bps = {reduction}"
        if in_network:
            yield "in_network = true"
        yield ""


class _Cable(NamedTuple):
    """What the links of one table share; `back` is none for a link of one direction."""

    plane: int | None
    nominal: int
    ordinary: bool
    weight_ppm: int
    there: tuple[str, int, int]  # kind, latency, live rate
    back: tuple[str, int, int] | None


def _link_tables(links: pl.DataFrame) -> Iterator[str]:
    shapes: list[tuple[_Cable, str]] = []
    sources: list[str] = []
    rows = links.select(
        "src",
        "dst",
        "plane",
        "nominal_rate_Bps",
        "ordinary",
        "weight_ppm",
        "kind",
        "latency_ps",
        "rate_Bps",
    ).rows()
    at = 0
    while at < len(rows):
        src, dst, *shared, kind, latency, live = rows[at]
        back = None
        if at + 1 < len(rows):
            back_src, back_dst, *back_shared, back_kind, back_latency, back_live = rows[at + 1]
            if (back_src, back_dst, back_shared) == (dst, src, shared):
                back = (back_kind, back_latency, back_live)
        plane, nominal, ordinary, weight = shared
        there = (kind, latency, live)
        shapes.append((_Cable(plane, nominal, ordinary, weight, there, back), dst))
        sources.append(src)
        at += 1 if back is None else 2
    for (cable, dst), names in _runs(shapes, sources):
        yield "[[links]]"
        yield f"src = {_listed(names)}"
        yield f"dst = {_quoted(dst)}"
        yield from _cable_lines(cable)
        yield ""


def _cable_lines(cable: _Cable) -> Iterator[str]:
    kind, latency, live = cable.there
    yield f"rate_Bps = {cable.nominal}"
    yield f"latency_ps = {latency}"
    yield f"kind = {_quoted(kind)}"
    if cable.plane is not None:
        yield f"plane = {cable.plane}"
    if live != cable.nominal:
        yield f"live_rate_Bps = {live}"
    if not cable.ordinary:
        yield "ordinary = false"
    if cable.weight_ppm != WHOLE_PPM:
        yield f"weight_ppm = {cable.weight_ppm}"
    if cable.back is None:
        yield "duplex = false"
        return
    back_kind, back_latency, back_live = cable.back
    if back_kind != kind:
        yield f"back_kind = {_quoted(back_kind)}"
    if back_latency != latency:
        yield f"back_latency_ps = {back_latency}"
    if back_live != cable.nominal:
        yield f"back_live_rate_Bps = {back_live}"


def _runs(keys: list[Any], values: list[str]) -> Iterator[tuple[Any, list[str]]]:
    """Group neighbors of equal keys."""
    start = 0
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[start]:
            yield keys[start], values[start:at]
            start = at


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(_quoted(each) for each in names)}]"


def _quoted(name: str) -> str:
    """Return a TOML basic string."""
    if RANGE.search(name):
        raise SpecError(f"name {name!r} reads as a range in {SCHEMA}; rename it")
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    characters = (
        f"\\u{ord(each):04x}" if ord(each) < _SPACE or ord(each) == _DELETE else each
        for each in escaped
    )
    return f'"{"".join(characters)}"'
