"""Targets of accuracy, on rows that the fit has not seen unless it says so; see `fidelity.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

import fidelity
import measured
from fidelity import Score

if TYPE_CHECKING:
    from collections.abc import Callable


def test_point_to_point_rows_are_within_2_percent() -> None:
    assert Score.of(fidelity.point_to_point()).worst <= 2


def test_cann_ep_is_predicted_from_other_ep_degrees() -> None:
    score = Score.of(fidelity.cann(lambda rows: rows["ranks"].to_list()))
    assert score.median <= 5
    assert score.worst <= 8


def test_hccl_is_predicted_from_other_rows() -> None:
    large, small = fidelity.a3()
    score = Score.of(large)
    assert score.median <= 5
    assert score.worst <= 12
    assert (small["predicted_us"] - small["time_us"]).abs().to_list() == pytest.approx(
        [0] * 4, abs=1.5
    )


def test_experts_on_nvl72_are_predicted_from_other_ep_degrees() -> None:
    assert Score.of(fidelity.experts(lambda rows: rows["ranks"].to_list())).median <= 3
    assert Score.of(fidelity.growth()).worst <= 3


BETTER_THAN_ALPHA_BETA = 3

# Medians in percent per band of sizes and machine.
MOST = {"< 1 MiB": 5.0, "1 to 16 MiB": 6.0, ">= 16 MiB": 6.0}


@pytest.mark.slow
@pytest.mark.parametrize("fabric", fidelity.NCCL)
def test_nccl_is_predicted_from_other_rows(fabric: str) -> None:
    rows = measured.rows(fabric, "NCCL")
    report = fidelity.left_out(fabric, rows, fidelity.folds(rows))
    for band, most in MOST.items():
        assert Score.of(report.filter(fidelity.BANDS[band])).median <= most, band
    large = fidelity.BANDS[">= 1 MiB"]
    ours, baseline = (
        Score.of(each.filter(large)).median for each in (report, fidelity.alpha_beta(rows))
    )
    assert BETTER_THAN_ALPHA_BETA * ours <= baseline


@pytest.mark.slow
@pytest.mark.parametrize("fabric", fidelity.NCCL)
def test_nccl_on_2_and_4_gpus_is_predicted_from_8(fabric: str) -> None:
    report = fidelity.fit_on_8(fabric, measured.rows(fabric, "NCCL"))
    assert Score.of(report.filter(fidelity.BANDS[">= 1 MiB"])).median <= 8


@pytest.mark.slow
def test_over_the_three_machines_nccl_has_a_median_of_5_percent_or_less() -> None:
    answers: list[Callable[[str, pl.DataFrame], pl.DataFrame]] = [
        fidelity.fitted,
        lambda fabric, rows: fidelity.left_out(fabric, rows, fidelity.folds(rows)),
    ]
    for answer in answers:
        report = pl.concat(
            [
                answer(fabric, measured.rows(fabric, "NCCL")).select("size_bytes", "error")
                for fabric in fidelity.NCCL
            ]
        )
        for condition in fidelity.BANDS.values():
            assert Score.of(report.filter(condition)).median <= 5
