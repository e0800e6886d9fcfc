"""Money that the payer's bank takes back: a dispute (chargeback), or a debit that is returned.

What it had paid is due again at once, in the same transaction; while the dispute is open nobody is reminded of it. If the
dispute is won, the money settles what is still due, and the rest is the customer's credit. If it is lost, auto-pay goes on
with its plan or is stopped (`collect.taken_back`). Every step may be told twice and in any order.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from portico.accounts.models import Event
from portico.billing import letters
from portico.billing.actions import collect, receive, refund, settle
from portico.billing.models import Allocation, Dispute, Invoice, Payment, Reversal
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.kit.db import claim

OPENED = "the payer's bank disputes it: answer it at the provider"
LOST = "the payer's bank took it back"
WON = "the dispute was won: the money is ours again"


def apply_reversal(*, payment: Payment, report: ReversalReport, now: datetime) -> Reversal:
    """Do what follows from a report about money taken back. Opens a transaction."""
    with transaction.atomic():
        receive.lock_targets(payment)
        payment = receive.locked(payment)
        reversal = _opened(payment, report, now=now)
        if report.said == ReversalSaid.WON and reversal.close(Reversal.State.WON, now=now):
            _won(payment, reversal, now=now)
        elif report.said == ReversalSaid.LOST and reversal.close(Reversal.State.LOST, now=now):
            _lost(payment, reversal, now=now)
    return reversal


def _opened(payment: Payment, report: ReversalReport, *, now: datetime) -> Reversal:
    """The reversal's row; the first time, the money is taken off what it had paid."""
    rows = Reversal.objects.filter(provider=payment.provider, provider_reference=report.provider_reference)
    known = rows.first()
    if known is not None:
        return known
    if report.amount_minor > payment.received_minor - payment.returned_minor:
        refund.stop_waiting(payment, now=now)
    left = payment.received_minor - payment.returned_minor
    amount = min(report.amount_minor, left)
    try:
        with transaction.atomic():
            reversal = Reversal.objects.create(
                payment=payment,
                provider=payment.provider,
                provider_reference=report.provider_reference,
                amount_minor=report.amount_minor,
                currency=report.currency,
                reason=report.reason[:60],
                opened_at=now,
            )
    except IntegrityError:
        return rows.get()
    fits = report.currency == payment.received_currency and 0 < amount == report.amount_minor
    if not fits or not payment.give_back(amount, gone=Payment.State.REVERSED):
        payment.ask_review("more was taken back than it has left, or in another currency")
        return reversal
    reversal.taken(amount)
    papers = _take_off(payment, now=now)
    _record("payment.reversed", payment, reversal, now=now)
    payment.ask_review(OPENED if report.said == ReversalSaid.OPENED else LOST)
    if report.said == ReversalSaid.OPENED:
        for paper in papers:
            _dispute(paper, now=now)
    letters.payment_reversed(reversal, now=now)
    return reversal


def _take_off(payment: Payment, *, now: datetime) -> list[Invoice]:
    """Take what went back off the papers it had paid, the last one first; returns the invoices that are due again."""
    over = -payment.unallocated_minor
    papers: list[Invoice] = []
    for allocation in payment.allocations.filter(amount_minor__gt=0).select_related("invoice").order_by("-pk"):
        taken = min(over, allocation.amount_minor)
        if taken <= 0:
            break
        over -= taken
        if allocation.invoice is None:  # an order's request that waits for the rest of its money
            if taken == allocation.amount_minor:
                allocation.delete()
            else:
                Allocation.objects.filter(pk=allocation.pk).update(amount_minor=allocation.amount_minor - taken)
            continue
        Allocation.objects.create(payment=payment, invoice=allocation.invoice, amount_minor=-taken, at=now)
        settle.derive_payment_state(allocation.invoice, now=now)
        papers.append(allocation.invoice)
    return papers


def _dispute(invoice: Invoice, *, now: datetime) -> None:
    """While the bank decides, nobody is reminded and nothing is asked for."""
    if claim(Invoice.objects.filter(pk=invoice.pk, disputed_at=None).open(), disputed_at=now):
        Dispute.objects.create(invoice=invoice, reason=Dispute.Reason.BANK, at=now)
        settle.derive_payment_state(invoice, now=now)


def _solve(payment: Payment, *, now: datetime) -> None:
    """The bank has decided: what it disputed is asked for again, or paid."""
    papers = Invoice.objects.filter(allocations__payment=payment, disputed_at__isnull=False).distinct()
    for paper in papers.order_by("pk"):
        dispute = paper.disputes.filter(solved_at=None, reason=Dispute.Reason.BANK).first()
        if dispute is None:
            continue
        claim(Invoice.objects.filter(pk=paper.pk), disputed_at=None)
        dispute.solve(outcome=Dispute.Outcome.STANDS, answer="", by=None, now=now)
        settle.derive_payment_state(paper, now=now)


def _won(payment: Payment, reversal: Reversal, *, now: datetime) -> None:
    """The money is ours again: it settles what is still due of what it had paid, the rest is credit."""
    if not reversal.taken_minor or not payment.take_again(reversal.taken_minor):
        return
    _solve(payment, now=now)
    for paper in _papers_of(payment):
        settle.allocate_to_invoice(payment, paper, payment.unallocated_minor, now=now)
    _record("payment.reinstated", payment, reversal, now=now)
    payment.ask_review(WON)


def _lost(payment: Payment, reversal: Reversal, *, now: datetime) -> None:
    """It is gone for good: what it had paid is asked for again."""
    _solve(payment, now=now)
    _record("payment.dispute_lost", payment, reversal, now=now)
    payment.ask_review(LOST)
    if not reversal.taken_minor:
        return
    collection = collect.taken_back(payment, reversal.reason, now=now)
    if collection is not None and reversal.opened_at != now:  # else the letter about the return says how it goes on
        letters.autopay_failed(collection, now=now)


def _papers_of(payment: Payment) -> Iterable[Invoice]:
    rows = Invoice.objects.filter(allocations__payment=payment, allocations__amount_minor__lt=0)
    return rows.distinct().order_by("pk")


def _record(name: str, payment: Payment, reversal: Reversal, *, now: datetime) -> None:
    Event.record(
        name,
        payment,
        now=now,
        customer=payment.customer,
        actor_kind=Event.ActorKind.PROVIDER,
        amount_minor=reversal.amount_minor,
        currency=reversal.currency,
        provider=payment.provider,
    )
