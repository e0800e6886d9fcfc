"""Giving money back: asked for by finance, above a limit looked at by a second person, then tried once and looked up.

What can be given back is what the payment has to its customer's credit; a credit note for what it paid frees as much of it
(`free_minor`). Asking takes the money off the payment in one transaction, with its row locked: never more than was paid. The
provider is asked after that was committed, outside any transaction and always with the same key; no answer makes the refund
unknown, never failed: the janitor looks it up at growing intervals, and begins anew only after the provider has said that it
knows of nothing. A failed refund is the customer's credit again, and staff are told.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext as _
from stdnum import iban as stdnum_iban

from portico.accounts.models import Customer, Event, Seller, User
from portico.billing import letters, providers
from portico.billing.actions import settle
from portico.billing.actions.receive import FINANCE, lock_invoices, locked
from portico.billing.models import Allocation, Invoice, Payment, Refund, RefundRules
from portico.billing.providers.base import Attempt, Declined, Refunding, RefundReport, RefundSaid, Unanswered
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.text import one_line

FIRST_LOOKUP = timedelta(minutes=1)
LONGEST_LOOKUP = timedelta(hours=6)
BATCH = 50
COUNTED_TOGETHER = timedelta(days=7)
"""Refunds to one customer, or to one account, within this time count together where two people must agree."""
logger = logging.getLogger("portico.refunds")


@dataclass(frozen=True)
class Source:
    """What of a payment can be given back because of a credit note."""

    credit_note: Invoice
    amount_minor: int


# What can be given back ------------------------------------------------------------------------------------------------


def refundable_minor(payment: Payment) -> int:
    """What can be given back of a payment now: its credit, and what credit notes free of it."""
    if payment.state != Payment.State.SUCCEEDED:
        return 0
    return max(payment.unallocated_minor, 0) + sum(one.amount_minor for one in freed_by(payment))


def freed_by(payment: Payment) -> list[Source]:
    """The credit notes for what the payment paid of which something is left, each with how much of the payment it frees."""
    papers: dict[int | None, int] = {
        row["invoice"]: int(row["sum"] or 0)
        for row in Allocation.objects.filter(payment=payment, invoice__isnull=False)
        .order_by()
        .values("invoice")
        .annotate(sum=Sum("amount_minor"))
    }
    notes = Invoice.objects.filter(
        refers_to__in=[paper for paper, paid in papers.items() if paid > 0],
        kind=Invoice.Kind.CREDIT_NOTE,
        state=Invoice.State.ISSUED,
    )
    found = []
    for note in notes.order_by("pk"):
        paid = papers[note.refers_to_id]
        amount = min(settle.credit_note_left_minor(note), paid)
        if amount > 0:
            papers[note.refers_to_id] = paid - amount
            found.append(Source(note, amount))
    return found


def ways_of(payment: Payment) -> list[str]:
    """How money of this payment can go back, the usual way first."""
    provider = providers.find(payment.provider)
    if provider is None or provider.by_transfer:
        return [Refund.Way.TRANSFER]
    return [Refund.Way.PROVIDER, Refund.Way.TRANSFER]


# Asking ----------------------------------------------------------------------------------------------------------------


def ask_refund(
    *,
    payment: Payment,
    amount_minor: int,
    way: str,
    reason: str,
    by: User,
    now: datetime,
    iban: str = "",
    seen_minor: int | None = None,
) -> Refund:
    """Give money of a payment back. Commits the refund, then asks the provider unless a second person must agree first.

    `seen_minor` is what could go back when the form was opened: a form that is sent twice gives back once. Raises Forbidden
    without the finance role; Invalid for an amount, way, account or reason that cannot be; Conflict when there is not so
    much to give back, as when two ask at once, or another sum than was seen.
    """
    _need_finance(by)
    words, account = one_line(reason), str(stdnum_iban.compact(iban)) if iban.strip() else ""
    if not words or len(words) > 300:
        raise Invalid(_("Say in at most 300 characters why the money goes back."))
    if way not in ways_of(payment):
        raise Invalid(_("Money of this payment cannot go back this way. Choose another one."))
    if way == Refund.Way.TRANSFER and not stdnum_iban.is_valid(account):
        raise Invalid(_("Enter the IBAN of the customer's account, without a typing error."))
    if amount_minor <= 0:
        raise Invalid(_("The amount must be above zero."))
    with transaction.atomic(durable=True):
        payment = _lock(payment)
        if seen_minor is not None and seen_minor != refundable_minor(payment):
            raise Conflict(
                _(
                    "What can go back has changed meanwhile, perhaps by this very form. Nothing more was given back. Look at "
                    "it again."
                )
            )
        refund = _take(payment, amount_minor, way=way, reason=words, iban=account, by=by, now=now)
    if refund.state == Refund.State.PENDING:
        begin_refund(refund=refund, now=now)
    return refund


def _lock(payment: Payment) -> Payment:
    """The payment's row, locked after what it paid and the credit notes for that."""
    papers = list(Allocation.objects.filter(payment=payment, invoice__isnull=False).values_list("invoice", flat=True))
    notes = Invoice.objects.filter(refers_to__in=papers, kind=Invoice.Kind.CREDIT_NOTE).values_list("pk", flat=True)
    lock_invoices([*papers, *notes])
    return locked(payment)


