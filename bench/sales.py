"""Customers who accept and pay at once, as SAFETY §6 asks: over HTTP, with everything that runs in production on two cores.

`./portico serve` with two processes, a niced `./portico worker`, PostgreSQL that keeps what was committed, a mail server that
takes every letter, and the payment company (the stand-in of the tests) share the cores with the people who buy. A sale is: the
acceptance is posted, the page to pay is shown, the payment is begun (Stripe's own SDK asks the company for a checkout), the
company posts its notices, the payer comes back to a page that says paid. What the company itself takes counts in, for it runs
here. Afterwards the books are verified.
"""

import http.client
import re
import socketserver
import sys
import threading
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.pages import in_process
from bench.renewals import WatchedCPU, percentile
from bench.server import Server, cpu_of, free_port, running
from bench.table import Row, at_least, at_most, measured
from portico.billing.tests.providers.standin import company as stripe
from portico.billing.tests.providers.standin import server as standin
from portico.commands import CHECKOUT, Stop
from portico.commands.postgres import DURABLE, cluster
from portico.commands.processes import end, start

BUYERS, EACH, WARM = 8, 50, 4
PASSWORD = "portico-demo"  # noqa: S105  # of a throw-away portal
STEPS = ("accept", "page to pay", "pay", "notice", "page after paying")
LONGEST = 30.0


