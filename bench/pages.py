"""`./portico bench pages`: what a page costs, on SQLite and PostgreSQL, beside a raw WSGI floor and the nearest peer.

The peer's figures are Odoo 18.0 community's on the same workload and the same two cores (its portal pages; 2 worker processes,
PostgreSQL 15). The floor is measured in the same run: bench/floor.py under the same server. wrk loads every address over
loopback; CPU is what /proc says of the web processes (on SQLite the database lives in them) and of PostgreSQL.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.server import Load, Server, free_port, running
from bench.table import Row, at_least, at_most, measured
from portico.commands import CHECKOUT
from portico.commands.postgres import binaries, throw_away_cluster

NAME = "pages"
VISITOR, PASSWORD = "camille@fontaine.example", "portico-demo"  # the demo's, in a throw-away database
ENGINES = ("sqlite", "postgresql")
SECONDS = 4.0
FEW = 50
PROCESSES = 2


@dataclass(frozen=True)
class Page:
    """One page: its gate in CPU milliseconds, and what the peer needs on one and on eight connections (requests/s, CPU ms)."""

    case: str
    path: str
    gate: float | None = None
    peer: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Site:
    """A filled database and the environment of a portal on it."""

    environment: dict[str, str]
    database: int
    rate: float
    """Invoices issued a second while it was filled."""
    pages: tuple[Page, ...]
    pdf: str
    customer: int


def run(options: object) -> Iterator[Row]:
    """Every measurement, as it is made."""
    best, usual = speed()
    yield measured(NAME, "this machine: a fixed loop of Python, best", best, "ms")
    yield measured(NAME, "this machine: a fixed loop of Python, usual", usual, "ms")
    for engine in ENGINES:
        with filled(engine, invoices=None) as site:
            costs: dict[str, Load] = {}
            yield at_least(NAME, f"{engine}: issue invoices of 3 lines", site.rate, "/s", 500, reference=31)
            with portal(site) as server:
                yield from each_page(engine, site, server, costs)
                yield from files(engine, site, server)
                yield from sign_in(engine, server)
                yield at_most(NAME, f"{engine}: memory of two processes", server.memory(), "MB", 300, reference=396)
                yield measured(NAME, f"{engine}: the same, shared pages once", server.memory_shared_once(), "MB")
                if engine == "sqlite":
                    yield first_visit(server)
                size = len(server.ask("/my/invoices/?size=25")[1])
            yield from beside_floor(engine, site, size, costs)
        with filled(engine, invoices=FEW) as small, portal(small) as server:
            yield from the_same_at_few(engine, small, server, costs)


def speed() -> tuple[float, float]:
    """CPU milliseconds of 20,000 small calls, best and usual of 200: far apart where others share the cores."""
    took = []
    for _ in range(200):
        began = time.process_time()
        for number in range(20_000):
            str(number).find("7")
        took.append(1000 * (time.process_time() - began))
    return min(took), statistics.median(took)


def each_page(engine: str, site: Site, server: Server, costs: dict[str, Load]) -> Iterator[Row]:
    """Requests a second, latency, CPU, queries and bytes of every page."""
    queries = queries_of(site, [page.path for page in site.pages])
    for page in site.pages:
        status, body, _headers = server.ask(page.path)
        assert status == 200, (page.path, status)
        alone = server.load(page.path, connections=1, seconds=SECONDS)
        eight = server.load(page.path, connections=8, seconds=SECONDS)
        costs[page.case] = alone
        peer = page.peer or (None, None, None)
        label = f"{engine}: {page.case}"
        cpu = alone.application
        if page.gate is None:
            yield measured(NAME, f"{label}, CPU of the application", cpu, "ms", reference=peer[2])
        else:
            yield at_most(NAME, f"{label}, CPU of the application", cpu, "ms", page.gate, reference=peer[2])
        if site.database:
            yield measured(NAME, f"{label}, CPU of the database", alone.database, "ms")
        yield measured(NAME, f"{label}, 1 connection", alone.rate, "/s", reference=peer[0])
        yield measured(NAME, f"{label}, 1 connection p50", alone.p50, "ms")
        yield measured(NAME, f"{label}, 1 connection p99", alone.p99, "ms")
        yield measured(NAME, f"{label}, 8 connections", eight.rate, "/s", reference=peer[1])
        yield measured(NAME, f"{label}, 8 connections p50", eight.p50, "ms")
        yield measured(NAME, f"{label}, 8 connections p99", eight.p99, "ms")
        yield measured(NAME, f"{label}, queries", queries[page.path], "")
        if engine == "sqlite":
            yield measured(NAME, f"{page.case}, compressed", len(zlib.compress(body)) / 1000, "kB")


def files(engine: str, site: Site, server: Server) -> Iterator[Row]:
    """An issued PDF, once it is there, and a quotation's, which is drawn anew each time."""
    for case, path in (("invoice PDF, kept", site.pdf), ("quotation PDF, drawn", f"{site.pages[-1].path}pdf/")):
        began = time.perf_counter()
        assert server.ask(path)[1].startswith(b"%PDF")
        first = 1000 * (time.perf_counter() - began)
        yield measured(NAME, f"{engine}: {case}, first", first, "ms", reference=1190)
        took = []
        for _ in range(30):
            began = time.perf_counter()
            server.ask(path)
            took.append(1000 * (time.perf_counter() - began))
        yield at_most(NAME, f"{engine}: {case}, warm", statistics.median(took), "ms", 40, reference=1190)


