"""Recurring revenue by hand: a month's worth of each term, renewals by month, and what came and went."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portico import cast
from portico.billing.models import Subscription
from portico.billing.recurring import Recurring, recurring
from portico.cast import World

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 9)


def running(
    world: World,
    name: str,
    *,
    term: int,
    begun: date,
    until: date,
    price: str,
    quantity: str = "1",
    discount: str = "0",
) -> Subscription:
    """A subscription of one item."""
    made = cast.open_database(world, world.fontaine, name, [], term=term, start_days_ago=0, state="active")
    Subscription.objects.filter(pk=made.pk).update(period_start=begun, period_end=until)
    made.refresh_from_db()
    made.items.create(
        product=world.products["users"], description="Users", quantity=Decimal(quantity), unit_price=Decimal(price),
        discount_percent=Decimal(discount), started_on=begun,
    )  # fmt: skip
    return made


def figures(world: World) -> Recurring:
    """Those of the only currency."""
    (one,) = recurring(world.seller, DAY)
    return one


def moved(world: World, month: date) -> tuple[int, int, int, int, int]:
    """New, expansion, contraction, churn and net of a month."""
    row = next(row for row in figures(world).movements() if row["month"] == month)
    return row["new"], row["expansion"], row["contraction"], row["churn"], row["net"]


def test_a_month_and_a_year_of_what_runs(people: World) -> None:
    running(people, "a", term=1, begun=date(2026, 10, 25), until=date(2026, 11, 25), price="32", quantity="3")
    running(
        people, "b", term=12, begun=date(2026, 3, 1), until=date(2027, 3, 1), price="100", quantity="3", discount="10"
    )
    running(people, "c", term=36, begun=date(2026, 3, 1), until=date(2029, 3, 1), price="100")
    paused = running(people, "d", term=1, begun=date(2026, 10, 25), until=date(2026, 11, 25), price="999")
    Subscription.objects.filter(pk=paused.pk).update(state="paused")
    found = figures(people)
    assert found.subscriptions == 3
    assert found.mrr_minor == 121_28, "96.00 + 270.00 / 12 + 100.00 / 36 = 121.277…"
    assert found.arr_minor == 1455_33, "12 × 121.277… rounded once, not 12 × 121.28"


def test_items_count_on_their_half_open_days(people: World) -> None:
    one = running(people, "a", term=1, begun=date(2026, 10, 25), until=date(2026, 11, 25), price="10")
    one.items.update(ended_on=DAY)
    assert figures(people).mrr_minor == 0
    one.items.update(ended_on=date(2026, 11, 10))
    assert figures(people).mrr_minor == 10_00
    one.items.update(started_on=date(2026, 11, 10), ended_on=None)
    assert figures(people).mrr_minor == 0


def test_renewals_due_fall_into_the_month_of_the_period_s_end(people: World) -> None:
    running(people, "a", term=1, begun=date(2026, 11, 1), until=date(2026, 12, 1), price="10")
    running(people, "b", term=12, begun=date(2025, 11, 30), until=date(2026, 11, 30), price="100", quantity="2.5")
    running(people, "late", term=1, begun=date(2026, 9, 1), until=date(2026, 10, 1), price="7")
    running(people, "far", term=12, begun=date(2026, 11, 1), until=date(2027, 11, 1), price="1000")
    ending = running(people, "ends", term=1, begun=date(2026, 11, 2), until=date(2026, 12, 2), price="5")
    ending.items.update(ended_on=ending.period_end)
    due = figures(people).due
    assert due[date(2026, 11, 1)] == 250_00 + 7_00
    assert due[date(2026, 12, 1)] == 10_00
    assert (len(due), sum(due.values())) == (12, 267_00), "the first of November 2027 is the month after the last"


def test_what_came_and_went(people: World) -> None:
    one = running(people, "a", term=12, begun=date(2026, 2, 28), until=date(2027, 2, 28), price="120")
    one.items.create(
        product=people.products["helpdesk"],
        description="Helpdesk",
        quantity=2,
        unit_price=60,
        started_on=date(2026, 3, 1),
    )
    one.items.create(
        product=people.products["users"], description="Users", quantity=1, unit_price=24, started_on=date(2026, 3, 31),
        ended_on=date(2026, 8, 1),
    )  # fmt: skip
    left = running(people, "b", term=1, begun=date(2026, 3, 5), until=date(2026, 9, 5), price="8")
    Subscription.objects.filter(pk=left.pk).update(state="ended")
    assert moved(people, date(2026, 2, 1)) == (10_00, 0, 0, 0, 10_00)
    assert moved(people, date(2026, 3, 1)) == (8_00, 12_00, 0, 0, 20_00), (
        "120 / 12 and 24 / 12 for those who were there"
    )
    assert moved(people, date(2026, 8, 1)) == (0, 0, -2_00, 0, -2_00)
    assert moved(people, date(2026, 9, 1)) == (0, 0, 0, -8_00, -8_00)
    assert moved(people, date(2026, 7, 1)) == (0, 0, 0, 0, 0), "the first of August is August's"
    everything = sum(row["net"] for row in figures(people).movements())
    assert everything == figures(people).mrr_minor == 20_00, "what came less what went is what runs"


@pytest.mark.parametrize("count", [1, 30])
def test_the_statements_are_the_same_at_any_size(people: World, count: int) -> None:
    for number in range(count):
        running(people, f"s-{number}", term=1, begun=date(2026, 10, 25), until=date(2026, 11, 25), price="10")
    with CaptureQueriesContext(connection) as captured:
        assert figures(people).mrr_minor == count * 10_00
    assert len(captured) == 5


def test_nothing_runs(people: World) -> None:
    assert recurring(people.seller, DAY) == []
