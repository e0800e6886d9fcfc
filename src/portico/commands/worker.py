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
    from portico.commands.serve import erase_again
    from portico.kit.jobs import loop

    erase_again()
    stop = Event()

    def told(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    loop(stop)
    return 0