def sign_in(engine: str, server: Server) -> Iterator[Row]:
    """From the form to the first page: mostly the password's hash, which must be slow."""
    took = []
    for _ in range(8):
        fresh = Server(server.port, server.process, server.database)
        began = time.perf_counter()
        fresh.sign_in(VISITOR, PASSWORD)
        took.append(1000 * (time.perf_counter() - began))
    yield measured(NAME, f"{engine}: sign-in, form and answer", statistics.median(took), "ms")


def first_visit(server: Server) -> Row:
    """What a browser fetches for the start page when it has nothing yet, compressed; fonts apart."""
    page = server.ask("/my/")[1]
    found = {
        path for path in re.findall(r'(?:href|src)="(/[^"#]+)', page.decode()) if re.search(r"\.(css|js|svg)\b", path)
    }
    parts = [page, *(server.ask(urllib.parse.unquote(path))[1] for path in sorted(found))]
    total = sum(len(zlib.compress(part, 9)) for part in parts)
    return at_most(NAME, "first visit, compressed, fonts apart", total / 1000, "kB", 150, reference=515 + 25)


def beside_floor(engine: str, site: Site, size: int, costs: dict[str, Load]) -> Iterator[Row]:
    """The floor's requests a second for the 25-row list, and ours to it."""
    port = free_port()
    environment = {
        "BENCH_DATABASE_URL": site.environment["DATABASE_URL"],
        "BENCH_CUSTOMER": str(site.customer),
        "BENCH_BYTES": str(size),
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'src'}",
    }
    command = [
        "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(PROCESSES),
        "--blocking-threads", "2", "--no-ws", "--no-access-log", "--log-level", "warning", "bench.floor:application",
    ]  # fmt: skip
    with running(command, port, environment, database=site.database, path="/") as server:
        floor = server.load("/", connections=8, seconds=SECONDS)
    with portal(site) as server:
        ours = server.load("/my/invoices/?size=25", connections=8, seconds=SECONDS)
    least = 1 / 16 if engine == "sqlite" else 1 / 10
    yield measured(NAME, f"{engine}: floor, 8 connections", floor.rate, "/s")
    yield measured(NAME, f"{engine}: floor, CPU of the application", floor.application, "ms")
    yield Row(
        NAME, f"{engine}: 25-row list to the floor, 8 connections", ours.rate, "/s", floor.rate, ours.rate / floor.rate,
        round(least * floor.rate, 1), ours.rate >= least * floor.rate,
    )  # fmt: skip


