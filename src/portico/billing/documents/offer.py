"""An offer as pricing reads it: the stored lines of a quotation version and the customer's choices."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from portico.billing import pricing
from portico.billing.models import QuotationLine, QuotationVersion


def offered(rows: Sequence[QuotationLine]) -> list[pricing.Offered]:
    """Stored lines as pricing reads an offer; keys are the lines' own keys."""
    return [
        pricing.Offered(
            key=row.key,
            kind=row.kind,
            name=row.name,
            quantity=row.quantity,
            unit_price=row.unit_price,
            discount_percent=row.discount_percent,
            part=row.part,
            vat_category=row.vat_category,
            vat_rate=row.vat_rate,
            optional=row.optional,
            selected=row.selected,
            quantity_min=row.quantity_min,
            quantity_max=row.quantity_max,
        )
        for row in rows
    ]


def price_selection(
    version: QuotationVersion, choices: Mapping[int, Decimal], *, lines: Sequence[QuotationLine] | None = None
) -> pricing.Priced:
    """What a version costs with the customer's choices by line key; Invalid for a choice that is not offered."""
    rows = list(version.lines.all()) if lines is None else lines
    return pricing.price(pricing.choose(offered(rows), choices), version.currency)


def deposit_of(version: QuotationVersion, priced: pricing.Priced) -> int:
    """The deposit due on acceptance including VAT, in minor units (DOMAIN 3)."""
    return pricing.deposit(priced, version.deposit_percent).total_minor
