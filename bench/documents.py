"""`./portico bench documents`: what an invoice costs as one file, PDF with its e-invoice inside, on one core and on two.

The papers are made in memory, each with another number and other words, so that nothing of one is kept for the next. Everything
is inside: the business terms, the CII, the QR code, the typesetting, the declaration in the metadata. No database is asked.

Then invoices of another system are imported, on SQLite and on PostgreSQL; a ZIP comes from a running portal (bench/zips.py).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import zips
from bench.pages import filled_postgresql, in_process, plain_environment, speed
from bench.table import Row, at_least, at_most, measured
from portico.commands import CHECKOUT

NAME = "documents"
PAPERS = 60
SECONDS = 6.0
FOREIGN = 150
"""Files of each kind that are imported."""
PEER_MS = 140.0
"""WeasyPrint 70 on the same paper without an e-invoice, PDF/A-3 (measured in the trial of parts)."""


def run(options: object) -> Iterator[Row]:
    """Every measurement, as it is made."""
    best, usual = speed()
    yield measured(NAME, "this machine: a fixed loop of Python, best", best, "ms")
    yield measured(NAME, "this machine: a fixed loop of Python, usual", usual, "ms")
    (alone,) = at_work(1)
    yield measured(NAME, "first paper of a process", alone["first"], "ms")
    yield at_most(NAME, "invoice of 8 lines: PDF with XML, warm, median", alone["short"], "ms", 50, reference=PEER_MS)
    yield measured(NAME, "invoice of 8 lines: 95 % are quicker than", alone["short_p95"], "ms")
    yield measured(NAME, "invoice of 8 lines: CII alone", alone["cii"], "ms")
    yield measured(NAME, "invoice of 8 lines: UBL alone", alone["ubl"], "ms")
    yield measured(NAME, "invoice of 8 lines: our own checks before a number", alone["checks"], "ms")
    yield measured(NAME, "invoice of 8 lines: size", alone["kilobytes"], "kB")
    yield at_most(NAME, "invoice of 100 lines: PDF with XML, warm, median", alone["long"], "ms", 150)
    yield measured(NAME, "memory of one worker", alone["megabytes"], "MB")
    yield from rules_of(alone)
    yield from imports()
    both = at_work(2)
    two = sum(one["rate"] for one in both)
    yield measured(NAME, "one worker, a second of its core", alone["rate_of_cpu"], "/s")
    yield measured(NAME, "one worker, by the clock", alone["rate"], "/s")
    yield measured(NAME, "two workers, by the clock", two, "/s")
    yield at_least(NAME, "two workers to one, by the clock", two / alone["rate"], "×", 1.7)
    yield from zips.rows()


def imports() -> Iterator[Row]:
    """Invoices of another system, by one worker, on each database."""
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory:
        yield from imported("SQLite", f"sqlite://{directory}/portico.sqlite3", Path(directory))
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory, filled_postgresql() as (url, _pid):
        yield from imported("PostgreSQL", url, Path(directory))


def imported(database: str, url: str, directory: Path) -> Iterator[Row]:
    """Files a second, one process and its database, by the clock."""
    told = in_process(plain_environment(url, directory), "bench.foreign", str(FOREIGN))
    kinds = {"ubl": "UBL", "cii": "CII", "pdf": "PDF with CII inside"}
    for kind, words in kinds.items():
        yield measured(NAME, f"import on {database}: {words}, 8 lines", told[kind], "/s")
    together = len(kinds) / sum(1 / told[kind] for kind in kinds)
    yield at_least(NAME, f"import on {database}: all three", together, "/s", 50)


def rules_of(told: dict[str, float]) -> Iterator[Row]:
    """The official rules in their child process."""
    yield measured(
        NAME, "official rules, CII and UBL, first (the child starts and compiles)", told["rules_first"], "ms"
    )
    yield measured(NAME, "official rules, CII and UBL, warm", told["rules"], "ms")


def at_work(processes: int) -> list[dict[str, float]]:
    """What so many workers say, all at work at the same time."""
    environment = {
        **os.environ,
        "PORTICO_RUN": "embedded",
        "DJANGO_SETTINGS_MODULE": "portico.settings",
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'src'}",
    }
    command = [sys.executable, "-m", "bench.papers", str(processes)]
    workers = [
        subprocess.Popen(
            command, env=environment, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    for worker in workers:  # all are warm before one begins
        assert worker.stdout is not None
        assert worker.stdout.readline() == "warm\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("begin\n")
        worker.stdin.flush()
    return [json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers]


def timed(work: Any, papers: list[Any]) -> list[float]:
    """CPU milliseconds of each paper, all threads together: what it takes of one core, whoever else is at work."""
    took = []
    for paper in papers:
        began = time.process_time()
        work(paper)
        took.append(1000 * (time.process_time() - began))
    return took


def waited(work: Any, papers: list[Any]) -> list[float]:
    """Milliseconds by the clock of each paper, for what another process does."""
    took = []
    for paper in papers:
        began = time.perf_counter()
        work(paper)
        took.append(1000 * (time.perf_counter() - began))
    return took


def p95(took: list[float]) -> float:
    """Nineteen of twenty are quicker."""
    return statistics.quantiles(took, n=20)[-1]
