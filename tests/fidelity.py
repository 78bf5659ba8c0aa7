"""How well the cost model predicts rows that its fit has not seen: the table of the documentation.

Run it: `python tests/fidelity.py`. Errors are |predicted / measured - 1|; "left out" says which
rows were predicted from a fit of the others.
"""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

import cm_collectives as cm
import measured
from cm_collectives.errors import CalibrationWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

MIB = 2**20
NCCL = ("hgx_a100", "hgx_h100", "hgx_b200")
BANDS = {
    "< 1 MiB": pl.col("size_bytes") < MIB,
    "1 to 16 MiB": pl.col("size_bytes").is_between(MIB, 16 * MIB, closed="left"),
    ">= 16 MiB": pl.col("size_bytes") >= 16 * MIB,
    ">= 1 MiB": pl.col("size_bytes") >= MIB,
}


class Score(NamedTuple):
    """Errors in percent."""

    rows: int
    median: float
    p90: float
    worst: float

    @staticmethod
    def of(report: pl.DataFrame) -> Score:
        """Return the score of the column `error`."""
        errors = 100 * report["error"].abs().to_numpy()
        p90 = float(np.quantile(errors, 0.9))
        return Score(len(errors), float(np.median(errors)), p90, float(errors.max()))

    def __str__(self) -> str:
        """Write median, 90th percentile and worst."""
        return f"{self.median:.1f} / {self.p90:.1f} / {self.worst:.1f}"


def fit(fabric: str, rows: pl.DataFrame) -> cm.Calibration:
    """Return the calibration of some rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        return cm.calibrate(cm.Fabric.preset(fabric), rows, folds=0)


def predict(fabric: str, calibration: cm.Calibration, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their `error`, predicted through the engine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        report = cm.validate(cm.Fabric.preset(fabric), rows, calibration)
    return report.rename({"relative_error": "error"})


def fitted(fabric: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their error, predicted from a fit of all of them."""
    return predict(fabric, fit(fabric, rows), rows)


def left_out(fabric: str, rows: pl.DataFrame, groups: Sequence[object]) -> pl.DataFrame:
    """Return rows with their error, each group predicted from a fit of the others."""
    marked = rows.with_columns(pl.Series("group", list(groups)))
    parts = []
    for group in marked["group"].unique().sort():
        out = pl.col("group") == group
        calibration = fit(fabric, marked.filter(~out).drop("group"))
        parts.append(predict(fabric, calibration, marked.filter(out).drop("group")))
    return pl.concat(parts)


def folds(rows: pl.DataFrame, n: int = 5) -> list[int]:
    """Return a fold for each row; shuffled, as rows come sorted by size."""
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    found = [0] * len(rows)
    for place, row in enumerate(order):
        found[row] = place % n
    return found


def each(rows: pl.DataFrame) -> list[int]:
    """Return a group of its own for each row."""
    return list(range(len(rows)))


