"""Tables for other tools: their columns and their units."""

import json
from pathlib import Path

import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", timing="line_rate")


def answered(collective: str, ranks: int, size_bytes: int, algorithm: str) -> pl.DataFrame:
    asked = cm.grid(
        fabric="cm384",
        collective=collective,
        ranks=[ranks],
        size_bytes=[size_bytes],
        algorithm=algorithm,
    )
    return cm.sweep(asked, {"cm384": FABRIC})


# Two dies of a package: 270 GB/s each way. A ring all-reduce sends half of S twice, an all-gather
# half of S once: of 270 MB, 1 ms and 0.5 ms.
ALL_REDUCE = answered("all_reduce", 2, 270_000_000, "ring")
ALL_GATHER = answered("all_gather", 2, 270_000_000, "ring")
BOTH = pl.concat([ALL_GATHER, ALL_REDUCE])


def write(tmp_path: Path, form: str, frame: pl.DataFrame = BOTH) -> dict[str, Path]:
    files = cm.write_tables(frame, tmp_path, format=form, fabric=FABRIC)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    return {file.name: file for file in files}


def test_msmodeling_lists_what_one_rank_passes_in_and_microseconds(tmp_path: Path) -> None:
    files = write(tmp_path, "msmodeling")
    header = "message_bytes,num_devices,dtype,topology_tier,Duration(us)"
    assert files["hcom_allReduce_.csv"].read_text() == f"{header}\n270000000,2,DT_FP16,2,1000.0\n"
    assert files["hcom_allGather_.csv"].read_text() == f"{header}\n135000000,2,DT_FP16,2,500.0\n"


def test_the_tiers_of_msmodeling_are_package_node_and_beyond(tmp_path: Path) -> None:
    frames = [answered("all_reduce", ranks, 1024, "ring") for ranks in (2, 3, 16, 17)]
    file = write(tmp_path, "msmodeling", pl.concat(frames))["hcom_allReduce_.csv"]
    assert pl.read_csv(file)["topology_tier"].to_list() == [2, 1, 1, 0]


def test_aiconfigurator_lists_elements_and_milliseconds(tmp_path: Path) -> None:
    table = pl.read_parquet(write(tmp_path, "aiconfigurator")["nccl_perf.parquet"])
    assert table.rows(named=True) == [
        {
            "nccl_dtype": "half",
            "num_gpus": 2,
            "message_size": 135_000_000,
            "op_name": op,
            "latency": latency,
        }
        for op, latency in (("all_gather", 0.5), ("all_reduce", 1.0))
    ]


def test_nccl_tests_reads_back_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    files = write(tmp_path, "nccl-tests")
    back = cm.read_nccl_tests(files["all_gather_2.json"])
    assert back.row(0)[:4] == ("all_gather", 2, 270_000_000, 500.0)
    report = json.loads(files["all_gather_2.json"].read_text())
    assert "simulated" in report["nccl_version"]
    # 270 MB in 0.5 ms are 540 GB/s; the bus carries (n-1)/n of it. A shard has S / n / 2 elements.
    (result,) = report["results"]
    assert result["out_of_place"]["alg_bw"] == pytest.approx(540)
    assert result["out_of_place"]["bus_bw"] == pytest.approx(270)
    assert result["count"] == 270_000_000 // 2 // 2


def test_of_several_algorithms_the_least_time_counts(tmp_path: Path) -> None:
    slower = answered("all_reduce", 4, 10**6, "recursive_doubling")
    faster = answered("all_reduce", 4, 10**6, "ring")
    assert slower["time_ps"].item() > faster["time_ps"].item()
    file = write(tmp_path, "msmodeling", pl.concat([slower, faster]))["hcom_allReduce_.csv"]
    assert pl.read_csv(file)["Duration(us)"].to_list() == [faster["time_ps"].item() / 1e6]


BROADCAST = answered("broadcast", 4, 1024, "binomial_tree")
BAD = [
    ("csv", BOTH, "half", "unknown format"),
    ("msmodeling", BROADCAST, "half", "no table for broadcast"),
    ("aiconfigurator", BROADCAST, "half", "no table for broadcast"),
    ("aiconfigurator", BOTH, "float", "datatype"),
    ("msmodeling", answered("all_gather", 2, 1025, "ring"), "half", "multiple of 2"),
    ("aiconfigurator", answered("all_gather", 2, 1025, "ring"), "half", "whole elements"),
    ("msmodeling", BOTH.drop("time_ps"), "half", "time_ps"),
    ("msmodeling", BOTH.with_columns(time_ps=None), "half", "row 0"),
    ("msmodeling", BOTH.with_columns(fabric=pl.Series(["a", "b"])), "half", "one fabric"),
]


@pytest.mark.parametrize(("form", "frame", "datatype", "words"), BAD)
def test_what_a_table_has_no_place_for_is_refused_and_nothing_is_written(
    tmp_path: Path, form: str, frame: pl.DataFrame, datatype: str, words: str
) -> None:
    with pytest.raises(cm.ArgumentError, match=words):
        cm.write_tables(frame, tmp_path / "out", format=form, fabric=FABRIC, datatype=datatype)
    assert not (tmp_path / "out").exists()
