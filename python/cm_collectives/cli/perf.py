"""`cm-collectives perf`: one collective over a range of sizes, in the manner of nccl-tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cm_collectives.errors import ArgumentError, CmError

from .nccl import (
    RunHeader,
    RunRow,
    element_count,
    format_columns,
    format_footer,
    format_header,
    format_row,
    parse_size,
    size_range,
)
from .output import FORMATS, format_of, table, write, write_frame
from .parser import Parser, add_fabric_flags, machine, pairs

if TYPE_CHECKING:
    import argparse

    import polars as pl

    import cm_collectives as cm

REDUCTIONS = ("sum", "prod", "min", "max", "avg")
# The collectives whose call names a reduction, and those whose call names a root.
_WITH_REDUCTION = frozenset({"all_reduce", "reduce_scatter", "reduce"})
_WITH_ROOT = frozenset({"broadcast", "reduce", "gather", "scatter", "send_recv"})
_WITHOUT_SIZE = "barrier"
_DEFAULT_SIZE = "32M"

SCHEMA = "cm.perf/1"


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "perf",
        help="time a collective over a range of sizes",
        description="Time a collective over a range of sizes, with the flags and, with --format "
        "nccl, the columns of nccl-tests. K, M, G, T mean powers of 1024, as there.",
        epilog="Columns of the nccl format: count is the number of elements of the data type that "
        "one rank passes to the call (size / bytes per element; for all_gather, reduce_scatter, "
        "all_to_all, gather and scatter, size / (ranks * bytes per element)), a remainder is left "
        "out; out-of-place and in-place are the same.",
    )
    parser.add_argument("collective", help="such as all_reduce; see `cm-collectives algorithms`")
    _add_size_flags(parser)
    _add_nccl_flags(parser)
    add_fabric_flags(parser)
    parser.add_argument("--algorithm", default="auto", help="default: the fastest (auto)")
    parser.add_argument("--routing", default="spray", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="for the routing hash")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the algorithm, such as chunks=8; may be repeated",
    )
    parser.add_argument(
        "--format", choices=(*FORMATS, "nccl"), help="default: by the suffix of the file, or table"
    )
    parser.add_argument(
        "--output", "-J", "--output_file", type=Path, metavar="FILE", help="write to a file"
    )
    parser.set_defaults(run=run)


def _add_size_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-b", "--minbytes", metavar="SIZE", help="first size (default: 32M)")
    parser.add_argument("-e", "--maxbytes", metavar="SIZE", help="last size (default: the first)")
    parser.add_argument("-i", "--stepbytes", metavar="SIZE", help="bytes between sizes (1M)")
    parser.add_argument("-f", "--stepfactor", type=int, metavar="N", help="factor between sizes")
    parser.add_argument(
        "-g", "--ngpus", type=int, metavar="N", help="ranks (default: all endpoints)"
    )
    parser.add_argument(
        "-t", "--nthreads", type=int, default=1, metavar="N", help="ranks are -g times -t"
    )
    parser.add_argument(
        "-d", "--datatype", default="float", metavar="TYPE", help="for the count column"
    )
    parser.add_argument("-r", "--root", type=int, default=0, metavar="RANK", help="root rank")
    parser.add_argument(
        "-o",
        "--op",
        default="sum",
        metavar="OP|FILE",
        help=f"reduction ({', '.join(REDUCTIONS)}), for its column; every other word is the name "
        "of an output file, as with --output",
    )


def _add_nccl_flags(parser: argparse.ArgumentParser) -> None:
    """Add those that change nothing: one run of a deterministic simulator is enough."""
    ignored = parser.add_argument_group(
        "accepted without effect",
        "a simulation gives the same time each time it is run, and every schedule is verified",
    )
    for short, long, what in (
        ("-n", "--iters", "iterations"),
        ("-w", "--warmup_iters", "warm-up iterations"),
        ("-m", "--agg_iters", "iterations per measurement"),
        ("-N", "--run_cycles", "cycles"),
        ("-c", "--check", "check of the results"),
        ("-z", "--blocking", "blocking"),
        ("-a", "--average", "average over ranks"),
        ("-p", "--parallel_init", "parallel start"),
        ("-T", "--timeout", "time limit"),
    ):
        ignored.add_argument(short, long, type=int, metavar="N", help=what)


def run(chosen: argparse.Namespace) -> int:
    """Run the command."""
    form = _settle_output(chosen)
    fabric = machine(chosen)
    n_ranks = _n_ranks(chosen, fabric)
    frame = _answers(chosen, fabric, n_ranks)
    if form == "nccl":
        write(_nccl(chosen, n_ranks, frame).encode(), chosen.output)
    elif form == "table":
        text = f"{_heading(chosen, fabric, n_ranks)}\n{table(_readable(frame))}\n"
        write(text.encode(), chosen.output)
    else:
        write_frame(frame, form, chosen.output, _about(chosen, fabric, n_ranks))
    return 0


def _settle_output(chosen: argparse.Namespace) -> str:
    """Return the format; tell the two meanings of `-o` apart, a reduction or an output file."""
    if chosen.op not in REDUCTIONS:
        if chosen.output is not None:
            raise ArgumentError(f"-o must be one of {', '.join(REDUCTIONS)}, got {chosen.op!r}")
        chosen.output = Path(chosen.op)
        chosen.op = REDUCTIONS[0]
    return format_of(chosen.output, chosen.format)


def _n_ranks(chosen: argparse.Namespace, fabric: cm.Fabric) -> int:
    if chosen.nthreads < 1:
        raise ArgumentError(f"-t must be at least 1, got {chosen.nthreads}")
    if chosen.ngpus is None:
        return fabric.n_endpoints
    n_ranks: int = chosen.ngpus * chosen.nthreads
    if not 1 <= n_ranks <= fabric.n_endpoints:
        raise ArgumentError(
            f"-g times -t must be from 1 to the {fabric.n_endpoints} endpoints of {fabric.name}, "
            f"got {n_ranks}"
        )
    return n_ranks


def _limits(chosen: argparse.Namespace) -> tuple[int, int]:
    low = parse_size(chosen.minbytes or _DEFAULT_SIZE)
    return low, low if chosen.maxbytes is None else parse_size(chosen.maxbytes)


def _sizes(chosen: argparse.Namespace) -> list[int | None]:
    if chosen.collective == _WITHOUT_SIZE:
        return [None]
    step = None if chosen.stepbytes is None else parse_size(chosen.stepbytes)
    return [*size_range(*_limits(chosen), factor=chosen.stepfactor, step_bytes=step)]


def _answers(chosen: argparse.Namespace, fabric: cm.Fabric, n_ranks: int) -> pl.DataFrame:
    """Return the scenarios with their answers; the first error is raised."""
    import polars as pl

    from cm_collectives import sweep

    options = json.dumps(pairs(chosen.option, "--option"))
    scenarios = pl.DataFrame({"size_bytes": pl.Series(_sizes(chosen), dtype=pl.Int64)}).select(
        fabric=pl.lit(fabric.name),
        collective=pl.lit(chosen.collective),
        algorithm=pl.lit(chosen.algorithm),
        ranks=pl.lit(n_ranks, dtype=pl.Int64),
        size_bytes="size_bytes",
        routing=pl.lit(chosen.routing),
        seed=pl.lit(chosen.seed, dtype=pl.Int64),
        root=pl.lit(chosen.root, dtype=pl.Int64),
        options=pl.lit(options),
    )
    try:
        return sweep(scenarios, {fabric.name: fabric}, on_error="raise").drop("error")
    except CmError as error:
        # The user wrote no rows; what is wrong with the first is wrong with all of them.
        raise type(error)(str(error).removeprefix("row 0: ")) from None


def _readable(frame: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return frame.select(
        "size_bytes",
        (pl.col("time_ps") / 1e6).alias("time (us)"),
        (pl.col("algbw_Bps") / 1e9).alias("algbw (GB/s)"),
        (pl.col("busbw_Bps") / 1e9).alias("busbw (GB/s)"),
        (pl.col("bound_ps") / 1e6).alias("bound (us)"),
        (pl.col("efficiency") * 100).round(2).alias("of bound (%)"),
        pl.col("algorithm_used").alias("algorithm"),
        pl.col("bottleneck"),
    )


def _heading(chosen: argparse.Namespace, fabric: cm.Fabric, n_ranks: int) -> str:
    return f"{chosen.collective}, {n_ranks} ranks of {fabric.name}, routing {chosen.routing}"


def _about(chosen: argparse.Namespace, fabric: cm.Fabric, n_ranks: int) -> dict[str, Any]:
    """Return what a file says besides the rows: enough to run the same again."""
    from cm_collectives import __version__

    return {
        "schema": SCHEMA,
        "version": __version__,
        "fabric": fabric.name,
        "fabric_digest": fabric.digest,
        "params": pairs(chosen.param, "--param"),
        "degrade": chosen.degrade,
        "collective": chosen.collective,
        "algorithm": chosen.algorithm,
        "ranks": n_ranks,
        "routing": chosen.routing,
        "seed": chosen.seed,
        "root": chosen.root,
        "options": pairs(chosen.option, "--option"),
    }


def _nccl(chosen: argparse.Namespace, n_ranks: int, frame: pl.DataFrame) -> str:
    """Return the text of nccl-tests."""
    from cm_collectives import __version__

    program = f"{chosen.collective}_perf"
    low, high = _limits(chosen)
    header = RunHeader(
        program=program,
        version=__version__,
        devices=f"{n_ranks} ranks of {chosen.fabric}",
        n_threads=chosen.nthreads,
        n_gpus=n_ranks // chosen.nthreads,
        min_bytes=low,
        max_bytes=high,
        step=chosen.stepfactor or parse_size(chosen.stepbytes or "1M"),
        step_kind="factor" if chosen.stepfactor else "bytes",
        validated=True,
    )
    rows = [_nccl_row(chosen, n_ranks, row) for row in frame.iter_rows(named=True)]
    footer = format_footer([row.busbw_GBps for row in rows], program=program)
    lines = [format_header(header), format_columns(), *map(format_row, rows), footer]
    return "\n".join(lines) + "\n"


def _nccl_row(chosen: argparse.Namespace, n_ranks: int, row: dict[str, Any]) -> RunRow:
    size_bytes = row["size_bytes"] or 0
    return RunRow(
        size_bytes=size_bytes,
        count=element_count(chosen.collective, size_bytes, n_ranks, chosen.datatype),
        datatype=chosen.datatype,
        redop=chosen.op if chosen.collective in _WITH_REDUCTION else "none",
        root=chosen.root if chosen.collective in _WITH_ROOT else -1,
        time_us=row["time_ps"] / 1e6,
        # nccl-tests prints 0 where nothing moves.
        algbw_GBps=(row["algbw_Bps"] or 0.0) / 1e9,
        busbw_GBps=(row["busbw_Bps"] or 0.0) / 1e9,
        n_wrong=0,
    )
