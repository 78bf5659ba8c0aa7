"""The flows of a file in cm_collectives, by the event engine alone, as users call it.

python product.py FLOWS.parquet OUT

Or a ring all-reduce on one plane as the collective that it is: what another size costs once the
symmetry of fabric and schedule is proved, and the first answer too.

python product.py ring RANKS MESSAGE_BYTES
"""

import json
import re
import sys
import time
from pathlib import Path

import polars as pl

import cm_collectives as cm

REPEATS = 101
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


def ring(ranks: int, message_bytes: int) -> None:
    """Print makespan, first and further times of an all-reduce in messages of that size."""
    fabric = cm.Fabric.preset("cm384", timing="line_rate")
    one_plane = fabric.degrade({f"plane:{plane}": 0.0 for plane in range(1, 7)})
    took: list[tuple[float, float]] = []
    # From the largest to the wanted size, and each size is new.
    for more in reversed(range(REPEATS)):
        size_bytes = ranks * (message_bytes + more)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        ps = one_plane.time_ps("all_reduce", size_bytes, ranks=ranks, algorithm="ring")
        took.append((time.perf_counter() - begin, time.process_time() - begin_cpu))
    wall_s, cpu_s = (sorted(each)[REPEATS // 2] for each in zip(*took, strict=True))
    first_s, _ = took[0]
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "first_s": first_s, "time_s": ps / 1e12}))


if __name__ == "__main__":
    if sys.argv[1] == "ring":
        ring(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*sys.argv[1:])
