"""`./portico bench renewals`: what a renewal costs, and whether customers notice.

50,000 subscriptions of three items are due on PostgreSQL, which keeps what was committed; two workers renew them on the cores
on which PostgreSQL runs too: period, invoice with its number and hash, letters, events, the run's figures. CPU is what /proc
says of the workers and of PostgreSQL. Then all are due again, one niced worker renews them, and customer pages are asked 25
times a second, each answer timed from the moment at which it was due to be asked. `--faults` runs the fault test at full size
instead: 10,000 renewals, 50 kills, two stops of PostgreSQL in immediate mode.
"""

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from bench import faults
from bench.faults import environment_of, still_due
from bench.pages import PASSWORD, VISITOR, in_process, speed
from bench.server import Server, children, cpu_of, free_port, running
from bench.table import Row, at_least, at_most, measured
from portico.commands import CHECKOUT, Stop
from portico.commands.postgres import DURABLE, Cluster, cluster
from portico.commands.processes import end, start

NAME = "renewals"
MANY, FEW = 50_000, 5_000
WORKERS = 2
RATE, SECONDS = 25, 25.0
PAGES = ("/my/", "/my/invoices/?size=25", "/my/subscriptions/", "/my/orders/", "/my/quotations/")
RUNNERS = ("loop", "queue")


def run(options: Namespace) -> Iterator[Row]:
    """Every measurement, as it is made."""
    if getattr(options, "faults", False):
        yield from fault_test()
        return
    best, usual = speed()
    yield measured(NAME, "this machine: a fixed loop of Python, best", best, "ms")
    yield measured(NAME, "this machine: a fixed loop of Python, usual", usual, "ms")
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory, cluster(DURABLE) as server:
        few, costs = {}, {}
        few = prepared(server, directory, "few", FEW)
        for runner in RUNNERS:
            server.create(runner, template="few")
        yield from phases(few)
        server.create("warm", template=RUNNERS[0])
        costs[FEW] = together(server, of(few, "warm"), FEW)
        for runner in RUNNERS:
            yield from by_runner(server, of(few, runner), runner)
        many = prepared(server, directory, "many", MANY)
        costs[MANY] = together(server, many, MANY)
        yield from results(costs[FEW], costs[MANY])
        yield from beside_customers(many)
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory:
        yield from on_sqlite(directory)


def prepared(server: Cluster, directory: str, name: str, count: int) -> dict[str, str]:
    """A database with so many due subscriptions, and its environment."""
    server.create(name)
    environment = environment_of(server.url.replace("/portico?", f"/{name}?"), directory)
    in_process(environment, "bench.renewing", "fill", str(count))
    return environment


