"""Money is whole minor units and an ISO 4217 currency; here are the exponents, the one rounding, and reading of amounts."""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from babel.numbers import get_decimal_symbol, get_group_symbol
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid

# ISO 4217 (2026): active currencies by their number of decimals; funds codes, metals and testing codes left out.
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE "
    "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
    "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
    "TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
EXPONENTS: dict[str, int] = (
    dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3)
)
MOST_MINOR = 2**53


def exponent(currency: str) -> int:
    """Decimals of a currency by ISO 4217 (CLDR says otherwise for some, and is for display only); Invalid if unknown."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Invalid(_("%(code)s is not a currency that this portal knows.") % {"code": currency[:10]}) from None


def round_half_away(value: Fraction | Decimal) -> int:
    """The nearest whole number, halves away from zero: 2.5 → 3, −2.5 → −3. Exact, whatever the size."""
    exact = Fraction(value)
    whole = (2 * abs(exact.numerator) + exact.denominator) // (2 * exact.denominator)
    return whole if exact >= 0 else -whole


def parse_decimal(text: str, language: str = "en") -> Decimal:
    """A number as a person writes it in `language`: grouping and decimal sign of the language, or a plain point.

    Raises Invalid for anything else, for more than four decimals, and beyond 10¹².
    """
    locale = {"en": "en_GB", "fr": "fr_FR", "de": "de_DE"}.get(language, "en_GB")
    plain = re.sub(r"[\s\u00a0\u202f'’]", "", text.strip()).replace("\u2212", "-")
    decimal, group = get_decimal_symbol(locale), get_group_symbol(locale)
    if decimal == ",":
        if "," in plain:
            plain = plain.replace(".", "").replace(",", ".")
    elif group == ",":
        plain = re.sub(r",(?=\d{3}(\D|$))", "", plain)
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,4})?", plain):
        raise Invalid(_("“%(text)s” is not a number that can be used here.") % {"text": text.strip()[:40]})
    try:
        return Decimal(plain)
    except InvalidOperation:
        raise Invalid(_("“%(text)s” is not a number that can be used here.") % {"text": text.strip()[:40]}) from None


def parse_amount(text: str, currency: str, language: str = "en") -> int:
    """An amount as a person writes it, in minor units of `currency`; Invalid with more decimals than the currency has."""
    value = parse_decimal(text, language) * 10 ** exponent(currency)
    if value != value.to_integral_value():
        raise Invalid(_("%(code)s has no such small part. Round the amount.") % {"code": currency})
    if abs(value) > MOST_MINOR:
        raise Invalid(_("This amount is larger than this portal counts."))
    return int(value)
