"""Stripe: hosted Checkout, saved methods charged off-session, refunds, disputes, signed notices (docs/operate/stripe.md).

Card data never touches us. Which ways to pay Checkout offers (cards, SEPA debit, wallets …) is set in Stripe's dashboard.
"""

import hashlib
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
    NoSecret,
    Notice,
    Payee,
    Provider,
    Purchase,
    Refunding,
    RefundReport,
    RefundSaid,
    Report,
    Said,
    Saving,
    SavingReport,
    Started,
    Told,
    Unanswered,
)
from portico.billing.providers.stripe import amounts, check, words
from portico.billing.providers.stripe.api import asking, client, find_listed, looking_up, sdk

OLDEST = timedelta(seconds=300)
SHORTEST_SECRET = 16
MOST_SIGNATURES = 10
FOR_LOOKUP = ["payment_intent.payment_method"]
CHECKOUT, SAVED = "checkout", "saved"


class Stripe(Provider):
    """Pay by card, direct debit and whatever else the account at Stripe enables."""

    name = "stripe"
    label = _("Card or direct debit")
    note = _("You enter the details at Stripe, our payment provider. We never see them.")
    saves = True
    refunds = True
    test_mode = "_test_" in settings.PORTICO_STRIPE_KEY
    account = settings.PORTICO_STRIPE_ACCOUNT or "own"

    def accepts(self, currency: str, payee: Payee) -> bool:
        """Whatever Stripe counts in a way that we know."""
        return amounts.takes(currency)

    def check(self) -> list[str]:
        """See Provider."""
        return check.faults()

    # Checkout

    def start(self, purchase: Purchase) -> Started:
        """Open a hosted checkout. See Provider."""
        about = {words.PAYMENT: purchase.payment_id, words.WAY: CHECKOUT}
        intent: dict[str, Any] = {"metadata": about, "description": purchase.description}
        params: dict[str, Any] = {
            "mode": "payment",
            "client_reference_id": purchase.payment_id,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": purchase.currency.lower(),
                        "unit_amount": amounts.to_stripe(purchase.amount_minor, purchase.currency),
                        "product_data": {"name": purchase.description or purchase.payment_id},
                    },
                }
            ],
            "payment_intent_data": intent,
            "metadata": about | ({words.SAVES: "yes"} if purchase.save else {}),
            "success_url": purchase.return_url,
            "cancel_url": purchase.return_url,
            "locale": purchase.language or "auto",
        }
        if purchase.save:
            intent["setup_future_usage"] = "off_session"
            params |= whose(purchase.provider_customer)
        with asking():
            session = client().checkout.sessions.create(params, {"idempotency_key": purchase.key})
        return Started(provider_reference=session["id"], checkout_url=session["url"])

    def fetch(self, attempt: Attempt) -> Report:
        """See Provider."""
        with looking_up():
            found = self._find(attempt)
        return Report(Said.NOTHING) if found is None else self._told(found)

    def _find(self, attempt: Attempt) -> Any | None:
        """The checkout or the charge of an attempt: by Stripe's name for it, or among the latest by our id."""
        v1, reference = client(), attempt.provider_reference
        if reference.startswith("pi_"):
            return v1.payment_intents.retrieve(reference)
        if reference:
            return v1.checkout.sessions.retrieve(reference, {"expand": FOR_LOOKUP})
        since = {"created": {"gte": since_of(attempt.started_at)}, "limit": 100}
        listed = v1.checkout.sessions.list(since).auto_paging_iter()
        session = find_listed(listed, lambda one: words.value(one, "client_reference_id") == attempt.payment_id)
        if session is not None:
            return v1.checkout.sessions.retrieve(session["id"], {"expand": FOR_LOOKUP})
        charges = v1.payment_intents.list(since).auto_paging_iter()
        return find_listed(charges, lambda one: is_saved_charge(one, attempt.payment_id))

    def _told(self, found: Any) -> Report:
        if found["object"] == "payment_intent":
            return words.report_of_intent(found, self.account)
        return words.report_of_session(found, self.account)

    def expire(self, attempt: Attempt) -> Report:
        """Expire the checkout or cancel the charge, then say what it came to. See Provider."""
        before = self.fetch(attempt)
        if before.said not in {Said.OPEN, Said.ACTION}:
            return before
        reference, v1 = before.provider_reference, client()
        try:
            with asking():
                if reference.startswith("pi_"):
                    v1.payment_intents.cancel(reference)
                else:
                    v1.checkout.sessions.expire(reference)
        except Declined:  # it was paid or ended this moment
            pass
        return self.fetch(Attempt(attempt.key, attempt.payment_id, reference, started_at=attempt.started_at))

    # Saved methods

    def save_method(self, saving: Saving) -> Started:
        """Open a checkout that saves and takes nothing. See Provider."""
        params: dict[str, Any] = {
            "mode": "setup",
            "currency": saving.currency.lower(),
            "client_reference_id": saving.saving_id,
            "success_url": saving.return_url,
            "cancel_url": saving.return_url,
            "locale": saving.language or "auto",
        }
        with asking():
            session = client().checkout.sessions.create(
                params | whose(saving.provider_customer), {"idempotency_key": saving.key}
            )
        return Started(provider_reference=session["id"], checkout_url=session["url"])

    def fetch_saving(self, saving: Saving) -> SavingReport:
        """See Provider."""
        with looking_up():
            reference, sessions = saving.provider_reference, client().checkout.sessions
            if not reference:
                listed = sessions.list({"created": {"gte": since_of(saving.started_at)}, "limit": 100})
                found = find_listed(
                    listed.auto_paging_iter(), lambda one: words.value(one, "client_reference_id") == saving.saving_id
                )
                if found is None:
                    return SavingReport(Said.NOTHING)
                reference = found["id"]
            session = sessions.retrieve(reference, {"expand": ["setup_intent.payment_method", "setup_intent.mandate"]})
        return words.saving_of_session(session)

    def detach(self, provider_method: str) -> None:
        """See Provider."""
        try:
            with asking():
                client().payment_methods.detach(provider_method)
        except Declined as declined:
            if declined.code not in {"resource_missing", "payment_method_unexpected_state", "invalid_request"}:
                raise Unanswered(declined.code) from None

    def charge_saved(self, charge: Charge) -> Report:
        """Charge it, off-session unless the payer is present. See Provider."""
        params: dict[str, Any] = {
            "amount": amounts.to_stripe(charge.amount_minor, charge.currency),
            "currency": charge.currency.lower(),
            "customer": charge.provider_customer,
            "payment_method": charge.provider_method,
            "confirm": True,
            "metadata": {words.PAYMENT: charge.payment_id, words.WAY: SAVED},
        } | ({"description": charge.description} if charge.description else {})
        params |= {"return_url": charge.return_url} if charge.present else {"off_session": True}
        try:
            with asking():
                intent = client().payment_intents.create(params, {"idempotency_key": charge.key})
        except sdk().CardError as declined:
            intent = words.value(words.value(declined.json_body, "error", {}), "payment_intent")
            if intent is None:
                raise Declined(str(declined.code or "card_declined")[:40]) from None
        except Declined as declined:
            gone = declined.code in {"resource_missing", "payment_method_unexpected_state"}
            raise Declined("payment_method_gone" if gone else declined.code) from None
        return words.report_of_intent(intent, self.account)

    def authenticate(self, attempt: Attempt, *, return_url: str) -> str:
        """The bank's page, which Stripe gives when the charge is confirmed with the payer present. See Provider."""
        intents = client().payment_intents
        with looking_up():
            intent = intents.retrieve(attempt.provider_reference)
            if words.report_of_intent(intent, self.account).said != Said.ACTION:
                return ""
            if intent["status"] != "requires_action":
                method = words.id_of(words.value(words.value(intent, "last_payment_error", {}), "payment_method"))
                intent = intents.confirm(intent["id"], {"payment_method": method, "return_url": return_url})
        redirect = words.value(words.value(intent, "next_action", {}), "redirect_to_url", {})
        return str(words.value(redirect, "url", ""))

    # Refunds

    def refund(self, refunding: Refunding) -> RefundReport:
        """See Provider."""
        intent = refunding.attempt.charge_reference or self.fetch(refunding.attempt).charge_reference
        if not intent:
            raise Declined("payment_not_found")
        params = {
            "payment_intent": intent,
            "amount": amounts.to_stripe(refunding.amount_minor, refunding.currency),
            "metadata": {words.REFUND: refunding.refund_id},
        }
        with asking():
            made = client().refunds.create(params, {"idempotency_key": refunding.key})
        return words.report_of_refund(made)

    def fetch_refund(self, refunding: Refunding) -> RefundReport:
        """See Provider."""
        refunds, intent = client().refunds, refunding.attempt.charge_reference
        with looking_up():
            if refunding.provider_reference:
                return words.report_of_refund(refunds.retrieve(refunding.provider_reference))
            listed = refunds.list({"limit": 100} | ({"payment_intent": intent} if intent else {}))
            found = find_listed(
                listed.auto_paging_iter(),
                lambda one: words.value(words.value(one, "metadata", {}), words.REFUND) == refunding.refund_id,
            )
        return RefundReport(RefundSaid.NOTHING) if found is None else words.report_of_refund(found)

    # Notices

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Notice:
        """`t=…,v1=…` by any of our secrets, at most 300 seconds old or ahead, of the mode of our key. See Provider."""
        secrets = secrets_of(str(settings.PORTICO_WEBHOOK_SECRETS.get("stripe", "")))
        if not secrets:
            raise NoSecret(f"PORTICO_WEBHOOK_SECRET_STRIPE needs at least {SHORTEST_SECRET} characters")
        stamp, given = signatures_of(headers.get("Stripe-Signature", ""))
        signed = stamp.encode() + b"." + body
        wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
        if not any(hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given):
            raise Forged("wrong signature")
        if abs(now.replace(microsecond=0) - datetime.fromtimestamp(int(stamp), UTC)) > OLDEST:
            raise Forged("too old, or ahead of time")
        try:
            payload = json.loads(body, parse_constant=_refuse_constant)
            notice = Notice(str(payload["id"])[:120], str(payload["type"])[:60], payload)
            is_live = bool(payload["livemode"])
            self.translate(notice.kind, payload)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Forged("unreadable") from None
        if is_live == ("_test_" in settings.PORTICO_STRIPE_KEY):
            raise Forged("of the other mode: live and test have secrets of their own")
        return notice

    def translate(self, kind: str, payload: Mapping[str, Any]) -> Told | None:
        """See Provider. What the notice does not say for sure is asked for (`Said.ASK`)."""
        thing = payload["data"]["object"]
        account = str(words.value(payload, "account", self.account))
        if kind.startswith("checkout.session."):
            return _of_session(kind, thing, account)
        if kind.startswith("payment_intent."):
            return _of_intent(thing, account)
        if kind in {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}:
            return words.report_of_refund(thing)
        if kind in {"charge.dispute.created", "charge.dispute.closed", "charge.dispute.funds_reinstated"}:
            return words.reversal_of_dispute(thing)
        if kind in {"payment_method.detached", "payment_method.automatically_updated"}:
            return words.report_of_method(thing, removed=kind.endswith("detached"))
        return None


