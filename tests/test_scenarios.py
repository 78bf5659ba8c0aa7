"""Sweeps ask each question once and keep a size per row; the answers are those of `simulate`."""

from __future__ import annotations

import polars as pl
import pytest

import cm_collectives as cm

COLUMNS = ("time_ps", "time_s", "algbw_Bps", "busbw_Bps", "bound_ps", "efficiency")
INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32)


def alone(row: dict[str, object]) -> dict[str, object]:
    """Return what one row answers if it is asked by itself."""
    names = ("size_bytes", "ranks", "algorithm", "routing", "engine", "root")
    keywords = {name: row[name] for name in names if row.get(name) is not None}
    if row["collective"] == "barrier" and row["size_bytes"] == 0:
        del keywords["size_bytes"]  # 0 stands for none
    fabric = cm.Fabric.preset(str(row["fabric"]))
    try:
        result = cm.simulate(fabric, str(row["collective"]), **keywords)  # type: ignore[arg-type]
    except cm.CmError as error:
        return dict.fromkeys((*COLUMNS, "algorithm_used"), None) | {"error": str(error)}
    answer = {name: getattr(result, name) for name in COLUMNS}
    return answer | {"algorithm_used": result.algorithm, "error": None}


def mixed() -> pl.DataFrame:
    """Return rows of many kinds, in no order and some of them twice, that fail here and there."""
    frame = pl.concat(
        [
            cm.grid(
                fabric=["cm384", "hgx_h20"],
                collective=["all_reduce", "broadcast"],
                algorithm=["ring", "chain", "auto"],
                ranks=[1, 3, 8, 9],
                size_bytes=[0, 1, 4096, 1_000_003, 2**53],
            ),
            cm.grid(
                fabric=["cm384"],
                collective=["barrier"],
                algorithm=["dissemination", None],
                ranks=[4],
                size_bytes=[None, 0, 8],
            ),
        ]
    )
    return pl.concat([frame, frame[::3]]).sample(fraction=1, shuffle=True, seed=7)


def test_every_row_has_the_answer_of_asking_it_alone() -> None:
    frame = mixed()
    answered = cm.sweep(frame)
    assert answered.select(frame.columns).equals(frame)
    known: dict[tuple[object, ...], dict[str, object]] = {}
    for row in answered.iter_rows(named=True):
        key = tuple(row[name] for name in frame.columns)
        expected = known.setdefault(key, {}) or alone(row)
        known[key] = expected
        assert {name: row[name] for name in expected} == expected
    n_failed = answered["error"].is_not_null().sum()
    assert 0 < n_failed < len(frame) / 2


@pytest.mark.parametrize("dtype", [*INTEGERS, pl.UInt64, pl.Float32, pl.Float64])
def test_sizes_of_every_dtype_mean_the_same(dtype: type[pl.DataType]) -> None:
    frame = cm.grid(fabric="cm384", collective="all_gather", ranks=4, size_bytes=[0, 1, 100, 127])
    narrow = frame.with_columns(pl.col("size_bytes").cast(dtype))
    assert cm.sweep(narrow).drop("size_bytes").equals(cm.sweep(frame).drop("size_bytes"))


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [
        (pl.Int8, -1),
        (pl.Int64, -(2**63)),
        (pl.Int64, 2**53 + 1),
        (pl.UInt64, 2**64 - 1),
        (pl.Int128, 2**100),
        (pl.Float32, 0.5),
        (pl.Float64, 2.0**60),
        (pl.Float64, -1.0),
        (pl.Float64, float("inf")),
        (pl.Float64, float("nan")),
        (pl.String, "12 parsecs"),
        (pl.String, "-1B"),
    ],
)
def test_a_wrong_size_says_why_in_its_row(dtype: type[pl.DataType], wrong: object) -> None:
    good: object = "8B" if dtype == pl.String else 8
    frame = pl.DataFrame({"size_bytes": pl.Series([good, wrong, good], dtype=dtype)})
    frame = frame.with_columns(
        fabric=pl.lit("cm384"), collective=pl.lit("all_gather"), ranks=pl.lit(4)
    )
    answered = cm.sweep(frame)
    with pytest.raises(cm.ArgumentError) as caught:
        cm.simulate(cm.Fabric.preset("cm384"), "all_gather", size_bytes=wrong, ranks=4)  # type: ignore[arg-type]
    assert answered["error"].to_list() == [None, str(caught.value), None]
    assert answered["time_ps"].is_null().to_list() == [False, True, False]
