"""`./portico worker`: the sweeps, until it is told to stop; the sweep at work is finished first."""

import argparse
import os
import signal
from threading import Event
from types import FrameType

import django

from portico.commands import production


def run(options: argparse.Namespace) -> int:
    """Run as a production worker, or as the demo's when `./portico demo` started it."""
    if os.environ.get("PORTICO_RUN") != "embedded":
        production()
    django.setup()
    from django.conf import settings

    from portico.commands.serve import erase_again

    erase_again()
    if settings.PORTICO_WORKER == "queue":
        from portico.kit.queue import work

        work()
    else:
        sweep_alone()
    return 0


def sweep_alone() -> None:
    """The loop: this process looks for everything itself."""
    from portico.kit.jobs import loop

    stop = Event()

    def told(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    loop(stop)
