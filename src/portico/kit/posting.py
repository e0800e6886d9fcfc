"""A POST to an address that somebody else chose: it can reach the public internet, and nothing of ours.

The name is looked up once; every address it has must be a public one, and the connection goes to exactly such an address, with
TLS for the name. So a name that answers differently the second time (DNS rebinding) gains nothing. Redirects are not
followed, no proxy of the environment is used, and the whole exchange has an end: `Limits`.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Event, Timer
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid

Resolve = Callable[[str, int], Sequence[str]]
LONGEST_URL = 500
PUBLIC_6 = ip_network("2000::/3")
"""All of IPv6 that is routed publicly; loopback, private, link-local, multicast and NAT64 lie outside."""
CLOSED_6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # assigned to protocols: Teredo (which holds an IPv4 address), ORCHID, benchmarks
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which holds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
CLOSED_4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' NAT; some clouds' metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # a public address that is Azure's own, inside every machine there
            "169.254.0.0/16",  # link-local, with the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)


@dataclass(frozen=True)
class Limits:
    """Seconds until a connection stands, seconds for everything, and bytes of the answer that are read."""

    connect: float = 5.0
    total: float = 15.0
    answer: int = 65_536


@dataclass(frozen=True)
class Answer:
    """What came back. Any status: who asked decides what it means."""

    status: int
    body: bytes


class Unreachable(Exception):
    """Nothing usable came back; `code` is one word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Place:
    """An address taken apart: `target` is path and query, `host` as in the Host header."""

    scheme: str
    name: str
    port: int
    target: str

    @property
    def host(self) -> str:
        """Name and port, the port where it is not the usual one."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == usual_port(self.scheme) else f"{name}:{self.port}"


def usual_port(scheme: str) -> int:
    """The port of a scheme."""
    return 443 if scheme == "https" else 80


# Which addresses -------------------------------------------------------------------------------------------------------


def place_of(url: str) -> Place:
    """The parts of an address that may be posted to, by its looks; Invalid says what is wrong with it.

    `http` and other ports only where PORTICO_HOOK_LOOPBACK allows receivers on this machine.
    """
    if len(url) > LONGEST_URL or not url.isascii() or any(not "!" <= letter <= "~" or letter == "\\" for letter in url):
        raise Invalid(_("Enter an address of at most 500 plain characters, without blanks."))
    try:
        parts = urlsplit(url)
        port = parts.port or usual_port(parts.scheme)
    except ValueError:
        raise Invalid(_("This is not an address. It looks like https://hooks.example.com/portal.")) from None
    allowed = {"https", "http"} if settings.PORTICO_HOOK_LOOPBACK else {"https"}
    if parts.scheme not in allowed or not parts.hostname:
        raise Invalid(_("The address must begin with https:// and name a host."))
    if "@" in parts.netloc:
        raise Invalid(_("Leave user name and password out of the address: every message is signed instead."))
    if parts.fragment:
        raise Invalid(_("Leave out the part of the address after #."))
    if port not in settings.PORTICO_HOOK_PORTS and not settings.PORTICO_HOOK_LOOPBACK:
        allowed_ports = ", ".join(map(str, settings.PORTICO_HOOK_PORTS))
        raise Invalid(_("The address must use one of these ports: %(ports)s.") % {"ports": allowed_ports})
    if is_address(parts.hostname) and not is_allowed(parts.hostname, parts.scheme, port):
        raise Invalid(_("This address is not on the public internet."))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, parts.hostname, port, target)


def is_address(name: str) -> bool:
    """Whether this is an IP address and not a name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, itself and not by way of another one written into it."""
    try:
        one = ip_address(address)
    except ValueError:
        return False
    if isinstance(one, IPv4Address):
        return not any(one in network for network in CLOSED_4)
    return not one.scope_id and one in PUBLIC_6 and not any(one in network for network in CLOSED_6)


def is_loopback(address: str) -> bool:
    """Whether it is this machine, written as itself."""
    one = ip_address(address)
    return one.is_loopback and not (isinstance(one, IPv6Address) and one.ipv4_mapped)


def is_allowed(address: str, scheme: str, port: int) -> bool:
    """Whether a connection may go there: public over TLS on the usual ports, or this machine where that is allowed."""
    if settings.PORTICO_HOOK_LOOPBACK and is_loopback(address):
        return True
    return scheme == "https" and port in settings.PORTICO_HOOK_PORTS and is_public(address)


def resolve(name: str, port: int) -> Sequence[str]:
    """Every address of a name, in the order of preference; OSError when there is none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


