"""Named moments at which a fault test lets this process die, as if the machine had lost its current.

    crashpoint("answer received")

It does nothing unless PORTICO_CRASH_POINTS names a directory, which production refuses where real money flows (settings.py).
There a test writes the name of a moment into the file `at`. The first process that comes to that moment renames the file to
`reached` and kills itself with SIGKILL: nothing is flushed, no `finally` runs, no transaction ends. Renaming comes first, so
one order kills one process, once, and a test that finds no `reached` knows that the moment never came.
"""

import os
import signal
from pathlib import Path

from django.conf import settings


def crashpoint(name: str) -> None:
    """Die here if a test asked for it; otherwise nothing, at the cost of reading one setting."""
    if settings.PORTICO_CRASH_POINTS:
        _die_if_asked(name, Path(settings.PORTICO_CRASH_POINTS))


def _die_if_asked(name: str, directory: Path) -> None:
    order = directory / "at"
    try:
        if order.read_text() != name:
            return
        order.rename(directory / "reached")
    except FileNotFoundError:  # nobody asked, or another process came first
        return
    os.kill(os.getpid(), signal.SIGKILL)
