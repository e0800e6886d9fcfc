"""Money is whole minor units and an ISO 4217 currency; here are the exponents, the one rounding, and reading of amounts."""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from babel import Locale
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid

# ISO 4217 List One as SIX, its maintenance agency, published it on 1 January 2026: currencies by their number of decimals.
# Left out: funds and units of account (BOV CHE CHW CLF COU MXV USN UYI UYW XAD XDR XSU XUA), metals, testing codes.
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

MOST_QUANTITY = Decimal(10_000_000)
MOST_PRICE = Decimal(1_000_000_000)
"""Of one unit, in the currency's major unit."""
MOST_MINOR = 2**53
"""The largest amount, in minor units: fits a BIGINT with room to add up, and is exact in a page's script and in JSON."""

LOCALES = {"en": "en_GB", "fr": "fr_FR", "de": "de_DE"}


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """The CLDR locale of a language; English, and a language that is not spoken here, is written as in Britain."""
    return Locale.parse(LOCALES.get(language[:2], "en_GB"))


def exponent(currency: str) -> int:
    """Decimals of a currency by ISO 4217 (CLDR says otherwise for some, and is for display only); Invalid if unknown."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Invalid(_("%(code)s is not a currency that this portal knows.") % {"code": currency[:10]}) from None


def round_half_away(value: Fraction | Decimal) -> int:
    """The nearest whole number, halves away from zero: 2.5 → 3, −2.5 → −3. Exact, whatever the size."""
    return _round_half_away(*value.as_integer_ratio())


def _round_half_away(numerator: int, denominator: int) -> int:
    """In whole numbers; the denominator is positive."""
    whole = (2 * abs(numerator) + denominator) // (2 * denominator)
    return whole if numerator >= 0 else -whole


def line_net_minor(
    quantity: Decimal,
    unit_price: Decimal,
    discount_percent: Decimal,
    currency: str,
    *,
    part: Fraction = Fraction(1),
) -> int:
    """quantity × unit price × (1 − discount / 100) × part in minor units, computed exactly and rounded once.

    `unit_price` is in the major unit; `part` is the share of a period that is charged. Raises Invalid for a number that
    is not finite or beyond the limits above, and for a discount outside 0 to 100 percent.
    """
    if not (quantity.is_finite() and unit_price.is_finite() and discount_percent.is_finite()):
        raise Invalid(_("A quantity, price or discount is not a number."))
    if abs(quantity) > MOST_QUANTITY or abs(unit_price) > MOST_PRICE:
        raise Invalid(_("A quantity or price is larger than this portal counts."))
    if not 0 <= discount_percent <= 100:
        raise Invalid(_("A discount is between 0 and 100 percent."))
    # As whole numbers, not fractions: a long page prices many lines, and reducing each to lowest terms takes ten times as long.
    (amount, amount_of), (each, each_of) = quantity.as_integer_ratio(), unit_price.as_integer_ratio()
    off, off_of = discount_percent.as_integer_ratio()
    numerator = amount * each * (100 * off_of - off) * part.numerator * 10 ** exponent(currency)
    return within_limits(_round_half_away(numerator, amount_of * each_of * 100 * off_of * part.denominator))


def within_limits(minor: int) -> int:
    """`minor` itself; Invalid beyond what can be kept and shown exactly."""
    if abs(minor) > MOST_MINOR:
        raise Invalid(_("This amount is larger than this portal counts."))
    return minor


def parse_decimal(text: str, language: str = "en", *, point_may_group: bool = False) -> Decimal:
    """A number as a person writes it in `language`, with the language's grouping and decimal sign, or with a point.

    Groups count only where they are well formed, and spaces may group in every language. Where a point groups, as in
    German, 12.50 is still read as a decimal, but 1.234 is refused: it would be a thousandfold error for one of the two
    who write it; `point_may_group` says that three decimals cannot be meant. Raises Invalid for that and for anything
    else, for more than four decimals, and beyond 12 digits.
    """
    plain = re.sub(r"[\s\u00a0\u2009\u202f'’]", " ", text.strip()).replace("\u2212", "-")
    symbols = locale_of(language).number_symbols["latn"]
    point, group = symbols["decimal"], symbols["group"].replace("\u202f", " ")
    grouped = rf"[1-9][0-9]{{0,2}}(?:(?:{re.escape(group)}[0-9]{{3}})+|(?: [0-9]{{3}})+)"
    own = re.fullmatch(rf"(-?)({grouped}|[0-9]{{1,12}})(?:{re.escape(point)}([0-9]{{1,4}}))?", plain)
    other = re.fullmatch(r"(-?)([0-9]{1,12})\.([0-9]{1,4})", plain)
    if own and other and point != "." and not point_may_group:
        raise Invalid(
            _("“%(text)s” can be read in two ways. Write %(grouped)s or %(decimal)s.")
            % {"text": plain[:40], "grouped": plain.replace(".", ""), "decimal": plain.replace(".", ",")}
        )
    read = own or other
    digits = re.sub(r"[^0-9]", "", read[2]) if read else ""
    if read is None or len(digits) > 12:
        raise Invalid(_("“%(text)s” is not a number that can be used here.") % {"text": plain[:40]})
    return Decimal(f"{read[1]}{digits}.{read[3] or '0'}").normalize() + 0


def _bare(text: str, currency: str, language: str) -> str:
    """The number without the sign or code of `currency` at one of its ends."""
    plain = text.strip()
    for sign in (currency, locale_of(language).currency_symbols.get(currency, currency)):
        if plain.upper().startswith(sign.upper()):
            return plain[len(sign) :]
        if plain.upper().endswith(sign.upper()):
            return plain[: -len(sign)]
    return plain


def parse_amount(text: str, currency: str, language: str = "en") -> int:
    """An amount as a person writes it, in minor units of `currency`; Invalid with more decimals than the currency has.

    The sign or code of that currency may stand at either end, as pages show it; of another one is refused.
    """
    decimals = exponent(currency)
    minor = parse_decimal(_bare(text, currency, language), language, point_may_group=decimals < 3).scaleb(decimals)
    if minor % 1:
        raise Invalid(_("%(code)s has no such small part. Round the amount.") % {"code": currency})
    return int(minor)
