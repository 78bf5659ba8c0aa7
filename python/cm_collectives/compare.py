"""Machines side by side: what each is made of, and which is faster at what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, SupportsIndex

from .arguments import integer, size, text, unknown_name
from .asked import known_collective
from .errors import ArgumentError
from .fabric import Fabric
from .scenarios import changes_cell
from .sweep import sweep

if TYPE_CHECKING:
    import polars as pl

    from .arguments import Size

    Machines = Mapping[str, Fabric] | Iterable[Fabric | str]
    Changes = Sequence[tuple[str, float, SupportsIndex]]

BASES = ("ranks", "total", "machine")

# Where every rank puts in `size_bytes`, so that a job as a whole moves n times as much.
_EVERY_RANK_GIVES_ALL = frozenset({"all_reduce", "reduce_scatter", "reduce", "all_to_all"})


def compare(
    fabrics: Machines,
    collective: str | Iterable[str] = "all_reduce",
    sizes: Iterable[Size] = ("1MiB", "32MiB", "1GiB"),
    ranks: int | None = None,
    *,
    basis: str | Iterable[str] = "ranks",
    algorithm: str = "auto",
    routing: str | None = None,
    seed: int = 0,
    set_links: Changes | Mapping[str, Changes] = (),
    threads: int | None = None,
) -> pl.DataFrame:
    """Return how long collectives take on several machines, side by side.

    Parameters
    ----------
    fabrics : mapping of str to Fabric, or iterable of Fabric or str
        The machines, or names of presets. Degraded machines are told apart by the keys of a
        mapping.
    collective : str or iterable of str
        Collectives other than a barrier.
    sizes : iterable of int or str
        Sizes in bytes.
    ranks : int, optional
        Ranks on the basis "ranks"; as many as the smallest machine has by default.
    basis : str or iterable of str
        What is equal. "ranks": the same number of ranks, the first ones, and the same size.
        "machine": all endpoints of each machine and the same size. "total": all endpoints, and a
        size that makes equal what all ranks together put in, rounded down to bytes: all_reduce,
        reduce_scatter, reduce and all_to_all run with size / ranks. It is the same job spread over
        each whole machine.
    algorithm : str
        Name of the algorithm; "auto" is the fastest for each machine and size.
    routing, seed
        As for `cm.simulate`.
    set_links : sequence of (selector, factor, t_ps), or mapping from machine to that
        Links that change during the runs of every machine, or of those named; as for `cm.simulate`.
    threads : int, optional
        Threads to use; all processors by default.

    Returns
    -------
    polars.DataFrame
        One row per collective, basis, size and machine: `collective`, `basis` (String),
        `size_bytes` (Int64, as asked), `fabric` (String), `ranks`, `used_bytes` (Int64, the size in
        the nccl-tests sense that was run), `algorithm` (String), `time_ps` (Int64), `time_s`,
        `algbw_Bps`, `busbw_Bps` (Float64), `bound_ps` (Int64), `efficiency`, `max_utilisation`,
        `slowdown` (Float64, time over that of the fastest; null where that is 0), `winner`
        (Boolean, true for all that are equally fast).

    Raises
    ------
    CmError
        As `cm.simulate`.

    Examples
    --------
    >>> frame = cm.compare(["hgx_h100", "hgx_h20"], "all_reduce", ["1GiB"])
    >>> frame.select("fabric", "ranks", "slowdown").rows()  # the same links
    [('hgx_h100', 8, 1.0), ('hgx_h20', 8, 1.0)]

    >>> # half-way one of its four ports falls to 0.8 of its rate, and the flow to that pace
    >>> box = cm.Fabric.preset("hgx_h100", timing="line_rate")
    >>> frame = cm.compare(
    ...     {"healthy": box, "failing": box},
    ...     "send_recv",
    ...     ["450MB"],
    ...     ranks=2,
    ...     set_links={"failing": [("gpu0->nvswitch0", 0.8, 500_000_000)]},
    ... )
    >>> frame["slowdown"].round(3).to_list()
    [1.0, 1.125]
    """
    import polars as pl

    machines = _machines(fabrics)
    bases = [basis] if isinstance(basis, str) else list(basis)
    for each in bases:
        if each not in BASES:
            raise ArgumentError(f"basis must be of {', '.join(BASES)}, got {each!r}")
    least = min(fabric.n_endpoints for fabric in machines.values())
    n_ranks = least if ranks is None else integer(ranks, "ranks", 1, least)
    kinds = [collective] if isinstance(collective, str) else list(collective)
    checked = [size(each, f"sizes[{i}]") for i, each in enumerate(sizes)]
    changes = _changes(set_links, machines)
    rows = []
    for kind in map(known_collective, kinds):
        for each in bases:
            for size_bytes in checked:
                for name, fabric in machines.items():
                    n = n_ranks if each == "ranks" else fabric.n_endpoints
                    shared = each == "total" and kind in _EVERY_RANK_GIVES_ALL
                    used = size_bytes // n if shared else size_bytes
                    rows.append((kind, each, size_bytes, name, n, used, changes[name]))
    asked = ("collective", "basis", "asked_bytes", "fabric", "ranks", "size_bytes", "set_links")
    scenarios = pl.DataFrame(
        rows, schema=list(asked), orient="row", schema_overrides={"set_links": _changes_dtype()}
    ).with_columns(
        algorithm=pl.lit(algorithm), routing=pl.lit(routing, pl.String), seed=pl.lit(seed)
    )
    answers = sweep(scenarios, machines, threads=threads, progress=False, on_error="raise")
    best = pl.col("time_ps").min().over("collective", "basis", "asked_bytes")
    return answers.select(
        "collective",
        "basis",
        pl.col("asked_bytes").alias("size_bytes"),
        "fabric",
        "ranks",
        pl.col("size_bytes").alias("used_bytes"),
        pl.col("algorithm_used").alias("algorithm"),
        "time_ps",
        "time_s",
        "algbw_Bps",
        "busbw_Bps",
        "bound_ps",
        "efficiency",
        "max_utilisation",
        pl.when(best > 0).then(pl.col("time_ps") / best).alias("slowdown"),
        (pl.col("time_ps") == best).alias("winner"),
    )


def _changes(
    set_links: Changes | Mapping[str, Changes], machines: Mapping[str, Fabric]
) -> dict[str, list[dict[str, object]]]:
    """Return the cell of the column `set_links` of each machine."""
    if not isinstance(set_links, Mapping):
        set_links = dict.fromkeys(machines, set_links)
    for name in set_links:
        if name not in machines:
            raise unknown_name("fabric", text(name, "set_links: a name"), list(machines))
    return {name: changes_cell(set_links.get(name, ())) for name in machines}


def _changes_dtype() -> pl.DataType:
    import polars as pl

    return pl.List(pl.Struct({"selector": pl.String, "factor": pl.Float64, "t_ps": pl.Int64}))


def winners(comparison: pl.DataFrame) -> pl.DataFrame:
    """Return who wins from which size on.

    Parameters
    ----------
    comparison : polars.DataFrame
        What `compare` returned.

    Returns
    -------
    polars.DataFrame
        One row per collective, basis and run of sizes with the same winner: `collective`, `basis`
        (String), `from_bytes`, `to_bytes` (Int64), `fabric` (String; several that are equally fast
        are joined by " = "), `lead` (Float64, how many times longer the next takes, at least over
        the run; null without a next).

    Raises
    ------
    ArgumentError
        If the frame is not one of `compare`.

    Examples
    --------
    >>> frame = cm.compare(["cm384", "gb200_nvl72"], "all_reduce", ["1KiB", "1GiB"], ranks=8)
    >>> cm.winners(frame).select("fabric", "from_bytes").rows()
    [('gb200_nvl72', 1024)]
    """
    import polars as pl

    needed = {"collective", "basis", "size_bytes", "fabric", "time_ps", "slowdown", "winner"}
    if not needed <= set(getattr(comparison, "columns", ())):
        raise ArgumentError("comparison must be a frame that compare returned")
    keys = ["collective", "basis"]
    behind = pl.col("slowdown").filter(~pl.col("winner")).min()
    per_size = comparison.group_by(*keys, "size_bytes", maintain_order=True).agg(
        fabric=pl.col("fabric").filter("winner").str.join(" = "), lead=behind
    )
    ordered = per_size.sort("size_bytes", maintain_order=True).with_columns(
        run=pl.col("fabric").rle_id().over(keys)
    )
    runs = ordered.group_by(*keys, "run", maintain_order=True).agg(
        from_bytes=pl.col("size_bytes").min(),
        to_bytes=pl.col("size_bytes").max(),
        fabric=pl.col("fabric").first(),
        lead=pl.col("lead").min(),
    )
    order = per_size.select(keys).unique(maintain_order=True).with_row_index("order")
    joined = runs.join(order, on=keys, maintain_order="left")
    return joined.sort("order", "from_bytes").drop("order", "run")


def specs(fabrics: Machines) -> pl.DataFrame:
    """Return what machines are made of, side by side.

    Parameters
    ----------
    fabrics : mapping of str to Fabric, or iterable of Fabric or str
        The machines, or names of presets.

    Returns
    -------
    polars.DataFrame
        One row per machine: `fabric` (String), `endpoints` (Int64), `bf16_flops` (Float64, dense,
        of all endpoints), `memory_bytes`, `memory_Bps` (Float64, of all endpoints; these three are
        null for machines that are no presets), `scale_up_Bps` (Int64, what an endpoint can send
        into switches, or into other endpoints where there are no switches), `scale_up_total_Bps`
        (Float64), `bisection_Bps` (Float64, the largest flow from the first half of the endpoints
        to the second), `switches`, `links` (Int64, directed), `hops` (Int64, links between the
        endpoints farthest apart; null if one cannot be reached), `assumed` (String, what is not
        published).

    Raises
    ------
    ArgumentError
        If a name is unknown.

    Examples
    --------
    >>> cm.specs(["cm384", "gb200_nvl72"]).select("endpoints", "scale_up_Bps", "hops").rows()
    [(768, 196000000000, 4), (72, 900000000000, 2)]
    """
    import polars as pl

    rows = []
    for name, fabric in _machines(fabrics).items():
        summary = fabric.core.summary()
        n = summary["endpoints"]
        chip = fabric.core.chip()
        totals = [None] * 3 if chip is None else [float(n * each) for each in chip]
        rows.append(
            (
                name,
                n,
                *totals,
                summary["scale_up_Bps"],
                float(summary["scale_up_total_Bps"]),
                float(summary["bisection_Bps"]),
                summary["switches"],
                summary["links"],
                summary["hops"],
                fabric.core.assumed(),
            )
        )
    return pl.DataFrame(
        rows,
        schema={
            "fabric": pl.String,
            "endpoints": pl.Int64,
            "bf16_flops": pl.Float64,
            "memory_bytes": pl.Float64,
            "memory_Bps": pl.Float64,
            "scale_up_Bps": pl.Int64,
            "scale_up_total_Bps": pl.Float64,
            "bisection_Bps": pl.Float64,
            "switches": pl.Int64,
            "links": pl.Int64,
            "hops": pl.Int64,
            "assumed": pl.String,
        },
        orient="row",
    )


def _machines(fabrics: Machines) -> dict[str, Fabric]:
    if isinstance(fabrics, (str, Fabric)) or not isinstance(fabrics, Iterable):
        raise ArgumentError(f"fabrics must be a mapping or a list of machines, got {fabrics!r}")
    named: Iterable[tuple[object, object]]
    if isinstance(fabrics, Mapping):
        named = fabrics.items()
    else:
        made = [Fabric.preset(each) if isinstance(each, str) else each for each in fabrics]
        named = [(getattr(each, "name", None), each) for each in made]
    machines: dict[str, Fabric] = {}
    for name, fabric in named:
        if not isinstance(fabric, Fabric):
            raise ArgumentError(f"fabrics: each must be a Fabric, got {fabric!r}")
        if name in machines:
            raise ArgumentError(f"two fabrics are named {name!r}; give a mapping from name")
        machines[text(name, "fabrics: a name")] = fabric
    if not machines:
        raise ArgumentError("fabrics must name at least one machine, got none")
    return machines
