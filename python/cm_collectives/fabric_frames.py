"""A fabric as two frames: what a caller's must hold, and how its own are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import integer
from .errors import LimitError
from .frames import Column, collected, from_frame, to_frame

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from . import _core
    from .frames import Columns

# A fabric of more links than this is built only if asked for; at about 100 bytes each, 1 GB.
DEFAULT_MAX_LINKS = 10**7
# Links are numbered by 32 bits.
MAX_LINKS = 2**32 - 1

_LINK_COLUMNS = (
    Column("src", "text"),
    Column("dst", "text"),
    Column("rate_Bps", "integer"),
    Column("latency_ps", "integer"),
    Column("kind", "text", required=False),
    Column("plane", "integer", required=False, nullable=True),
    Column("nominal_rate_Bps", "integer", required=False),
    Column("ordinary", "bool", required=False),
    Column("weight_ppm", "integer", required=False),
)
# Derived from the others, so that `Fabric.links` and `Fabric.nodes` can be fed back.
_DERIVED_LINK_COLUMN = Column("link", "text", required=False)
_NODE_COLUMNS = (
    Column("node", "text"),
    Column("kind", "text"),
    Column("endpoint", "integer", required=False, nullable=True),
    Column("reduction_rate_Bps", "integer", required=False, nullable=True),
    Column("in_network", "bool", required=False),
)
_LINK_ORDER = (
    "link",
    "src",
    "dst",
    "kind",
    "plane",
    "rate_Bps",
    "latency_ps",
    "nominal_rate_Bps",
    "ordinary",
    "weight_ppm",
)


def checked_columns(
    nodes: pl.DataFrame, links: pl.DataFrame, max_links: object
) -> tuple[Columns, Columns]:
    """Return the columns of a caller's nodes and links as the extension takes them."""
    nodes = collected(nodes, "nodes")
    known = [column.name for column in _NODE_COLUMNS]
    levels = [Column(each, "text", nullable=True) for each in nodes.columns if each not in known]
    node_columns = from_frame(nodes, "nodes", [*_NODE_COLUMNS, *levels])
    node_columns.pop("endpoint", None)
    for level in levels:
        node_columns[level.name] = [each or "" for each in node_columns[level.name]]
    links = collected(links, "links")
    if len(links) > integer(max_links, "max_links", 1, MAX_LINKS):
        raise LimitError(
            f"links: {len(links)} rows; the limit is max_links={max_links}, which may be raised"
        )
    link_columns = from_frame(links, "links", [*_LINK_COLUMNS, _DERIVED_LINK_COLUMN])
    link_columns.pop("link", None)
    for columns, column in ((node_columns, "reduction_rate_Bps"), (link_columns, "plane")):
        if column in columns:
            columns[column] = _without_nulls(columns[column])
    return node_columns, link_columns


def node_frame(core: _core.Fabric) -> pl.DataFrame:
    """Return the nodes of a fabric."""
    columns = core.nodes()
    nullable = [name for name in columns if name not in ("node", "kind", "in_network")]
    return to_frame(columns, nullable)


def link_frame(core: _core.Fabric) -> pl.DataFrame:
    """Return the links of a fabric."""
    return to_frame(core.links(), ["plane"]).select(_LINK_ORDER)


def _without_nulls(values: NDArray[np.int64] | list[int | None]) -> NDArray[np.int64]:
    import numpy as np

    if isinstance(values, list):
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)
    return values
