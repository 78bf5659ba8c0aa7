"""The table `nccl_perf.parquet` from which NVIDIA's aiconfigurator looks up collectives.

Columns as its loader takes them (ai-dynamo/aiconfigurator at commit 03137643, `load_nccl_data`):
`nccl_dtype`, `op_name`, `num_gpus`, `message_size` in elements of the whole vector, `latency` in
milliseconds.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError

if TYPE_CHECKING:
    from cm_collectives.fabric import Fabric

_OPS = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "all_to_all": "alltoall",
}
_BYTES = {"half": 2, "int8": 1}


def render(rows: list[dict[str, Any]], fabric: Fabric, datatype: str) -> dict[str, bytes]:  # noqa: ARG001
    """Return the one file."""
    import polars as pl

    if datatype not in _BYTES:
        raise ArgumentError(f"datatype must be one of {', '.join(_BYTES)}, got {datatype!r}")
    table = []
    for row in rows:
        if row["collective"] not in _OPS:
            raise ArgumentError(
                f"aiconfigurator has no table for {row['collective']}; it has {', '.join(_OPS)}"
            )
        elements, rest = divmod(row["size_bytes"], _BYTES[datatype])
        if rest:
            raise ArgumentError(
                f"size_bytes must be whole elements of {datatype}, got {row['size_bytes']}"
            )
        table.append(
            {
                "nccl_dtype": datatype,
                "num_gpus": row["ranks"],
                "message_size": elements,
                "op_name": _OPS[row["collective"]],
                "latency": row["time_ps"] / 1e9,
            }
        )
    schema = {
        "nccl_dtype": pl.String,
        "num_gpus": pl.Int64,
        "message_size": pl.Int64,
        "op_name": pl.String,
        "latency": pl.Float64,
    }
    buffer = io.BytesIO()
    pl.DataFrame(table, schema=schema).write_parquet(buffer)
    return {"nccl_perf.parquet": buffer.getvalue()}
