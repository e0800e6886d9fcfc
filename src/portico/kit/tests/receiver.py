"""A receiver of webhooks on this machine: a real HTTP server that keeps what it gets and answers as it is told."""

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Got:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What arrived, and what is answered: status, headers, body."""

    answer: Callable[[Got], tuple[int, dict[str, str], bytes]] = lambda _got: (200, {}, b"ok")
    got: list[Got] = field(default_factory=list)
    url: str = ""
    port: int = 0


@contextmanager
def receiving(receiver: Receiver | None = None) -> Iterator[Receiver]:
    """A receiver at `receiver.url`, as long as the block lasts."""
    one = receiver or Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the server's name
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            one.got.append(got)
            status, headers, said = one.answer(got)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_GET(self) -> None:  # the server's name
            self.do_POST()

        def log_message(self, *_args: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    one.port = server.server_address[1]
    one.url = f"http://127.0.0.1:{one.port}/hook"
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def talking(say: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server that answers every connection with `say(connection, stop)`; gives its address."""
    listening, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _where = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65_536)
                    say(connection, stop)
                except OSError:
                    pass

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        stop.set()
        listening.close()


def verified(got: Got, secret: str, *, now: float, tolerance: int = 300) -> bool:
    """The check as docs/integrate/webhooks.md tells integrators to make it, written without a line of ours."""
    if abs(now - int(got.headers["webhook-timestamp"])) > tolerance:
        return False
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = hmac.new(base64.b64decode(secret.split("_", 1)[1]), signed, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, one) for one in got.headers["webhook-signature"].split())
