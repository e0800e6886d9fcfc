"""How a subscription stands: `active → past_due → suspended → ended`, and back to active when what is late is paid (DOMAIN 7).

The tables decide, by days in the seller's zone: what is not renewed by its renewal day is late from that day on, what is not
paid from the day after its due day. The seller's rules say how long each step waits. A step is claimed and has one event;
whoever looks, and however often, it is made once. What ends, pauses or begins an agreed period does so on the first day
without the old one.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing import letters
from portico.billing.actions.arrears import late_papers, papers_of, reactivate, told, waits_for_money
from portico.billing.actions.issue import issue_papers
from portico.billing.actions.renew import Due, Renewing, paper, price_lines, reprice
from portico.billing.actions.send import withdraw_version
from portico.billing.actions.settle import release_request
from portico.billing.models import (
    Change,
    Invoice,
    Order,
    PaymentRequest,
    Quotation,
    QuotationVersion,
    RenewalRules,
    Subscription,
    SubscriptionItem,
    SubscriptionPeriod,
)
from portico.billing.renewal_prices import Renews
from portico.kit.errors import Conflict
from portico.kit.periods import today

logger = logging.getLogger("portico.renewals")
BATCH = 200
State = Subscription.State


def keep_in_step(seller: Seller, *, now: datetime) -> int:
    """Every step that is due of the seller's subscriptions; how many were made. A transaction for each."""
    day, rules = today(now, seller.zone), RenewalRules.of(seller)
    own = Subscription.objects.filter(customer__seller=seller).annotate(next=Coalesce("resumes_on", "period_end"))
    going = own.filter(state__in=Subscription.GOING)
    over = Q(period_end__lte=day)
    made = _each(_with_next(own.exclude(state=State.ENDED).filter(next__lte=day)), begin_agreed, day, now)
    made += _each(going.filter(over, leave_asked_at__isnull=False), _leave, day, now)
    made += _each(own.filter(over, state=State.ACTIVE, pause_asked_at__isnull=False), _pause, day, now)
    waiting = own.filter(state=State.ACTIVE, auto_renew=False, next__lte=day, leave_asked_at=None, pause_asked_at=None)
    made += _each(waiting.filter(~_agreed()), _not_renewed, day, now)
    made += _each(own.filter(late_papers(day), state=State.ACTIVE), _not_paid, day, now)
    since = day - timedelta(days=rules.grace_days)
    made += _each(own.filter(state=State.PAST_DUE, past_due_on__lte=since), _suspend, day, now)
    since = day - timedelta(days=rules.ending_days)
    made += _each(own.filter(state=State.SUSPENDED, suspended_on__lte=since), _end_unpaid, day, now)
    return made


def _each(
    rows: QuerySet[Subscription], step: Callable[[Subscription, date, datetime], bool], day: date, now: datetime
) -> int:
    made = 0
    for key in list(rows.order_by("period_end", "id").values_list("pk", flat=True)[:BATCH]):
        try:
            with transaction.atomic():
                locked = rows.filter(pk=key).select_for_update(of=("self",), skip_locked=False)
                row = locked.select_related("customer__seller", "database").first()
                made += row is not None and step(row, day, now)
        except OperationalError:  # the database went away: nothing was done, and nobody is to blame
            raise
        except Exception:  # one that cannot be moved does not hold the others up
            logger.exception("a subscription could not take its step")
    return made


def _with_next(rows: QuerySet[Subscription]) -> QuerySet[Subscription]:
    """Those whose next period is agreed already."""
    return rows.filter(_agreed())


def _agreed() -> Exists:
    return Exists(SubscriptionPeriod.objects.filter(subscription=OuterRef("pk"), start__gte=OuterRef("next")))


# The steps -------------------------------------------------------------------------------------------------------------


def begin_agreed(row: Subscription, day: date, now: datetime) -> bool:
    """The agreed period begins: its prices are written, and what was late for want of it is active again."""
    period = row.advance(day)
    if period is None:
        return False
    reprice(row, on=period.start)
    _invoice_added(row, period, now)
    told("subscription.period_began", row, now, until=period.end.isoformat())
    if row.move(State.ACTIVE, from_=[State.PAUSED]):
        told("subscription.resumed", row, now)
        letters.subscription_state(row, "resumed", now=now)
    reactivate(row, day=day, now=now)
    return True


