"""Paying at the stand-in for Stripe, for tests: as a payer does on its pages, told to the portal's door."""

import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client

from portico.accounts.models import Membership
from portico.billing.actions import methods, pay
from portico.billing.models import Payment, SavedMethod
from portico.billing.tests.attempts import OPEN, payer
from portico.billing.tests.providers.standin.company import GOOD, Company, Delivery, notices
from portico.cast import World

SECRET = "whsec_" + "4f1c9a0b" * 4
"""Signs the stand-in's notices in tests."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """The way back to the portal is for the payer's browser."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def post(url: str, **fields: str) -> tuple[int, str]:
    """A form of a hosted page: status, and where it leads or what it says."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
    try:
        with opener.open(url, urllib.parse.urlencode(fields).encode(), timeout=10) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as redirect:
        return redirect.code, str(redirect.headers.get("Location", ""))


def begin(world: World, *, now: datetime | None = None, **options: Any) -> Payment:
    """Julien begins to pay the open invoice at Stripe."""
    chosen: dict[str, Any] = {"invoices": [world.invoice(OPEN)], "by": payer(world)} | options
    return pay.start_payment(provider="stripe", now=now or world.now, **chosen)


def pay_with(payment: Payment, number: str = GOOD, **more: str) -> tuple[int, str]:
    """The payer types a card on the hosted page."""
    return post(payment.checkout_url, number=number, **more)


def saved_at(company: Company, by: Membership, number: str = GOOD, *, now: datetime) -> SavedMethod:
    """A way to pay that this member saved at Stripe."""
    enrolment = methods.begin_saving(by=by, provider="stripe", consent="I agree.", now=now)
    session = company.find(enrolment.provider_reference, "checkout.session")
    assert company.pay_session(session["id"], number, confirmed=True) == "saved"
    method = methods.look_up_saving(enrolment=enrolment, now=now).method
    assert method is not None
    return method


def tell_portal(company: Company, *, at: datetime, **how: Any) -> list[HttpResponse]:
    """Everything that Stripe owes, told to the portal's door."""
    owed, company.sent = company.events[company.sent :], len(company.events)
    sent = notices(owed, Delivery(SECRET, **how), at=at.timestamp())
    return [knock(body, signature) for body, signature in sent]


def knock(body: bytes, signature: str) -> HttpResponse:
    """One notice at the door."""
    headers = {"Stripe-Signature": signature} if signature else {}
    return Client().post("/webhooks/stripe/", body, content_type="application/json", headers=headers)  # type: ignore[return-value]  # the test client's answer is one
