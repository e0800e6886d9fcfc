"""Paying: an attempt is written down, the provider is asked, and what it says is booked (`receive`).

The attempt and its idempotency key are committed before the provider is called, and no provider is called inside a
transaction. An answer that does not come is `unknown`, never failed: it is looked up, and nothing new begins for the same
paper until it is decided. This module is the one door for faces: what `receive` tells is named here as well.

A pay page in short:

    due = pay.due_of_order(order)                      # or pay.due_of_invoices(customer, invoices); raises Conflict
    pay.offered_for(customer.seller, due[0].currency)  # the ways to pay
    payment = pay.start_payment(by=request.member, provider=…, order=order, seen_due_minor=…, now=now)
    redirect(payment.checkout_url)                     # or, where that is empty, show pay.instructions_for(payment)

The payer comes back to `/my/payments/<id>/`. A POST there may call `pay.lookup_payment(payment=…, now=now)`, which asks the
provider at once, so that the payer need not wait for the notice.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Event, Membership, Seller, User
from portico.billing import providers
from portico.billing.actions.amounts import Due, Offer, offers_of, part_of, refuse_too_little
from portico.billing.actions.receive import (
    FINANCE,
    allocate_credit,
    allocate_own_credit,
    apply_report,
    book_transfer,
    cancel_payment,
    due_of_target,
    fail_payment,
    lock_invoices,
    lock_orders,
    payment_processing,
    review_payment,
    settle_payment,
)
from portico.billing.models import (
    Collection,
    Invoice,
    Order,
    Payment,
    PaymentLookup,
    PaymentRequest,
    PaymentTarget,
    SavedMethod,
)
from portico.billing.providers.base import (
    Attempt,
    Declined,
    Instructions,
    Payee,
    Provider,
    Purchase,
    Report,
    Said,
    Started,
    Unanswered,
)
from portico.kit import formats
from portico.kit.adding import add
from portico.kit.crash import crashpoint
from portico.kit.db import tried_again
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable
from portico.kit.prepared import prepared

__all__ = [
    "Due",
    "Offer",
    "allocate_credit",
    "allocate_own_credit",
    "apply_report",
    "book_transfer",
    "can_be_asked",
    "cancel_payment",
    "due_of_invoices",
    "due_of_order",
    "expire_payment",
    "fail_payment",
    "give_up_payment",
    "instructions_for",
    "left_of",
    "look_up_now",
    "lookup_payment",
    "offered_for",
    "offers_of",
    "part_of",
    "payment_processing",
    "review_payment",
    "settle_payment",
    "start_payment",
]

FIRST_LOOKUP = timedelta(minutes=1)
LONGEST_LOOKUP = timedelta(hours=6)
BEING_STARTED = timedelta(seconds=60)
"""So long an attempt without an answer may still be on its way to the provider, in another tab."""
SILENT_TOO_LONG = timedelta(days=2)
logger = logging.getLogger("portico.payments")


# What is to be paid -----------------------------------------------------------------------------------------------------


@prepared
def state_of(order: Any) -> Any:
    """The state of an order."""
    return Order.objects.filter(pk=order).values_list("state")


@prepared
def open_request_of(order: Any) -> Any:
    """The open payment request of an order, with `paid_minor`; a cancelled order has none."""
    rows = PaymentRequest.objects.filter(order=order, state="open")
    return rows.annotate(paid_minor=Coalesce(Sum("allocations__amount_minor"), 0)).order_by("pk")


@prepared
def holding(request: Any) -> Any:
    """The undecided attempts that hold a payment request."""
    held = PaymentTarget.objects.filter(holds=True, request=request).values("payment")
    return Payment.objects.filter(pk__in=held).select_related("customer__seller").order_by("created_at")


def due_of_order(order: Order) -> list[Due]:
    """What an order asks to be paid now: its open payment request, else what is left to pay of its invoices, oldest first.

    Raises Conflict when it was cancelled, nothing is left to pay, or all of it is on its way.
    """
    request = open_request_of.first(order=order.pk)
    if request is not None:
        request.order = order
        return [Due(request, request.amount_minor - request.paid_minor, request.currency, order.number)]
    (state,) = state_of(order=order.pk)[0]
    if state == Order.State.CANCELLED:
        raise Conflict(_("This order was cancelled. Nothing was charged."))
    papers = list(Invoice.objects.open().filter(order=order).order_by("due_on", "pk"))
    if not papers:
        raise Conflict(_("Nothing is left to pay on this order. Nothing was charged."))
    left = [paper for paper in papers if paper.left_to_pay_minor]
    if not left:
        raise Conflict(_("A payment of this order is on its way already. Nothing was charged a second time."))
    return [_due_of(paper) for paper in left]


def due_of_invoices(customer: Customer, invoices: Sequence[Invoice]) -> list[Due]:
    """What is left to pay of invoices of `customer`, in one currency, beside what is on its way.

    Raises Invalid for none or two currencies, Missing for a paper that is not theirs, Conflict for one that is paid, or of
    which all that is due is on its way.
    """
    keys = {invoice.pk for invoice in invoices}
    if not keys:
        raise Invalid(_("Choose at least one invoice to pay."))
    rows = Invoice.objects.filter(pk__in=keys, customer=customer, state=Invoice.State.ISSUED)
    papers = list(rows.exclude(kind=Invoice.Kind.CREDIT_NOTE).order_by("due_on", "pk"))
    if len(papers) != len(keys):
        raise Missing(_("One of these invoices does not exist. Nothing was charged."))
    if len({paper.currency for paper in papers}) > 1:
        raise Invalid(_("Pay invoices of different currencies one currency at a time."))
    for paper in papers:
        if paper.amount_due_minor == 0:
            raise Conflict(
                _("Nothing is left to pay on invoice %(number)s. Nothing was charged.") % {"number": paper.number}
            )
        if paper.left_to_pay_minor == 0:
            raise Conflict(
                _("A payment of invoice %(number)s is on its way already. Nothing was charged a second time.")
                % {"number": paper.shown_number}
            )
    return [_due_of(paper) for paper in papers]


def _due_of(paper: Invoice) -> Due:
    return Due(paper, paper.left_to_pay_minor, paper.currency, paper.number or "")


def offered_for(seller: Seller, currency: str) -> list[Provider]:
    """The ways to pay `seller` in `currency`; each has `name`, `label`, `note`, `test_mode`, `by_transfer`."""
    return providers.offered(currency, payee_of(seller))


def payee_of(seller: Seller) -> Payee:
    """The seller's bank account."""
    name = seller.bank_account_name or seller.legal_name
    return Payee(name=name, iban=seller.iban, bic=seller.bic, reference_style=seller.reference_style)


