"""Money arrives, or does not: what a payment's end does to papers and orders. Faces call these through `actions.pay`.

Each story is one transaction and may be told twice: whoever comes second changes nothing. Money is never turned away: what
fits no paper stays on its payment as the customer's credit, and `review` says why staff must look at it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, ApiKey, Customer, Event, User, events_together, person
from portico.billing import letters
from portico.billing.actions import bill, collect, settle
from portico.billing.actions.kept import save_kept
from portico.billing.actions.order import confirm_order
from portico.billing.models import Allocation, Invoice, Order, Payment, PaymentRequest, PaymentTarget
from portico.billing.providers.base import Kept, Report, Said
from portico.kit.crash import crashpoint
from portico.kit.db import tried_again
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Refusal
from portico.kit.money import exponent, within_limits
from portico.kit.periods import today
from portico.kit.prepared import key_of, prepared
from portico.kit.text import one_line

NO_SUCH_ATTEMPT_AFTER = timedelta(minutes=10)
"""A provider that knows nothing of an attempt this old will never hear of it."""
SOON = timedelta(seconds=5)
"""Until a provider is asked about a charge of which its checkout says more, mostly in the same second."""
OLDEST_ARRIVAL = timedelta(days=3660)
FINANCE = {User.StaffRole.FINANCE, User.StaffRole.ADMIN}


# What a provider says ---------------------------------------------------------------------------------------------------


def apply_report(*, payment: Payment, report: Report, account: str, now: datetime) -> Payment:
    """Do what follows from a provider's report about `payment`; reports may come twice and in any order.

    `account` is where the provider's money must arrive. Returns the payment as it is now.
    """
    if report.provider_reference and payment.provider_reference not in {"", report.provider_reference}:
        if report.said == Said.SUCCEEDED:
            return _keep_stray(payment, report, now=now)
        return payment
    if report.said == Said.SUCCEEDED:
        return settle_payment(
            payment=payment,
            received_minor=report.amount_minor,
            currency=report.currency,
            now=now,
            provider_reference=report.provider_reference,
            charge_reference=report.charge_reference,
            mismatch=_mismatch(payment, report, account),
            kept=report.kept,
        )
    if report.charge_reference and not payment.charge_reference:
        payment.money_known_as(report.charge_reference)
    if report.provider_reference and not payment.provider_reference:
        payment.known_as(report.provider_reference)
    if report.said == Said.ASK:
        payment.ask_soon(at=now if report.provider_reference else now + SOON)
        return payment
    if report.said == Said.ACTION:
        return payment_waits_for_payer(payment=payment, now=now)
    if report.said == Said.PROCESSING:
        return payment_processing(payment=payment, now=now)
    if report.said == Said.FAILED:
        return fail_payment(payment=payment, failure_code=report.failure_code, now=now)
    if report.said == Said.EXPIRED:
        return cancel_payment(payment=payment, now=now)
    if report.said == Said.NOTHING and now - payment.created_at >= NO_SUCH_ATTEMPT_AFTER:
        return cancel_payment(payment=payment, now=now)
    if report.said == Said.OPEN:
        payment.still_open()
    return payment


def _mismatch(payment: Payment, report: Report, account: str) -> str:
    """Why money that arrived cannot be the money that was asked for; empty when all of it fits."""
    if report.payment_id and report.payment_id != str(payment.pk):
        return "the provider names another payment"
    if account and report.account != account:
        return "it arrived on another account"
    return ""


@tried_again
def settle_payment(
    *,
    payment: Payment,
    received_minor: int,
    currency: str,
    now: datetime,
    provider_reference: str = "",
    charge_reference: str = "",
    mismatch: str = "",
    kept: Kept | None = None,
) -> Payment:
    """The money of an online attempt arrived: payment → papers → invoice issued → order confirmed, in one transaction.

    Nothing happens the second time. Another amount or currency than was asked, a `mismatch`, a success after the attempt
    was cancelled or failed, and whatever is left over because the papers were paid or cancelled meanwhile stay on the
    payment as the customer's credit with `review` set. What the payer agreed to have `kept` is saved. Raises Invalid for an
    amount that is no money.
    """
    _refuse_no_money(received_minor, currency)
    with transaction.atomic(savepoint=False):  # inside the story of its notice nothing of it is kept without the rest
        targets = lock_targets(payment)
        payment = locked(payment)
        late = payment.state in {Payment.State.CANCELLED, Payment.State.FAILED}
        changes = {"received_minor": received_minor, "received_currency": currency}
        if provider_reference and not payment.provider_reference:
            changes["provider_reference"] = provider_reference
        if charge_reference and not payment.charge_reference:
            changes["charge_reference"] = charge_reference[:120]
        if not payment.end(Payment.State.SUCCEEDED, now=now, **changes):
            if charge_reference and not payment.charge_reference:
                payment.money_known_as(charge_reference)
            return payment
        _record_arrival(payment, by=None, now=now)
        crashpoint("payment booked")
        if kept is not None and payment.save_consent and not mismatch:
            save_kept(
                payment.customer, payment.provider, kept,
                consent=payment.save_consent, by=payment.created_by, at=payment.created_at, now=now,
            )  # fmt: skip
        why = mismatch
        if not why and (received_minor, currency) != (payment.amount_minor, payment.currency):
            why = "another amount or currency than was asked for"
        if not why and late:
            why = "it arrived after the attempt had been given up"
        _use(payment, targets, why, now=now)
    return payment


def _use(payment: Payment, targets: Sequence[PaymentTarget], why: str, *, now: datetime) -> None:
    """Let the money settle its `targets`, or none of them and say `why`; ask for a review of what is left, and derive what
    it was for."""
    if not why:
        for target in targets:
            why = _settle_target(payment, target, now=now) or why
    if not why and payment.unallocated_minor:
        why = "more than was due" if targets else "it is not known what it is for"
    if why:
        payment.ask_review(why)
    if any(target.invoice_id for target in targets):  # a request's invoice was issued just now, and is settled
        settle.derive_for_targets(payment, now=now)
        collect.paid(payment, now=now)


def _settle_target(payment: Payment, target: PaymentTarget, *, now: datetime) -> str:
    """Settle one target as far as the money goes; returns why that could not be, or nothing."""
    if target.request is not None:
        left = settle.allocate_to_request(payment, target.request, target.amount_minor, now=now)
        return "" if left else _complete(target.request, now=now)
    assert target.invoice is not None
    settle.allocate_to_invoice(payment, target.invoice, target.amount_minor, now=now)
    return confirm_when_paid(target.invoice.order, now=now)


def _complete(request: PaymentRequest, *, now: datetime) -> str:
    """All of a request has arrived, read under its order's lock: invoice issued, request settled, order confirmed.

    If the order cannot be confirmed, the money is taken off the request again and stays as credit; returns why.
    """
    if request.state != PaymentRequest.State.OPEN:
        return ""
    try:
        with transaction.atomic(), events_together():
            invoice = bill.issue_prepaid(request, now=now)
            request.settle(now=now)
            settle.hand_over(request, invoice, now=now)
            confirm_order(request.order, now=now)
    except Refusal as refusal:
        request.refresh_from_db()
        why = f"the order could not be confirmed: {refusal.message}"
        for freed in settle.release_request(request):
            freed.ask_review(why)
        return why[:200]
    return ""


def confirm_when_paid(order: Order | None, *, now: datetime) -> str:
    """Confirm an order that waits for its invoice, once that is paid; returns why it could not be, or nothing."""
    if order is None:
        return ""
    order = _order(order.pk)
    if order.state != Order.State.AWAITING_PAYMENT or not order.invoice_before_payment:
        return ""
    papers = order.invoices.filter(state=Invoice.State.ISSUED).exclude(kind=Invoice.Kind.CREDIT_NOTE)
    states = list(papers.values_list("payment_state", "amount_due_minor"))
    if any(due for _state, due in states):
        return ""
    used = Allocation.objects.filter(invoice__in=papers, credit_note__isnull=False)
    settled_by_credit = used.exclude(credit_note__refers_to=F("invoice"))  # another paper's: it is as good as money
    if not any(state == Invoice.PaymentState.PAID for state, _due in states) and not settled_by_credit.exists():
        return ""
    try:
        with transaction.atomic():
            confirm_order(order, now=now)
    except Refusal as refusal:
        return f"the order could not be confirmed: {refusal.message}"
    return ""


def _keep_stray(payment: Payment, report: Report, *, now: datetime) -> Payment:
    """Money of a checkout that is not the one of this attempt: a payment of its own, kept as credit for staff.

    Returns the attempt, which it does not change.
    """
    _refuse_no_money(report.amount_minor, report.currency)
    with transaction.atomic():
        stray, made = Payment.objects.get_or_create(
            provider=payment.provider,
            provider_reference=report.provider_reference,
            defaults={
                "customer": payment.customer,
                "amount_minor": report.amount_minor,
                "currency": report.currency,
                "idempotency_key": f"stray-{payment.provider}-{report.provider_reference}"[:64],
                "state": Payment.State.SUCCEEDED,
                "received_minor": report.amount_minor,
                "received_currency": report.currency,
                "created_at": now,
                "ended_at": now,
                "review": f"it came with another reference than payment {payment.pk}",
            },
        )
        if made:
            _record_arrival(stray, by=None, now=now)
    return payment


def payment_processing(*, payment: Payment, now: datetime) -> Payment:
    """The payer confirmed and the money is on its way: its invoices count it and are held no longer. Nothing after the end."""
    with transaction.atomic():
        if payment.processing_at is None:
            lock_targets(payment)  # before its rows, as whoever begins another attempt does
        if payment.processing(now=now):
            _record("payment.processing", payment, now=now)
            settle.derive_for_targets(payment, now=now)
        payment.still_open()
    return payment


def payment_waits_for_payer(*, payment: Payment, now: datetime) -> Payment:
    """The payer's bank asks the payer to confirm: nothing was charged yet, the payer is told. After the end: nothing."""
    with transaction.atomic():
        if payment.waits_for_payer(now=now):
            _record("payment.action", payment, now=now)
            if payment.collection_id is not None:  # else the payer sits in front of the screen
                collect.needs_payer(payment, now=now)
                letters.payment_action(payment, now=now)
        payment.still_open()
    return payment


