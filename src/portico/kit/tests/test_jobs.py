"""Sweeps: each runs when it is due, one that fails stops no other, and the worker ends when told."""

import time
from datetime import datetime
from itertools import pairwise
from threading import Event

import pytest

from portico.kit import jobs
from portico.kit.jobs import LONGEST_WAIT, Sweep, Turn, loop, run_once, sweep
from portico.kit.models import Heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def connections_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's transaction must outlive a turn."""
    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)
    monkeypatch.setattr("portico.kit.jobs.connection.close", lambda: None)


def test_a_sweep_is_registered_by_app_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "registry", {})

    def send_letters(now: datetime) -> int:
        return 0

    send_letters.__module__ = "portico.billing.jobs"
    sweep(every=5)(send_letters)
    assert jobs.registry == {"billing.send_letters": Sweep("billing.send_letters", 5, send_letters)}


def test_the_loop_runs_all_again_and_again_and_one_bad_sweep_stops_no_other() -> None:
    stop = Event()
    seen: list[str] = []

    def bad(now: datetime) -> int:
        seen.append("bad")
        raise RuntimeError("broken")

    def good(now: datetime) -> int:
        assert now.utcoffset() is not None
        seen.append("good")
        if seen.count("good") == 3:
            stop.set()
        return 0

    loop(stop, [Sweep("bad", 0, bad), Sweep("good", 0, good)], pause=0.01)
    assert seen.count("good") == 3
    assert seen.count("bad") == 1  # it waits before it tries again
    beat = Heartbeat.objects.get(name="bad")
    assert (beat.failures, beat.succeeded_at) == (1, None)
    assert Heartbeat.objects.get(name="good").failures == 0


def test_what_may_wait_least_goes_between_the_batches_of_something_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of slow work keeps nobody waiting who looks every second; and it has its own turn all the same."""
    stop, clock = Event(), [1000.0]
    monkeypatch.setattr("portico.kit.jobs.time.monotonic", lambda: clock[0])
    seen: list[str] = []

    def slow(name: str) -> int:
        seen.append(name)
        clock[0] += 3
        if len(seen) > 60:
            stop.set()
        return 1

    def quick(now: datetime) -> int:
        seen.append("quick")
        clock[0] += 0.1
        return 0

    slow_ones = [Sweep(name, 60, lambda now, name=name: slow(name)) for name in "abcdef"]  # type: ignore[misc]
    loop(stop, [*slow_ones, Sweep("quick", 1, quick)], pause=0.01)
    places = [place for place, name in enumerate(seen) if name == "quick"]
    assert max(after - before for before, after in pairwise(places)) <= 2, "at most one batch lies between"
    assert set(seen) == {*"abcdef", "quick"}


def test_a_failing_sweep_waits_longer_each_time_and_recovers() -> None:
    broken = [True]

    def run(now: datetime) -> int:
        if broken[0]:
            raise RuntimeError("broken")
        return 0

    turn = Turn(Sweep("s", 4, run))
    waits = []
    for _attempt in range(9):
        turn.take()
        waits.append(round(turn.due - time.monotonic()))
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (8, LONGEST_WAIT)
    broken[0] = False
    turn.take()
    assert turn.failures == 0
    beat = Heartbeat.objects.get(name="s")
    assert beat.failures == 0
    assert beat.succeeded_at is not None


def test_work_found_means_look_again_at_once() -> None:
    turn = Turn(Sweep("s", 600, lambda now: 5))
    turn.take()
    assert turn.due <= time.monotonic()


def test_a_worker_told_to_stop_starts_nothing_more() -> None:
    stop = Event()
    stop.set()
    loop(stop, [Sweep("s", 0, lambda now: pytest.fail("ran"))])


def test_run_once_drains_and_lets_faults_through(now: datetime) -> None:
    left = [3]

    def drain(now: datetime) -> int:
        left[0] -= left[0] > 0
        return int(left[0] > 0)

    assert run_once(now, [Sweep("s", 1, drain)]) == 2
    with pytest.raises(RuntimeError, match="again and again"):
        run_once(now, [Sweep("s", 1, lambda now: 1)])