def _of_session(kind: str, session: words.Thing, account: str) -> Told | None:
    """A checkout's notice. One that saved something, or whose debit failed, is asked about."""
    if session["mode"] == "setup":
        return words.saving_of_session(session)
    if session["mode"] != "payment" or words.value(words.value(session, "metadata", {}), words.PAYMENT) is None:
        return None
    report = words.report_of_session(session, account)
    saves = words.value(session["metadata"], words.SAVES) == "yes"
    if kind.endswith("async_payment_failed") or (report.said == Said.SUCCEEDED and saves):
        return Report(Said.ASK, report.provider_reference, report.payment_id)
    return report


def _of_intent(intent: words.Thing, account: str) -> Told | None:
    """A charge's notice. A checkout's payment may be declined and tried again on the page: the checkout is asked."""
    about = words.value(intent, "metadata", {})
    payment = str(words.value(about, words.PAYMENT, ""))
    if not payment:
        return None
    if words.value(about, words.WAY) == SAVED:
        return words.report_of_intent(intent, account)
    return Report(Said.ASK, payment_id=payment)


def whose(provider_customer: str) -> dict[str, Any]:
    """For whom a method is saved: the customer that Stripe knows, or a new one."""
    return {"customer": provider_customer} if provider_customer else {"customer_creation": "always"}


