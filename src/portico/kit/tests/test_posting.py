"""What may be posted to: the public internet, over TLS, at once or not at all. Each guard has a control without it."""

import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from portico.kit import posting
from portico.kit.errors import Invalid
from portico.kit.posting import Limits, Unreachable, is_public, place_of, post
from portico.kit.tests.receiver import Receiver, receiving, talking

QUICK = Limits(connect=0.5, total=0.6)


def refused(url: str, **more: Any) -> str:
    """Why nothing came back."""
    with pytest.raises(Unreachable) as found:
        post(url, b"{}", {}, **more)
    return found.value.code


@pytest.fixture
def here(settings: Any) -> None:
    """Receivers on this machine are allowed."""
    settings.PORTICO_HOOK_LOOPBACK = True


# Which addresses -------------------------------------------------------------------------------------------------------

CLOSED = (
    "0.0.0.0",  # noqa: S104  # written down, not bound to
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::1",
    "2001:0:7f00:1::", "2001:db8::1", "100::1", "5f00::1", "3fff::1", "fec0::1", "2606:4700::1%1", "not an address",
)  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_the_public_internet_is_refused_in_every_form(address: str) -> None:
    assert not is_public(address)
    assert refused("https://hooks.example/", look_up=lambda _name, _port: [address]) == "address"


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "name", ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "localhost", "localhost."]
)
def test_other_ways_to_write_this_machine_are_seen_through(name: str) -> None:
    """The system's own look-up reads them; what it says is vetted. Control: it does lead here."""
    found = {one[4][0] for one in socket.getaddrinfo(name.rstrip("."), 443, type=socket.SOCK_STREAM)}
    assert found & {"127.0.0.1", "::1"}
    assert refused(f"https://{name}/") in {"address", "name"}


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "ftp://hooks.example/", "//hooks.example/", "https://", "https:///x", "hooks.example",
        "https://user:word@hooks.example/", "https://user@hooks.example/", "https://hooks.example/#part",
        "https://hooks.example:22/", "https://hooks.example:99999/", "https://hooks.example:x/", "https://[::1/",
        "https://hooks.example/a b", "https://hooks.example/\r\nX: y", "https://hooks.example\\@evil.example/",
        "https://hööks.example/", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/",
        "https://169.254.169.254/latest/", "https://hooks.example/" + "a" * 500, "javascript:alert(1)", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused_in_words(url: str) -> None:
    with pytest.raises(Invalid):
        place_of(url)
    assert refused(url, look_up=lambda _name, _port: ["8.8.8.8"]) == "address"


@pytest.mark.parametrize("url", ["https://hooks.example/a?b=c", "https://hooks.example:8443/", "https://8.8.8.8/"])
def test_usual_addresses_are_taken(url: str) -> None:
    assert place_of(url).scheme == "https"


def test_one_private_address_among_public_ones_spoils_the_name() -> None:
    assert refused("https://hooks.example/", look_up=lambda _name, _port: ["8.8.8.8", "10.0.0.1"]) == "address"
    assert refused("https://hooks.example/", look_up=lambda _name, _port: []) == "address"


def test_this_machine_is_reached_only_where_the_setting_says_so(settings: Any) -> None:
    with receiving() as receiver:
        assert refused(receiver.url) == "address"
        assert receiver.got == []
        settings.PORTICO_HOOK_LOOPBACK = True
        assert post(receiver.url, b"{}", {}).status == 200
        for address in ("10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254"):
            assert refused("http://hooks.example/", look_up=lambda _name, _port, one=address: [one]) == "address"
        assert refused("http://hooks.example/", look_up=lambda _name, _port: ["8.8.8.8"]) == "address", "no TLS"


# Rebinding and redirects ------------------------------------------------------------------------------------------------


