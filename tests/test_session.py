"""Sessions: what they report is what a batch run of the same flows gives."""

import heapq
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cm_collectives as cm
from oracle import Case, ceil_ps, random_case
from oracle import simulate as slowly

LINE_RATE = cm.Fabric.preset("cm384", nodes=2, timing="line_rate")
FABRIC = cm.Fabric.preset("cm384", nodes=3)

Flow = tuple[int, int, int, int]  # start, source, destination, bytes

# Ends from few dies, so that flows meet; sizes and starts with and without common factors.
FLOWS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),
        st.integers(0, 9).map(lambda end: 5 * end),
        st.integers(0, 9).map(lambda end: 5 * end + 1),
        st.sampled_from([0, 1, 4096, 98_304, 99_991, 250_000]),
    ),
    min_size=1,
    max_size=25,
)


def batch(fabric: cm.Fabric, flows: list[Flow], routing: str = "spray", seed: int = 0) -> list[int]:
    frame = pl.DataFrame(flows, schema=["start_ps", "src", "dst", "size_bytes"], orient="row")
    return (
        cm.simulate_flows(fabric, frame, routing=routing, seed=seed)
        .transfers["arrived_ps"]
        .to_list()
    )


def drained(session: cm.Session) -> dict[int, int]:
    """Advances from promise to promise, and holds each promise against what comes."""
    arrived: dict[int, int] = {}
    while (promise := session.next_event_ps()) is not None:
        assert session.advance_to(promise - 1) == [] if promise > session.now_ps else True
        now = session.advance_to(promise)
        assert now, "a promise is kept as long as nothing joins"
        assert [each.time_ps for each in now] == [promise] * len(now)
        assert [each.id for each in now] == sorted(each.id for each in now)
        arrived |= {each.id: each.time_ps for each in now}
    return arrived


@settings(max_examples=40, deadline=None)
@given(flows=FLOWS, how=st.sampled_from(["ahead", "in time", "stepwise"]))
def test_arrivals_are_those_of_a_batch_run(flows: list[Flow], how: str) -> None:
    flows = sorted(flows)
    session = FABRIC.session()
    arrived: dict[int, int] = {}
    for start_ps, src, dst, size_bytes in flows:
        if how == "stepwise":
            while (promise := session.next_event_ps()) is not None and promise <= start_ps:
                arrived |= {each.id: each.time_ps for each in session.advance_to(promise)}
        if how != "ahead":
            arrived |= {each.id: each.time_ps for each in session.advance_to(start_ps)}
        session.inject(start_ps, src, dst, size_bytes)
    arrived |= drained(session)
    assert [arrived[number] for number in range(len(flows))] == batch(FABRIC, flows)
    assert session.exactness.startswith("exact")
    assert session.n_live == 0


def session_of(case: Case) -> cm.Session | None:
    """Open a session on the fabric of a case; None where the shares are too fine, as in a batch."""
    nodes, links = pl.DataFrame(case.node_columns()), pl.DataFrame(case.link_columns())
    session = cm.Fabric.from_frames(nodes, links).degrade(case.degrade).session()
    try:
        for row in case.flows:
            session.cancel(session.inject(0, row.src, row.dst, 1))
    except cm.CmError as error:
        if "denominator above 2^" in str(error):
            return None
        raise
    return session


def plan(rng: random.Random, case: Case) -> tuple[list[tuple[int, int, str, int]], dict[int, int]]:
    """Return what happens when (time, turn, what, flow), and when flows leave."""
    steps: list[tuple[int, int, str, int]] = []
    leaves_ps: dict[int, int] = {}
    for index, row in enumerate(case.flows):
        joins_ps = rng.choice([row.start_ps, row.start_ps, rng.randint(0, row.start_ps)])
        steps.append((joins_ps, len(steps), "join", index))
        if rng.random() < 0.4:
            leaves_ps[index] = joins_ps + rng.choice([0, 10**9, rng.randint(0, 3 * 10**12)])
            steps.append((leaves_ps[index], len(steps), "leave", index))
    for _ in range(rng.randint(0, 12)):
        what = rng.choice(["ask", "ask", "go", "fork"])
        steps.append((rng.randint(0, 3 * 10**12), len(steps), what, 0))
    return sorted(steps), leaves_ps


def expected(case: Case, leaves_ps: dict[int, int]) -> dict[int, int]:
    """Return when the oracle sees which flows arrive.

    What is on its way when it is cancelled is not reported either.
    """
    capacities, flows = case.routed()
    run = slowly(capacities, flows, leaves_ps=leaves_ps)
    arrived = {i: ceil_ps(each.arrived) for i, each in enumerate(run.times) if i not in run.left}
    return {i: time for i, time in arrived.items() if time <= leaves_ps.get(i, time)}


