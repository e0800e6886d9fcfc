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
from portico.billing.models import Price, Product, Subscription, SubscriptionItem
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_decimal
from portico.kit.periods import today

PREFIX = "p-"
"""A field `p-<code>` holds the wanted quantity of the product of that code; `set=<code>:<quantity>` is a pressed button."""
MOST_OFFERED = 60
ONCE = (Product.Kind.APPLICATION, Product.Kind.THEME)


def wanted_from(fields: QueryDict, seller: Seller, language: str) -> dict[Product, Decimal]:
    """The wanted quantities by product; Invalid for what is not sold here or is not a number."""
    typed = {name.removeprefix(PREFIX): fields.get(name, "") for name in fields if name.startswith(PREFIX)}
    for pressed in fields.getlist("set"):
        code, _colon, quantity = pressed.partition(":")
        typed[code] = quantity
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
    return wanted


@dataclass(frozen=True)
class Choice:
    """One product as the page offers it: what runs, what is wanted, the price of one unit and term."""

    product: Product
    holding: steps.Holding
    wanted: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    ends_on: date | None

    @property
    def status(self) -> str:
        """installed, ending (it was removed before), removing, available or adding."""
        if self.holding.stays:
            return "installed" if self.wanted else "removing"
        if self.holding.ends:
            return "keeping" if self.wanted else "ending"
        return "adding" if self.wanted else "available"


@dataclass(frozen=True)
class Choices:
    """Everything that can be changed, in the order of the page."""

    users: Sequence[Choice]
    installed: Sequence[Choice]
    available: Sequence[Choice]


def choices(
    subscription: Subscription, items: Sequence[SubscriptionItem], wanted: dict[Product, Decimal], on: date
) -> Choices:
    """What runs and what could be added, with the wanted quantities; one query beside the given items."""
    held = steps.holdings(items, on)
    agreed = {item.product_id: (item.unit_price, item.discount_percent, item.ended_on) for item in items}
    quantities = {product.pk: quantity for product, quantity in wanted.items()}
    found = [
        Choice(holding.product, holding, quantities.get(key, holding.stays), *agreed[key])
        for key, holding in held.items()
        if holding.product.kind in {*ONCE, Product.Kind.USERS}
    ]
    offered = (
        Price.objects.in_force(on)
        .filter(
            product__seller=subscription.customer.seller_id,
            product__is_active=True,
            product__kind__in=[*ONCE, Product.Kind.USERS],
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
            one.unit_price,
            Decimal(0),
            None,
        )
        for one in offered
    ]
    users = [one for one in found if one.product.kind == Product.Kind.USERS]
    return Choices(
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
    shown = None
    try:
        wanted = wanted_from(fields, customer.seller, language)
        shown = change.preview(subscription, wanted, customer=customer, now=now, items=items)
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
        "chosen": {one.step.holding.product.code: one.step.after for one in shown.rows} if shown else {},
        "shown_fields": {one.product.code for one in offered.users},
        "last_day": formats.day(end - timedelta(days=1), language) if end else "",
    }, problem


def runs(row: Mapping[str, Any], day: date) -> bool:
    """Whether the subscription can be changed on this day."""
    return bool(row["state"] == Subscription.State.ACTIVE and row["period_start"] <= day < row["period_end"])


def seen_from(fields: QueryDict) -> int | None:
    """The sum that the person saw, in minor units."""
    seen = fields.get("seen", "")
    return int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else None


def note_of(step: steps.Step, renewal: str) -> str:
    """What happens to a product, in a few words; `renewal` is the day as it is shown."""
    if step.holding.product.kind in ONCE:
        if step.removed:
            return _("removed on %(date)s") % {"date": renewal}
        return _("added") if step.added else _("stays after all")
    counts: dict[str, Any] = {"before": f"{step.holding.stays.normalize():f}", "after": f"{step.after.normalize():f}"}
    if step.removed:
        return _("%(before)s to %(after)s on %(date)s") % (counts | {"date": renewal})
    return _("%(before)s to %(after)s") % counts
