"""`./portico bench payments`: how fast notices of a payment company are taken and settled, and how fast a sale is paid.

On PostgreSQL, as production runs. Every notice is genuine, about a payment of its own and an open invoice. It is verified and
stored before it is answered; a process that is at work on one leaves the next to the worker. Eight connections post as fast as
they are answered. `--faults` runs the fault test at full size instead: 80 sales, 50 SIGKILLs, three stops of PostgreSQL in
immediate mode.
"""

import hashlib
import hmac
import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench import kills, sales
from bench.pages import Site, filled_postgresql, in_process, plain_environment
from bench.server import free_port, running
from bench.shop import WEB
from bench.table import Row, at_least, at_most, measured

NAME = "payments"
NOTICES = 1200
CONNECTIONS = 8
SALES, KILLS, STOPS = 80, 50, 3
SECRET = "whsec_bench_0123456789abcdef0123456789"  # noqa: S105  # of a throw-away portal


def run(options: object) -> Iterator[Row]:
    """Every measurement, as it is made."""
    if getattr(options, "faults", False):
        yield from fault_test()
        return
    with tempfile.TemporaryDirectory(prefix="portico-bench-") as directory, filled_postgresql() as (url, pid):
        environment = plain_environment(url, Path(directory)) | {
            "PORTICO_PROVIDERS": "stripe,sandbox,bank_transfer",
            "PORTICO_ALLOW_SANDBOX": "1",
            "PORTICO_STRIPE_KEY": "rk_live_bench",
            "PORTICO_WEBHOOK_SECRET_STRIPE": SECRET,
            "PORTICO_WEBHOOK_SECRET_SANDBOX": "bench-" + "0123456789abcdef" * 2,
        }
        yield from sales.run(NAME, environment, SECRET)
        bodies = Path(directory) / "notices"
        told = in_process(environment, "bench.charging", str(NOTICES), str(bodies))
        yield measured(NAME, "one process, one connection: accepted and paid", told["rate"], "/s")
        yield measured(NAME, "one process, one connection: p50", told["p50"], "ms")
        yield measured(NAME, "one process, one connection: p95", told["p95"], "ms")
        yield measured(NAME, "one process, one connection: CPU of the application", told["cpu"], "ms")
        yield from intake(Site(environment, pid, 0, (), "", 0), bodies.read_text().splitlines())


def fault_test() -> Iterator[Row]:
    """Sales through kills and stops, at full size."""
    found = kills.run(SALES, kills=KILLS, stops=STOPS)
    for said in found.wrong:
        print(f"  wrong: {said}", file=sys.stderr)
    yield at_least(NAME, "fault test: web processes and workers killed", sum(found.kills.values()), "", KILLS)
    yield measured(NAME, "fault test: of them web processes", found.kills[WEB], "")
    yield at_least(NAME, "fault test: PostgreSQL stopped in immediate mode", found.stops, "", STOPS)
    yield at_least(NAME, "fault test: sales", found.sales, "", SALES)
    for answer, count in sorted(found.answers.items()):
        yield measured(NAME, f"fault test: a buyer's answer was {answer}", count, "")
    yield at_most(NAME, "fault test: what is wrong with them", len(found.wrong), "", 0)
    yield measured(NAME, "fault test: seconds", found.seconds, "s")


def intake(site: Site, bodies: list[str]) -> Iterator[Row]:
    """Notices posted by several at once; then each of them a second time, which changes nothing."""
    port = free_port()
    environment = site.environment | {"PORTICO_BASE_URL": f"http://127.0.0.1:{port}"}
    serving = ["-m", "portico.cli", "serve", "--port", str(port)]
    with running(serving, port, environment, database=site.database) as server:
        warm, rest = bodies[: CONNECTIONS * 10], bodies[CONNECTIONS * 10 :]
        post_all(port, warm)
        cpu, spent = server.cpu(), server.database_cpu()
        for label, gate in (("each once", 100), ("each a second time", 100)):
            took, seconds = post_all(port, rest)
            yield at_least(NAME, f"notices, {label}: taken", len(took) / seconds, "/s", gate)
            yield measured(NAME, f"notices, {label}: p50", took[len(took) // 2], "ms")
            yield at_most(NAME, f"notices, {label}: p99", took[len(took) * 99 // 100], "ms", 200)
            if label == "each once":
                yield measured(NAME, "a notice, CPU of the application", 1000 * (server.cpu() - cpu) / len(took), "ms")
                yield measured(
                    NAME, "a notice, CPU of the database", 1000 * (server.database_cpu() - spent) / len(took), "ms"
                )


def post_all(port: int, bodies: list[str]) -> tuple[list[float], float]:
    """Milliseconds of each answer, sorted, and seconds altogether; every answer must be a 200."""
    waiting, took, faults = list(bodies), list[float](), list[str]()

    def work() -> None:
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                body = waiting.pop().encode()
            except IndexError:
                return
            begun = time.perf_counter()
            wire.request("POST", "/webhooks/stripe/", body, signed(body))
            answer = wire.getresponse()
            answer.read()
            took.append(1000 * (time.perf_counter() - begun))
            if answer.status != 200:
                faults.append(str(answer.status))

    threads = [threading.Thread(target=work) for _one in range(CONNECTIONS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    assert not faults, faults[:5]
    return sorted(took), seconds


def signed(body: bytes) -> dict[str, str]:
    """The headers of a notice that is sent now."""
    stamp = str(int(time.time()))
    digest = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "Stripe-Signature": f"t={stamp},v1={digest}"}
