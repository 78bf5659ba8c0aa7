"""The same input gives the same bits: threads, order, processes, pickles, forks."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")


def scenarios() -> pl.DataFrame:
    return cm.grid(
        fabric="cm384",
        collective=["all_reduce", "all_gather", "all_to_all", "broadcast"],
        ranks=[3, 8, 17],
        size_bytes=[1, 1000, "1MiB", 10**7 + 3],
        routing=["spray", "hash"],
    )


def test_a_batch_does_not_depend_on_the_number_of_threads() -> None:
    one, two, eight = (cm.sweep(scenarios(), threads=n) for n in (1, 2, 8))
    assert one.equals(two)
    assert one.equals(eight)
    assert one["error"].null_count() == len(one)


def test_a_batch_does_not_depend_on_its_order() -> None:
    frame = scenarios().with_row_index()
    answered = cm.sweep(frame)
    shuffled = cm.sweep(frame.sample(fraction=1, shuffle=True, seed=1))
    assert shuffled.sort("index").equals(answered)


def test_a_batch_gives_the_bits_of_single_runs() -> None:
    answered = cm.sweep(scenarios()[::7])
    for row in answered.iter_rows(named=True):
        r = cm.simulate(
            FABRIC,
            row["collective"],
            size_bytes=row["size_bytes"],
            ranks=row["ranks"],
            routing=row["routing"],
        )
        expected = (r.time_ps, r.time_s, r.algbw_Bps, r.busbw_Bps, r.bound_ps, r.efficiency)
        names = ("time_ps", "time_s", "algbw_Bps", "busbw_Bps", "bound_ps", "efficiency")
        assert tuple(row[name] for name in names) == expected
        assert row["algorithm_used"] == r.algorithm


def test_many_sizes_give_the_bits_of_single_queries() -> None:
    sizes = np.array([0, 1, 7, 10**6, 12_345_678])
    many = FABRIC.times_s("all_reduce", sizes, ranks=12, algorithm="ring", threads=2)
    one = [
        FABRIC.time_s("all_reduce", size_bytes=int(s), ranks=12, algorithm="ring") for s in sizes
    ]
    assert many.tolist() == one
    assert many.dtype == np.float64


ANOTHER_PROCESS = """
import json, cm_collectives as cm
fabric = cm.Fabric.preset("cm384", nodes=3).degrade({"l2.1.*": 0.5})
r = cm.simulate(fabric, "all_to_all", size_bytes=10**6 + 1, ranks=40, routing="hash", seed=3)
s = cm.schedule("all_reduce", "ring", ranks=9, size_bytes=1000)
print(json.dumps([fabric.digest, s.digest, r.digest, r.time_ps, r.transfers.hash_rows().sum()]))
"""


def test_a_second_process_gives_the_same_bits() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    fabric = cm.Fabric.preset("cm384", nodes=3).degrade({"l2.1.*": 0.5})
    assert json.loads(answers.pop())[0] == fabric.digest


def test_pickled_copies_are_equal_and_give_the_same_bits() -> None:
    custom = cm.Fabric.from_frames(FABRIC.nodes, FABRIC.links, name="copy")
    schedule = cm.schedule("all_gather", "ring", ranks=6, size_bytes=601, split="balanced")
    team = FABRIC.team(8).grid(tp=2, dp=4)
    job = cm.Job(schedule, ranks=range(6), start_ps=[0, 1, 2, 3, 4, 5])
    results = [
        cm.simulate(FABRIC, "all_reduce", size_bytes=10**6, ranks=8, algorithm="ring"),
        cm.simulate(custom, schedule),
        cm.simulate(FABRIC, [job, cm.Job("all_gather", size_bytes=5, ranks=team)]),
        cm.simulate_flows(FABRIC, pl.DataFrame({"src": [0], "dst": [3], "size_bytes": [9]})),
    ]
    for original in (FABRIC, custom, FABRIC.degrade({"l2.0.*": 0.5}), schedule, team, job):
        copy = pickle.loads(pickle.dumps(original))  # noqa: S301
        assert copy == original
        assert hash(copy) == hash(original)
    for result in results:
        copy = pickle.loads(pickle.dumps(result))  # noqa: S301
        assert copy == result
        assert copy.to_dict() == result.to_dict()
        assert copy.transfers.equals(result.transfers)


def test_a_pickled_preset_comes_back_shared() -> None:
    assert pickle.loads(pickle.dumps(FABRIC)) is FABRIC  # noqa: S301


def test_threads_may_share_a_fabric() -> None:
    def ask(size_bytes: int) -> float:
        return FABRIC.time_s("all_gather", size_bytes=size_bytes, ranks=8)

    sizes = [1000 + i % 5 for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, sizes)) == [ask(size) for size in sizes]


def _times_in_child(queue: "multiprocessing.Queue[list[float]]") -> None:
    queue.put(FABRIC.times_s("all_gather", [1, 2, 3], ranks=4, threads=2).tolist())


def test_a_forked_child_computes_too() -> None:
    # The parent's thread pool exists by then, and its threads do not exist in the child.
    expected = FABRIC.times_s("all_gather", [1, 2, 3], ranks=4, threads=2).tolist()
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[list[float]] = context.Queue()
    child = context.Process(target=_times_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=30) == expected
    child.join()


@pytest.fixture
def keyboard() -> Iterator[None]:
    """Let SIGINT interrupt, also where the suite runs in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_ends_a_batch() -> None:
    # Minutes of work; the signal arrives with the first report of progress.
    long = cm.grid(
        fabric="cm384", collective="all_to_all", algorithm="shift", ranks=512, size_bytes=10**9,
        seed=range(50),
    )  # fmt: skip

    def interrupt(_done: int, _total: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cm.sweep(long, progress=interrupt)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_ends_a_long_simulation() -> None:
    # A timer stands for the user; the simulation takes many times as long.
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            cm.simulate(FABRIC, "all_to_all", size_bytes=10**9, routing="hash", algorithm="direct")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_error_in_the_progress_callback_ends_a_batch() -> None:
    def fail(_done: int, _total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cm.sweep(scenarios()[:3], progress=fail)
