"""What the vendor's own systems are told by webhook: which events go out, under which type, and what each holds.

Every event of the history is seen here in the transaction that writes it (`Event`'s listeners), so that no story has to think
of webhooks. A payload is thin: ids, numbers, states and amounts, read when it is first sent; who wants more asks the API.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Event
from portico.billing.models import Invoice, Order, Payment, Quotation, Report, Subscription
from portico.billing.models.instalment import standing_of
from portico.kit.delivering import Message, draws, queue
from portico.kit.models import WebhookDelivery, WebhookEndpoint
from portico.kit.periods import today
from portico.kit.prepared import prepared

TYPES: dict[str, str | Promise] = {
    "subscription.created": _("A database was opened"),
    "subscription.updated": _("Something is to be installed, opened or removed in a database"),
    "subscription.past_due": _("A payment for a database is late"),
    "subscription.suspended": _("A database is to be closed for now"),
    "subscription.paused": _("A database pauses"),
    "subscription.resumed": _("A database runs again"),
    "subscription.ended": _("A subscription ended"),
    "quotation.sent": _("A quotation was sent"),
    "quotation.accepted": _("A quotation was accepted"),
    "quotation.changes_requested": _("Changes of a quotation were asked for"),
    "quotation.rejected": _("A quotation was rejected"),
    "quotation.withdrawn": _("A quotation was withdrawn"),
    "order.confirmed": _("An order was confirmed"),
    "order.fulfilled": _("An order was fulfilled"),
    "order.cancelled": _("An order was cancelled"),
    "invoice.issued": _("An invoice was issued"),
    "invoice.paid": _("An invoice was paid"),
    "invoice.overdue": _("An invoice became overdue"),
    "credit_note.issued": _("A credit note was issued"),
    "payment.succeeded": _("A payment arrived"),
    "payment.failed": _("A payment failed"),
    "payment.refunded": _("A payment was paid back"),
}
TEST = "webhook.test"
OTHER_NAMES = {
    "subscription.started": "subscription.created",
    "subscription.changed": "subscription.updated",
    "subscription.added": "subscription.updated",
    "subscription.removed": "subscription.updated",
    "subscription.kept": "subscription.updated",
    "subscription.installed": "subscription.updated",
    "subscription.lapsed": "subscription.updated",
    "subscription.renewed": "subscription.updated",
    "subscription.went_on": "subscription.updated",
    "subscription.period_began": "subscription.updated",
    "subscription.reactivated": "subscription.resumed",
}
"""Events whose type has another name; all others go out under their own."""
PASSED_ON = ("order", "number", "quotation", "report")
"""What of an event's own data is kept for the payload beside what is read from the rows."""


def type_of(name: str) -> str | None:
    """Under which type an event goes out; None for one that stays here."""
    found = OTHER_NAMES.get(name, name)
    return found if found in TYPES else None


def listen(events: Sequence[Event]) -> None:
    """Queue what goes out of these events, in their transaction; one query where nobody listens."""
    messages: dict[int, list[Message]] = {}
    for event in events:
        kind = type_of(event.name)
        if kind is None or event.customer is None:
            continue
        data = {name: event.data[name] for name in PASSED_ON if name in event.data}
        message = Message(kind, f"event:{event.pk}", event.noun, event.object_id, event.at, {"event": data})
        messages.setdefault(event.customer.seller_id, []).append(message)
    if not messages:
        return
    for seller, found in messages.items():
        listening = endpoints_of(seller=seller)
        if listening:
            queue(found, endpoints=listening, now=events[0].at)


@prepared
def endpoints_of(seller: Any) -> Any:
    """The endpoints of a seller that take messages."""
    return WebhookEndpoint.objects.filter(seller=seller, state__in=["on", "failing"])


# What each holds -------------------------------------------------------------------------------------------------------


