"""Calibration: the published fit comes out again, and what cannot be fitted is said."""

from __future__ import annotations

import pickle
import warnings

import polars as pl
import pytest

import cm_collectives as cm
import measured
from cm_collectives.errors import ArgumentError, CalibrationWarning, SpecError, UnsupportedError

CM384 = cm.Fabric.preset("cm384")

# `reference/fidelity.md` 3, found with another program: values in the order of its table, and the
# uncertainty in percent.
NAMES = (
    "launch_us",
    "peer_us",
    "ll_step_us",
    "ll_GBs",
    "mid_step_us",
    "bulk_us",
    "bulk_step_us",
    "bulk_GBs",
    "pair_GBs",
    "copy_GBs",
    "ramp_kB",
    "switch_GBs",
)
NCCL = {
    "hgx_a100": (
        (8.292, 0.6079, 0.9019, 121.6, 1.072, 6.687, 3.444, 253.9, 237.7, 790.3, 5717),
        (2, 12, 4, 4, 27, 23, 15, 3, 4, 16, 21),
    ),
    "hgx_h100": (
        (4.425, 0.4615, 0.8353, 223.6, 1.914, 1.79, 5.664, 408.7, 361.7, 719.4, 1308, 293.1),
        (2, 11, 3, 4, 18, 49, 8, 3, 4, 11, 41, 4),
    ),
    "hgx_b200": (
        (7.621, 0.4491, 1.298, 357.1, 9.012, 1.691, 6.865, 890.4, 621, 914.7, 1973, 426.3),
        (2, 12, 3, 4, 6, 65, 7, 4, 5, 8, 50, 6),
    ),
}
# The same for the other libraries: fabric, rows, values.
OTHERS: dict[tuple[str, str], dict[str, float]] = {
    ("cm384", "HCCL"): {
        "launch_us": 1.66,
        "ll_step_us": 4.28,
        "ll_GBs": 169,
        "bulk_step_us": 5.21,
        "bulk_GBs": 207,
        "reduce_GBs": 1033,
    },
    ("cm384", "CANN"): {
        "launch_us": 8.8,
        "sync_us": 5.66,
        "pair_GBs": 137.4,
        "convert_GBs": 44,
    },
    ("gb200_nvl72", "TensorRT"): {
        "launch_us": 13.7,
        "pair_GBs": 599,
        "reduce_GBs": 4140,
        "lockstep": 0.017,
    },
}


def fitted(fabric: str, library: str) -> cm.Calibration:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        rows = measured.rows(fabric, library)
        return cm.calibrate(cm.Fabric.preset(fabric), rows, folds=0)


def same_digits(value: float, printed: float) -> bool:
    """Whether a value rounds to the digits that were printed."""
    text = f"{printed:g}"
    digits = len(text.replace(".", "").lstrip("0"))
    return float(f"{value:.{digits}g}") == printed


@pytest.mark.parametrize("fabric", NCCL)
def test_nccl_has_the_numbers_of_the_reference(fabric: str) -> None:
    values, percent = NCCL[fabric]
    calibration = fitted(fabric, "NCCL")
    assert len(calibration.parameters) == len(values) <= 12
    for name, value, uncertainty in zip(NAMES, values, percent, strict=False):
        got = calibration.parameters[name]
        assert same_digits(got.value, value), name
        assert abs(100 * got.sd - uncertainty) <= 0.51, name


@pytest.mark.parametrize(("fabric", "library"), OTHERS)
def test_other_libraries_have_the_numbers_of_the_reference(fabric: str, library: str) -> None:
    calibration = fitted(fabric, library)
    expected = OTHERS[fabric, library]
    assert set(calibration.parameters) == set(expected)
    for name, value in expected.items():
        assert same_digits(calibration.parameters[name].value, value), name


def test_what_the_data_do_not_determine_is_said() -> None:
    # `reference/fidelity.md` 3: information of 0.46 for the launch and 0.27 for the bulk rate.
    calibration = fitted("cm384", "HCCL")
    assert calibration.undetermined == ("launch_us", "bulk_GBs")
    shares = {name: each.information for name, each in calibration.parameters.items()}
    assert round(shares["launch_us"], 2) == 0.46
    assert round(shares["bulk_GBs"], 2) == 0.27
    with pytest.warns(CalibrationWarning, match="do not determine launch_us, bulk_GBs"):
        cm.calibrate(CM384, measured.rows("cm384", "HCCL"), folds=0)


