"""Numbers, money and dates as CLDR writes them in the reader's language, with the decimals that ISO 4217 gives a currency."""

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import NumberPattern, parse_pattern

from portico.kit.money import exponent

LOCALES = {"en": "en_GB", "fr": "fr_FR", "de": "de_DE"}
MINUS = "\u2212"


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """The CLDR locale of a language; English is written as in Britain."""
    return Locale.parse(LOCALES.get(language[:2], "en_GB"))


@lru_cache(maxsize=512)
def _affixes(currency: str, language: str) -> tuple[str, str, str, str]:
    """Text before and after an amount with its currency, then decimal sign and grouping sign."""
    locale = locale_of(language)
    pattern: NumberPattern = locale.currency_formats["standard"]
    symbol = locale.currency_symbols.get(currency, currency)
    before, after = pattern.prefix[0], pattern.suffix[0]
    if symbol[-1:].isalpha() and before.endswith("¤"):
        symbol += "\u00a0"
    symbols = locale.number_symbols["latn"]
    return before.replace("¤", symbol), after.replace("¤", symbol), symbols["decimal"], symbols["group"]


def _grouped(digits: str, group: str) -> str:
    return digits if len(digits) < 4 else f"{int(digits):,}".replace(",", group)


@lru_cache(maxsize=20_000)
def amount(minor: int, currency: str, language: str) -> str:
    """An amount without its currency: 804936 EUR → 8,049.36."""
    _before, _after, point, group = _affixes(currency, language)
    places = exponent(currency)
    digits = str(abs(minor)).rjust(places + 1, "0")
    whole, part = (digits[:-places], digits[-places:]) if places else (digits, "")
    return (MINUS if minor < 0 else "") + _grouped(whole, group) + (point + part if part else "")


def money(minor: int, currency: str, language: str) -> str:
    """An amount with its currency: 804936 EUR → €8,049.36."""
    before, after, _point, _group = _affixes(currency, language)
    return f"{MINUS if minor < 0 else ''}{before}{amount(abs(minor), currency, language)}{after}"


def _decimal(value: Decimal, language: str, least: int, most: int) -> str:
    _before, _after, point, group = _affixes("EUR", language)
    whole, _dot, part = f"{abs(value):.{most}f}".partition(".")
    part = part.rstrip("0").ljust(least, "0")
    return (MINUS if value < 0 else "") + _grouped(whole, group) + (point + part if part else "")


def quantity(value: Decimal, language: str) -> str:
    """A quantity with as many decimals as it has: 1.5."""
    return _decimal(value, language, 0, 4)


def unit_price(value: Decimal, currency: str, language: str) -> str:
    """A unit price with the currency's decimals at least, four at most: 228.00, 0.0125."""
    return _decimal(value, language, exponent(currency), max(4, exponent(currency)))


@lru_cache(maxsize=1024)
def percent(value: Decimal, language: str) -> str:
    """A percentage of at most four decimals: 5.5%, in French and German with a space before the sign."""
    pattern = parse_pattern(locale_of(language).percent_formats[None])
    return pattern.prefix[0] + _decimal(value, language, 0, 4) + pattern.suffix[0]


@lru_cache(maxsize=4096)
def day(value: date, language: str) -> str:
    """A day: 26 Nov 2026."""
    return format_date(value, "d MMM y" if language[:2] != "de" else "medium", locale=locale_of(language))


@lru_cache(maxsize=4096)
def long_day(value: date, language: str) -> str:
    """A day in full: Monday 23 November 2026."""
    return format_date(value, "full", locale=locale_of(language)).replace(",", "")


@lru_cache(maxsize=1024)
def month(value: date, language: str, *, year: bool = False) -> str:
    """A month's short name, with its year where asked: Nov, Dec 2025."""
    return format_date(value, "MMM y" if year else "MMM", locale=locale_of(language))


def day_time(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment in `zone`: 9 Nov 2026, 16:20."""
    local = moment.astimezone(zone)
    return f"{day(local.date(), language)}, {format_datetime(local, 'HH:mm', locale=locale_of(language))}"


@lru_cache(maxsize=1024)
def country(code: str, language: str) -> str:
    """The name of a country by its ISO 3166-1 code, or the code itself."""
    return locale_of(language).territories.get(code, code)
