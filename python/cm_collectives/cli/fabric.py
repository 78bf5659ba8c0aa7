"""`cm-collectives fabric`: which machines there are, and what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import add_output_flags, format_of, table, write, write_frame
from .parser import add_fabric_flags, machine

if TYPE_CHECKING:
    import argparse

    import polars as pl

    from .parser import Parser


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser("fabric", help="list, show or export machines")
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="list the presets")
    add_output_flags(listing)
    listing.set_defaults(run=run_list)

    show = actions.add_parser("show", help="count the nodes and links of a machine")
    add_fabric_flags(show, positional=True)
    show.set_defaults(run=run_show)

    export = actions.add_parser(
        "export", help="write every link, or every node, of a machine, or all of it as cm.fabric/1"
    )
    add_fabric_flags(export, positional=True)
    export.add_argument(
        "--table",
        choices=("links", "nodes", "toml"),
        default="links",
        dest="which",
        help="default: links; toml is the whole machine in the schema cm.fabric/1",
    )
    add_output_flags(export)
    export.set_defaults(run=run_export)


def run_list(chosen: argparse.Namespace) -> int:
    """List the presets."""
    from cm_collectives import presets

    write_frame(presets(), format_of(chosen.output, chosen.format), chosen.output)
    return 0


def run_show(chosen: argparse.Namespace) -> int:
    """Count the nodes and links of a machine, and add up their rates."""
    fabric = machine(chosen)
    print(f"{fabric!r}\n")
    print(f"{table(_node_counts(fabric.nodes))}\n")
    print(table(_link_counts(fabric.links)))
    return 0


def _node_counts(nodes: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return nodes.group_by("kind", maintain_order=True).agg(nodes=pl.len())


def _link_counts(links: pl.DataFrame) -> pl.DataFrame:
    """Return a row per kind, rate and latency, with its first link; links are counted one way."""
    import polars as pl

    rate = pl.col("rate_Bps") / 1e9
    return (
        links.group_by("kind", "rate_Bps", "latency_ps", maintain_order=True)
        .agg(links=pl.len(), planes=pl.col("plane").drop_nulls().n_unique(), first=pl.first("link"))
        .select(
            "kind",
            "links",
            pl.when(pl.col("planes") > 0).then("planes").alias("planes"),
            rate.alias("GB/s each"),
            (rate * pl.col("links")).alias("GB/s together"),
            (pl.col("latency_ps") / 1e3).alias("latency (ns)"),
            pl.col("first").alias("first link"),
        )
    )


def run_export(chosen: argparse.Namespace) -> int:
    """Write the links or the nodes of a machine, or all of it."""
    fabric = machine(chosen)
    if chosen.which == "toml":
        write(fabric.to_toml().encode(), chosen.output)
        return 0
    frame = fabric.links if chosen.which == "links" else fabric.nodes
    about = {"fabric": fabric.name, "fabric_digest": fabric.digest, "table": chosen.which}
    write_frame(frame, format_of(chosen.output, chosen.format), chosen.output, about)
    return 0
