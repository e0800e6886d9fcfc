"""Half-open periods, months that keep their day, days that end where clocks change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.kit.periods import Period, add_months, end_of_day, next_period_end, one_month_after, today

MOMENT = timedelta(microseconds=1)
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC Europe/Paris America/New_York Asia/Kolkata Australia/Lord_Howe Africa/Cairo Asia/Beirut America/Havana "
        "America/Sao_Paulo America/Santiago Pacific/Apia Pacific/Kiritimati Asia/Tehran Atlantic/Azores Asia/Gaza"
    ).split()
]
days = st.dates(date(1990, 1, 1), date(2036, 12, 31))


def test_a_period_has_its_first_day_and_not_its_end() -> None:
    period = Period(date(2026, 11, 1), date(2026, 12, 1))
    assert period.days == 30
    assert date(2026, 11, 1) in period
    assert date(2026, 11, 30) in period
    assert date(2026, 12, 1) not in period
    assert date(2026, 10, 31) not in period


@pytest.mark.parametrize("end", [date(2026, 11, 1), date(2026, 10, 31)])
def test_a_period_is_never_empty(end: date) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        Period(date(2026, 11, 1), end)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2027, 1, 31), 2, date(2027, 3, 31)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_after_a_day(anchor: date, months: int, expected: date) -> None:
    assert add_months(anchor, months) == expected


def test_a_contract_of_the_31st_returns_to_the_31st() -> None:
    anchor = date(2027, 1, 31)
    period = Period(anchor, next_period_end(anchor, anchor, 1))
    ends = []
    for _month in range(4):
        ends.append(period.end)
        period = period.next_period(anchor, 1)
    assert ends == [date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30), date(2027, 5, 31)]


@given(days, st.sampled_from([1, 3, 6, 12, 24, 36]), st.integers(1, 60))
def test_periods_follow_one_another_without_drift(anchor: date, months: int, count: int) -> None:
    period = Period(anchor, next_period_end(anchor, anchor, months))
    for _number in range(count):
        following = period.next_period(anchor, months)
        assert following.start == period.end
        period = following
    assert period.end == add_months(anchor, months * (count + 1))


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        (date(2026, 11, 26), "Europe/Paris", datetime(2026, 11, 26, 23, tzinfo=UTC)),
        (date(2026, 3, 28), "Europe/Paris", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Paris", datetime(2026, 3, 29, 22, tzinfo=UTC)),  # the short day
        (date(2026, 10, 25), "Europe/Paris", datetime(2026, 10, 25, 23, tzinfo=UTC)),  # the long one
        (date(2026, 4, 23), "Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),  # no midnight: 00:00 is 01:00
        (date(2026, 10, 29), "Africa/Cairo", datetime(2026, 10, 29, 22, tzinfo=UTC)),  # 23:00 to 24:00 comes twice
        (date(2011, 12, 29), "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # 30 December never was
    ],
)
def test_a_day_ends_where_its_zone_says(day: date, zone: str, instant: datetime) -> None:
    assert end_of_day(day, ZoneInfo(zone)) == instant


@given(days, st.sampled_from(ZONES))
def test_the_last_moment_of_a_day_is_still_that_day(day: date, zone: ZoneInfo) -> None:
    end = end_of_day(day, zone)
    assert end.tzinfo is UTC
    assert today(end, zone) > day
    assert today(end - MOMENT, zone) <= day
    assert all(today(end + timedelta(minutes=minutes), zone) > day for minutes in range(0, 240, 15))


def test_today_is_a_matter_of_the_zone() -> None:
    now = datetime(2026, 11, 9, 23, 30, tzinfo=UTC)
    assert today(now, ZoneInfo("Europe/Paris")) == date(2026, 11, 10)
    assert today(now, ZoneInfo("America/New_York")) == date(2026, 11, 9)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2028, 1, 31), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2027, 1, 31)),
        (date(2026, 11, 9), date(2026, 12, 9)),
    ],
)
def test_an_answer_is_due_one_calendar_month_later(received: date, due: date) -> None:
    assert one_month_after(received) == due