def of(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """The same with another database of the server."""
    return {**environment, "DATABASE_URL": environment["DATABASE_URL"].replace("/few?", f"/{name}?")}


# Measuring ------------------------------------------------------------------------------------------------------------


def phases(environment: Mapping[str, str]) -> Iterator[Row]:
    """Where the time of a renewal goes, in one process alone, dearest first; parts below a fiftieth together."""
    told = in_process(dict(environment), "bench.renewing", "work", str(FEW // 2), "phases")
    whole, rest = sum(told["phases"].values()), 0.0
    yield measured(NAME, "one worker alone: time of a renewal", whole, "ms")
    for name, spent in sorted(told["phases"].items(), key=lambda pair: -pair[1]):
        if spent < whole / 50:
            rest += spent
        else:
            yield measured(NAME, f"of which: {name}", spent, "ms", reference=whole)
    yield measured(NAME, "of which: everything else", rest, "ms", reference=whole)


def together(server: Cluster, environment: Mapping[str, str], count: int) -> dict[str, Any]:
    """Two workers at once until nothing is due: seconds, CPU milliseconds of both sides a renewal, memory."""
    before, began = postgres_cpu(server), time.perf_counter()
    gone = WatchedCPU(server)
    with ThreadPoolExecutor(WORKERS) as pool:
        work = [pool.submit(in_process, dict(environment), "bench.renewing", "work", "0") for _ in range(WORKERS)]
        while not all(one.done() for one in work):
            gone.look()
            time.sleep(0.05)
        told = [one.result() for one in work]
    done = sum(one["done"] for one in told)
    if done != count:
        raise Stop(f"{done} of {count} subscriptions were renewed.", status=1)
    return {
        "done": done,
        "seconds": max(one["seconds"] for one in told),
        "elapsed": time.perf_counter() - began,
        "worker": 1000 * sum(one["cpu"] for one in told) / done,
        "database": 1000 * (gone.seconds + postgres_cpu(server) - before) / done,
        "growth": max(one["memory_late"] / one["memory_early"] for one in told),
        "memory": max(one["memory_late"] for one in told),
    }


def postgres_cpu(server: Cluster) -> float:
    """CPU seconds of the server itself."""
    return cpu_of(server.pid)


class WatchedCPU:
    """CPU seconds of the server's processes while they live; a connection's process is gone when it closes."""

    def __init__(self, server: Cluster) -> None:
        self.server = server
        self.first: dict[int, float] = {}
        self.last: dict[int, float] = {}
        self.look()
        self.first = dict(self.last)

    def look(self) -> None:
        """Read them all."""
        for pid in children(self.server.pid):
            spent = cpu_of(pid)
            if spent:
                self.last[pid] = spent

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return sum(spent - self.first.get(pid, 0.0) for pid, spent in self.last.items())


def results(few: dict[str, Any], many: dict[str, Any]) -> Iterator[Row]:
    """The gates: rate, memory, and the same cost at ten times the size."""
    cost = {name: told["worker"] + told["database"] for name, told in (("few", few), ("many", many))}
    yield at_least(NAME, f"{MANY} due, {WORKERS} workers: renewals", many["done"] / many["seconds"], "/s", 200)
    yield measured(NAME, f"{MANY} due: CPU of the workers a renewal", many["worker"], "ms")
    yield measured(NAME, f"{MANY} due: CPU of PostgreSQL a renewal", many["database"], "ms")
    yield at_most(NAME, f"{MANY} due: memory late to early", many["growth"], "×", 1.15)
    yield measured(NAME, f"{MANY} due: memory of a worker", many["memory"], "MB")
    yield measured(NAME, f"{FEW} due, {WORKERS} workers: renewals", few["done"] / few["seconds"], "/s")
    yield at_most(
        NAME, f"CPU of a renewal at {MANY} to that at {FEW}", cost["many"] / cost["few"], "×", 1.2, reference=None
    )


def by_runner(server: Cluster, environment: Mapping[str, str], runner: str) -> Iterator[Row]:
    """The product's runner, started and waited for: its start counts."""
    gone, began = WatchedCPU(server), time.perf_counter()
    command = [sys.executable, "-m", "bench.renewing", "run", runner]
    workers = [start(command, environment, directory=CHECKOUT) for _ in range(WORKERS)]
    spent = 0.0
    try:
        while still_due(environment["DATABASE_URL"]):
            gone.look()
            spent = sum(cpu_of(one.pid) for one in workers)
            time.sleep(0.1)
            if time.perf_counter() - began > 300 or any(one.poll() is not None for one in workers):
                raise Stop(f"the runner {runner} did not come to an end.", status=1)
        took = time.perf_counter() - began
    finally:
        end(workers)
    label = f"runner {runner}: {FEW} by {WORKERS} processes, their start included"
    yield measured(NAME, label, FEW / took, "/s")
    yield measured(NAME, f"{label}, CPU a renewal", 1000 * (spent + gone.seconds) / FEW, "ms")


def beside_customers(environment: Mapping[str, str]) -> Iterator[Row]:
    """One niced worker renews what is due again, and customers ask for pages."""
    port = free_port()
    own = {**environment, "PORTICO_BASE_URL": f"http://127.0.0.1:{port}", "PORTICO_PROCESSES": "2"}
    with ExitStack() as stack:
        web = stack.enter_context(running(["-m", "portico.cli", "serve", "--port", str(port)], port, own))
        web.sign_in(VISITOR, PASSWORD)
        for path in PAGES * 4:
            assert web.ask(path)[0] == 200, path
        quiet = asked(web)
        command = ["nice", "-n", "19", sys.executable, "-m", "bench.renewing", "work", "0", "next-month"]
        worker = start(command, own, directory=CHECKOUT)
        stack.callback(end, [worker])
        before = renewed(own)
        while renewed(own) == before:  # it is at work
            time.sleep(0.2)
            if worker.poll() is not None:
                raise Stop("the niced worker ended before it began.", status=1)
        first, began = renewed(own), time.perf_counter()
        times = asked(web)
        rate = (renewed(own) - first) / (time.perf_counter() - began)
    yield measured(NAME, f"pages at {RATE}/s, no worker: p95", percentile(quiet, 95), "ms")
    yield at_most(NAME, f"pages at {RATE}/s beside a niced worker: p95", percentile(times, 95), "ms", 300)
    yield measured(NAME, f"pages at {RATE}/s beside a niced worker: p50", percentile(times, 50), "ms")
    yield measured(NAME, "the niced worker meanwhile", rate, "/s")


def renewed(environment: Mapping[str, str]) -> int:
    """How many periods there are."""
    import psycopg

    with psycopg.connect(environment["DATABASE_URL"]) as wire:
        row = wire.execute("SELECT sum(renewed) FROM billing_renewalrun").fetchone()
    return int(row[0] or 0) if row else 0


def asked(web: Server) -> list[float]:
    """Milliseconds of each answer from the moment it was due to be asked; every answer is a page."""
    began = time.perf_counter() + 0.2

    def one(number: int) -> float:
        due = began + number / RATE
        time.sleep(max(due - time.perf_counter(), 0.0))
        status, _body, _headers = web.ask(PAGES[number % len(PAGES)])
        assert status == 200, status
        return 1000 * (time.perf_counter() - due)

    with ThreadPoolExecutor(RATE) as pool:
        return list(pool.map(one, range(int(RATE * SECONDS))))


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent lie."""
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


def on_sqlite(directory: str) -> Iterator[Row]:
    """The embedded edition: one worker, 5,000."""
    environment = environment_of(f"sqlite://{directory}/portico.sqlite3", directory)
    in_process(environment, "bench.renewing", "fill", str(FEW))
    told = in_process(environment, "bench.renewing", "work", "0")
    if told["done"] != FEW:
        raise Stop(f"{told['done']} of {FEW} subscriptions were renewed on SQLite.", status=1)
    yield measured(NAME, f"SQLite, {FEW} due, one worker: renewals", told["done"] / told["seconds"], "/s")
    yield measured(NAME, f"SQLite, {FEW} due: CPU a renewal", 1000 * told["cpu"] / told["done"], "ms")


def fault_test() -> Iterator[Row]:
    """At full size."""
    found = faults.run(10_000, kills=50, restarts=2)
    for said in found.wrong:
        print(f"  wrong: {said}", file=sys.stderr)
    yield at_least(NAME, "fault test: workers killed", found.kills, "", 50)
    yield at_least(NAME, "fault test: PostgreSQL stopped in immediate mode", found.restarts, "", 2)
    yield at_least(NAME, "fault test: renewed exactly once", found.renewed, "", 10_000)
    yield at_least(NAME, "fault test: invoices", found.invoices, "", 10_000)
    yield at_most(NAME, "fault test: what is wrong with them", len(found.wrong), "", 0)
    yield measured(NAME, "fault test: seconds", found.seconds, "s")