def fail_payment(*, payment: Payment, failure_code: str, now: datetime) -> Payment:
    """The provider declined: nothing was charged; what it was for can be paid again. After a success it says nothing."""
    with transaction.atomic():
        lock_targets(payment)
        if payment.end(Payment.State.FAILED, now=now, failure_code=failure_code[:40]):
            _record("payment.failed", payment, now=now, code=failure_code[:40])
            settle.derive_for_targets(payment, now=now)
            if not collect.failed(payment, now=now):
                letters.payment_failed(payment, now=now)
    return payment


def cancel_payment(*, payment: Payment, now: datetime, by: User | None = None) -> Payment:
    """The attempt ended unpaid. Only for what can no longer be paid at the provider: see `pay.give_up_payment`."""
    with transaction.atomic():
        lock_targets(payment)
        if payment.end(Payment.State.CANCELLED, now=now):
            _record("payment.cancelled", payment, by=by, now=now)
            collect.cancelled(payment, now=now)
            settle.derive_for_targets(payment, now=now)
    return payment


# Transfers that staff book ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """A transfer as the bank statement shows it."""

    amount_minor: int
    currency: str
    received_on: date
    payer_name: str


def book_transfer(
    *,
    customer: Customer,
    amount_minor: int,
    received_on: date,
    payer_name: str,
    by: Actor,
    now: datetime,
    currency: str = "",
    reference: str = "",
    payment: Payment | None = None,
    invoices: Sequence[Invoice] = (),
    order: Order | None = None,
    again: bool = False,
) -> Payment:
    """Finance books a transfer that arrived from `customer`. Opens a transaction; returns the payment it is kept on.

    What it is for, in this order: the announced `payment`, the one whose structured `reference` the payer wrote (blanks
    allowed), `invoices`, the `order`; none of them: the customer's credit. Full: the papers are paid. Too little: it is
    kept on them, an order's request stays open until the rest arrives. Too much: the rest is the customer's credit and
    goes on the review list. `currency` empty: that of what it is for, or the customer's.

    Raises Forbidden without the finance role or the scope; Invalid for an amount, day, currency or reference that cannot
    be; Missing when a paper is another customer's; Conflict when this announced payment, or the very same arrival, was booked
    already (`again` says that it really came twice).
    """
    _refuse_others(by, customer)
    _refuse_impossible_day(received_on, today(now, customer.seller.zone))
    if payment is None and reference.strip():
        payment = _payment_of(reference, customer)
    elif payment is not None and payment.state not in Payment.UNDECIDED:
        raise Conflict(_("This payment was booked or ended already. Nothing was booked."))
    if payment is not None and (payment.provider != "bank_transfer" or payment.customer_id != customer.pk):
        raise Missing(_("This customer announced no such transfer. Nothing was booked."))
    with transaction.atomic():
        targets = lock_targets(payment) if payment else _chosen_targets(customer, invoices, order)
        known = currency or (payment.currency if payment else _currency_of(targets) or customer.currency)
        _refuse_no_money(amount_minor, known)
        arrival = Arrival(amount_minor, known, received_on, one_line(payer_name)[:140])
        _refuse_twice(customer, arrival, again=again)
        booked = _book(customer, payment, arrival, by=by, now=now)
        if payment is not None and booked.pk == payment.pk:
            for target in targets:
                target.amount_minor = arrival.amount_minor  # in memory: the row keeps what was announced for it
        else:
            targets = _meant(targets, booked)
        _record_arrival(booked, by=by, now=now)
        _use(booked, targets, "", now=now)
    return booked


