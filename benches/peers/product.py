"""The flows of a file in cm_collectives, by the event engine alone, as users call it.

python product.py FLOWS.parquet OUT
"""

import json
import re
import sys
import time
from pathlib import Path

import polars as pl

import cm_collectives as cm

EXPLICIT = {"orbits": False, "refine": False, "fast_forward": False}


def arrivals(fabric: cm.Fabric, flows: pl.DataFrame) -> pl.Series:
    """Return when each flow has arrived, in picoseconds."""
    result = cm.simulate_flows(fabric, flows, engine_options=EXPLICIT)
    return result.transfers["arrived_ps"]


def main(flows: str, out: str) -> None:
    """Write the end of each flow in seconds and print wall time and peak memory."""
    fabric = cm.Fabric.preset("cm384", timing="line_rate")
    frame = pl.read_parquet(flows)
    # The first call imports what calls need.
    one = frame.head(1).with_columns(depends_on=pl.lit([], dtype=pl.List(pl.Int64)))
    arrivals(fabric, one)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    ends = arrivals(fabric, frame)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    Path(out).write_text("".join(f"{end / 1e12!r}\n" for end in ends))
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    memory_bytes = int(found[1]) * 1024 if found else 0
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "memory_bytes": memory_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