def the_same_at_few(engine: str, small: Site, server: Server, costs: dict[str, Load]) -> Iterator[Row]:
    """Home and lists cost the same where there are fifty invoices."""
    for page in small.pages[:2]:
        few = server.load(page.path, connections=1, seconds=SECONDS)
        many = costs[page.case]
        yield at_most(
            NAME, f"{engine}: {page.case}, CPU at 50,000 invoices to that at {FEW}", many.application / few.application,
            "×", 1.15,
        )  # fmt: skip


# Filling --------------------------------------------------------------------------------------------------------------


@contextmanager
def filled(engine: str, *, invoices: int | None) -> Iterator[Site]:
    """A throw-away database with the workload in it."""
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory:
        if engine == "sqlite":
            yield fill(f"sqlite://{directory}/portico.sqlite3", Path(directory), 0, invoices)
            return
        with filled_postgresql() as (url, pid):
            yield fill(url, Path(directory), pid, invoices)


@contextmanager
def filled_postgresql() -> Iterator[tuple[str, int]]:
    """A throw-away PostgreSQL with an empty database of ours: its address and its process."""
    with throw_away_cluster() as url:
        programs = binaries()
        assert programs is not None
        host = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["host"][0]
        subprocess.run([programs / "createdb", "-h", host, "-U", "portico", "portico"], check=True)
        yield url, int((Path(host) / "data" / "postmaster.pid").read_text().splitlines()[0])


def plain_environment(url: str, directory: Path) -> dict[str, str]:
    """A portal in production on a throw-away database."""
    return {
        "DATABASE_URL": url,
        "PORTICO_DATA": str(directory / "data"),
        "PORTICO_SECRET_KEY": "bench-x4w8Qz1nLr6uTy3vKe9bHs7dJf5gPa2mCo0iRtEyUqWlZxNk",
        "PORTICO_BASE_URL": "http://127.0.0.1:8000",
        "PORTICO_PROVIDERS": "bank_transfer",
        "PORTICO_PROCESSES": str(PROCESSES),
        "PORTICO_LOG_LEVEL": "WARNING",
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'src'}",
    }


def fill(url: str, directory: Path, database: int, invoices: int | None) -> Site:
    """Run the workload in a process of its own, so that nothing of it stays in this one."""
    environment = plain_environment(url, directory)
    told = in_process(environment, "bench.fill", *([str(invoices)] if invoices else []))
    quotation, invoice = told["quotation"], told["invoice"]
    pages = (
        Page("home", "/my/", 4, (56, 116, 13.3)),
        Page("invoice list, 25 rows", "/my/invoices/?size=25"),
        Page("invoice list, 80 rows", "/my/invoices/?size=80", 4, (9.8, 19.8, 61.7)),
        Page("quotation list, 25 rows", "/my/quotations/?size=25"),
        Page("quotation list, 80 rows", "/my/quotations/?size=80"),
        Page("order list, 80 rows", "/my/orders/?size=80"),
        Page("invoice", f"/my/invoices/{invoice}/", 5, (38, 82, 18.8)),
        Page("order", f"/my/orders/{told['order']}/", 5),
        Page("quotation", f"/my/quotations/{quotation}/", 5, (35, 75, 21.5)),
    )
    return Site(environment, database, told["rate"], pages, f"/my/invoices/{invoice}/pdf/", told["customer"])


def in_process(environment: dict[str, str], module: str, *arguments: str) -> Any:
    """What a module of ours says on its last line, in a process with this environment."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment, "PORTICO_RUN": "production", "DJANGO_SETTINGS_MODULE": "portico.settings"},
        cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def portal(site: Site) -> Iterator[Server]:
    """The portal as `./portico serve` runs it, and somebody signed in."""
    port = free_port()
    environment = site.environment | {"PORTICO_BASE_URL": f"http://127.0.0.1:{port}"}
    with running(
        ["-m", "portico.cli", "serve", "--port", str(port)], port, environment, database=site.database
    ) as server:
        server.sign_in(VISITOR, PASSWORD)
        for page in site.pages:  # each process compiles its templates once
            server.wrk(page.path, 8, 1)
        yield server


def queries_of(site: Site, paths: list[str]) -> dict[str, int]:
    """How many statements each page asks."""
    counts: dict[str, int] = in_process(site.environment, "bench.queries", VISITOR, *paths)
    return counts
