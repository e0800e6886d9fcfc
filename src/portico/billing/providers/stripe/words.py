"""Stripe's objects in our words. An answer of the API and the object of a notice read the same."""

from collections.abc import Mapping
from typing import Any

from portico.billing.providers.base import (
    Kept,
    MethodReport,
    RefundReport,
    RefundSaid,
    Report,
    ReversalReport,
    ReversalSaid,
    Said,
    SavingReport,
)
from portico.billing.providers.stripe.amounts import from_stripe

PAYMENT, REFUND, WAY, SAVES = "portico_payment", "portico_refund", "portico_way", "portico_saves"
"""What we write into Stripe's metadata: ids of ours and nothing about people."""
INTENT = {
    "succeeded": Said.SUCCEEDED,
    "processing": Said.PROCESSING,
    "requires_action": Said.ACTION,
    "requires_confirmation": Said.ACTION,
    "requires_payment_method": Said.FAILED,
    "canceled": Said.EXPIRED,
}
REFUNDS = {
    "pending": RefundSaid.PENDING,
    "requires_action": RefundSaid.PENDING,
    "succeeded": RefundSaid.SUCCEEDED,
    "failed": RefundSaid.FAILED,
    "canceled": RefundSaid.FAILED,
}
ASKS_PAYER = "authentication_required"
Thing = Mapping[str, Any]


def id_of(thing: Any) -> str:
    """The id of an object that Stripe gives whole or by its id; empty for none."""
    if isinstance(thing, str):
        return thing
    return str(thing["id"]) if thing else ""


def whole(thing: Any) -> Thing | None:
    """The object, where Stripe gave it whole."""
    return None if thing is None or isinstance(thing, str) else thing


def value(thing: Any, name: str, default: Any = None) -> Any:
    """A field that need not be there."""
    try:
        found = thing[name]
    except (KeyError, TypeError):
        return default
    return default if found is None else found


def failure_of(intent: Thing | None) -> str:
    """Why a charge failed: the bank's decline code where there is one."""
    error = value(intent, "last_payment_error", {})
    return str(value(error, "decline_code") or value(error, "code", ""))[:40]


def money_of(amount: int, currency: str) -> tuple[int, str]:
    """An amount and its currency, as we write them."""
    code = str(currency).upper()
    return from_stripe(int(amount), code), code


def report_of_session(session: Thing, account: str) -> Report:
    """A checkout of ours. What it came to stands in its payment, which notices name by its id alone: then only paid is sure."""
    intent = whole(value(session, "payment_intent"))
    said, amount, currency, failure = Said.OPEN, 0, "", ""
    if session["status"] == "expired":
        said = Said.EXPIRED
    elif session["status"] == "complete":
        if session["payment_status"] == "paid":
            said = Said.SUCCEEDED
            taken = value(intent, "amount_received", session["amount_total"])
            amount, currency = money_of(taken, session["currency"])
        elif intent is None:
            said = Said.PROCESSING
        else:
            said, failure = INTENT.get(intent["status"], Said.PROCESSING), failure_of(intent)
            said = Said.PROCESSING if said in {Said.ACTION, Said.SUCCEEDED} else said
    saves = value(value(session, "metadata", {}), SAVES) == "yes"
    return Report(
        said=said,
        provider_reference=str(session["id"]),
        payment_id=str(value(session, "client_reference_id", "")),
        amount_minor=amount,
        currency=currency,
        account=account,
        failure_code=failure,
        charge_reference=id_of(value(session, "payment_intent")),
        kept=kept_of(value(intent, "payment_method")) if saves and said == Said.SUCCEEDED else None,
    )


