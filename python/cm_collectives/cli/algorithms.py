"""`cm-collectives algorithms`: which algorithms there are, and what one of them does."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from .output import add_output_flags, format_of, table, write, write_frame

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from .parser import Parser

WIDTH = 100


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "algorithms",
        help="list the algorithms, or describe one",
        description="List every algorithm for every collective: its steps and the bytes that a "
        "rank sends (n ranks, size S), what it needs, and its options. With a name, describe that "
        "one in full. Files hold every column of cm.algorithms().",
    )
    parser.add_argument("algorithm", nargs="?", help="describe this one")
    parser.add_argument("--collective", help="only those of one collective")
    add_output_flags(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import algorithms
    from cm_collectives.arguments import unknown_name
    from cm_collectives.asked import known_collective

    form = format_of(chosen.output, chosen.format)
    frame = algorithms()
    if chosen.collective is not None:
        frame = frame.filter(collective=known_collective(chosen.collective))
    if chosen.algorithm is not None:
        known = frame["algorithm"].unique(maintain_order=True)
        frame = frame.filter(algorithm=chosen.algorithm)
        if frame.is_empty():
            raise unknown_name("algorithm", chosen.algorithm, known)
    if form != "table":
        write_frame(frame, form, chosen.output)
    elif chosen.algorithm is not None:
        write(_description(frame).encode(), chosen.output)
    else:
        write(_listing(frame).encode(), chosen.output)
    return 0


def _listing(frame: pl.DataFrame) -> str:
    """Return a line per collective and algorithm, narrow enough for a terminal."""
    import polars as pl

    options = pl.col("options").str.split("\n").list.eval(pl.element().str.split(" (").list.first())
    columns = (
        "collective",
        "algorithm",
        "steps",
        pl.col("bytes_per_rank").alias("bytes sent"),
        "constraint",
        options.list.join(", ").alias("options"),
    )
    return f"{table(frame.select(columns))}\n"


def _description(frame: pl.DataFrame) -> str:
    """Return everything about one algorithm."""
    about = frame.row(0, named=True)
    paragraphs = [f"{about['algorithm']}: {about['summary']}"]
    paragraphs += [f"  needs     {about['constraint']}", f"  source    {about['source']}"]
    if about["options"]:
        paragraphs += [f"  option    {line}" for line in about["options"].splitlines()]
    wrapped = [fill(each, WIDTH, subsequent_indent=" " * 12) for each in paragraphs]
    costs = frame.select("collective", "steps", "bytes_per_rank")
    return "\n".join([*wrapped, "", table(costs), ""])
