"""What a customer's subscriptions cost in the next twelve months, as they are today: every charge on its day, by the pricing of
the renewal itself, so that what is shown ahead is what will be invoiced.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Min, QuerySet

from portico.accounts.models import Customer
from portico.billing.actions.renew import Renewing, price_lines
from portico.billing.models import Subscription, SubscriptionPeriod
from portico.billing.renewal_prices import renews_at
from portico.billing.subscribed import RENEWING, with_items
from portico.kit.periods import add_months, next_period_end

MONTHS = 12


@dataclass(frozen=True)
class Charge:
    """One renewal: the period [on, until) and what it costs, minor units."""

    subscription: str
    on: date
    until: date
    currency: str
    net_minor: int
    vat_minor: int
    by_itself: bool

    @property
    def total_minor(self) -> int:
        """With VAT."""
        return self.net_minor + self.vat_minor


@dataclass(frozen=True)
class Forecast:
    """The charges in their order, and the subscriptions whose VAT cannot be told yet, which are left out."""

    charges: tuple[Charge, ...]
    untold: tuple[str, ...]

    @property
    def currencies(self) -> list[str]:
        """Those in which something is charged."""
        return sorted({charge.currency for charge in self.charges})

    def of(self, currency: str) -> list[Charge]:
        """The charges in one currency."""
        return [charge for charge in self.charges if charge.currency == currency]

    def by_month(self, currency: str, day: date) -> list[tuple[date, int]]:
        """The totals with VAT by calendar month, the month of `day` first; twelve and the one in which the year ends."""
        months = months_from(day, MONTHS + (day.day > 1))
        sums = dict.fromkeys(months, 0)
        for charge in self.of(currency):
            sums[max(charge.on, day).replace(day=1)] += charge.total_minor
        return list(sums.items())


def months_from(day: date, count: int) -> list[date]:
    """The first days of so many months, that of `day` first."""
    return [add_months(day.replace(day=1), number) for number in range(count)]


def forecast(rows: QuerySet[Subscription], customer: Customer, day: date) -> Forecast:
    """The charges of the customer's subscriptions on days in [day, a year later); what is late already falls on its own day.

    What leaves or pauses with its period costs nothing after it.
    `customer` comes with its seller. Three statements however many there are.
    """
    until = add_months(day, MONTHS)
    coming = rows.filter(state__in=RENEWING, leave_asked_at=None, pause_asked_at=None, period_end__lt=until)
    coming = coming.order_by("database__name", "id")
    found = with_items(coming, day=day)
    first = SubscriptionPeriod.objects.filter(subscription__in=[row["id"] for row in found]).order_by()
    anchors = dict(first.values_list("subscription").annotate(first=Min("start")))
    charges: list[Charge] = []
    untold: list[str] = []
    for row in found:
        anchor = row["anchored_on"] or row["trial_ends_on"] or anchors.get(row["id"], row["period_end"])
        own = list(charges_of(row, customer, anchor, until))
        if any(charge is None for charge in own):
            untold.append(row["database__name"])
        charges += [charge for charge in own if charge is not None]
    charges.sort(key=lambda charge: (charge.on, charge.subscription))
    return Forecast(tuple(charges), tuple(untold))


def charges_of(row: Mapping[str, Any], customer: Customer, anchor: date, until: date) -> Iterator[Charge | None]:
    """The charges of one subscription from its next renewal on, until nothing is left; None when its VAT cannot be told."""
    start, items = row["resumes_on"] or row["period_end"], [Renewing.of(item) for item in row["items"]]
    while start < until:
        lines = renews_at(
            items, start, currency=row["currency"], term_months=row["term_months"], history=row["history"]
        )  # fmt: skip
        if not lines:
            return
        priced = price_lines(lines, customer=customer, currency=row["currency"])
        if priced is None:
            yield None
            return
        end = next_period_end(anchor, start, row["term_months"])
        if priced.total_minor:
            yield Charge(
                row["database__name"], start, end, row["currency"], priced.net_minor, priced.vat_minor,
                by_itself=row["auto_renew"],
            )  # fmt: skip
        start = end
