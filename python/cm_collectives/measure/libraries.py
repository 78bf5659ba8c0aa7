"""Communication libraries: how each one chooses, and what its numbers were before any fit.

A prior is log-normal: a centre and a standard deviation of the logarithm. It stands for data sheets
and for constants of the libraries themselves, and decides only where measurements are silent.
Values: `reference/fidelity.md` 2 and 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from cm_collectives.arguments import unknown_name
from cm_collectives.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cm_collectives.fabric import Fabric


class Prior(NamedTuple):
    """What is believed of a parameter without measurements."""

    centre: float
    sd: float  # of the logarithm
    most: float = float("inf")  # no value is above


class Tuning(NamedTuple):
    """What NCCL's tuner believes of a machine (`src/graph/tuning.cc`), in GB/s."""

    bus_GBs: float
    ll_max_GBs: float
    mid_max_GBs: float
    switch_share: float | None
    spans_nodes: bool


class Library(NamedTuple):
    """A library: the rule that it chooses by, and how to know it in a list of measurements."""

    name: str
    rule: str
    pattern: str  # of the column `library`, case ignored
    once_per_rank: bool = False  # a token goes once to each rank that needs it
    lockstep: bool = False  # all ranks send token i to the same group of ranks
    priors: Mapping[str, Prior] = {}


LIBRARIES = (
    Library("nccl", "nccl", r"\bnccl\b"),
    Library(
        "hccl",
        "hccl-a3-aiv",
        r"\bhccl\b",
        priors={
            "launch_us": Prior(2, 1.0),
            "ll_step_us": Prior(3, 1.0),
            # Published remote reads (arXiv 2506.12708 v2, Table 1).
            "ll_GBs": Prior(167, 0.2),
            "bulk_step_us": Prior(5, 1.0),
            # Ports of 196 GB/s, and one of 15 peers behind the die-to-die link: 210 at the most.
            "bulk_GBs": Prior(203, 0.02, 210),
            "reduce_GBs": Prior(1000, 1.0),
        },
    ),
    Library(
        "remote-read",
        "remote-read",
        r"\bremote[ -]read\b",
        priors={
            "read_us": Prior(0.85, 1.0),
            "hop_us": Prior(0.2, 1.0),
            "read_GBs": Prior(150, 1.0),
        },
    ),
    Library(
        "remote-write",
        "remote-write",
        r"\bremote[ -]write\b",
        priors={
            "write_us": Prior(0.85, 1.0),
            "hop_us": Prior(0.2, 1.0),
            "write_GBs": Prior(150, 1.0),
        },
    ),
    Library(
        "cann-ep",
        "experts",
        r"\bcann ep\b",
        priors={
            "launch_us": Prior(10, 1.0),
            "sync_us": Prior(3, 1.0),
            # Published remote writes (arXiv 2506.12708 v2, Table 1).
            "pair_GBs": Prior(137, 0.05),
            "convert_GBs": Prior(50, 1.0),
        },
    ),
    Library(
        "deepep-ascend",
        "experts",
        r"\bdeepep-ascend\b",
        priors={
            "launch_us": Prior(10, 1.0),
            "sync_us": Prior(3, 1.0),
            "pair_GBs": Prior(137, 0.05),
            "convert_GBs": Prior(50, 1.0),
        },
    ),
    Library(
        "tensorrt-llm",
        "experts",
        r"\btensorrt-llm\b",
        once_per_rank=True,
        lockstep=True,
        priors={
            "launch_us": Prior(12, 1.0),
            "pair_GBs": Prior(746, 0.3),
            "reduce_GBs": Prior(4000, 1.0),
            "lockstep": Prior(0.02, 1.0),
        },
    ),
)

# One fit gives both: the switches between are the same.
MEMORY = frozenset({"remote-read", "remote-write"})

# Per GPU generation; a machine belongs to the generation of its GPUs.
_AMPERE = Tuning(240.0, 87.7, 24 * 20.0, None, spans_nodes=False)
_HOPPER = Tuning(360.0, 141.0, 24 * 36.7, 0.85, spans_nodes=False)
_BLACKWELL = Tuning(720.0, 282.0, 32 * 73.4, 0.74, spans_nodes=False)
_TUNINGS = {
    "hgx_a100": _AMPERE,
    "hgx_h100": _HOPPER,
    "hgx_h200": _HOPPER,
    "hgx_h20": _HOPPER,
    "hgx_h800": _HOPPER,
    "hgx_b200": _BLACKWELL,
    "hgx_b300": _BLACKWELL,
    "gb200_nvl72": _BLACKWELL._replace(spans_nodes=True),
    "gb300_nvl72": _BLACKWELL._replace(spans_nodes=True),
}

# Where one library is the obvious one.
_DEFAULTS = {"cm384": "hccl", "atlas_950": "hccl"}


def named(name: str) -> Library:
    """Return the library of that name."""
    for library in LIBRARIES:
        if library.name == name:
            return library
    raise unknown_name("library", name, [library.name for library in LIBRARIES])


def recognized(text: str | None) -> Library | None:
    """Return the library that a measurement names, as in "NCCL 2.27.3"."""
    for library in LIBRARIES:
        if text is not None and re.search(library.pattern, text, re.IGNORECASE):
            return library
    return None


def default_of(fabric: Fabric) -> Library | None:
    """Return the library that everybody uses on a preset."""
    name = _DEFAULTS.get(fabric.name, "nccl" if fabric.name in _TUNINGS else None)
    return None if name is None else named(name)


def tuning_of(fabric: Fabric, library: Library) -> Tuning | None:
    """Return what the tuner of NCCL believes of a machine; other libraries have none."""
    if library.name != "nccl":
        return None
    if fabric.name not in _TUNINGS:
        raise UnsupportedError(
            f"fabric {fabric.name!r}: NCCL's tuning is known for {', '.join(_TUNINGS)}; "
            "give calibrate a tuning, or take a preset"
        )
    return _TUNINGS[fabric.name]


def priors_of(library: Library, tuning: Tuning | None, line_GBs: float) -> dict[str, Prior]:
    """Return the prior of each parameter of a library; no protocol is faster than the line."""
    if tuning is None:
        return dict(library.priors)
    bus = tuning.bus_GBs
    priors = {
        "launch_us": Prior(7, 1.0),
        "peer_us": Prior(0.2, 1.0),
        "ll_step_us": Prior(0.8, 0.7),
        "ll_GBs": Prior(1.3 * tuning.ll_max_GBs, 0.5, line_GBs),
        "mid_step_us": Prior(1.9, 1.0),
        "bulk_us": Prior(5, 1.0),
        "bulk_step_us": Prior(3.4, 0.7),
        "bulk_GBs": Prior(bus, 0.25, line_GBs),
        "pair_GBs": Prior(bus, 0.25, line_GBs),
        "copy_GBs": Prior(1000, 0.7),
        "ramp_kB": Prior(2000, 1.0),
    }
    if tuning.switch_share is not None:
        priors["switch_GBs"] = Prior(bus * tuning.switch_share, 0.3, line_GBs)
    return priors
