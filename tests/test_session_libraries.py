"""Sessions on calibrated fabrics: a collective takes what its library adds, as in `simulate`."""

import warnings
from typing import Any

import polars as pl
import pytest

import cm_collectives as cm

NCCL = cm.Fabric.preset("hgx_h100", library="nccl")
HCCL = cm.Fabric.preset("cm384", nodes=3, library="hccl")

# Regimes of both libraries: LL, LL128, bulk, switches, pairs; no size; one rank.
COLLECTIVES: list[dict[str, Any]] = [
    {"collective": "all_reduce", "size_bytes": 8},
    {"collective": "all_reduce", "size_bytes": 2**16, "ranks": 4},
    {"collective": "all_reduce", "size_bytes": 2**28 + 7},
    {"collective": "all_reduce", "size_bytes": 10**6, "algorithm": "ring"},
    {"collective": "all_gather", "size_bytes": 10**6 + 1, "ranks": 7},
    {"collective": "all_to_all", "size_bytes": 10**7, "algorithm": "direct"},
    {"collective": "send_recv", "size_bytes": 512, "ranks": [1, 0]},
    {"collective": "send_recv", "size_bytes": 2**24, "ranks": [0, 3]},
    {
        "collective": "reduce_scatter",
        "size_bytes": 10**6,
        "ranks": 5,
        "start_ps": [0, 1, 2, 3, 10**7],
    },
    {"collective": "broadcast", "size_bytes": 0, "ranks": 4},
    {"collective": "all_reduce", "size_bytes": 10**6, "ranks": 1},
]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.simplefilter("ignore", cm.CalibrationWarning)


@pytest.mark.parametrize("fabric", [NCCL, HCCL], ids=["nccl", "hccl"])
@pytest.mark.parametrize("keywords", COLLECTIVES, ids=str)
def test_a_collective_takes_as_long_as_in_a_batch_run(
    fabric: cm.Fabric, keywords: dict[str, Any]
) -> None:
    expected = cm.simulate(fabric, **keywords).time_ps
    session = fabric.session()
    number = session.inject_collective(0, **keywords, tag="it")
    assert session.next_event_ps() == expected
    assert session.advance_to(expected - 1) == [] if expected else True
    assert session.advance_to(expected) == [(number, expected, "it")]


@pytest.mark.parametrize("library", ["remote-read", "remote-write"])
@pytest.mark.parametrize("ranks", [[0, 1], [2, 0], [0, 40]])
@pytest.mark.parametrize("size_bytes", [1, 4096, 10**8])
def test_memory_far_away_answers_as_in_a_batch_run(
    library: str, ranks: list[int], size_bytes: int
) -> None:
    # Their calibration speaks for some of the network's latency, which must not count twice.
    fabric = cm.Fabric.preset("cm384", nodes=3, library=library)
    expected = cm.simulate(fabric, "send_recv", size_bytes=size_bytes, ranks=ranks).time_ps
    session = fabric.session()
    session.inject_collective(0, "send_recv", size_bytes=size_bytes, ranks=ranks)
    assert session.next_event_ps() == expected


@pytest.mark.parametrize("fabric", [NCCL, HCCL], ids=["nccl", "hccl"])
def test_collectives_at_once_take_the_times_of_a_batch_run(fabric: cm.Fabric) -> None:
    jobs = [
        cm.Job("all_reduce", size_bytes=2**24, ranks=[0, 1, 2, 3], start_ps=7, algorithm="ring"),
        cm.Job("all_gather", size_bytes=2**22, ranks=[2, 3, 4, 5], algorithm="ring"),
        cm.Job("send_recv", size_bytes=2**20, ranks=[6, 0], start_ps=3_000_000),
    ]
    expected = cm.simulate(fabric, jobs).jobs["finish_ps"].to_list()
    session = fabric.session()
    for job in jobs:
        given = job.keywords | {"ranks": list(job.keywords["ranks"])}
        session.inject_collective(0, str(job.collective), **given)
    arrived: dict[int, int] = {}
    while (promise := session.next_event_ps()) is not None:
        now = session.advance_to(promise)
        assert [each.time_ps for each in now] == [promise] * len(now)
        arrived |= {each.id: each.time_ps for each in now}
    assert [arrived[i] for i in range(3)] == expected


def test_flows_and_the_collectives_of_a_library_share_links() -> None:
    # Five dies send 196 MB each into one of 196 GB/s, for 5 ms. To the first of them it does not
    # matter whether the others are collectives or flows; these take the network's time alone.
    fabric = cm.Fabric.preset("cm384", nodes=1, timing="line_rate", library="hccl")
    size_bytes = 196 * 10**6
    jobs = [cm.Job("send_recv", size_bytes=size_bytes, ranks=[2 * i, 0]) for i in range(1, 6)]
    expected = cm.simulate(fabric, jobs).jobs["finish_ps"][0]
    assert expected > 5 * 10**9
    session = fabric.session()
    session.inject_collective(0, "send_recv", size_bytes=size_bytes, ranks=[2, 0], tag="it")
    for i in range(2, 6):
        session.inject(0, 2 * i, 0, size_bytes)
    arrived = {each.id: each.time_ps for each in session.advance_to(10**12)}
    assert arrived == {0: expected} | dict.fromkeys(range(1, 5), 5 * 10**9)


def test_a_link_that_changes_slows_a_collective_of_a_library() -> None:
    given: dict[str, Any] = {"size_bytes": 2**26, "ranks": 8, "algorithm": "ring"}
    changes = [("node00/die02", 0.25, 50_000_000)]
    expected = cm.simulate(HCCL, "all_gather", set_links=changes, **given).time_ps
    assert expected > cm.simulate(HCCL, "all_gather", **given).time_ps
    session = HCCL.session()
    session.inject_collective(0, "all_gather", **given)
    session.set_link(*changes[0])
    assert session.next_event_ps() == expected
    session.advance_to(50_000_000)
    assert session.next_event_ps() == expected


def test_a_flow_sees_the_links_as_they_are() -> None:
    flows = pl.DataFrame({"src": [0], "dst": [20], "size_bytes": [10**6]})
    expected = cm.simulate_flows(HCCL, flows).time_ps
    session = HCCL.session()
    session.inject_collective(0, "all_reduce", size_bytes=8, ranks=[1, 2])
    session.inject(0, 0, 20, 10**6, tag="flow")
    assert [each.time_ps for each in session.advance_to(10**12) if each.tag] == [expected]


def test_a_collective_the_library_has_not_is_refused_and_changes_nothing() -> None:
    session = cm.Fabric.preset("cm384", library="remote-read").session()
    with pytest.raises(cm.UnsupportedError, match="has no"):
        session.inject_collective(0, "all_reduce", size_bytes=8, ranks=4)
    assert (session.version, session.n_live) == (0, 0)


def test_a_collective_beyond_what_was_measured_warns() -> None:
    session = cm.Fabric.preset("hgx_h200", library="nccl").session()
    with pytest.warns(cm.CalibrationWarning, match="outside"):
        session.inject_collective(0, "all_reduce", size_bytes=8, ranks=2)
