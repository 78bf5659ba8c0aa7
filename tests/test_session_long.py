"""Ctrl-C while a session lets much happen: it stands at a time and loses nothing."""

import os
import signal
from collections.abc import Iterator

import pytest

import cm_collectives as cm

FABRIC = cm.Fabric.preset("cm384")
END_PS = 10**15


def crowd() -> cm.Session:
    """Return a session with much to do: 8,000 flows between all dies, of all sizes."""
    session = FABRIC.session()
    for i in range(8_000):
        session.inject(i % 7, i * 5 % 768, (i * 11 + 1 + i // 768) % 768, 10**7 + i * 9_973)
    return session


@pytest.fixture
def _alarm() -> Iterator[None]:
    """Let a timer stand for the user."""
    old_int = signal.signal(signal.SIGINT, signal.default_int_handler)
    old_alarm = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old_alarm)
    signal.signal(signal.SIGINT, old_int)


@pytest.mark.usefixtures("_alarm")
def test_a_session_that_is_interrupted_stands_at_a_time_and_goes_on() -> None:
    session = crowd()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the timer may be over at once
        signal.setitimer(signal.ITIMER_REAL, 0.02)  # the call takes many times as long
        session.advance_to(END_PS)
    reached_ps = session.now_ps
    assert reached_ps < END_PS
    arrived = session.advance_to(reached_ps)
    assert all(each.time_ps <= reached_ps for each in arrived)
    arrived += session.advance_to(END_PS)
    assert arrived == crowd().advance_to(END_PS)
