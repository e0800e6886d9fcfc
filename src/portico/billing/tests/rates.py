"""Exchange rates for tests in other currencies: VAT must stand in the seller's too, so without one no invoice is issued."""

from datetime import date
from decimal import Decimal

from portico.billing.models import ExchangeRate
from portico.cast import World


def with_rate(world: World, currency: str) -> None:
    """A rate of `currency` that holds on any day of a test; none for the seller's own."""
    if currency != world.seller.currency:
        ExchangeRate.objects.get_or_create(
            seller=world.seller, currency=currency, valid_from=date(2000, 1, 1), defaults={"rate": Decimal("160.25")}
        )
