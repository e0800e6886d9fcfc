"""The worker: sweeps that look for work in the tables, again and again.

The tables know what is to be done: every effect is a row with its state and its attempts. A sweep claims rows in batches and
is idempotent, so it does not matter who runs it, how often, or whether the last runner died in the middle.

    @sweep(every=5)
    def send_letters(now: datetime) -> int:
        "Handle a batch; return how many."

Apps keep their sweeps in `jobs.py`. `loop` runs them all; one that fails is tried again later and later and stops no other.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from portico.kit.models import Heartbeat

Run = Callable[[datetime], int]
logger = logging.getLogger("portico.jobs")
LONGEST_WAIT = 300.0  # seconds between two attempts of a sweep that keeps failing


@dataclass(frozen=True)
class Sweep:
    """One registered sweep: its name, how often it looks (seconds), and what it does."""

    name: str
    every: float
    run: Run


registry: dict[str, Sweep] = {}


def sweep(*, every: float) -> Callable[[Run], Run]:
    """Register `function(now) -> int`: handle a batch of rows, return how many; more than 0 makes it run again at once."""

    def register(run: Run) -> Run:
        name = f"{run.__module__.removeprefix('portico.').removesuffix('.jobs')}.{run.__name__}"
        registry[name] = Sweep(name, every, run)
        return run

    return register


def discover() -> list[Sweep]:
    """Every sweep of every app, by name; the letters bring the outbox's own."""
    autodiscover_modules("jobs", "letters")
    return [registry[name] for name in sorted(registry)]


def run_once(now: datetime, sweeps: Iterable[Sweep] | None = None) -> int:
    """Run every sweep until it finds nothing more, and let faults through: for tests and for filling the demo."""
    total = 0
    for one in discover() if sweeps is None else sweeps:
        for _attempt in range(1000):
            handled = one.run(now)
            total += handled
            if not handled:
                break
        else:
            raise RuntimeError(f"{one.name} finds the same work again and again")
    return total


@dataclass
class Turn:
    """When a sweep runs next, and how often it has failed in a row."""

    sweep: Sweep
    due: float = 0.0
    failures: int = 0
    noted: float = float("-inf")

    @property
    def deadline(self) -> float:
        """When it should have run at the latest: of several that are due, the one that may wait least goes first."""
        return self.due + self.sweep.every

    def take(self) -> None:
        """Run the sweep now; set when it is due again."""
        started = time.monotonic()
        was_failing = self.failures > 0
        close_old_connections()
        try:
            handled = self.sweep.run(timezone.now())
        except Exception:
            self.failures += 1
            wait = min(max(self.sweep.every, 1.0) * 2**self.failures, LONGEST_WAIT)
            extra: dict[str, object] = {"sweep": self.sweep.name, "seconds": wait}
            logger.exception("sweep failed; next attempt later", extra=extra)
            connection.close()
        else:
            self.failures = 0
            wait = 0.0 if handled else self.sweep.every
            if handled:
                spent = round(time.monotonic() - started, 3)
                logger.info("swept", extra={"sweep": self.sweep.name, "handled": handled, "seconds": spent})
        self.due = time.monotonic() + wait
        if self.failures or was_failing or time.monotonic() - self.noted >= settings.PORTICO_HEARTBEAT_SECONDS:
            self.note()

    def note(self) -> None:
        """Write the heartbeat; a database that does not answer is no reason to stop."""
        now = timezone.now()
        values: dict[str, object] = {"at": now, "failures": self.failures}
        if not self.failures:
            values["succeeded_at"] = now
        try:
            Heartbeat.objects.update_or_create(name=self.sweep.name, defaults=values)
        except Exception:
            logger.exception("heartbeat not written", extra={"sweep": self.sweep.name})
            connection.close()
        else:
            self.noted = time.monotonic()


def loop(stop: Event, sweeps: Iterable[Sweep] | None = None, *, pause: float = 1.0) -> None:
    """Run all sweeps when they are due, until `stop` is set; the sweep at work finishes first.

    The nearest deadline goes first, so that what looks every second waits for one batch of something long, never for a round
    of all of them; and what may wait longest has its turn too, once its deadline is the nearest.
    """
    turns = [Turn(one, time.monotonic()) for one in (discover() if sweeps is None else sweeps)]
    logger.info("worker started with %d sweeps", len(turns))
    while not stop.is_set():
        moment = time.monotonic()
        due = [turn for turn in turns if turn.due <= moment]
        if due:
            min(due, key=lambda turn: turn.deadline).take()
            continue
        nearest = min((turn.due for turn in turns), default=time.monotonic() + pause)
        stop.wait(min(max(nearest - time.monotonic(), 0.0), pause))
    logger.info("worker stopped")