def _refuse_others(by: Actor, customer: Customer) -> None:
    """Finance, administrators and integrations with the scope book money, for the customers of their seller."""
    if isinstance(by, ApiKey):
        if by.seller_id != customer.seller_id or not by.allows("payments:write"):
            raise Forbidden(_("This key may not book payments. An administrator can make one that may."))
    elif by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))


def _book(customer: Customer, payment: Payment | None, arrival: Arrival, *, by: Actor, now: datetime) -> Payment:
    """The succeeded payment of an arrival: the announced one, or, when that has ended, another one beside it."""
    received = {
        "received_minor": arrival.amount_minor,
        "received_currency": arrival.currency,
        "received_on": arrival.received_on,
        "payer_name": arrival.payer_name,
    }
    if payment is not None:
        payment = locked(payment)
        if payment.state in Payment.UNDECIDED and payment.end(Payment.State.SUCCEEDED, now=now, **received):
            return payment
    booked = Payment(
        customer=customer,
        provider="bank_transfer",
        amount_minor=arrival.amount_minor,
        currency=arrival.currency,
        state=Payment.State.SUCCEEDED,
        reference=payment.reference if payment else "",
        created_at=now,
        created_by=person(by),
        ended_at=now,
        **received,
    )
    booked.idempotency_key = f"booked-{booked.pk}"
    booked.save(force_insert=True)
    return booked