class Rebinding:
    """A name that is public the first time and this machine from then on."""

    def __init__(self, first: str) -> None:
        self.answers, self.asked = [first], 0

    def __call__(self, _name: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers if self.asked == 1 else ["127.0.0.1"]


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_vetted(monkeypatch: pytest.MonkeyPatch) -> None:
    went: list[tuple[str, int]] = []

    def connect(where: tuple[str, int], **_more: Any) -> socket.socket:
        went.append(where)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    rebinding = Rebinding("8.8.8.8")
    assert refused("https://hooks.example/", look_up=rebinding) == "connection"
    assert (rebinding.asked, went) == (1, [("8.8.8.8", 443)])


def test_without_the_guard_a_rebinding_name_reaches_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a client that vets by one look-up and connects by another one."""
    rebinding = Rebinding("8.8.8.8")
    real = socket.getaddrinfo

    def look_up(name: str, port: int, *args: Any, **more: Any) -> Any:
        return real(rebinding(name, port)[0] if name == "hooks.example" else name, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with receiving() as receiver:
        assert is_public(str(socket.getaddrinfo("hooks.example", receiver.port)[0][4][0]))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://hooks.example:{receiver.port}/", data=b"{}", timeout=5).close()
        assert len(receiver.got) == 1


def test_the_vetted_address_hears_the_name_it_was_asked_for(here: None) -> None:
    with receiving() as receiver:
        answer = post(
            f"http://hooks.example:{receiver.port}/a?b=c",
            b"{}",
            {"X-One": "1"},
            look_up=lambda _name, _port: ["127.0.0.1"],
        )
    assert answer == posting.Answer(200, b"ok")
    assert receiver.got[0].path == "/a?b=c"
    assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert receiver.got[0].headers["x-one"] == "1"


def test_a_redirect_is_an_answer_and_not_followed(here: None) -> None:
    with receiving() as inside:
        away = Receiver(lambda _got: (302, {"Location": inside.url}, b""))
        with receiving(away):
            assert post(away.url, b"{}", {}).status == 302
            assert inside.got == []
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(away.url, data=b"{}", timeout=5).close()
            assert len(inside.got) == 1, "the control follows it"


def test_a_proxy_of_the_environment_is_not_asked(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert post(receiver.url, b"{}", {}).status == 200
        assert (len(proxy.got), len(receiver.got)) == (0, 1)
        monkeypatch.delenv("no_proxy", raising=False)
        urllib.request.build_opener().open("http://hooks.example/", data=b"{}", timeout=5).close()
        assert len(proxy.got) == 1, "the control asks it"


# Slow and huge answers ---------------------------------------------------------------------------------------------------


def drip(piece: bytes, first: bytes = b"") -> Any:
    """Says `first`, then one piece after another for ever, each well within any time-out of a single read."""

    def say(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(0.05):
            connection.sendall(piece)

    return say


@pytest.mark.parametrize(
    ("piece", "first"),
    [
        (b"X-Drip: 1\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        (b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
def test_a_slow_answer_ends_when_its_time_is_over(here: None, piece: bytes, first: bytes) -> None:
    with talking(drip(piece, first)) as url:
        began = time.perf_counter()
        assert refused(url, limits=QUICK) == "timeout"
        assert time.perf_counter() - began < 3


def test_without_an_end_for_the_whole_a_slow_answer_goes_on(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a time-out of each read alone never strikes while bytes drip in."""
    monkeypatch.setattr(posting.Watched, "shut", lambda _watched: None)
    with talking(drip(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")) as url:
        assert post(url, b"{}", {}, limits=QUICK).body == b"x" * 40


def silent(_connection: socket.socket, stop: threading.Event) -> None:
    """Says nothing."""
    stop.wait(5)


def test_silence_and_a_closed_door_are_told_apart(here: None) -> None:
    with talking(silent) as url:
        assert refused(url, limits=QUICK) == "timeout"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/") == "connection"
    with talking(lambda connection, _stop: connection.sendall(b"SSH-2.0-x\r\n")) as url:
        assert refused(url) == "answer"
    assert refused("https://hooks.invalid/", look_up=lambda _name, _port: (_ for _ in ()).throw(OSError())) == "name"


def test_of_a_huge_answer_the_beginning_is_read(here: None) -> None:
    sent: list[int] = []

    def flood(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.is_set() and len(sent) < 5_000:
            connection.sendall(b"x" * 10_000)
            sent.append(10_000)

    with talking(flood) as url:
        answer = post(url, b"{}", {})
    assert (answer.status, len(answer.body)) == (200, 65_536)
    assert sum(sent) < 40_000_000, "the connection was hung up long before the end"


# TLS ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of our own (root.pem), and a certificate of it for hooks.example with its key (leaf.pem)."""
    where, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)

    def certificate(name: str, key: Any, issuer: str, signer: Any, *, ca: bool) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256())

    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("authority.example", ours, "authority.example", ours, ca=True)
    leaf = certificate("hooks.example", theirs, "authority.example", ours, ca=False)
    pem = serialization.Encoding.PEM
    key = theirs.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (where / "root.pem").write_bytes(root.public_bytes(pem))
    (where / "leaf.pem").write_bytes(key + leaf.public_bytes(pem))
    return where


@pytest.fixture
def secure(authority: Path, here: None) -> Any:
    """Port of a server that speaks TLS with the certificate of hooks.example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "leaf.pem")
    listening = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)

    def serve() -> None:
        while True:
            try:
                connection, _where = listening.accept()
                with connection:
                    read = b""
                    while not read.endswith(b"{}"):  # closed with something unread, it would reset what it answered
                        part = connection.recv(65_536)
                        if not part:
                            break
                        read += part
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def loopback(_name: str, _port: int) -> list[str]:
    """Every name leads here."""
    return ["127.0.0.1"]


def test_the_certificate_must_be_for_the_name_though_the_address_is_pinned(secure: int, authority: Path) -> None:
    known = ssl.create_default_context(cafile=str(authority / "root.pem"))
    assert post(f"https://hooks.example:{secure}/", b"{}", {}, look_up=loopback, context=known).status == 204
    assert refused(f"https://other.example:{secure}/", look_up=loopback, context=known) == "certificate"
    assert refused(f"https://127.0.0.1:{secure}/", context=known) == "certificate"
    assert refused(f"https://hooks.example:{secure}/", look_up=loopback) == "certificate", "an authority nobody knows"
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    assert post(f"https://other.example:{secure}/", b"{}", {}, look_up=loopback, context=blind).status == 204, "control"


def test_no_tls_where_it_was_asked_for_is_a_fault(here: None) -> None:
    with receiving() as receiver:
        assert refused(f"https://127.0.0.1:{receiver.port}/") == "tls"
        assert receiver.got == []
