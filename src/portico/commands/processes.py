"""Starting, watching and ending the programs a command needs."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from portico.commands import Stop

PR_SET_PDEATHSIG = 1


def die_with_parent(with_signal: int = signal.SIGTERM) -> Callable[[], None] | None:
    """For `preexec_fn`: on Linux the child gets this signal when its parent is gone, however it went."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, with_signal)

    return ask


def start(
    command: list[str], env: Mapping[str, str] | None = None, *, directory: Path | None = None
) -> "subprocess.Popen[bytes]":
    """Start a program in our process group, in our environment plus `env`."""
    environment = {**os.environ, **(env or {})}
    return subprocess.Popen(command, env=environment, cwd=directory, preexec_fn=die_with_parent())


def end(children: "list[subprocess.Popen[bytes]]", patience: float = 10.0) -> None:
    """Ask all to stop, wait, and kill what does not."""
    for child in children:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                child.terminate()
    for child in children:
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def stop_on_signals() -> None:
    """SIGTERM ends the command like Ctrl-C, so that `finally` runs; a second one does not disturb the ending."""

    def told(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)


def granian(host: str, port: int, *, processes: int, threads: int) -> list[str]:
    """The command line of the web server."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port),
        "--workers", str(processes), "--blocking-threads", str(threads), "--no-ws", "--no-access-log",
        "--log-level", "warning", "--respawn-failed-workers", "--workers-kill-timeout", "10",
        "portico.wsgi:application",
    ]  # fmt: skip


def refuse_taken(host: str, port: int, option: str = "--port") -> None:
    """Stop with a readable line if nobody can listen there: taken, not allowed, or no such address."""
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else str(fault)
        raise Stop(f"cannot listen on {host} port {port}: {reason}. Choose another with {option}.") from None