def _payment_of(reference: str, customer: Customer) -> Payment:
    """The announced payment of a reference: the undecided one, else the latest."""
    plain = "".join(reference.split()).upper()
    found = list(Payment.objects.filter(reference=plain, provider="bank_transfer").order_by("-created_at"))
    own = [payment for payment in found if payment.customer_id == customer.pk]
    if not own:
        raise Invalid(
            _("No transfer of this customer was announced with the reference %(reference)s. Nothing was booked.")
            % {"reference": plain[:40]}
        )
    return next((payment for payment in own if payment.state in Payment.UNDECIDED), own[0])


def _chosen_targets(customer: Customer, invoices: Sequence[Invoice], order: Order | None) -> list[PaymentTarget]:
    """Targets, not saved yet, for what staff say the money is for; rows locked."""
    keys = [invoice.pk for invoice in invoices]
    orders = {order.pk} if order else set()
    orders |= set(Invoice.objects.filter(pk__in=keys, order__isnull=False).values_list("order_id", flat=True))
    lock_orders(orders)
    found = lock_invoices(keys)
    if len(found) != len(set(keys)) or any(
        paper.customer_id != customer.pk
        or paper.state != Invoice.State.ISSUED
        or paper.kind == Invoice.Kind.CREDIT_NOTE
        for paper in found
    ):
        raise Missing(_("One of these invoices is not an invoice of this customer. Nothing was booked."))
    ordered = sorted(found, key=lambda one: keys.index(one.pk))
    targets = [PaymentTarget(invoice=paper, open=False, holds=False) for paper in ordered]
    if order is None:
        return targets
    if order.customer_id != customer.pk:
        raise Missing(_("This order is not an order of this customer. Nothing was booked."))
    request = order.payment_requests.select_related("order").filter(state=PaymentRequest.State.OPEN).first()
    if request is not None:
        return [*targets, PaymentTarget(request=request, open=False, holds=False)]
    open_papers = Invoice.objects.open().filter(order=order).exclude(pk__in=keys).order_by("due_on", "pk")
    return targets + [PaymentTarget(invoice=paper, open=False, holds=False) for paper in open_papers]