def _take(payment: Payment, amount_minor: int, *, way: str, reason: str, iban: str, by: User, now: datetime) -> Refund:
    """Take the money off the payment, which is locked, and write the refund down; the caller's transaction."""
    seller = payment.customer.seller
    if payment.state != Payment.State.SUCCEEDED or amount_minor > refundable_minor(payment):
        raise Conflict(
            _(
                "There is not so much of this payment that could go back, perhaps since a moment ago. Nothing was given back."
            )
        )
    note = _free(payment, amount_minor - max(payment.unallocated_minor, 0), now=now)
    if not payment.give_back(amount_minor, gone=Payment.State.REFUNDED):
        raise Conflict(_("There is not so much left of this payment. Nothing was given back."))
    alone = _given_alone_minor(payment, iban, now) + amount_minor
    second = RefundRules.of(seller).needs_second_look(alone, payment.received_currency)
    refund = Refund(
        payment=payment,
        credit_note=note,
        amount_minor=amount_minor,
        currency=payment.received_currency,
        way=way,
        iban=iban if way == Refund.Way.TRANSFER else "",
        state=Refund.State.WAITING if second else Refund.State.PENDING,
        reason=reason,
        asked_at=now,
        asked_by=by,
        next_lookup_at=None if second or way == Refund.Way.TRANSFER else now + FIRST_LOOKUP,
    )
    refund.idempotency_key = f"refund-{refund.pk}"
    refund.save(force_insert=True)
    if payment.review and payment.reviewed_at is None:
        payment.reviewed(now=now)  # that it goes back is what staff have decided about it
    _record("payment.refund_asked", refund, by=by, now=now, visible=False)
    return refund