def left_of(payment: Payment, targets: Sequence[PaymentTarget]) -> int:
    """What is left to pay of what the `payment` was begun for, at most as much as it was begun with, in minor units."""
    return sum(min(one.amount_minor, due_of_target(one, payment.currency, on_its_way=False)) for one in targets)


def instructions_for(payment: Payment, left_minor: int | None = None) -> Instructions | None:
    """What the payer needs to transfer what is left of an announced transfer; None for a payment that is made online, and
    where nothing is left. `left_minor`: what is left, where that was read already (`left_of`).
    """
    provider = providers.find(payment.provider)
    if provider is None or not payment.reference:
        return None
    if left_minor is None:
        left_minor = left_of(payment, list(payment.targets.select_related("invoice", "request")))
    payee = payee_of(payment.customer.seller)
    return provider.instructions(payment.reference, left_minor, payment.currency, payee) if left_minor else None


# Starting ---------------------------------------------------------------------------------------------------------------


def start_payment(
    *,
    by: Membership,
    provider: str,
    order: Order | None = None,
    invoices: Sequence[Invoice] = (),
    amount_minor: int | None = None,
    seen_due_minor: int | None = None,
    save_consent: str = "",
    now: datetime,
) -> Payment:
    """Begin to pay what an order asks, or invoices of one currency. Opens and commits transactions of its own.

    What is due is read from the database alone. `seen_due_minor` is the sum that the page showed: another sum is refused.
    `amount_minor` pays a part of the invoices, what is due first (`amounts`). `save_consent` is the wording under which
    the payer agreed to have the way to pay saved; it is kept with what is saved, where the provider can save. The payer
    comes back to the payment's own page.
    An undecided attempt for the same papers is ended at its provider first; a transfer that was announced for exactly
    the same is given back as it is.

    Returns the payment; go on at its `checkout_url`, or with `instructions_for` where that is empty. Raises Forbidden
    without the right to pay, Missing for another customer's paper, Invalid, Conflict (paid, cancelled, changed, on its
    way, begun in another tab), Unavailable when the provider gave no answer: the attempt is then kept as unknown and
    looked up.
    """
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    chosen = what_is_due(by.customer, order, invoices)
    total = sum(due.amount_minor for due in chosen)
    if seen_due_minor is not None and seen_due_minor != total:
        raise Conflict(changed_to(total, chosen[0].currency, by.user.language))
    way = _way(by.customer.seller, provider, chosen[0].currency)
    parts = part_of(chosen, amount_minor)
    refuse_too_little(by, chosen, amount_minor, now=now)
    same = _announced_already(way, parts)
    if same is not None:
        return same
    for earlier in undecided_for(parts):
        end_earlier(earlier, now=now)
    asked = Asked(
        by.customer, by.user, way, order, invoices, amount_minor, save_consent=save_consent if way.saves else ""
    )
    payment = write_down(asked, chosen, now=now)
    return _ask_to_begin(payment, way, chosen, by=by, now=now)