def interleaved(seed: int) -> bool:
    """Let random flows join and leave, with questions in between, and ask the oracle.

    Flows are injected at their start or before, and some are cancelled. Some turns ask for the next
    event, go a random way, or go on with a fork. False if the fabric is refused.
    """
    rng = random.Random(seed)
    case = random_case(seed, max_flows=10)
    case = replace(case, flows=[replace(row, depends_on=[], follows=[]) for row in case.flows])
    session = session_of(case)
    if session is None:
        return False
    steps, leaves_ps = plan(rng, case)
    reported: dict[int, int] = {}
    flow_of: dict[int, int] = {}

    def go(time_ps: int) -> None:
        assert session is not None
        promise = session.next_event_ps() if rng.random() < 0.5 else None
        now = session.advance_to(time_ps)
        if promise is not None and promise <= time_ps:
            assert now[0].time_ps == promise, f"seed {seed}"
        assert now == sorted(now, key=lambda each: (each.time_ps, each.id))
        reported.update({flow_of[each.id]: each.time_ps for each in now})

    for time_ps, _, what, index in steps:
        go(time_ps)
        row = case.flows[index]
        if what == "join":
            flow_of[session.inject(row.start_ps, row.src, row.dst, row.size_bytes)] = index
        elif what == "leave" and index not in reported:
            session.cancel(next(each for each, flow in flow_of.items() if flow == index))
        elif what == "ask":
            session.next_event_ps()
        elif what == "fork":
            other, session = session, session.fork()
            other.advance_to(10**14)
    go(10**16)
    assert reported == expected(case, leaves_ps), f"seed {seed}"
    assert session.exactness.startswith("exact"), f"seed {seed}"
    assert session.next_event_ps() is None
    return True


def test_flows_that_join_and_leave_take_the_times_of_the_oracle() -> None:
    assert sum(interleaved(seed) for seed in range(120)) >= 90


@pytest.mark.parametrize("routing", cm.routings()["routing"].to_list())
def test_every_routing_routes_as_in_a_batch_run(routing: str) -> None:
    flows = [(1000 * i, i % 7, 16 + i % 5, 10_000 + i) for i in range(30)]
    session = FABRIC.session(routing=routing, seed=3)
    for flow in flows:
        session.inject(*flow)
    arrived = drained(session)
    assert [arrived[i] for i in range(30)] == batch(FABRIC, flows, routing=routing, seed=3)


def test_a_flow_that_joins_delays_an_earlier_promise_and_the_version_says_so() -> None:
    # 196 kB at 196 GB/s take 1 us; half served after 0.5 us, the rest at half the rate takes 1 us.
    session = LINE_RATE.session()
    first = session.inject(0, 2, 0, 196_000, tag="first")
    promise, version = session.next_event_ps(), session.version
    assert promise == 1_000_000
    assert session.version == version, "to ask changes nothing"
    session.advance_to(500_000)
    second = session.inject(500_000, 4, 0, 196_000)
    assert session.version > version
    assert session.next_event_ps() == 1_500_000
    assert session.advance_to(3_000_000) == [
        (first, 1_500_000, "first"),
        (second, 2_000_000, None),
    ]


def test_a_flow_that_leaves_gives_its_rate_back() -> None:
    session = LINE_RATE.session()
    kept = session.inject(0, 2, 0, 196_000)
    gone = session.inject(0, 4, 0, 196_000)
    assert session.next_event_ps() == 2_000_000
    session.advance_to(1_000_000)
    session.cancel(gone)  # 98 kB are left of the other: 0.5 us alone
    assert session.advance_to(9_000_000) == [(kept, 1_500_000, None)]


def test_a_flow_can_be_cancelled_before_it_starts_and_after_it_was_served() -> None:
    session = FABRIC.session()
    session.cancel(session.inject(5_000, 0, 20, 10**6))
    assert session.next_event_ps() is None
    number = session.inject(0, 0, 40, 1)
    promise = session.next_event_ps()
    assert promise is not None
    assert session.advance_to(promise - 1) == []  # a byte is served long before it arrives
    session.cancel(number)
    assert session.advance_to(10**9) == []
    assert session.n_live == 0


def test_equal_times_come_in_the_order_of_ids() -> None:
    session = LINE_RATE.session()
    for source in (8, 2, 6, 4):
        session.inject(0, source, 0, 49_000)
    assert [each.id for each in session.advance_to(1_000_000)] == [0, 1, 2, 3]


def test_a_fork_goes_its_own_way() -> None:
    session = LINE_RATE.session()
    session.inject(0, 2, 0, 196_000, tag="mine")
    session.advance_to(500_000)
    fork = session.fork()
    fork.inject(500_000, 4, 0, 196_000)
    assert fork.next_event_ps() == 1_500_000
    assert session.next_event_ps() == 1_000_000
    assert session.advance_to(10**7) == [(0, 1_000_000, "mine")]
    assert [each.tag for each in fork.advance_to(10**7)] == ["mine", None]


