"""How a subscription gets from what it holds to what is wanted: what is added, kept, removed, what takes another's place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portico.billing.models import Coupon, Price, Product, Subscription, SubscriptionItem
from portico.billing.models.pricelist import Piece
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.periods import next_period_end

MOST = Decimal(100_000)
"""Units of one product in one subscription."""
NOTHING = Decimal(0)


@dataclass(frozen=True)
class Holding:
    """What a subscription holds of a product: `stays` is renewed, `ends` is paid until the renewal and goes then, `follows`
    begins with the renewal.
    """

    product: Product
    stays: Decimal = NOTHING
    ends: Decimal = NOTHING
    follows: Decimal = NOTHING
    committed_until: date | None = None

    @property
    def runs(self) -> Decimal:
        """What runs today."""
        return self.stays + self.ends

    @property
    def renewed(self) -> Decimal:
        """What is renewed when nothing is changed."""
        return self.stays + self.follows


@dataclass(frozen=True)
class Terms:
    """At what a product comes: the price of the first unit for a whole term, its discount and until when that lasts.

    `price` is the list price that it follows; None for a price agreed for this customer alone.
    """

    unit_price: Decimal
    discount_percent: Decimal = NOTHING
    discount_until: date | None = None
    discount_after: Decimal = NOTHING
    price: Price | None = None

    def pieces(self, quantity: Decimal, already: Decimal) -> list[Piece]:
        """What `quantity` more than `already` cost, in pieces of one unit price each."""
        if self.price is None or not self.price.listed.is_tiered:
            return [Piece(quantity, self.unit_price)] if quantity else []
        return self.price.listed.pieces(quantity, already=already)

    def with_coupon(self, coupon: Coupon | None, product: Product, ends: list[date]) -> "Terms":
        """With a coupon's percentage, where the product comes without another discount: the two are never added up."""
        if coupon is None or coupon.percent is None or self.discount_percent or not coupon.covers(product):
            return self
        return replace(self, discount_percent=coupon.percent, discount_until=coupon.lasts_until(ends))

    @property
    def net(self) -> Decimal:
        """Of one unit and a whole term."""
        return self.unit_price * (100 - self.discount_percent)


@dataclass(frozen=True)
class Step:
    """One product's change: `added` is charged from today, `kept` no longer ends, `removed` ends with the period; `replaced`
    ends today because another plan takes its place, `follows` begins with the renewal, `dropped` does not begin after all.
    """

    holding: Holding
    terms: Terms
    added: Decimal = NOTHING
    kept: Decimal = NOTHING
    removed: Decimal = NOTHING
    replaced: Decimal = NOTHING
    follows: Decimal = NOTHING
    dropped: Decimal = NOTHING

    @property
    def after(self) -> Decimal:
        """What is renewed."""
        more, less = self.added + self.kept + self.follows, self.removed + self.dropped
        return self.holding.renewed + more - less - min(self.replaced, self.holding.stays)

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


def holdings(items: Iterable[SubscriptionItem], on: date) -> dict[int, Holding]:
    """What runs on a day or begins later, by product."""
    found: dict[int, Holding] = {}
    for item in items:
        if item.ended_on is not None and item.ended_on <= on:
            continue
        held = found.get(item.product_id) or Holding(item.product)
        name = "follows" if item.started_on > on else "stays" if item.ended_on is None else "ends"
        until = max((day for day in (held.committed_until, item.committed_until) if day), default=None)
        found[item.product_id] = replace(held, committed_until=until, **{name: getattr(held, name) + item.quantity})
    return found


def steps_to(
    subscription: Subscription,
    items: Sequence[SubscriptionItem],
    wanted: Mapping[Product, Decimal],
    on: date,
    *,
    coupon: Coupon | None = None,
) -> list[Step]:
    """How to get from what runs on a day to the `wanted` quantities by product; those not named stay as they are.

    A product that is there already comes at the price that was agreed for it, another at its list price of the day. Another
    plan takes the place of the one that runs: at once where it costs more, with the renewal where it costs less. Raises
    Invalid for what is not sold for a database, has no price in this currency and term, a quantity that cannot be, and what
    is agreed beyond the renewal.
    """
    held = holdings(items, on)
    agreed = agreed_terms(items, on)
    prices = list_prices(subscription, [product for product in wanted if product.pk not in agreed], on)
    ends = period_ends(subscription) if coupon is not None else []
    found: list[Step] = []
    for product, quantity in wanted.items():
        holding = held.get(product.pk) or Holding(product)
        if product.pk in agreed:
            terms = agreed[product.pk]
        elif product.pk in prices:
            terms = Terms(prices[product.pk].unit_price, price=prices[product.pk])
        else:
            terms = None
        refuse_wrong_quantity(product, quantity, terms)
        if quantity == holding.renewed:
            continue
        if product.kind == Product.Kind.PLAN and quantity < holding.renewed:
            if any(one.kind == Product.Kind.PLAN and wanted[one] for one in wanted):
                continue  # the one that is wanted takes its place
            raise Invalid(_("The plan cannot be removed. Choose another plan, or write to us to end the subscription."))
        if not product.in_database or (not holding.runs and not product.is_active):
            raise Invalid(_("%(name)s cannot be added to a database.") % {"name": product.name})
        if terms is None:
            raise Invalid(_("%(name)s has no price for this subscription. Write to us.") % {"name": product.name})
        if product.kind == Product.Kind.PLAN:
            others = [one for one in held.values() if one.product.kind == Product.Kind.PLAN and one.product != product]
            found += _to_plan(holding, others, terms, terms.with_coupon(coupon, product, ends), agreed)
            continue
        removed = max(holding.stays - quantity, NOTHING)
        if removed:
            refuse_committed(holding, subscription)
        if quantity > holding.runs:
            terms = terms.with_coupon(coupon, product, ends)
        found.append(
            Step(
                holding=holding,
                terms=terms,
                added=max(quantity - holding.runs, NOTHING),
                kept=min(max(quantity - holding.stays, NOTHING), holding.ends),
                removed=removed,
            )
        )
    if sum(1 for product, quantity in wanted.items() if product.kind == Product.Kind.PLAN and quantity) > 1:
        raise Invalid(_("A database has one plan. Choose one."))
    return found


