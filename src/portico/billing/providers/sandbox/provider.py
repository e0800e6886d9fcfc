"""The provider that speaks with the sandbox company."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portico.billing.providers.base import (
    Attempt,
    Charge,
    Declined,
    Forged,
    Kept,
    NoSecret,
    Notice,
    Provider,
    Purchase,
    Refunding,
    RefundReport,
    RefundSaid,
    Report,
    ReversalReport,
    ReversalSaid,
    Said,
    Saving,
    SavingReport,
    Started,
    Told,
    Unanswered,
)
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout, Refund

OLDEST = timedelta(seconds=300)
SHORTEST_SECRET = 32
SAID = {state: Said(state) for state in ("open", "processing", "succeeded", "failed", "expired")}


class Sandbox(Provider):
    """Pay online without real money."""

    name = "sandbox"
    label = _("Pay online (test mode)")
    note = _("A test page lets you choose what happens. No real money moves.")
    test_mode = True
    saves = True
    refunds = True
    account = gateway.ACCOUNT

    def start(self, purchase: Purchase) -> Started:
        """Open a checkout. See Provider."""
        request = gateway.Request(
            merchant_reference=purchase.payment_id,
            amount_minor=purchase.amount_minor,
            currency=purchase.currency,
            description=purchase.description,
            return_url=purchase.return_url,
            saves=purchase.save,
            customer_reference=purchase.provider_customer,
        )
        return self._begin(purchase.key, request)

    def save_method(self, saving: Saving) -> Started:
        """Open a checkout that saves and takes nothing. See Provider."""
        request = gateway.Request(
            merchant_reference=saving.saving_id,
            amount_minor=0,
            currency=saving.currency,
            description="",
            return_url=saving.return_url,
            saves=True,
            customer_reference=saving.provider_customer,
            mode=Checkout.Mode.SETUP,
        )
        return self._begin(saving.key, request)

    def _begin(self, key: str, request: gateway.Request) -> Started:
        try:
            checkout = gateway.create(key, request, now=timezone.now())
        except gateway.KeyReused:
            raise Declined("idempotency_key_reused") from None
        return Started(provider_reference=checkout.reference, checkout_url=self._page(checkout))

    def _page(self, checkout: Checkout) -> str:
        return f"{settings.PORTICO_BASE_URL}/sandbox/checkout/{checkout.token}/"

    def fetch_saving(self, saving: Saving) -> SavingReport:
        """See Provider."""
        checkout = gateway.find(reference=saving.provider_reference, key=saving.key, now=timezone.now())
        if checkout is None:
            return SavingReport(Said.NOTHING)
        return SavingReport(
            said=SAID[checkout.state],
            provider_reference=checkout.reference,
            saving_id=checkout.merchant_reference,
            kept=kept(gateway.described(checkout.method)),
            failure_code=checkout.failure_code,
        )

    def detach(self, provider_method: str) -> None:
        """See Provider."""
        gateway.forget(provider_method, now=timezone.now())

    def charge_saved(self, charge: Charge) -> Report:
        """See Provider."""
        request = gateway.Request(
            merchant_reference=charge.payment_id,
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            description=charge.description,
            return_url=charge.return_url,
            customer_reference=charge.provider_customer,
            mode=Checkout.Mode.CHARGE,
        )
        try:
            checkout = gateway.charge(
                charge.key, request, charge.provider_method, present=charge.present, now=timezone.now()
            )
        except gateway.KeyReused:
            raise Declined("idempotency_key_reused") from None
        except gateway.Gone:
            raise Declined("payment_method_gone") from None
        return self._told(checkout)

    def authenticate(self, attempt: Attempt, *, return_url: str) -> str:
        """The hosted page of the charge. See Provider."""
        checkout = gateway.find(reference=attempt.provider_reference, key=attempt.key, now=timezone.now())
        waits = checkout is not None and said_of(checkout.mode, checkout.state) == Said.ACTION
        return self._page(checkout) if checkout is not None and waits else ""

    def refund(self, refunding: Refunding) -> RefundReport:
        """See Provider."""
        now = timezone.now()
        attempt = refunding.attempt
        checkout = gateway.find(reference=attempt.provider_reference, key=attempt.key, now=now)
        if checkout is None or checkout.taken_currency != refunding.currency:
            raise Declined("payment_not_found")
        try:
            made = gateway.give_back(refunding.key, refunding.refund_id, checkout, refunding.amount_minor, now=now)
        except gateway.KeyReused:
            raise Declined("idempotency_key_reused") from None
        except gateway.Gone:
            raise Declined("amount_not_available") from None
        return refund_report(made)

    def fetch_refund(self, refunding: Refunding) -> RefundReport:
        """See Provider."""
        found = gateway.find_refund(reference=refunding.provider_reference, key=refunding.key, now=timezone.now())
        return RefundReport(RefundSaid.NOTHING) if found is None else refund_report(found)

    def fetch(self, attempt: Attempt) -> Report:
        """See Provider."""
        return self._report(attempt, close=False)

    def expire(self, attempt: Attempt) -> Report:
        """See Provider."""
        return self._report(attempt, close=True)

    def _report(self, attempt: Attempt, *, close: bool) -> Report:
        now = timezone.now()
        try:
            checkout = gateway.find(reference=attempt.provider_reference, key=attempt.key, now=now)
        except gateway.Outage:
            raise Unanswered("the sandbox does not answer") from None
        if checkout is None:
            return Report(Said.NOTHING)
        if close:
            gateway.expire(checkout, now=now)
            if checkout.state == checkout.State.SILENT:
                raise Unanswered("the sandbox does not answer")
        return self._told(checkout)

    def _told(self, checkout: Checkout) -> Report:
        return Report(
            said=said_of(checkout.mode, checkout.state),
            provider_reference=checkout.reference,
            payment_id=checkout.merchant_reference,
            amount_minor=checkout.taken_minor,
            currency=checkout.taken_currency,
            account=checkout.account,
            failure_code=checkout.failure_code,
            charge_reference=checkout.reference,
            kept=kept(gateway.described(checkout.method)) if checkout.saves else None,
        )

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Notice:
        """HMAC-SHA256 over time and body, at most 300 seconds old or ahead. See Provider."""
        secret = str(settings.PORTICO_WEBHOOK_SECRETS.get("sandbox", ""))
        if len(secret) < SHORTEST_SECRET:
            raise NoSecret(f"PORTICO_WEBHOOK_SECRET_SANDBOX needs at least {SHORTEST_SECRET} characters")
        given = headers.get("Sandbox-Signature", "")
        stamp, _sep, _rest = given.removeprefix("t=").partition(",")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
            raise Forged("no signature")
        at = datetime.fromtimestamp(int(stamp), UTC)
        if not hmac.compare_digest(gateway.sign(body, secret, at=at).encode(), given.encode()):
            raise Forged("wrong signature")
        if abs(now.replace(microsecond=0) - at) > OLDEST:
            raise Forged("too old, or ahead of time")
        try:
            payload = json.loads(body, parse_constant=_refuse_constant)
            notice = Notice(event_id=str(payload["id"])[:120], kind=str(payload["type"])[:60], payload=payload)
            self.translate(notice.kind, payload)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Forged("unreadable") from None
        return notice

    def translate(self, kind: str, payload: Mapping[str, Any]) -> Told | None:
        """See Provider."""
        if kind.startswith("refund."):
            return _refund_of(payload["refund"])
        if kind == "debit.returned":
            return _return_of(payload["debit"])
        said = SAID.get(kind.removeprefix("checkout."))
        if said is None or not kind.startswith("checkout."):
            return None
        checkout = payload["checkout"]
        mode, method = checkout.get("mode", Checkout.Mode.PAYMENT), checkout.get("method")
        if mode == Checkout.Mode.SETUP:
            return SavingReport(
                said=said,
                provider_reference=str(checkout["id"])[:120],
                saving_id=str(checkout["reference"]),
                kept=kept(method),
                failure_code=str(checkout["failure_code"])[:40],
            )
        return Report(
            said=said_of(mode, str(said)),
            provider_reference=str(checkout["id"])[:120],
            payment_id=str(checkout["reference"]),
            amount_minor=int(checkout["amount"]),
            currency=str(checkout["currency"]),
            account=str(payload["account"]),
            failure_code=str(checkout["failure_code"])[:40],
            charge_reference=str(checkout["id"])[:120],
            kept=kept(method) if mode == Checkout.Mode.PAYMENT else None,
        )


def said_of(mode: str, state: str) -> Said:
    """What a state means: a charge of a saved method is open only while its bank waits for the payer."""
    return Said.ACTION if (mode, state) == (Checkout.Mode.CHARGE, Checkout.State.OPEN) else SAID[state]


def kept(method: Mapping[str, Any] | None) -> Kept | None:
    """A saved method in our words."""
    if method is None:
        return None
    year, month = method["expires_year"], method["expires_month"]
    return Kept(
        provider_customer=str(method["customer_reference"]),
        provider_method=str(method["reference"]),
        kind=str(method["kind"]),
        brand=str(method["brand"]),
        last4=str(method["last4"]),
        expires=(int(year), int(month)) if year and month else None,
        mandate=f"SANDBOX-{str(method['reference'])[-12:].upper()}" if method["kind"] == "sepa_debit" else "",
    )


def refund_report(refund: Refund) -> RefundReport:
    """A refund in our words."""
    return RefundReport(
        said=RefundSaid(refund.state),
        provider_reference=refund.reference,
        refund_id=refund.merchant_reference,
        amount_minor=refund.amount_minor,
        currency=refund.checkout.currency,
        failure_code=refund.failure_code,
        charge_reference=refund.checkout.reference,
    )


def _refund_of(told: Mapping[str, Any]) -> RefundReport:
    return RefundReport(
        said=RefundSaid(told["state"]),
        provider_reference=str(told["id"])[:120],
        refund_id=str(told["reference"]),
        amount_minor=int(told["amount"]),
        currency=str(told["currency"]),
        failure_code=str(told["failure_code"])[:40],
        charge_reference=str(told["checkout"])[:120],
    )


def _return_of(told: Mapping[str, Any]) -> ReversalReport:
    """A debit that the payer's bank took back: gone for good, nobody disputes it."""
    return ReversalReport(
        said=ReversalSaid.LOST,
        provider_reference=str(told["id"])[:120],
        charge_reference=str(told["checkout"])[:120],
        amount_minor=int(told["amount"]),
        currency=str(told["currency"]),
        reason=str(told["reason"])[:60],
    )


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, and no database keeps them."""
    raise ValueError(name)


PROVIDER = Sandbox()
