"""`./portico manage check_providers`: what is wrong is said in words, with what to do."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from portico.billing.providers.stripe.api import API_VERSION
from portico.billing.providers.stripe.check import EVENTS
from portico.billing.tests.providers.standin.company import Company, Fault


def endpoint(settings: Any, **changes: Any) -> dict[str, Any]:
    """Our webhook endpoint at Stripe, as it should be."""
    made = {
        "id": "we_1", "object": "webhook_endpoint", "url": f"{settings.PORTICO_BASE_URL}/webhooks/stripe/",
        "status": "enabled", "enabled_events": list(EVENTS), "api_version": API_VERSION,
    }  # fmt: skip
    return made | changes


def said(settings: Any) -> str:
    """What the command says about Stripe; it fails exactly when there is a fault."""
    settings.PORTICO_PROVIDERS = ["stripe", "bank_transfer"]
    told = StringIO()
    try:
        call_command("check_providers", stdout=told)
    except CommandError:
        assert "stripe: in order" not in told.getvalue()
    else:
        assert told.getvalue() == "stripe: in order\nbank_transfer: in order\n"
    return told.getvalue()


def test_what_is_right_is_in_order(company: Company, settings: Any) -> None:
    company.endpoints.append(endpoint(settings))
    assert "stripe: in order" in said(settings)
    company.endpoints[0]["enabled_events"] = ["*"]
    assert "stripe: in order" in said(settings)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "PORTICO_STRIPE_KEY is not set"),
        ("pk_test_123", "is a publishable key"),
        ("hunter2", "does not look like a key"),
        ("sk_live_123", "may do everything"),
        ("rk_test_of_another", "Stripe does not know PORTICO_STRIPE_KEY"),
    ],
)
def test_a_key_that_is_wrong(company: Company, settings: Any, key: str, words: str) -> None:
    settings.PORTICO_STRIPE_KEY = key
    assert words in said(settings)


@pytest.mark.parametrize(
    ("secret", "words"), [("", "is not set"), ("whsec_1", "is too short"), ("x" * 40, "does not begin with whsec_")]
)
def test_a_secret_that_is_wrong(company: Company, settings: Any, secret: str, words: str) -> None:
    settings.PORTICO_WEBHOOK_SECRETS = {"stripe": secret}
    assert words in said(settings)


def test_a_key_that_may_too_little(company: Company, settings: Any) -> None:
    company.endpoints.append(endpoint(settings))
    company.denied = {"refunds"}
    assert "The key may not use Refunds." in said(settings)
    company.denied = {"webhook_endpoints"}
    assert "may not read webhook endpoints" in said(settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (None, "No webhook endpoint at Stripe points to"),
        ({"url": "https://elsewhere.example/webhooks/stripe/"}, "No webhook endpoint at Stripe points to"),
        ({"status": "disabled"}, "is disabled"),
        ({"enabled_events": list(EVENTS[1:])}, "does not send: checkout.session.completed."),
        ({"api_version": "2020-08-27"}, "sends version 2020-08-27"),
    ],
)
def test_an_endpoint_that_is_wrong(company: Company, settings: Any, changes: dict[str, Any] | None, words: str) -> None:
    if changes is not None:
        company.endpoints.append(endpoint(settings, **changes))
    assert words in said(settings)


def test_stripe_that_does_not_answer(company: Company, settings: Any) -> None:
    company.faults.append(Fault("GET checkout/sessions", "silent_before"))
    assert "Stripe does not answer" in said(settings)
