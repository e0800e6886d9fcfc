"""Sales: accepted versions, orders and what was invoiced of them, periods, and the history of each."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from portico.accounts.models import Event
from portico.billing.books.papers import batches
from portico.billing.books.violation import Violation
from portico.billing.models import (
    Acceptance,
    Invoice,
    InvoiceLine,
    NumberSeries,
    Order,
    OrderLine,
    Payment,
    PaymentRequest,
    QuotationVersion,
)


def check_versions() -> Iterator[Violation]:
    """An accepted version has its acceptance and its one order; no other has; a quotation has one live version."""
    rows = QuotationVersion.objects.annotate(
        has_order=Exists(Order.objects.filter(version=OuterRef("pk"))),
        has_acceptance=Exists(Acceptance.objects.filter(version=OuterRef("pk"))),
    )
    accepted = Q(state=QuotationVersion.State.ACCEPTED)
    wrong = rows.filter(
        accepted & (Q(has_order=False) | Q(has_acceptance=False))
        | ~accepted & (Q(has_order=True) | Q(has_acceptance=True))
    )
    fields = ("quotation__number", "version", "state", "has_order", "has_acceptance")
    for number, version, state, has_order, has_acceptance in wrong.values_list(*fields):
        parts = [word for word, has in (("an order", has_order), ("an acceptance", has_acceptance)) if has]
        yield Violation(
            f"{number} v{version}",
            "accepted exactly with acceptance and order",
            f"it is {state} and has {' and '.join(parts) or 'neither acceptance nor order'}",
        )
    several = (
        Order.objects.filter(version__isnull=False)
        .order_by()
        .values("version__quotation__number", "version__version")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
    )
    for row in several:
        yield Violation(
            f"{row['version__quotation__number']} v{row['version__version']}",
            "one order for an accepted version",
            f"it has {row['n']} orders",
        )
    live = (
        QuotationVersion.objects.filter(state__in=QuotationVersion.OPEN)
        .order_by()
        .values("quotation__number")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
    )
    for one in live:
        yield Violation(str(one["quotation__number"]), "one live version", f"{one['n']} versions can be decided")


def check_orders() -> Iterator[Violation]:
    """An order's totals are those of its lines, and its times fit its state."""
    lines = OrderLine.objects.filter(order=OuterRef("pk")).order_by().values("order")
    signed = lines.annotate(
        net=Coalesce(Sum("net_minor", filter=Q(kind__in=["line", "charge"])), 0)
        - Coalesce(Sum("net_minor", filter=Q(kind="allowance")), 0)
    ).values("net")
    for number, stands, adds_up in (
        Order.objects.annotate(adds_up=Coalesce(signed, 0))
        .exclude(net_minor=F("adds_up"))
        .values_list("number", "net_minor", "adds_up")
    ):
        yield Violation(
            number, "an order's net is that of its lines", f"{stands} stands there, the lines make {adds_up}"
        )
    for number in Order.objects.exclude(total_minor=F("net_minor") + F("vat_minor")).values_list("number", flat=True):
        yield Violation(number, "an order's total adds up", "net and VAT do not make the total")
    confirmed = Q(state__in=[Order.State.CONFIRMED, Order.State.FULFILLED])
    wrong = Order.objects.filter(
        (confirmed & Q(confirmed_at__isnull=True))
        | (Q(state=Order.State.AWAITING_PAYMENT) & Q(confirmed_at__isnull=False))
        | (Q(state=Order.State.FULFILLED) & Q(fulfilled_at__isnull=True))
        | (Q(state=Order.State.CANCELLED) & Q(cancelled_at__isnull=True))
    )
    for number, state in wrong.values_list("number", "state"):
        yield Violation(number, "an order's times fit its state", f"it is {state}")
    unpaid = Order.objects.filter(confirmed, payment_policy__in=["deposit", "full"], total_minor__gt=0).exclude(
        invoice_before_payment=True
    )
    settled = PaymentRequest.objects.filter(order=OuterRef("pk"), state=PaymentRequest.State.SETTLED)
    for number in unpaid.filter(~Exists(settled), version__isnull=False).values_list("number", flat=True):
        yield Violation(number, "confirmed only when its payment arrived", "no payment request of it was settled")


def check_invoiced() -> Iterator[Violation]:
    """Each order line has the quantity invoiced that its invoices took; a complete order's invoices make the order."""
    for batch in batches(
        OrderLine.objects.order_by("id").values(
            "id", "order__number", "position", "kind", "invoiced_quantity", "invoiced_net_minor"
        )
    ):
        took: dict[int, list[Any]] = defaultdict(lambda: [Decimal(0), 0])
        rows = InvoiceLine.objects.filter(
            order_line__in=[row["id"] for row in batch], invoice__state=Invoice.State.ISSUED
        ).values_list("order_line", "kind", "quantity", "net_minor", "invoice__kind")
        for line, kind, quantity, net, paper in rows:
            sign = -1 if paper == Invoice.Kind.CREDIT_NOTE else 1
            took[line or 0][0] += sign * quantity if kind == "line" else 0
            took[line or 0][1] += sign * net
        for row in batch:
            stands = [row["invoiced_quantity"], row["invoiced_net_minor"]]
            if stands != took[row["id"]]:
                yield Violation(
                    str(row["order__number"]),
                    "invoiced is what invoices took",
                    f"line {row['position']}: {stands[0]:f} for {stands[1]} stands there, "
                    f"the invoices took {took[row['id']][0]:f} for {took[row['id']][1]}",
                )
    yield from _check_complete()


