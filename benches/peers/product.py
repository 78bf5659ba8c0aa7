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


def main(flows: str, out: str) -> None:
    """Write the end of each flow in seconds and print wall time and peak memory."""
    fabric = cm.Fabric.preset("cm384", timing="line_rate")
    frame = pl.read_parquet(flows)
    begin = time.perf_counter()
    result = cm.simulate_flows(fabric, frame, engine_options=EXPLICIT)
    ends = result.transfers["arrived_ps"]
    wall_s = time.perf_counter() - begin
    Path(out).write_text("".join(f"{end / 1e12!r}\n" for end in ends))
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    memory_bytes = int(found[1]) * 1024 if found else 0
    print(json.dumps({"wall_s": wall_s, "memory_bytes": memory_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
