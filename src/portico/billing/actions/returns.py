"""A transfer that the bank has taken back, as a statement tells it: which payment it was, and what follows in the books.

A bank tells a recalled transfer as money that went out, with the reason (ISO 20022 ExternalReturnReason) and what the payer
had written. By itself only that is taken back which one arrival alone fits: the sum to the cent, and from the same account the
same reference or text, or an announced reference. An account and a sum alone are proposals.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Event, User
from portico.billing.actions import reverse
from portico.billing.actions.receive import FINANCE
from portico.billing.models import BankEntry, Payment, Refund, Reversal
from portico.billing.models.payment import PaymentQuerySet
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.references import read_words
from portico.kit.errors import Conflict, Forbidden, Invalid

MOST = 10


@dataclass(frozen=True)
class Arrival:
    """A payment that may have been taken back. `exact`: it alone fits the sum and a reference."""

    payment: Payment
    reasons: tuple[str | Promise, ...]
    exact: bool = False


def arrivals_for(entry: BankEntry) -> list[Arrival]:
    """The payments that a returned movement may take back, the most likely first; an exact one stands alone."""
    if not entry.returned or entry.amount_minor >= 0:
        return []
    named = _named(entry)
    if len(named) == 1 and _left_minor(named[0].payment) == -entry.amount_minor:
        return [Arrival(named[0].payment, named[0].reasons, exact=True)]
    known = {one.payment.pk for one in named}
    return named + [one for one in _alike(entry) if one.payment.pk not in known]


def _left_minor(payment: Payment) -> int:
    return payment.received_minor - payment.returned_minor


def _named(entry: BankEntry) -> list[Arrival]:
    """By a reference that the return repeats."""
    read = read_words(f"{entry.words} {entry.end_to_end}")
    found: dict[object, Arrival] = {}
    rows = rows_of(entry)
    ways: list[tuple[Q, str | Promise]] = []
    if entry.end_to_end:
        ways.append(
            (
                Q(bank_entry__end_to_end=entry.end_to_end, bank_entry__payer_iban=entry.payer_iban),
                lazy("the payer's reference of what came in"),
            )
        )
    if entry.words:
        same = Q(bank_entry__words=entry.words, bank_entry__payer_iban=entry.payer_iban)
        ways.append((same, lazy("the same text came from this account")))
    if read.references:
        ways.append((Q(reference__in=read.references), lazy("the reference of an announced transfer")))
    for way, reason in ways:
        for payment in rows.filter(way).order_by("-created_at")[:MOST]:
            before = found.get(payment.pk)
            found[payment.pk] = Arrival(payment, (*(before.reasons if before else ()), reason))
    return list(found.values())


def _alike(entry: BankEntry) -> list[Arrival]:
    """By the payer's account, or its name, and the sum: for a person to decide."""
    rows = rows_of(entry).filter(received_minor=F("returned_minor") - entry.amount_minor)
    found = []
    if entry.payer_iban:
        same = rows.filter(bank_entry__payer_iban=entry.payer_iban).order_by("-created_at")[:MOST]
        found += [Arrival(one, (lazy("it came from this account, and exactly this sum"),)) for one in same]
    if len(entry.payer_name) > 2:
        known = [one.payment.pk for one in found]
        same = rows.filter(payer_name__iexact=entry.payer_name).exclude(pk__in=known).order_by("-created_at")[:MOST]
        found += [Arrival(one, (lazy("the payer has this name, and exactly this sum came"),)) for one in same]
    return found


def rows_of(entry: BankEntry) -> PaymentQuerySet:
    """The transfers of the seller that had arrived by then and of which so much is left."""
    return Payment.objects.filter(
        provider="bank_transfer",
        state=Payment.State.SUCCEEDED,
        customer__seller=entry.seller_id,
        received_currency=entry.currency,
        received_on__lte=entry.booked_on,
        received_minor__gte=F("returned_minor") - entry.amount_minor,
    ).select_related("customer__seller")


def refund_that_came_back(entry: BankEntry) -> Refund | None:
    """The refund by transfer that a returned arrival brings back: the same account, currency and sum; the last one."""
    if not entry.returned or entry.amount_minor <= 0 or not entry.payer_iban:
        return None
    rows = Refund.objects.filter(
        payment__customer__seller=entry.seller_id,
        way=Refund.Way.TRANSFER,
        iban=entry.payer_iban,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
    )
    return rows.select_related("payment__customer__seller").order_by("-asked_at").first()


def take_back(*, entry: BankEntry, payment: Payment, by: User, now: datetime, by_itself: bool = False) -> Reversal:
    """The movement takes a payment back: what it had paid is due again, and its payers are told. One transaction.

    Raises Forbidden without the finance role, Invalid for a movement that takes nothing back, Conflict when it was decided
    already or the payment has not so much left.
    """
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    if not entry.returned or entry.amount_minor >= 0:
        raise Invalid(_("This movement takes no payment back. Set it aside."))
    report = ReversalReport(
        ReversalSaid.LOST,
        f"bank-{entry.key}",
        payment.charge_reference,
        -entry.amount_minor,
        entry.currency,
        entry.return_reason,
    )
    with transaction.atomic():
        list(BankEntry.objects.select_for_update().filter(pk=entry.pk).values_list("pk"))
        reversal = reverse.apply_reversal(payment=payment, report=report, now=now)
        if not reversal.taken_minor:
            raise Conflict(_("This payment has not so much left that could be taken back. Nothing was changed."))
        if not entry.end(BankEntry.State.BOOKED, by=by, now=now, reversal=reversal, by_itself=by_itself, why=""):
            raise Conflict(_("This movement was decided already, perhaps in another tab. Nothing was booked twice."))
        Event.record("bank.taken_back", entry, now=now, by=by, visible=False)
    return reversal
