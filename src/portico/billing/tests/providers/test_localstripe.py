"""The real SDK against localstripe, another stand-in for Stripe: what it implements, our provider speaks."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest

from portico.billing.providers import find
from portico.billing.providers.base import (
    Attempt,
    Charge,
    Declined,
    Forged,
    Provider,
    Refunding,
    RefundSaid,
    Report,
    Said,
)
from portico.billing.providers.stripe import api


@pytest.fixture
def localstripe(settings: Any) -> Iterator[str]:
    """It, on a port of loopback."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _try in range(100):
            try:
                urllib.request.urlopen(f"{address}/", timeout=1)  # noqa: S310  # loopback
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
            else:
                break
        settings.PORTICO_STRIPE_KEY, settings.PORTICO_STRIPE_ADDRESS = "sk_test_12345", address
        yield address
    finally:
        server.terminate()
        server.wait(10)


def provider() -> Provider:
    found = find("stripe")
    assert found is not None
    return found


def test_a_saved_method_is_charged_off_session_found_again_and_forgotten(localstripe: str) -> None:
    v1 = api.client()
    customer = v1.customers.create({})
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = v1.payment_methods.create({"type": "card", "card": card})
    v1.payment_methods.attach(method["id"], {"customer": customer["id"]})
    wanted = Charge(
        "key-1", "our-id-1", 106_800, "EUR", "", "http://localhost/", customer["id"], method["id"], present=False
    )
    report = provider().charge_saved(wanted)
    assert (report.said, report.amount_minor, report.currency) == (Said.SUCCEEDED, 106_800, "EUR")
    assert (report.payment_id, report.provider_reference[:3]) == ("our-id-1", "pi_")
    attempt = Attempt("key-1", "our-id-1", report.provider_reference, started_at=datetime.now(UTC))
    assert provider().fetch(attempt) == report
    assert provider().expire(attempt) == report, "what succeeded cannot be ended"
    provider().detach(method["id"])


def test_a_set_up_is_confirmed(localstripe: str) -> None:
    v1 = api.client()
    setup = v1.setup_intents.create({"usage": "off_session"})
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = v1.payment_methods.create({"type": "card", "card": card})
    done = v1.setup_intents.confirm(setup["id"], {"payment_method": method["id"]})
    assert done["status"] == "succeeded"


def charged(number: str = "4242424242424242", key: str = "key-1") -> Report:
    """A charge of a card of this number, which was saved before."""
    v1 = api.client()
    customer = v1.customers.create({})
    card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = v1.payment_methods.create({"type": "card", "card": card})
    v1.payment_methods.attach(method["id"], {"customer": customer["id"]})
    return provider().charge_saved(
        Charge(key, f"our-{key}", 106_800, "EUR", "", "http://localhost/", customer["id"], method["id"], present=False)
    )


def test_a_card_that_is_declined_when_it_is_charged_says_why(localstripe: str) -> None:
    with pytest.raises(Declined, match="card_declined"):
        charged("4000000000000341")


def test_money_is_given_back_in_parts_and_found_again(localstripe: str) -> None:
    report = charged()
    attempt = Attempt("key-1", "our-key-1", report.provider_reference, charge_reference=report.charge_reference)
    part = Refunding("refund-1", "our-refund-1", 6_800, "EUR", attempt)
    made = provider().refund(part)
    assert (made.said, made.amount_minor, made.currency) == (RefundSaid.SUCCEEDED, 6_800, "EUR")
    assert made.refund_id == "our-refund-1"
    assert provider().fetch_refund(replace(part, provider_reference=made.provider_reference)) == made
    assert provider().fetch_refund(part) == made, "without Stripe's name for it, by ours in the metadata"
    nobody = provider().fetch_refund(replace(part, refund_id="nobody's"))
    assert nobody.said == RefundSaid.NOTHING


class Door(BaseHTTPRequestHandler):
    """What localstripe posts, kept as it came."""

    came: Queue[tuple[bytes, dict[str, str]]]

    def do_POST(self) -> None:
        """Keep it, answer 200."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.put((body, dict(self.headers)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_about: object) -> None:
        """Say nothing."""


def test_its_signed_notices_are_genuine_and_understood(localstripe: str, settings: Any) -> None:
    secret = "whsec_0123456789abcdef"
    settings.PORTICO_WEBHOOK_SECRETS = {"stripe": f"whsec_a-newer-one-beside-it,{secret}"}
    came: Queue[tuple[bytes, dict[str, str]]] = Queue()
    door = ThreadingHTTPServer(("127.0.0.1", 0), type("OurDoor", (Door,), {"came": came}))
    Thread(target=door.serve_forever, daemon=True).start()
    try:
        about = urlencode({"url": f"http://127.0.0.1:{door.server_port}/", "secret": secret}).encode()
        urllib.request.urlopen(f"{localstripe}/_config/webhooks/ours", about, timeout=5)  # noqa: S310  # loopback
        report = charged()
        body, headers = came.get(timeout=20)
        while b'"payment_intent.succeeded"' not in body:
            body, headers = came.get(timeout=20)
        notice = provider().verify(body, headers, now=datetime.now(UTC))
    finally:
        door.shutdown()
        door.server_close()
    assert notice.kind == "payment_intent.succeeded"
    told = provider().translate(notice.kind, notice.payload)
    assert isinstance(told, Report)
    assert (told.provider_reference, told.payment_id) == (report.provider_reference, "our-key-1")
    assert told.said in {Said.SUCCEEDED, Said.ASK}
    with pytest.raises(Forged):
        provider().verify(body.replace(b"106800", b"106801"), headers, now=datetime.now(UTC))
