"""`./portico demo`: the whole portal on one computer, with a small world to try it in.

Data, secrets and mails stay in one directory. Web server and worker run in our process group; what ends one ends all.
"""

import argparse
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from portico.commands import CHECKOUT, Stop, embedded
from portico.commands.processes import end, granian, refuse_taken, start, stop_on_signals

Login = tuple[str, str, str]  # e-mail, role, password
SECRETS = ("secret-key", "webhook-secret-sandbox")
OURS = (
    "portico.sqlite3",
    "portico.sqlite3-wal",
    "portico.sqlite3-shm",
    "files",
    "mail",
    "logins.json",
    "prepared",
    *SECRETS,
)


def run(options: argparse.Namespace) -> int:
    """Prepare the data, start web server and worker, say where, and wait."""
    data: Path = options.data.absolute()
    stop_on_signals()
    refuse_taken(options.host, options.port)
    with alone(data):
        if options.fresh:
            forget(data)
        address = f"http://localhost:{options.port}"
        embedded(data, address)
        os.environ["PORTICO_ALLOWED_HOSTS"] = "*" if options.host in {"0.0.0.0", "::"} else options.host  # noqa: S104
        if options.host in {
            "127.0.0.1",
            "localhost",
            "::1",
        }:  # nobody else reaches the desk: webhooks may be tried here
            os.environ["PORTICO_HOOK_LOOPBACK"] = "1"
        keep_secrets(data)
        logins = fill(data)
        children = [start(granian(options.host, options.port, processes=1, threads=4))]
        try:
            wait_until_answered(options.host, options.port, children)
            children.append(start([sys.executable, "-m", "portico.cli", "worker"]))
            greet(address, logins)
            watch(children)
        except KeyboardInterrupt:
            print("\nstopping …", flush=True)
            return 0
        finally:
            end(children)
    return 1


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold the directory: two demos must not share one."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / ".lock").open("w")
    except OSError as fault:
        raise Stop(f"cannot write to {data}: {fault.strerror}. Choose another directory with --data.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Stop(
                f"another demo is running on {data}. Stop it, or choose another directory with --data."
            ) from None
        yield


def forget(data: Path) -> None:
    """Remove what a demo keeps, and nothing else that may lie in the directory."""
    for name in OURS:
        path = data / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def keep_secrets(data: Path) -> None:
    """Each secret is made once, readable by us alone; the settings read them from here."""
    for name in SECRETS:
        path = data / name
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))


def fill(data: Path) -> list[Login]:
    """Migrate, and fill an empty database with the shared cast; returns who can sign in."""
    logins, prepared, database = data / "logins.json", data / "prepared", data / "portico.sqlite3"
    if database.exists() and not logins.exists():  # a filling that was broken off
        forget(data)
        keep_secrets(data)
    stamp = schema()
    if not (database.exists() and prepared.exists() and prepared.read_text() == stamp):
        django = import_module("django")  # a second start comes here without Django, and is quicker by its loading
        django.setup()
        print("preparing the database …", flush=True)
        import_module("django.core.management").call_command("migrate", interactive=False, verbosity=0)
        if not logins.exists():
            print("filling it with the example companies …", flush=True)
            content = json.dumps(
                import_module("portico.cast_money").fill_demo(import_module("django.utils.timezone").now())
            )
            with os.fdopen(os.open(logins, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(content)
        prepared.write_text(stamp)
    return [(email, role, password) for email, role, password in json.loads(logins.read_text())]


def schema() -> str:
    """What the tables depend on: our migrations and, by uv.lock, those of the libraries."""
    files = sorted(CHECKOUT.glob("src/portico/**/migrations/*.py"))
    digest = hashlib.sha256((CHECKOUT / "uv.lock").read_bytes())
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def wait_until_answered(host: str, port: int, children: "list[subprocess.Popen[bytes]]", seconds: float = 60.0) -> None:
    """Return when the portal answers over HTTP."""
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        if any(child.poll() is not None for child in children):
            raise Stop("the portal did not start; see above.", status=1)
        try:
            with urllib.request.urlopen(f"http://{near}:{port}/health/live", timeout=2):  # http, our own
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise Stop(f"the portal did not answer within {seconds:.0f} seconds.", status=1)


def greet(address: str, logins: list[Login]) -> None:
    """Say where it is and who can sign in; `ready` is the last line."""
    print(f"\nPortico is at {address}\n")
    width = max((len(email) for email, _role, _password in logins), default=0)
    for email, role, password in logins:
        print(f"  {email:<{width}}  {password}  {role}")
    print("\nCtrl-C stops it.\nready", flush=True)


def watch(children: "list[subprocess.Popen[bytes]]") -> None:
    """Wait until one ends by itself, which none should."""
    while all(child.poll() is None for child in children):
        time.sleep(0.5)
    raise Stop("a part of the portal ended by itself; see above.", status=1)
