"""Recurring revenue as the seller sees it: what runs today, what will be renewed, and what came and went by month.

A month's worth of an item is its price for a term, rounded as its line is, divided by the months of the term. Items that cost
the same are counted together by the database; sums are exact fractions and are rounded once, at the end. Before VAT, each
currency for itself. Months are half-open: [first day, first day of the next).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, TruncMonth

from portico.accounts.models import Seller
from portico.billing.models import Subscription, SubscriptionItem
from portico.kit.money import line_net_minor, round_half_away
from portico.kit.periods import add_months

RUNNING = (Subscription.State.ACTIVE, Subscription.State.PAST_DUE)
"""The states that count as revenue; suspended and paused ones do not."""
BEGUN = (*RUNNING, Subscription.State.SUSPENDED, Subscription.State.PAUSED, Subscription.State.ENDED)
MONTHS = 12
MOVEMENTS = ("new", "expansion", "contraction", "churn")


@dataclass
class Recurring:
    """The figures of one currency, minor units."""

    currency: str
    subscriptions: int = 0
    month: Fraction = Fraction(0)
    due: dict[date, int] = field(default_factory=dict)
    """What the next renewals cost, by their month."""
    moved: dict[date, dict[str, Fraction]] = field(default_factory=dict)

    @property
    def mrr_minor(self) -> int:
        """A month's revenue of what runs."""
        return round_half_away(self.month)

    @property
    def arr_minor(self) -> int:
        """A year's: twelve times the unrounded month."""
        return round_half_away(12 * self.month)

    def movements(self) -> list[dict[str, Any]]:
        """By month: new, expansion, contraction, churn (these two negative) and their sum."""
        return [
            {"month": month} | {name: round_half_away(found[name]) for name in MOVEMENTS}
            | {"net": round_half_away(sum(found.values(), Fraction(0)))}
            for month, found in self.moved.items()
        ]  # fmt: skip

    def month_ends(self) -> dict[date, int]:
        """A month's revenue as it was at the end of each month, the running one as it stands: told backwards by what moved."""
        found, revenue = {}, self.month
        for month, moved in sorted(self.moved.items(), reverse=True):
            found[month] = max(round_half_away(revenue), 0)
            revenue -= sum(moved.values(), Fraction(0))
        return dict(reversed(found.items()))

    def churned(self) -> dict[date, int]:
        """What went with subscriptions that ended, by month, as positive amounts."""
        return {month: -round_half_away(moved["churn"]) for month, moved in sorted(self.moved.items())}


def recurring(seller: Seller, day: date) -> list[Recurring]:
    """The figures of each currency, the seller's own first. Five statements however many subscriptions there are."""
    first = day.replace(day=1)
    ahead = [add_months(first, number) for number in range(MONTHS)]
    behind = [add_months(first, number - MONTHS + 1) for number in range(MONTHS)]
    found: dict[str, Recurring] = {}

    def of(currency: str) -> Recurring:
        if currency not in found:
            moved = {month: dict.fromkeys(MOVEMENTS, Fraction(0)) for month in behind}
            found[currency] = Recurring(currency, due=dict.fromkeys(ahead, 0), moved=moved)
        return found[currency]

    running = Subscription.objects.filter(customer__seller=seller, state__in=RUNNING)
    for currency, count in running.order_by().values_list("currency").annotate(n=Count("pk")):
        of(currency).subscriptions = count
    items = SubscriptionItem.objects.filter(subscription__customer__seller=seller).order_by()
    held = items.filter(Q(ended_on=None) | Q(ended_on__gt=day), subscription__state__in=RUNNING, started_on__lte=day)
    for row in priced(held):
        of(row["currency"]).month += row["month"]
    _due(items, ahead, of)
    _came(items, behind, of)
    _went(items, behind, of)
    return sorted(found.values(), key=lambda one: (one.currency != seller.currency, one.currency))


def priced(items: QuerySet[SubscriptionItem], *further: str) -> Iterable[dict[str, Any]]:
    """Items that cost the same as one row: how many, what a term of all costs (`net`), and a month of it (`month`)."""
    rows = items.values(
        *further, "quantity", "unit_price", "discount_percent",
        currency=F("subscription__currency"), months=F("subscription__term_months"),
    ).annotate(count=Count("pk"))  # fmt: skip
    for row in rows:
        net = row["count"] * line_net_minor(
            row["quantity"], row["unit_price"], row["discount_percent"], row["currency"]
        )  # fmt: skip
        yield row | {"net": net, "month": Fraction(net, row["months"])}


def _due(items: QuerySet[SubscriptionItem], months: list[date], of: Callable[[str], Recurring]) -> None:
    """What will be renewed, at the prices of today, by the month of the next renewal; what is late counts in this month."""
    coming = items.filter(
        Q(ended_on=None) | Q(ended_on__gt=F("subscription__period_end")),
        subscription__state__in=RUNNING, subscription__leave_asked_at=None, subscription__pause_asked_at=None,
        subscription__period_end__lt=add_months(months[-1], 1),
    ).annotate(due=TruncMonth("subscription__period_end"))  # fmt: skip
    for row in priced(coming, "due"):
        of(row["currency"]).due[max(row["due"], months[0])] += row["net"]


def _came(items: QuerySet[SubscriptionItem], months: list[date], of: Callable[[str], Recurring]) -> None:
    """Items that began: new with the first of their subscription, else an expansion."""
    before = SubscriptionItem.objects.filter(
        subscription=OuterRef("subscription"), started_on__lt=OuterRef("started_on")
    )
    begun = items.filter(
        subscription__state__in=BEGUN, started_on__gte=months[0], started_on__lt=add_months(months[-1], 1)
    ).annotate(
        on=TruncMonth("started_on"),
        kind=Case(When(Exists(before), then=Value("expansion")), default=Value("new")),
    )
    for row in priced(begun, "on", "kind"):
        of(row["currency"]).moved[row["on"]][row["kind"]] += row["month"]


def _went(items: QuerySet[SubscriptionItem], months: list[date], of: Callable[[str], Recurring]) -> None:
    """Items that ended: churn with the last of their subscription, else a contraction. What an ended subscription held to the
    last ended with its period."""
    ended = Case(
        When(
            subscription__state=Subscription.State.ENDED,
            then=Coalesce("ended_on", "subscription__ended_on", "subscription__period_end"),
        ),
        default=F("ended_on"),
    )
    after = SubscriptionItem.objects.filter(subscription=OuterRef("subscription")).filter(
        Q(ended_on=None) & ~Q(subscription__state=Subscription.State.ENDED) | Q(ended_on__gt=OuterRef("until"))
        | Q(ended_on=None, subscription__ended_on__gt=OuterRef("until"))
        | Q(ended_on=None, subscription__ended_on=None, subscription__period_end__gt=OuterRef("until"))
    )  # fmt: skip
    gone = (
        items.filter(subscription__state__in=BEGUN)
        .annotate(until=ended)
        .filter(until__gte=months[0], until__lt=add_months(months[-1], 1))
        .annotate(
            on=TruncMonth("until"), kind=Case(When(Exists(after), then=Value("contraction")), default=Value("churn"))
        )
    )
    for row in priced(gone, "on", "kind"):
        of(row["currency"]).moved[row["on"]][row["kind"]] -= row["month"]