def what_is_due(customer: Customer, order: Order | None, invoices: Sequence[Invoice]) -> list[Due]:
    """What is to be paid, as the database says now; Missing for another customer's order."""
    if order is None:
        return due_of_invoices(customer, invoices)
    if order.customer_id != customer.pk:
        raise Missing(_("There is no such order. Nothing was charged."))
    return due_of_order(order)


def _way(seller: Seller, name: str, currency: str) -> Provider:
    for way in offered_for(seller, currency):
        if way.name == name:
            return way
    raise Invalid(_("This way to pay is not offered for this amount. Choose another one. Nothing was charged."))


def undecided_for(chosen: Sequence[Due]) -> list[Payment]:
    """The attempts that are in the way of another one for any of these papers.

    Those that hold it, and those of which nobody knows what became, though their payer was done with its part.
    """
    invoices = [due.paper.pk for due in chosen if isinstance(due.paper, Invoice)]
    requests = [due.paper.pk for due in chosen if isinstance(due.paper, PaymentRequest)]
    if len(requests) == 1 and not invoices:
        return holding(request=requests[0])
    papers = Q(invoice__in=invoices) | Q(request__in=requests)
    in_the_way = Q(holds=True) | Q(open=True, payment__state=Payment.State.UNKNOWN)
    held = PaymentTarget.objects.filter(papers, in_the_way)
    rows = Payment.objects.filter(pk__in=held.values("payment")).select_related("customer__seller")
    return list(rows.order_by("created_at"))


def _announced_already(way: Provider, chosen: Sequence[Due]) -> Payment | None:
    """The open transfer that was announced for exactly these papers and amounts."""
    if not way.by_transfer:
        return None
    wanted = sorted((*due.key, due.amount_minor) for due in chosen)
    for payment in undecided_for(chosen):
        targets = payment.targets.select_related("invoice", "request")
        held = sorted((*_key_of(target), target.amount_minor) for target in targets)
        if payment.provider == way.name and payment.reference and held == wanted:
            return payment
    return None