def alpha_beta(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with their error by the baseline: launch + steps alpha + bytes beta, best fit."""
    n, size = rows["ranks"].to_numpy(), rows["size_bytes"].to_numpy()
    is_reduce = (rows["collective"] == "all_reduce").to_numpy()
    factor = np.where(is_reduce, 2, 1)
    steps = np.where((rows["collective"] == "all_to_all").to_numpy(), 1, factor * (n - 1))
    sent = factor * (n - 1) / n * size
    design = np.stack([np.ones(len(rows)), steps, sent], axis=1)
    time = rows["time_us"].to_numpy()
    # Relative errors by iteratively weighted least absolute deviations.
    weights = 1 / time
    values: NDArray[np.float64] = np.zeros(3)
    for _ in range(200):
        scaled = design * weights[:, None]
        values = np.asarray(
            np.linalg.lstsq(scaled, time * weights, rcond=None)[0], dtype=np.float64
        )
        error = design @ values / time - 1
        weights = 1 / time / np.sqrt(np.maximum(np.abs(error), 1e-3))
    return rows.with_columns(error=pl.Series(design @ values / time - 1))


def nccl(name: str, answer: Callable[[str, pl.DataFrame], pl.DataFrame]) -> list[tuple[str, Score]]:
    """Return the score of each band of sizes, over the three machines and for each."""
    reports = {fabric: answer(fabric, measured.rows(fabric, "NCCL")) for fabric in NCCL}
    lines = []
    for band, condition in BANDS.items():
        lines += [
            (f"{fabric}, {name}, {band}", Score.of(report.filter(condition)))
            for fabric, report in reports.items()
        ]
    return lines


def fit_on_8(fabric: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of 2 and 4 GPUs, predicted from those of 8."""
    eight = pl.col("ranks") == 8
    return predict(fabric, fit(fabric, rows.filter(eight)), rows.filter(~eight))


def point_to_point() -> pl.DataFrame:
    """Return the eight reads and writes of CM384, in the fit."""
    return fitted("cm384", measured.rows("cm384", "remote"))


def cann(groups: Callable[[pl.DataFrame], Sequence[object]]) -> pl.DataFrame:
    """Return dispatch and combine of CANN EP, groups left out in turn."""
    rows = measured.rows("cm384", "CANN")
    return left_out("cm384", rows, groups(rows))


def a3() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return HCCL on A3, one row left out in turn: from 1.3 MB per rank, and below."""
    rows = measured.rows("cm384", "HCCL")
    report = left_out("cm384", rows, each(rows))
    large = pl.col("size_bytes") >= 16 * 1_300_000
    return report.filter(large), report.filter(~large)


def experts(groups: Callable[[pl.DataFrame], Sequence[object]]) -> pl.DataFrame:
    """Return TensorRT-LLM on NVL72 from 256 tokens on, groups left out in turn."""
    rows = measured.rows("gb200_nvl72", "TensorRT")
    report = left_out("gb200_nvl72", rows, groups(rows))
    return report.filter(pl.col("tokens_per_rank") >= 256)


def growth() -> pl.DataFrame:
    """Return the error of time(EP32) / time(EP8) from 256 tokens on, in the fit."""
    rows = measured.rows("gb200_nvl72", "TensorRT").filter(pl.col("tokens_per_rank") >= 256)
    calibration = fit("gb200_nvl72", measured.rows("gb200_nvl72", "TensorRT"))
    report = predict("gb200_nvl72", calibration, rows)
    keys = ["collective", "tokens_per_rank"]
    few, many = (report.filter(ranks=n).select(*keys, "time_us", "predicted_us") for n in (8, 32))
    both = few.join(many, on=keys, suffix="_32")
    predicted = pl.col("predicted_us_32") / pl.col("predicted_us")
    return both.with_columns(error=predicted / (pl.col("time_us_32") / pl.col("time_us")) - 1)


def main() -> None:
    """Print the table."""
    large, small = a3()
    (small["predicted_us"] - small["time_us"]).abs().max()
    lines = [
        ("CM384 point to point, in the fit", Score.of(point_to_point())),
        (
            "CM384 CANN EP, one EP degree left out",
            Score.of(cann(lambda rows: rows["ranks"].to_list())),
        ),
        ("CM384 CANN EP, one row left out", Score.of(cann(each))),
        ("A3 HCCL from 1.3 MB per rank, one row left out", Score.of(large)),
        *nccl("fitted", fitted),
        *nccl("5-fold", lambda fabric, rows: left_out(fabric, rows, folds(rows))),
        *nccl(
            "sizes left out",
            lambda fabric, rows: left_out(fabric, rows, rows["size_bytes"].to_list()),
        ),
        *nccl("8 GPUs fitted, 2 and 4 predicted", fit_on_8),
        *nccl("alpha-beta", lambda _, rows: alpha_beta(rows)),
        ("NVL72 experts, 5-fold", Score.of(experts(folds))),
        (
            "NVL72 experts, EP degree left out",
            Score.of(experts(lambda rows: rows["ranks"].to_list())),
        ),
        ("NVL72 growth EP8 to EP32", Score.of(growth())),
    ]
    max(len(name) for name, _ in lines)
    for _name, _score in lines:
        pass


if __name__ == "__main__":
    main()