def test_what_ships_is_the_fit_of_the_data() -> None:
    for fabric, library, name in (
        ("hgx_h100", "NCCL", "nccl"),
        ("cm384", "HCCL", "hccl"),
        ("cm384", "CANN", "cann-ep"),
        ("gb200_nvl72", "TensorRT", "tensorrt-llm"),
    ):
        ships = cm.Fabric.preset(fabric, library=name).calibration
        assert ships is not None
        for parameter, each in fitted(fabric, library).parameters.items():
            # Libraries of linear algebra differ in the last bits.
            assert ships.parameters[parameter].value == pytest.approx(each.value, rel=1e-6)


def test_the_same_rows_give_the_same_bits_and_survive_files_and_pickles() -> None:
    rows = measured.rows("hgx_a100", "NCCL")
    fabric = cm.Fabric.preset("hgx_a100")
    first, again = (cm.calibrate(fabric, rows, folds=2) for _ in range(2))
    assert first == again
    assert first.to_toml() == again.to_toml()
    assert cm.Calibration.from_toml(first.to_toml()) == first
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301
    calibrated = fabric.calibrated(first)
    copy = pickle.loads(pickle.dumps(calibrated))  # noqa: S301
    assert copy == calibrated != fabric
    assert copy.calibration == first
    core = pickle.loads(pickle.dumps(calibrated.core))  # noqa: S301
    assert core.digest == calibrated.digest
    assert calibrated.degrade({}).calibration == first
    # Without the calibration it is the fabric that it was.
    assert cm.Fabric(core, None).digest != fabric.digest == cm.Fabric.preset("hgx_a100").digest


def test_the_engine_and_the_fit_predict_the_same() -> None:
    # Within one idle switch domain no link is slower than the protocol.
    for fabric, library, own in (("hgx_h100", "nccl", "NCCL"), ("cm384", "hccl", "HCCL")):
        machine = cm.Fabric.preset(fabric, library=library)
        calibration = fitted(fabric, own)
        assert calibration.residuals is not None
        for row in calibration.residuals.iter_rows(named=True):
            time_us = (
                machine.time_ps(row["collective"], row["size_bytes"], ranks=row["ranks"]) / 1e6
            )
            assert time_us == pytest.approx(row["predicted_us"], rel=1e-5), row["case"]


def test_terms_add_up_to_the_prediction() -> None:
    residuals = fitted("hgx_b200", "NCCL").residuals
    assert residuals is not None
    for row in residuals.iter_rows(named=True):
        assert sum(term["us"] for term in row["terms"]) == pytest.approx(row["predicted_us"])
        assert row["predicted_us"] / row["time_us"] - 1 == pytest.approx(row["relative_error"])


def read(**columns: object) -> pl.DataFrame:
    base = {
        "collective": "send_recv",
        "library": "remote read",
        "rank_list": ["0 2", "0 16", "0 2", "0 16"],
        "size_bytes": [512, 512, 2**30, 2**30],
        "time_us": [1.2, 1.9, 6429.6, 6547.2],
    }
    return pl.DataFrame(base | columns)


