"""The CSV tables from which Huawei's msmodeling looks up HCCL collectives.

One file per collective, `hcom_allReduce_.csv` and so on, after its document COMM_DATA_SPEC 1.0 of
2026-03-10: `message_bytes` is the tensor that one rank passes in (of an all-to-all all that it
sends), times are microseconds, `topology_tier` is 2 for the dies of a package, 1 within a "pod", 0
beyond. Its pod is one node of 8 NPUs, not a supernode. The column `bandwidth_gbps` is optional, and
left out because the examples of the document do not agree on its unit.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError

if TYPE_CHECKING:
    from cm_collectives.fabric import Fabric

_FILES = {
    "all_reduce": "hcom_allReduce_.csv",
    "all_gather": "hcom_allGather_.csv",
    "reduce_scatter": "hcom_reduceScatter_.csv",
    "all_to_all": "hcom_alltoallv_.csv",
}
_DATATYPES = {"half": "DT_FP16", "bfloat16": "DT_BF16", "float": "DT_FLOAT", "int8": "INT8"}
_HEADER = "message_bytes,num_devices,dtype,topology_tier,Duration(us)"
_DIE, _POD, _BEYOND = 2, 1, 0


def render(rows: list[dict[str, Any]], fabric: Fabric, datatype: str) -> dict[str, bytes]:
    """Return a file per collective."""
    if datatype not in _DATATYPES:
        raise ArgumentError(f"datatype must be one of {', '.join(_DATATYPES)}, got {datatype!r}")
    files = {}
    tiers = {ranks: _tier(fabric, ranks) for ranks in {row["ranks"] for row in rows}}
    for collective, group in groupby(rows, lambda row: row["collective"]):
        if collective not in _FILES:
            raise ArgumentError(
                f"msmodeling has no table for {collective}; it has {', '.join(_FILES)}"
            )
        lines = [_HEADER]
        for row in group:
            ranks = row["ranks"]
            fields = (
                _message_bytes(row),
                ranks,
                _DATATYPES[datatype],
                tiers[ranks],
                row["time_ps"] / 1e6,
            )
            lines.append(",".join(map(str, fields)))
        files[_FILES[collective]] = ("\n".join(lines) + "\n").encode()
    return files


def _message_bytes(row: dict[str, Any]) -> int:
    size_bytes, ranks = int(row["size_bytes"]), int(row["ranks"])
    if row["collective"] != "all_gather":
        return size_bytes
    if size_bytes % ranks:
        raise ArgumentError(
            f"all_gather over {ranks} ranks: size_bytes must be a multiple of {ranks} here, where "
            f"the part of one rank is listed, got {size_bytes}"
        )
    return size_bytes // ranks


def _tier(fabric: Fabric, ranks: int) -> int:
    """Return the tier that the first `ranks` endpoints span."""
    team = fabric.team(ranks)
    for level, tier in (("package", _DIE), ("node", _POD)):
        if level in team.levels and len(team.groups(level)) == 1:
            return tier
    return _BEYOND
