"""What allocations say about an invoice: the only writer of `amount_due_minor` and `payment_state`.

Every function runs inside the caller's transaction.
"""

from datetime import datetime

from django.db.models import Sum

from portico.billing.models import Allocation, Invoice, Payment, PaymentTarget


def settled_minor(invoice: Invoice) -> tuple[int, int]:
    """What payments and what credit notes settle of an invoice, in minor units."""
    rows = invoice.allocations.values_list("payment_id", "amount_minor")
    paid = sum(amount for payment, amount in rows if payment is not None)
    return paid, sum(amount for payment, amount in rows if payment is None)


def state_of(invoice: Invoice, paid_minor: int, credited_minor: int) -> str:
    """The payment state that follows from what settles an invoice (DOMAIN 5)."""
    states = Invoice.PaymentState
    left = max(invoice.total_minor, 0) - paid_minor - credited_minor
    if left <= 0:
        return states.CREDITED if credited_minor and not paid_minor else states.PAID
    if invoice.disputed_at is not None:
        return states.DISPUTED
    on_its_way = PaymentTarget.objects.filter(
        invoice=invoice, open=True, payment__processing_at__isnull=False, payment__state__in=Payment.UNDECIDED
    )
    if on_its_way.exists():
        return states.IN_PAYMENT
    return states.PARTIALLY_PAID if paid_minor or credited_minor else states.NOT_PAID


def derive_payment_state(invoice: Invoice, *, now: datetime) -> None:
    """Write what the allocations say: amount due, payment state, and when it was paid."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return
    paid, credited = settled_minor(invoice)
    due = max(max(invoice.total_minor, 0) - paid - credited, 0)
    state = state_of(invoice, paid, credited)
    paid_at = (invoice.paid_at or now) if due == 0 else None
    Invoice.objects.filter(pk=invoice.pk).update(amount_due_minor=due, payment_state=state, paid_at=paid_at)
    invoice.amount_due_minor, invoice.payment_state, invoice.paid_at = due, state, paid_at


def allocate_credit_note(credit: Invoice, invoice: Invoice, *, now: datetime) -> int:
    """Let a credit note settle what is still due of its invoice; returns what it settled, the rest is customer credit."""
    invoice.refresh_from_db()
    used = credit.spent_on.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    amount = min(credit.total_minor - used, invoice.amount_due_minor)
    if amount > 0:
        Allocation.objects.create(credit_note=credit, invoice=invoice, amount_minor=amount, at=now)
        derive_payment_state(invoice, now=now)
    return max(amount, 0)
