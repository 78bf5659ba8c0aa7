"""End to end through the installed wheel, against the speeds that the project promises.

`make bench` prints pytest-benchmark's table and, below it, target/benchmark.md: each figure beside
its promise, and their ratio. Wall time depends on what else the machine does, so nothing
fails here; the gate on regressions is the instruction counts of `rust/core/benches`.
"""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
SIZE = 2**28
REPORT = Path(__file__).parents[1] / "target" / "benchmark.md"

SMALL = ("all_reduce", "ring", 64)
LARGE = [("all_reduce", "ring", 768), ("all_to_all", "direct", 768)]

Line = Callable[[str, float, float, str], None]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """Return a function that adds a figure and its promise to the report."""
    lines = ["| what | figure | promised | figure/promise |", "| --- | --- | --- | --- |"]

    def add(what: str, figure: float, promise: float, unit: str) -> None:
        lines.append(
            f"| {what} | {figure:.4g} {unit} | {promise:g} {unit} | {figure / promise:.2f} |"
        )

    yield add
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n".join(lines) + "\n")


def timed(benchmark: BenchmarkFixture, run: Callable[[], object], rounds: int = 5) -> float:
    """Return the median in seconds."""
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    assert benchmark.stats is not None, "run with --benchmark-enable"
    return float(benchmark.stats.stats.median)


@pytest.mark.parametrize(("case", "promise_ms"), [(SMALL, 5), *((each, 5000) for each in LARGE)])
def test_one_collective(
    benchmark: BenchmarkFixture, line: Line, case: tuple[str, str, int], promise_ms: float
) -> None:
    collective, algorithm, ranks = case

    def run() -> cm.Result:
        return cm.simulate(FABRIC, collective, size_bytes=SIZE, ranks=ranks, algorithm=algorithm)

    what = f"{collective} {algorithm}, {ranks} ranks, sprayed, 256 MiB"
    line(what, timed(benchmark, run) * 1e3, promise_ms, "ms")


@pytest.mark.parametrize(("collective", "algorithm", "ranks"), LARGE)
def test_the_memory_of_one_collective(
    line: Line, collective: str, algorithm: str, ranks: int
) -> None:
    # VmHWM is the process's own peak; ru_maxrss would start from that of its parent.
    code = (
        "import re, cm_collectives as cm\n"
        f"cm.simulate(cm.Fabric.preset('cm384'), {collective!r}, size_bytes={SIZE}, ranks={ranks},"
        f" algorithm={algorithm!r})\n"
        "print(re.search(r'VmHWM:\\s+([0-9]+) kB', open('/proc/self/status').read())[1])"
    )
    kib = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    line(f"{collective} {algorithm}, {ranks} ranks: peak memory", int(kib) * 1024 / 1e9, 2, "GB")


def test_a_thousand_scenarios_of_at_most_16_ranks(benchmark: BenchmarkFixture, line: Line) -> None:
    scenarios = cm.grid(
        fabric="cm384",
        collective=["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast"],
        ranks=[2, 4, 8, 12, 16],
        size_bytes=[2**exponent for exponent in range(10, 30)],
        routing=["spray", "dest"],
    )
    what = f"{len(scenarios)} scenarios of at most 16 ranks, algorithm auto"
    line(what, timed(benchmark, lambda: cm.sweep(scenarios)), 2, "s")


def started(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_starting_python(benchmark: BenchmarkFixture) -> None:
    timed(benchmark, lambda: started("pass"), rounds=20)


def test_importing_the_package(benchmark: BenchmarkFixture, line: Line) -> None:
    # The import alone, as the new interpreter itself measures it.
    code = (
        "import time; begin = time.perf_counter(); import cm_collectives\n"
        "print(time.perf_counter() - begin)"
    )
    seconds: list[float] = []

    def run() -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        seconds.append(float(done.stdout))

    timed(benchmark, run, rounds=20)
    line("import cm_collectives", sorted(seconds)[len(seconds) // 2] * 1e3, 60, "ms")


def table(collective: str, algorithm: str, rows: int) -> pl.DataFrame:
    """Return one question over 768 dies at many sizes, none of which divides evenly."""
    sizes = pl.int_range(1, rows + 1, eager=True) * 7919 % 2**33
    return pl.select(
        fabric=pl.lit("cm384"),
        collective=pl.lit(collective),
        algorithm=pl.lit(algorithm),
        ranks=pl.lit(768),
        size_bytes=sizes,
    )


@pytest.mark.parametrize(("collective", "algorithm", "ranks"), LARGE)
def test_a_sweep_on_one_core(
    benchmark: BenchmarkFixture, line: Line, collective: str, algorithm: str, ranks: int
) -> None:
    scenarios = table(collective, algorithm, 100_000)
    seconds = timed(benchmark, lambda: cm.sweep(scenarios, threads=1), rounds=3)
    what = f"sweep row, {collective} {algorithm}, {ranks} ranks, one core"
    line(what, seconds / len(scenarios) * 1e6, 5, "us")


def test_a_sweep_into_a_directory(
    benchmark: BenchmarkFixture, line: Line, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scenarios = table("all_reduce", "ring", 500_000)

    def run() -> None:
        cm.sweep(scenarios.lazy(), out=tmp_path_factory.mktemp("sweep"), progress=False)

    seconds = timed(benchmark, run, rounds=3)
    line("sweep row into Parquet parts, all cores", seconds / len(scenarios) * 1e6, 10, "us")


def test_a_remembered_query(benchmark: BenchmarkFixture, line: Line) -> None:
    def query() -> float:
        return FABRIC.time_s("all_reduce", size_bytes=SIZE, ranks=16, algorithm="ring")

    benchmark(query)
    assert benchmark.stats is not None, "run with --benchmark-enable"
    line("a repeated cost query", benchmark.stats.stats.median * 1e6, 2, "us")


@pytest.mark.parametrize(("collective", "algorithm", "ranks"), LARGE)
def test_another_size_of_a_known_question(
    benchmark: BenchmarkFixture, line: Line, collective: str, algorithm: str, ranks: int
) -> None:
    sizes = itertools.count(SIZE)
    benchmark(
        lambda: FABRIC.time_s(collective, size_bytes=next(sizes), ranks=ranks, algorithm=algorithm)
    )
    assert benchmark.stats is not None, "run with --benchmark-enable"
    what = f"{collective} {algorithm}, {ranks} ranks: another size"
    line(what, benchmark.stats.stats.median * 1e6, 10, "us")


@pytest.mark.parametrize(("collective", "algorithm", "ranks"), LARGE)
def test_a_million_sizes_of_one_question(
    benchmark: BenchmarkFixture, line: Line, collective: str, algorithm: str, ranks: int
) -> None:
    sizes = np.arange(SIZE, SIZE + 10**6)

    def query() -> None:
        FABRIC.times_s(collective, sizes, ranks=ranks, algorithm=algorithm)

    what = f"{collective} {algorithm}, {ranks} ranks: 10^6 sizes"
    line(what, timed(benchmark, query, rounds=3), 1, "s")
