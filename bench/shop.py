"""A portal as production runs it, whose payment company, mail server and visitors are on this machine, and that is killed.

    with open_shop(url, 20) as shop:
        shop.order("web", "answer received")    # the next process that comes there dies (portico.kit.crash)

Web server, worker, PostgreSQL or SQLite, the stand-in for Stripe and the mail server are real and speak over loopback.
"""

import email.message
import email.policy
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from aiosmtpd.controller import Controller

from bench.browser import Person
from bench.buying import Charges, Taken
from bench.pages import PASSWORD, VISITOR, in_process, plain_environment
from bench.server import children, free_port
from portico.billing.tests.providers.standin import server as standin
from portico.billing.tests.providers.standin.company import Company, Delivery
from portico.commands import CHECKOUT
from portico.commands.processes import end, start

SECRET = "whsec_" + "4f1c9a0b" * 4
WEB, WORKER = "web", "worker"
READY = 90.0


class Mails:
    """A mail server that keeps what it takes; `drops` lets so many be taken without an answer."""

    def __init__(self) -> None:
        self.got: list[email.message.EmailMessage] = []
        self.drops = 0
        self.port = free_port()
        self.controller: Controller | None = None

    def start(self) -> None:
        """Listen."""
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        """Listen no more."""
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(found, email.message.EmailMessage)
        self.got.append(found)
        if self.drops:
            self.drops -= 1
            server.transport.abort()
        return "250 OK"

    def ids(self) -> list[str]:
        """The Message-ID of each that was taken."""
        return [str(one["Message-ID"]) for one in self.got]


@dataclass
class Shop:
    """The portal and its world."""

    directory: Path
    environment: dict[str, str]
    company: Company
    mails: Mails
    port: int
    url: str
    """Where its database is."""
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    starts: int = 0
    """How often one of them was started anew as a whole."""

    # Its processes

    def start(self, role: str) -> None:
        """Start the web server or the worker."""
        orders = self.directory / role
        orders.mkdir(exist_ok=True)
        words = ["serve", "--port", str(self.port)] if role == WEB else ["worker"]
        environment = self.environment | {"PORTICO_CRASH_POINTS": str(orders)}
        self.processes[role] = start([sys.executable, "-m", "portico.cli", *words], environment, directory=CHECKOUT)

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Both run, and are started anew when they end, as systemd's Restart= does (docs/operate/deploy.md)."""
        closing_time = threading.Event()

        def watch() -> None:
            for role in (WEB, WORKER):
                self.start(role)
            while not closing_time.wait(0.1):
                for role, process in list(self.processes.items()):
                    if process.poll() is not None:
                        self.starts += 1
                        self.start(role)

        supervisor = threading.Thread(target=watch)
        supervisor.start()
        try:
            self.ready()
            yield
        finally:
            closing_time.set()
            supervisor.join()
            end(list(self.processes.values()), patience=20)

    def pids(self, role: str) -> list[int]:
        """The processes that do the work."""
        process = self.processes[role]
        return [process.pid] if role == WORKER else [pid for pid in children(process.pid) if serves(pid)]

    def kill(self, role: str) -> None:
        """SIGKILL to all of them; the web server replaces its own."""
        for pid in self.pids(role):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_one(self, role: str, dice: random.Random) -> int:
        """SIGKILL to one of them; 0 when there was none."""
        pids = self.pids(role)
        if not pids:
            return 0
        with suppress(ProcessLookupError):
            os.kill(dice.choice(pids), signal.SIGKILL)
        return 1

    def ready(self) -> None:
        """Return when the portal answers."""
        until(lambda: self.person().ask("GET", "/health/ready").status == 200, READY)

    # Dying at a named moment

    def order(self, role: str, point: str) -> None:
        """The next process that comes to `point` dies there."""
        (self.directory / role / "reached").unlink(missing_ok=True)
        (self.directory / role / "at.new").write_text(point)
        (self.directory / role / "at.new").rename(self.directory / role / "at")

    def reached(self, role: str) -> str:
        """Where one died of the last order; nothing when it did not."""
        found = self.directory / role / "reached"
        return found.read_text() if found.exists() else ""

    # Its world

    def person(self) -> Person:
        """Somebody new."""
        return Person(self.port)

    def visitor(self) -> Person:
        """Camille, signed in."""
        found = self.person()
        found.sign_in(VISITOR, PASSWORD)
        return found

    def again(self, person: Person) -> Person:
        """The same person in another window: signed in, with cookies of its own."""
        return Person(self.port, dict(person.cookies))

    def deliver(self, **how: Any) -> int:
        """The company posts what it owes; what was not answered is posted again the next time. How many were answered."""
        return standin.send(self.company, f"http://127.0.0.1:{self.port}", Delivery(SECRET, **how))

    def taken(self) -> Taken:
        """What the company charged and kept."""
        things = self.company.things
        return {key: (*money, things[key]["description"]) for key, money in self.company.taken().items()}

    def charges(self) -> Charges:
        """The same, by our payment's id."""
        intents = [self.company.things[key] for key in self.company.taken()]
        return {one["metadata"].get("portico_payment", ""): (one["id"], one["description"]) for one in intents}

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement behind the portal's back; its rows, where it has any."""
        if self.url.startswith("postgresql"):
            with psycopg.connect(self.url, autocommit=True) as wire:
                found = wire.execute(statement)
                return found.fetchall() if found.description else []
        with closing(sqlite3.connect(self.url.removeprefix("sqlite://"), timeout=20, isolation_level=None)) as file:
            return file.execute(statement).fetchall()

    def inside(self, *words: str) -> Any:
        """What `bench.paying` says in a process of its own."""
        return in_process(self.environment, "bench.paying", *words)


def serves(pid: int) -> bool:
    """Whether a child of the web server answers requests, and is no helper of Python's."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"resource_tracker" not in words


def until(what: Callable[[], Any], seconds: float = 60.0, pause: float = 0.05) -> Any:
    """What it says once it says something; an assertion when it never does."""
    last = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < last, "it never happened"
        time.sleep(pause)
    return found


def environment_of(url: str, directory: Path, company: Company, mails: Mails, port: int) -> dict[str, str]:
    """The portal's environment."""
    return plain_environment(url, directory) | {
        "PORTICO_RUN": "production",
        "PORTICO_BASE_URL": f"http://127.0.0.1:{port}",
        "PORTICO_PROVIDERS": "stripe,bank_transfer",
        "PORTICO_ALLOW_SANDBOX": "1",
        "PORTICO_STRIPE_KEY": company.key,
        "PORTICO_STRIPE_ADDRESS": company.address,
        "PORTICO_WEBHOOK_SECRET_STRIPE": SECRET,
        "PORTICO_MAIL_URL": f"smtp://127.0.0.1:{mails.port}",
        "PORTICO_MAIL_FROM": "portal@northwind.example",
        "PORTICO_EINVOICE_RULES": "0",
        "PORTICO_WORKER": "loop",
        "PORTICO_LOG_LEVEL": "CRITICAL",
    }


@contextmanager
def open_shop(url: str, quotations: int, more: Mapping[str, str] | None = None) -> Iterator[Shop]:
    """A shop on this database, with so many quotations that Camille may accept and pay; it ends with the block."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portico-shop-")))
        company, mails, port = stack.enter_context(standin.running()), Mails(), free_port()
        environment = environment_of(url, directory, company, mails, port) | dict(more or {})
        shop = Shop(directory, environment, company, mails, port, url)
        shop.inside("fill", str(quotations))
        mails.start()
        stack.callback(mails.stop)
        stack.enter_context(shop.supervised())
        yield shop
