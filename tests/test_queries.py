"""Cost queries: the answers of `simulate`, remembered, wherever they are asked."""

import json
import multiprocessing
import pickle
import threading
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import polars as pl
import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384", nodes=4)

# Loops, events, several operations per class, no plan (a tree), the fastest, no size.
QUESTIONS: list[dict[str, Any]] = [
    {"collective": "all_reduce", "algorithm": "ring", "ranks": 64},
    {"collective": "all_to_all", "algorithm": "direct", "ranks": 48},
    {"collective": "all_gather", "algorithm": "nhr", "ranks": 12},
    {"collective": "broadcast", "algorithm": "binomial_tree", "ranks": 7, "root": 3},
    {"collective": "all_reduce", "ranks": 4},
    {"collective": "reduce_scatter", "algorithm": "ring", "ranks": [9, 3, 1, 60]},
    {"collective": "all_reduce", "algorithm": "ring", "ranks": 8, "engine": "bound"},
    {"collective": "all_reduce", "algorithm": "ring", "ranks": 8, "start_ps": 5},
]
SIZES = [1, 17, 4096, 10**6 + 1, 0, 2**33]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_a_query_gives_the_time_of_simulate_whatever_was_asked_before(
    question: dict[str, Any],
) -> None:
    fabric = FABRIC.degrade({})
    for size in SIZES:
        expected = cm.simulate(fabric, **question, size_bytes=size).time_ps
        assert fabric.time_ps(**question, size_bytes=size) == expected
    if "start_ps" not in question:
        several = fabric.times_s(**question, sizes_bytes=SIZES)
        scalars = [fabric.time_s(**question, size_bytes=size) for size in SIZES]
        assert several.tolist() == scalars


def test_what_one_rank_has_is_another_way_to_say_the_size() -> None:
    whole = FABRIC.time_ps("all_gather", 4096, ranks=8, algorithm="ring")
    assert FABRIC.time_ps("all_gather", per_rank_bytes=512, ranks=8, algorithm="ring") == whole


def test_a_bad_size_is_refused_where_a_good_one_was_answered() -> None:
    fabric = FABRIC.degrade({})
    fabric.time_s("all_gather", 4096, ranks=8, algorithm="ring")
    for size, kind in [(-1, cm.ArgumentError), (1.5, cm.ArgumentError), (True, cm.ArgumentError)]:
        with pytest.raises(kind, match="size_bytes"):
            fabric.time_s("all_gather", size, ranks=8, algorithm="ring")
    with pytest.raises(cm.ArgumentError, match="exactly one"):
        fabric.time_s("all_gather", ranks=8, algorithm="ring")


def test_a_list_of_ranks_is_checked_although_an_equal_one_was_answered() -> None:
    fabric = FABRIC.degrade({})
    known = fabric.time_s("all_gather", 4096, ranks=[0, 1, 2], algorithm="ring")
    same = fabric.time_s("all_gather", 4096, ranks=np.array([0, 1, 2]), algorithm="ring")
    assert same == known
    for ranks in ([False, 1, 2], [0, 1, 1], [0, 1, 64], [0, 1, 2.0], []):
        with pytest.raises(cm.ArgumentError, match="ranks"):
            fabric.time_s("all_gather", 4096, ranks=ranks, algorithm="ring")  # type: ignore[arg-type]


def test_lists_tuples_and_arrays_of_the_same_ranks_are_one_question() -> None:
    fabric = FABRIC.degrade({})
    ranks = list(range(20, 60))
    others = list(ranks), tuple(ranks), np.array(ranks), [int(str(rank)) for rank in ranks]
    for same in (ranks, ranks, *others):
        fabric.time_ps("all_gather", 4096, ranks=same, algorithm="ring")
    assert (fabric.cache_info().misses, fabric.cache_info().hits) == (1, 5)


def test_a_list_that_was_answered_is_read_again_when_it_has_changed() -> None:
    fabric = FABRIC.degrade({})
    given: dict[str, Any] = {"collective": "all_gather", "size_bytes": 4096, "algorithm": "ring"}
    ranks = [1, 2, 3]
    near = fabric.time_ps(**given, ranks=ranks)
    ranks[2] = 60
    far = fabric.time_ps(**given, ranks=ranks)
    assert far == cm.simulate(FABRIC, **given, ranks=ranks).time_ps
    assert far != near
    ranks[0] = True
    with pytest.raises(cm.ArgumentError, match=r"ranks\[0\]"):
        fabric.time_ps(**given, ranks=ranks)


