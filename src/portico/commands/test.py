"""`./portico test [pytest arguments]`: the whole suite on SQLite and on PostgreSQL, on a machine that has neither yet.

Closes with `N passed, N failed` over both; a skipped test counts as failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portico.commands import CHECKOUT, Stop
from portico.commands.postgres import binaries, throw_away_cluster
from portico.commands.processes import end, start, stop_on_signals

NO_TESTS = 5
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
HELP = """usage: ./portico test [pytest arguments]

Runs the suite on SQLite, then on PostgreSQL. Arguments go to pytest in both runs: a path, -k WORD, -x …
PORTICO_TEST_ENGINE=sqlite (or postgresql) runs one of the two."""


def run(options: argparse.Namespace) -> int:
    """Both runs and their sum; 0 only if everything passed and nothing was skipped."""
    if options.rest[:1] in (["-h"], ["--help"]):
        print(HELP)
        return 0
    stop_on_signals()
    chosen = os.environ.get("PORTICO_TEST_ENGINE", "")
    if chosen not in {"", "sqlite", "postgresql"}:
        raise Stop("PORTICO_TEST_ENGINE must be sqlite or postgresql.")
    engines = [chosen] if chosen else ["sqlite", "postgresql"]
    install_missing(engines)
    statuses: list[int] = []
    total = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
    for engine in engines:
        print(f"\n=== {engine} ===", flush=True)
        with prepared(engine) as environment:
            status, counts = pytest(options.rest, environment)
        statuses.append(status)
        for name in total:
            total[name] += counts.get(name, 0)
        if status not in {0, 1, NO_TESTS}:  # interrupted, wrong arguments, a broken conftest: the same again
            break
    # A narrow choice of tests may have nothing on one engine; nothing on either is a mistake.
    passed = all(status in {0, NO_TESTS} for status in statuses) and 0 in statuses
    failed = total["failed"] + total["error"] + total["skipped"]
    if not passed and not failed:
        print("\nno tests ran" if set(statuses) == {NO_TESTS} else "\npytest ended early, see above", flush=True)
        failed = 1
    print(f"\n{total['passed']} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


def pytest(arguments: list[str], environment: dict[str, str]) -> tuple[int, dict[str, int]]:
    """One run of pytest; its exit status and what it counted."""
    parallel = [] if arguments else ["-n", "2"]
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = [sys.executable, "-m", "pytest", *parallel, *arguments]
        child = start(command, {**environment, "PORTICO_TEST_REPORT": str(report)}, directory=CHECKOUT)
        try:
            status = child.wait()
        finally:
            end([child])
        return status, json.loads(report.read_text()) if report.exists() else {}


@contextmanager
def prepared(engine: str) -> Iterator[dict[str, str]]:
    """The environment of a run on this engine; a PostgreSQL server lives as long as the run."""
    if engine == "sqlite":
        yield {"PORTICO_TEST_ENGINE": "sqlite"}
        return
    with throw_away_cluster() as url:
        yield {"PORTICO_TEST_ENGINE": "postgresql", "DATABASE_URL": url}


def install_missing(engines: list[str]) -> None:
    """PostgreSQL and Chromium, if the tests on these engines need them and they are not there."""
    if "postgresql" in engines:
        install(
            [
                *([] if binaries() else ["postgresql"]),
                *([] if any(Path(browser).exists() for browser in BROWSERS) else ["chromium"]),
            ]
        )


def install(packages: list[str]) -> None:
    """Programs from the distribution; Stop when this machine does not let us."""
    if not packages:
        return
    wanted = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise Stop(f"this needs {' and '.join(packages)}. Install them and try again.")
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        prefix = ["sudo", "-n"]
    else:
        raise Stop(f"this needs {' and '.join(packages)}. Run as root: {wanted}")
    print(f"installing {' and '.join(packages)} …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*prefix, "apt-get", "update", "-qq"], env=environment, check=False, stdout=subprocess.DEVNULL)
    done = subprocess.run(
        [*prefix, *wanted.split()],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
        raise Stop(f"could not install them. Run as root: {wanted}")
