"""What settles a paper: allocations of payments and credit notes, and what follows from them.

The lowest room of the actions: it knows the models only, so that paying and billing can both use it. Payment state and
amount due are derived here and nowhere else. Every function runs inside the caller's transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Sum

from portico.accounts.models import Event
from portico.billing.actions import arrears
from portico.billing.instalments import next_due_on
from portico.billing.models import Allocation, Invoice, Payment, PaymentRequest, PaymentTarget
from portico.billing.models.instalment import parts_of
from portico.kit.adding import add
from portico.kit.changing import change
from portico.kit.prepared import key_of, prepared


@dataclass(frozen=True)
class Settled:
    """How an invoice stands: what payments and credit notes took off it, and how much more is on its way."""

    total_minor: int
    paid_minor: int
    credited_minor: int
    processing_minor: int
    """What open attempts ask for it of which the payer is done with its part."""
    disputed: bool
    prepaid_minor: int = 0
    """What was paid of an imported paper before it came here; taken off the total already."""

    @property
    def due_minor(self) -> int:
        """What is not paid."""
        return max(self.total_minor, 0) - self.paid_minor - self.credited_minor

    @property
    def on_its_way_minor(self) -> int:
        """What of that is on its way."""
        return min(self.processing_minor, self.due_minor)

    @property
    def left_minor(self) -> int:
        """What can be paid now."""
        return self.due_minor - self.on_its_way_minor

    @property
    def state(self) -> str:
        """The payment state (DOMAIN 5): the one rule, used for the row and by verify-books alike."""
        state = Invoice.PaymentState
        if self.due_minor == 0:
            return state.CREDITED if self.credited_minor and not self.paid_minor else state.PAID
        if self.disputed:
            return state.DISPUTED
        if not self.left_minor:
            return state.IN_PAYMENT
        settled = self.paid_minor or self.credited_minor or self.prepaid_minor
        return state.PARTIALLY_PAID if settled else state.NOT_PAID


def begin_payment_state(invoice: Invoice, *, now: datetime) -> None:
    """What a paper owes that is being issued, in memory: all of its total; a credit note owes nothing."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return
    fresh = Settled(invoice.to_settle_minor, 0, 0, 0, disputed=False, prepaid_minor=invoice.prepaid_minor)
    invoice.amount_due_minor, invoice.payment_state = fresh.due_minor, fresh.state
    invoice.paid_at = None if fresh.due_minor else now


def derive_payment_state(invoice: Invoice, *, now: datetime) -> None:
    """Write amount due, what of it is on its way, and payment state anew from the allocations and open attempts.

    After issue the only writer of the three, and of the due day of an invoice in parts.
    Locks the row first, so of two settlements at once the second counts what the first wrote. A credit note owes
    nothing and has no payment state: it stays not paid with 0 due.
    """
    assert connection.in_atomic_block, "a payment state is derived in the transaction that changed it"
    row: Invoice = to_derive(invoice=invoice.pk)[0]
    if row.state != Invoice.State.ISSUED or row.kind == Invoice.Kind.CREDIT_NOTE:
        return
    settled = settled_by(row)
    paid_at = row.paid_at
    if settled.due_minor:
        paid_at = None
    elif paid_at is None:
        paid_at = now
    changes = {
        "amount_due_minor": settled.due_minor,
        "on_its_way_minor": settled.on_its_way_minor,
        "payment_state": settled.state,
        "paid_at": paid_at,
    }
    if row.instalment_count:
        changes["due_on"] = next_due_on(parts_of(row), settled.left_minor)
    change(Invoice.objects.filter(pk=row.pk), **changes)
    for name, value in changes.items():
        setattr(invoice, name, value)
    less = settled.due_minor < row.amount_due_minor  # what is only on its way puts nothing in order again
    if less and (not settled.due_minor or row.instalment_count):
        arrears.paid(row, now=now)
    if row.paid_at is None and settled.state == Invoice.PaymentState.PAID:
        Event.record(
            "invoice.paid", row, now=now, customer=row.customer, number=row.number, total_minor=row.total_minor
        )


@prepared
def to_derive(invoice: Any) -> Any:
    """An invoice with its customer, locked."""
    return Invoice.objects.select_for_update(of=("self",)).select_related("customer").filter(pk=invoice)


@prepared
def settling(invoice: Any) -> Any:
    """What settles an invoice: the payment or the credit note, and how much of it."""
    return Allocation.objects.filter(invoice=invoice).values_list("payment_id", "credit_note_id", "amount_minor")


@prepared
def on_the_way(invoice: Any) -> Any:
    """What open attempts ask for an invoice of which the payer is done with its part."""
    rows = PaymentTarget.objects.filter(invoice=invoice, open=True, payment__processing_at__isnull=False)
    return rows.values_list("amount_minor")