def _check_complete() -> Iterator[Violation]:
    counted = OrderLine.objects.filter(order=OuterRef("pk"), kind="line")
    complete: QuerySet[Order] = Order.objects.filter(Exists(counted)).exclude(
        Exists(counted.exclude(invoiced_quantity=F("quantity")))
    )
    for batch in batches(complete.order_by("id").values("id", "number", "net_minor", "vat_minor", "total_minor")):
        sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        given_back = InvoiceLine.objects.filter(
            Q(order_line__isnull=False) | Q(deducts__isnull=False), invoice=OuterRef("pk")
        )
        papers = Invoice.objects.filter(order__in=[row["id"] for row in batch], state=Invoice.State.ISSUED).filter(
            ~Q(kind=Invoice.Kind.CREDIT_NOTE) | Q(refers_to__kind=Invoice.Kind.DEPOSIT) | Exists(given_back)
        )
        for order, kind, *amounts in papers.values_list("order", "kind", "net_minor", "vat_minor", "total_minor"):
            sign = -1 if kind == Invoice.Kind.CREDIT_NOTE else 1
            sums[order or 0] = [one + sign * amount for one, amount in zip(sums[order or 0], amounts, strict=True)]
        for row in batch:
            stands = [row["net_minor"], row["vat_minor"], row["total_minor"]]
            if stands != sums[row["id"]]:
                yield Violation(
                    str(row["number"]),
                    "the invoices of an order add up to it",
                    f"net, VAT and total are {stands}, the invoices make {sums[row['id']]}",
                )


def check_periods() -> Iterator[Violation]:
    """A subscription's period is invoiced once."""
    rows = Invoice.objects.filter(period__isnull=False).exclude(kind=Invoice.Kind.CREDIT_NOTE).order_by()
    counted = rows.values("period", "period__start", "period__subscription__database__name").annotate(n=Count("pk"))
    for row in counted.filter(n__gt=1):
        yield Violation(
            str(row["period__subscription__database__name"]),
            "one invoice for a period",
            f"the period from {row['period__start']} has {row['n']} invoices",
        )


# History ---------------------------------------------------------------------------------------------------------------


def check_events() -> Iterator[Violation]:
    """Each step that happened has exactly one event, and none tells of a step that did not."""
    imported = Invoice.objects.filter(series=NumberSeries.Series.IMPORTED)
    yield from _once("invoice.imported", imported, "number")
    paper = Invoice.objects.filter(state=Invoice.State.ISSUED).exclude(series=NumberSeries.Series.IMPORTED)
    notes = Q(kind=Invoice.Kind.CREDIT_NOTE)
    yield from _once("invoice.issued", paper.exclude(notes), "number")
    yield from _once("credit_note.issued", paper.filter(notes), "number")
    orders = Order.objects.all()
    by_hand = orders.filter(version=None)
    yield from _once("order.placed", orders.filter(version__isnull=False), "number", others=by_hand)
    confirmed = orders.filter(confirmed_at__isnull=False, version__isnull=False)
    yield from _once("order.confirmed", confirmed, "number", others=by_hand)
    yield from _once("order.fulfilled", orders.filter(fulfilled_at__isnull=False), "number")
    yield from _once("order.cancelled", orders.filter(cancelled_at__isnull=False), "number")
    payments = Payment.objects.all()
    started = payments.filter(idempotency_key__startswith="portico-")
    yield from _once("payment.started", started, "pk")
    yield from _once("payment.processing", payments.filter(processing_at__isnull=False), "pk")
    yield from _once("payment.succeeded", payments.filter(state__in=Payment.ARRIVED), "pk")
    late = payments.filter(state__in=Payment.ARRIVED)
    yield from _once("payment.failed", payments.filter(state=Payment.State.FAILED), "pk", others=late)
    yield from _once("payment.cancelled", payments.filter(state=Payment.State.CANCELLED), "pk", others=late)


def _once(name: str, rows: QuerySet[Any], label: str, *, others: QuerySet[Any] | None = None) -> Iterator[Violation]:
    """Exactly one event `name` for each of `rows`, at most one for `others`, none for anything else."""
    counted = Event.objects.filter(name=name).order_by().values("object_id").annotate(n=Count("pk"))
    told: dict[str, int] = dict(counted.values_list("object_id", "n"))
    for key, shown in rows.order_by().values_list("pk", label).iterator(chunk_size=5000):
        count = told.pop(str(key), 0)
        if count != 1:
            yield Violation(_shown(shown, label), "every step has exactly one event", f"{count} events {name}")
    if told and others is not None:
        for key in others.order_by().values_list("pk", flat=True).iterator(chunk_size=5000):
            if told.get(str(key)) == 1:
                del told[str(key)]
    for key, count in told.items():
        noun = name.split(".")[0]
        yield Violation(f"{noun} {key}", "every step has exactly one event", f"{count} events {name} without that step")


def _shown(value: Any, label: str) -> str:
    return f"payment {value}" if label == "pk" else str(value)