def test_times_closer_than_a_double_tells_are_told_apart_by_a_replay() -> None:
    # p+1 bytes at p B/s end at (p+1)/p s, p bytes at p-1 B/s at p/(p-1) s: for p = 10^9 that is
    # 10^12 + 1000 ps and 10^12 + 1000 + 10^-6 ps, which differ by 10^-18 of the time.
    p = 10**9
    ends = ["a", "b", "c", "d", "e", "f"]
    nodes = pl.DataFrame({"node": ends, "kind": ["endpoint"] * 6})
    links = pl.DataFrame(
        {"src": ["a", "c", "e"], "dst": ["b", "d", "f"], "rate_Bps": [p, p - 1, p]}
    ).with_columns(latency_ps=0)
    session = cm.Fabric.from_frames(nodes, links).session()
    session.inject(0, "a", "b", p + 1)
    session.inject(0, "c", "d", p)
    session.inject(0, "e", "f", 2 * p)
    assert session.next_event_ps() == 10**12 + 1000
    first = session.advance_to(10**12 + 1001)
    assert [each.time_ps for each in first] == [10**12 + 1000, 10**12 + 1001]
    assert session.exactness == "exact (extended)"
    assert session.advance_to(2 * 10**12)[0].time_ps == 2 * 10**12
    assert session.exactness == "exact", "with nothing under way doubles are enough again"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.inject(999, 0, 1, 8), ["t_ps", "1000", "999"]),
        (lambda s: s.inject(-1, 0, 1, 8), ["t_ps", "-1"]),
        (lambda s: s.inject(1.5, 0, 1, 8), ["t_ps"]),
        (lambda s: s.inject(2**63, 0, 1, 8), ["t_ps"]),
        (lambda s: s.inject(1000, 0, 48, 8), ["dst", "48"]),
        (lambda s: s.inject(1000, "die7", 1, 8), ["src", "die7"]),
        (lambda s: s.inject(1000, src=True, dst=1, size_bytes=8), ["src", "True"]),
        (lambda s: s.inject(1000, 0, 1, -8), ["size_bytes", "-8"]),
        (lambda s: s.advance_to(999), ["t_ps", "1000", "999"]),
        (lambda s: s.advance_to("1"), ["t_ps"]),
        (lambda s: s.cancel(7), ["7"]),
        (lambda s: s.cancel(0), ["id 0"]),
        (lambda s: s.cancel(-1), ["flow"]),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    call: Callable[[cm.Session], object], words: list[str]
) -> None:
    session = FABRIC.session()
    session.cancel(session.inject(0, 4, 20, 10**6))
    session.inject(1000, 0, 20, 10**6)
    session.advance_to(1000)
    fork = session.fork()
    state = (session.version, session.n_live, session.next_event_ps())
    with pytest.raises(cm.ArgumentError) as error:
        call(session)
    assert all(word in str(error.value) for word in words), error.value
    assert (session.version, session.n_live, session.next_event_ps()) == state
    assert session.advance_to(10**13) == fork.advance_to(10**13)


def test_a_routing_that_does_not_exist_is_refused() -> None:
    with pytest.raises(cm.ArgumentError, match="spray"):
        FABRIC.session(routing="sprai")


def test_numpy_integers_are_taken() -> None:
    session = FABRIC.session()
    session.inject(np.int64(5), np.int32(0), np.uint8(20), np.int64(4096))
    assert session.advance_to(np.int64(10**9))[0].id == 0


def test_a_host_with_a_heap_sees_what_a_batch_run_gives() -> None:
    """An event loop of its own: jobs compute, send, and the receiver sends on."""
    session = FABRIC.session()
    heap: list[tuple[int, int, tuple[int, int]]] = [(0, hop, (hop, hop + 20)) for hop in range(4)]
    sent, arrived, turn = [], {}, len(heap)
    while heap or session.n_live:
        promise = session.next_event_ps()
        if heap and (promise is None or heap[0][0] < promise):
            now_ps, _, (src, dst) = heapq.heappop(heap)
            sent.append((now_ps, src, dst, 300_000))
            session.inject(now_ps, src, dst, 300_000, tag=(src, dst))
            continue
        assert promise is not None
        for number, time_ps, ends in session.advance_to(promise):
            arrived[number] = time_ps
            assert isinstance(ends, tuple)
            src, dst = ends
            if len(sent) + len(heap) < 12:  # the receiver computes for 2 us, then sends on
                heapq.heappush(heap, (time_ps + 2_000_000, turn, (dst, (dst + 13) % 48)))
                turn += 1
    assert [arrived[i] for i in range(12)] == batch(FABRIC, sent)
