"""A subscription's row that was edited behind the portal is found, and named."""

from datetime import timedelta
from typing import Any

import pytest

from portico.billing import books
from portico.billing.models import Subscription, SubscriptionPeriod
from portico.cast import World

MAIN = "atelier-fontaine"


def found() -> list[tuple[str, str]]:
    return [(one.document, one.invariant) for one in books.verify()]


def test_the_cast_is_in_order(world: World) -> None:
    assert found() == []


def test_periods_that_overlap(world: World) -> None:
    one = world.subscription(MAIN)
    assert one.period_start
    SubscriptionPeriod.objects.create(
        subscription=one, start=one.period_start + timedelta(days=1), end=one.period_start + timedelta(days=9)
    )
    assert (MAIN, "periods of a subscription do not overlap") in found()


def test_a_running_period_that_is_not_stored(world: World) -> None:
    one = world.subscription(MAIN)
    assert one.period_end
    Subscription.objects.filter(pk=one.pk).update(period_end=one.period_end + timedelta(days=1))
    assert found() == [(MAIN, "the running period is stored")]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"state": "ended", "auto_renew": True}, "what has ended goes on no more"),
        ({"ended_on": "2026-11-01"}, "the days of a subscription fit its state"),
        ({"suspended_on": "2026-11-01"}, "the days of a subscription fit its state"),
        (
            {"state": "suspended", "past_due_on": "2026-11-02", "suspended_on": "2026-11-01"},
            "the days of a subscription fit its state",
        ),
    ],
)
def test_a_state_that_its_days_do_not_fit(world: World, changes: dict[str, Any], rule: str) -> None:
    Subscription.objects.filter(database__name=MAIN).update(**changes)
    assert found() == [(MAIN, rule)]


def test_a_period_after_the_end(world: World) -> None:
    one = world.subscription(MAIN)
    assert one.period_start
    Subscription.objects.filter(pk=one.pk).update(state="ended", ended_on=one.period_start)
    assert found() == [(MAIN, "what has ended goes on no more")]