def _meant(targets: Iterable[PaymentTarget], booked: Payment) -> list[PaymentTarget]:
    """What the arrival is for, written down: for each paper in turn what is due of it, as far as the money goes.

    What is left to pay of all goes before what is on its way: that may yet arrive as it was begun.

    The first one holds all where nothing is due on any, or nothing in this currency: the money was said to be for it.
    """
    left = booked.received_minor
    named = [
        PaymentTarget(payment=booked, invoice=one.invoice, request=one.request, amount_minor=0, open=False, holds=False)
        for one in targets
    ]
    for on_its_way in (False, True):
        for target in named:
            due = due_of_target(target, booked.received_currency, on_its_way=on_its_way)
            taken = min(left, due - target.amount_minor)
            target.amount_minor += max(taken, 0)
            left -= max(taken, 0)
    found = [target for target in named if target.amount_minor]
    if named and not found:
        named[0].amount_minor = booked.received_minor
        found = named[:1]
    for target in found:
        target.save()
    return found


def due_of_target(target: PaymentTarget, currency: str, *, on_its_way: bool) -> int:
    """What is due in `currency` of the paper of a target, with what is on its way or without."""
    paper = target.invoice or target.request
    if paper is None or paper.currency != currency:
        return 0
    if isinstance(paper, Invoice):
        return paper.amount_due_minor if on_its_way else paper.left_to_pay_minor
    return max(settle.request_due_minor(paper), 0)


def _currency_of(targets: Iterable[PaymentTarget]) -> str:
    """The one currency of the targets, empty for none; Invalid when there are two."""
    papers = [target.invoice or target.request for target in targets]
    currencies = {paper.currency for paper in papers if paper is not None}
    if len(currencies) > 1:
        raise Invalid(_("These papers are in different currencies. Book one transfer for each currency."))
    return currencies.pop() if currencies else ""


def _refuse_twice(customer: Customer, arrival: Arrival, *, again: bool) -> None:
    """The same arrival booked twice, as by a second click, is refused unless staff say that it came twice."""
    same = Payment.objects.filter(
        customer=customer,
        provider="bank_transfer",
        state=Payment.State.SUCCEEDED,
        received_minor=arrival.amount_minor,
        received_currency=arrival.currency,
        received_on=arrival.received_on,
        payer_name=arrival.payer_name,
    )
    if not again and same.exists():
        raise Conflict(
            _("A transfer of this amount from this payer was booked for this day already. Nothing was booked again.")
        )


def _refuse_impossible_day(received_on: date, day: date) -> None:
    if received_on > day:
        raise Invalid(_("The day of arrival lies in the future. Nothing was booked."))
    if day - received_on > OLDEST_ARRIVAL:
        raise Invalid(_("The day of arrival lies more than ten years back. Nothing was booked."))


def _refuse_no_money(amount_minor: int, currency: str) -> None:
    """Raise Invalid unless this is an amount of money in a currency we know."""
    exponent(currency)
    if amount_minor <= 0:
        raise Invalid(_("The amount must be above zero."))
    within_limits(amount_minor)


# Credit -----------------------------------------------------------------------------------------------------------------


def allocate_credit(
    *,
    payment: Payment,
    by: User,
    now: datetime,
    invoice: Invoice | None = None,
    order: Order | None = None,
    amount_minor: int | None = None,
) -> int:
    """Finance lets money that settles nothing yet settle an invoice, or an order's payment request. Opens a transaction.

    As much as is due and left, or `amount_minor` of it. Returns what was used. Raises Forbidden without the finance role,
    Missing for another customer's paper, Invalid for an amount that is not there, Conflict when nothing can be used.
    """
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    if (invoice is None) == (order is None):
        raise Invalid(_("Choose the invoice or the order that this money is for."))
    return allocate_own_credit(payment=payment, by=by, now=now, invoice=invoice, order=order, amount_minor=amount_minor)


