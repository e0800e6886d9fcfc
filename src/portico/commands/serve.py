"""`./portico serve`: the production web server, one process a core, behind a proxy that speaks TLS."""

import argparse
import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

import django

from portico.commands import Stop, production
from portico.commands.processes import granian, refuse_taken


def tell_how_to_begin() -> None:
    """In an empty installation: where to begin, and the code that only whoever reads this knows."""
    setup = import_module("portico.billing.actions.setup")
    if setup.is_empty():
        base = import_module("django.conf").settings.PORTICO_BASE_URL
        print(f"This portal is empty. Open {base}/setup/ and enter the code {setup.setup_code()}", flush=True)


def erase_again() -> None:
    """After a restored backup: who was erased since is erased again, before anybody can look."""
    count = import_module("portico.privacy.ledger").replay(now=import_module("django.utils.timezone").now())
    if count:
        print(f"{count} people who were erased stood in this database again, and were erased again.", flush=True)


def run(options: argparse.Namespace) -> int:
    """Check settings and migrations, collect the static files, then become the web server."""
    production()
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from portico.kit.health import is_migrated

    if not is_migrated():
        raise Stop("the database is not up to date. Run ./portico manage migrate first.")
    erase_again()
    tell_how_to_begin()
    refuse_taken(options.host, options.port, "PORTICO_PORT or --port")
    call_command("collectstatic", interactive=False, verbosity=0)
    measured = Path(settings.PORTICO_DATA) / "metrics"
    shutil.rmtree(measured, ignore_errors=True)
    measured.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(measured)
    # glibc keeps an arena of free memory for each thread: two are enough for two threads
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    command = granian(options.host, options.port, processes=settings.PORTICO_PROCESSES, threads=2)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # a fixed program, no shell