@dataclass
class Buyer:
    """One person with a session, its open quotations, and the milliseconds of each answer so far."""

    server: Server
    secret: str
    company: stripe.Company
    offers: list[tuple[str, int, int]]
    token: str = ""
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wire: http.client.HTTPConnection | None = None

    def ask(self, step: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """One request on a kept connection, timed: status, body, where it sends us."""
        headers = dict(self.server.headers)
        body = None
        if form is not None:
            body = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": self.token}).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.send(step, "POST" if form is not None else "GET", path, body, headers)

    def send(
        self, step: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, str]:
        """See `ask`."""
        if self.wire is None:
            self.wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        begun = time.perf_counter()
        self.wire.request(method, path, body, dict(headers))
        answer = self.wire.getresponse()
        content = answer.read().decode()
        self.seen[step].append(1000 * (time.perf_counter() - begun))
        return answer.status, content, answer.headers.get("Location", "")

    def buy(self) -> None:
        """Accept the next quotation and pay it; every answer must be what a buyer expects."""
        number, version, total = self.offers.pop()
        if not self.token:
            page = self.ask("other", f"/my/quotations/{number}/accept/")[1]
            self.token = found(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        form = {
            "version": str(version), "seen_total_minor": str(total), "consent": "on", "signer_name": "Pat Person",
            "signature_kind": "typed", "signature_typed": "Pat Person",
        }  # fmt: skip
        began = time.perf_counter()
        status, _page, where = self.ask("accept", f"/my/quotations/{number}/accept/", form)
        expect(302, status, "accept")
        status, page, _where = self.ask("page to pay", where)
        expect(200, status, "page to pay")
        seen_minor = found(r'name="seen_minor" value="(\d+)"', page)
        status, page, checkout = self.ask("pay", where, {"provider": "stripe", "seen_minor": seen_minor})
        expect(302, status, "pay")
        session = checkout.rpartition("/")[2]
        with self.company.lock:  # the payer types a card at the company
            before = len(self.company.events)
            assert self.company.pay_session(session, stripe.GOOD) == "paid"
            events, back = self.company.events[before:], self.company.things[session]["success_url"]
        for body, signature in stripe.notices(events, stripe.Delivery(self.secret)):
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
            expect(200, self.send("notice", "POST", "/webhooks/stripe/", body, headers)[0], "notice")
        path = urllib.parse.urlsplit(back).path
        status, page, _where = self.ask("page after paying", path)
        expect(200, status, "page after paying")
        done = time.perf_counter()
        self.seen["whole"].append(1000 * (done - began))
        at_once = 'data-state="succeeded"' in page
        self.seen["at once"].append(float(at_once))
        while not at_once and 'data-state="succeeded"' not in page:
            if time.perf_counter() - done > LONGEST:
                raise Stop(f"a payment was not told as paid within {LONGEST:.0f} s.", status=1)
            time.sleep(0.5)
            page = self.ask("other", path)[1]
        self.seen["until paid"].append(1000 * (time.perf_counter() - began))


def run(name: str, environment: Mapping[str, str], secret: str) -> Iterator[Row]:
    """Every measurement, as it is made."""
    with cluster(DURABLE) as database, standin.running(stripe.Company(key="rk_test_bench")) as company, mail() as smtp:
        port = free_port()
        database.create("sales")
        environ = {
            **environment,
            "DATABASE_URL": database.url.replace("/portico?", "/sales?"),
            "PORTICO_BASE_URL": f"http://127.0.0.1:{port}",
            "PORTICO_STRIPE_KEY": company.key,
            "PORTICO_STRIPE_ADDRESS": company.address,
            "PORTICO_MAIL_URL": f"smtp://127.0.0.1:{smtp}",
            "PORTICO_RUN": "production",
        }
        told = in_process(environ, "bench.selling", str(BUYERS), str(EACH + WARM), PASSWORD)
        worker = start(["nice", "-n", "19", sys.executable, "-m", "portico.cli", "worker"], environ, directory=CHECKOUT)
        try:
            with running(
                ["-m", "portico.cli", "serve", "--port", str(port)], port, environ, database=database.pid
            ) as web:
                buyers = [signed_in(web, one, company, secret) for one in told["buyers"]]
                at_once(buyers, WARM)
                for buyer in buyers:
                    buyer.seen.clear()
                cpu, gone, helped, own = web.cpu(), WatchedCPU(database), cpu_of(worker.pid), time.process_time()
                seconds = at_once(buyers, EACH)
                gone.look()
                cpu, helped, own = web.cpu() - cpu, cpu_of(worker.pid) - helped, time.process_time() - own
        finally:
            end([worker], patience=30)
        yield from results(name, buyers, seconds)
        sales = len(buyers) * EACH
        yield measured(name, "a sale, CPU of the application", 1000 * cpu / sales, "ms")
        yield measured(name, "a sale, CPU of the database", 1000 * gone.seconds / sales, "ms")
        yield measured(name, "a sale, CPU of the niced worker meanwhile", 1000 * helped / sales, "ms")
        yield measured(name, "a sale, CPU of the buyers and the payment company here", 1000 * own / sales, "ms")
        found = in_process(environ, "bench.selling", "books")
        every = len(buyers) * (EACH + WARM)
        wrong = len(found["wrong"]) + sum(found[kind] != every for kind in ("payments", "orders", "invoices"))
        for said in found["wrong"]:
            print(f"  wrong: {said}", file=sys.stderr)
        yield at_most(name, "what is wrong with the books afterwards", wrong, "", 0)
        yield measured(name, "letters that wait when the last sale is done", found["letters"], "")


def results(name: str, buyers: list[Buyer], seconds: float) -> Iterator[Row]:
    """The gates."""
    seen: dict[str, list[float]] = defaultdict(list)
    for buyer in buyers:
        for step, took in buyer.seen.items():
            seen[step] += took
    sales = len(seen["whole"])
    label = f"{len(buyers)} customers at once"
    yield at_least(name, f"{label}: accepted and paid", sales / seconds, "/s", 20)
    for step in (*STEPS, "whole"):
        yield measured(name, f"{label}, {step}: p50", percentile(seen[step], 50), "ms")
        yield at_most(name, f"{label}, {step}: p95", percentile(seen[step], 95), "ms", 800)
    yield measured(name, f"{label}: told as paid at the first look", 100 * sum(seen["at once"]) / sales, "%")
    yield measured(name, f"{label}, until it is told as paid: p95", percentile(seen["until paid"], 95), "ms")


def at_once(buyers: list[Buyer], each: int) -> float:
    """Let all buy so many things at the same time; seconds altogether."""
    faults: list[BaseException] = []

    def shop(buyer: Buyer) -> None:
        try:
            for _number in range(each):
                buyer.buy()
        except (Exception, Stop) as fault:  # noqa: BLE001  # told to whoever waits
            faults.append(fault)

    threads = [threading.Thread(target=shop, args=(buyer,)) for buyer in buyers]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return time.perf_counter() - begun


def signed_in(web: Server, told: Mapping[str, Any], company: stripe.Company, secret: str) -> Buyer:
    """A buyer with a session."""
    own = Server(web.port, web.process, web.database)
    own.sign_in(told["email"], PASSWORD)
    return Buyer(own, secret, company, [(number, version, total) for number, version, total in told["offers"]])


def found(pattern: str, page: str) -> str:
    """What the pattern's group found on a page that must have it."""
    match = re.search(pattern, page)
    if match is None:
        raise Stop(f"a page has no {pattern}", status=1)
    return match[1]


def expect(wanted: int, status: int, step: str) -> None:
    """Stop when an answer is another one."""
    if status != wanted:
        raise Stop(f"{step} answered {status}.", status=1)


@contextmanager
def mail() -> Iterator[int]:
    """A mail server on a port of loopback that takes every letter and keeps none."""

    class Taking(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 bench\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (text := self.rfile.readline()) not in {b".\r\n", b""}:
                        del text
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 yes\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
