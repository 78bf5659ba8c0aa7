"""`cm-collectives tune`: which algorithm is best at which size, or what a library would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cm_collectives.errors import ArgumentError

from .nccl import parse_size, size_range
from .output import add_output_flags, format_of, table, write, write_frame
from .parser import Parser, add_fabric_flags, machine

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune",
        help="find the best algorithm for each size",
        description="Hold a contest of all algorithms and their options at each size. Without "
        "--exhaustive, algorithms that cannot win have a lower bound instead of a time. With "
        "--rule, show what a real library would choose, and what that costs.",
    )
    parser.add_argument("collective", help="such as all_reduce; see `cm-collectives algorithms`")
    parser.add_argument("-b", "--minbytes", default="1K", metavar="SIZE", help="first size (1K)")
    parser.add_argument("-e", "--maxbytes", default="1G", metavar="SIZE", help="last size (1G)")
    parser.add_argument(
        "-f", "--stepfactor", type=int, default=8, metavar="N", help="factor between sizes (8)"
    )
    parser.add_argument("-g", "--ngpus", type=int, metavar="N", help="ranks (default: all)")
    parser.add_argument("-r", "--root", type=int, default=0, metavar="RANK", help="root rank")
    add_fabric_flags(parser)
    parser.add_argument("--routing", default="spray", help="default: %(default)s")
    parser.add_argument("--rule", metavar="NAME", help="hccl-a2, hccl-a3, hccl-a3-aiv or nccl")
    parser.add_argument("--exhaustive", action="store_true", help="time every rival")
    add_output_flags(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import tune

    form = format_of(chosen.output, chosen.format)
    if chosen.rule is not None and chosen.exhaustive:
        raise ArgumentError("--rule and --exhaustive exclude each other")
    limits = parse_size(chosen.minbytes), parse_size(chosen.maxbytes)
    frame = tune(
        machine(chosen),
        chosen.collective,
        list(size_range(*limits, factor=chosen.stepfactor, step_bytes=None)),
        chosen.ngpus,
        exhaustive=chosen.exhaustive,
        rule=chosen.rule,
        routing=chosen.routing,
        root=chosen.root,
    )
    if form == "table":
        write(f"{table(frame)}\n".encode(), chosen.output)
    else:
        write_frame(frame, form, chosen.output)
    return 0