def _key_of(target: PaymentTarget) -> tuple[str, int]:
    return ("Invoice", target.invoice_id) if target.invoice_id else ("PaymentRequest", target.request_id or 0)


def end_earlier(earlier: Payment, *, now: datetime) -> None:
    """End an undecided attempt at its provider, so that it can never be paid beside a new one; Conflict if that fails."""
    if not earlier.provider_reference and not earlier.reference and now - earlier.created_at < BEING_STARTED:
        raise Conflict(
            _(
                "A payment for this is just being started, perhaps in another tab. Nothing was charged here. Go on there."
            )
        )
    report = _ask(earlier, "expire", now=now)
    if report is None:
        raise Conflict(
            _(
                "An earlier attempt is still being looked up: the payment provider has not told us whether it went "
                "through. So that you never pay twice, a new one can begin when that is known. Nothing was charged now."
            )
        )
    if report.said == Said.NOTHING:
        cancel_payment(payment=earlier, now=now)
    earlier = apply_to(earlier, report, now=now)
    if earlier.state == Payment.State.SUCCEEDED:
        raise Conflict(_("Your earlier payment has arrived. Nothing was charged a second time."))
    if earlier.state in Payment.UNDECIDED:
        raise Conflict(_("A payment for this is already on its way. Nothing was charged a second time."))


@dataclass(frozen=True)
class Asked:
    """What an attempt is begun with: whose it is and who asked (nobody: auto-pay), the way, and what is to be paid."""

    customer: Customer
    user: User | None
    way: Provider
    order: Order | None = None
    invoices: Sequence[Invoice] = ()
    amount_minor: int | None = None
    save_consent: str = ""
    method: SavedMethod | None = None
    collection: Collection | None = None

    @property
    def language(self) -> str:
        """The language of whoever asked."""
        return (self.user.language if self.user else self.customer.language) or "en"


@tried_again
def write_down(asked: Asked, chosen: Sequence[Due], *, now: datetime) -> Payment:
    """Commit the attempt with its key and targets, if what is left to pay is still the same; of two at once one gets Conflict.

    What is left is read again under the lock of its papers, which whatever is on its way was counted under too.
    """
    try:
        with transaction.atomic(durable=True):
            _lock(chosen)
            due = what_is_due(asked.customer, asked.order, asked.invoices)
            if [(one.key, one.amount_minor) for one in due] != [(one.key, one.amount_minor) for one in chosen]:
                raise Conflict(changed_to(sum(one.amount_minor for one in due), due[0].currency, asked.language))
            parts = part_of(due, asked.amount_minor)
            payment = Payment(
                customer=asked.customer,
                provider=asked.way.name,
                amount_minor=sum(one.amount_minor for one in parts),
                currency=parts[0].currency,
                created_at=now,
                created_by=asked.user,
                save_consent=asked.save_consent,
                method=asked.method,
                collection=asked.collection,
                next_lookup_at=None if asked.way.by_transfer else now + FIRST_LOOKUP,
            )
            payment.idempotency_key = f"portico-{payment.pk}"
            add(payment)
            hold(payment, parts)
            Event.record(
                "payment.started",
                payment,
                now=now,
                by=asked.user,
                customer=asked.customer,
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                provider=payment.provider,
            )
    except IntegrityError:
        raise Conflict(
            _("A payment for this was begun at the same moment, perhaps in another tab. Nothing was charged here.")
        ) from None
    crashpoint("attempt + key persisted")
    return payment


def hold(payment: Payment, parts: Sequence[Due]) -> None:
    """Take the papers for this attempt: the database allows one that holds each of them."""
    for due in parts:
        paper = {"invoice" if isinstance(due.paper, Invoice) else "request": due.paper}
        add(PaymentTarget(payment=payment, amount_minor=due.amount_minor, **paper))


