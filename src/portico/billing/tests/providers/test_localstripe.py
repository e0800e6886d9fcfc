"""The real SDK against localstripe, another stand-in for Stripe: what it implements, our provider speaks."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from portico.billing.providers import find
from portico.billing.providers.base import Attempt, Charge, Provider, Said
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
