"""Numbers that leave what was measured: `Result.extrapolates` is the truth about them."""

import warnings
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import cm_collectives as cm
from cm_collectives.measure.reach import telling

SIZES = [1, 2**10, 2**14, 2**20, 2**24, 2**28, 2**28 + 1, 2**33]


def warned(run: Callable[[], object]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [each for each in caught if each.category is cm.CalibrationWarning]


@pytest.mark.parametrize("ranks", [1, 2, 8])
@pytest.mark.parametrize("size_bytes", SIZES)
@pytest.mark.parametrize("name", ["hgx_h100", "hgx_h200"])
def test_a_number_warns_where_a_result_says_so(name: str, size_bytes: int, ranks: int) -> None:
    # The second one has the numbers of the first: all of it is beyond.
    fabric = cm.Fabric.preset(name, library="nccl").degrade({})
    why = cm.simulate(fabric, "all_gather", size_bytes=size_bytes, ranks=ranks).extrapolates
    for found in (
        warned(lambda: fabric.time_s("all_gather", size_bytes, ranks=ranks)),
        warned(lambda: fabric.times_s("all_gather", [size_bytes], ranks=ranks)),
    ):
        assert [str(each.message).partition("seen: ")[2] for each in found] == [why] * (
            why is not None
        )
        assert all(each.filename == __file__ for each in found)


def test_a_remembered_number_warns_once() -> None:
    fabric = cm.Fabric.preset("hgx_h100", library="nccl").degrade({})
    assert len(warned(lambda: fabric.time_s("all_gather", 2**33))) == 1
    assert warned(lambda: fabric.time_s("all_gather", 2**33)) == []


def test_a_batch_warns_once_and_of_answers_only() -> None:
    fabrics = {"known": cm.Fabric.preset("hgx_h100", library="nccl")}
    rows = cm.grid(
        fabric="known", collective="all_gather", ranks=[4, 99], size_bytes=[2**20, 2**33]
    )
    inside = rows.filter((pl.col("ranks") == 99) | (pl.col("size_bytes") == 2**20))
    assert warned(lambda: cm.sweep(inside, fabrics)) == []
    (only,) = warned(lambda: cm.sweep(rows, fabrics))
    assert "8589934592 bytes over 4 ranks" in str(only.message)


def test_a_batch_counts_the_questions_that_leave_what_was_seen() -> None:
    known = cm.Fabric.preset("hgx_h100", library="nccl")
    fabrics = {"known": known, "bare": cm.Fabric.preset("hgx_h100")}
    rows = cm.grid(
        fabric=["bare", "known"], collective="all_gather", ranks=[8, 4], size_bytes=[2**33, 2**20]
    )
    # The rows of a question need not stand together.
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    (only,) = warned(lambda: cm.sweep(shuffled, fabrics))
    assert "ranks, and 1 more: outside" in str(only.message)


def test_nothing_warns_where_only_the_network_counts() -> None:
    assert warned(lambda: cm.Fabric.preset("hgx_h100").time_s("all_gather", 2**33)) == []


def test_the_ends_of_each_power_of_two_stand_for_all() -> None:
    sizes = np.array([[7, 0, 4, 5], [9, 8, 4, 1]])
    assert telling(sizes) == [0, 1, 4, 7, 8, 9]
    assert telling(np.array([], dtype=np.int64)) == []