def _lock(chosen: Sequence[Due]) -> None:
    """Lock what is to be paid: orders, then invoices, as settling does."""
    invoices = [due.paper.pk for due in chosen if isinstance(due.paper, Invoice)]
    orders = [due.paper.order_id for due in chosen if isinstance(due.paper, PaymentRequest)]
    lock_orders(orders)
    lock_invoices(invoices)


def _ask_to_begin(payment: Payment, way: Provider, chosen: Sequence[Due], *, by: Membership, now: datetime) -> Payment:
    """Call the provider and keep what it answers."""
    numbers = ", ".join(due.number for due in chosen)
    purchase = Purchase(
        key=payment.idempotency_key,
        payment_id=str(payment.pk),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        description=numbers[:200],
        return_url=f"{settings.PORTICO_BASE_URL}/my/payments/{payment.pk}/",
        language=by.user.language,
        payee=payee_of(by.customer.seller),
        save=bool(payment.save_consent),
        provider_customer=known_as(by.customer, way.name) if payment.save_consent else "",
    )
    try:
        started = way.start(purchase)
    except Declined as declined:
        fail_payment(payment=payment, failure_code=declined.code, now=now)
        raise Conflict(
            _("The payment provider did not accept this payment. Nothing was charged. Choose another way to pay.")
        ) from None
    except Unanswered:
        logger.warning("a provider gave no answer to a start")
    except Exception:
        logger.exception("a provider failed at a start: its outcome is unknown")
    else:
        crashpoint("answer received")
        return _keep_answer(payment, way, started, now=now)
    not_known(payment, now=now)
    raise Unavailable(
        _(
            "The payment provider gave no answer, so we cannot say yet whether the payment has begun. We are asking it "
            "again and show the outcome here. Please do not pay in another way meanwhile."
        )
    )


def _keep_answer(payment: Payment, way: Provider, started: Started, *, now: datetime) -> Payment:
    """Keep the answer to a start; when the attempt was ended meanwhile, end it at the provider too."""
    kept = payment.started(
        provider_reference=started.provider_reference,
        checkout_url=started.checkout_url,
        reference=started.reference,
        next_lookup_at=None if way.by_transfer else now + FIRST_LOOKUP,
    )
    crashpoint("answer stored")
    if kept or payment.state == Payment.State.SUCCEEDED:
        return payment
    report = _ask(payment, "expire", reference=started.provider_reference, now=now)
    if report is not None:
        apply_to(payment, report, now=now)
    raise Conflict(_("This payment was given up meanwhile, perhaps in another tab. Nothing was charged. Try again."))


def changed_to(total_minor: int, currency: str, language: str) -> str:
    """The words for a sum that changed since it was shown."""
    return _("The amount due is now %(total)s. Nothing was charged. Look at it again, then pay.") % {
        "total": formats.money(total_minor, currency, language or "en")
    }


def known_as(customer: Customer, provider: str) -> str:
    """The provider's name for this customer, from what it keeps of it; empty when it keeps nothing."""
    rows = SavedMethod.objects.filter(customer=customer, provider=provider).order_by("-created_at")
    return rows.values_list("provider_customer", flat=True).first() or ""


# Giving up and looking up -----------------------------------------------------------------------------------------------


def give_up_payment(*, payment: Payment, by: Membership, now: datetime) -> Payment:
    """The customer gives up an undecided attempt, which is ended at the provider first.

    Raises Forbidden, Missing for another customer's, Conflict when it was paid, is on its way, or the provider is silent.
    """
    if payment.customer_id != by.customer_id:
        raise Missing(_("There is no such payment."))
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    if payment.state in Payment.UNDECIDED:
        end_earlier(payment, now=now)
        payment.refresh_from_db()
    return payment


def expire_payment(*, payment: Payment, now: datetime) -> Payment:
    """End an abandoned attempt at its provider, and do what follows from its answer; without one, look it up later."""
    report = _ask(payment, "expire", now=now)
    _note(payment, report, now=now)
    if report is None:
        _later(payment, now=now)
        return payment
    payment = apply_to(payment, report, now=now)
    if payment.state in Payment.UNDECIDED:
        _later(payment, now=now)
    return payment


