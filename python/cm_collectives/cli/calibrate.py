"""`cm-collectives calibrate`: the numbers of a library from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .measured import add_measurement_flags, read, warnings_in_one_line
from .output import table, write
from .parser import Parser, add_fabric_flags, machine

if TYPE_CHECKING:
    import argparse

    from cm_collectives import Calibration


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "calibrate",
        help="fit what a library costs to measurements",
        description="Fit the parameters of a library on a machine to the measurements of a file, "
        "and print them with their uncertainty. -o saves the calibration, which `validate "
        "--calibration` and `cm.Calibration.load` take.",
    )
    add_measurement_flags(parser, optional=False)
    add_fabric_flags(parser)
    parser.add_argument("--library", metavar="NAME", help="such as nccl (default: what rows say)")
    parser.add_argument(
        "--folds", type=int, default=5, metavar="N", help="parts to leave out in turn (5)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="save it as .toml")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import calibrate

    fabric = machine(chosen)
    frame = read(chosen)
    if "fabric" in frame.columns:
        frame = frame.filter(fabric=fabric.name)
    with warnings_in_one_line():
        calibration = calibrate(fabric, frame, library=chosen.library, folds=chosen.folds)
    if chosen.output is not None:
        calibration.save(chosen.output)
    write(_told(calibration).encode(), None)
    return 0


def _told(calibration: Calibration) -> str:
    told = calibration.provenance
    lines = [repr(calibration), "", table(calibration.frame), ""]
    for name, errors in (("fitted", told.fitted), ("left out", told.left_out)):
        if errors is not None:
            median, p90, worst = (f"{100 * each:.1f}" for each in errors)
            lines.append(f"{name:<9} median {median} %, 90th percentile {p90} %, worst {worst} %")
    return "\n".join([*lines, ""])