def _invoice_added(row: Subscription, period: SubscriptionPeriod, now: datetime) -> None:
    """Invoice for the period that begins what was added since it was agreed: its order did not hold it, so nobody has paid it.

    Where something else was replaced or removed since, or it cannot be priced, it goes on staff's list with the reason: to
    invoice or to credit the difference is for a person to decide.
    """
    orders = Order.objects.filter(
        subscription=row, version__quotation__kind=Quotation.Kind.RENEWAL, version__quotation__renews_from=period.start
    ).exclude(state=Order.State.CANCELLED)
    order = orders.order_by("-id").first()
    if order is None:
        return
    paid: dict[int, Decimal] = defaultdict(Decimal)
    for product, quantity in order.lines.filter(kind="line", product__isnull=False).values_list("product", "quantity"):
        paid[product or 0] += quantity
    items = [
        item
        for item in row.items.select_related("product", "list_price").order_by("id")
        if item.ended_on is None or item.ended_on > period.start
    ]
    held: dict[int, Decimal] = defaultdict(Decimal)
    for item in items:
        held[item.product_id] += item.quantity
    problem = ""
    if any(held[product] < quantity for product, quantity in paid.items()):
        problem = _("It was changed after its next period was agreed. Compare the order with what runs.")
    added: list[SubscriptionItem] = []
    for item in reversed(items):  # the latest first: those are not in the order
        more = min(item.quantity, held[item.product_id] - paid[item.product_id])
        if more > 0:
            held[item.product_id] -= more
            item.quantity = more
            added.append(item)
    lines = [
        Renews((one,), one.quantity, one.unit_price, one.discount_percent, one.discount_until, one.listed, ())
        for one in (Renewing.of_item(place, item) for place, item in enumerate(added))
    ]
    priced = price_lines(lines, customer=row.customer, currency=row.currency)
    if priced is None:
        problem = problem or _("The customer's VAT number is not checked, so the VAT cannot be told.")
    if problem:
        Subscription.objects.filter(pk=row.pk).update(renewal_problem=problem)
    elif added and priced is not None and priced.total_minor > 0:
        due = Due(row, period.start, period.end, added, lines, priced)
        issue_papers([paper(due, period, row.customer.seller, now)], by=None, now=now)


def _leave(row: Subscription, day: date, now: datetime) -> bool:
    return end(row, on=row.period_end or day, now=now, why="left")


def _pause(row: Subscription, day: date, now: datetime) -> bool:
    if not row.move(State.PAUSED, from_=[State.ACTIVE], pause_asked_at=None):
        return False
    told("subscription.paused", row, now)
    letters.subscription_state(row, "paused", now=now)
    return True


def _not_renewed(row: Subscription, day: date, now: datetime) -> bool:
    return _past_due(row, since=row.next_start or day, now=now)


def _not_paid(row: Subscription, day: date, now: datetime) -> bool:
    late = papers_of(row).filter(payment_state__in=Invoice.PAYABLE, due_on__lt=day).order_by("due_on").first()
    if late is None or late.due_on is None:
        return False
    return _past_due(row, since=late.due_on + timedelta(days=1), now=now)


def _past_due(row: Subscription, *, since: date, now: datetime) -> bool:
    if not row.move(State.PAST_DUE, from_=[State.ACTIVE], past_due_on=since):
        return False
    told("subscription.past_due", row, now, since=since.isoformat())
    letters.subscription_state(row, "past_due", now=now)
    return True


def _suspend(row: Subscription, day: date, now: datetime) -> bool:
    if reactivate(row, day=day, now=now):  # nothing is late any more: disputed, or it renews by itself by now
        return True
    if waits_for_money(row, day=day):
        return False
    if not row.move(State.SUSPENDED, from_=[State.PAST_DUE], suspended_on=day):
        return False
    told("subscription.suspended", row, now, since=day.isoformat())
    letters.subscription_state(row, "suspended", now=now)
    return True


def _end_unpaid(row: Subscription, day: date, now: datetime) -> bool:
    if reactivate(row, day=day, now=now):
        return True
    if waits_for_money(row, day=day):
        return False
    return end(row, on=day, now=now, why="unpaid")


