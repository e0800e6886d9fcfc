"""Parts of an invoice: they make the total whatever it is, and money fills the earliest first."""

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.accounts.terms import MOST_PARTS, Part, Plan, checked_plan, kept, plan_of
from portico.billing.instalments import Split, due_by, filled, next_due_on, overdue_on, split
from portico.kit.errors import Invalid

DAY = date(2026, 11, 30)


def plan(*parts: tuple[str, int]) -> Plan:
    return tuple(Part(Decimal(percent), days) for percent, days in parts)


THIRTY_SEVENTY = plan(("30", 0), ("70", 30))
THIRDS = plan(("33.3333", 0), ("33.3333", 30), ("33.3334", 60))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan that is taken: cuts of 100 percent in ten-thousandths, at rising days."""
    count = draw(st.integers(2, MOST_PARTS))
    cuts = sorted(draw(st.sets(st.integers(1, 999_999), min_size=count - 1, max_size=count - 1)))
    days = sorted(draw(st.sets(st.integers(0, 365), min_size=count, max_size=count)))
    edges = [0, *cuts, 1_000_000]
    percents = [Decimal(b - a) / 10_000 for a, b in itertools.pairwise(edges)]
    return checked_plan(Part(percent, day) for percent, day in zip(percents, days, strict=True))


@given(plan=plans(), total=st.integers(0, 10**15))
def test_parts_make_the_total_and_none_is_below_zero(plan: Plan, total: int) -> None:
    parts = split(total, plan, DAY)
    assert sum(part.amount_minor for part in parts) == total
    assert all(part.amount_minor > 0 for part in parts)
    assert [part.due_on for part in parts] == sorted({part.due_on for part in parts})
    if total >= 10**8:  # none is so small that it rounds to nothing: each is its share, rounded once
        for part, wanted in list(zip(parts, plan, strict=True))[:-1]:
            assert abs(part.amount_minor - total * wanted.percent / 100) <= Decimal("0.5")


@given(plan=plans(), total=st.integers(1, 10**12), data=st.data())
def test_money_fills_the_earliest_part_first_in_any_steps_and_back(plan: Plan, total: int, data: st.DataObject) -> None:
    parts = split(total, plan, DAY)
    due = total
    for _step in range(data.draw(st.integers(1, 6))):
        due = data.draw(st.integers(0, total))  # a payment, a credit, a refund or a reversal: only what is due counts
        stand = filled(parts, due)
        assert sum(one.left_minor for one in stand) == due
        open_ones = [one for one in stand if one.left_minor]
        assert all(one.left_minor == one.amount_minor for one in open_ones[1:]), "only the first open one is begun"
        assert stand[len(stand) - len(open_ones) :] == open_ones, "what is paid comes before what is open"
        day = data.draw(st.integers(-5, 370))
        assert overdue_on(stand, DAY + timedelta(days=day)) == due_by(stand, DAY + timedelta(days=day - 1))
        assert next_due_on(parts, due) == (open_ones[0].due_on if open_ones else parts[-1].due_on)


@pytest.mark.parametrize(
    ("total", "terms", "amounts"),
    [
        (100_000, THIRTY_SEVENTY, [30_000, 70_000]),
        (100_00, THIRDS, [33_33, 33_33, 33_34]),
        (1, THIRTY_SEVENTY, [1]),
        (5, plan(("50", 0), ("50", 30)), [3, 2]),
        (2, plan(("25", 0), ("25", 1), ("25", 2), ("25", 3)), [1, 1]),
        (0, THIRTY_SEVENTY, []),
    ],
)
def test_each_part_is_rounded_once_and_the_last_takes_the_rest(total: int, terms: Plan, amounts: list[int]) -> None:
    assert [part.amount_minor for part in split(total, terms, DAY)] == amounts


def test_a_part_is_overdue_when_its_day_has_ended() -> None:
    stand = filled([Split(DAY, 30), Split(DAY + timedelta(days=30), 70)], 100)
    assert overdue_on(stand, DAY) == 0
    assert due_by(stand, DAY) == 30
    assert overdue_on(stand, DAY + timedelta(days=1)) == 30
    assert overdue_on(stand, DAY + timedelta(days=31)) == 100
    assert next_due_on([], 100) is None


@pytest.mark.parametrize(
    "wrong",
    [
        plan(("100", 30)),
        plan(("30", 0), ("60", 30)),
        plan(("30", 0), ("80", 30)),
        plan(("0", 0), ("100", 30)),
        plan(("-10", 0), ("110", 30)),
        plan(("33.33333", 0), ("66.66667", 30)),
        plan(("30", 30), ("70", 30)),
        plan(("30", 30), ("70", 10)),
        plan(("30", 0), ("70", 366)),
        plan(("30", -1), ("70", 30)),
        tuple(Part(Decimal(100) / 20, day) for day in range(20)),
    ],
)
def test_terms_that_cannot_be_are_refused(wrong: Plan) -> None:
    with pytest.raises(Invalid):
        checked_plan(wrong)


def test_terms_are_kept_as_they_were_typed() -> None:
    assert kept(THIRDS) == [["33.3333", 0], ["33.3333", 30], ["33.3334", 60]]
    assert plan_of(kept(THIRDS)) == THIRDS
    assert checked_plan(()) == ()