def _to_plan(
    holding: Holding, others: Sequence[Holding], terms: Terms, today: Terms, agreed: Mapping[int, Terms]
) -> list[Step]:
    """From the plan that runs, or the one that is to follow it, to another one (at the terms of `today`, where it begins at
    once); or back to the one that runs.
    """
    drops = [Step(other, agreed[other.product.pk], dropped=other.follows) for other in others if other.follows]
    if holding.runs:  # it was to end
        return [Step(holding, terms, kept=holding.ends), *drops]
    running = [other for other in others if other.runs]
    before = sum((agreed[other.product.pk].net * other.runs for other in running), NOTHING)
    if terms.net >= before:
        ends = [Step(other, agreed[other.product.pk], replaced=other.runs) for other in running]
        return [Step(holding, today, added=Decimal(1)), *ends, *drops]
    removed = [Step(other, agreed[other.product.pk], removed=other.stays) for other in running if other.stays]
    return [Step(holding, terms, follows=Decimal(1)), *removed, *drops]


def agreed_terms(items: Iterable[SubscriptionItem], on: date) -> dict[int, Terms]:
    """At what more of a product comes that is held already: what was agreed last."""
    return {
        item.product_id: Terms(
            item.unit_price, item.discount_percent, item.discount_until, item.discount_after, item.list_price
        )
        for item in sorted(items, key=lambda item: (item.ended_on is None, item.pk))
        if item.ended_on is None or item.ended_on > on
    }


def list_prices(subscription: Subscription, products: Iterable[Product], on: date) -> dict[int, Price]:
    """The list price of products for the subscription's currency and term on a day, by product; no query for none."""
    keys = [product.pk for product in products]
    if not keys:
        return {}
    rows = Price.objects.in_force(on).filter(currency=subscription.currency, term_months=subscription.term_months)
    return {price.product_id: price for price in rows.filter(product__in=keys)}


def period_ends(subscription: Subscription) -> list[date]:
    """The end of the running period and of those after it, as far as a coupon may last."""
    assert subscription.period_start is not None
    assert subscription.period_end is not None
    found = [subscription.period_end]
    for _more in range(120):
        found.append(next_period_end(subscription.period_end, found[-1], subscription.term_months))
    return found


def refuse_committed(holding: Holding, subscription: Subscription) -> None:
    """Raise Invalid when less of a product is wanted than is agreed beyond the renewal."""
    until, renewal = holding.committed_until, subscription.period_end
    if until is not None and renewal is not None and renewal < until:
        raise Invalid(
            _(
                "%(name)s is agreed until %(date)s at least. It can be reduced for the renewal on that day or a later one."
            )
            % {"name": holding.product.name, "date": formats.day(until, get_language() or "en")}
        )


def refuse_wrong_quantity(product: Product, quantity: Decimal, terms: Terms | None) -> None:
    """Raise Invalid for a quantity that nobody can have of a product."""
    if not quantity.is_finite() or quantity < 0 or quantity % 1:
        raise Invalid(_("%(name)s: choose a whole number.") % {"name": product.name})
    if quantity > MOST:
        raise Invalid(_("%(name)s: choose at most %(most)d.") % {"name": product.name, "most": MOST})
    if product.kind in {Product.Kind.APPLICATION, Product.Kind.THEME, Product.Kind.PLAN} and quantity > 1:
        raise Invalid(_("%(name)s is installed once in a database.") % {"name": product.name})
    if quantity > 1 and terms is not None and terms.price is not None and terms.price.model == Price.Model.FLAT:
        raise Invalid(_("%(name)s has one price, whatever the number: choose 1.") % {"name": product.name})