def end(row: Subscription, *, on: date, now: datetime, why: str, by: User | None = None) -> bool:
    """Any state → ended, without a day from `on`. What was offered for it is withdrawn, what waits for money is cancelled:
    money that comes for it all the same is the customer's credit. Inside the caller's transaction, the row locked.
    """
    states = [state for state in State if state != State.ENDED]
    if not row.move(State.ENDED, from_=states, ended_on=on, auto_renew=False, resumes_on=None, pause_asked_at=None):
        return False
    row.periods.filter(start__gte=on, invoice=None).delete()
    row.changes.filter(state=Change.State.PENDING, order=None).update(state=Change.State.CANCELLED)
    for version in QuotationVersion.objects.filter(
        quotation__subscription=row, state__in=QuotationVersion.OPEN, quotation__current=F("pk")
    ).select_related("quotation__customer"):
        withdraw_version(version, by=by, now=now)
    for order in Order.objects.filter(subscription=row, state=Order.State.AWAITING_PAYMENT, invoices=None):
        cancel_waiting(order, by=by, now=now)
    told("subscription.ended", row, now, by=by, on=on.isoformat(), why=why)
    letters.subscription_state(row, "ended", now=now)
    return True


def cancel_waiting(order: Order, *, by: User | None, now: datetime) -> None:
    """An order is cancelled with what it was for; what was paid of its request is credit for staff to look at."""
    order.cancel(by=by, now=now)
    for request in order.payment_requests.filter(state=PaymentRequest.State.OPEN):
        for payment in release_request(request):
            payment.ask_review("paid for an order that was cancelled")
        request.cancel(now=now)
    order.changes.filter(state=Change.State.PENDING).update(state=Change.State.CANCELLED)
    Event.record("order.cancelled", order, now=now, by=by, customer=order.customer, number=order.number)


def refuse_passed(row: Subscription, quotation: Quotation) -> None:
    """Raise Conflict when a renewal comes too late: the subscription has ended, or went on from that day in another way."""
    if row.state == State.ENDED:
        raise Conflict(_("This subscription has ended, so it cannot be renewed any more."))
    if quotation.renews_from is None:
        return
    start = row.next_start
    if start != quotation.renews_from or row.periods.filter(start__gte=start).exists():
        raise Conflict(
            _("This subscription was renewed in another way meanwhile, or its next period begins on another day.")
        )


def renewed(subscription: Subscription, order: Order, *, now: datetime) -> None:
    """The order of a renewal is confirmed: the next period is agreed, and begins at once where its first day has come.

    Before that day nothing of the running period changes. After it the period continues from the old end: no day is left out.
    Another term than before takes the prices that the order names. Inside the caller's transaction. Raises as `refuse_passed`.
    """
    row = Subscription.objects.select_for_update(of=("self",)).get(pk=subscription.pk)
    row.customer, day = order.customer, today(now, order.seller.zone)
    if order.version is not None:
        refuse_passed(row, order.version.quotation)
    switched = order.term_months != row.term_months
    period = row.renew(order.term_months)
    if switched:
        _take_over(row, order, period.start)
    if order.version is not None:  # which period a quotation of staff's own was for is known from here on
        Quotation.objects.filter(pk=order.version.quotation_id, renews_from=None).update(renews_from=period.start)
    told("subscription.renewed", row, now, order=order.number, until=period.end.isoformat())
    if period.start <= day:
        row.database = subscription.database
        begin_agreed(row, day, now)
    subscription.refresh_from_db()


def _take_over(row: Subscription, order: Order, on: date) -> None:
    """What runs ends on `on`; what the order names runs from then on, at the list prices it follows and as long as agreed."""
    agreed = {item.product_id: row.committed_until(item.product) for item in row.items.select_related("product")}
    lines = order.version.lines.all() if order.version is not None else ()
    listed = {line.position: line.list_price_id for line in lines}
    row.items.filter(Q(ended_on=None) | Q(ended_on__gt=on)).update(ended_on=on)
    SubscriptionItem.objects.bulk_create(
        SubscriptionItem(
            subscription=row, product=line.product, description=line.name, quantity=line.quantity,
            unit_price=line.unit_price, discount_percent=line.discount_percent, started_on=on,
            list_price_id=listed.get(line.position), committed_until=agreed.get(line.product.pk),
        )
        for line in order.lines.filter(kind="line", product__isnull=False, quantity__gt=0).select_related("product")
        if line.product is not None and line.product.in_database
    )  # fmt: skip
