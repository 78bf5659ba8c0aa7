"""Parsing that the commands share: errors in one line, sizes, `name=value` pairs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from cm_collectives.errors import ArgumentError

if TYPE_CHECKING:
    import cm_collectives as cm


class Parser(argparse.ArgumentParser):
    """Reports a bad argument in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def pairs(texts: list[str], flag: str) -> dict[str, int | str]:
    """Return `name=value` texts as a dict; a value of digits is an integer."""
    found: dict[str, int | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ArgumentError(f"{flag} must be NAME=VALUE, got {text!r}")
        found[name] = int(value) if value.lstrip("-").isdecimal() else value
    return found


def add_fabric_flags(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """Add the flags that say which machine."""
    about = "machine, see `cm-collectives fabric list`, or a file of cm.fabric/1 (NAME.toml)"
    if positional:
        parser.add_argument("fabric", help=about)
    else:
        parser.add_argument(
            "--fabric", default="cm384", metavar="NAME", help=f"{about} (default: %(default)s)"
        )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the machine, such as nodes=4; may be repeated",
    )
    parser.add_argument(
        "--degrade",
        action="append",
        default=[],
        metavar="SELECTOR=FACTOR",
        help="slow links down, such as 'l2.2.*=0.5'; 0 fails them; may be repeated",
    )


def named_machine(name: str, params: dict[str, int | str]) -> cm.Fabric:
    """Return the preset of that name, or the machine of that file."""
    from cm_collectives import Fabric

    if not name.endswith(".toml"):
        return Fabric.preset(name, **params)
    if params:
        raise ArgumentError(f"--param is for presets; {name!r} is a file")
    return Fabric.from_toml(name)


def machine(chosen: argparse.Namespace) -> cm.Fabric:
    """Return the machine that the flags ask for."""
    fabric = named_machine(chosen.fabric, pairs(chosen.param, "--param"))
    factors = {}
    for text in chosen.degrade:
        selector, _, factor = text.rpartition("=")
        try:
            factors[selector] = float(factor)
        except ValueError:
            raise ArgumentError(f"--degrade must be SELECTOR=FACTOR, got {text!r}") from None
    return fabric.degrade(factors) if factors else fabric
