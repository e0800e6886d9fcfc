"""What a customer has to its credit is used on an invoice that is open: money that settles nothing yet, and what is left of
credit notes.

Finance does that for one invoice at a time, or the customer itself, but not with money that staff must look at first. What is
left of the credit afterwards stays the customer's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Event, Membership, User
from portico.billing.actions import pay, settle
from portico.billing.actions.receive import FINANCE, confirm_when_paid, lock_invoices
from portico.billing.actions.receive import locked as payment_locked
from portico.billing.models import Invoice, Order, Payment
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing

__all__ = ["FINANCE", "Credit", "credits_of", "own_credits", "use_credit", "use_own_credit"]


@dataclass(frozen=True)
class Credit:
    """A payment or a credit note of which something is left. `key` names it in a form."""

    source: Payment | Invoice
    left_minor: int
    currency: str
    on: date

    @property
    def key(self) -> str:
        """payment-<id> or note-<id>."""
        return f"{'payment' if isinstance(self.source, Payment) else 'note'}-{self.source.pk}"


def arrived_of(customer: Any, currency: Any) -> QuerySet[Any]:
    """The money that arrived from a customer in a currency, each payment with what is `used` of it."""
    arrived = Payment.objects.filter(customer=customer, state=Payment.State.SUCCEEDED, received_currency=currency)
    return arrived.annotate(used=Coalesce(Sum("allocations__amount_minor"), 0) + F("returned_minor"))


def unused(customer: Customer, currency: str) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """The payments and the credit notes of a customer of which something is left, each with what is `used` of it."""
    payments = arrived_of(customer, currency)
    issued: QuerySet[Any] = Invoice.objects.giving().filter(customer=customer, currency=currency)
    notes = issued.annotate(used=Coalesce(Sum("spent_on__amount_minor"), 0))
    return payments.filter(received_minor__gt=F("used")), notes.filter(gives__gt=F("used"))


def credits_of(customer: Customer, currency: str) -> list[Credit]:
    """What the customer has to its credit in a currency, the oldest first; two statements."""
    payments, notes = unused(customer, currency)
    found = [
        Credit(one, one.received_minor - one.used, currency, one.received_on or one.created_at.date())
        for one in payments
    ]
    found += [Credit(one, one.gives_minor - one.used, currency, one.issued_on) for one in notes if one.issued_on]
    return sorted(found, key=lambda credit: (credit.on, credit.key))


def use_credit(*, invoice: Invoice, sources: Iterable[Payment | Invoice], by: User, now: datetime) -> int:
    """Let payments and credit notes settle what is left to pay of `invoice`, in the given order; returns how much was used.

    A checkout that is still open for it is ended at its provider first, so that it is not paid beside the credit. Raises
    Forbidden without the finance role; Invalid for no source; Missing for another customer's paper; Conflict when the
    invoice is disputed, a payment of all of it is on its way, that of one is not known, or nothing can be used.
    """
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    return _use(invoice, list(sources), by=by, now=now)


def own_credits(customer: Customer, currency: str) -> list[Credit]:
    """What a customer may use by itself: money that waits for a look by staff is left out."""
    return [
        credit
        for credit in credits_of(customer, currency)
        if not (isinstance(credit.source, Payment) and credit.source.review and credit.source.reviewed_at is None)
    ]


def use_own_credit(*, invoice: Invoice, by: Membership, now: datetime) -> int:
    """The customer lets its credit settle what is left to pay of its `invoice`, the oldest first; returns how much was used.

    Raises Forbidden without the right to pay, Missing for another customer's invoice, Conflict as `use_credit`.
    """
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    if invoice.customer_id != by.customer_id:
        raise Missing(_("There is no invoice of this number."))
    sources = [credit.source for credit in own_credits(by.customer, invoice.currency)]
    if not sources:
        raise Conflict(_("There is no credit that could be used on this invoice. Nothing was changed."))
    return _use(invoice, sources, by=by.user, now=now)


def _use(invoice: Invoice, chosen: list[Payment | Invoice], *, by: User, now: datetime) -> int:
    if not chosen:
        raise Invalid(_("Choose at least one credit to use."))
    if any(source.customer_id != invoice.customer_id for source in chosen):
        raise Missing(_("This customer has no such credit. Nothing was used."))
    _end_attempts(invoice, now=now)
    with transaction.atomic():
        if invoice.order_id:
            list(Order.objects.select_for_update(of=("self",)).filter(pk=invoice.order_id).values_list("pk"))
        locked = {one.pk: one for one in lock_invoices([invoice.pk, *(_notes(chosen))])}
        paper = locked[invoice.pk]
        if paper.disputed_at is not None:
            raise Conflict(_("This invoice is disputed. Solve the dispute first. Nothing was used."))
        due = paper.amount_due_minor
        if (due and not paper.left_to_pay_minor) or _held(paper):
            raise Conflict(_on_its_way())
        for source in chosen:
            if not paper.left_to_pay_minor:
                break
            if isinstance(source, Payment):
                source = payment_locked(source)
                amount = min(source.unallocated_minor, paper.left_to_pay_minor)
                if amount > 0 and source.received_currency == paper.currency:
                    pay.allocate_own_credit(payment=source, invoice=paper, by=by, now=now, amount_minor=amount)
            else:
                _spend(locked[source.pk], paper, by=by, now=now)
            paper.refresh_from_db()
        used = due - paper.amount_due_minor
        if not used:
            raise Conflict(
                _("Nothing of this credit could be used: it is used up, or nothing is due. Nothing was changed.")
            )
        confirm_when_paid(paper.order, now=now)
    return used


def _notes(chosen: Iterable[Payment | Invoice]) -> list[int]:
    return [source.pk for source in chosen if isinstance(source, Invoice)]


def _spend(note: Invoice, paper: Invoice, *, by: User, now: datetime) -> None:
    """Let what is left of a credit note settle the invoice, both locked."""
    if not note.gives_minor or note.state != Invoice.State.ISSUED or note.currency != paper.currency:
        return
    used = settle.allocate_credit_note(note, paper, now=now, most_minor=paper.left_to_pay_minor)
    if used:
        Event.record(
            "invoice.credit_used",
            paper,
            now=now,
            by=by,
            customer=paper.customer,
            number=note.number,
            amount_minor=used,
            currency=paper.currency,
        )


def _end_attempts(invoice: Invoice, *, now: datetime) -> None:
    """End the undecided online attempts that are in the way; Conflict when one of them cannot be ended.

    What is on its way is not: it counts with its amount.
    """
    held = Q(targets__invoice=invoice, targets__holds=True) | Q(
        targets__invoice=invoice, targets__open=True, state=Payment.State.UNKNOWN
    )
    rows = Payment.objects.undecided().filter(held).select_related("customer__seller").distinct()
    for attempt in rows.order_by("created_at"):
        if not pay.can_be_asked(attempt):
            continue  # a transfer that was announced: whatever arrives is booked, too much becomes credit
        if pay.expire_payment(payment=attempt, now=now).state in Payment.UNDECIDED:
            raise Conflict(_on_its_way())


def _held(paper: Invoice) -> bool:
    """Whether another tab has begun to pay the locked invoice online since its attempts were ended: for all that was left."""
    rows = Payment.objects.undecided().filter(targets__invoice=paper, targets__holds=True)
    return any(pay.can_be_asked(attempt) for attempt in rows)


def _on_its_way() -> str:
    return _(
        "A payment of this invoice is on its way, or its outcome is not known yet. "
        "Nothing was used. Try again when it is decided."
    )