def _given_alone_minor(payment: Payment, iban: str, now: datetime) -> int:
    """What went back without a second person and counts along: a large sum is not cut into small ones.

    All of this payment, and of the last days all of its customer and all to this account, in the payment's currency. The
    customer is locked until the transaction ends, so that two who ask at once for two payments count each other.
    """
    _lock_customer(payment)
    lately = Q(payment__customer=payment.customer_id) | (Q(iban=iban) if iban else Q())
    rows = Refund.objects.filter(
        Q(payment=payment) | Q(lately, asked_at__gt=now - COUNTED_TOGETHER),
        state__in=[*Refund.UNDECIDED, Refund.State.SUCCEEDED],
        currency=payment.received_currency,
        approved_at=None,
    )
    return int(rows.order_by().aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _lock_customer(payment: Payment) -> None:
    list(Customer.objects.select_for_update().filter(pk=payment.customer_id).values_list("pk"))


def _free(payment: Payment, needed_minor: int, *, now: datetime) -> Invoice | None:
    """Let credit notes settle what the payment had paid, so that as much of it is free; returns the first of them."""
    first: Invoice | None = None
    for source in freed_by(payment):
        amount = min(source.amount_minor, needed_minor)
        if amount <= 0:
            break
        invoice = source.credit_note.refers_to
        assert invoice is not None
        Allocation.objects.create(payment=payment, invoice=invoice, amount_minor=-amount, at=now)
        Allocation.objects.create(credit_note=source.credit_note, invoice=invoice, amount_minor=amount, at=now)
        settle.derive_payment_state(invoice, now=now)
        needed_minor -= amount
        first = first or source.credit_note
    return first


# Two people ------------------------------------------------------------------------------------------------------------


def approve_refund(*, refund: Refund, by: User, now: datetime) -> Refund:
    """A second person of finance agrees, and it begins. Raises Forbidden for whoever asked, Conflict when it was decided."""
    _need_finance(by)
    if refund.asked_by_id == by.pk:
        raise Forbidden(_("Somebody else must agree: you asked for this refund yourself."))
    with transaction.atomic(durable=True):
        later = None if refund.way == Refund.Way.TRANSFER else now + FIRST_LOOKUP
        if not refund.approve(by=by, now=now, next_lookup_at=later):
            raise Conflict(_("This refund was decided already. Nothing was changed."))
        _record("payment.refund_approved", refund, by=by, now=now, visible=False)
    begin_refund(refund=refund, now=now)
    return refund


def refuse_refund(*, refund: Refund, by: User, now: datetime) -> None:
    """Finance does not agree, or whoever asked takes it back: the money is the customer's credit again."""
    _need_finance(by)
    with transaction.atomic():
        locked(refund.payment)
        if not refund.end(Refund.State.REFUSED, now=now):
            raise Conflict(_("This refund was decided already. Nothing was changed."))
        refund.payment.take_again(refund.amount_minor)
        _record("payment.refund_refused", refund, by=by, now=now, visible=False)


def stop_waiting(payment: Payment, *, now: datetime) -> None:
    """Refunds of `payment` that nobody has agreed to yet are not made: the payer's bank took the money back by itself.

    In the caller's transaction, with the payment locked.
    """
    for refund in Refund.objects.filter(payment=payment, state=Refund.State.WAITING).select_related(
        "payment__customer"
    ):
        if refund.end(Refund.State.REFUSED, now=now):
            payment.take_again(refund.amount_minor)
            _record("payment.refund_refused", refund, by=None, now=now, visible=False)


def is_refunding(payment: Payment) -> bool:
    """Whether the provider was asked to give money of it back and has not said what became of that."""
    return Refund.objects.filter(payment=payment, way=Refund.Way.PROVIDER, state__in=Refund.UNDECIDED).exists()


def transfer_done(*, refund: Refund, sent: bool, by: User, now: datetime) -> None:
    """Finance says that a transfer by hand went out, or that it did not. Raises Forbidden, Conflict."""
    _need_finance(by)
    if refund.way != Refund.Way.TRANSFER:
        raise Conflict(_("Only the provider can say what became of this refund. Nothing was changed."))
    done = _succeeded(refund, by=by, now=now) if sent else _failed(refund, "not_sent", by=by, now=now)
    if not done:
        raise Conflict(_("This refund was decided already. Nothing was changed."))


# The provider ----------------------------------------------------------------------------------------------------------


def begin_refund(*, refund: Refund, now: datetime) -> None:
    """Ask the provider, once; a transfer waits for a person. Never raises for what a provider does."""
    if refund.way == Refund.Way.TRANSFER or not refund.begin(now=now):
        return
    _ask(refund, "refund", now=now)


def look_up_refund(*, refund: Refund, now: datetime) -> Refund:
    """Ask what has become of a refund, and do what follows; where the provider knows of nothing, begin with the same key."""
    if refund.state not in Refund.UNDECIDED or refund.way == Refund.Way.TRANSFER:
        return refund
    report = _ask(refund, "fetch_refund", now=now)
    if report is not None and report.said == RefundSaid.NOTHING and refund.state in Refund.UNDECIDED:
        _ask(refund, "refund", now=now)
    return refund


def look_up_refunds(now: datetime) -> int:
    """The janitor: refunds that nobody told us about; returns how many were asked about."""
    rows = Refund.objects.filter(state__in=Refund.UNDECIDED, next_lookup_at__lte=now)
    found = list(rows.select_related("payment__customer__seller").order_by("next_lookup_at")[:BATCH])
    for refund in found:
        look_up_refund(refund=refund, now=now)
    return len(found)


def _ask(refund: Refund, hook: str, *, now: datetime) -> RefundReport | None:
    """Call `refund` or `fetch_refund` and do what its answer says; no answer: unknown."""
    payment = refund.payment
    provider = providers.find(payment.provider)
    refunding = Refunding(
        key=refund.idempotency_key,
        refund_id=str(refund.pk),
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        attempt=Attempt(payment.idempotency_key, str(payment.pk), payment.provider_reference),
        provider_reference=refund.provider_reference,
        started_at=refund.begun_at,
    )
    try:
        if provider is None:
            raise LookupError(payment.provider)
        report = provider.refund(refunding) if hook == "refund" else provider.fetch_refund(refunding)
    except Declined as declined:
        if hook == "refund":
            _failed(refund, declined.code, by=None, now=now)
            return None
        logger.warning("a provider declined to look up a refund")
    except Unanswered:
        logger.warning("a provider gave no answer about a refund")
    except Exception:
        logger.exception("a provider failed at a refund: its outcome is unknown")
    else:
        apply_refund_report(refund=refund, report=report, now=now)
        return report
    refund.not_known(at=now + _wait(refund))
    return None


def _wait(refund: Refund) -> timedelta:
    """After one, two, four … minutes, at most six hours."""
    return min(timedelta(minutes=2 ** min(refund.lookups, 20)), LONGEST_LOOKUP)


def apply_refund_report(*, refund: Refund, report: RefundReport, now: datetime) -> Refund:
    """Do what follows from a provider's report about a refund; reports may come twice and in any order."""
    if report.provider_reference and refund.provider_reference not in {"", report.provider_reference}:
        return refund
    if report.provider_reference:
        refund.known_as(report.provider_reference)
    if report.said == RefundSaid.SUCCEEDED:
        if report.amount_minor and (report.amount_minor, report.currency) != (refund.amount_minor, refund.currency):
            refund.payment.ask_review("the provider gave back another amount than was asked for")
        _succeeded(refund, by=None, now=now)
    elif report.said == RefundSaid.FAILED:
        _failed(refund, report.failure_code, by=None, now=now)
    elif report.said == RefundSaid.PENDING:
        refund.still_pending(at=now + _wait(refund))
    return refund


def refund_of(provider: str, report: RefundReport) -> Refund | None:
    """The refund a report is about: by the provider's reference, else by our id as the provider echoes it."""
    rows = Refund.objects.filter(payment__provider=provider).select_related("payment__customer__seller")
    if report.provider_reference:
        named = rows.filter(provider_reference=report.provider_reference).first()
        if named is not None:
            return named
    try:
        return rows.filter(pk=UUID(report.refund_id)).first()
    except ValueError:
        return None


def _succeeded(refund: Refund, *, by: User | None, now: datetime) -> bool:
    with transaction.atomic():
        done = refund.end(Refund.State.SUCCEEDED, now=now)
        if done:
            _record("payment.refunded", refund, by=by, now=now)
            letters.payment_refunded(refund, now=now)
    return done


def _failed(refund: Refund, code: str, *, by: User | None, now: datetime) -> bool:
    """The money is the payment's again, as the customer's credit, and staff must look at it."""
    with transaction.atomic():
        payment = locked(refund.payment)
        done = refund.end(Refund.State.FAILED, now=now, failure_code=code[:40])
        if done:
            payment.take_again(refund.amount_minor)
            payment.ask_review("a refund of it failed")
            _record("payment.refund_failed", refund, by=by, now=now, visible=False, code=code[:40])
    return done


# Rules -----------------------------------------------------------------------------------------------------------------


def change_limit(*, seller: Seller, above_minor: int | None, by: User, now: datetime) -> None:
    """Above which amount two people must agree; None: never. Administrators alone: it guards against finance too."""
    if by.staff_role != User.StaffRole.ADMIN:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    if above_minor is not None and above_minor < 0:
        raise Invalid(_("The amount must be above zero."))
    with transaction.atomic():
        RefundRules.objects.update_or_create(seller=seller, defaults={"second_look_above_minor": above_minor})
        Event.record("seller.refund_limit_changed", seller, now=now, by=by, visible=False, amount_minor=above_minor)


def find_refund(seller: Seller, key: UUID) -> Refund:
    """The refund of this id; Missing."""
    rows = Refund.objects.filter(payment__customer__seller=seller, pk=key)
    found = rows.select_related("payment__customer__seller", "asked_by", "approved_by", "credit_note").first()
    if found is None:
        raise Missing(_("There is no such refund."))
    return found


def _need_finance(by: User) -> None:
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))


def _record(name: str, refund: Refund, *, by: User | None, now: datetime, visible: bool = True, **data: object) -> None:
    """On the payment's history."""
    payment = refund.payment
    Event.record(
        name,
        payment,
        now=now,
        by=by,
        customer=payment.customer,
        actor_kind="" if by else Event.ActorKind.PROVIDER,
        visible=visible,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        refund=str(refund.pk),
        **data,
    )
