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
from pathlib import Path

from portico.commands import Stop
from portico.commands.processes import die_with_parent

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=256MB", "max_wal_size=2GB",
        "max_connections=100", "listen_addresses=", "autovacuum=off", "log_min_messages=fatal")  # fmt: skip


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


@contextmanager
def throw_away_cluster() -> Iterator[str]:
    """A running server; yields its DATABASE_URL."""
    programs = binaries()
    if programs is None:
        raise Stop("PostgreSQL is not installed. Run as root: apt-get install -y --no-install-recommends postgresql")
    user = owner()
    root = Path(tempfile.mkdtemp(prefix="portico-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        if user is not None:
            shutil.chown(root, user)
        log = root / "log"
        made = subprocess.run(
            [programs / "initdb", "-D", root / "data", "-U", "portico", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync", "--no-instructions"],
            user=user, extra_groups=[] if user else None, cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise Stop(f"PostgreSQL could not be set up: {made.stderr.strip().splitlines()[-1:]}")
        settings = [word for setting in (*FAST, f"unix_socket_directories={root}") for word in ("-c", setting)]
        with log.open("wb") as output:
            server = subprocess.Popen(
                [programs / "postgres", "-D", root / "data", *settings],
                user=user, extra_groups=[] if user else None, cwd=root, stdout=output, stderr=output,
                preexec_fn=die_with_parent(signal.SIGQUIT), start_new_session=True,
            )  # fmt: skip
        wait(programs, root, server, log)
        yield f"postgresql://portico@/portico?host={root}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth keeping
            server.wait(30)
        shutil.rmtree(root, ignore_errors=True)


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