def look_up_now(*, payment: Payment, by: User, now: datetime) -> Payment:
    """Finance asks the provider at once what has become of an attempt, and what follows is done.

    Raises Forbidden without the finance role, Conflict when it is known already or there is nobody to ask.
    """
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    if not can_be_asked(payment):
        raise Conflict(_("What became of this payment is known, or only the bank can tell. Nothing was asked."))
    return lookup_payment(payment=payment, by=by, now=now)


def can_be_asked(payment: Payment) -> bool:
    """Whether the attempt is undecided and its provider can tell what has become of it."""
    provider = providers.find(payment.provider)
    return payment.state in Payment.UNDECIDED and provider is not None and not provider.by_transfer


def lookup_payment(*, payment: Payment, now: datetime, by: User | None = None) -> Payment:
    """Ask the provider what has become of an undecided attempt, and do what follows; the janitor, and a payer's return.

    What it says is kept in the attempt's history, with `by` when somebody of the seller asked. No answer makes it
    unknown; the next look-up comes at growing intervals. Never raises for what a provider does.
    """
    if not can_be_asked(payment):
        return payment
    report = _ask(payment, "fetch", now=now)
    _note(payment, report, by=by, now=now)
    if report is not None:
        payment = apply_to(payment, report, now=now)
    if payment.state in Payment.UNDECIDED:
        _later(payment, now=now)
    return payment


def _note(payment: Payment, report: Report | None, *, by: User | None = None, now: datetime) -> None:
    """Keep what the provider said."""
    PaymentLookup.objects.create(payment=payment, at=now, said=report.said if report else "", by=by)


def _later(payment: Payment, *, now: datetime) -> None:
    """Set when to ask again: after one, two, four … minutes, at most six hours; two days of silence staff should know."""
    wait = min(timedelta(minutes=2 ** min(payment.lookups, 20)), LONGEST_LOOKUP)
    payment.look_up_again(at=now + wait)
    silent = payment.state == Payment.State.UNKNOWN and now - payment.created_at > SILENT_TOO_LONG
    if silent and not payment.review:
        payment.ask_review("the provider has not said for two days what became of it")


def _ask(payment: Payment, hook: str, *, now: datetime, reference: str = "") -> Report | None:
    """Call `fetch` or `expire`; None, and the attempt unknown, when there was no answer."""
    provider = providers.find(payment.provider)
    attempt = attempt_of(payment, reference)
    try:
        if provider is None:
            raise LookupError(payment.provider)
        return provider.expire(attempt) if hook == "expire" else provider.fetch(attempt)
    except Unanswered:
        logger.warning("a provider gave no answer to a look-up")
    except Exception:
        logger.exception("a provider failed at a look-up: the outcome is unknown")
    not_known(payment, now=now)
    return None


def attempt_of(payment: Payment, reference: str = "") -> Attempt:
    """What names this attempt at its provider; `reference` where it is not written down yet."""
    return Attempt(
        key=payment.idempotency_key,
        payment_id=str(payment.pk),
        provider_reference=reference or payment.provider_reference,
        charge_reference=payment.charge_reference,
        started_at=payment.created_at,
    )


def not_known(payment: Payment, *, now: datetime) -> None:
    """pending → unknown, with its event."""
    with transaction.atomic():
        if payment.unknown(next_lookup_at=now + FIRST_LOOKUP):
            Event.record(
                "payment.unknown",
                payment,
                now=now,
                customer=payment.customer,
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                provider=payment.provider,
            )


def apply_to(payment: Payment, report: Report, *, now: datetime) -> Payment:
    provider = providers.find(payment.provider)
    account = provider.account if provider else ""
    payment = apply_report(payment=payment, report=report, account=account, now=now)
    payment.refresh_from_db()
    return payment
