"""Does it matter which dies form a data-parallel group? Two placements of one job, side by side."""

import cm_collectives as cm

fabric = cm.Fabric.preset("cm384", nodes=4)
team = fabric.team()

for name, axes in (
    ("tp inside a node", {"tp": 16, "dp": 4}),
    ("dp inside a node", {"dp": 4, "tp": 16}),
):
    groups = team.grid(**axes).groups("dp")
    jobs = [
        cm.Job("all_reduce", size_bytes="64MiB", ranks=group, algorithm="ring") for group in groups
    ]
    r = cm.simulate(fabric, jobs)
    print(f"{name}: {len(jobs)} groups of {len(groups[0])}, all done after {r.time_s * 1e3:.3f} ms")
