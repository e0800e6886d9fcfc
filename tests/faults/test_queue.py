"""`./portico worker` on PostgreSQL: several processes share the sweeps, and what a killed one had taken is taken up again."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bench.faults import environment_of, faults_in, still_due
from bench.pages import in_process
from portico.commands import CHECKOUT
from portico.commands.postgres import DURABLE, cluster
from portico.commands.processes import end, start

pytestmark = pytest.mark.postgresql
MANY = 1_500
TAKEN = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND task_name = 'billing.renewals'"


@contextmanager
def worker(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """The product's worker."""
    process = start([sys.executable, "-m", "portico.cli", "worker"], environment, directory=CHECKOUT)
    try:
        yield process
    finally:
        end([process], patience=30)


def until(what: Callable[[], Any], seconds: float = 90.0, pause: float = 0.05) -> Any:
    """What it says once it says something; an assertion when it never does."""
    last = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < last, "it never happened"
        time.sleep(pause)
    return found


def test_a_killed_worker_s_job_is_taken_up_again_by_another() -> None:
    with tempfile.TemporaryDirectory(prefix="portico-queue-") as directory, cluster(DURABLE) as server:
        server.create()
        environment = environment_of(server.url, directory) | {"PORTICO_WORKER": "queue"}
        in_process(environment, "bench.renewing", "fill", str(MANY))
        with psycopg.connect(server.url, autocommit=True) as wire:

            def one(sql: str, *values: Any) -> Any:
                row = wire.execute(sql, values).fetchone()
                return row and row[0]

            with worker(environment) as first:
                job = until(lambda: one(TAKEN))
                first.kill()
                first.wait()
            assert one("SELECT status FROM procrastinate_jobs WHERE id = %s", job) == "doing", "nobody gave it back"
            assert still_due(server.url)
            with worker(environment) as second, worker(environment) as third:
                until(lambda: still_due(server.url) == 0, 180)
                until(lambda: one("SELECT status FROM procrastinate_jobs WHERE id = %s", job) != "doing")
                assert (second.poll(), third.poll()) == (None, None)
                second.terminate()
                third.terminate()
                assert (second.wait(30), third.wait(30)) == (0, 0), "they stop when they are told to"
            beats = one("SELECT count(*) FROM kit_heartbeat WHERE succeeded_at IS NOT NULL AND failures = 0")
            assert beats > 10, "the sweeps' heartbeats are written as ever"
            twice = one(
                "SELECT count(*) FROM (SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' "
                "GROUP BY task_name HAVING count(*) > 1) AS several"
            )
            assert twice == 0, "of each sweep one waits at most"
        assert list(faults_in(in_process(environment, "bench.renewing", "verify", str(MANY)))) == []
