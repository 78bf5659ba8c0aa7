"""What it costs that a flow joins or leaves, with so many others under way on a CM384.

Wall time through the wheel; each figure beside its promise. `join`: a flow is injected, the session
has it served from then on, and says what comes first. `leave`: one is cancelled, likewise. Who
sends to whom decides how many rates a join changes: `random_ends` is the worst, as nearly all ports
hold back flows that meet again and again; `incast` sends all to one die; `pairs` lets every die
send to one other; `nodes` keeps within a node.
"""

import random
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
N_DIES = FABRIC.n_endpoints
STEP_PS = 1_000_000


def random_ends(rng: random.Random) -> tuple[int, int]:
    src, dst = rng.sample(range(N_DIES), 2)
    return src, dst


def incast(rng: random.Random) -> tuple[int, int]:
    return rng.randrange(2, N_DIES), 0


def pairs(rng: random.Random) -> tuple[int, int]:
    src = rng.randrange(N_DIES)
    return src, (src + N_DIES // 2) % N_DIES


def nodes(rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(0, N_DIES, 16)
    src, dst = rng.sample(range(first, first + 16), 2)
    return src, dst


Ends = Callable[[random.Random], tuple[int, int]]

# With 100 flows 50 us are promised, with 10,000 200 us.
CASES: list[tuple[Ends, str, int]] = [
    (random_ends, "spray", 100),
    (random_ends, "spray", 1_000),
    (random_ends, "spray", 10_000),
    (random_ends, "plane", 10_000),
    (random_ends, "dest", 10_000),
    (random_ends, "hash", 10_000),
    (incast, "spray", 10_000),
    (pairs, "spray", 10_000),
    (nodes, "spray", 10_000),
]


def join(session: cm.Session, rng: random.Random, ends: Ends) -> int:
    src, dst = ends(rng)
    return session.inject(session.now_ps, src, dst, rng.randrange(10**9, 10**10))


@pytest.mark.parametrize(("ends", "routing", "n_live"), CASES)
def test_a_join_and_a_leave(
    capsys: pytest.CaptureFixture[str], ends: Ends, routing: str, n_live: int
) -> None:
    rng = random.Random(n_live)
    session = FABRIC.session(routing=routing)
    live = [join(session, rng, ends) for _ in range(n_live)]
    session.next_event_ps()
    spent: dict[str, list[float]] = {"join": [], "leave": []}
    for turn in range(400):
        session.advance_to(session.now_ps + STEP_PS)
        what = ("join", "leave")[turn % 2]
        gone = rng.randrange(len(live))
        begin = time.perf_counter()
        if what == "join":
            live.append(join(session, rng, ends))
        else:
            session.cancel(live.pop(gone))
        session.next_event_ps()
        spent[what].append(time.perf_counter() - begin)
    promise_us = 50 if n_live == 100 else 200
    for what, times in spent.items():
        times.sort()
        median, late = statistics.median(times) * 1e6, times[len(times) * 95 // 100] * 1e6
        with capsys.disabled():
            print(
                f"\n{what}, {n_live} flows, {ends.__name__}, {routing}: median {median:.1f} us, "
                f"95% {late:.1f} us; promised {promise_us} us; {session.exactness}"
            )


def resident_kib() -> int:
    """Return the memory of the process in KiB."""
    found = re.search(r"VmRSS:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def test_a_million_events_in_bounded_memory(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    session = FABRIC.session()
    n_events, size = 0, 200_000
    marks = []
    begin = time.perf_counter()
    while n_events < 1_000_000:
        while session.n_live < 100:
            src, dst = rng.sample(range(FABRIC.n_endpoints), 2)
            session.inject(session.now_ps, src, dst, rng.randrange(size, 2 * size))
            n_events += 1
        promise = session.next_event_ps()
        assert promise is not None
        n_events += len(session.advance_to(promise))
        if n_events // 100_000 > len(marks):
            marks.append(resident_kib())
    spent = time.perf_counter() - begin
    each_us = spent / n_events * 1e6
    with capsys.disabled():
        print(
            f"\n{n_events} joins and arrivals in {spent:.1f} s, {each_us:.1f} us each; "
            f"resident KiB after each 100,000: {marks}; {session.exactness}"
        )
