"""The sweeps over many machines: the same as `kit.jobs.loop` runs, given out by procrastinate on PostgreSQL.

A tick is a row in PostgreSQL, deferred once however many workers there are; whoever is free takes it. A sweep that finds work
calls for help before it goes on, so a large batch spreads over all workers by itself and a small one disturbs nobody. What a
worker that died had taken is put back when its heartbeat has been missing for STALLED_AFTER seconds; the sweep's own rows were
never in danger (docs/decisions/0005-worker.md). Needs the tables of `procrastinate.contrib.django`: `./portico manage migrate`.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from threading import Event

from django.conf import settings
from django.db import close_old_connections, connection
from django.utils import timezone
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status

from portico.kit.jobs import LONGEST_WAIT, Sweep, Turn, discover
from portico.kit.models import Heartbeat

logger = logging.getLogger("portico.queue")
AT_MOST = 10.0
"""Seconds that a sweep goes on before others get their turn."""
BEATS = 5.0
STALLED_AFTER = 20.0
RECONNECTS_AFTER = 2.0
MINUTE = 60
stopping = Event()


def connector() -> PsycopgConnector:
    """Connections of its own to the database of the settings, two at most beside the sweep's."""
    given = connector_params()
    given.pop("prepare_threshold", None)
    return PsycopgConnector(kwargs={name: value for name, value in given.items() if value}, min_size=1, max_size=3)


app = App(connector=connector())


def work(sweeps: Sequence[Sweep] | None = None) -> None:
    """Give out all sweeps, or these, until SIGTERM or SIGINT; the one at work finishes first. A lost database is waited for."""
    sweeps = discover() if sweeps is None else sweeps
    for one in sweeps:
        register(one)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())
    logger.info("queue worker started with %d sweeps", len(sweeps))
    while not stopping.is_set():
        try:
            asyncio.run(serve())
        except Exception:
            logger.exception("the queue was lost; connecting again")
        stopping.wait(RECONNECTS_AFTER)
    logger.info("queue worker stopped")


async def serve() -> None:
    """One connection's life."""
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                install_signal_handlers=False,
                delete_jobs="always",
                update_heartbeat_interval=BEATS,
                stalled_worker_timeout=10 * STALLED_AFTER,
            )
        )
        while not worker.done() and not stopping.is_set():
            await asyncio.wait([worker], timeout=0.5)
        if not worker.done():
            worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def register(one: Sweep) -> None:
    """A task and its ticks; one waits at most, however slow the workers are."""
    task = app.task(name=one.name, queueing_lock=one.name)(partial(take, Turn(one)))
    app.periodic(cron=cron(one.every), periodic_id=one.name)(task)


def cron(every: float) -> str:
    """Every so many seconds as procrastinate reads it, with seconds last."""
    seconds = max(int(every), 1)
    if seconds < MINUTE:
        return f"* * * * * */{seconds}"
    minutes = seconds // MINUTE
    return f"*/{minutes} * * * *" if minutes < MINUTE else f"0 */{min(minutes // MINUTE, 23)} * * *"


def take(turn: Turn, timestamp: int = 0) -> None:
    """Run the sweep while it finds something, with others' help; one that fails is tried again later and later."""
    name, until = turn.sweep.name, time.monotonic() + AT_MOST
    close_old_connections()
    try:
        while turn.sweep.run(timezone.now()):
            call(name)
            if stopping.is_set() or time.monotonic() > until:
                break
    except Exception:
        connection.close()
        turn.failures = failures_of(name) + 1
        wait = min(max(turn.sweep.every, 1.0) * 2**turn.failures, LONGEST_WAIT)
        extra: dict[str, object] = {"sweep": name, "seconds": wait}
        logger.exception("sweep failed; next attempt later", extra=extra)
        turn.note()
        call(name, seconds=int(wait))
        return
    failed, turn.failures = turn.failures > 0, 0
    if failed or time.monotonic() - turn.noted >= settings.PORTICO_HEARTBEAT_SECONDS:
        turn.note()


def failures_of(name: str) -> int:
    """How often it has failed in a row, wherever it ran."""
    found = Heartbeat.objects.filter(name=name).values_list("failures", flat=True).first()
    return min(found or 0, 20)


def call(name: str, *, seconds: int = 0) -> None:
    """Let somebody take the sweep up, now or later; nothing when it waits already, which holds its ticks back too."""
    with suppress(AlreadyEnqueued):
        app.configure_task(name, queueing_lock=name, schedule_in={"seconds": seconds} if seconds else None).defer()


@app.periodic(cron="* * * * * */10")
@app.task(name="kit.stalled", queueing_lock="kit.stalled")
async def put_back(timestamp: int) -> None:
    """What workers that died had taken waits again; where it waits already there is nothing to put back."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER):
        logger.warning("a worker died; its sweep is taken up again", extra={"sweep": job.task_name})
        try:
            await app.job_manager.retry_job(job)
        except ConnectorException:
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