def test_results_of_a_calibrated_fabric_are_consistent() -> None:
    fabric = cm.Fabric.preset("hgx_h100", library="nccl")
    r = cm.simulate(fabric, "all_gather", size_bytes="256MiB")
    # 256 MiB on 8 GPUs: 710.09 us (`reference/fidelity.md` 3).
    assert r.time_s == pytest.approx(710.09e-6, rel=1e-4)  # of parameters with four digits
    assert r.bound_ps <= r.route_bound_ps <= r.time_ps == fabric.time_ps("all_gather", 2**28)
    assert r.ranks["finish_ps"].max() == r.time_ps
    assert r.jobs["time_ps"].to_list() == [r.time_ps]
    assert r.certificate().check()
    assert "regime bulk" in r.explain()
    sizes = [2**10, 2**20, 2**28]
    times = fabric.times_s("all_gather", sizes)
    assert times.tolist() == [fabric.time_s("all_gather", size) for size in sizes]
    scenarios = cm.grid(fabric=["h100"], collective=["all_gather"], size_bytes=sizes, ranks=[8])
    swept = cm.sweep(scenarios, {"h100": fabric})
    assert swept["time_s"].to_list() == times.tolist()
    # Two jobs: each pays for its own launch and steps, and they share the links.
    jobs = [cm.Job("all_gather", size_bytes="256MiB", ranks=range(k, 8, 2)) for k in (0, 1)]
    both = cm.simulate(fabric, jobs)
    assert both.jobs["finish_ps"].max() == both.time_ps
    assert all(each >= 1 for each in both.jobs["slowdown"])
    # A schedule pays as its name does.
    made = cm.schedule("all_reduce", "ring", ranks=8, size_bytes=2**20)
    assert cm.simulate(fabric, made).time_ps == fabric.time_ps(
        "all_reduce", 2**20, algorithm="ring"
    )


def test_a_result_says_where_it_extrapolates() -> None:
    fabric = cm.Fabric.preset("cm384", library="hccl")
    # 16 dies of one server were measured, and all-reduces of 163 840 bytes at least.
    inside = cm.simulate(fabric, "all_gather", per_rank_bytes=75_776, ranks=16)
    assert inside.extrapolates is None
    assert "extrapolates" not in inside.explain()
    outside = cm.simulate(fabric, "all_gather", per_rank_bytes=75_776, ranks=32)
    assert outside.extrapolates == "regime bulk was measured on 16 ranks"
    assert f"extrapolates  {outside.extrapolates}" in outside.explain()
    assert pickle.loads(pickle.dumps(outside)).extrapolates == outside.extrapolates  # noqa: S301
    jobs = [cm.Job("all_gather", size_bytes=2**20, ranks=range(k, k + 8)) for k in (0, 8)]
    told = cm.simulate(fabric, jobs).extrapolates
    assert told is not None
    assert told.endswith("was measured on 16 ranks")
    assert cm.simulate(CM384, "barrier").extrapolates is None


def test_flows_see_links_and_no_library() -> None:
    flows = pl.DataFrame({"src": [0], "dst": [1], "size_bytes": [10**6]})
    plain = cm.Fabric.preset("hgx_h100")
    nccl = cm.Fabric.preset("hgx_h100", library="nccl")
    assert cm.simulate_flows(nccl, flows).time_ps == cm.simulate_flows(plain, flows).time_ps
    assert nccl.links.equals(plain.links)


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (read().clear(), ArgumentError, "at least one row"),
        (read().drop("time_us"), ArgumentError, "missing column 'time_us'"),
        (read(time_us=[0.0, 1.9, 1, 1]), ArgumentError, "row 0: time_us must be .* got 0"),
        (read(time_us=[1, -2, 1, 1]), ArgumentError, "row 1: time_us must be .* got -2"),
        (read(time_us=[1, None, 1, 1]), ArgumentError, "row 1: time_us must be .* got None"),
        (read(time_us=[1.0, float("nan"), 1.0, 1.0]), ArgumentError, "row 1: time_us must be"),
        (read(size_bytes=0), ArgumentError, "0 bytes on 2 ranks move nothing"),
        (read(size_bytes="512 furlong"), ArgumentError, "size_bytes"),
        (read(rank_list="0 9999"), ArgumentError, "9999"),
        (read(rank_list="a b"), ArgumentError, "endpoints separated by spaces"),
        (read(collective="all_reduc"), ArgumentError, "did you mean all_reduce"),
        (read(collective="all_reduce"), UnsupportedError, "remote-read.*has no all_reduce"),
        (read(library=["NCCL", "CANN EP", "NCCL", "NCCL"]), ArgumentError, "rows of cann-ep, nccl"),
        (read(library=["NCCL", None, "NCCL", "NCCL"]), ArgumentError, "row 1: names no library"),
        (read(fabric="hgx_a100"), ArgumentError, "rows of fabric hgx_a100.*'cm384'"),
        (read(collective="dispatch"), ArgumentError, "tokens_per_rank must be given"),
    ],
)
def test_bad_rows_are_named(rows: pl.DataFrame, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cm.calibrate(CM384, rows, folds=0)


def warned_of(rows: pl.DataFrame) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CalibrationWarning)
        cm.calibrate(CM384, rows, folds=0)
    assert all(each.category is CalibrationWarning for each in caught)
    return [str(each.message) for each in caught]