def allocate_own_credit(
    *,
    payment: Payment,
    by: User,
    now: datetime,
    invoice: Invoice | None = None,
    order: Order | None = None,
    amount_minor: int | None = None,
) -> int:
    """The same for whoever has shown that it may: finance, or the customer's own people (`actions.spend`)."""
    with transaction.atomic():
        targets = _chosen_targets(payment.customer, [invoice] if invoice else [], order)
        payment = locked(payment)
        left = payment.unallocated_minor
        if amount_minor is not None and not 0 < amount_minor <= left:
            raise Invalid(_("Choose an amount above zero and no more than is left. Nothing was assigned."))
        refused = ""
        for target in targets:
            target.amount_minor = amount_minor or left
            refused = _settle_target(payment, target, now=now) or refused
        used = left - payment.unallocated_minor
        if not used:
            raise Conflict(
                refused
                or _("Nothing of this money could be used: it is of another currency, used up, or nothing is due.")
            )
        _record("payment.allocated", payment, by=by, now=now, amount_minor=used, currency=payment.received_currency)
        if not payment.unallocated_minor:
            payment.reviewed(now=now)
    return used


def review_payment(*, payment: Payment, by: User, now: datetime) -> None:
    """Staff looked at money on the review list and leave it as it is. Opens a transaction; Conflict when there was none."""
    with transaction.atomic():
        if not payment.reviewed(now=now):
            raise Conflict(_("This payment is not on the review list any more. Nothing was changed."))
        _record("payment.reviewed", payment, by=by, now=now, visible=False)


# Locks and events -------------------------------------------------------------------------------------------------------


def locked(payment: Payment) -> Payment:
    """The payment's row, locked; always after its orders and invoices."""
    found: Payment = to_lock(payment=key_of(payment))[0]
    return found


@prepared
def to_lock(payment: Any) -> Any:
    """A payment with its customer, locked."""
    rows = Payment.objects.select_for_update(of=("self",)).select_related("customer__seller", "method")
    return rows.filter(pk=payment)


@prepared
def named_by(payment: Any) -> Any:
    """What the targets of a payment name: the order of a request, an invoice and its order, by their ids."""
    rows = PaymentTarget.objects.filter(payment=payment)
    return rows.values_list("request__order_id", "invoice_id", "invoice__order_id")


@prepared
def targets_of(payment: Any) -> Any:
    """The targets of a payment, with what settling reads."""
    rows = PaymentTarget.objects.filter(payment=payment).order_by("pk")
    return rows.select_related(
        "invoice__order", "request__order__seller", "request__order__customer",
        "request__order__version__quotation", "request__order__subscription",
    )  # fmt: skip


@prepared
def order_to_lock(order: Any) -> Any:
    """An order's key, its row locked."""
    return Order.objects.select_for_update(of=("self",)).filter(pk=order).values_list("pk")


def lock_targets(payment: Payment) -> list[PaymentTarget]:
    """What a payment is for, with orders and then invoices locked in the order of their keys; before its own row.

    Whatever changes the payment and then its papers begins with this, so that of two neither waits for the other.
    """
    named = named_by(payment=key_of(payment))
    lock_orders({order for row in named for order in (row[0], row[2]) if order})
    lock_invoices([invoice for _order, invoice, _of in named if invoice])
    return targets_of(payment=key_of(payment))


def lock_orders(keys: Iterable[int]) -> None:
    """Lock orders in the order of their keys."""
    for key in sorted(set(keys)):
        order_to_lock(order=key)


def lock_invoices(keys: Sequence[int]) -> list[Invoice]:
    """Invoices by key, locked in the order of their keys."""
    if not keys:
        return []
    rows = Invoice.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    return list(rows.select_related("order", "customer").order_by("pk"))


def _order(key: int) -> Order:
    """An order with what confirming it reads."""
    return Order.objects.select_related("seller", "customer", "version__quotation", "subscription").get(pk=key)


def _record_arrival(payment: Payment, *, by: Actor | None, now: datetime) -> None:
    _record(
        "payment.succeeded",
        payment,
        by=by,
        now=now,
        amount_minor=payment.received_minor,
        currency=payment.received_currency,
    )
    letters.payment_received(payment, now=now)


def _record(
    name: str, payment: Payment, *, now: datetime, by: Actor | None = None, visible: bool = True, **data: object
) -> None:
    """One event of a payment, by a person or by the provider."""
    Event.record(
        name,
        payment,
        now=now,
        by=by,
        customer=payment.customer,
        actor_kind="" if by else Event.ActorKind.PROVIDER,
        visible=visible,
        **{"amount_minor": payment.amount_minor, "currency": payment.currency, "provider": payment.provider} | data,
    )
