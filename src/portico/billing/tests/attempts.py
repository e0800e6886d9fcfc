"""Attempts to pay, for tests: begun, decided at the sandbox company, told to the portal's door."""

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from portico.accounts.models import Membership
from portico.billing.actions import methods, pay
from portico.billing.models import Invoice, Payment, SavedMethod
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout, Delivery
from portico.cast import World

OPEN = "Go-live support, day 1"
WAITING = "Second workshop"


def payer(world: World) -> Membership:
    """Julien, who pays for Atelier Fontaine."""
    return Membership.objects.get(user=world.julien, customer=world.fontaine)


def begin(world: World, provider: str = "sandbox", *, invoice: Invoice | None = None, now: datetime) -> Payment:
    """An attempt for one invoice."""
    return pay.start_payment(by=payer(world), provider=provider, invoices=[invoice or world.invoice(OPEN)], now=now)


def checkout_of(payment: Payment) -> Checkout:
    """The sandbox company's side of an attempt."""
    return Checkout.objects.get(merchant_reference=str(payment.pk))


def last_notice(payment: Payment) -> Delivery:
    """What the company owes us to say about it."""
    return Delivery.objects.filter(checkout=checkout_of(payment)).latest("id")


def tell(body: bytes, *, at: datetime, signature: str | None = None) -> HttpResponse:
    """Post a notice to the portal's door, signed with our secret unless another signature is given."""
    if signature is None:
        signature = gateway.sign(body, settings.PORTICO_WEBHOOK_SECRETS["sandbox"], at=at)
    headers = {"Sandbox-Signature": signature} if signature else {}
    return Client().post("/webhooks/sandbox/", body, content_type="application/json", headers=headers)  # type: ignore[return-value]  # the test client's answer is one


def path_of(payment: Payment) -> str:
    """The hosted page of an attempt."""
    return urlsplit(payment.checkout_url).path


def saved_by(member: Membership, card: str = "good", *, now: datetime) -> SavedMethod:
    """A way to pay that this member saved at the sandbox company (a name of gateway.CARDS)."""
    enrolment = methods.begin_saving(by=member, provider="sandbox", consent="I agree.", now=now)
    gateway.save(Checkout.objects.get(merchant_reference=str(enrolment.pk)), card, now=now)
    method = methods.look_up_saving(enrolment=enrolment, now=now).method
    assert method is not None
    return method
