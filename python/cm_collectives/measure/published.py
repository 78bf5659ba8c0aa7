"""The published measurements that ship with the package."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_FILES = ("measured_collectives.csv", "measured_moe.csv")


def measurements() -> pl.DataFrame:
    """Return published times of collectives, dispatches and combines, each with its source.

    NCCL on HGX A100, H100 and B200 and on GB200 NVL72; HCCL on Atlas A3 (one server of CM384);
    remote reads and writes, CANN EP and DeepEP-Ascend on CM384; TensorRT-LLM on GB200 NVL72.

    Returns
    -------
    polars.DataFrame
        One row per measurement, in the form that `calibrate` and `validate` take: `case`, `fabric`,
        `collective` (String), `ranks` (Int64), `rank_list` (String, endpoints separated by spaces;
        null for the first ones), `size_bytes` (Int64, null for dispatch and combine), `time_us`
        (Float64), `library`, `note`, `source` (String); of dispatch and combine `tokens_per_rank`,
        `hidden`, `top_k`, `experts`, `bytes_per_token` (Int64).

    Examples
    --------
    >>> cm.measurements().filter(fabric="cm384")["library"].n_unique()
    6
    """
    return _read().clone()


@lru_cache(maxsize=1)
def _read() -> pl.DataFrame:
    from importlib.resources import files  # 15 ms that `import cm_collectives` need not take

    import polars as pl

    text = {"rank_list": pl.String, "note": pl.String, "time_us": pl.Float64}
    folder = files(__package__).joinpath("data")
    plain, experts = (
        pl.read_csv(folder.joinpath(name).read_bytes(), schema_overrides=text) for name in _FILES
    )
    experts = experts.rename({"operation": "collective"})
    return pl.concat([plain, experts], how="diagonal")
