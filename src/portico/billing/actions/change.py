"""A running subscription gets more or less: what that costs today and from renewal on, and the quotation for it (DOMAIN 7).

The preview is the bill: `preview` and the quotation price the same lines with the same function. More is charged for the days
that are left of the period; less takes effect at renewal and costs nothing to take back until then.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, Customer, Event, Membership, User, person
from portico.billing import pricing, vat
from portico.billing.actions.draft import LineDraft, begin_quotation, save_draft
from portico.billing.actions.order import make_real
from portico.billing.actions.renew import Renewing, history_for, price_lines
from portico.billing.actions.send import send_quotation
from portico.billing.actions.steps import NOTHING, Step, Terms, steps_to
from portico.billing.models import (
    Change,
    Coupon,
    Product,
    Quotation,
    QuotationVersion,
    Subscription,
    SubscriptionItem,
)
from portico.billing.models.line import Line
from portico.billing.renewal_prices import Renews, renews_at
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.money import line_net_minor
from portico.kit.periods import Period, today

EVENTS = {
    Change.Kind.ADD: "subscription.added",
    Change.Kind.FOLLOW: "subscription.follows",
    Change.Kind.REMOVE: "subscription.removed",
    Change.Kind.END: "subscription.replaced",
    Change.Kind.KEEP: "subscription.kept",
}


@dataclass(frozen=True)
class Charge:
    """A line of what is paid today. `is_off`: an amount taken off `product`, by a coupon (no step) or for what is left of the
    plan whose place it takes (its step); it stands for itself, whatever is left of the period.
    """

    step: Step | None
    product: Product
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal = NOTHING
    is_off: bool = False

    def line(self, key: int, customer: Customer, part: Fraction) -> pricing.LineIn:
        """As its quotation will price it. Raises Invalid while the VAT cannot be told."""
        decided = vat.decide(
            kind=self.product.kind,
            seller_country=customer.seller.country,
            buyer_country=customer.country,
            buyer_vat_checked=customer.vat_checked,
            product_category=self.product.vat_category,
            product_rate=self.product.vat_rate,
        )
        return pricing.LineIn(
            key=key,
            kind=Line.Kind.ALLOWANCE if self.is_off else Line.Kind.LINE,
            quantity=self.quantity,
            unit_price=self.unit_price,
            discount_percent=self.discount_percent,
            vat_category=decided.category,
            vat_rate=decided.rate,
            part=Fraction(1) if self.is_off else part,
        )

    def net_minor(self, currency: str, part: Fraction) -> int:
        """Before VAT; below nothing for what is taken off."""
        part = Fraction(1) if self.is_off else part
        net = line_net_minor(self.quantity, self.unit_price, self.discount_percent, currency, part=part)
        return -net if self.is_off else net


@dataclass(frozen=True)
class Row:
    """One change with its amounts before VAT, in minor units: today, and what it adds to every renewal."""

    step: Step
    today_minor: int
    renewal_minor: int


@dataclass(frozen=True)
class Preview:
    """What a change costs. `today` is None when nothing is charged now, or, as `renewal`, while the VAT cannot be told."""

    currency: str
    effective: date
    period: Period
    rows: Sequence[Row]
    charges: Sequence[Charge]
    unchanged_minor: int
    coupon: Coupon | None
    coupon_minor: int
    today: pricing.Priced | None
    renewal: pricing.Priced | None
    is_priced: bool
    is_trial: bool

    @property
    def part(self) -> Fraction:
        """The share of the period that is charged today."""
        return pricing.remaining_fraction(self.period, self.effective)

    @property
    def days(self) -> int:
        """Days charged today."""
        return (self.period.end - self.effective).days

    @property
    def today_minor(self) -> int:
        """What is to pay today, VAT included."""
        return self.today.total_minor if self.today else 0


# What it costs ---------------------------------------------------------------------------------------------------------


def preview(
    subscription: Subscription,
    wanted: Mapping[Product, Decimal],
    *,
    customer: Customer,
    now: datetime,
    items: Sequence[SubscriptionItem] | None = None,
    coupon: Coupon | None = None,
) -> Preview:
    """What the change costs today and from renewal on; reads, never writes. Raises as `steps_to`, and Conflict when the
    subscription does not run.

    `customer` comes with its seller; `items` are those of `items_of`, where they are read already. In a trial nothing is
    charged: what is added is paid from its end on.
    """
    day = today(now, customer.seller.zone)
    period = running_period(subscription, day)
    if items is None:
        items = items_of(subscription)
    steps = steps_to(subscription, items, wanted, day, coupon=coupon)
    part = pricing.remaining_fraction(period, day)
    is_trial = subscription.trial_ends_on is not None and day < subscription.trial_ends_on
    charges = [] if is_trial else list(_charges(steps, items, subscription.currency, part, day))
    off = _coupon_off(coupon, charges, subscription.currency, part)
    day_priced, is_priced = None, True
    try:
        lines = [charge.line(number, customer, part) for number, charge in enumerate([*charges, *off])]
    except Invalid:  # the VAT id is not checked yet
        is_priced = False
    else:
        day_priced = pricing.price(lines, subscription.currency) if lines else None
    before, after = _renewed(items, period.end), _after(items, steps, day, period.end)
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
            today_minor=sum(one.net_minor(subscription.currency, part) for one in charges if one.step is step),
            renewal_minor=sums[1][step.holding.product.pk] - sums[0][step.holding.product.pk],
        )
        for step in steps
    ]
    return Preview(
        currency=subscription.currency,
        effective=day,
        period=period,
        rows=rows,
        charges=[*charges, *off],
        unchanged_minor=sum(minor for minor in sums[0].values()),
        coupon=coupon,
        coupon_minor=sum(one.net_minor(subscription.currency, part) for one in off),
        today=day_priced,
        renewal=price_lines(lines_after, customer=customer, currency=subscription.currency),
        is_priced=is_priced,
        is_trial=is_trial,
    )


def items_of(subscription: Subscription) -> list[SubscriptionItem]:
    """The items of a subscription as pricing needs them, with products and list prices; not what runs ahead of its order."""
    rows = subscription.items.filter(provisional=False)
    return list(rows.select_related("product", "list_price").order_by("id"))


def running_period(subscription: Subscription, day: date) -> Period:
    """The period that runs on a day; Conflict when the subscription is not running."""
    start, end = subscription.period_start, subscription.period_end
    if subscription.state != Subscription.State.ACTIVE or start is None or end is None or not start <= day < end:
        raise Conflict(
            _("This subscription cannot be changed now: it is not running, or a payment is late. Nothing was changed.")
        )
    return Period(start, end)


def _charges(
    steps: Iterable[Step], items: Sequence[SubscriptionItem], currency: str, part: Fraction, day: date
) -> Iterator[Charge]:
    """What is charged today for the days that are left; off a new plan what is left of the other, at most what it costs."""
    steps = list(steps)
    plan, left = None, 0
    for step in steps:
        for piece in step.pieces:
            charge = Charge(step, step.holding.product, piece.quantity, piece.unit_price, step.discount_percent)
            if charge.product.kind == Product.Kind.PLAN:
                plan, left = charge.product, left + charge.net_minor(currency, part)
            yield charge
    for step in steps:
        for item in items if step.replaced and plan is not None else ():
            runs = item.started_on <= day and (item.ended_on is None or item.ended_on > day)
            if item.product_id != step.holding.product.pk or not runs:
                continue
            net = line_net_minor(item.quantity, item.unit_price, item.discount_percent, currency, part=part)
            off = min(net, left)
            left -= off
            if off and plan is not None:
                yield Charge(step, plan, Decimal(1), pricing.major(off, currency), is_off=True)


def _coupon_off(coupon: Coupon | None, charges: Sequence[Charge], currency: str, part: Fraction) -> list[Charge]:
    """What a coupon of an amount takes off: at most what the products that it is for cost, by their VAT."""
    left = coupon.amount_minor(currency) if coupon is not None and coupon.percent is None else 0
    found: list[Charge] = []
    nets: dict[tuple[str, Decimal], tuple[Product, int]] = {}
    for charge in charges:
        if coupon is not None and coupon.covers(charge.product) and not charge.discount_percent:
            key = charge.product.vat_category, charge.product.vat_rate
            product, net = nets.get(key, (charge.product, 0))
            nets[key] = product, net + charge.net_minor(currency, part)
    for product, net in nets.values():
        off = min(left, max(net, 0))
        if off:
            found.append(Charge(None, product, Decimal(1), pricing.major(off, currency), is_off=True))
        left -= off
    return found


def _renewed(items: Iterable[SubscriptionItem], on: date) -> list[SubscriptionItem]:
    """The items that are renewed on a day."""
    return [item for item in items if item.ended_on is None or item.ended_on > on]


def _after(items: Sequence[SubscriptionItem], steps: Iterable[Step], day: date, on: date) -> list[SubscriptionItem]:
    """The items that would be renewed after the steps, as copies: what `make_real` does, on paper."""
    changed = {step.holding.product.pk: step for step in steps}
    found = [_copy(item, item.quantity) for item in _renewed(items, on) if item.product_id not in changed]
    for step in changed.values():
        own = [item for item in items if item.product_id == step.holding.product.pk]
        following = [_copy(item, item.quantity) for item in own if item.started_on > day]
        staying = [_copy(item, item.quantity) for item in own if item.ended_on is None and item.started_on <= day]
        if step.replaced:
            staying = []
        for item in own:
            if item.ended_on is not None and item.ended_on >= on and step.kept:
                _join(staying, _copy(item, item.quantity))
        for piece in step.pieces:
            _join(staying, _new_item(step, piece.quantity, piece.unit_price))
        if step.follows:
            following.append(_new_item(step, step.follows, step.unit_price))
        surplus = sum((item.quantity for item in staying), NOTHING) + step.holding.follows + step.follows - step.dropped
        surplus -= step.after
        for item in sorted(staying, key=lambda item: (-item.unit_price, -(item.pk or 0))):
            gone = min(item.quantity, surplus)
            item.quantity -= gone
            surplus -= gone
        found += [item for item in staying if item.quantity] + ([] if step.dropped else following)
    return found


def _new_item(step: Step, quantity: Decimal, unit_price: Decimal) -> SubscriptionItem:
    return SubscriptionItem(
        product=step.holding.product, quantity=quantity, unit_price=unit_price,
        discount_percent=step.discount_percent, discount_until=step.terms.discount_until,
        discount_after=step.terms.discount_after, list_price=step.terms.price,
    )  # fmt: skip


def _copy(item: SubscriptionItem, quantity: Decimal) -> SubscriptionItem:
    return SubscriptionItem(
        pk=item.pk, product=item.product, quantity=quantity, unit_price=item.unit_price,
        discount_percent=item.discount_percent, discount_until=item.discount_until, discount_after=item.discount_after,
        list_price=item.list_price, started_on=item.started_on,
    )  # fmt: skip


def _join(staying: list[SubscriptionItem], more: SubscriptionItem) -> None:
    """Into the item of the same price, else one more."""
    same = ("unit_price", "discount_percent", "discount_until", "discount_after", "list_price_id")
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

    `contact` is whom the quotation is addressed to. `last_day` caps its validity, `policy` is what must be paid
    first; `coupon` is a code.
    """

    customer: Customer
    origin: str
    actor: Actor | None
    contact: User | None = None
    last_day: date | None = None
    policy: str = QuotationVersion.PaymentPolicy.FULL
    coupon: str = ""


