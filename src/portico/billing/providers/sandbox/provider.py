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
    Declined,
    Forged,
    NoSecret,
    Notice,
    Provider,
    Purchase,
    Report,
    Said,
    Started,
    Unanswered,
)
from portico.billing.providers.sandbox import gateway

OLDEST = timedelta(seconds=300)
SHORTEST_SECRET = 32
SAID = {state: Said(state) for state in ("open", "processing", "succeeded", "failed", "expired")}


class Sandbox(Provider):
    """Pay online without real money."""

    name = "sandbox"
    label = _("Pay online (test mode)")
    note = _("A test page lets you choose what happens. No real money moves.")
    test_mode = True
    account = gateway.ACCOUNT

    def start(self, purchase: Purchase) -> Started:
        """Open a checkout. See Provider."""
        request = gateway.Request(
            merchant_reference=purchase.payment_id,
            amount_minor=purchase.amount_minor,
            currency=purchase.currency,
            description=purchase.description,
            return_url=purchase.return_url,
        )
        try:
            checkout = gateway.create(purchase.key, request, now=timezone.now())
        except gateway.KeyReused:
            raise Declined("idempotency_key_reused") from None
        url = f"{settings.PORTICO_BASE_URL}/sandbox/checkout/{checkout.token}/"
        return Started(provider_reference=checkout.reference, checkout_url=url)

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
        return Report(
            said=SAID[checkout.state],
            provider_reference=checkout.reference,
            payment_id=checkout.merchant_reference,
            amount_minor=checkout.taken_minor,
            currency=checkout.taken_currency,
            account=checkout.account,
            failure_code=checkout.failure_code,
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

    def translate(self, kind: str, payload: Mapping[str, Any]) -> Report | None:
        """See Provider."""
        said = SAID.get(kind.removeprefix("checkout."))
        if said is None or not kind.startswith("checkout."):
            return None
        checkout = payload["checkout"]
        return Report(
            said=said,
            provider_reference=str(checkout["id"])[:120],
            payment_id=str(checkout["reference"]),
            amount_minor=int(checkout["amount"]),
            currency=str(checkout["currency"]),
            account=str(payload["account"]),
            failure_code=str(checkout["failure_code"])[:40],
        )


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, and no database keeps them."""
    raise ValueError(name)


PROVIDER = Sandbox()