def test_what_makes_a_fit_doubtful_is_warned_of() -> None:
    contradictory = warned_of(read(rank_list="0 2", time_us=[1.2, 9.0, 6430.0, 6430.0]))
    assert "row 0 and row 1 contradict each other: 1.2 and 9 us" in contradictory[0]
    # Without a row between nodes endpoints and switches cannot be told apart.
    assert contradictory[1:] == ["the rows do not determine hop_us; their priors decide"]
    assert warned_of(read().head(1))[0] == "fewer rows (1) than parameters (3)"
    assert "taken as hccl" in warned_of(read(library="MPICH"))[0]


def test_rows_of_other_machines_and_libraries_are_left_out_and_counted() -> None:
    expected = fitted("cm384", "HCCL")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calibration = cm.calibrate(CM384, measured.PUBLISHED, folds=0)
    assert calibration.parameters == expected.parameters
    # 31 rows are of CM384, 15 of them of HCCL (reference/fidelity.md 3).
    total = len(measured.PUBLISHED)
    told = [str(each.message) for each in caught]
    assert told[0] == f"{total - 31} of {total} rows are of other fabrics, and left out"
    assert told[1].startswith("16 of 31 rows are of other libraries than hccl, and left out")
    chosen = cm.calibrate(CM384, measured.rows("cm384", ""), library="remote-read", folds=0)
    assert chosen.provenance.rows == 4
    with pytest.raises(ArgumentError, match="library='nccl', but the rows are of hccl"):
        cm.calibrate(CM384, measured.rows("cm384", "HCCL"), library="nccl")


def test_a_calibration_is_of_one_fabric() -> None:
    calibration = fitted("hgx_h100", "NCCL")
    with pytest.raises(ArgumentError, match="is of fabric 'hgx_h100', this one is 'hgx_h200'"):
        cm.Fabric.preset("hgx_h200").calibrated(calibration)
    moved = calibration.transferred("hgx_h200")
    assert cm.Fabric.preset("hgx_h200").calibrated(moved).calibration == moved
    assert moved.extrapolates("ll", 8, 4096) == "the numbers are those of hgx_h100"
    with pytest.raises(UnsupportedError, match="there is cann-ep"):
        cm.Fabric.preset("cm384", library="nccl")
    with pytest.raises(ArgumentError, match="Calibration"):
        CM384.calibrated("hccl")  # type: ignore[arg-type]


def test_a_file_of_a_machine_does_not_lose_a_calibration_in_silence() -> None:
    nccl = cm.Fabric.preset("hgx_h100", library="nccl")
    with pytest.raises(UnsupportedError, match="no place for a calibration"):
        nccl.to_toml()
    assert cm.Fabric.from_toml(nccl.calibrated(None).to_toml()) == cm.Fabric.preset("hgx_h100")


def test_a_library_of_experts_has_no_all_reduce() -> None:
    with pytest.raises(UnsupportedError, match="library 'cann-ep' has no all_reduce"):
        cm.simulate(cm.Fabric.preset("cm384", library="cann-ep"), "all_reduce", size_bytes=8)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cm.calibration/1", "cm.calibration/9", "schema must be"),
        ("launch_us =", "lunch_us =", "unknown key 'lunch_us' in parameters"),
        ("value = ", 'value = "x" #', "Invalid|must be a number|Unclosed"),
        ("[provenance]", "[origin]", "unknown key 'origin'"),
        ("rows = ", "rows = 1.5 #", "rows must be a int"),
    ],
)
def test_a_broken_file_is_refused_by_key(old: str, new: str, words: str) -> None:
    calibration = cm.Fabric.preset("cm384", library="hccl").calibration
    assert calibration is not None
    with pytest.raises(SpecError, match=words):
        cm.Calibration.from_toml(calibration.to_toml().replace(old, new))