def request_change(
    *,
    subscription: Subscription,
    wanted: Mapping[Product, Decimal],
    seen_minor: int | None,
    by: Membership,
    now: datetime,
    coupon: str = "",
) -> Quotation | None:
    """The quotation for a change that a member wants, sent to it at once; None when nothing is charged and it is done.

    `seen_minor` is what the person saw as the sum to pay today: Conflict when it is another by now. What only ends with
    the period, or is kept after all, needs no quotation. `coupon` is a code; its use is counted with the quotation, which
    holds it for as long as it can be accepted. Raises Forbidden without the approver role, Invalid for a code that is not
    valid, Conflict for one that is used up, and as `preview`.
    """
    if not by.may_decide:
        raise Forbidden(_("This needs the approver role. Ask an owner of your company's account."))
    door = Door(by.customer, Quotation.Origin.PORTAL, by.user, contact=by.user, coupon=coupon)
    return _ask(subscription, wanted, seen_minor, door, now=now)


def change_for_customer(
    *,
    subscription: Subscription,
    wanted: Mapping[Product, Decimal],
    seen_minor: int | None,
    by: User,
    now: datetime,
    coupon: str = "",
) -> Quotation | None:
    """The same, asked for by the seller's people: the customer gets the quotation and decides.

    The subscription comes with its customer and seller. Raises Forbidden without the sales role, and as `request_change`.
    """
    if by.staff_role not in {User.StaffRole.SALES, User.StaffRole.ADMIN}:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    door = Door(subscription.customer, Quotation.Origin.STAFF, by, coupon=coupon)
    return _ask(subscription, wanted, seen_minor, door, now=now)


