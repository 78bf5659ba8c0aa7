"""The JSON that nccl-tests writes for its option `-J`.

Keys are those of NVIDIA/nccl-tests, src/util.cu at commit 0fdb00a3: times in microseconds, GB of
10^9 bytes. What a simulation cannot know is left out or null; `nccl_version` says who simulated, as
a text, so that nobody takes the file for a measurement.
"""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cm_collectives._core import __version__
from cm_collectives.errors import ArgumentError
from cm_collectives.result import busbw

if TYPE_CHECKING:
    from cm_collectives.fabric import Fabric

# Program, whether it reduces, whether it has a root, and whether the size counts all ranks.
_PROGRAMS = {
    "all_reduce": ("all_reduce_perf", True, False, False),
    "all_gather": ("all_gather_perf", False, False, True),
    "reduce_scatter": ("reduce_scatter_perf", True, False, True),
    "all_to_all": ("alltoall_perf", False, False, True),
    "broadcast": ("broadcast_perf", False, True, False),
    "reduce": ("reduce_perf", True, True, False),
    "gather": ("gather_perf", False, True, True),
    "scatter": ("scatter_perf", False, True, True),
    "send_recv": ("sendrecv_perf", False, False, False),
}
_BYTES = {"half": 2, "bfloat16": 2, "float": 4, "int8": 1}


def render(rows: list[dict[str, Any]], fabric: Fabric, datatype: str) -> dict[str, bytes]:
    """Return a file per collective and number of ranks."""
    if datatype not in _BYTES:
        raise ArgumentError(f"datatype must be one of {', '.join(_BYTES)}, got {datatype!r}")
    files = {}
    for (collective, ranks), group in groupby(rows, lambda row: (row["collective"], row["ranks"])):
        if collective not in _PROGRAMS:
            raise ArgumentError(f"nccl-tests has no program for {collective}")
        report = _report(collective, ranks, list(group), fabric.name, datatype)
        content = json.dumps(report, indent=2, allow_nan=False) + "\n"
        files[f"{collective}_{ranks}.json"] = content.encode()
    return files


def _report(
    collective: str, ranks: int, rows: list[dict[str, Any]], machine: str, datatype: str
) -> dict[str, Any]:
    program = _PROGRAMS[collective][0]
    sizes = [row["size_bytes"] for row in rows]
    return {
        "version": 2,
        "args": [program, "-b", str(min(sizes)), "-e", str(max(sizes)), "-g", str(ranks)],
        "nccl_version": f"simulated by cm_collectives {__version__}",
        "config": {
            "nthreads": 1,
            "ngpus": ranks,
            "minimum_bytes": min(sizes),
            "maximum_bytes": max(sizes),
            # One per process, as there.
            "devices": [
                {"rank": 0, "group": 0, "device": 0, "device_info": f"simulated {machine}"}
            ],
        },
        "results": [_result(collective, ranks, row, datatype) for row in rows],
    }


def _result(collective: str, ranks: int, row: dict[str, Any], datatype: str) -> dict[str, Any]:
    _, reduces, has_root, of_all = _PROGRAMS[collective]
    size_bytes, time_us = row["size_bytes"], row["time_ps"] / 1e6
    elements = size_bytes // _BYTES[datatype]
    algbw_Bps = size_bytes / (row["time_ps"] / 1e12) if row["time_ps"] else 0.0
    measured = {
        "time": time_us,
        "alg_bw": algbw_Bps / 1e9,
        "bus_bw": (busbw(algbw_Bps, collective, ranks) or 0.0) / 1e9,
        "nwrong": 0,  # every schedule was proved
    }
    return {
        "size": size_bytes,
        "count": elements // ranks if of_all else elements,
        "type": datatype,
        "redop": "sum" if reduces else "none",
        "root": 0 if has_root else -1,
        "out_of_place": measured,
        "in_place": measured,
    }
