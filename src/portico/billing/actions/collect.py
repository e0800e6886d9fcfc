"""What becomes of an invoice that auto-pay collects, when a charge ends. Rows only; inside the caller's transaction."""

from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import Q

from portico.accounts.models import Customer
from portico.billing import letters
from portico.billing.models import Collection, Invoice, Payment, SavedMethod
from portico.kit.prepared import key_of, prepared

WAITS = (timedelta(days=2), timedelta(days=5), timedelta(days=7), timedelta(days=7))
"""How long after the first, second … failed charge the next one comes; after one more it is given up (DOMAIN 6)."""
A_DAY = timedelta(days=1)
NO_METHOD = "no_method"
SWITCHED_OFF = "switched_off"
FATAL = frozenset(
    {
        # Stripe's decline codes after which the same card must not be tried again (docs.stripe.com/declines/codes)
        "lost_card",
        "stolen_card",
        "pickup_card",
        "restricted_card",
        "fraudulent",
        "merchant_blacklist",
        "do_not_try_again",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "stop_payment_order",
        "invalid_account",
        "new_account_information_available",
        "security_violation",
        "transaction_not_allowed",
        "service_not_allowed",
        "not_permitted",
        "card_not_supported",
        "currency_not_supported",
        "expired_card",
        "incorrect_number",
        "invalid_number",
        "invalid_expiry_month",
        "invalid_expiry_year",
        # bank debits
        "account_closed",
        "bank_account_unusable",
        "debit_not_authorized",
        "no_account",
        "payment_method_gone",
        "mandate_invalid",
        "payment_method_bank_account_blocked",
    }
)
"""Codes after which a method is not tried again: only another one helps."""
RETURNED_FOR_WANT_OF_MONEY = frozenset({"insufficient_funds", "bank_cannot_process"})
"""Reasons of a returned debit after which the same account may be tried again (docs.stripe.com/payments/sepa-debit#disputes).

Every other one is an objection of the payer, or an account that cannot be charged: it is never charged again by itself.
"""


def failed(payment: Payment, *, now: datetime) -> bool:
    """A charge of auto-pay failed: the next one is planned, or it is given up; the payers are told. False for others."""
    collection = _of(payment)
    if collection is None:
        return False
    _failed(collection, payment.failure_code, now=now)
    return True


def _failed(collection: Collection, code: str, *, now: datetime) -> None:
    fatal = code in FATAL or code == NO_METHOD
    if fatal or collection.tries >= len(WAITS):
        ended = collection.end(Collection.State.STOPPED, why=code or "declined", now=now)
    else:
        ended = collection.failed(code or "declined", next_at=now + WAITS[collection.tries])
    if ended:
        letters.autopay_failed(collection, now=now)


def taken_back(payment: Payment, reason: str, *, now: datetime) -> Collection | None:
    """The bank took a charge of auto-pay back for good; what it had paid is due again.

    For want of money the plan goes on where it stood before that charge, which counts as one that failed; for any other
    reason, with the plan used up, or with auto-pay off, it is stopped. Returns the collection that goes on or was stopped by
    this call; None where the money was not auto-pay's.
    """
    collection = _of(payment)
    if collection is None or collection.invoice.amount_due_minor == 0:
        return None
    off = collection.auto_pay.off_at is not None
    again = reason in RETURNED_FOR_WANT_OF_MONEY and collection.tries < len(WAITS) and not off
    next_at = now + WAITS[collection.tries] if again else None
    why = SWITCHED_OFF if off else reason or "returned"
    return collection if collection.taken_back(why, next_at=next_at, now=now) else None


def give_up(collection: Collection, *, now: datetime) -> None:
    """The plan is used up: nothing is tried any more with this method, and the payers are told."""
    if collection.end(Collection.State.STOPPED, why=collection.why or "declined", now=now):
        letters.autopay_failed(collection, now=now)


def no_method(collection: Collection, *, now: datetime) -> None:
    """There is nothing to charge: it waits, stopped, for a method, and the payers are told."""
    _failed(collection, NO_METHOD, now=now)


def needs_payer(payment: Payment, *, now: datetime) -> None:
    """The payer's bank waits for the payer, who is told; if nobody comes, the plan goes on."""
    collection = _of(payment)
    if collection is not None:
        collection.needs_payer(next_at=now + WAITS[min(collection.tries, len(WAITS) - 1)])


def cancelled(payment: Payment, *, now: datetime) -> None:
    """A charge was ended before anything was charged: a confirmation that nobody gave counts as a failed one."""
    collection = _of(payment)
    if collection is None or collection.state not in Collection.LIVE:
        return
    if payment.action_at is not None:
        collection.not_confirmed()
    else:
        collection.wait(until=now + timedelta(hours=1))


@prepared
def collected_by(payment: Any) -> Any:
    """What auto-pay collects of the papers of a payment, where it is done with, or a part of it may be."""
    done = Q(invoice__amount_due_minor=0, state__in=Collection.LIVE)
    in_parts = Q(invoice__amount_due_minor__gt=0, invoice__instalment_count__gt=0, auto_pay__off_at=None)
    rows = Collection.objects.filter(done | in_parts, invoice__payment_targets__payment=payment)
    return rows.select_related("invoice__seller").distinct()


def paid(payment: Payment, *, now: datetime) -> None:
    """The papers of a payment may be settled now: what auto-pay collected of them is done with, or goes on with a next part."""
    for collection in collected_by(payment=key_of(payment)):
        if not collection.invoice.amount_due_minor:
            collection.end(Collection.State.PAID, now=now)
            continue
        until = nothing_before(collection.invoice, now=now)
        if until is not None:  # the part that was due is paid: the plan begins anew with the next one
            collection.begin_part(at=until)


def next_part_at(invoice: Invoice) -> datetime | None:
    """When the next part of an invoice in parts is charged: as its due day begins; None for one sum."""
    if not invoice.instalment_count or invoice.due_on is None:
        return None
    return datetime.combine(invoice.due_on, time(), tzinfo=invoice.seller.zone)


def nothing_before(invoice: Invoice, *, now: datetime) -> datetime | None:
    """Until when nothing is charged of an invoice in parts of which none is due now; None where something is.

    While something is on its way that is a day at most: it may not arrive, and what it was for is due again.
    """
    until = next_part_at(invoice)
    if until is None or until <= now:
        return None
    return min(until, now + A_DAY) if invoice.on_its_way_minor else until


def begin_again(customer: Customer, *, now: datetime) -> None:
    """There is a new default method: what waits, or was stopped for want of a good one, is tried with it at once."""
    rows = Collection.objects.filter(
        invoice__customer=customer, invoice__amount_due_minor__gt=0, auto_pay__off_at=None
    ).exclude(state=Collection.State.PAID)
    for collection in rows:
        collection.begin_again(now=now)


def method_for(customer: Customer) -> SavedMethod | None:
    """What auto-pay charges for this customer: its default method, as long as it is there."""
    return (
        SavedMethod.objects.kept().filter(customer=customer, is_default=True).select_related("customer__seller").first()
    )


def _of(payment: Payment) -> Collection | None:
    if payment.collection_id is None:
        return None
    return Collection.objects.select_related("invoice__customer__seller", "auto_pay__subscription__database").get(
        pk=payment.collection_id
    )