def _ask(
    subscription: Subscription, wanted: Mapping[Product, Decimal], seen_minor: int | None, door: Door, *, now: datetime
) -> Quotation | None:
    seller = door.customer.seller
    coupon = Coupon.find(seller, door.coupon, today(now, seller.zone)) if door.coupon.strip() else None
    with transaction.atomic():
        subscription = locked(subscription, door.customer)
        shown = preview(subscription, wanted, customer=door.customer, now=now, coupon=coupon)
        if not shown.rows:
            raise Invalid(_("Nothing is changed yet. Choose an application or another number of users."))
        if seen_minor is not None and seen_minor != shown.today_minor:
            raise Conflict(_("The price has changed since you looked. Look at it again. Nothing was changed."))
        if shown.is_priced and not shown.today_minor:
            _take_coupon(subscription, shown, None, door, now=now)
            settle(subscription, [row.step for row in shown.rows], door, now=now, day=shown.effective)
            return None
        return quote(subscription, shown, door, now=now)


def locked(subscription: Subscription, customer: Customer) -> Subscription:
    """The subscription's row with its database, locked; of this customer alone."""
    rows = Subscription.objects.select_for_update(of=("self",)).select_related("database")
    return rows.get(pk=subscription.pk, customer=customer)


def quote(subscription: Subscription, shown: Preview, door: Door, *, now: datetime) -> Quotation:
    """The quotation for a priced change of a locked subscription, sent at once; what it removes or keeps waits for its order.

    Raises Conflict while the VAT cannot be told, and when the coupon is used up.
    """
    if not shown.is_priced:
        raise Conflict(_("The price is known when your VAT id has been checked. Write to us. Nothing was changed."))
    quotation = _quote(subscription, shown, door, now=now)
    _take_coupon(subscription, shown, quotation, door, now=now)
    waiting = [
        change
        for change in _changes(subscription, [row.step for row in shown.rows], by=person(door.actor), now=now)
        if change.kind != Change.Kind.ADD  # that is what its lines add
    ]
    for change in waiting:
        change.quotation = quotation
    Change.objects.bulk_create(waiting)
    sent = send_quotation(
        quotation=quotation, by=person(door.actor) if door.origin == Quotation.Origin.STAFF else None, now=now
    )
    assert (sent.total_minor, sent.currency) == (shown.today_minor, shown.currency), "the preview is the bill"
    quotation.refresh_from_db()
    return quotation


