"""A server that is measured: started, loaded with wrk, watched through /proc, ended."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portico.commands import CHECKOUT, Stop
from portico.commands.processes import end, start

TICK = os.sysconf("SC_CLK_TCK")
WARM_UP = 2
READY = 60.0


@dataclass(frozen=True)
class Load:
    """What came of loading one address."""

    rate: float
    """Answers a second."""
    p50: float
    p99: float
    """Milliseconds."""
    application: float
    database: float
    """CPU milliseconds a request of the web processes, and of the database server."""


@dataclass
class Server:
    """A running server and what it is asked with."""

    port: int
    process: "subprocess.Popen[bytes]"
    database: int = 0
    """The process id of the database server; 0 where it lives in ours."""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, path: str, *, method: str = "GET", body: str = "", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """One request over a connection of its own."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        wire.request(method, path, body or None, sent)
        answer = wire.getresponse()
        content = answer.read()
        wire.close()
        return answer.status, content, answer.headers

    def sign_in(self, email: str, password: str) -> None:
        """Through the sign-in page, as a person does; the session's cookie goes with every later request.

        Whoever was signed in before is forgotten: the page leads them on instead of asking.
        """
        self.headers = {}
        form = urllib.parse.quote("/account/login/")
        _status, page, headers = self.ask(form)
        cookies = cookies_of(headers)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode())
        if token is None:
            raise Stop("the sign-in page has no form.", status=1)
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], "login": email, "password": password})
        status, _page, headers = self.ask(
            form, method="POST", body=body, Cookie=joined(cookies), Content_Type="application/x-www-form-urlencoded"
        )
        if status != 302:
            raise Stop(f"could not sign in: status {status}.", status=1)
        self.headers = {"Cookie": joined(cookies | cookies_of(headers))}

    def load(self, path: str, *, connections: int, seconds: float) -> Load:
        """wrk on one address; every answer must be a 200."""
        self.wrk(path, connections, WARM_UP)
        before, spent = self.cpu(), self.database_cpu()
        rate, p50, p99, requests = self.wrk(path, connections, seconds)
        return Load(
            rate, p50, p99, 1000 * (self.cpu() - before) / requests, 1000 * (self.database_cpu() - spent) / requests
        )

    def wrk(self, path: str, connections: int, seconds: float) -> tuple[float, float, float, int]:
        """Requests a second, p50, p99 (ms), and how many."""
        command = ["wrk", "--latency", "-t", str(min(connections, 2)), "-c", str(connections), "-d", f"{seconds:.0f}s"]
        for name, value in self.headers.items():
            command += ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, check=True
        )
        if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise Stop(f"{path} did not always answer with a page:\n{done.stdout}", status=1)
        found = re.search(r"(\d+) requests in", done.stdout)
        assert found is not None, done.stdout
        return (
            float(word(done.stdout, r"Requests/sec:\s+([\d.]+)")),
            milliseconds(word(done.stdout, r"\n\s+50%\s+(\S+)")),
            milliseconds(word(done.stdout, r"\n\s+99%\s+(\S+)")),
            int(found[1]),
        )

    def workers(self) -> list[int]:
        """The process ids that answer: the server's children, without helpers that never run Python of ours."""
        return children(self.process.pid) or [self.process.pid]

    def cpu(self) -> float:
        """CPU seconds of the web processes so far."""
        return sum(cpu_of(pid) for pid in (self.process.pid, *self.workers()))

    def database_cpu(self) -> float:
        """CPU seconds of the database server so far."""
        return sum(cpu_of(pid) for pid in (self.database, *children(self.database))) if self.database else 0.0

    def memory(self) -> float:
        """Resident MB of the web processes, pages that they share counted for each."""
        return sum(resident(pid) for pid in self.workers()) / 1e6

    def memory_shared_once(self) -> float:
        """MB of the web processes, a page that several share counted once (the kernel's proportional set size)."""
        return sum(proportional(pid) for pid in self.workers()) / 1e6


@contextmanager
def running(
    application: list[str], port: int, environment: Mapping[str, str], *, database: int = 0, path: str = "/health/live"
) -> Iterator[Server]:
    """Start it, wait until it answers, and end it afterwards."""
    process = start([sys.executable, *application], environment, directory=CHECKOUT)
    server = Server(port, process, database)
    try:
        last = time.monotonic() + READY
        while True:
            try:
                if server.ask(path)[0] == 200:
                    break
            except OSError:
                if time.monotonic() > last or process.poll() is not None:
                    raise Stop("the server that is to be measured did not start.", status=1) from None
            time.sleep(0.1)
        yield server
    finally:
        end([process])


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def word(text: str, pattern: str) -> str:
    """What the pattern's group found; an assertion when wrk speaks differently."""
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]


def milliseconds(text: str) -> float:
    """`830us`, `1.25ms`, `2.00s`."""
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise AssertionError(text)


def cookies_of(headers: http.client.HTTPMessage) -> dict[str, str]:
    """The cookies an answer sets."""
    return dict(line.split(";")[0].split("=", 1) for line in headers.get_all("Set-Cookie") or [])


def joined(cookies: Mapping[str, str]) -> str:
    """As a Cookie header."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def cpu_of(pid: int) -> float:
    """CPU seconds of one process."""
    try:
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after[11]) + int(after[12])) / TICK


def proportional(pid: int) -> int:
    """Bytes of one process, each shared page divided by those who share it."""
    found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def resident(pid: int) -> int:
    """Resident bytes of one process, each shared page counted in full."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
