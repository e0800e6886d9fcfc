"""What a reader sees: money, numbers and dates in English, French and German."""

import timeit
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel.numbers import format_currency
from hypothesis import given
from hypothesis import strategies as st

from portico.kit import formats
from portico.kit.money import EXPONENTS, exponent, locale_of

LANGUAGES = ["en", "fr", "de"]
NBSP, THIN, MINUS = "\u00a0", "\u202f", "\u2212"


@pytest.mark.parametrize(
    ("minor", "currency", "language", "text"),
    [
        (804936, "EUR", "en", "€8,049.36"),
        (804936, "EUR", "fr", f"8{THIN}049,36{NBSP}€"),
        (804936, "EUR", "de", f"8.049,36{NBSP}€"),
        (-804936, "EUR", "en", f"{MINUS}€8,049.36"),
        (-804936, "EUR", "de", f"{MINUS}8.049,36{NBSP}€"),
        (0, "EUR", "en", "€0.00"),
        (5, "EUR", "en", "€0.05"),
        (-5, "EUR", "en", f"{MINUS}€0.05"),
        (99999, "EUR", "en", "€999.99"),
        (100000000, "EUR", "en", "€1,000,000.00"),
        (804936, "USD", "en", "US$8,049.36"),
        (804936, "CHF", "en", f"CHF{NBSP}8,049.36"),
        (804936, "GBP", "en", "£8,049.36"),
        (1234567, "JPY", "de", f"1.234.567{NBSP}¥"),
        (1234567, "KWD", "en", f"KWD{NBSP}1,234.567"),
        (1234567, "KWD", "fr", f"1{THIN}234,567{NBSP}KWD"),
        (100, "RSD", "de", f"1,00{NBSP}RSD"),  # CLDR would show 1
        (100, "ALL", "en", f"ALL{NBSP}1.00"),
        (1000, "IQD", "en", f"IQD{NBSP}1.000"),
        (804936, "EUR", "xx", "€8,049.36"),
    ],
)
def test_money(minor: int, currency: str, language: str, text: str) -> None:
    assert formats.money(minor, currency, language) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(EXPONENTS)), st.sampled_from(LANGUAGES))
def test_money_says_the_same_as_babel_but_for_minus_spacing_and_decimals(
    minor: int, currency: str, language: str
) -> None:
    pattern = {"en": "¤#,##0.{}", "fr": f"#,##0.{{}}{NBSP}¤", "de": f"#,##0.{{}}{NBSP}¤"}[language]
    places = exponent(currency)
    expected = format_currency(
        Decimal(minor).scaleb(-places),
        currency,
        format=pattern.format("0" * places) if places else pattern.replace(".{}", ""),
        locale=locale_of(language),
        currency_digits=False,
    )
    shown = formats.money(minor, currency, language)
    assert shown.replace(NBSP, "") == expected.replace("-", MINUS).replace(NBSP, "")
    assert " " not in shown
    assert "-" not in shown


def test_a_page_of_amounts_costs_little() -> None:
    """A relative measure, so that a slow machine does not matter; about 5 µs against 60 µs."""
    formats.money(1, "EUR", "fr")
    numbers = iter(range(10_000_000, 20_000_000))  # each only once: nothing comes from the cache
    ours = min(timeit.repeat(lambda: formats.money(next(numbers), "EUR", "fr"), number=200, repeat=15))
    theirs = min(timeit.repeat(lambda: format_currency(1234567.89, "EUR", locale="fr_FR"), number=200, repeat=5))
    assert ours * 5 < theirs


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        ("1.5000", "en", "1.5"),
        ("1.5000", "de", "1,5"),
        ("20.0000", "en", "20"),
        ("0", "en", "0"),
        ("0.0001", "fr", "0,0001"),
        ("-2.5", "en", f"{MINUS}2.5"),
        ("12345.678", "fr", f"12{THIN}345,678"),
        ("1E+3", "en", "1,000"),
        ("-0", "en", "0"),
    ],
)
def test_quantity(value: str, language: str, text: str) -> None:
    assert formats.quantity(Decimal(value), language) == text


@pytest.mark.parametrize(
    ("value", "currency", "language", "text"),
    [
        ("228", "EUR", "en", "228.00"),
        ("0.0125", "EUR", "en", "0.0125"),
        ("1234.5000", "EUR", "de", "1.234,50"),
        ("228", "JPY", "en", "228"),
        ("0.5", "JPY", "en", "0.5"),
        ("1.5", "KWD", "fr", "1,500"),
        ("-228", "EUR", "en", f"{MINUS}228.00"),
    ],
)
def test_unit_price(value: str, currency: str, language: str, text: str) -> None:
    assert formats.unit_price(Decimal(value), currency, language) == text


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        ("5.5000", "en", "5.5%"),
        ("20", "en", "20%"),
        ("5.5", "fr", f"5,5{NBSP}%"),
        ("5.5", "de", f"5,5{NBSP}%"),
        ("8.0375", "en", "8.0375%"),
        ("-3", "en", f"{MINUS}3%"),
    ],
)
def test_percent(value: str, language: str, text: str) -> None:
    assert formats.percent(Decimal(value), language) == text


@pytest.mark.parametrize(
    ("language", "day", "long_day", "month"),
    [
        ("en", "26 Nov 2026", "Thursday 26 November 2026", "Nov 2026"),
        ("fr", "26 nov. 2026", "jeudi 26 novembre 2026", "nov. 2026"),
        ("de", "26.11.2026", "Donnerstag, 26. November 2026", "Nov. 2026"),
    ],
)
def test_days(language: str, day: str, long_day: str, month: str) -> None:
    value = date(2026, 11, 26)
    assert formats.day(value, language) == day
    assert formats.long_day(value, language) == long_day
    assert formats.month(value, language, year=True) == month


def test_a_moment_is_shown_in_the_zone() -> None:
    moment = datetime(2026, 11, 9, 23, 5, tzinfo=UTC)
    assert formats.day_time(moment, ZoneInfo("Europe/Paris"), "en") == "10 Nov 2026, 00:05"
    assert formats.day_time(moment, ZoneInfo("America/New_York"), "fr") == "9 nov. 2026, 18:05"
    assert formats.day_time(moment, ZoneInfo("Europe/Berlin"), "de") == "10.11.2026, 00:05"


def test_countries() -> None:
    assert formats.country("NO", "de") == "Norwegen"
    assert formats.country("ZZZ", "en") == "ZZZ"
