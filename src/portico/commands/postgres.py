"""A PostgreSQL server for one test run: in a temporary directory, reached by a socket, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portico.commands import Stop
from portico.commands.processes import die_with_parent

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=256MB", "max_wal_size=2GB",
        "max_connections=100", "listen_addresses=", "autovacuum=off", "log_min_messages=fatal")  # fmt: skip
"""Nothing in it is worth keeping."""
DURABLE = ("shared_buffers=256MB", "max_wal_size=2GB", "max_connections=100", "listen_addresses=",
           "log_min_messages=fatal")  # fmt: skip
"""As in production: what was committed is there after a crash."""


def binaries() -> Path | None:
    """The directory of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def owner() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as the system's `postgres` (or `nobody`)."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@dataclass
class Cluster:
    """A server in a directory of its own."""

    programs: Path
    root: Path
    user: str | None
    settings: tuple[str, ...]
    server: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The DATABASE_URL of its database `portico`."""
        return f"postgresql://portico@/portico?host={self.root}"

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.server is not None, "it runs"
        return self.server.pid

    def start(self) -> None:
        """Run it, and return when it answers."""
        log = self.root / "log"
        settings = [word for one in (*self.settings, f"unix_socket_directories={self.root}") for word in ("-c", one)]
        with log.open("wb") as output:
            self.server = subprocess.Popen(
                [self.programs / "postgres", "-D", self.root / "data", *settings],
                user=self.user, extra_groups=[] if self.user else None, cwd=self.root, stdout=output, stderr=output,
                preexec_fn=die_with_parent(signal.SIGQUIT), start_new_session=True,
            )  # fmt: skip
        wait(self.programs, self.root, self.server, log)

    def stop(self) -> None:
        """In immediate mode: at once, without writing anything down, as when the machine loses its current."""
        if self.server is not None:
            self.server.send_signal(signal.SIGQUIT)
            self.server.wait(30)

    def create(self, name: str = "portico", *, template: str = "template1") -> None:
        """A database of this name."""
        made = [str(self.programs / "createdb"), "-h", str(self.root), "-U", "portico", "-T", template, name]
        subprocess.run(made, check=True)


@contextmanager
def cluster(settings: tuple[str, ...]) -> Iterator[Cluster]:
    """A running server that is thrown away afterwards."""
    programs = binaries()
    if programs is None:
        raise Stop("PostgreSQL is not installed. Run as root: apt-get install -y --no-install-recommends postgresql")
    user = owner()
    root = Path(tempfile.mkdtemp(prefix="portico-pg-"))
    found = Cluster(programs, root, user, settings)
    try:
        if user is not None:
            shutil.chown(root, user)
        made = subprocess.run(
            [programs / "initdb", "-D", root / "data", "-U", "portico", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync", "--no-instructions"],
            user=user, extra_groups=[] if user else None, cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise Stop(f"PostgreSQL could not be set up: {made.stderr.strip().splitlines()[-1:]}")
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def throw_away_cluster() -> Iterator[str]:
    """A running server for tests, which keeps nothing; yields its DATABASE_URL."""
    with cluster(FAST) as found:
        yield found.url


def wait(programs: Path, root: Path, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server answers."""
    for _attempt in range(300):
        asked = subprocess.run([programs / "pg_isready", "-q", "-h", root], check=False)
        if asked.returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise Stop(f"PostgreSQL did not start: {log.read_text(errors='replace').strip()[-500:]}")
