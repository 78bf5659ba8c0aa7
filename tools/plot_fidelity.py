"""Plots predicted against measured times, one picture per system, for docs/fidelity.md.

Needs the extra `plot`. Run it after the calibrations have changed: `python tools/plot_fidelity.py`.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import matplotlib as mpl
import polars as pl

import cm_collectives as cm

mpl.use("svg")
from matplotlib import pyplot as plt

INTO = Path(__file__).parents[1] / "docs" / "images"
# The same bytes for the same data.
mpl.rcParams |= {"svg.hashsalt": "cm_collectives", "svg.fonttype": "none", "font.size": 9}
MISS = 0.2
SYSTEMS = ("cm384", "hgx_a100", "hgx_h100", "hgx_b200", "gb200_nvl72")


def plot(fabric: str, report: pl.DataFrame) -> None:
    """Write the picture of one system: times above, their ratio below."""
    figure, (times, ratios) = plt.subplots(
        2, 1, figsize=(6.4, 6.4), sharex=True, height_ratios=(3, 2), layout="constrained"
    )
    ends = (report["time_us"].min(), report["time_us"].max())
    times.plot(ends, ends, color="0.7", linewidth=1)
    for (collective,), rows in report.group_by("collective", maintain_order=True):
        style = {"s": 12, "alpha": 0.8, "label": collective}
        times.scatter(rows["time_us"], rows["predicted_us"], **style)
        ratios.scatter(rows["time_us"], 100 * rows["relative_error"], **style)
    times.set(xscale="log", yscale="log", ylabel="predicted, us", title=fabric)
    times.legend(frameon=False)
    for level in (-100 * MISS, 0, 100 * MISS):
        ratios.axhline(level, color="0.7", linewidth=1)
    ratios.set(xlabel="measured, us", ylabel="predicted - measured, %")
    figure.savefig(INTO / f"fidelity-{fabric}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Write all pictures, and print what is missed by more than 20 %."""
    INTO.mkdir(exist_ok=True)
    warnings.simplefilter("ignore", cm.CalibrationWarning)
    frame = cm.measurements()
    report = cm.validate({name: cm.Fabric.preset(name) for name in SYSTEMS}, frame)
    for name in SYSTEMS:
        plot(name, report.filter(fabric=name))
    misses = report.filter(pl.col("relative_error").abs() > MISS)
    for row in misses.iter_rows(named=True):
        print(f"{row['case']}: {row['time_us']:.2f} us, {100 * row['relative_error']:+.0f} %")


if __name__ == "__main__":
    main()
