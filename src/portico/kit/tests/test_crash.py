"""A process dies at a named moment, once, and only where a test asked for it."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from portico.kit.crash import crashpoint

LINES = """
from django.conf import settings
settings.configure(PORTICO_CRASH_POINTS={directory!r})
from portico.kit.crash import crashpoint
try:
    crashpoint("another moment")
    print("alive", flush=True)
    crashpoint("answer received")
finally:
    print("nothing of this is run", flush=True)
"""


def run(directory: Path) -> "subprocess.CompletedProcess[str]":
    program = LINES.format(directory=str(directory))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)


def test_it_dies_where_it_was_asked_to_and_only_once(tmp_path: Path) -> None:
    (tmp_path / "at").write_text("answer received")
    first = run(tmp_path)
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, "alive\n")
    assert (tmp_path / "reached").read_text() == "answer received"
    assert not (tmp_path / "at").exists()
    second = run(tmp_path)
    assert (second.returncode, second.stdout) == (0, "alive\nnothing of this is run\n")


def test_without_the_setting_no_order_is_read(settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    assert settings.PORTICO_CRASH_POINTS == ""
    (tmp_path / "at").write_text("answer received")
    monkeypatch.chdir(tmp_path)
    crashpoint("answer received")
    assert (tmp_path / "at").exists()
