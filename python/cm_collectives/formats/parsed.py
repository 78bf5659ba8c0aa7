"""What a description of a machine is read into, and the fabric of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cm_collectives import _core
from cm_collectives.errors import ArgumentError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Parsed(NamedTuple):
    """A machine as the columns of `Fabric.nodes` and `Fabric.links`."""

    name: str
    nodes: dict[str, list[Any]]
    links: dict[str, list[Any]]


def fabric(parsed: Parsed, origin: str) -> _core.Fabric:
    """Build it; a SpecError names the origin and what the fabric refuses."""
    import numpy as np

    def numbers(values: list[int | None]) -> NDArray[np.int64]:
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)

    nodes = {
        key: numbers(values) if key == "reduction_rate_Bps" else [each or "" for each in values]
        for key, values in parsed.nodes.items()
    }
    links = {
        key: numbers(values) if key.endswith(("_Bps", "_ps")) or key == "plane" else values
        for key, values in parsed.links.items()
    }
    nodes["in_network"] = np.array(parsed.nodes["in_network"], dtype=np.bool_)
    links["ordinary"] = np.array(parsed.links["ordinary"], dtype=np.bool_)
    try:
        return _core.Fabric.from_columns(parsed.name, nodes, links)
    except ArgumentError as error:
        raise SpecError(f"{origin}: {error}") from None
