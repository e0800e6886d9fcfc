"""Exponents, the one rounding, line amounts, and reading what people write."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.kit.errors import Invalid
from portico.kit.formats import amount, money, quantity
from portico.kit.money import (
    EXPONENTS,
    MOST_MINOR,
    exponent,
    line_net_minor,
    parse_amount,
    parse_decimal,
    round_half_away,
    within_limits,
)

LANGUAGES = ["en", "fr", "de"]
four_decimals = st.integers(-(10**11), 10**11).map(lambda n: Decimal(n).scaleb(-4))


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("JPY", 0), ("EUR", 2), ("KWD", 3), ("RSD", 2), ("ALL", 2), ("IQD", 3), ("ISK", 0), ("HUF", 2), ("UGX", 0)],
)
def test_decimals_come_from_iso_4217_even_where_cldr_differs(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals


@pytest.mark.parametrize("unknown", ["", "eur", "EURO", "XXX", "XAU", "DEM", "CLF", "€"])
def test_an_unknown_currency_is_refused(unknown: str) -> None:
    with pytest.raises(Invalid, match="not a currency"):
        exponent(unknown)


def test_the_table_holds_each_active_currency_once() -> None:
    assert len(EXPONENTS) == 155
    assert set(EXPONENTS.values()) == {0, 2, 3}
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("2.5", 3), ("-2.5", -3), ("0.5", 1), ("-0.5", -1), ("1.4999999", 1), ("-1.4999999", -1), ("0", 0), ("3.5", 4)],
)
def test_halves_are_rounded_away_from_zero(value: str, rounded: int) -> None:
    assert round_half_away(Decimal(value)) == rounded
    assert round_half_away(Fraction(value)) == rounded


@given(st.fractions())
def test_rounding_is_nearest_symmetric_and_never_short_of_a_half(value: Fraction) -> None:
    rounded = round_half_away(value)
    assert abs(rounded - value) <= Fraction(1, 2)
    assert round_half_away(-value) == -rounded
    if abs(rounded - value) == Fraction(1, 2):
        assert abs(rounded) > abs(value)


@pytest.mark.parametrize(
    ("quantity_", "price", "discount", "currency", "net"),
    [
        ("1.5", "228", "0", "EUR", 34200),
        ("3", "0.0125", "0", "EUR", 4),  # 3.75 cents
        ("0.5", "0.01", "0", "EUR", 1),  # half a cent, away from zero
        ("-0.5", "0.01", "0", "EUR", -1),
        ("1", "0.01", "50", "EUR", 1),
        ("1", "100", "100", "EUR", 0),
        ("1", "1000", "33.3333", "JPY", 667),
        ("1", "1.0005", "0", "KWD", 1001),
        ("7", "19.99", "5.5", "EUR", 13223),  # 132.233 85
        ("2", "2.5", "0", "JPY", 5),
    ],
)
def test_a_line_is_rounded_once(quantity_: str, price: str, discount: str, currency: str, net: int) -> None:
    assert line_net_minor(Decimal(quantity_), Decimal(price), Decimal(discount), currency) == net


def test_a_line_of_part_of_a_period_is_still_rounded_once() -> None:
    price, part = Decimal(228), Fraction(100, 365)
    assert line_net_minor(Decimal(1), price, Decimal(0), "EUR", part=part) == 6247  # 62.465 75…
    assert line_net_minor(Decimal(3), price, Decimal(0), "EUR", part=part) == 18740  # not three times 62.47


@pytest.mark.parametrize(
    ("quantity_", "price", "discount"),
    [
        ("10000001", "1", "0"),
        ("1", "1000000001", "0"),
        ("1", "1", "-1"),
        ("1", "1", "100.0001"),
        ("NaN", "1", "0"),
        ("1", "Infinity", "0"),
        ("1", "1", "sNaN"),
        ("10000000", "1000000000", "0"),  # each within its limit, the product beyond 2⁵³ cents
    ],
)
def test_a_line_beyond_the_limits_is_refused(quantity_: str, price: str, discount: str) -> None:
    with pytest.raises(Invalid):
        line_net_minor(Decimal(quantity_), Decimal(price), Decimal(discount), "EUR")


@pytest.mark.parametrize(
    ("text", "language", "value"),
    [
        ("1,234.5", "en", "1234.5"),
        ("1,234", "en", "1234"),
        ("1'234.5", "en", "1234.5"),
        (" −5 ", "en", "-5"),
        ("-0", "en", "0"),
        ("12.5", "de", "12.5"),
        ("0.125", "de", "0.125"),
        ("1234.567", "de", "1234.567"),
        ("1.234,5", "de", "1234.5"),
        ("1.234.567", "de", "1234567"),
        ("1 234,50", "fr", "1234.5"),
        ("1\u202f234,50", "fr", "1234.5"),
        ("1\u00a0234,50", "de", "1234.5"),
        ("1.234", "fr", "1.234"),
        ("5,5", "de-at", "5.5"),
    ],
)
def test_numbers_are_read_as_the_language_writes_them(text: str, language: str, value: str) -> None:
    assert parse_decimal(text, language) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("one", "en"),
        ("1e3", "en"),
        ("NaN", "en"),
        ("0,123", "en"),  # a decimal comma, not a group
        ("1,5", "en"),
        ("12,34", "en"),
        ("1.2,345", "en"),
        ("1.234,5", "en"),
        ("12 34", "fr"),
        ("1.00001", "en"),
        ("1234567890123", "en"),
        ("1,234,567,890,123", "en"),
        ("--1", "en"),
        ("1.2.3", "en"),
        ("١", "en"),
    ],
)
def test_what_is_no_number_is_refused(text: str, language: str) -> None:
    with pytest.raises(Invalid, match="not a number"):
        parse_decimal(text, language)


@pytest.mark.parametrize("text", ["1.234", "-12.345", "999.000"])
def test_a_point_that_could_be_either_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="two ways"):
        parse_decimal(text, "de")


@given(four_decimals | st.integers(-(10**7), 10**7).map(Decimal), st.sampled_from(LANGUAGES))
def test_what_is_shown_can_be_typed_and_never_means_something_else(value: Decimal, language: str) -> None:
    shown = quantity(value, language)
    if language == "de" and shown.count(".") == 1 and "," not in shown:
        with pytest.raises(Invalid, match="two ways"):
            parse_decimal(shown, language)
    else:
        assert parse_decimal(shown, language) == value


@given(st.integers(-(10**11), 10**11), st.sampled_from(["EUR", "JPY", "KWD"]), st.sampled_from(LANGUAGES))
def test_an_amount_shown_can_be_typed(minor: int, currency: str, language: str) -> None:
    assert parse_amount(amount(minor, currency, language), currency, language) == minor


@given(st.integers(0, 10**11), st.sampled_from(["EUR", "JPY", "KWD", "USD", "CHF"]), st.sampled_from(LANGUAGES))
def test_an_amount_shown_with_its_currency_can_be_typed(minor: int, currency: str, language: str) -> None:
    assert parse_amount(money(minor, currency, language), currency, language) == minor
    assert parse_amount(f"{currency} {amount(minor, currency, language)}", currency, language) == minor


@pytest.mark.parametrize("text", ["100 USD", "$100", "US$100", "€", "EUR", "€€5", "€5€", "EUR 5 €", "5 EURO"])
def test_another_currency_or_a_sign_too_many_is_no_amount(text: str) -> None:
    with pytest.raises(Invalid, match="is not a number"):
        parse_amount(text, "EUR")


def test_a_german_point_groups_where_the_currency_has_no_three_decimals() -> None:
    assert parse_amount("1.234", "EUR", "de") == 123400
    assert parse_amount("1.234", "JPY", "de") == 1234
    assert parse_amount("12.5", "EUR", "de") == 1250
    with pytest.raises(Invalid, match="two ways"):
        parse_amount("1.234", "KWD", "de")


@pytest.mark.parametrize(("text", "currency"), [("1.234", "EUR"), ("0.5", "JPY"), ("1.2345", "KWD")])
def test_an_amount_has_no_more_decimals_than_its_currency(text: str, currency: str) -> None:
    with pytest.raises(Invalid, match="no such small part"):
        parse_amount(text, currency)


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_twelve_digits_fit_every_currency(currency: str) -> None:
    assert parse_amount("999,999,999,999", currency) == 999_999_999_999 * 10 ** exponent(currency) <= MOST_MINOR


def test_an_amount_has_an_end() -> None:
    assert within_limits(-MOST_MINOR) == -MOST_MINOR
    with pytest.raises(Invalid, match="larger"):
        within_limits(MOST_MINOR + 1)
