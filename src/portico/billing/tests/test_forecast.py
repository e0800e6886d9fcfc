"""The coming charges: each on its day, by the pricing that the run uses; known ends, trials and late ones among them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from portico.billing.actions import run
from portico.billing.forecast import Forecast, forecast
from portico.billing.models import Invoice, Subscription
from portico.billing.tests.actions.test_renew import renewing
from portico.cast import World
from portico.kit.periods import today

pytestmark = pytest.mark.django_db
NET, GROSS = 96_00, 115_20  # 45.00 + 3 × 17.00; with 20 % VAT


def of(world: World, *many: Subscription) -> Forecast:
    """The forecast of these alone."""
    rows = Subscription.objects.filter(pk__in=[one.pk for one in many])
    return forecast(rows, world.fontaine, today(world.now, world.seller.zone))


def test_a_monthly_one_is_charged_twelve_times_on_its_day(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=15)  # begun on 25 October
    found = of(world, one)
    assert [charge.on for charge in found.charges][:2] == [date(2026, 11, 25), date(2026, 12, 25)]
    assert (len(found.charges), found.charges[-1].on) == (12, date(2027, 10, 25))
    assert {(charge.net_minor, charge.vat_minor, charge.total_minor) for charge in found.charges} == {
        (NET, 19_20, GROSS)
    }
    months = found.by_month("EUR", date(2026, 11, 9))
    assert [minor for _month, minor in months] == [GROSS] * 12 + [0], "twelve and the month in which the year ends"
    assert months[0][0] == date(2026, 11, 1)


def test_the_year_is_half_open(world: World) -> None:
    (one,) = renewing(world, 1, term=12, days_ago=0)  # renews on 9 November 2027, a year after today
    assert of(world, one).charges == ()
    Subscription.objects.filter(pk=one.pk).update(period_end=date(2027, 11, 8))
    assert [charge.on for charge in of(world, one).charges] == [date(2027, 11, 8)]


def test_what_ends_with_the_period_is_not_in_it(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=15)
    users = one.items.get(product__code="users").product
    one.end_at_renewal(users, Decimal(2))
    assert {charge.net_minor for charge in of(world, one).charges} == {45_00 + 17_00}
    one.items.update(ended_on=one.period_end)
    assert of(world, one).charges == ()


def test_an_end_later_in_the_year_counts_from_its_day(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=15)
    one.items.filter(product__code="users").update(ended_on=date(2027, 2, 25))
    nets = [charge.net_minor for charge in of(world, one).charges]
    assert nets == [NET] * 3 + [45_00] * 9


def test_the_31st_comes_back_after_short_months(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=9)  # begun on 31 October
    assert [charge.on for charge in of(world, one).charges][:5] == [
        date(2026, 11, 30), date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31)
    ]  # fmt: skip


def test_a_trial_is_charged_from_the_day_on_which_it_ends(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=5)
    ends = date(2026, 11, 19)
    Subscription.objects.filter(pk=one.pk).update(trial_ends_on=ends, period_end=ends)
    assert [charge.on for charge in of(world, one).charges][:2] == [ends, date(2026, 12, 19)]


def test_what_does_not_run_costs_nothing_and_what_is_late_counts_in_this_month(world: World) -> None:
    one, late = renewing(world, 2, days_ago=45)  # begun on 25 September, due since 25 October
    Subscription.objects.filter(pk=one.pk).update(state="paused")
    found = of(world, one, late)
    assert {charge.subscription for charge in found.charges} == {late.database.name}
    assert found.by_month("EUR", date(2026, 11, 9))[0][1] == 2 * GROSS, "of October, and of November"


def test_the_first_charge_is_the_invoice_that_the_run_makes(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=15)
    shown = of(world, one).charges[0]
    run.go_on(world.seller, now=world.now + timedelta(days=17))
    made = Invoice.objects.get(period__subscription=one)
    assert (made.net_minor, made.vat_minor, made.delivered_on) == (shown.net_minor, shown.vat_minor, shown.on)


def test_without_a_checked_vat_number_it_is_named_and_left_out(world: World) -> None:
    (one,) = renewing(world, 1, days_ago=15)
    world.fontaine.country, world.fontaine.vat_id, world.fontaine.vat_id_checked_on = "NL", "NL1", None
    found = of(world, one)
    assert (found.charges, found.untold) == ((), (one.database.name,))
