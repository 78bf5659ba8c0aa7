"""`cm-collectives fabric`: which machines there are, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .output import FORMATS, add_output_flags, format_of, table, write, write_frame
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
    _add_machine(show)
    show.set_defaults(run=run_show)

    export = actions.add_parser("export", help="write every node or every link of a machine")
    _add_machine(export)
    export.add_argument("--table", choices=("nodes", "links"), default="links", dest="which")
    add_output_flags(export)
    export.set_defaults(run=run_export)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add_fabric_flags(parser)
    parser.add_argument("name", nargs="?", help="the same as --fabric")


def _machine(chosen: argparse.Namespace) -> object:
    if chosen.name is not None:
        chosen.fabric = chosen.name
    return machine(chosen)
