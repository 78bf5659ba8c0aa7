"""End to end through the installed wheel: the speeds that the project promises.

`make bench` prints the figures; each limit is asserted on the best round, with the machine's noise
left out, so that a promise that is not kept fails.
"""

import subprocess
import sys
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
SIZE = 2**28


def promise(benchmark: BenchmarkFixture, seconds: float, run: Callable[[], object]) -> None:
    """Time `run`, and fail if its best round takes longer than promised."""
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    benchmark.extra_info["limit_s"] = seconds
    if benchmark.stats is not None:  # none with --benchmark-disable
        assert benchmark.stats.stats.min < seconds


@pytest.mark.parametrize(
    ("collective", "algorithm", "ranks", "seconds"),
    [
        ("all_reduce", "ring", 64, 0.005),
        ("all_reduce", "ring", 768, 5.0),
        ("all_to_all", "direct", 768, 5.0),
    ],
)
def test_one_collective(
    benchmark: BenchmarkFixture, collective: str, algorithm: str, ranks: int, seconds: float
) -> None:
    def run() -> cm.Result:
        return cm.simulate(FABRIC, collective, size_bytes=SIZE, ranks=ranks, algorithm=algorithm)

    promise(benchmark, seconds, run)


def test_a_thousand_scenarios_of_at_most_16_ranks(benchmark: BenchmarkFixture) -> None:
    scenarios = cm.grid(
        fabric="cm384",
        collective=["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast"],
        ranks=[2, 4, 8, 12, 16],
        size_bytes=[2**exponent for exponent in range(10, 30)],
        routing=["spray", "dest"],
    )
    assert len(scenarios) == 1000
    promise(benchmark, 2.0, lambda: cm.sweep(scenarios))


def _start(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bare_python_for_comparison(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(_start, args=("pass",), rounds=20, warmup_rounds=1)


def test_importing_the_package(benchmark: BenchmarkFixture) -> None:
    # 60 ms above bare Python, for which 40 ms are allowed here.
    benchmark.pedantic(_start, args=("import cm_collectives",), rounds=20, warmup_rounds=1)
    if benchmark.stats is not None:
        assert benchmark.stats.stats.min < 0.1


def test_a_remembered_query(benchmark: BenchmarkFixture) -> None:
    FABRIC.time_s("all_reduce", size_bytes=SIZE, ranks=16, algorithm="ring")
    benchmark(lambda: FABRIC.time_s("all_reduce", size_bytes=SIZE, ranks=16, algorithm="ring"))
