"""Part of `./portico bench documents`: a ZIP of 1,000 invoices from a running portal, its memory and its speed.

The memory is that of the web processes themselves, in PSS as /proc/<pid>/smaps_rollup says it (pages that processes share are
divided among them), read every 50 ms while the ZIP is sent; idle is the highest of twenty readings after pages were visited and
before the first PDF. The first ZIP draws every PDF, so its peak holds the typesetter with its fonts as well.
"""

import http.client
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from bench.pages import PASSWORD, filled, portal
from bench.server import Server
from bench.table import Row, at_most, measured

NAME = "documents"
INVOICES = 1000
DESK = "omar@northwind.example"
ZIP = "/staff/invoices/zip/"
MEGABYTE = 1e6


@dataclass
class Taken:
    """One ZIP as it came: seconds to its first byte and to its last, bytes, papers, and the most memory meanwhile."""

    first: float
    seconds: float
    size: int
    papers: int
    peak: float


@dataclass
class Watch:
    """Reads the memory of the web processes until it is told to stop."""

    server: Server
    peak: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look again and again."""
        while not self.stop.wait(0.05):
            self.peak = max(self.peak, pss(self.server))

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_fault: object) -> None:
        self.stop.set()
        self.thread.join()


def rows() -> Iterator[Row]:
    """On PostgreSQL, with nothing drawn before; then the same again from what was kept."""
    with filled("postgresql", invoices=INVOICES) as site, portal(site) as server:
        server.sign_in(DESK, PASSWORD)
        for _time in range(20):
            server.ask("/staff/invoices/")
        idle = max(reading(server) for _time in range(20))
        drawn, kept = taken(server), taken(server)
    what = f"ZIP of {INVOICES:,} invoices"
    yield measured(NAME, f"{what}: web processes idle", idle / MEGABYTE, "MB")
    yield at_most(NAME, f"{what}, each drawn: peak over idle", (drawn.peak - idle) / MEGABYTE, "MB", 150)
    yield measured(NAME, f"{what}, each drawn", drawn.papers / drawn.seconds, "/s")
    yield at_most(NAME, f"{what}, kept files: peak over idle", (kept.peak - idle) / MEGABYTE, "MB", 150)
    yield measured(NAME, f"{what}, kept files", kept.papers / kept.seconds, "/s")
    yield measured(NAME, f"{what}: first byte after", 1000 * kept.first, "ms")
    yield measured(NAME, f"{what}: size", kept.size / MEGABYTE, "MB")


def reading(server: Server) -> float:
    """The memory a moment later."""
    time.sleep(0.05)
    return pss(server)


def pss(server: Server) -> float:
    """Proportional set size of the server's processes, in bytes."""
    total = 0
    for pid in (server.process.pid, *server.workers()):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return 1024.0 * total


def taken(server: Server) -> Taken:
    """The ZIP, read as a browser saves it, and checked afterwards."""
    with TemporaryFile() as file, Watch(server) as watch:
        began = time.perf_counter()
        wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        wire.request("GET", ZIP, headers=server.headers)
        answer: Any = wire.getresponse()
        assert answer.status == 200, answer.status
        file.write(answer.read(1))
        first = time.perf_counter() - began
        while piece := answer.read(64 * 1024):
            file.write(piece)
        seconds = time.perf_counter() - began
        wire.close()
        size = file.tell()
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            papers = sum(name.endswith(".pdf") for name in archive.namelist())
        assert papers == INVOICES, papers
    return Taken(first, seconds, size, papers, watch.peak)
