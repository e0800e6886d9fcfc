"""What a person wants to change in a subscription, read from the form, and what the page offers for it, on both sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from portico.accounts.models import Seller
from portico.billing.actions import change, steps
from portico.billing.models import Coupon, Price, Product, Subscription, SubscriptionItem
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_decimal
from portico.kit.periods import today

PREFIX = "p-"
"""A field `p-<code>` holds the wanted quantity of the product of that code; `set=<code>:<quantity>` is a pressed button."""
MOST_OFFERED = 60
ONCE = (Product.Kind.APPLICATION, Product.Kind.THEME)
OFFERED = (*ONCE, Product.Kind.USERS, Product.Kind.PLAN)


def wanted_from(fields: QueryDict, seller: Seller, language: str) -> dict[Product, Decimal]:
    """The wanted quantities by product; Invalid for what is not sold here or is not a number."""
    typed = {name.removeprefix(PREFIX): fields.get(name, "") for name in fields if name.startswith(PREFIX)}
    pressed = [one.partition(":") for one in fields.getlist("set")]
    typed |= {code: quantity for code, _colon, quantity in pressed}
    if len(typed) > MOST_OFFERED:
        raise Invalid(_("Change at most %(most)d products at a time.") % {"most": MOST_OFFERED})
    products = {product.code: product for product in Product.objects.filter(seller=seller, code__in=typed)}
    if set(typed) - set(products):
        raise Invalid(_("One of the chosen products is not sold here. Reload the page and choose again."))
    wanted = {}
    for code, text in typed.items():
        try:
            wanted[products[code]] = parse_decimal(text.strip()[:20], language)
        except Invalid as refusal:
            raise Invalid(_("%(name)s: choose a whole number.") % {"name": products[code].name}) from refusal
    plan = next(
        (products[code] for code, _colon, _quantity in pressed if products[code].kind == Product.Kind.PLAN), None
    )
    if plan is not None and wanted[plan]:  # the button chooses it instead of the one chosen before
        wanted = {one: number for one, number in wanted.items() if one == plan or one.kind != Product.Kind.PLAN}
    return wanted


@dataclass(frozen=True)
class Choice:
    """One product as the page offers it: what runs, what is wanted, the price of one unit and term."""

    product: Product
    holding: steps.Holding
    wanted: Decimal
    terms: steps.Terms
    other_plan: bool = False
    """Whether another plan was chosen."""

    @property
    def tiers(self) -> list[tuple[Decimal, Decimal | None, Decimal]]:
        """First and last unit of each tier with its price, where it goes by tiers."""
        listed = self.terms.price.listed if self.terms.price is not None else None
        if listed is None or not listed.is_tiered:
            return []
        ends = [tier.upto or Decimal(0) for tier in listed.tiers]
        return [
            (before + 1, tier.upto, tier.unit_price)
            for before, tier in zip([Decimal(0), *ends], listed.tiers, strict=False)
        ]

    @property
    def is_volume(self) -> bool:
        """Whether all units come at the price of the tier that they reach."""
        return self.terms.price is not None and self.terms.price.model == Price.Model.VOLUME

    @property
    def status(self) -> str:
        """installed, ending (it was removed before), removing, following (it begins with the renewal), available or adding."""
        if self.product.kind == Product.Kind.PLAN:
            if self.holding.follows:
                return "available" if self.other_plan else "following"
            if self.holding.runs and self.other_plan:
                return "removing"
        if self.holding.stays:
            return "installed" if self.wanted else "removing"
        if self.holding.ends:
            return "keeping" if self.wanted else "ending"
        return "adding" if self.wanted else "available"


@dataclass(frozen=True)
class Choices:
    """Everything that can be changed, in the order of the page."""

    plans: Sequence[Choice]
    users: Sequence[Choice]
    installed: Sequence[Choice]
    available: Sequence[Choice]


def choices(
    subscription: Subscription, items: Sequence[SubscriptionItem], wanted: dict[Product, Decimal], on: date
) -> Choices:
    """What runs and what could be added, with the wanted quantities; one query beside the given items."""
    held = steps.holdings(items, on)
    agreed = steps.agreed_terms(items, on)
    quantities = {product.pk: quantity for product, quantity in wanted.items()}
    plan = next((one.pk for one, number in wanted.items() if one.kind == Product.Kind.PLAN and number), None)
    found = [
        Choice(
            holding.product,
            holding,
            quantities.get(key, holding.renewed),
            agreed[key],
            other_plan=plan is not None and plan != key,
        )
        for key, holding in held.items()
        if holding.product.kind in OFFERED
    ]
    offered = (
        Price.objects.in_force(on)
        .filter(
            product__seller=subscription.customer.seller_id,
            product__is_active=True,
            product__kind__in=OFFERED,
            currency=subscription.currency,
            term_months=subscription.term_months,
        )
        .exclude(product__in=list(held))
        .select_related("product")
        .order_by("product__name", "pk")[:MOST_OFFERED]
    )
    found += [
        Choice(
            one.product,
            steps.Holding(one.product),
            quantities.get(one.product_id, Decimal(0)),
            steps.Terms(one.unit_price, price=one),
            other_plan=plan is not None and plan != one.product_id,
        )
        for one in offered
    ]
    users = [one for one in found if one.product.kind == Product.Kind.USERS]
    return Choices(
        plans=[one for one in found if one.product.kind == Product.Kind.PLAN],
        users=[one for one in users if one.holding.runs] or users[:1],
        installed=[one for one in found if one.product.kind in ONCE and one.holding.runs],
        available=[one for one in found if one.product.kind in ONCE and not one.holding.runs],
    )


def offer(
    subscription: Subscription, fields: QueryDict, *, language: str, now: datetime, problem: str = ""
) -> tuple[dict[str, Any], str]:
    """What can be changed, what the choice in `fields` costs, and what is wrong with the choice.

    The subscription comes with its customer and seller.
    """
    customer = subscription.customer
    day = today(now, customer.seller.zone)
    items = change.items_of(subscription)
    wanted: dict[Product, Decimal] = {}
    shown, coupon, code, coupon_problem = None, None, coupon_from(fields), ""
    if code:
        try:
            coupon = Coupon.find(customer.seller, code, day)
        except Invalid as refusal:
            coupon_problem = refusal.message
    try:
        wanted = wanted_from(fields, customer.seller, language)
        shown = change.preview(subscription, wanted, customer=customer, now=now, items=items, coupon=coupon)
    except Invalid as refusal:
        problem, wanted = problem or refusal.message, {}
    end = subscription.period_end
    renewal = formats.day(end, language) if end else ""
    rows = [(one, note_of(one.step, renewal)) for one in shown.rows] if shown else []
    offered = choices(subscription, items, wanted, day)
    return {
        "choices": offered,
        "shown": shown if rows else None,
        "rows": rows,
        "chosen": {
            one.step.holding.product.code: one.step.after
            for one in (shown.rows if shown else ())
            if one.step.after or one.step.holding.product.kind != Product.Kind.PLAN
        },
        "coupon": code,
        "coupon_problem": coupon_problem,
        "coupon_takes": coupon is not None and any(one.step.discount_percent == coupon.percent for one in shown.rows)
        if shown
        else False,
        "shown_fields": {one.product.code for one in offered.users},
        "last_day": formats.day(end - timedelta(days=1), language) if end else "",
    }, problem


def runs(row: Mapping[str, Any], day: date) -> bool:
    """Whether the subscription can be changed on this day."""
    return bool(row["state"] == Subscription.State.ACTIVE and row["period_start"] <= day < row["period_end"])


def coupon_from(fields: QueryDict) -> str:
    """The code that the person typed."""
    return fields.get("coupon", "").strip()[:30]


def seen_from(fields: QueryDict) -> int | None:
    """The sum that the person saw, in minor units."""
    seen = fields.get("seen", "")
    return int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else None


def note_of(step: steps.Step, renewal: str) -> str:
    """What happens to a product, in a few words; `renewal` is the day as it is shown."""
    if step.replaced or step.dropped:
        return _("what is left of it is taken off") if step.replaced else _("does not begin after all")
    if step.follows:
        return _("from %(date)s") % {"date": renewal}
    if step.holding.product.kind in {*ONCE, Product.Kind.PLAN}:
        if step.removed:
            return _("removed on %(date)s") % {"date": renewal}
        return _("added") if step.added else _("stays after all")
    counts: dict[str, Any] = {"before": f"{step.holding.stays.normalize():f}", "after": f"{step.after.normalize():f}"}
    if step.removed:
        return _("%(before)s to %(after)s on %(date)s") % (counts | {"date": renewal})
    return _("%(before)s to %(after)s") % counts