def _take_coupon(
    subscription: Subscription, shown: Preview, quotation: Quotation | None, door: Door, *, now: datetime
) -> None:
    """Use the coupon up by one, where it takes something off."""
    coupon = shown.coupon
    if coupon is not None and any(coupon.covers(row.step.holding.product) for row in shown.rows if row.step.added):
        coupon.take(customer=door.customer, subscription=subscription, quotation=quotation, now=now)


def _changes(subscription: Subscription, steps: Iterable[Step], *, by: User | None, now: datetime) -> list[Change]:
    """The steps as changes, in the order in which they are made real; not saved."""
    kind = Change.Kind
    found = []
    for step in steps:
        amounts = [
            (kind.KEEP, step.kept, step.unit_price),
            (kind.REMOVE, step.removed, step.unit_price),
            (kind.END, step.replaced, step.unit_price),
            (kind.DROP, step.dropped, step.unit_price),
            (kind.FOLLOW, step.follows, step.unit_price),
            *((kind.ADD, piece.quantity, piece.unit_price) for piece in step.pieces),
        ]
        found += [
            Change(
                subscription=subscription, kind=what, product=step.holding.product, quantity=quantity,
                unit_price=unit_price, discount_percent=step.discount_percent,
                discount_until=step.terms.discount_until, discount_after=step.terms.discount_after,
                list_price=step.terms.price, created_at=now, created_by=by,
            )
            for what, quantity, unit_price in amounts
            if quantity
        ]  # fmt: skip
    return found


def settle(subscription: Subscription, steps: Iterable[Step], door: Door, *, now: datetime, day: date) -> None:
    """What costs nothing today is done at once: units that end with the period, that no longer do, and what is free."""
    for change in _changes(subscription, steps, by=person(door.actor), now=now):
        change.state, change.applied_at = Change.State.APPLIED, now
        change.save()
        make_real(change, subscription, day)
        if change.kind not in EVENTS:
            continue
        Event.record(
            EVENTS[Change.Kind(change.kind)],
            subscription,
            now=now,
            by=door.actor,
            customer=door.customer,
            product=change.product.name,
            quantity=f"{change.quantity.normalize():f}",
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
        lines=[_draft(charge, days, shown, customer.language) for charge in shown.charges],
        now=now,
    )
    return quotation


def _draft(charge: Charge, days: str, shown: Preview, language: str) -> LineDraft:
    """A charge as a line of its quotation."""
    product, terms = charge.product, charge.step.terms if charge.step else Terms(NOTHING)
    if not charge.is_off:
        return LineDraft(
            kind="line", name=product.name, detail=days, product_id=product.pk, quantity=charge.quantity,
            unit=product.unit, unit_price=charge.unit_price, discount_percent=charge.discount_percent,
            discount_until=terms.discount_until, discount_after=terms.discount_after,
            list_price_id=terms.price.pk if terms.price else None,
        )  # fmt: skip
    with translation.override(language):
        replaced = charge.step.holding.product if charge.step is not None else product
        name, detail = _("Less what is left of %(name)s") % {"name": replaced.name}, days
        if charge.step is None and shown.coupon is not None:
            name, detail = _("Coupon %(code)s") % {"code": shown.coupon.code}, ""
    return LineDraft(kind="allowance", name=name, detail=detail, product_id=product.pk, unit_price=charge.unit_price)