def is_saved_charge(intent: words.Thing, payment_id: str) -> bool:
    """Whether this is our charge of a saved method for that payment."""
    about = words.value(intent, "metadata", {})
    return bool(words.value(about, words.PAYMENT) == payment_id and words.value(about, words.WAY) == SAVED)


def since_of(started_at: datetime | None) -> int:
    """From when on to look for something that we asked for then; the clocks may differ."""
    begun = started_at or timezone.now() - timedelta(days=1)
    return int((begun - timedelta(minutes=10)).timestamp())


def secrets_of(text: str) -> list[str]:
    """The signing secrets, separated by commas: while one is rotated both are good. None when any is too short."""
    found = [one.strip() for one in text.split(",")]
    return found if all(len(one) >= SHORTEST_SECRET for one in found) else []


def signatures_of(header: str) -> tuple[str, list[str]]:
    """Time and v1 signatures of a header; Forged when it holds none."""
    parts = [part.partition("=") for part in header.split(",", MOST_SIGNATURES)[:MOST_SIGNATURES]]
    stamp = next((text.strip() for name, _is, text in parts if name.strip() == "t"), "")
    given = [text.strip() for name, _is, text in parts if name.strip() == "v1"]
    if not given or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise Forged("no signature")
    return stamp, given


def _refuse_constant(name: str) -> None:
    """NaN and Infinity are no JSON, and no database keeps them."""
    raise ValueError(name)


PROVIDER = Stripe()
