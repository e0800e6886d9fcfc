"""What tests of ZIP files share: reading one, making papers, letting the worker make it."""

import csv
import io
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from portico.billing.actions import archive as making
from portico.billing.models import Archive


def files_of(answer: Any) -> dict[str, bytes]:
    """The entries of a ZIP that was sent."""
    assert answer.status_code == 200, answer
    assert answer["Content-Type"] == "application/zip"
    return read(b"".join(answer.streaming_content))


def read(content: bytes) -> dict[str, bytes]:
    """The entries of a ZIP."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len({name.lower() for name in names}), "no two names are the same on any system"
        return {name: archive.read(name) for name in names}


def table(content: bytes) -> list[dict[str, str]]:
    """A CSV file's lines."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def work(now: datetime, most: int = 100) -> None:
    """Let the worker go on until nothing is to be made."""
    for _turn in range(most):
        if not making.go_on(now):
            return
    raise AssertionError("it never ends")


def made(archive: Archive, now: datetime) -> dict[str, bytes]:
    """The entries of an archive, when the worker has made it."""
    work(now)
    archive.refresh_from_db()
    assert archive.state == Archive.State.READY, archive.problem
    return read(archive.path.read_bytes())


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    """The files on the disk, as somebody else unpacks them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def check(folder: Path) -> tuple[int, str]:
    """The enclosed program, run by the system's own Python, with nothing of ours in reach."""
    system = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    done = subprocess.run(
        [system, "-I", "verify_chain.py"], cwd=folder, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout
