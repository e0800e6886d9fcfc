"""A running subscription gets more or less: what that costs today and from renewal on, and the quotation for it (DOMAIN 7).

The preview is the bill: `preview` and the quotation price the same lines with the same function. More is charged for the days
that are left of the period; less takes effect at renewal and costs nothing to take back until then.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, Customer, Event, Membership, User, person
from portico.billing import pricing, vat
from portico.billing.actions.draft import LineDraft, begin_quotation, save_draft
from portico.billing.actions.renew import Renewing, history_for, price_lines
from portico.billing.actions.send import send_quotation
from portico.billing.models import (
    Change,
    Price,
    Product,
    Quotation,
    QuotationVersion,
    Subscription,
    SubscriptionItem,
)
from portico.billing.models.pricelist import Piece
from portico.billing.renewal_prices import Renews, renews_at
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.money import line_net_minor
from portico.kit.periods import Period, today

MOST = Decimal(100_000)
"""Units of one product in one subscription."""
MOST_PIECES = 100
"""Tiers of one price."""


@dataclass(frozen=True)
class Holding:
    """What a subscription holds of a product: `stays` is renewed, `ends` is paid until the renewal and goes then."""

    product: Product
    stays: Decimal = Decimal(0)
    ends: Decimal = Decimal(0)

    @property
    def runs(self) -> Decimal:
        """What runs today."""
        return self.stays + self.ends


@dataclass(frozen=True)
class Terms:
    """At what a product comes: the price of the first unit for a whole term, its discount and until when that lasts.

    `price` is the list price that it follows; None for a price agreed for this customer alone.
    """

    unit_price: Decimal
    discount_percent: Decimal = Decimal(0)
    discount_until: date | None = None
    price: Price | None = None

    def pieces(self, quantity: Decimal, already: Decimal) -> list[Piece]:
        """What `quantity` more than `already` cost, in pieces of one unit price each."""
        if self.price is None or not self.price.listed.is_tiered:
            return [Piece(quantity, self.unit_price)] if quantity else []
        return self.price.listed.pieces(quantity, already=already)


@dataclass(frozen=True)
class Step:
    """One product's change: `added` is charged from today, `kept` no longer ends, `removed` ends with the period.

    At most one of `added` with `kept`, and `removed`, is above zero.
    """

    holding: Holding
    added: Decimal
    kept: Decimal
    removed: Decimal
    terms: Terms

    @property
    def pieces(self) -> list[Piece]:
        """What is added, in pieces of one unit price each: several where it reaches several tiers."""
        return self.terms.pieces(self.added, self.holding.runs)

    @property
    def unit_price(self) -> Decimal:
        """Of a unit and one whole term, before tiers."""
        return self.terms.unit_price

    @property
    def discount_percent(self) -> Decimal:
        """The discount of what is added."""
        return self.terms.discount_percent

    @property
    def after(self) -> Decimal:
        """What is renewed."""
        return self.holding.stays + self.added + self.kept - self.removed


@dataclass(frozen=True)
class Row:
    """One change with its amounts before VAT, in minor units: today, and what it adds to every renewal."""

    step: Step
    today_minor: int
    renewal_minor: int


@dataclass(frozen=True)
class Preview:
    """What a change costs. `today` is None when nothing is charged now; both are None while the VAT cannot be told."""

    currency: str
    effective: date
    period: Period
    rows: Sequence[Row]
    unchanged_minor: int
    today: pricing.Priced | None
    renewal: pricing.Priced | None

    @property
    def part(self) -> Fraction:
        """The share of the period that is charged today."""
        return pricing.remaining_fraction(self.period, self.effective)

    @property
    def days(self) -> int:
        """Days charged today."""
        return (self.period.end - self.effective).days

    @property
    def is_priced(self) -> bool:
        """Whether the VAT of what is charged today can be told."""
        return self.today is not None or not any(row.step.added for row in self.rows)

    @property
    def today_minor(self) -> int:
        """What is to pay today, VAT included."""
        return self.today.total_minor if self.today else 0


# What would change -----------------------------------------------------------------------------------------------------


def holdings(items: Iterable[SubscriptionItem], on: date) -> dict[int, Holding]:
    """What runs on a day, by product."""
    found: dict[int, Holding] = {}
    for item in items:
        if item.ended_on is not None and item.ended_on <= on:
            continue
        held = found.get(item.product_id) or Holding(item.product)
        more = {"stays": held.stays + item.quantity} if item.ended_on is None else {"ends": held.ends + item.quantity}
        found[item.product_id] = replace(held, **more)
    return found


def steps_to(
    subscription: Subscription, items: Sequence[SubscriptionItem], wanted: Mapping[Product, Decimal], on: date
) -> list[Step]:
    """How to get from what runs on a day to the `wanted` quantities by product; those not named stay as they are.

    A product that is there already comes at the price that was agreed for it, another at its list price. Raises Invalid
    for what is not sold for a database, has no price in this currency and term, or a quantity that cannot be.
    """
    held = holdings(items, on)
    agreed = {
        item.product_id: Terms(item.unit_price, item.discount_percent, item.discount_until, item.list_price)
        for item in sorted(items, key=lambda item: (item.ended_on is None, item.pk))
        if item.ended_on is None or item.ended_on > on
    }
    prices = list_prices(subscription, [product for product in wanted if product.pk not in agreed], on)
    found = []
    for product, quantity in wanted.items():
        holding = held.get(product.pk) or Holding(product)
        _refuse_wrong_quantity(product, quantity)
        if quantity == holding.stays:
            continue
        if product.kind == Product.Kind.PLAN and quantity < holding.stays:
            raise Invalid(_("The plan cannot be removed. Write to us to end the subscription or to change the plan."))
        if not product.in_database or (not holding.runs and not product.is_active):
            raise Invalid(_("%(name)s cannot be added to a database.") % {"name": product.name})
        if product.pk in agreed:
            terms = agreed[product.pk]
        elif product.pk in prices:
            terms = Terms(prices[product.pk].unit_price, price=prices[product.pk])
        else:
            raise Invalid(_("%(name)s has no price for this subscription. Write to us.") % {"name": product.name})
        found.append(
            Step(
                holding=holding,
                added=max(quantity - holding.runs, Decimal(0)),
                kept=min(max(quantity - holding.stays, Decimal(0)), holding.ends),
                removed=max(holding.stays - quantity, Decimal(0)),
                terms=terms,
            )
        )
    return found


def list_prices(subscription: Subscription, products: Iterable[Product], on: date) -> dict[int, Price]:
    """The list price of products for the subscription's currency and term on a day, by product; no query for none."""
    keys = [product.pk for product in products]
    if not keys:
        return {}
    rows = Price.objects.in_force(on).filter(currency=subscription.currency, term_months=subscription.term_months)
    return {price.product_id: price for price in rows.filter(product__in=keys)}


def _refuse_wrong_quantity(product: Product, quantity: Decimal) -> None:
    if not quantity.is_finite() or quantity < 0 or quantity % 1:
        raise Invalid(_("%(name)s: choose a whole number.") % {"name": product.name})
    if quantity > MOST:
        raise Invalid(_("%(name)s: choose at most %(most)d.") % {"name": product.name, "most": MOST})
    if product.kind in {Product.Kind.APPLICATION, Product.Kind.THEME, Product.Kind.PLAN} and quantity > 1:
        raise Invalid(_("%(name)s is installed once in a database.") % {"name": product.name})


# What it costs ---------------------------------------------------------------------------------------------------------


def preview(
    subscription: Subscription,
    wanted: Mapping[Product, Decimal],
    *,
    customer: Customer,
    now: datetime,
    items: Sequence[SubscriptionItem] | None = None,
) -> Preview:
    """What the change costs today and from renewal on; reads, never writes. Raises as `steps_to`, and Conflict when the
    subscription does not run.

    `customer` comes with its seller; `items` are those of `items_of`, where they are read already.
    """
    day = today(now, customer.seller.zone)
    period = running_period(subscription, day)
    if items is None:
        items = items_of(subscription)
    steps = steps_to(subscription, items, wanted, day)
    part = pricing.remaining_fraction(period, day)
    try:
        charged = list(_lines(steps, customer, part))
    except Invalid:  # the VAT id is not checked yet
        charged = []
        day_priced = None
    else:
        day_priced = pricing.price(charged, subscription.currency) if charged else None
    nets: dict[int, int] = defaultdict(int)
    for line in day_priced.lines if day_priced else ():
        nets[line.key // MOST_PIECES] += line.net_minor
    before, after = _renewed(items, period.end), _after(items, steps, period.end)
    history = history_for([*before, *after], period.end)
    lines_before, lines_after = (
        renews_at(
            [Renewing.of_item(place, item) for place, item in enumerate(some)], period.end,
            currency=subscription.currency, term_months=subscription.term_months, history=history,
        )
        for some in (before, after)
    )  # fmt: skip
    sums = _sums(lines_before, subscription.currency), _sums(lines_after, subscription.currency)
    rows = [
        Row(
            step,
            today_minor=nets[number] if day_priced else _net(step, part, subscription.currency),
            renewal_minor=sums[1][step.holding.product.pk] - sums[0][step.holding.product.pk],
        )
        for number, step in enumerate(steps)
    ]
    return Preview(
        currency=subscription.currency,
        effective=day,
        period=period,
        rows=rows,
        unchanged_minor=sum(minor for minor in sums[0].values()),
        today=day_priced,
        renewal=price_lines(lines_after, customer=customer, currency=subscription.currency),
    )


def items_of(subscription: Subscription) -> list[SubscriptionItem]:
    """The items of a subscription as pricing needs them: with their products and list prices."""
    return list(subscription.items.select_related("product", "list_price").order_by("id"))


def running_period(subscription: Subscription, day: date) -> Period:
    """The period that runs on a day; Conflict when the subscription is not running."""
    start, end = subscription.period_start, subscription.period_end
    if subscription.state != Subscription.State.ACTIVE or start is None or end is None or not start <= day < end:
        raise Conflict(
            _("This subscription cannot be changed now: it is not running, or a payment is late. Nothing was changed.")
        )
    return Period(start, end)


def _lines(steps: Iterable[Step], customer: Customer, part: Fraction) -> Iterator[pricing.LineIn]:
    """What is added, as its quotation will price it: the lines of the n-th step have keys from n × MOST_PIECES on."""
    for number, step in enumerate(steps):
        if not step.added:
            continue
        product = step.holding.product
        decided = vat.decide(
            kind=product.kind,
            seller_country=customer.seller.country,
            buyer_country=customer.country,
            buyer_vat_checked=customer.vat_checked,
            product_category=product.vat_category,
            product_rate=product.vat_rate,
        )
        for place, piece in enumerate(step.pieces):
            yield pricing.LineIn(
                key=number * MOST_PIECES + place,
                kind="line",
                quantity=piece.quantity,
                unit_price=piece.unit_price,
                discount_percent=step.discount_percent,
                vat_category=decided.category,
                vat_rate=decided.rate,
                part=part,
            )


def _net(step: Step, part: Fraction, currency: str) -> int:
    return sum(
        line_net_minor(piece.quantity, piece.unit_price, step.discount_percent, currency, part=part)
        for piece in step.pieces
    )


def _renewed(items: Iterable[SubscriptionItem], on: date) -> list[SubscriptionItem]:
    """The items that are renewed on a day."""
    return [item for item in items if item.ended_on is None or item.ended_on > on]


def _after(items: Sequence[SubscriptionItem], steps: Iterable[Step], on: date) -> list[SubscriptionItem]:
    """The items that would be renewed after the steps, as copies: `Subscription.add`, `keep` and `end_at_renewal` on paper."""
    changed = {step.holding.product.pk: step for step in steps}
    found = [_copy(item, item.quantity) for item in _renewed(items, on) if item.product_id not in changed]
    for step in changed.values():
        own = [item for item in items if item.product_id == step.holding.product.pk]
        staying = [_copy(item, item.quantity) for item in own if item.ended_on is None]
        if step.kept or step.added:
            for item in own:
                if item.ended_on is not None and item.ended_on >= on and step.kept:
                    _join(staying, _copy(item, item.quantity))
            for piece in step.pieces:
                _join(
                    staying,
                    SubscriptionItem(
                        product=step.holding.product, quantity=piece.quantity, unit_price=piece.unit_price,
                        discount_percent=step.discount_percent, discount_until=step.terms.discount_until,
                        list_price=step.terms.price,
                    ),
                )  # fmt: skip
        surplus = sum((item.quantity for item in staying), Decimal(0)) - step.after
        for item in sorted(staying, key=lambda item: (-item.unit_price, -(item.pk or 0))):
            gone = min(item.quantity, surplus)
            item.quantity -= gone
            surplus -= gone
        found += [item for item in staying if item.quantity]
    return found


def _copy(item: SubscriptionItem, quantity: Decimal) -> SubscriptionItem:
    return SubscriptionItem(
        pk=item.pk, product=item.product, quantity=quantity, unit_price=item.unit_price,
        discount_percent=item.discount_percent, discount_until=item.discount_until, list_price=item.list_price,
        started_on=item.started_on,
    )  # fmt: skip


def _join(staying: list[SubscriptionItem], more: SubscriptionItem) -> None:
    """Into the item of the same price, else one more."""
    same = ("unit_price", "discount_percent", "discount_until", "list_price_id")
    for item in staying:
        if all(getattr(item, name) == getattr(more, name) for name in same):
            item.quantity += more.quantity
            return
    staying.append(more)


def _sums(lines: Iterable[Renews[Renewing]], currency: str) -> dict[int, int]:
    """What each product costs for a term, before VAT."""
    sums: dict[int, int] = defaultdict(int)
    for line in lines:
        sums[line.items[0].product_id] += line_net_minor(
            line.quantity, line.unit_price, line.discount_percent, currency
        )
    return sums


# Asking for it ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Door:
    """Where a change is asked for: for which customer (with its seller), by whom, and how its quotation says it came.

    `contact` is whom the quotation is addressed to. `last_day` caps its validity, `policy` is what must be paid first.
    """

    customer: Customer
    origin: str
    actor: Actor | None
    contact: User | None = None
    last_day: date | None = None
    policy: str = QuotationVersion.PaymentPolicy.FULL


def request_change(
    *,
    subscription: Subscription,
    wanted: Mapping[Product, Decimal],
    seen_minor: int | None,
    by: Membership,
    now: datetime,
) -> Quotation | None:
    """The quotation for a change that a member wants, sent to it at once; None when nothing is charged and it is done.

    `seen_minor` is what the person saw as the sum to pay today: Conflict when it is another by now. What only ends with
    the period, or is kept after all, needs no quotation. Raises Forbidden without the approver role, and as `preview`.
    """
    if not by.may_decide:
        raise Forbidden(_("This needs the approver role. Ask an owner of your company's account."))
    door = Door(by.customer, Quotation.Origin.PORTAL, by.user, contact=by.user)
    return _ask(subscription, wanted, seen_minor, door, now=now)


def change_for_customer(
    *, subscription: Subscription, wanted: Mapping[Product, Decimal], seen_minor: int | None, by: User, now: datetime
) -> Quotation | None:
    """The same, asked for by the seller's people: the customer gets the quotation and decides.

    The subscription comes with its customer and seller. Raises Forbidden without the sales role, and as `request_change`.
    """
    if by.staff_role not in {User.StaffRole.SALES, User.StaffRole.ADMIN}:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    return _ask(subscription, wanted, seen_minor, Door(subscription.customer, Quotation.Origin.STAFF, by), now=now)


def _ask(
    subscription: Subscription, wanted: Mapping[Product, Decimal], seen_minor: int | None, door: Door, *, now: datetime
) -> Quotation | None:
    with transaction.atomic():
        subscription = locked(subscription, door.customer)
        shown = preview(subscription, wanted, customer=door.customer, now=now)
        if not shown.rows:
            raise Invalid(_("Nothing is changed yet. Choose an application or another number of users."))
        if seen_minor is not None and seen_minor != shown.today_minor:
            raise Conflict(_("The price has changed since you looked. Look at it again. Nothing was changed."))
        if shown.is_priced and not shown.today_minor:
            settle(subscription, [row.step for row in shown.rows], door, now=now, day=shown.effective)
            return None
        return quote(subscription, shown, door, now=now)


def locked(subscription: Subscription, customer: Customer) -> Subscription:
    """The subscription's row with its database, locked; of this customer alone."""
    rows = Subscription.objects.select_for_update(of=("self",)).select_related("database")
    return rows.get(pk=subscription.pk, customer=customer)


def quote(subscription: Subscription, shown: Preview, door: Door, *, now: datetime) -> Quotation:
    """The quotation for a priced change of a locked subscription, sent at once; what it removes or keeps waits for its order.

    Raises Conflict while the VAT cannot be told.
    """
    if not shown.is_priced:
        raise Conflict(_("The price is known when your VAT id has been checked. Write to us. Nothing was changed."))
    quotation = _quote(subscription, shown, door, now=now)
    Change.objects.bulk_create(
        Change(
            subscription=subscription,
            quotation=quotation,
            kind=Change.Kind.REMOVE if step.removed else Change.Kind.KEEP,
            product=step.holding.product,
            quantity=step.removed or step.kept,
            unit_price=step.unit_price,
            discount_percent=step.discount_percent,
            discount_until=step.terms.discount_until,
            list_price=step.terms.price,
            created_at=now,
        )
        for step in (row.step for row in shown.rows)
        if step.removed or step.kept
    )
    sent = send_quotation(
        quotation=quotation, by=person(door.actor) if door.origin == Quotation.Origin.STAFF else None, now=now
    )
    assert (sent.total_minor, sent.currency) == (shown.today_minor, shown.currency), "the preview is the bill"
    quotation.refresh_from_db()
    return quotation


def settle(subscription: Subscription, steps: Iterable[Step], door: Door, *, now: datetime, day: date) -> None:
    """What costs nothing today is done at once: units that end with the period, that no longer do, and what is free."""
    for step in steps:
        name = "subscription.removed" if step.removed else "subscription.kept"
        if step.removed:
            subscription.end_at_renewal(step.holding.product, step.removed)
        elif step.kept:
            subscription.keep(step.holding.product, step.kept, day)
        for piece in step.pieces:
            name = "subscription.added"
            subscription.add(
                step.holding.product, piece.quantity, piece.unit_price, step.discount_percent, day,
                list_price=step.terms.price.pk if step.terms.price else None, discount_until=step.terms.discount_until,
            )  # fmt: skip
        Event.record(
            name,
            subscription,
            now=now,
            by=door.actor,
            customer=door.customer,
            product=step.holding.product.name,
            quantity=f"{(step.removed or step.added or step.kept).normalize():f}",
            on=subscription.period_end.isoformat() if subscription.period_end else "",
        )


def _quote(subscription: Subscription, shown: Preview, door: Door, *, now: datetime) -> Quotation:
    """The upsell quotation with a line for each product that is added; valid at most until the period ends."""
    customer = door.customer
    name = subscription.database.name
    with translation.override(customer.language):
        title = _("More for %(name)s") % {"name": name}
        days = _("%(days)d of %(all)d days, from %(first)s to %(last)s") % {
            "days": shown.days,
            "all": shown.period.days,
            "first": formats.day(shown.effective, customer.language),
            "last": formats.day(shown.period.end - timedelta(days=1), customer.language),
        }
    quotation = begin_quotation(
        seller=customer.seller,
        customer=customer,
        kind=Quotation.Kind.UPSELL,
        contact=door.contact,
        subscription=subscription,
        database_name="",
        term_months=subscription.term_months,
        by=door.actor if door.origin == Quotation.Origin.STAFF else None,
        now=now,
        origin=door.origin,
        effective_on=shown.effective,
        fraction_days=shown.days,
        fraction_of_days=shown.period.days,
    )
    version = quotation.versions.get()
    last_days = [shown.effective + timedelta(days=30), shown.period.end - timedelta(days=1)]
    if door.last_day is not None:
        last_days.append(door.last_day)
    save_draft(
        version=version,
        revision=version.revision,
        fields={
            "title": title,
            "currency": subscription.currency,
            "valid_until": min(last_days),
            "payment_policy": door.policy,
            "invoice_policy": QuotationVersion.InvoicePolicy.AT_ACCEPTANCE,
        },
        lines=[
            LineDraft(
                kind="line",
                name=row.step.holding.product.name,
                detail=days,
                product_id=row.step.holding.product.pk,
                quantity=piece.quantity,
                unit=row.step.holding.product.unit,
                unit_price=piece.unit_price,
                discount_percent=row.step.discount_percent,
                list_price_id=row.step.terms.price.pk if row.step.terms.price else None,
                discount_until=row.step.terms.discount_until,
            )
            for row in shown.rows
            for piece in row.step.pieces
        ],
        now=now,
    )
    return quotation
