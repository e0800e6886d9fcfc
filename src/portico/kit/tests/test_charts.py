"""Bars stand where their amounts say, in every currency, and the table holds what the picture rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.kit import charts

MONTHS = [("Dec", "December 2025", 0), ("Jan", "January 2026", 250_000), ("Feb", "February 2026", 500_000)]


def test_the_highest_amount_is_the_highest_bar_and_nothing_has_no_height() -> None:
    chart = charts.bars(MONTHS, "EUR", "en")
    none, half, most = chart.bars
    assert (none.height, none.y) == (0, charts.FLOOR)
    assert most.height == pytest.approx(2 * half.height, abs=0.2)
    assert [bar.minor for bar in chart.bars] == [0, 250_000, 500_000]
    assert [bar.short for bar in chart.bars] == ["0", "2,500", "5,000"]
    assert chart.total_minor == 750_000


def test_the_grid_ends_at_or_above_the_highest_bar() -> None:
    chart = charts.bars(MONTHS, "EUR", "en")
    assert [line.label for line in chart.grid] == ["2,000", "4,000", "6,000"]
    assert min(line.y for line in chart.grid) == charts.TOP


def test_a_month_of_credit_notes_is_told_but_drawn_as_nothing() -> None:
    chart = charts.bars([("Jan", "January 2026", -12_345), ("Feb", "February 2026", 100)], "EUR", "en")
    assert (chart.bars[0].height, chart.bars[0].short, chart.bars[0].minor) == (0, "−123", -12_345)


@pytest.mark.parametrize(("currency", "short"), [("JPY", "250,000"), ("EUR", "2,500"), ("KWD", "250")])
def test_the_currency_says_how_many_minor_units_make_a_whole(currency: str, short: str) -> None:
    assert charts.bars(MONTHS, currency, "en").bars[1].short == short


def test_no_months_make_an_empty_chart() -> None:
    assert charts.bars([], "EUR", "en").bars == ()


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=18), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_bars_stay_in_the_picture(amounts: list[int], currency: str) -> None:
    chart = charts.bars([("m", "month", amount) for amount in amounts], currency, "en")
    assert chart.total_minor == sum(amounts)
    assert len(chart.grid) <= 5
    for bar in chart.bars:
        assert charts.TOP <= bar.y <= charts.FLOOR
        assert bar.y + bar.height == pytest.approx(charts.FLOOR, abs=0.2)
        assert 0 <= bar.x <= charts.WIDTH - 38
        assert 0 < bar.width <= charts.NARROW
