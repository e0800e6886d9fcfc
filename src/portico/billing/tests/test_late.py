"""What the law gives when a company pays late: fee and interest by country, each half-year with its own rate, never guessed."""

from datetime import date
from decimal import Decimal

import pytest

from portico.billing.late import BUNDESBANK, ECB, HALF_YEARS, RULES, Claim, claim_of


def claimed(country: str, due_on: date, day: date, **more: object) -> Claim:
    about = {"due_minor": 100_000, "currency": "EUR", "fee": True, "interest": True} | more
    return claim_of(country=country, due_on=due_on, day=day, **about)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("country", "percent"),
    [("FR", "12.15"), ("DE", "10.27"), ("BE", "10.5"), ("NL", "10.15"), ("IT", "10.15"), ("PT", "10.15")],
)
def test_the_rate_of_a_half_year(country: str, percent: str) -> None:
    assert RULES[country].percent(2025, 2) == Decimal(percent)
    assert RULES[country].percent(2031, 1) is None
    assert RULES[country].source


def test_interest_runs_from_the_day_after_the_due_day() -> None:
    assert claimed("FR", date(2025, 9, 1), date(2025, 9, 1)) == Claim()
    assert claimed("FR", date(2025, 9, 1), date(2025, 9, 2)) == Claim(40_00, 33)  # 1000 × 12.15 % / 365
    assert claimed("FR", date(2025, 9, 1), date(2025, 10, 1)) == Claim(40_00, 999)


def test_each_half_year_has_its_own_rate() -> None:
    # 30 June belongs to the first half: 1 day at 13.15 %, then 10 days at 12.15 %
    assert claimed("FR", date(2025, 6, 29), date(2025, 7, 10)).interest_minor == round(
        100_000 * (13.15 + 121.5) / 36500
    )


def test_a_rate_that_is_not_known_gives_no_interest() -> None:
    assert claimed("FR", date(2030, 3, 1), date(2030, 4, 1)) == Claim(40_00, 0)
    assert claimed("US", date(2025, 9, 1), date(2025, 10, 1)) == Claim()
    assert claimed("US", date(2025, 9, 1), date(2025, 10, 1), own_percent=Decimal("3.65")) == Claim(0, 300)


def test_what_is_switched_off_or_in_another_currency_is_not_claimed() -> None:
    assert claimed("FR", date(2025, 9, 1), date(2025, 10, 1), fee=False, interest=False) == Claim()
    assert claimed("FR", date(2025, 9, 1), date(2025, 10, 1), currency="NOK").fee_minor == 0


def test_the_german_rate_moves_by_the_points_of_the_european_one() -> None:
    """§ 247 (1) BGB: from -0.88 on 1 January 2021, when the European rate stood at zero."""
    for half, rate in HALF_YEARS[BUNDESBANK].items():
        assert rate == HALF_YEARS[ECB][half] - Decimal("0.88")


def test_austria_knows_its_fee_and_guesses_no_rate() -> None:
    assert RULES["AT"].percent(2024, 1) == Decimal("13.08")
    assert claimed("AT", date(2023, 6, 30), date(2023, 7, 10)).interest_minor == 345  # 1000 × (3.38 + 9.2) % × 10 / 365
    assert claimed("AT", date(2025, 9, 1), date(2025, 10, 1)) == Claim(40_00, 0)
