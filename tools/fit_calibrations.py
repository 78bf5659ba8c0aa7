"""Fits the calibrations that ship to the measurements that ship, and writes them.

Run it after a change of the cost model or of the data: `python tools/fit_calibrations.py`.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import polars as pl

import cm_collectives as cm
from cm_collectives.measure.libraries import Library, named, tuning_of

ROOT = Path(__file__).parents[1]
INTO = ROOT / "python" / "cm_collectives" / "measure" / "calibrations"
MEASURED = cm.measurements()

# Fabric, library, rows to predict each from the others, what to know before using it.
FITS = (
    ("hgx_a100", "nccl", 5, "bulk_us, ramp_kB and bulk_GBs trade against each other"),
    ("hgx_h100", "nccl", 5, "bulk_us, ramp_kB and bulk_GBs trade against each other"),
    ("hgx_b200", "nccl", 5, "bulk_us, ramp_kB and bulk_GBs trade against each other"),
    ("cm384", "hccl", 100, "16 dies of one server only; sizes from 2-digit labels, +-4 %"),
    ("cm384", "cann-ep", 100, "one batch of 128 tokens, hidden 7168"),
    ("cm384", "deepep-ascend", 100, "2 rows: launch and rate are priors"),
    ("gb200_nvl72", "tensorrt-llm", 5, "bf16, two-sided, 8 and 32 ranks"),
)
# The same switches: one fit for both.
MEMORY = ("remote-read", "remote-write")
# The same GPU generation, measured on another machine.
TRANSFERS = (
    ("hgx_h100", "hgx_h200"),
    ("hgx_h100", "hgx_h20"),
    ("hgx_b200", "hgx_b300"),
    ("hgx_b200", "gb200_nvl72"),
    ("hgx_b200", "gb300_nvl72"),
)


def rows_of(fabric: str, library: Library) -> pl.DataFrame:
    """Return the measurements of a library on a machine."""
    its = pl.col("library").str.contains(f"(?i){library.pattern}")
    return MEASURED.filter(its, pl.col("fabric") == fabric)


def noted(calibration: cm.Calibration, note: str) -> cm.Calibration:
    """Return the calibration with a note in its provenance."""
    return calibration.replaced(provenance=calibration.provenance._replace(note=note))


def fits() -> list[cm.Calibration]:
    """Return all calibrations that ship."""
    made = [
        noted(
            cm.calibrate(cm.Fabric.preset(fabric), rows_of(fabric, named(library)), folds=folds),
            note,
        )
        for fabric, library, folds, note in FITS
    ]
    both = pl.concat([rows_of("cm384", named(name)) for name in MEMORY])
    memory = cm.calibrate(cm.Fabric.preset("cm384"), both, folds=100)
    for name in MEMORY:
        library = named(name)
        own = {key: memory.parameters[key] for key in library.priors}
        half = memory.replaced(library=name, rule=library.rule, parameters=own)
        made.append(noted(half, "reads and writes are fitted together: the switches are the same"))
    fitted = {each.fabric: each for each in made if each.library == "nccl"}
    for source, fabric in TRANSFERS:
        tuning = tuning_of(cm.Fabric.preset(fabric), named("nccl"))
        made.append(fitted[source].transferred(fabric).replaced(tuning=tuning))
    return made


def main() -> None:
    """Write one file per calibration."""
    warnings.simplefilter("ignore", cm.CalibrationWarning)
    for calibration in fits():
        calibration.save(INTO / f"{calibration.fabric}.{calibration.library}.toml")
        print(calibration)


if __name__ == "__main__":
    main()
