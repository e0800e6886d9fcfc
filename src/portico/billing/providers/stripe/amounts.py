"""How Stripe counts money, where that differs from ISO 4217 (docs.stripe.com/currencies).

Most currencies agree: minor units of two decimals, none for yen. Stripe takes some that ISO counts in hundredths as whole
units, some that ISO counts whole as hundredths, and three decimals only with a zero at the end.
"""

from portico.billing.providers.base import Declined
from portico.kit.money import exponent

WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
"""Zero-decimal at Stripe."""
HUNDREDTHS = frozenset("ISK UGX".split())
"""Whole in ISO 4217, two decimals at Stripe, of which the last two must be zero."""
THOUSANDTHS = frozenset("BHD JOD KWD OMR TND".split())
"""Three decimals, of which the last must be zero."""
LARGEST = 99_999_999
"""Eight digits, in Stripe's own units."""


def decimals_at_stripe(currency: str) -> int:
    """How many decimals Stripe counts in."""
    if currency in WHOLE:
        return 0
    return 3 if currency in THOUSANDTHS else 2


def takes(currency: str) -> bool:
    """Whether Stripe counts this currency in a way that we know."""
    return decimals_at_stripe(currency) == exponent(currency) or currency in WHOLE | HUNDREDTHS


def power(decimals: int) -> int:
    """Ten to the power of it."""
    return int(10**decimals)


def to_stripe(amount_minor: int, currency: str) -> int:
    """An ISO amount as Stripe counts it. Raises Declined when Stripe cannot take just this amount."""
    amount, rest = amount_minor * power(decimals_at_stripe(currency)), power(exponent(currency))
    if amount % rest or (currency in THOUSANDTHS and amount_minor % 10) or amount // rest > LARGEST:
        raise Declined("amount_not_possible")
    return amount // rest


def from_stripe(amount: int, currency: str) -> int:
    """An amount of Stripe's in ISO minor units; exact, or a ValueError, so that nothing is booked that nobody paid."""
    scaled, rest = amount * power(exponent(currency)), power(decimals_at_stripe(currency))
    if scaled % rest:
        raise ValueError(f"{amount} {currency} is no amount of minor units")
    return scaled // rest
