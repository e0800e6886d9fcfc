"""Renewing: what the next period of a subscription costs, by the one pricing that its quotation and invoice will use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from portico.accounts.models import Customer
from portico.billing import pricing, vat
from portico.kit.errors import Invalid


@dataclass(frozen=True)
class Renewing:
    """One item of a subscription as the renewal sees it."""

    key: int
    kind: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_category: str
    vat_rate: Decimal
    ended_on: date | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], prefix: str = "") -> "Renewing":
        """From the values of a query over items, each name behind `prefix`."""
        return cls(
            key=row[f"{prefix}id"],
            kind=row[f"{prefix}product__kind"],
            quantity=row[f"{prefix}quantity"],
            unit_price=row[f"{prefix}unit_price"],
            discount_percent=row[f"{prefix}discount_percent"],
            vat_category=row[f"{prefix}product__vat_category"],
            vat_rate=row[f"{prefix}product__vat_rate"],
            ended_on=row[f"{prefix}ended_on"],
        )


def price_renewal(items: Iterable[Renewing], *, customer: Customer, currency: str, on: date) -> pricing.Priced | None:
    """What the period that begins on `on` costs; None when the VAT cannot be told because the VAT id is unchecked.

    An item that ends on that day or before is no longer part of it. `customer` comes with its seller.
    """
    lines = []
    for item in items:
        if item.ended_on is not None and item.ended_on <= on:
            continue
        try:
            decided = vat.decide(
                kind=item.kind,
                seller_country=customer.seller.country,
                buyer_country=customer.country,
                buyer_vat_checked=customer.vat_checked,
                product_category=item.vat_category,
                product_rate=item.vat_rate,
            )
        except Invalid:
            return None
        lines.append(
            pricing.LineIn(
                key=item.key,
                kind="line",
                quantity=item.quantity,
                unit_price=item.unit_price,
                discount_percent=item.discount_percent,
                vat_category=decided.category,
                vat_rate=decided.rate,
            )
        )
    return pricing.price(lines, currency)
