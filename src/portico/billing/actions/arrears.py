"""What of a subscription is late, and that it is in order again when the last of it is paid.

A low room, like `settle`, which calls `paid`: it knows the models and the letters only.
"""

from datetime import date, datetime
from typing import Any

from django.db.models import Q

from portico.accounts.models import Event, User
from portico.billing import letters
from portico.billing.models import Invoice, Order, Subscription, SubscriptionPeriod
from portico.billing.models.invoice import InvoiceQuerySet
from portico.kit.periods import today
from portico.kit.prepared import prepared


def papers_of(subscription: object) -> InvoiceQuerySet:
    """The issued invoices for a subscription: of its periods, and of orders that began, changed or renewed it."""
    own = Q(period__subscription=subscription) | Q(period=None, order__subscription=subscription)
    return Invoice.objects.filter(own, state=Invoice.State.ISSUED).exclude(kind=Invoice.Kind.CREDIT_NOTE)


def late_papers(day: date) -> Q:
    """Subscriptions of which an invoice is overdue on `day`; read once from the overdue invoices, not for each of them."""
    late = Invoice.objects.filter(state=Invoice.State.ISSUED, payment_state__in=Invoice.PAYABLE, due_on__lt=day)
    late = late.filter(amount_due_minor__gt=0)  # said for the index of what is open
    late = late.exclude(kind=Invoice.Kind.CREDIT_NOTE)
    of_periods = late.filter(period__isnull=False).values("period__subscription")
    of_orders = late.filter(period=None, order__subscription__isnull=False).values("order__subscription")
    return Q(pk__in=of_periods) | Q(pk__in=of_orders)


def told(
    name: str, row: Subscription, now: datetime, *, by: User | None = None, visible: bool = True, **data: str
) -> None:
    """One event of a subscription."""
    Event.record(name, row, now=now, by=by, customer=row.customer, visible=visible, **data)


# In order again ------------------------------------------------------------------------------------------------------------


def reactivate(row: Subscription, *, day: date, now: datetime) -> bool:
    """past_due or suspended → active when nothing is late any more; in the transaction that settled the last of it."""
    if row.state not in Subscription.LATE or not _is_in_order(row, day):
        return False
    if not row.move(Subscription.State.ACTIVE, from_=Subscription.LATE, past_due_on=None, suspended_on=None):
        return False
    told("subscription.reactivated", row, now)
    letters.subscription_state(row, "reactivated", now=now)
    return True


def waits_for_money(row: Subscription, *, day: date) -> bool:
    """Whether all that is late of it is on its way: no reason to go further against it, nor to call it in order again."""
    return (
        _is_renewed(row, day) and not papers_of(row).filter(payment_state__in=Invoice.PAYABLE, due_on__lt=day).exists()
    )


def _is_in_order(row: Subscription, day: date) -> bool:
    """Whether it is renewed, and all that was due has arrived: what is on its way may not arrive."""
    return _is_renewed(row, day) and not _not_arrived(row, day).exists()


def _is_renewed(row: Subscription, day: date) -> bool:
    goes_on = row.auto_renew or row.pause_asked_at is not None
    return goes_on or (row.period_end is not None and row.period_end > day)


def _not_arrived(row: Subscription, day: date) -> Any:
    """What is not paid of its invoices, or their parts, that were due before `day`, on its way or not; nothing disputed."""
    undisputed = [*Invoice.PAYABLE, Invoice.PaymentState.IN_PAYMENT]
    rows = papers_of(row).with_parts().filter(payment_state__in=undisputed)
    return rows.filter(part_due_on__lt=day, part_unpaid_minor__gt=0)


@prepared
def subscription_of(order: Any) -> Any:
    """The subscription that an order is for, by its id."""
    return Order.objects.filter(pk=order).values_list("subscription")


def paid(invoice: Invoice, *, now: datetime) -> None:
    """An invoice was settled: its subscription may be in order again. Inside the settling transaction."""
    key = None
    if invoice.period_id:
        key = SubscriptionPeriod.objects.filter(pk=invoice.period_id).values_list("subscription", flat=True).first()
    elif invoice.order_id:
        key = next((key for (key,) in subscription_of(order=invoice.order_id)), None)
    if key is None:
        return
    late = Subscription.objects.filter(pk=key, state__in=Subscription.LATE).select_for_update(of=("self",))
    for row in late.select_related("customer__seller", "database"):
        reactivate(row, day=today(now, row.customer.seller.zone), now=now)