def report_of_intent(intent: Thing, account: str) -> Report:
    """A charge of a saved method. One that failed because the bank asks the payer waits for the payer."""
    said, failure = INTENT.get(intent["status"], Said.ASK), failure_of(intent)
    amount, currency = 0, ""
    if said == Said.SUCCEEDED:
        amount, currency = money_of(value(intent, "amount_received", intent["amount"]), intent["currency"])
    error = value(intent, "last_payment_error", {})
    if said == Said.FAILED and ASKS_PAYER in {value(error, "code"), value(error, "decline_code")}:
        said = Said.ACTION
    return Report(
        said=said,
        provider_reference=str(intent["id"]),
        payment_id=str(value(value(intent, "metadata", {}), PAYMENT, "")),
        amount_minor=amount,
        currency=currency,
        account=account,
        failure_code=failure if said == Said.FAILED else "",
        charge_reference=str(intent["id"]),
    )


def kept_of(method: Any, mandate: Any = None) -> Kept | None:
    """A saved method, where Stripe gave it whole and with its customer; a debit's mandate where it is known too."""
    found = whole(method)
    if found is None or not value(found, "customer"):
        return None
    kind = str(found["type"])
    about = value(found, kind, {})
    year, month = value(about, "exp_year"), value(about, "exp_month")
    return Kept(
        provider_customer=id_of(found["customer"]),
        provider_method=str(found["id"]),
        kind=kind,
        brand=str(value(about, "brand", "")),
        last4=str(value(about, "last4", "")),
        expires=(int(year), int(month)) if year and month else None,
        mandate=str(value(value(value(whole(mandate), "payment_method_details", {}), kind, {}), "reference", "")),
    )


def saving_of_session(session: Thing) -> SavingReport:
    """A checkout that saves. A notice names its set-up by the id alone: what was kept is then asked for."""
    intent = whole(value(session, "setup_intent"))
    said, kept, failure = Said.OPEN, None, ""
    if session["status"] == "expired":
        said = Said.EXPIRED
    elif session["status"] == "complete":
        done = value(intent, "status") == "succeeded"
        kept = kept_of(value(intent, "payment_method"), value(intent, "mandate")) if done else None
        said = Said.SUCCEEDED if kept is not None else Said.ASK if intent is None else Said.OPEN
        if value(intent, "status") in {"canceled", "requires_payment_method"}:
            said, failure = Said.FAILED, str(value(value(intent, "last_setup_error", {}), "code", ""))[:40]
    return SavingReport(
        said=said,
        provider_reference=str(session["id"]),
        saving_id=str(value(session, "client_reference_id", "")),
        kept=kept,
        failure_code=failure,
    )


def report_of_refund(refund: Thing) -> RefundReport:
    """A refund."""
    amount, currency = money_of(refund["amount"], refund["currency"])
    return RefundReport(
        said=REFUNDS.get(str(refund["status"]), RefundSaid.PENDING),
        provider_reference=str(refund["id"]),
        refund_id=str(value(value(refund, "metadata", {}), REFUND, "")),
        amount_minor=amount,
        currency=currency,
        failure_code=str(value(refund, "failure_reason", ""))[:40],
        charge_reference=id_of(value(refund, "payment_intent")),
    )


def reversal_of_dispute(dispute: Thing) -> ReversalReport | None:
    """A dispute, or a debit that was returned. An inquiry (`warning_…`) takes no money yet: nothing."""
    status = str(dispute["status"])
    if status.startswith("warning") or status == "prevented":
        return None
    amount, currency = money_of(dispute["amount"], dispute["currency"])
    said = {"won": ReversalSaid.WON, "lost": ReversalSaid.LOST}.get(status, ReversalSaid.OPENED)
    return ReversalReport(
        said=said,
        provider_reference=str(dispute["id"]),
        charge_reference=id_of(value(dispute, "payment_intent")),
        amount_minor=amount,
        currency=currency,
        reason=str(value(dispute, "reason", ""))[:60],
    )


def report_of_method(method: Thing, *, removed: bool) -> MethodReport:
    """A saved method that was removed at Stripe, or whose card the bank replaced."""
    return MethodReport(str(method["id"]), removed=removed, kept=None if removed else kept_of(method))