@prepared
def arrived_for(request: Any) -> Any:
    """The amounts that arrived for a payment request."""
    return Allocation.objects.filter(request=request).values_list("amount_minor")


def settled_by(invoice: Invoice) -> Settled:
    """How `invoice` stands by its allocations and open attempts."""
    rows = settling(invoice=invoice.pk)
    return Settled(
        total_minor=invoice.to_settle_minor,
        paid_minor=sum(amount for payment, _note, amount in rows if payment is not None),
        credited_minor=sum(amount for _payment, note, amount in rows if note is not None),
        processing_minor=sum(amount for (amount,) in on_the_way(invoice=invoice.pk)),
        disputed=invoice.disputed_at is not None,
        prepaid_minor=invoice.prepaid_minor,
    )


@prepared
def meant_by(payment: Any) -> Any:
    """The invoices that a payment is an attempt for."""
    return Invoice.objects.filter(payment_targets__payment=payment).order_by("pk").distinct()


def derive_for_targets(payment: Payment, *, now: datetime) -> None:
    """Derive every invoice that `payment` is an attempt for: its processing began or ended."""
    for invoice in meant_by(payment=key_of(payment)):
        derive_payment_state(invoice, now=now)


# Allocating ------------------------------------------------------------------------------------------------------------


def allocate_to_invoice(payment: Payment, invoice: Invoice, amount_minor: int, *, now: datetime) -> int:
    """Settle up to `amount_minor` of `invoice` with what is left of `payment`; returns how much that was."""
    due = Invoice.objects.select_for_update(of=("self",)).values_list("amount_due_minor", flat=True).get(pk=invoice.pk)
    amount = min(amount_minor, due, payment.unallocated_minor)
    if amount <= 0 or payment.received_currency != invoice.currency or payment.customer_id != invoice.customer_id:
        return 0
    add(Allocation(payment=payment, invoice=invoice, amount_minor=amount, at=now))
    derive_payment_state(invoice, now=now)
    return amount


def allocate_to_request(payment: Payment, request: PaymentRequest, amount_minor: int, *, now: datetime) -> int:
    """Put up to `amount_minor` of `payment` aside for an open `request`; returns what is left to pay of it."""
    due = request_due_minor(request)
    if request.state != PaymentRequest.State.OPEN:
        return due
    amount = min(amount_minor, due, payment.unallocated_minor)
    if amount <= 0 or payment.received_currency != request.currency or payment.customer_id != request.order.customer_id:
        return due
    add(Allocation(payment=payment, request=request, amount_minor=amount, at=now))
    return due - amount


def request_paid_minor(request: PaymentRequest) -> int:
    """What has arrived for a payment request."""
    return sum(amount for (amount,) in arrived_for(request=request.pk))


def request_due_minor(request: PaymentRequest) -> int:
    """What is left to pay of a payment request."""
    if request.state == PaymentRequest.State.CANCELLED:
        return 0
    return request.amount_minor - request_paid_minor(request)


def hand_over(request: PaymentRequest, invoice: Invoice, *, now: datetime) -> None:
    """The money of a complete request now pays the invoice that was issued for it."""
    change(Allocation.objects.filter(request=request.pk, invoice=None), invoice=invoice)
    derive_payment_state(invoice, now=now)
    assert invoice.amount_due_minor == 0, "an invoice issued for a payment request costs what was asked"


def release_request(request: PaymentRequest) -> list[Payment]:
    """Free the money that waits on a request that is cancelled; returns the payments that are credit again."""
    waiting = request.allocations.filter(invoice=None).select_related("payment")
    payments = [allocation.payment for allocation in waiting if allocation.payment is not None]
    waiting.delete()
    return payments


def allocate_credit_note(
    credit_note: Invoice, invoice: Invoice, *, now: datetime, most_minor: int | None = None
) -> int:
    """Settle what is due of `invoice` with what is left of `credit_note`; the rest stays the customer's credit.

    At most `most_minor` of it, where that is given.
    """
    due = Invoice.objects.select_for_update(of=("self",)).values_list("amount_due_minor", flat=True).get(pk=invoice.pk)
    amount = min(credit_note_left_minor(credit_note), due if most_minor is None else min(due, most_minor))
    if amount > 0:
        Allocation.objects.create(credit_note=credit_note, invoice=invoice, amount_minor=amount, at=now)
        derive_payment_state(invoice, now=now)
    return max(amount, 0)


def credit_note_left_minor(credit_note: Invoice) -> int:
    """What of a credit note settles nothing yet."""
    spent = credit_note.spent_on.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return int(credit_note.gives_minor - spent)


def customer_credit_minor(payments: Iterable[Payment]) -> int:
    """What of these payments settles nothing yet."""
    return sum(payment.unallocated_minor for payment in payments)
