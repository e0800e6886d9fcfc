"""Days and periods: half-open, in the seller's zone, with month arithmetic that never drifts."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Period:
    """The days from `start` to before `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("a period has at least one day")

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def next_period(self, anchor: date, months: int) -> "Period":
        """The period of `months` that begins where this one ends, on the day of month of `anchor`."""
        return Period(self.end, next_period_end(anchor, self.end, months))


def today(now: datetime, zone: ZoneInfo) -> date:
    """The day it is in `zone` at `now` (aware)."""
    return now.astimezone(zone).date()


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) after `day` in `zone`: what is valid through `day` is over from here on.

    Where clocks change at midnight, that is the change itself (there is no 00:00) or the midnight after which the day
    never comes back.
    """
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def add_months(anchor: date, months: int) -> date:
    """`months` after `anchor`, on its day or the last day of a shorter month: 31 Jan + 1 → 28 Feb, + 2 → 31 Mar."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor.day, calendar.monthrange(year, month + 1)[1]))


def next_period_end(anchor: date, start: date, months: int) -> date:
    """The end (exclusive) of the period of `months` that begins on `start`, on the day of month of `anchor`.

    `anchor` is the first day of the first period, so that a contract begun on 31 January returns to the 31st.
    """
    begun = (start.year - anchor.year) * 12 + start.month - anchor.month
    return add_months(anchor, begun + months)


def one_month_after(day: date) -> date:
    """One calendar month later (GDPR Art. 12(3)): 31 January → 28 or 29 February."""
    return add_months(day, 1)
