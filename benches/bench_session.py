"""What it costs that a flow joins or leaves, with so many others under way on a CM384.

Wall time through the wheel; each figure beside its promise. `join`: a flow is injected, the session
has it served from then on, and says what comes first. `leave`: one is cancelled, likewise.
"""

import random
import re
import statistics
import time
from pathlib import Path

import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
STEP_PS = 1_000_000


def grown(session: cm.Session, rng: random.Random, n_live: int) -> list[int]:
    """Let so many flows join at once, each between random dies and of seconds of work."""
    return [join(session, rng, session.now_ps) for _ in range(n_live)]


def join(session: cm.Session, rng: random.Random, now_ps: int) -> int:
    src, dst = rng.sample(range(FABRIC.n_endpoints), 2)
    return session.inject(now_ps, src, dst, rng.randrange(10**9, 10**10))


@pytest.mark.parametrize(("n_live", "promise_us"), [(100, 50), (10_000, 200)])
def test_a_join_and_a_leave(
    capsys: pytest.CaptureFixture[str], n_live: int, promise_us: float
) -> None:
    rng = random.Random(n_live)
    session = FABRIC.session()
    live = grown(session, rng, n_live)
    session.next_event_ps()
    spent: dict[str, list[float]] = {"join": [], "leave": []}
    for turn in range(400):
        session.advance_to(session.now_ps + STEP_PS)
        what = ("join", "leave")[turn % 2]
        gone = rng.randrange(len(live))
        begin = time.perf_counter()
        if what == "join":
            live.append(join(session, rng, session.now_ps))
        else:
            session.cancel(live.pop(gone))
        session.next_event_ps()
        spent[what].append(time.perf_counter() - begin)
    for what, times in spent.items():
        times.sort()
        median, late = statistics.median(times) * 1e6, times[len(times) * 95 // 100] * 1e6
        with capsys.disabled():
            print(
                f"\n{what} with {n_live} flows: median {median:.1f} us, 95% {late:.1f} us; "
                f"promised {promise_us:g} us; {session.exactness}"
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
