"""How much chance matters: times over the seeds of a routing that hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import integer, size
from .asked import known_collective
from .errors import ArgumentError
from .fabric import Fabric
from .sweep import sweep

if TYPE_CHECKING:
    import polars as pl

    from .arguments import Size

MAX_SEEDS = 10**6


def over_seeds(
    fabric: Fabric,
    collective: str,
    size_bytes: Size,
    ranks: int | None = None,
    *,
    seeds: int = 32,
    algorithm: str = "auto",
    threads: int | None = None,
) -> pl.DataFrame:
    """Return the times of one collective under the routing "hash" for many seeds.

    Parameters
    ----------
    fabric : Fabric
        The machine.
    collective : str
        Name of a collective other than a barrier.
    size_bytes : int or str
        Size in bytes.
    ranks : int, optional
        The first n endpoints; all by default.
    seeds : int
        How many: 0, 1, and so on.
    algorithm : str
        Name of the algorithm; "auto" is the fastest for each seed.
    threads : int, optional
        Threads to use; all processors by default.

    Returns
    -------
    polars.DataFrame
        One row per seed: `seed`, `time_ps` (Int64), `slowdown` (Float64, over the time of "spray";
        null where that is 0), `algorithm` (String). `describe` gives mean, quartiles and extremes.

    Raises
    ------
    CmError
        As `cm.simulate`.

    Examples
    --------
    >>> # Of four nodes' exchange, 48 flows cross an uplink on average, which 63 would fill.
    >>> fabric = cm.Fabric.preset("cm384", nodes=4, timing="line_rate")
    >>> times = cm.over_seeds(fabric, "all_to_all", "1MiB", seeds=8, algorithm="direct")
    >>> len(times), times["slowdown"].min() > 1
    (8, True)
    """
    import polars as pl

    if not isinstance(fabric, Fabric):
        raise ArgumentError(f"fabric must be a Fabric, got {fabric!r}; see Fabric.preset")
    n_seeds = integer(seeds, "seeds", 1, MAX_SEEDS)
    scenarios = pl.DataFrame({"seed": range(-1, n_seeds)}).select(
        pl.col("seed").clip(0),
        routing=pl.when(pl.col("seed") < 0).then(pl.lit("spray")).otherwise(pl.lit("hash")),
        fabric=pl.lit("it"),
        collective=pl.lit(known_collective(collective)),
        ranks=pl.lit(fabric.n_endpoints if ranks is None else ranks),
        size_bytes=pl.lit(size(size_bytes)),
        algorithm=pl.lit(algorithm),
    )
    answers = sweep(scenarios, {"it": fabric}, threads=threads, progress=False, on_error="raise")
    sprayed = answers["time_ps"][0]
    slowdown = pl.col("time_ps") / sprayed if sprayed else pl.lit(None, pl.Float64)
    return answers[1:].select(
        "seed", "time_ps", slowdown.alias("slowdown"), pl.col("algorithm_used").alias("algorithm")
    )