def vetted(place: Place, look_up: Resolve) -> list[str]:
    """The addresses to connect to; Unreachable when there is none, or one of them is not allowed."""
    try:
        found = list(dict.fromkeys(look_up(place.name, place.port)))
    except (OSError, UnicodeError):
        raise Unreachable("name") from None
    if not found or not all(is_allowed(address, place.scheme, place.port) for address in found):
        raise Unreachable("address")
    return found[:3]


# The exchange ----------------------------------------------------------------------------------------------------------


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    look_up: Resolve | None = None,
    context: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> Answer:
    """POST `body` and read the answer. Raises Unreachable; `look_up` and `context` stand in for DNS and TLS in tests."""
    limits = limits or Limits()
    try:
        place = place_of(url)
    except Invalid:
        raise Unreachable("address") from None
    late = time.monotonic() + limits.total
    addresses = vetted(place, look_up or resolve)
    try:
        raw = connected(addresses, place.port, limits.connect)
        watched = Watched(raw, late)
        try:
            if place.scheme == "https":
                watched.secure(context or trusting(), place.name)
            return exchange(watched, place, body, headers, limits)
        except (OSError, http.client.HTTPException, ValueError):
            if watched.is_late:
                raise Unreachable("timeout") from None
            raise
        finally:
            watched.close()
    except TimeoutError:
        raise Unreachable("timeout") from None
    except ssl.SSLCertVerificationError:
        raise Unreachable("certificate") from None
    except ssl.SSLError:
        raise Unreachable("tls") from None
    except OSError:
        raise Unreachable("connection") from None
    except (http.client.HTTPException, ValueError):
        raise Unreachable("answer") from None


def connected(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """A connection to the first of `addresses` that takes one, within so many seconds altogether."""
    late, fault = time.monotonic() + seconds, OSError("no address")
    for address in addresses:
        left = late - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            return socket.create_connection((address, port), timeout=left)
        except OSError as one:
            fault = one
    raise fault


def trusting() -> ssl.SSLContext:
    """TLS as browsers want it: 1.2 or newer, certificate and name checked against the system's authorities."""
    return ssl.create_default_context()


class Watched:
    """A connection that is shut when its time is over, however slowly the other side goes on talking."""

    def __init__(self, raw: socket.socket, late: float) -> None:
        self.socket = raw
        self.over = Event()
        self.timer = Timer(max(late - time.monotonic(), 0.0), self.shut)
        self.timer.daemon = True
        self.timer.start()

    @property
    def is_late(self) -> bool:
        """Whether the time was over before the exchange was."""
        return self.over.is_set()

    def shut(self) -> None:
        """Every read and write that waits ends; plain `shutdown`, since TLS's own would drop to reading in clear."""
        self.over.set()
        with suppress(OSError):  # it is closed already
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS, with a certificate for `name`."""
        secured = context.wrap_socket(self.socket, server_hostname=name, do_handshake_on_connect=False)
        self.socket = secured
        if self.is_late:
            raise TimeoutError
        secured.do_handshake()

    def close(self) -> None:
        """Hang up."""
        self.timer.cancel()
        self.socket.close()


def exchange(watched: Watched, place: Place, body: bytes, headers: Mapping[str, str], limits: Limits) -> Answer:
    """Ask and read, at most so much; TimeoutError when the time was over in the middle."""
    watched.socket.settimeout(limits.total)
    asking = http.client.HTTPConnection(place.name, place.port)
    asking.sock = watched.socket
    asking.request("POST", place.target, body, {"Host": place.host, "Connection": "close", **headers})
    answer = asking.getresponse()
    read = answer.read(limits.answer)
    if watched.is_late:
        raise TimeoutError
    return Answer(answer.status, read)
