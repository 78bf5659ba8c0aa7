"""Write an algorithm, have it proved, and see how it does against the built-in one."""

import polars as pl

import cm_collectives as cm

N_RANKS = 8

# An all-gather in one step: every rank sends its block to every other rank at once.
pairs = [(src, dst) for src in range(N_RANKS) for dst in range(N_RANKS) if src != dst]
transfers = pl.DataFrame(
    {
        "step": 0,
        "src": [src for src, _ in pairs],
        "dst": [dst for _, dst in pairs],
        "chunk": [src for src, _ in pairs],
        "op": "copy",
    }
)
fabric = cm.Fabric.preset("cm384")
ranks = range(0, 2 * N_RANKS, 2)  # dies of different packages
for size_bytes in ("64KiB", "64MiB"):
    mine = cm.Schedule.from_frame(
        transfers, collective="all_gather", ranks=N_RANKS, size_bytes=size_bytes
    )
    one_step = cm.simulate(fabric, mine, ranks=ranks)
    ring = cm.simulate(fabric, "all_gather", size_bytes=size_bytes, ranks=ranks, algorithm="ring")
    times_us = [f"{r.time_s * 1e6:.2f} us" for r in (one_step, ring)]
    print(f"{size_bytes:>6}: one step {times_us[0]}, ring {times_us[1]}")