def test_more_lists_than_are_kept_are_answered_as_well() -> None:
    fabric = FABRIC.degrade({})
    lists = [[first, second] for first in range(40) for second in range(40, 55)]
    times = [fabric.time_ps("send_recv", 4096, ranks=ranks) for ranks in lists]
    assert times == [fabric.time_ps("send_recv", 4096, ranks=list(ranks)) for ranks in lists]
    assert times[-1] == cm.simulate(FABRIC, "send_recv", size_bytes=4096, ranks=lists[-1]).time_ps


def test_a_fabric_comes_out_of_a_pickle_as_the_one_that_is_there() -> None:
    degraded = FABRIC.degrade({"l2.0.0": 0.5})
    content = pickle.dumps(degraded)
    back = pickle.loads(content)  # noqa: S301
    assert back == degraded
    assert pickle.loads(content) is back  # noqa: S301
    assert pickle.loads(pickle.dumps(FABRIC)) is FABRIC  # noqa: S301
    back.time_s("all_gather", 4096, ranks=3)
    assert pickle.loads(content).cache_info().currsize == 1  # noqa: S301


def _ask(fabric: cm.Fabric, size: int) -> float:
    return fabric.time_s("all_reduce", size, ranks=16, algorithm="ring")


def _ask_many(fabric: cm.Fabric) -> list[float]:
    return [_ask(fabric, size) for size in (1, 4096, 10**6)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_give_the_same_answers(method: str) -> None:
    fabric = FABRIC.degrade({"l2.0.0": 0.5})
    expected = _ask_many(fabric)  # the parent's plans and threads are there before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_ask_many, [fabric] * 3) == [expected] * 3


def test_workers_of_joblib_give_the_same_answers() -> None:
    fabric = FABRIC.degrade({"l2.0.0": 0.75})
    expected = _ask_many(fabric)
    answers = joblib.Parallel(n_jobs=2)(joblib.delayed(_ask_many)(fabric) for _ in range(3))
    assert answers == [expected] * 3


def test_a_child_forked_while_other_threads_ask_answers() -> None:
    fabric = FABRIC.degrade({"l2.0.0": 0.25})
    stop = threading.Event()

    def ask_on() -> None:
        size = 0
        while not stop.is_set():
            size += 1
            _ask(fabric, size)

    asker = threading.Thread(target=ask_on)
    asker.start()
    try:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            answers = pool.map_async(_ask_many, [fabric] * 4).get(timeout=60)
    finally:
        stop.set()
        asker.join()
    assert answers == [_ask_many(fabric)] * 4


PIPELINED = [
    ("all_reduce", {"intra": "ring", "inter": "double_binary_tree"}),
    ("all_reduce", {"intra": "nhr", "inter": "kary_tree"}),
    ("all_reduce", {"intra": "double_binary_tree", "inter": "ring", "order": "inter_first"}),
]


@pytest.mark.parametrize(("collective", "options"), PIPELINED)
@pytest.mark.parametrize("sizes", [(2**26, 2**20, 2**22), (2**20, 2**26, 2**24)])
def test_a_pipeline_is_as_fine_as_its_own_size_asks_for(
    collective: str, options: dict[str, str], sizes: tuple[int, ...]
) -> None:
    # Trees cut their data in pieces of 512 KiB; what was asked before has no say in how many.
    asking: dict[str, Any] = {"ranks": 64, "algorithm": "hierarchical", **options}
    expected = [
        cm.simulate(
            FABRIC, collective, size_bytes=size, engine_options={"orbits": False}, **asking
        ).time_ps
        for size in sizes
    ]
    fabric = FABRIC.degrade({})
    assert [fabric.time_ps(collective, size, **asking) for size in sizes] == expected
    assert [
        cm.simulate(fabric, collective, size_bytes=size, **asking).time_ps for size in sizes
    ] == expected
    times = FABRIC.times_s(collective, list(sizes), **asking)
    assert [round(time * 1e12) for time in times] == expected
    frame = pl.DataFrame(
        {
            "fabric": "mine",
            "collective": collective,
            "size_bytes": sizes,
            "ranks": 64,
            "algorithm": "hierarchical",
            "options": json.dumps(options),
        }
    )
    assert cm.sweep(frame, {"mine": FABRIC})["time_ps"].to_list() == expected
