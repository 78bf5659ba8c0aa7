"""Graphs of the networkx package as machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError

from .fabric_toml import SCHEMA, level_column, read_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parsed import Parsed


def parse(graph: Any, name: str, levels: Sequence[str], max_links: int) -> Parsed:  # noqa: ANN401
    """Read a graph; an edge without direction makes a link each way."""
    for method in ("is_directed", "nodes", "edges"):
        if not hasattr(graph, method):
            raise ArgumentError(f"graph must be a networkx graph, got {type(graph).__name__}")
    nodes = list(graph.nodes(data=True))
    edges = list(graph.edges(data=True))
    document = {
        "schema": SCHEMA,
        "name": name,
        "nodes": [
            {"name": str(node), **_without(attributes, levels)} for node, attributes in nodes
        ],
        "links": [
            {"src": str(src), "dst": str(dst), **attributes, "duplex": not graph.is_directed()}
            for src, dst, attributes in edges
        ],
    }
    parsed = read_tables(document, "graph", max_links)
    if len(parsed.nodes["node"]) != len(nodes):
        raise ArgumentError("graph: node names must not hold ranges such as {0..7}")
    for level in levels:
        containers = [attributes.get(level) for _, attributes in nodes]
        parsed.nodes[level_column(level)] = [
            None if each is None else str(each) for each in containers
        ]
    return parsed


def _without(attributes: dict[str, Any], levels: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in levels}
