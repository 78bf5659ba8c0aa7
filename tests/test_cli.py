"""The command line: exit statuses, one-line errors, formats, files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import cm_collectives as cm
from cm_collectives.cli import main

Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def failure(capsys: Capture, *arguments: object) -> tuple[int, str]:
    """Return the exit status and the one line on standard error."""
    try:
        status = run(*arguments)
    except SystemExit as stop:  # argparse
        status = int(stop.code or 0)
    caught = capsys.readouterr()
    assert caught.err.count("\n") == 1, caught.err
    assert caught.err.startswith("cm-collectives")
    return status, caught.err


PERF = ("perf", "all_reduce", "-g", 8, "--algorithm", "ring")


def test_perf_prints_a_table(capsys: Capture) -> None:
    assert run(*PERF, "-b", "1K", "-e", "1M", "-f", 32) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "all_reduce, 8 ranks of cm384, routing spray"
    assert [line.split()[0] for line in lines[1:]] == ["size_bytes", "1024", "32768", "1048576"]


def test_perf_prints_what_nccl_tests_prints(capsys: Capture) -> None:
    assert run("perf", "all_gather", "-g", 4, "-t", 2, "-b", "1M", "--format", "nccl") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    r = cm.simulate(cm.Fabric.preset("cm384"), "all_gather", size_bytes=2**20, ranks=8)
    # size, count = size / (8 ranks * 4 bytes), type, redop, root, time, algbw, busbw, #wrong.
    assert rows[0][:5] == ["1048576", "32768", "float", "none", "-1"]
    assert float(rows[0][5]) == pytest.approx(r.time_s * 1e6, abs=0.01)
    assert r.busbw_Bps is not None
    assert float(rows[0][7]) == pytest.approx(r.busbw_Bps / 1e9, abs=0.01)
    assert rows[0][8] == "0"
    assert rows[0][5:9] == rows[0][9:13]
    assert "# Out of bounds values : 0 OK" in lines
    assert any(line.startswith("# Avg bus bandwidth    : ") for line in lines)
    assert "# nThread 2 nGpus 4 minBytes 1048576 maxBytes 1048576" in "\n".join(lines)


def test_the_nccl_columns_know_reductions_and_roots(capsys: Capture) -> None:
    flags = ("-g", 4, "-b", 4096, "--format", "nccl", "-d", "half")
    for collective, more, expected in (
        ("all_reduce", ("-o", "max"), ["4096", "2048", "half", "max", "-1"]),
        ("reduce", ("-r", 2), ["4096", "2048", "half", "sum", "2"]),
        ("broadcast", ("-r", 3), ["4096", "2048", "half", "none", "3"]),
        ("barrier", (), ["0", "0", "half", "none", "-1"]),
    ):
        assert run("perf", collective, *flags, *more) == 0
        rows = [x for x in capsys.readouterr().out.splitlines() if not x.startswith("#")]
        assert rows[0].split()[:5] == expected


def test_flags_of_nccl_tests_without_a_meaning_are_accepted(capsys: Capture) -> None:
    assert run(*PERF, "-n", 20, "-w", 5, "-m", 1, "-c", 1, "-z", 0, "-a", 1) == 0
    assert "33554432" in capsys.readouterr().out  # 32M, the first size of nccl-tests


@pytest.mark.parametrize("suffix", ["csv", "json", "ndjson", "parquet"])
@pytest.mark.parametrize("flag", ["-o", "--output", "-J"])
def test_perf_writes_files_by_suffix(tmp_path: Path, suffix: str, flag: str) -> None:
    path = tmp_path / f"out.{suffix}"
    assert run(*PERF, "-b", 1024, "-e", 2048, "-f", 2, flag, path) == 0
    if suffix == "json":
        content = json.loads(path.read_text())
        assert content["schema"] == "cm.perf/1"
        assert content["version"] == cm.__version__
        frame = pl.DataFrame(content["rows"])
    else:
        readers = {"csv": pl.read_csv, "ndjson": pl.read_ndjson, "parquet": pl.read_parquet}
        frame = readers[suffix](path)  # type: ignore[operator]
    expected = [
        cm.simulate(
            cm.Fabric.preset("cm384"), "all_reduce", size_bytes=s, ranks=8, algorithm="ring"
        ).time_ps
        for s in (1024, 2048)
    ]
    assert frame["time_ps"].to_list() == expected
    if suffix == "parquet":
        about = json.loads(pl.read_parquet_metadata(path)["cm"])
        assert about["fabric_digest"] == cm.Fabric.preset("cm384").digest


def test_perf_takes_parameters_options_and_degradations(capsys: Capture) -> None:
    assert (
        run(
            "perf", "broadcast", "-g", 4, "-b", "1M", "--algorithm", "chain",
            "--option", "chunks=3", "--param", "nodes=4", "--param", "timing=line_rate",
            "--degrade", "l2.*=0.5", "--degrade", "node00/die00=0.5", "--format", "json",
            "--routing", "hash", "--seed", 5,
        )
        == 0
    )  # fmt: skip
    fabric = cm.Fabric.preset("cm384", nodes=4, timing="line_rate")
    r = cm.simulate(
        fabric.degrade({"l2.*": 0.5, "node00/die00": 0.5}),
        "broadcast", size_bytes=2**20, ranks=4, algorithm="chain", chunks=3, routing="hash", seed=5,
    )  # fmt: skip
    assert json.loads(capsys.readouterr().out)["rows"][0]["time_ps"] == r.time_ps


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "COMMAND"),
        (("perff",), "perff"),
        (("perf",), "collective"),
        (("perf", "all_reduc"), "did you mean all_reduce"),
        ((*PERF, "--bogus"), "--bogus"),
        ((*PERF, "-b", "1Q"), "1Q"),
        ((*PERF, "-b", "2M", "-e", "1M"), "max_bytes"),
        ((*PERF, "-f", 1), "factor"),
        ((*PERF, "-g", 0), "768 endpoints"),
        ((*PERF, "-g", 769), "769"),
        ((*PERF, "-t", 0), "-t must be at least 1"),
        ((*PERF, "--fabric", "cm38"), "cm384"),
        ((*PERF, "--param", "nodes"), "NAME=VALUE"),
        ((*PERF, "--param", "nodes=49"), "49"),
        ((*PERF, "--degrade", "l2.*=half"), "SELECTOR=FACTOR"),
        ((*PERF, "--option", "chunk=1"), "chunk"),
        ((*PERF, "--algorithm", "rign"), "ring"),
        ((*PERF, "--format", "yaml"), "yaml"),
        ((*PERF, "-o", "summ"), "--output must end in"),
        ((*PERF, "-o", "summ", "--output", "x.csv"), "-o must be one of sum"),
        ((*PERF, "-d", "quad", "--format", "nccl"), "quad"),
        (("sweep", "missing.csv"), "missing.csv"),
        (("sweep", "scenarios.xlsx"), "must end in .csv"),
        (("fabric",), "ACTION"),
        (("fabric", "show", "cm38"), "cm384"),
        (("verify", "--collective", "all_reduce", "-g", 4), "either a file or --algorithm"),
        (("algorithms", "--collective", "all_reduc"), "all_reduce"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(
    capsys: Capture, arguments: tuple[object, ...], words: str
) -> None:
    status, line = failure(capsys, *arguments)
    assert status == 2
    assert words in line


def test_a_failed_run_is_status_1(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise cm.LimitError("the run needs 12 GB, the limit is 8 GB")

    monkeypatch.setattr(cm, "sweep", fail)
    status, line = failure(capsys, *PERF)
    assert (status, line) == (1, "cm-collectives: the run needs 12 GB, the limit is 8 GB\n")


def test_ctrl_c_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cm, "sweep", interrupt)
    assert run(*PERF) == 130


def scenarios(path: Path) -> Path:
    frame = cm.grid(fabric="cm384", collective="all_gather", ranks=[2, 4], size_bytes=[8, 4096])
    if path.suffix == ".json":
        path.write_text(json.dumps(frame.to_dicts()))
    else:
        getattr(frame, f"write_{path.suffix[1:]}")(path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "json", "ndjson", "parquet"])
def test_sweep_answers_a_file(tmp_path: Path, suffix: str) -> None:
    source = scenarios(tmp_path / f"in.{suffix}")
    target = tmp_path / "out.parquet"
    assert run("sweep", source, "-o", target, "--threads", 2) == 0
    frame = cm.grid(fabric="cm384", collective="all_gather", ranks=[2, 4], size_bytes=[8, 4096])
    assert pl.read_parquet(target).equals(cm.sweep(frame))


def test_sweep_with_a_wrong_row_is_status_1_and_has_the_others(
    tmp_path: Path, capsys: Capture
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("fabric,collective,ranks,size_bytes\ncm384,barrier,4,\ncm384,al,4,8\n")
    status, line = failure(capsys, "sweep", source, "-o", tmp_path / "out.csv")
    assert (status, line) == (1, "cm-collectives: 1 of 2 scenarios failed\n")
    assert pl.read_csv(tmp_path / "out.csv")["time_ps"].null_count() == 1
    status, line = failure(capsys, "sweep", source, "--on-error", "raise")
    assert status == 2
    assert "row 1" in line


@pytest.mark.parametrize("suffix", ["csv", "json", "ndjson", "parquet"])
def test_sweep_fills_a_directory(tmp_path: Path, suffix: str) -> None:
    source = scenarios(tmp_path / f"in.{suffix}")
    target = tmp_path / "results"
    for _ in range(2):
        assert run("sweep", source, "-o", f"{target}/", "--part-rows", 3) == 0
    assert len(list(target.glob("part-*.parquet"))) == 2
    frame = cm.grid(fabric="cm384", collective="all_gather", ranks=[2, 4], size_bytes=[8, 4096])
    assert pl.scan_parquet(target / "*.parquet").collect().equals(cm.sweep(frame))


def test_sweep_of_a_directory_complains_in_one_line(tmp_path: Path, capsys: Capture) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "results"
    source.write_text("fabric,collective,ranks,size_bytes\ncm384,barrier,4,\ncm384,al,4,8\n")
    status, line = failure(capsys, "sweep", source, "-o", target)
    assert (status, line) == (1, "cm-collectives: 1 of 2 scenarios failed\n")
    source.write_text("fabric,collective,ranks,size_bytes\ncm384,barrier,8,\n")
    status, line = failure(capsys, "sweep", source, "-o", target)
    assert status == 2
    assert "other scenarios" in line
    status, line = failure(capsys, "sweep", source, "-o", tmp_path / "a.csv", "--part-rows", 3)
    assert status == 2
    assert "--part-rows" in line


def test_sweep_of_a_file_without_a_column_is_status_2(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "in.csv"
    source.write_text("fabric,collective,ranks\ncm384,barrier,4\n")
    status, line = failure(capsys, "sweep", source)
    assert status == 2
    assert "missing column 'size_bytes'" in line


def test_fabrics_are_listed_shown_and_exported(tmp_path: Path, capsys: Capture) -> None:
    assert run("fabric", "list", "--format", "csv") == 0
    assert "cm384" in capsys.readouterr().out
    assert run("fabric", "show", "cm384", "--param", "nodes=1") == 0
    shown = capsys.readouterr().out
    # 16 dies x 7 ports of 28 GB/s in one node.
    assert [x.split() for x in shown.splitlines() if x.startswith("die_up")] == [
        ["die_up", "112", "7", "28.00", "3136", "850", "node00/die00->node00/l1.0"]
    ]
    for which in ("links", "nodes"):
        path = tmp_path / f"{which}.parquet"
        assert run("fabric", "export", "cm384", "--table", which, "-o", path) == 0
        assert pl.read_parquet(path).equals(getattr(cm.Fabric.preset("cm384"), which))


def test_algorithms_are_listed(capsys: Capture) -> None:
    assert run("algorithms", "--collective", "barrier", "--format", "ndjson") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows == cm.algorithms().filter(collective="barrier").to_dicts()


def test_perf_speaks_of_no_rows(capsys: Capture) -> None:
    status, line = failure(capsys, "perf", "all_reduce", "-g", 4, "--algorithm", "rign")
    assert status == 2
    assert line == "cm-collectives: unknown algorithm 'rign'; did you mean ring?\n"


def test_the_table_of_algorithms_fits_a_terminal_and_names_the_options(capsys: Capture) -> None:
    assert run("algorithms", "--collective", "all_reduce") == 0
    lines = capsys.readouterr().out.splitlines()
    ring = next(line.split() for line in lines if line.split()[:2] == ["all_reduce", "ring"])
    assert ring[2:4] == ["2(n-1)", "2(n-1)/n"]
    hierarchical = next(line for line in lines if " hierarchical " in line)
    assert hierarchical.endswith("order, level, intra, middle, inter")


def test_one_algorithm_is_described_in_full(capsys: Capture) -> None:
    assert run("algorithms", "chain") == 0
    words = " ".join(capsys.readouterr().out.split())
    about = cm.algorithms().filter(collective="broadcast", algorithm="chain").row(0, named=True)
    for each in ("summary", "constraint", "source", "options"):
        assert " ".join(about[each].split()) in words
    assert "broadcast n-2+K S reduce n-2+K S" in words


def test_an_unknown_algorithm_is_not_described(capsys: Capture) -> None:
    status, line = failure(capsys, "algorithms", "rign")
    assert status == 2
    assert "unknown algorithm 'rign'; did you mean ring" in line


def test_verify_proves_a_file_or_an_algorithm(tmp_path: Path, capsys: Capture) -> None:
    asked = ("verify", "--collective", "all_gather", "-g", 4)
    assert run(*asked, "--algorithm", "ring") == 0
    assert capsys.readouterr().out.startswith("verified: Schedule(all_gather ring: 4 ranks")
    right = cm.schedule("all_gather", "ring", ranks=4, size_bytes=2**20).transfers
    right = right.select("step", "src", "dst", "chunk", "op")
    right.write_csv(tmp_path / "right.csv")
    right[1:].write_csv(tmp_path / "wrong.csv")
    assert run(*asked, tmp_path / "right.csv") == 0
    capsys.readouterr()
    status, line = failure(capsys, *asked, tmp_path / "wrong.csv")
    assert status == 1
    assert "transfer" in line


def test_the_module_is_the_command() -> None:
    asked = [sys.executable, "-m", "cm_collectives", "perf", "barrier", "-g", "4"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert "dissemination" in done.stdout
    assert done.stderr == ""


def test_help_imports_neither_numpy_nor_polars() -> None:
    code = (
        "import sys\n"
        "from cm_collectives.cli import main\n"
        "try:\n"
        "    main(['perf', '--help'])\n"
        "except SystemExit:\n"
        "    print('LOADED', {'numpy', 'polars'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--ngpus" in done.stdout
    assert done.stdout.endswith("LOADED set()\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m cm_collectives fabric export cm384 --format csv | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("link,src,dst")


def test_a_machine_is_exported_and_used_as_a_file(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "small.toml"
    assert (
        run("fabric", "export", "cm384", "--param", "nodes=2", "--table", "toml", "-o", path) == 0
    )
    assert cm.Fabric.from_toml(path) == cm.Fabric.preset("cm384", nodes=2)
    assert run("fabric", "show", path) == 0
    assert "32 endpoints" in capsys.readouterr().out
    assert failure(capsys, "fabric", "show", path, "--param", "nodes=2")[0] == 2
    path.write_text('schema = "cm.fabric/1"\nnode = 3\n')
    status, line = failure(capsys, "fabric", "show", path)
    assert status == 2
    assert "unknown key 'node'; did you mean nodes?" in line


def test_tune_lists_the_algorithms_and_what_a_library_would_take(tmp_path: Path) -> None:
    path = tmp_path / "tuned.csv"
    sizes = ("-b", "1K", "-e", "1M", "-f", 1024)
    assert run("tune", "broadcast", "-g", 4, *sizes, "--exhaustive", "-o", path) == 0
    frame = pl.read_csv(path)
    assert frame["size_bytes"].unique(maintain_order=True).to_list() == [1024, 1048576]
    assert frame["time_ps"].null_count() == 0
    assert run("tune", "all_reduce", "-g", 8, *sizes, "--rule", "nccl", "-o", path) == 0
    assert pl.read_csv(path)["rule"].to_list() == ["nccl", "nccl"]


def test_tune_takes_a_rule_or_everybody(capsys: Capture) -> None:
    status, line = failure(capsys, "tune", "all_reduce", "--rule", "nccl", "--exhaustive")
    assert (status, "exclude each other" in line) == (2, True)
    status, line = failure(capsys, "tune", "all_reduce", "-g", 8, "--rule", "mpi")
    assert (status, "unknown rule 'mpi'" in line) == (2, True)


def test_report_writes_a_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    sizes = ("-b", "1K", "-e", "1M", "-f", 1024)
    assert run("report", "-g", 4, *sizes, "--collective", "all_to_all", "-o", path) == 0
    lines = path.read_text().splitlines()
    assert "## all_to_all, 4 ranks" in lines
    rows = [line.split("|")[1:-1] for line in lines if line.startswith("| 1 ")]
    assert [row[0].strip() for row in rows] == ["1 KiB", "1 MiB"]
    for row, size_bytes in zip(rows, (1024, 2**20), strict=True):
        best = cm.simulate(cm.Fabric.preset("cm384"), "all_to_all", size_bytes=size_bytes, ranks=4)
        assert best.algorithm == row[1].split()[0]
        assert float(row[2]) == pytest.approx(best.time_s * 1e6, rel=1e-4)
    assert sum(line.startswith("Where each wins: ") for line in lines) == 1