@draws("subscription")
def subscription(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """The database and what is to run in it: what to install and how many seats to open, by product code."""
    one = Subscription.objects.select_related("database", "customer__seller").get(pk=delivery.object_id)
    day = today(delivery.happened_at, one.customer.seller.zone)
    items = one.items.filter(Q(ended_on=None) | Q(ended_on__gt=day)).select_related("product").order_by("id")
    event = delivery.data["event"]
    report = event.get("report") or reported_for(event.get("order"))
    return {
        "database": one.database.name,
        "customer": one.customer_id,
        "state": one.state,
        "currency": one.currency,
        "term_months": one.term_months,
        "period_start": one.period_start,
        "period_end": one.period_end,
        "items": [
            {
                "product": item.product.code,
                "kind": item.product.kind,
                "quantity": f"{item.quantity.normalize():f}",
                "ends_on": item.ended_on,
            }
            for item in items
        ],
        "quotation": event.get("quotation"),
        "order": event.get("order"),
        "invoice": event.get("number") or None,
        "report": report,
    }


def reported_for(order: str | None) -> str | None:
    """The report that led to an order, as the vendor's system calls it."""
    rows = Report.objects.filter(quotation__versions__order__number=order) if order else Report.objects.none()
    return rows.values_list("report_id", flat=True).first()


@draws("quotation")
def quotation(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """A quotation in the version that was sent last."""
    rows = Quotation.objects.select_related("current", "subscription__database")
    one = rows.get(pk=delivery.object_id)
    if one.current is None:
        return None
    return {
        "number": one.number,
        "version": one.current.version,
        "customer": one.customer_id,
        "kind": one.kind,
        "origin": one.origin,
        "state": one.current.state,
        "database": database_of(one.subscription) or one.database_name or None,
        "currency": one.current.currency,
        "total_minor": one.current.total_minor,
        "valid_until": one.current.valid_until,
    }


@draws("order")
def order(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """An order."""
    rows = Order.objects.select_related("version__quotation", "subscription__database")
    one = rows.get(pk=delivery.object_id)
    return {
        "number": one.number,
        "quotation": one.version.quotation.number if one.version else None,
        "customer": one.customer_id,
        "state": one.state,
        "database": database_of(one.subscription) or one.database_name or None,
        "currency": one.currency,
        "total_minor": one.total_minor,
    }


@draws("invoice", "credit_note")
def invoice(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """An invoice or a credit note."""
    rows = Invoice.objects.select_related(
        "order__subscription__database", "period__subscription__database", "refers_to"
    )
    one = rows.get(pk=delivery.object_id)
    runs = one.period.subscription if one.period else one.order.subscription if one.order else None
    return {
        "number": one.number,
        "kind": one.kind,
        "customer": one.customer_id,
        "order": one.order.number if one.order else None,
        "corrects": one.refers_to.number if one.refers_to else None,
        "database": database_of(runs),
        "issued_on": one.issued_on,
        "due_on": one.due_on,
        "currency": one.currency,
        "total_minor": one.total_minor,
        "amount_due_minor": one.amount_due_minor,
        "on_its_way_minor": one.on_its_way_minor,
        "instalments": [
            {"due_on": part.due_on, "amount_minor": part.amount_minor, "left_minor": part.unpaid_minor}
            for part in (standing_of(one) if one.instalment_count else [])
        ],
        "payment_state": one.payment_state,
    }


@draws("payment")
def payment(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """A payment, with the papers it is for."""
    one = Payment.objects.get(pk=delivery.object_id)
    targets = list(one.targets.select_related("invoice", "request__order").order_by("pk"))
    return {
        "id": str(one.pk),
        "customer": one.customer_id,
        "state": one.state,
        "provider": one.provider,
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "received_minor": one.received_minor,
        "invoices": [target.invoice.number for target in targets if target.invoice],
        "orders": [target.request.order.number for target in targets if target.request],
    }


@draws("webhook")
def test(delivery: WebhookDelivery) -> dict[str, Any] | None:
    """A message that means nothing, to see that the way is free."""
    return {"endpoint": delivery.endpoint_id}


def database_of(subscription: Subscription | None) -> str | None:
    """The name of its database."""
    return subscription.database.name if subscription else None
