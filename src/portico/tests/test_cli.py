"""The command line: readable mistakes, and a demo that starts, answers, remembers and stops."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from portico.commands import CHECKOUT
from portico.commands.markup import faults_in

COMMAND = [sys.executable, "-m", "portico.cli"]


def portico(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "DATABASE_URL"))}
    return subprocess.run([*COMMAND, *arguments], env=kept | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["demo", "--port", "many"],
        ["demo", "--port", "0"],
        ["demo", "--host", "256.0.0.1"],
        ["demo", "--data", "/dev/null/here"],
        ["demo", "--colour"],
        ["serve", "--port", "-1"],
        ["verify-books", "--data", "/nowhere"],
    ],
)
def test_a_mistake_is_one_readable_line_and_exit_2(arguments: list[str]) -> None:
    done = portico(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_serve_names_everything_that_is_missing() -> None:
    done = portico("serve")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split()[1] for line in lines] == ["PORTICO_SECRET_KEY", "PORTICO_BASE_URL", "DATABASE_URL"]


def test_a_database_that_does_not_answer_is_one_line() -> None:
    done = portico(
        "serve",
        PORTICO_SECRET_KEY="x4-w8Qz1nLr6uTy3vKe9bHs7dJf5gPa2mCo0iRtEyUqWlZxNkVb3h",
        PORTICO_BASE_URL="http://localhost",
        DATABASE_URL="postgresql://portico@127.0.0.1:1/portico",
    )
    assert done.returncode == 2
    assert done.stderr.startswith("portico: the database does not answer: ")
    assert len(done.stderr.strip().splitlines()) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def demo(data: Path, port: int, *further: str) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """A running demo and what it printed before `ready`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTICO_", "DATABASE_URL"))}
    arguments = [*COMMAND, "demo", "--port", str(port), "--data", str(data), *further]
    process = subprocess.Popen(
        arguments, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    assert process.stdout is not None
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if line == "ready\n":
                break
        yield process, "".join(said)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.mark.sqlite  # the demo is SQLite whatever engine the tests run on
def test_the_demo_starts_answers_remembers_and_stops(tmp_path: Path) -> None:
    port = free_port()
    with demo(tmp_path / "demo", port) as (process, said):
        assert f"http://localhost:{port}" in said
        assert "camille@fontaine.example  portico-demo" in said.replace("    ", "  ").replace("   ", "  ")
        with urllib.request.urlopen(f"http://localhost:{port}/") as page:
            assert page.status == 200
            assert page.url.endswith("/account/login/")
        secret = tmp_path / "demo" / "secret-key"
        assert secret.stat().st_mode & 0o777 == 0o600
        kept = secret.read_text()

        taken = portico("demo", "--port", str(port), "--data", str(tmp_path / "other"))
        assert taken.returncode == 2
        assert f"port {port}: Address already in use" in taken.stderr
        same = portico("demo", "--port", str(free_port()), "--data", str(tmp_path / "demo"))
        assert same.returncode == 2
        assert "another demo is running" in same.stderr

        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the whole group
        assert process.wait(20) == 0
    port = free_port()  # the first one may be somebody's by now
    begun = time.monotonic()
    with demo(tmp_path / "demo", port) as (process, said):
        assert time.monotonic() - begun < 10
        assert "camille@fontaine.example" in said
        assert "filling" not in said
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert secret.read_text() == kept
    books_are_checked(tmp_path / "demo")
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def books_are_checked(data: Path) -> None:
    """The command finds nothing in a fresh demo, and names the document of a row that was edited in the file."""
    checked = portico("verify-books", "--data", str(data))
    assert (checked.returncode, checked.stdout) == (0, "The books are in order.\n")
    checked = portico("verify-books", "--chain", "--data", str(data))
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "The books are in order.")
    with closing(sqlite3.connect(data / "portico.sqlite3")) as database:
        number, line = database.execute(
            "SELECT number, line.id FROM billing_invoice JOIN billing_invoiceline line ON invoice_id = billing_invoice.id "
            "WHERE line.kind = 'line' ORDER BY number LIMIT 1"
        ).fetchone()
        database.execute("UPDATE billing_invoiceline SET net_minor = net_minor + 100 WHERE id = ?", [line])
        database.commit()
    checked = portico("verify-books", "--data", str(data))
    assert checked.returncode == 1
    assert f"{number}: line 1 reads net_minor" in checked.stdout
    assert "[lines equal what was issued]" in checked.stdout


def test_the_shell_script_is_posix() -> None:
    assert subprocess.run(["sh", "-n", CHECKOUT / "portico"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('<p style="color: red">', "inline style"),
        ("<button onclick='go()'>", "inline event handler"),
        ("<script>go()</script>", "inline script"),
        ("<style>p {}</style>", "inline style sheet"),
        ('<a href="javascript:go()">', "javascript:"),
        ('<img src="https://elsewhere.example/x.png">', "another site"),
        ("{{ note|safe }}", "|safe"),
        ('<form method="post"><input name="a"></form>', "CSRF"),
    ],
)
def test_the_template_lint_finds(text: str, what: str) -> None:
    [fault] = faults_in(f"<div>\n{text}\n</div>", "page.html")
    assert fault.startswith("page.html:2: ")
    assert what in fault


@pytest.mark.parametrize(
    "text",
    [
        '<script src="{{ static("kit/htmx.js") }}" defer></script>',
        '<form method="post">{{ csrf_input }}</form>',
        '<form method="get"></form>',
        "{# <p style='x'> #}",
        '<a href="/my/" class="button">',
    ],
)
def test_the_template_lint_leaves_in_peace(text: str) -> None:
    assert faults_in(text, "page.html") == []
