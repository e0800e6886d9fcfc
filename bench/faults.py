"""Renewals while workers are killed and PostgreSQL loses its current: each once, without a gap, or the harness says so.

Three workers renew; at random moments one is killed with SIGKILL and replaced, and the server is stopped in immediate mode.
Afterwards every subscription, number and chain is looked at (`bench.renewing verify`). `guarded=False` takes the guards of the
numbers off (the counter's lock, the unique number), to show that the harness sees what it looks for.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.pages import in_process
from bench.server import children
from portico.commands import CHECKOUT
from portico.commands.postgres import DURABLE, Cluster, cluster
from portico.commands.processes import end, start

WORKERS = 3
LEFT = """
    SELECT count(*) FROM billing_subscription
    WHERE auto_renew AND state = 'active' AND period_end <= current_date AND renewal_problem = ''
"""


@dataclass(frozen=True)
class Fault:
    """What was done to the workers, what they made, and what is wrong with it."""

    kills: int
    restarts: int
    seconds: float
    renewed: int
    invoices: int
    wrong: tuple[str, ...]


def environment_of(url: str, directory: str) -> dict[str, str]:
    """The environment of a portal on this database."""
    return {
        "DATABASE_URL": url,
        "PORTICO_DATA": str(Path(directory) / "data"),
        "PORTICO_SECRET_KEY": "bench-x4w8Qz1nLr6uTy3vKe9bHs7dJf5gPa2mCo0iRtEyUqWlZxNk",
        "PORTICO_BASE_URL": "http://127.0.0.1:8000",
        "PORTICO_PROVIDERS": "bank_transfer",
        "PORTICO_LOG_LEVEL": "CRITICAL",
        "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'src'}",
        "PORTICO_RUN": "production",
        "DJANGO_SETTINGS_MODULE": "portico.settings",
    }


def run(count: int, *, kills: int, restarts: int, guarded: bool = True, limit: float = 900.0) -> Fault:
    """Renew `count` subscriptions through all of it."""
    with tempfile.TemporaryDirectory(prefix="portico-faults-") as directory, cluster(DURABLE) as server:
        server.create()
        environment = environment_of(server.url, directory)
        in_process(environment, "bench.renewing", "fill", str(count))
        if not guarded:
            with psycopg.connect(server.url) as wire:
                wire.execute("ALTER TABLE billing_invoice DROP CONSTRAINT billing_invoice_number_key")
        began = time.monotonic()
        with crew(environment, guarded=guarded) as mother:
            killed, restarted = disturb(server, mother, count, kills, restarts, limit)
        told = in_process(environment, "bench.renewing", "verify", str(count))
    return Fault(
        killed, restarted, time.monotonic() - began, told["renewed_once"], told["invoices"], tuple(faults_in(told))
    )


@contextmanager
def crew(environment: dict[str, str], *, guarded: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """The workers, as children of one process that replaces them."""
    words = [] if guarded else ["unguarded"]
    mother = start(
        [sys.executable, "-m", "bench.renewing", "crew", str(WORKERS), *words], environment, directory=CHECKOUT
    )
    try:
        yield mother
    finally:
        end([mother])


def disturb(
    server: Cluster, mother: "subprocess.Popen[bytes]", count: int, kills: int, restarts: int, limit: float
) -> tuple[int, int]:
    """Kill and restart, spread over the work, until nothing is left; how often."""
    dice, last = random.Random(4), time.monotonic() + limit  # noqa: S311  # moments, not secrets
    killed = restarted = 0
    while (left := still_due(server.url)) != 0:
        assert time.monotonic() < last, f"{left} are still due after {limit:.0f} s"
        assert mother.poll() is None, "the workers ended"
        progress = 0.0 if left is None else 1 - left / count
        if restarted < restarts and progress > (restarted + 1) / (restarts + 2):
            server.stop()
            server.start()
            restarted += 1
        victims = children(mother.pid)
        if victims and killed < kills and killed < 1 + kills * progress * 1.4:
            try:
                subprocess.run(["kill", "-KILL", str(dice.choice(victims))], check=True, stderr=subprocess.DEVNULL)
                killed += 1
            except subprocess.CalledProcessError:
                continue
        time.sleep(dice.uniform(0.02, 0.12))
    return killed, restarted


def still_due(url: str) -> int | None:
    """How many are due; None while the server does not answer."""
    try:
        with psycopg.connect(url, connect_timeout=2) as wire:
            row = wire.execute(LEFT).fetchone()
    except psycopg.OperationalError:
        return None
    return int(row[0]) if row else None


def faults_in(told: dict[str, Any]) -> Iterator[str]:
    """What is wrong, in words."""
    count = told["subscriptions"]
    for name in ("renewed_once", "invoices", "last_number", "counted"):
        if told[name] != count:
            yield f"{name} is {told[name]}, not {count}"
    if not told["gapless"]:
        yield "the numbers have a gap or a duplicate"
    if told["put_aside"]:
        yield f"{told['put_aside']} were put aside though nothing was wrong with them"
    yield from told["violations"]
