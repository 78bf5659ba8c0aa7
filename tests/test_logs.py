"""Readers of logs: the programs' own formats, and what is wrong by line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cm_collectives as cm
from cm_collectives.errors import ArgumentError, SpecError

if TYPE_CHECKING:
    from pathlib import Path

# In the layout of NVIDIA/nccl-tests, src/util.cu at commit 0fdb00a3; the numbers are made up.
NCCL = """\
# nccl-tests version 2.17.6 nccl-headers=22807 nccl-library=22902
# Collective test starting: all_gather_perf
# nThread 1 nGpus 2 minBytes 0 maxBytes 33554432 step: 2(factor) warmup iters: 1 iters: 20
#
# Using devices
#  Rank  0 Group  0 Pid   6899 on     node-a device  0 [0000:04:00] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid   6899 on     node-a device  1 [0000:05:00] NVIDIA H100 80GB HBM3
#
#                                             out-of-place                  in-place
#     size      count  type redop root     time  algbw  busbw #wrong     time  algbw  busbw #wrong
#      (B) (elements)                      (us) (GB/s) (GB/s)            (us) (GB/s) (GB/s)
         0          0 float  none   -1     8.70   0.00   0.00      0     8.60   0.00   0.00      0
   1048576     131072 float  none   -1    22.50  46.60  23.30      0    21.75  48.21  24.11      0
  33554432    4194304 float  none   -1  1.0e+02  335.5  167.8    N/A    99.10  338.6  169.3    N/A
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 72.1
#
# Collective test concluded: all_gather_perf
"""

JSON = {
    "version": 2,
    "args": ["/opt/nccl-tests/build/alltoall_perf", "-b", "1M"],
    "nccl_version": 22703,
    "config": {"nthreads": 1, "ngpus": 4, "devices": [{"rank": 0}, {"rank": 4}]},
    "results": [
        {
            "size": 1048576,
            "count": 32768,
            "type": "float",
            "out_of_place": {"time": 30.5, "alg_bw": 34.4, "bus_bw": 30.1, "nwrong": 0},
            "in_place": {"time": 31.5, "alg_bw": 33.3, "bus_bw": 29.1, "nwrong": None},
        },
    ],
}

HCCL = """\
mpirun -n 16 ./bin/reduce_scatter_test -b 8M -e 16M -f 2 -d fp16 -o sum
the minbytes is 8388608, maxbytes is 16777216, iters is 20, warmup_iters is 5
data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:
8388608           | 100.00         | 83.88608             | success
1048576           | 100.00         | 167.77216            | NULL
"""


def test_the_text_of_nccl_tests_is_read() -> None:
    read = cm.read_nccl_tests(NCCL)
    assert read.rows() == [
        ("all_gather", 2, 1048576, 22.5, "NCCL 2.29.2", "text, line 13"),
        ("all_gather", 2, 33554432, 100.0, "NCCL 2.29.2", "text, line 14"),
    ]
    assert cm.read_nccl_tests(NCCL, in_place=True)["time_us"].to_list() == [21.75, 99.1]


def test_the_json_of_nccl_tests_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(JSON))
    read = cm.read_nccl_tests(path)
    # One thread with 4 GPUs in each of 2 processes.
    expected = ("all_to_all", 8, 1048576, 30.5, "NCCL 2.27.3", f"{path}: results[0]")
    assert read.rows() == [expected]
    assert cm.read_nccl_tests(path, in_place=True, ranks=6).row(0)[1:4] == (6, 1048576, 31.5)


def test_our_own_command_line_is_read_back(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from cm_collectives.cli import main

    command = "perf all_reduce -b 1M -e 4M -f 2 -g 8 --fabric hgx_h100 --format nccl"
    assert main(command.split()) == 0
    printed = capsysbinary.readouterr().out.decode()
    read = cm.read_nccl_tests(printed, ranks=8)
    fabric = cm.Fabric.preset("hgx_h100")
    assert read["size_bytes"].to_list() == [2**20, 2**21, 2**22]
    for row in read.iter_rows(named=True):
        time_us = fabric.time_s(row["collective"], row["size_bytes"]) * 1e6
        # Printed with four digits.
        assert row["time_us"] == pytest.approx(time_us, rel=1e-3)


def test_the_table_of_hccl_test_is_read() -> None:
    # 83.88608 GB/s * 100 us = 8388608 bytes: the whole. 167.77216 * 100 us = 16 * 1048576: a part.
    assert cm.read_hccl_test(HCCL).rows() == [
        ("reduce_scatter", 16, 8388608, 100.0, "HCCL", "text, line 4"),
        ("reduce_scatter", 16, 16777216, 100.0, "HCCL", "text, line 5"),
    ]


def test_what_is_read_can_be_compared() -> None:
    report = cm.validate(cm.Fabric.preset("hgx_h100"), cm.read_nccl_tests(NCCL))
    assert report["calibration"].to_list() == ["nccl", "nccl"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("22.50  46.60", "22.50", "line 13: 12 values for 13 columns"),
        ("  22.50", "  fast ", "line 13: time must be microseconds > 0, got 'fast'"),
        ("   22.50", "    0.00", "line 13: time must be microseconds > 0, got '0.00'"),
        ("   1048576  ", "   1048576.5  ", "line 13: size must be bytes"),
        ("(us)", "(ms)", r"line 11: unknown unit \(ms\); known: "),
        ("    time ", " cputime ", "line 10: CPU times"),
        ("#     size", "#     sizes", "has no line of columns"),
        ("all_gather_perf", "hypercube_perf", "line 12: the log names no collective"),
        ("#  Rank", "#  Node", "line 12: the log does not list its ranks"),
    ],
)
def test_a_malformed_text_is_refused_by_line(old: str, new: str, words: str) -> None:
    assert old in NCCL
    with pytest.raises(SpecError, match=words):
        cm.read_nccl_tests(NCCL.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"results"', '"outcome"', "results must be a list"),
        ('"out_of_place"', '"elsewhere"', r"results\[0\].out_of_place.time is missing"),
        ("30.5", '"nan"', r"results\[0\]: time must be microseconds"),
        (", ", "; ", "line 1: "),
    ],
)
def test_malformed_json_is_refused_by_place(old: str, new: str, words: str) -> None:
    text = json.dumps(JSON) + "\n"
    assert old in text
    with pytest.raises(SpecError, match=words):
        cm.read_nccl_tests(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("| success", "| failed", "line 4: the check of the result failed"),
        ("| 83.88608             ", "", "line 4: 3 values for 4 columns"),
        ("83.88608", "1.5", "line 4: .*fits neither"),
        ("aveg_time(us)", "aveg_time(ms)", "line 3: columns must be"),
        ("data_size", "datasize", "has no line of columns"),
        ("reduce_scatter_test", "mystery_test", "line 4: the log names no collective"),
        ("mpirun -n 16", "srun", "line 4: "),
    ],
)
def test_a_malformed_table_is_refused_by_line(old: str, new: str, words: str) -> None:
    assert old in HCCL
    with pytest.raises(SpecError, match=words):
        cm.read_hccl_test(HCCL.replace(old, new))


def test_a_source_is_a_path_or_text() -> None:
    with pytest.raises(ArgumentError, match="source must be a path"):
        cm.read_nccl_tests(7)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        cm.read_hccl_test("no/such/log.txt")
    with pytest.raises(ArgumentError, match="did you mean all_reduce"):
        cm.read_nccl_tests(NCCL, collective="all_reduc")
