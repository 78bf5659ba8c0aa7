"""Comparison with measurements: each row beside its prediction, and what had to be assumed."""

from __future__ import annotations

import warnings

import polars as pl
import pytest

import cm_collectives as cm
import measured
from cm_collectives.errors import ArgumentError, CalibrationWarning, UnsupportedError

FABRICS = {
    name: cm.Fabric.preset(name)
    for name in ("cm384", "hgx_a100", "hgx_h100", "hgx_b200", "gb200_nvl72")
}


def report(frame: pl.DataFrame, *, framework: bool = False) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        return cm.validate(FABRICS, frame, framework=framework)


# `reference/fidelity.md` 5: what the fitted model misses by more than 20 %, all of it, in percent.
MISSES = {
    "nccl-hgx_a100-all_to_all-8-16384": 24,
    "nccl-hgx_a100-all_to_all-8-4194304": -27,
    "nccl-hgx_h100-all_reduce-4-16777216": 23,
    "nccl-hgx_h100-all_to_all-2-67108864": 20,
    "nccl-hgx_h100-all_to_all-2-268435456": 22,
    "nccl-hgx_h100-all_to_all-4-1024": -62,
    "nccl-hgx_h100-all_to_all-8-16384": -39,
    "NVLinkTwoSided-bfloat16-ep32-combine-192": -27,
}


def test_the_misses_above_20_percent_are_those_of_the_reference() -> None:
    found = {
        case: round(100 * error)
        for case, error in report(measured.PUBLISHED).select("case", "relative_error").iter_rows()
        if abs(error) > 0.2
    }
    assert found == MISSES


def test_columns_stay_and_rows_keep_their_order() -> None:
    frame = measured.COLLECTIVES.sample(fraction=1, shuffle=True, seed=1)
    got = report(frame)
    assert got.select(frame.columns).equals(frame)
    error = got["predicted_us"] / got["time_us"] - 1
    assert (error - got["relative_error"]).abs().max() == 0
    assert got["calibration"].null_count() == 0


def test_the_library_of_a_row_picks_its_calibration() -> None:
    rows = pl.DataFrame(
        {
            "fabric": "cm384",
            "collective": "send_recv",
            "rank_list": "0 16",
            "size_bytes": 2**30,
            "time_us": 6547.2,
            "library": ["remote read", "remote write", "HCCL 8.5", "MPICH 4", None],
        }
    )
    with pytest.warns(CalibrationWarning, match="rows extrapolate or assume something"):
        got = cm.validate(FABRICS["cm384"], rows)
    assert got["calibration"].to_list() == ["remote-read", "remote-write", "hccl", "hccl", "hccl"]
    remarks = got["remark"].to_list()
    assert remarks[:2] == [None, None]
    assert remarks[2] == "no row of regime pair was measured"
    assert remarks[3].startswith("library 'MPICH 4' is unknown; taken as hccl; ")
    assert remarks[4].startswith("library not given; taken as hccl; ")


def test_a_calibration_that_is_given_or_the_fabrics_own_is_for_all_rows() -> None:
    rows = measured.rows("hgx_h100", "NCCL").head(3)
    own = cm.Fabric.preset("hgx_h100", library="nccl")
    assert own.calibration is not None
    doubled = own.calibration.replaced(
        parameters={
            name: each._replace(value=2 * each.value) if name.endswith("_us") else each
            for name, each in own.calibration.parameters.items()
        }
    )
    plain = cm.validate(FABRICS["hgx_h100"], rows)
    assert cm.validate(own, rows)["predicted_us"].equals(plain["predicted_us"])
    slower = cm.validate(FABRICS["hgx_h100"], rows, doubled)["predicted_us"]
    assert (slower > 1.5 * plain["predicted_us"]).all()


def test_a_row_may_name_its_algorithm() -> None:
    rows = measured.rows("hgx_h100", "NCCL").filter(collective="all_reduce").head(1)
    rows = rows.with_columns(algorithm=pl.lit("recursive_doubling"))
    got = cm.validate(FABRICS["hgx_h100"], rows)
    assert got["algorithm_used"].to_list() == ["recursive_doubling"]


def test_a_machine_without_calibration_answers_by_its_network() -> None:
    nodes = pl.DataFrame({"node": ["a", "b", "s"], "kind": ["endpoint", "endpoint", "switch"]})
    ends = {"src": ["a", "s", "b", "s"], "dst": ["s", "a", "s", "b"]}
    links = pl.DataFrame(ends).with_columns(rate_Bps=10**9, latency_ps=0)
    fabric = cm.Fabric.from_frames(nodes, links)
    rows = pl.DataFrame(
        {"collective": ["send_recv"], "ranks": 2, "size_bytes": 10**6, "time_us": 1e3}
    )
    with pytest.warns(CalibrationWarning, match="the network alone"):
        got = cm.validate(fabric, rows)
    # 1 MB at 1 GB/s: 1000 us.
    assert got["predicted_us"].to_list() == [1000.0]
    assert got["relative_error"].to_list() == [0.0]


def test_the_overhead_of_the_framework_is_an_option() -> None:
    # `reference/hardware.md` 3.6: 7.7 us of an all-reduce and 14.6 of an all-gather on 16 dies.
    rows = measured.rows("cm384", "HCCL")
    kernel, production = report(rows), report(rows, framework=True)
    extra = (production["predicted_us"] - kernel["predicted_us"]).to_list()
    expected = [7.7 if name == "all_reduce" else 14.6 for name in rows["collective"]]
    assert extra == pytest.approx(expected)
    with pytest.raises(UnsupportedError, match="known for 8 and 16 dies, got 4"):
        report(rows.with_columns(ranks=4), framework=True)


@pytest.mark.parametrize(
    ("fabric", "rows", "words"),
    [
        (FABRICS["cm384"], measured.rows("hgx_a100", "NCCL"), "rows of fabric hgx_a100"),
        ({"cm384": FABRICS["cm384"]}, measured.rows("hgx_a100", "NCCL"), "not in the mapping"),
        (FABRICS, measured.COLLECTIVES.drop("fabric"), "missing column 'fabric'"),
        ("cm384", measured.COLLECTIVES, "fabric must be"),
        (FABRICS, pl.DataFrame({"fabric": ["cm384"]}), "missing column 'time_us'"),
    ],
)
def test_a_fabric_that_does_not_match_is_named(
    fabric: cm.Fabric, rows: pl.DataFrame, words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        cm.validate(fabric, rows)


def test_the_summary_counts_every_row_once() -> None:
    short = cm.summary(report(measured.PUBLISHED))
    assert short["rows"].sum() == len(measured.PUBLISHED)
    assert short.select("fabric", "collective", "from_bytes").is_unique().all()
    # By hand: decades of 2^10 and 2^28 bytes.
    nccl = short.filter(fabric="hgx_a100", collective="all_gather")["from_bytes"]
    assert (nccl.min(), nccl.max()) == (1000, 10**8)
    with pytest.raises(ArgumentError, match="give what validate returns"):
        cm.summary(measured.COLLECTIVES)
