"""An order's life: placed by an acceptance, confirmed by its payment, delivered, fulfilled, or cancelled.

Every function runs inside the caller's transaction unless it says that it opens one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing import letters, pricing
from portico.billing.actions import bill, standing
from portico.billing.models import (
    Change,
    Database,
    Invoice,
    Order,
    OrderLine,
    PaymentRequest,
    Product,
    Quotation,
    QuotationLine,
    QuotationVersion,
    Report,
    Subscription,
)
from portico.billing.models.line import LINE_FIELDS, Line
from portico.billing.models.number import NumberSeries
from portico.kit.adding import add
from portico.kit.changing import change
from portico.kit.errors import Conflict, Invalid
from portico.kit.periods import next_period_end, today
from portico.kit.prepared import prepared


def place_order(
    *,
    version: QuotationVersion,
    lines: Sequence[tuple[QuotationLine, Decimal]],
    priced: pricing.Priced,
    po_number: str,
    by: User | None,
    now: datetime,
) -> Order:
    """The order of an accepted version: `lines` are those chosen, with their quantities; `priced` is their pricing.

    By the payment policy it is confirmed at once or awaits a payment request; with `invoice_before_payment` it awaits
    the payment of an invoice instead. Raises Conflict for a renewal that comes too late, or that does
    not price what the subscription holds by now.
    """
    quotation = version.quotation
    day = today(now, quotation.seller.zone)
    if quotation.kind == Quotation.Kind.RENEWAL and quotation.subscription_id:
        row = Subscription.objects.select_for_update(of=("self",)).get(pk=quotation.subscription_id)
        standing.refuse_passed(row, quotation)
        if row.changes.filter(state=Change.State.APPLIED, applied_at__gt=version.sent_at).exists():
            raise Conflict(
                _(
                    "The subscription was changed after this quotation was made, so it would renew at another price. "
                    "Ask for the renewal again. Nothing was accepted."
                )
            )
    order = add(
        Order(
            seller=quotation.seller,
            customer=quotation.customer,
            number=NumberSeries.take(quotation.seller, NumberSeries.Series.ORDER, day).number,
            version=version,
            state=Order.State.AWAITING_PAYMENT,
            title=version.title,
            po_number=po_number,
            currency=version.currency,
            net_minor=priced.net_minor,
            vat_minor=priced.vat_minor,
            total_minor=priced.total_minor,
            payment_policy=version.payment_policy,
            deposit_percent=version.deposit_percent,
            invoice_policy=version.invoice_policy,
            invoice_before_payment=version.invoice_before_payment,
            terms=version.terms,
            due_days=quotation.customer.payment_terms_days,
            payment_parts=version.agreed_parts,
            subscription=quotation.subscription,
            database_name=quotation.database_name,
            term_months=quotation.term_months,
            ordered_on=day,
            created_at=now,
            created_by=by,
        )
    )
    nets = {line.key: line.net_minor for line in priced.lines}
    rows = [
        OrderLine(
            order=order,
            **{name: getattr(line, name) for name in LINE_FIELDS}
            | {"quantity": quantity, "net_minor": nets.get(line.key, 0)},
        )
        for line, quantity in lines
    ]
    if rows:
        add(*rows)
    _plan_changes(order, quotation, lines, now=now)
    Event.record(
        "order.placed",
        order,
        now=now,
        by=by,
        customer=order.customer,
        number=order.number,
        total_minor=order.total_minor,
    )
    _ask_for_payment(order, priced, by=by, now=now)
    return order


def _plan_changes(
    order: Order, quotation: Quotation, lines: Sequence[tuple[QuotationLine, Decimal]], *, now: datetime
) -> None:
    """The subscription changes that wait for this order: what it removes by its quotation, and what its lines add."""
    if not order.is_for_database:
        return
    change(Change.objects.filter(quotation=quotation.pk, state=Change.State.PENDING), order=order)
    if quotation.kind == Quotation.Kind.RENEWAL:
        return
    products = Product.objects.in_bulk({line.product_id for line, _quantity in lines if line.product_id})
    Change.objects.bulk_create(
        Change(
            subscription=order.subscription,
            quotation=quotation,
            order=order,
            product_id=line.product_id,
            quantity=quantity,
            unit_price=line.unit_price,
            discount_percent=line.discount_percent,
            discount_until=line.discount_until,
            discount_after=line.discount_after,
            list_price_id=line.list_price_id,
            created_at=now,
            created_by=order.created_by,
        )
        for line, quantity in lines
        if line.kind == Line.Kind.LINE and line.product_id and products[line.product_id].in_database
    )


def _ask_for_payment(order: Order, priced: pricing.Priced, *, by: User | None, now: datetime) -> None:
    """What must be paid before the order is confirmed; nothing: it is confirmed at once."""
    policy = QuotationVersion.PaymentPolicy
    deposit = order.payment_policy == policy.DEPOSIT
    asked = pricing.deposit(priced, order.deposit_percent).total_minor if deposit else priced.total_minor
    if deposit and asked == 0 and order.total_minor:
        order.ask_nothing_first()
    if order.payment_policy == policy.NONE or asked == 0:
        confirm_order(order, now=now)
        return
    if order.invoice_before_payment:
        issue = bill.issue_deposit if order.payment_policy == policy.DEPOSIT else bill.invoice_rest
        issue(order, by=by, now=now)
        return
    request = add(
        PaymentRequest(
            order=order,
            kind=PaymentRequest.Kind.DEPOSIT if deposit else PaymentRequest.Kind.FULL,
            amount_minor=asked,
            currency=order.currency,
            created_at=now,
        )
    )
    letters.payment_request(request, now=now)


def confirm_order(order: Order, *, now: datetime) -> None:
    """awaiting_payment → confirmed, then what follows: the subscription changes, and the invoice where none waits.

    Called at acceptance where nothing is to be paid first, else by the settling transaction.
    """
    order.confirm(now=now)
    Event.record("order.confirmed", order, now=now, customer=order.customer, number=order.number)
    lines = standing_of(order=order.pk)
    _apply_changes(order, now=now)
    in_database = {key for key, kind, *_quantities in lines if kind in Product.IN_DATABASE}
    if in_database:
        change(OrderLine.objects.filter(pk__in=sorted(in_database)), delivered_quantity=F("quantity"))
    policy = QuotationVersion.InvoicePolicy
    at_once = order.invoice_policy in {policy.AT_ACCEPTANCE, policy.PER_PERIOD}
    to_invoice = any(invoiced != quantity for _key, _kind, quantity, _delivered, invoiced in lines)
    if order.total_minor and at_once and to_invoice:
        bill.invoice_rest(order, by=None, now=now)
    if all(key in in_database or delivered == quantity for key, _kind, quantity, delivered, _invoiced in lines):
        _fulfil(order, by=None, now=now)


@prepared
def standing_of(order: Any) -> Any:
    """How far each line of an order is: its key, the kind of its product, and the quantities ordered, delivered, invoiced."""
    rows = OrderLine.objects.filter(order=order, kind="line").order_by("pk")
    return rows.values_list("pk", "product__kind", "quantity", "delivered_quantity", "invoiced_quantity")


def _apply_changes(order: Order, *, now: datetime) -> None:
    """Make the agreed changes real.

    Raises Conflict when they were priced for the days of a period that is over: they would come for nothing from then on.
    """
    if is_over(order, today(now, order.seller.zone)):
        raise Conflict(
            _("The period that this order was priced for is over. Order it again; what was paid stays as credit.")
        )
    changes: list[Change] = pending_of(order=order.pk) if order.is_for_database else []
    renewal = order.version is not None and order.version.quotation.kind == Quotation.Kind.RENEWAL
    if order.version is not None and order.version.quotation.origin == Quotation.Origin.REPORT:
        Report.settle_for(order.version.quotation, now=now)
    if changes or renewal:
        subscription = order.subscription or _open_subscription(order, now=now)
        if renewal:
            standing.renewed(subscription, order, now=now)
        for agreed in changes:
            if agreed.apply(subscription, now=now):
                make_real(agreed, subscription, today(now, order.seller.zone))
        if changes:
            Event.record("subscription.changed", subscription, now=now, customer=order.customer, order=order.number)


def make_real(change: Change, subscription: Subscription, day: date) -> None:
    """Do to the subscription what a change says."""
    product, quantity, kind = change.product, change.quantity, Change.Kind
    if change.kind == kind.REMOVE:
        subscription.end_at_renewal(product, quantity)
    elif change.kind == kind.KEEP:
        subscription.keep(product, quantity, day)
    elif change.kind == kind.END:
        subscription.end_now(product, quantity, day)
    elif change.kind == kind.DROP:
        subscription.drop_following(product, day)
    else:
        following = change.kind == kind.FOLLOW and subscription.period_end is not None
        trial = change.quotation is not None and change.quotation.trial_days > 0
        subscription.add(
            product, quantity, change.unit_price, change.discount_percent,
            subscription.period_end if following and subscription.period_end else day,
            list_price=change.list_price_id,
            discount_until=subscription.trial_ends_on if trial else change.discount_until,
            discount_after=change.discount_after,
        )  # fmt: skip


def is_over(order: Order, day: date) -> bool:
    """Whether an order for more was priced for the days of a period, and that period has ended by `day`."""
    quotation = order.version.quotation if order.version is not None else None
    if quotation is None or quotation.effective_on is None or not quotation.fraction_days:
        return False
    return quotation.effective_on + timedelta(days=quotation.fraction_days) <= day


def cancel_lapsed(seller: Seller, *, now: datetime) -> int:
    """Cancel orders for more that were not paid before their period ended; how many. Money that comes later stays as credit.

    An order whose invoice was issued first is left to staff: that invoice must be credited.
    """
    day = today(now, seller.zone)
    rows = Order.objects.filter(
        seller=seller, state=Order.State.AWAITING_PAYMENT, invoice_before_payment=False,
        version__quotation__kind=Quotation.Kind.UPSELL, version__valid_until__lt=day,
    ).select_related("version__quotation")  # fmt: skip
    lapsed = [order.pk for order in rows.order_by("id") if is_over(order, day)]
    for key in lapsed:
        with transaction.atomic():
            order = Order.objects.select_for_update(of=("self",)).get(pk=key)
            if order.state == Order.State.AWAITING_PAYMENT:  # else it was paid or cancelled at this very moment
                cancel_order(order=order, by=None, now=now)
    return len(lapsed)


def _open_subscription(order: Order, *, now: datetime) -> Subscription:
    """Open the database that a new sale names, with its first period from today."""
    database, _created = Database.objects.get_or_create(
        name=order.database_name, defaults={"customer": order.customer, "created_at": now}
    )
    if database.customer_id != order.customer_id:
        raise Conflict(_("The database name %(name)s is taken. Choose another one.") % {"name": order.database_name})
    existing = Subscription.objects.filter(database=database).first()
    if existing is not None:
        return existing
    subscription = Subscription.objects.create(
        customer=order.customer,
        database=database,
        currency=order.currency,
        term_months=order.term_months,
        created_at=now,
    )
    start = today(now, order.seller.zone)
    trial_days = order.version.quotation.trial_days if order.version is not None else 0
    if trial_days:
        subscription.start_trial(start, trial_days)
    else:
        subscription.start(start, next_period_end(start, start, order.term_months))
    Order.objects.filter(pk=order.pk).update(subscription=subscription)
    order.subscription = subscription
    Event.record("subscription.started", subscription, now=now, customer=order.customer, order=order.number)
    return subscription


def record_delivery(
    *, order: Order, quantities: Mapping[int, Decimal], seen: str | None = None, by: User, now: datetime
) -> None:
    """Staff record what was delivered, by order line id; all delivered: the order is fulfilled. Opens a transaction.

    `seen`: what the form showed as delivered (see `delivered_so_far`), so that a form sent twice is recorded once.
    Raises Conflict when the order is not confirmed or more was delivered meanwhile, Invalid for a quantity that is
    nothing or more than is left.
    """
    with transaction.atomic():
        order = (
            Order.objects.select_for_update(of=("self",))
            .select_related("seller", "customer", "version")
            .get(pk=order.pk)
        )
        if order.state != Order.State.CONFIRMED:
            raise Conflict(
                _("Only a confirmed order can be delivered; this one is not. Nothing was changed.")
                if order.state != Order.State.FULFILLED
                else _("Everything of this order was delivered already. Nothing was changed.")
            )
        lines = {line.pk: line for line in order.lines.filter(kind=Line.Kind.LINE)}
        if seen is not None and seen != delivered_so_far(lines.values()):
            raise Conflict(
                _(
                    "Another delivery of this order was recorded meanwhile, perhaps by this very form. Nothing was changed."
                )
            )
        wanted = {key: quantity for key, quantity in quantities.items() if quantity}
        if not wanted or not set(wanted) <= set(lines):
            raise Invalid(_("Enter the quantity delivered for at least one line of this order."))
        for key, quantity in wanted.items():
            lines[key].deliver(quantity)
        Event.record(
            "order.delivered",
            order,
            now=now,
            by=by,
            customer=order.customer,
            lines={str(key): str(quantity) for key, quantity in wanted.items()},
        )
        _fulfil_when_delivered(order, by=by, now=now)


def delivered_so_far(lines: Iterable[OrderLine]) -> str:
    """What is delivered of an order, as a text that changes with every delivery."""
    return str(sum((line.delivered_quantity for line in lines), Decimal(0)))


@prepared
def not_delivered(order: Any) -> Any:
    """The lines of an order of which not all was delivered; one is enough to know."""
    rows = OrderLine.objects.filter(order=order, kind="line").exclude(delivered_quantity=F("quantity"))
    return rows.values_list("pk")[:1]


@prepared
def pending_of(order: Any) -> Any:
    """The agreed changes of an order that are to be made real."""
    return Change.objects.filter(order=order, state="pending").select_related("product", "quotation")


def _fulfil_when_delivered(order: Order, *, by: User | None, now: datetime) -> None:
    if not not_delivered(order=order.pk):
        _fulfil(order, by=by, now=now)


def _fulfil(order: Order, *, by: User | None, now: datetime) -> None:
    order.fulfil(now=now)
    Event.record("order.fulfilled", order, now=now, by=by, customer=order.customer, number=order.number)


def invoice_delivered(*, order: Order, by: User, now: datetime) -> Invoice:
    """Staff invoice what was delivered and not invoiced yet. Opens a transaction; Conflict when there is nothing."""
    with transaction.atomic():
        order = (
            Order.objects.select_for_update(of=("self",))
            .select_related("seller", "customer", "version")
            .get(pk=order.pk)
        )
        if order.state not in {Order.State.CONFIRMED, Order.State.FULFILLED}:
            raise Conflict(_("Only a confirmed order can be invoiced. No invoice was made."))
        return bill.invoice_delivered(order, by=by, now=now)


def cancel_order(*, order: Order, by: User | None, now: datetime) -> None:
    """Cancel before fulfilment. Without an invoice nothing else is made; with one, credit it first. Opens a transaction.

    What was paid in part becomes the customer's credit, for staff to look at.

    Raises Conflict when it is fulfilled, or an invoice that was not credited stands.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update(of=("self",)).select_related("customer").get(pk=order.pk)
        for invoice in order.invoices.filter(state=Invoice.State.ISSUED).exclude(kind=Invoice.Kind.CREDIT_NOTE):
            credited = sum(note.total_minor for note in invoice.credit_notes.filter(state=Invoice.State.ISSUED))
            if credited < invoice.total_minor:
                raise Conflict(
                    _(
                        "Invoice %(number)s of this order stands. Credit it first, then cancel the order. Nothing was changed."
                    )
                    % {"number": invoice.number}
                )
        standing.cancel_waiting(order, by=by, now=now)
