"""The commands `validate` and `calibrate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

import cm_collectives as cm
import measured
from cm_collectives.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_validate_prints_every_published_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate") == 0
    caught = capsys.readouterr()
    lines = caught.out.splitlines()
    assert len(lines) == 1 + len(measured.PUBLISHED)
    assert lines[0].split()[:3] == ["fabric", "collective", "ranks"]
    assert caught.err.startswith("cm-collectives: warning: ")
    assert caught.err.count("\n") == 1


def test_validate_names_what_it_misses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", "--misses", 20, "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    # `reference/fidelity.md` 5 lists eight.
    assert len(rows) == 8
    assert all(abs(row["relative_error"]) > 0.2 for row in rows)


def test_a_calibration_goes_through_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = measured.rows("hgx_h100", "NCCL")
    source, saved = tmp_path / "rows.parquet", tmp_path / "own.toml"
    rows.write_parquet(source)
    assert run("calibrate", source, "--fabric", "hgx_h100", "--folds", 0, "-o", saved) == 0
    printed = capsys.readouterr().out
    assert "launch_us" in printed
    assert "fitted    median 3.9 %" in printed
    calibration = cm.Calibration.load(saved)
    assert calibration.library == "nccl"
    answer = tmp_path / "report.parquet"
    assert run("validate", source, "--calibration", saved, "-o", answer) == 0
    report = pl.read_parquet(answer)
    expected = cm.validate(cm.Fabric.preset("hgx_h100"), rows, calibration)
    assert report["predicted_us"].equals(expected["predicted_us"])
    assert run("validate", source, "--summary") == 0
    assert capsys.readouterr().out.split()[:3] == ["fabric", "collective", "from_bytes"]


def test_a_log_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "hccl.log"
    log.write_text(
        "data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:\n"
        "67108864 | 370.2 | 181.28 | success\n"
    )
    flags = ("--log", "hccl-test", "--collective", "all_gather", "-g", 16, "--fabric", "cm384")
    assert run("validate", log, *flags) == 0
    assert "all_gather" in capsys.readouterr().out
    assert run("validate", log, "--log", "nccl-tests") == 2
    assert "has no line of columns" in capsys.readouterr().err
