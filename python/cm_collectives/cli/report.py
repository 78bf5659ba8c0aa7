"""`cm-collectives report`: the catalogue on one fabric, as a page of Markdown.

For each collective and number of ranks: the best algorithm per size, how near it comes to the bound
of any algorithm, how much worse each other one is, and what HCCL's A3 rule would cost.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cm_collectives.errors import UnsupportedError

from .nccl import parse_size, size_range
from .output import write
from .parser import Parser, add_fabric_flags, machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    import polars as pl

    import cm_collectives as cm

COLLECTIVES = ("all_reduce", "reduce_scatter", "all_gather", "broadcast", "all_to_all")
RULE = "hccl-a3"
KIBI = 1024
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "report",
        help="compare all algorithms on a fabric, as a page",
        description="Write a page of Markdown: for each collective and number of ranks the best "
        "algorithm per size, its efficiency, how much worse the others are, and what HCCL's A3 "
        "rule would cost.",
    )
    parser.add_argument(
        "--collective", action="append", metavar="NAME", help="may be repeated (default: five)"
    )
    parser.add_argument("-b", "--minbytes", default="512", metavar="SIZE", help="first size (512)")
    parser.add_argument("-e", "--maxbytes", default="4G", metavar="SIZE", help="last size (4G)")
    parser.add_argument(
        "-f", "--stepfactor", type=int, default=8, metavar="N", help="factor between sizes (8)"
    )
    parser.add_argument(
        "-g",
        "--ngpus",
        type=int,
        action="append",
        metavar="N",
        help="ranks; may be repeated (default: 16, 128 and all)",
    )
    add_fabric_flags(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    fabric = machine(chosen)
    limits = parse_size(chosen.minbytes), parse_size(chosen.maxbytes)
    sizes = [*size_range(*limits, factor=chosen.stepfactor, step_bytes=None)]
    everybody = fabric.n_endpoints
    counts = chosen.ngpus or sorted({n for n in (16, 128, everybody) if n <= everybody})
    lines = [
        f"# All algorithms on {fabric.name}",
        "",
        "Written by `cm-collectives report`. Efficiency: the lower bound of any algorithm and any",
        "routing over the time. Others: their time over the best one's; `>` where a lower bound",
        f"showed that they cannot win, and they were not run to their end. {RULE} is a model of",
        "HCCL's choice, with our algorithms for its own.",
        "",
    ]
    for collective in chosen.collective or COLLECTIVES:
        for n_ranks in counts:
            lines += _section(fabric, collective, n_ranks, sizes)
    write("\n".join(lines).encode(), chosen.output)
    return 0


def _section(fabric: cm.Fabric, collective: str, n_ranks: int, sizes: list[int]) -> Iterator[str]:
    from cm_collectives import simulate, tune

    contest = tune(fabric, collective, sizes, n_ranks)
    rule = [_ruled(fabric, collective, n_ranks, size_bytes) for size_bytes in sizes]
    yield f"## {collective}, {n_ranks} ranks"
    yield ""
    yield f"| size | best | us | efficiency | others | {RULE} |"
    yield "| --: | --- | --: | --: | --- | --- |"
    winners: list[tuple[str, int]] = []
    for size_bytes, choice in zip(sizes, rule, strict=True):
        rows = contest.filter(size_bytes=size_bytes)
        best = rows.row(0, named=True)
        run = simulate(
            fabric,
            collective,
            size_bytes=size_bytes,
            ranks=n_ranks,
            algorithm=best["algorithm"],
            **json.loads(best["options"]),
        )
        name = _named(best["algorithm"], best["options"])
        share = "" if run.efficiency is None else f"{run.efficiency:.1%}"
        yield (
            f"| {_size(size_bytes)} | {name} | {run.time_s * 1e6:.5g} | {share} | "
            f"{', '.join(_others(rows))} | {choice} |"
        )
        winners.append((best["algorithm"], size_bytes))
    yield ""
    yield f"Where each wins: {', '.join(_ranges(winners))}."
    yield ""


def _ruled(fabric: cm.Fabric, collective: str, n_ranks: int, size_bytes: int) -> str:
    """Return what the rule takes and its time over the best one's; "-" where we have no such."""
    from cm_collectives import tune

    try:
        row = tune(fabric, collective, [size_bytes], n_ranks, rule=RULE).row(0, named=True)
    except UnsupportedError:
        return "-"
    return f"{_named(row['algorithm'], row['options'])} {row['slowdown']:.3g}"


def _others(rows: pl.DataFrame) -> Iterator[str]:
    best_ps = rows["time_ps"][0]
    for row in rows[1:].iter_rows(named=True):
        sign = ">" if row["time_ps"] is None else ""
        yield f"{row['algorithm']} {sign}{row['at_least_ps'] / best_ps:.3g}"


def _ranges(winners: list[tuple[str, int]]) -> Iterator[str]:
    """Join neighboring sizes with the same winner."""
    first = 0
    for i, (algorithm, size_bytes) in enumerate(winners):
        if i + 1 == len(winners) or winners[i + 1][0] != algorithm:
            begin = winners[first][1]
            span = _size(begin) if begin == size_bytes else f"{_size(begin)} to {_size(size_bytes)}"
            yield f"{algorithm} {span}"
            first = i + 1


def _named(algorithm: str, options: str) -> str:
    chosen = ", ".join(f"{name}={value}" for name, value in json.loads(options).items())
    return f"{algorithm} ({chosen})" if chosen else algorithm


def _size(size_bytes: int) -> str:
    value, unit = size_bytes, 0
    while value >= KIBI and value % KIBI == 0 and unit + 1 < len(UNITS):
        value, unit = value // KIBI, unit + 1
    return f"{value} {UNITS[unit]}"
