"""`cm-collectives algorithms`: which algorithms there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import add_output_flags, format_of, write_frame

if TYPE_CHECKING:
    import argparse

    from .parser import Parser


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "algorithms",
        help="list the algorithms",
        description="List every algorithm for every collective, with its constraint, its options, "
        "its steps and the bytes that a rank sends (n ranks, size S), and its source.",
    )
    parser.add_argument("--collective", help="only those of one collective")
    add_output_flags(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import algorithms
    from cm_collectives.arguments import known_collective

    form = format_of(chosen.output, chosen.format)
    frame = algorithms()
    if chosen.collective is not None:
        frame = frame.filter(collective=known_collective(chosen.collective))
    write_frame(frame, form, chosen.output)
    return 0
