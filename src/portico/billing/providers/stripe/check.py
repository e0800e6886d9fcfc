"""What is wrong with the connection to Stripe, in words: for `./portico manage check_providers`."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from portico.billing.providers.base import Declined, Unanswered
from portico.billing.providers.stripe.api import API_VERSION, asking, client, sdk

EVENTS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
    "payment_method.detached",
    "payment_method.automatically_updated",
)
"""What Stripe must tell us."""


def faults() -> list[str]:
    """Everything that is wrong, each with what to do; empty when all is well."""
    found = [*of_key(), *of_secret()]
    return found or [*of_permissions(), *of_endpoint()]


def of_key() -> Iterator[str]:
    """The key: there, a secret one, restricted, of the right mode."""
    key = settings.PORTICO_STRIPE_KEY
    if not key:
        yield "PORTICO_STRIPE_KEY is not set. Make a restricted key in Stripe's dashboard (Developers, API keys)."
    elif key.startswith("pk_"):
        yield "PORTICO_STRIPE_KEY is a publishable key (pk_…). Set the restricted key (rk_…)."
    elif not key.startswith(("rk_live_", "rk_test_", "sk_live_", "sk_test_")):
        yield "PORTICO_STRIPE_KEY does not look like a key of Stripe's (rk_live_… or rk_test_…)."
    elif key.startswith("sk_live_"):
        yield "PORTICO_STRIPE_KEY may do everything (sk_live_…). Use a restricted key (rk_live_…) with the rights in the docs."
    elif "_test_" in key and settings.PRODUCTION and settings.HTTPS:
        yield "PORTICO_STRIPE_KEY is of the test mode: no real money moves. Set the live key when you are ready."


def of_secret() -> Iterator[str]:
    """The signing secret, or both of them while one is rotated."""
    secrets = [one.strip() for one in str(settings.PORTICO_WEBHOOK_SECRETS.get("stripe", "")).split(",")]
    if not any(secrets):
        yield "PORTICO_WEBHOOK_SECRET_STRIPE is not set: notices cannot be verified. Set the endpoint's signing secret."
    elif any(len(one) < 16 for one in secrets):
        yield "PORTICO_WEBHOOK_SECRET_STRIPE is too short: anybody could report a payment. Set the whole signing secret."
    elif not all(one.startswith("whsec_") for one in secrets):
        yield "PORTICO_WEBHOOK_SECRET_STRIPE does not begin with whsec_: it is not an endpoint's signing secret."


def of_permissions() -> Iterator[str]:
    """What the key may read; whether it may write is seen only when it does."""
    v1 = client()
    for name, service in (
        ("Checkout Sessions", v1.checkout.sessions),
        ("PaymentIntents", v1.payment_intents),
        ("Refunds", v1.refunds),
    ):
        try:
            with asking():
                service.list({"limit": 1})
        except Declined as fault:
            cause = fault.__cause__
            if isinstance(cause, sdk().AuthenticationError):
                yield "Stripe does not know PORTICO_STRIPE_KEY: it is mistyped, or was revoked."
                return
            yield f"The key may not use {name}. Give it the right to write {name} in Stripe's dashboard."
        except Unanswered as fault:
            yield f"Stripe does not answer ({fault}). Is the way to api.stripe.com open from this machine?"
            return


def of_endpoint() -> Iterator[str]:
    """The webhook endpoint: there, enabled, with our version and events."""
    address = f"{settings.PORTICO_BASE_URL}/webhooks/stripe/"
    try:
        with asking():
            listed: list[Any] = list(client().webhook_endpoints.list({"limit": 100}).auto_paging_iter())
    except Declined:
        yield "The key may not read webhook endpoints, so they were not checked. Give it the right to read them, or look there."
        return
    except Unanswered:
        return
    ours = [one for one in listed if str(one["url"]).rstrip("/") == address.rstrip("/")]
    if not ours:
        yield f"No webhook endpoint at Stripe points to {address}. Add one, and set its signing secret."
        return
    enabled = [one for one in ours if one["status"] == "enabled"]
    if not enabled:
        yield f"The webhook endpoint {address} is disabled at Stripe. Enable it there."
        return
    told = {event for one in enabled for event in one["enabled_events"]}
    missing = [event for event in EVENTS if event not in told and "*" not in told]
    if missing:
        yield f"The webhook endpoint does not send: {', '.join(missing)}. Add these events there."
    if all(one["api_version"] not in {API_VERSION, None} for one in enabled):
        yield f"The webhook endpoint sends version {enabled[0]['api_version']}. Make one with version {API_VERSION}."
