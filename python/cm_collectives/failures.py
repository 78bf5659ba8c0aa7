"""What losing one component costs: the N-1 report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .arguments import size
from .asked import known_collective
from .errors import ArgumentError
from .fabric import Fabric
from .sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

    from .arguments import Size

_DIGITS = re.compile(r"\d+")
HEALTHY = ""


def failures(
    fabric: Fabric,
    collective: str | Iterable[str],
    size_bytes: Size,
    ranks: int | None = None,
    *,
    algorithm: str = "auto",
    routing: str | None = None,
    threads: int | None = None,
) -> pl.DataFrame:
    """Return what losing one component costs collectives, for each class of component.

    The classes are the nodes whose names differ in digits only, the cables (both directions of a
    link) between two such classes, and the planes. The first of each class fails, which touches
    the first ranks; routes are found anew.

    Parameters
    ----------
    fabric : Fabric
        The machine.
    collective : str or iterable of str
        Collectives other than a barrier.
    size_bytes : int or str
        Size in bytes.
    ranks : int, optional
        The first n endpoints; all by default.
    algorithm : str
        Name of the algorithm; "auto" is the fastest, healthy and failed.
    routing : str, optional
        As for `cm.simulate`.
    threads : int, optional
        Threads to use; all processors by default.

    Returns
    -------
    polars.DataFrame
        One row per class and collective: `component` (String, names with "*" for digits, or
        "plane"), `failed` (String, the one that failed), `members` (Int64, of the
        class), `collective`, `algorithm` (String), `healthy_ps`, `time_ps` (Int64), `slowdown`
        (Float64), `error` (String: why not, such as a rank that is cut off; null where it worked).

    Raises
    ------
    CmError
        If the healthy machine cannot do it.

    Examples
    --------
    >>> fabric = cm.Fabric.preset("hgx_h100", timing="line_rate")
    >>> report = cm.failures(fabric, "all_to_all", "1GiB", algorithm="direct")
    >>> # a chip of 5 of 18 links leaves 13/18; a GPU is a rank
    >>> report.select("component", "members", pl.col("slowdown").round(3)).rows()
    [('gpu*', 8, None), ('nvswitch*', 4, 1.385), ('gpu* - nvswitch*', 32, 1.385),
     ('plane', 4, 1.385)]
    """
    import polars as pl

    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    kinds = [collective] if isinstance(collective, str) else list(collective)
    n_bytes = size(size_bytes)
    classes = _classes(fabric)
    fabrics = {HEALTHY: fabric}
    fabrics |= {each.first: fabric.degrade(dict.fromkeys(each.selectors, 0.0)) for each in classes}
    rows = [(kind, name) for kind in map(known_collective, kinds) for name in fabrics]
    scenarios = pl.DataFrame(rows, schema=["collective", "fabric"], orient="row").with_columns(
        ranks=pl.lit(fabric.n_endpoints if ranks is None else ranks),
        size_bytes=pl.lit(n_bytes),
        algorithm=pl.lit(algorithm),
        routing=pl.lit(routing, pl.String),
    )
    healthy = sweep(
        scenarios.filter(fabric=HEALTHY), fabrics, threads=threads, progress=False,
        on_error="raise",
    )  # fmt: skip
    failed = sweep(
        scenarios.filter(pl.col("fabric") != HEALTHY), fabrics, threads=threads, progress=False
    )
    about = pl.DataFrame(
        [(each.component, each.first, each.members) for each in classes],
        schema={"component": pl.String, "fabric": pl.String, "members": pl.Int64},
        orient="row",
    )
    joined = failed.join(about, on="fabric", maintain_order="left").join(
        healthy.select("collective", pl.col("time_ps").alias("healthy_ps")),
        on="collective",
        maintain_order="left",
    )
    slowdown = pl.when(pl.col("healthy_ps") > 0).then(pl.col("time_ps") / pl.col("healthy_ps"))
    return joined.select(
        "component",
        pl.col("fabric").alias("failed"),
        "members",
        "collective",
        pl.col("algorithm_used").alias("algorithm"),
        "healthy_ps",
        "time_ps",
        slowdown.alias("slowdown"),
        "error",
    )


class _Class(NamedTuple):
    """A class of components, and the first of it by a name and by its selectors."""

    component: str
    first: str
    selectors: tuple[str, ...]
    members: int


def _classes(fabric: Fabric) -> list[_Class]:
    """Return the classes of what ordinary routes use: nodes, cables and planes."""
    classes: dict[str, _Class] = {}

    def count(component: str, first: str, *selectors: str) -> None:
        known = classes.get(component, _Class(component, first, selectors, 0))
        classes[component] = known._replace(members=known.members + 1)

    usable = fabric.links.filter("ordinary")
    ends = dict.fromkeys(usable.select("src", "dst").iter_rows())
    touched = {node for pair in ends for node in pair}
    for node in fabric.nodes["node"]:
        if node in touched:
            count(_masked(node), node, node)
    seen: set[tuple[str, str]] = set()
    for src, dst in ends:
        if (dst, src) not in seen:
            seen.add((src, dst))
            there, back = f"{src}->{dst}", f"{dst}->{src}"
            ways = (there, back) if (dst, src) in ends else (there,)
            count(f"{_masked(src)} - {_masked(dst)}", there, *ways)
    planes = usable["plane"].drop_nulls().unique().sort()
    if len(planes) > 1:
        count("plane", f"plane:{planes[0]}", f"plane:{planes[0]}")
        classes["plane"] = classes["plane"]._replace(members=len(planes))
    return list(classes.values())


def _masked(name: str) -> str:
    """Return a name with "*" for each run of digits: what members of a class have in common."""
    return _DIGITS.sub("*", name)
