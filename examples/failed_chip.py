"""What does one failed L2 chip cost? Healthy and degraded, side by side."""

import cm_collectives as cm

healthy = cm.Fabric.preset("cm384", nodes=4)
fabrics = {"healthy": healthy, "one L2 chip down": healthy.degrade({"l2.2.11": 0.0})}

scenarios = cm.grid(
    fabric=list(fabrics),
    collective=["all_to_all", "all_gather"],
    ranks=64,
    size_bytes="16MiB",
)
for row in cm.sweep(scenarios, fabrics).iter_rows(named=True):
    print(f"{row['collective']:<12}{row['fabric']:<18}{row['time_s'] * 1e6:10.2f} us")
