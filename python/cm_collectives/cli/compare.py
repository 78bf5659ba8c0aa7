"""`cm-collectives compare`: machines side by side, as text, as Markdown or as rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .nccl import parse_size
from .output import FORMATS, format_of, table, write, write_frame
from .parser import named_machine

if TYPE_CHECKING:
    import argparse

    import polars as pl

    import cm_collectives as cm

    from .parser import Parser

COLLECTIVES = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
DEFAULT_FACTOR = 32
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
BASES = {
    "ranks": "the same number of ranks and the same size",
    "machine": "each whole machine, and the same size",
    "total": "each whole machine, and the same total over all ranks",
}


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="set machines side by side",
        description="Set machines side by side: what each is made of, how long collectives take, "
        "and who wins from which size on. csv, json, ndjson and parquet hold the rows of "
        "cm.compare().",
    )
    parser.add_argument(
        "fabrics", nargs="+", metavar="FABRIC", help="presets, or files of cm.fabric/1 (NAME.toml)"
    )
    parser.add_argument(
        "--collective",
        action="append",
        metavar="NAME",
        help=f"may be repeated (default: {', '.join(COLLECTIVES)})",
    )
    parser.add_argument("-b", "--minbytes", default="1M", metavar="SIZE", help="first size (1M)")
    parser.add_argument("-e", "--maxbytes", default="1G", metavar="SIZE", help="last size (1G)")
    parser.add_argument(
        "-f", "--stepfactor", type=int, default=DEFAULT_FACTOR, metavar="N",
        help="factor between sizes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "-g", "--ngpus", type=int, metavar="N",
        help="ranks where they are equal (default: all of the smallest machine)",
    )  # fmt: skip
    parser.add_argument(
        "--basis", action="append", choices=tuple(BASES), help="may be repeated (default: all)"
    )
    parser.add_argument("--algorithm", default="auto", help="default: the fastest (auto)")
    parser.add_argument("--format", choices=(*FORMATS, "markdown"), help="default: table")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    from cm_collectives import compare

    form = _format(chosen)
    fabrics = {Path(name).stem: named_machine(name, {}) for name in chosen.fabrics}
    frame = compare(
        fabrics,
        chosen.collective or COLLECTIVES,
        _sizes(chosen),
        chosen.ngpus,
        basis=chosen.basis or tuple(BASES),
        algorithm=chosen.algorithm,
    )
    if form in ("table", "markdown"):
        write(_report(fabrics, frame, markdown=form == "markdown").encode(), chosen.output)
    else:
        write_frame(frame, form, chosen.output)
    return 0


def _format(chosen: argparse.Namespace) -> str:
    if chosen.format is None and chosen.output is not None and chosen.output.suffix == ".md":
        return "markdown"
    return format_of(chosen.output, chosen.format)


def _sizes(chosen: argparse.Namespace) -> list[int]:
    from cm_collectives.errors import ArgumentError

    size, last = parse_size(chosen.minbytes), parse_size(chosen.maxbytes)
    if size > last or size == 0 or chosen.stepfactor < 2:  # noqa: PLR2004 # sizes must grow
        raise ArgumentError(
            f"sizes must grow from 1 byte up by a factor of at least 2, got -b {chosen.minbytes} "
            f"-e {chosen.maxbytes} -f {chosen.stepfactor}"
        )
    sizes = []
    while size <= last:
        sizes.append(size)
        size *= chosen.stepfactor
    return sizes


def _report(fabrics: dict[str, cm.Fabric], frame: pl.DataFrame, *, markdown: bool) -> str:
    """Return the data sheet, the times per basis and collective, and the winners."""
    import polars as pl

    from cm_collectives import specs, winners

    show = _markdown if markdown else table
    head = "## " if markdown else ""
    sheet = specs(fabrics)
    parts = [f"{head}What they are made of", show(_sheet(sheet))]
    assumed = sheet.filter(pl.col("assumed") != "").select("fabric", "assumed").rows()
    if assumed:
        parts.append("\n".join(f"Assumed of {name}: {what}." for name, what in assumed))
    for basis in frame["basis"].unique(maintain_order=True):
        parts.append(f"{head}On equal terms: {BASES[basis]}")
        for kind in frame["collective"].unique(maintain_order=True):
            rows = frame.filter(basis=basis, collective=kind)
            parts.append(show(_times(rows)))
    parts += [f"{head}Who wins, and from which size on", show(_winners(winners(frame)))]
    return "\n\n".join(parts) + "\n"


def _sheet(sheet: pl.DataFrame) -> pl.DataFrame:
    """Return the data sheet with a row per property and a column per machine."""
    import polars as pl

    scaled = {
        "endpoints": ("endpoints", 1),
        "bf16_flops": ("dense BF16, PFLOPS", 1e15),
        "memory_bytes": ("memory, TB", 1e12),
        "memory_Bps": ("memory rate, TB/s", 1e12),
        "scale_up_Bps": ("scale-up per endpoint, GB/s one way", 1e9),
        "scale_up_total_Bps": ("scale-up in all, TB/s one way", 1e12),
        "bisection_Bps": ("first half to second, TB/s", 1e12),
        "switches": ("switches", 1),
        "links": ("links, directed", 1),
        "hops": ("links between the farthest", 1),
    }
    rows = [
        (label, *(_number(value, unit) for value in sheet[name]))
        for name, (label, unit) in scaled.items()
    ]
    return pl.DataFrame(rows, schema=["property", *sheet["fabric"]], orient="row")


def _number(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:,.6g}"


def _times(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a row per size and machine."""
    import polars as pl

    first = rows["collective"][0]
    return rows.select(
        pl.col("size_bytes").map_elements(_spelled, pl.String).alias(f"{first} of"),
        "fabric",
        "ranks",
        "algorithm",
        (pl.col("time_s") * 1e6).round(2).alias("time (us)"),
        (pl.col("busbw_Bps") / 1e9).round(1).alias("busbw (GB/s)"),
        pl.col("efficiency").round(3),
        pl.col("max_utilisation").round(3).alias("busiest link"),
        pl.col("slowdown").round(2),
    )


def _winners(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.select(
        "collective",
        "basis",
        pl.col("from_bytes").map_elements(_spelled, pl.String).alias("from"),
        pl.col("to_bytes").map_elements(_spelled, pl.String).alias("to"),
        pl.col("fabric").alias("winner"),
        pl.col("lead").round(2).alias("lead, at least"),
    )


def _spelled(size_bytes: int) -> str:
    """Return "32 MiB" for 2^25, bytes where they are no whole number of a unit."""
    unit = 0
    while size_bytes and size_bytes % 1024 == 0 and unit + 1 < len(UNITS):
        size_bytes //= 1024
        unit += 1
    return f"{size_bytes} {UNITS[unit]}"


def _markdown(frame: pl.DataFrame) -> str:
    lines = [list(frame.columns), ["---:" if each.is_numeric() else "---" for each in frame.dtypes]]
    lines += [["-" if cell is None else str(cell) for cell in row] for row in frame.rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
