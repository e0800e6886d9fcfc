"""What renews by itself: once for each subscription and period, invoiced, whoever runs and whatever is wrong with another."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from portico import cast
from portico.accounts.models import Customer
from portico.billing import books, jobs
from portico.billing.actions import renew
from portico.billing.models import Invoice, Price, Subscription, SubscriptionPeriod
from portico.billing.models.pricelist import PRICE_COLUMNS, PriceHistory
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter

pytestmark = pytest.mark.django_db
CODES = [("plan-starter", "1"), ("users", "3")]


def renewing(world: World, count: int, *, term: int = 1, days_ago: int = 45) -> list[Subscription]:
    """Subscriptions that renew by themselves, begun so many days ago."""
    made = [
        cast.open_database(
            world, world.fontaine, f"renewing-{n:03d}", CODES, term=term, start_days_ago=days_ago, state="active"
        )
        for n in range(count)
    ]
    Subscription.objects.filter(pk__in=[one.pk for one in made]).update(auto_renew=True)
    for one in made:
        one.refresh_from_db()
    return made


def run(world: World, now: datetime | None = None) -> int:
    """The run until nothing is left."""
    total = 0
    while done := renew.renew_due(world.seller, now=now or world.now):
        total += done
    return total


def periods_of(subscription: Subscription) -> list[tuple[date, date]]:
    """Begin and end of all periods."""
    return list(subscription.periods.order_by("start").values_list("start", "end"))


def test_a_due_subscription_begins_its_next_period_and_is_invoiced_once(world: World) -> None:
    (one,) = renewing(world, 1)
    first = periods_of(one)
    assert one.period_end
    assert run(world) == 1
    one.refresh_from_db()
    assert periods_of(one) == [*first, (one.period_start, one.period_end)]
    assert one.period_start == first[0][1]
    period = SubscriptionPeriod.objects.get(subscription=one, start=one.period_start)
    invoice = Invoice.objects.get(period=period)
    assert invoice.net_minor == 45_00 + 3 * 17_00
    assert invoice.total_minor == invoice.net_minor * 120 // 100
    assert (invoice.title, invoice.lines.count()) == ("Renewal of renewing-000", 2)
    assert Letter.objects.filter(event="invoice_issued", about=f"invoice:{invoice.pk}").exists()
    assert run(world) == 0, "once"
    assert Invoice.objects.filter(period__subscription=one).count() == 1
    assert books.verify() == []


def test_the_price_is_the_one_that_was_shown_ahead(world: World) -> None:
    (one,) = renewing(world, 1, term=12, days_ago=366)
    items = [
        renew.Renewing.of(row)
        for row in one.items.values(
            "id", "product_id", "quantity", "unit_price", "discount_percent", "discount_until", "discount_after", "ended_on",
            "product__kind",
            "product__vat_category", "product__vat_rate", *(f"list_price__{name}" for name in PRICE_COLUMNS),
        )
    ]  # fmt: skip
    assert one.period_end
    shown = renew.price_renewal(
        items, customer=world.fontaine, currency=one.currency, term_months=12, on=one.period_end, history=PriceHistory()
    )
    run(world)
    assert shown
    assert Invoice.objects.get(period__subscription=one).total_minor == shown.total_minor


def test_what_is_long_due_catches_up_period_by_period_from_its_first_day(world: World) -> None:
    (one,) = renewing(world, 1)
    one.periods.all().delete()
    SubscriptionPeriod.objects.create(subscription=one, start=date(2026, 7, 31), end=date(2026, 8, 31))
    Subscription.objects.filter(pk=one.pk).update(period_start=date(2026, 7, 31), period_end=date(2026, 8, 31))
    assert run(world) == 3
    ends = [end for _start, end in periods_of(one)]
    assert ends == [date(2026, 8, 31), date(2026, 9, 30), date(2026, 10, 31), date(2026, 11, 30)]
    assert Invoice.objects.filter(period__subscription=one).count() == 3
    assert books.verify() == []


def test_what_ends_with_the_period_is_not_renewed(world: World) -> None:
    (one,) = renewing(world, 1)
    users = one.items.get(product__code="users")
    one.end_at_renewal(users.product, Decimal(2))
    run(world)
    assert Invoice.objects.get(period__subscription=one).net_minor == 45_00 + 17_00


@pytest.mark.parametrize("state", ["pending", "past_due", "suspended", "paused", "ended"])
def test_only_what_runs_and_renews_by_itself_is_renewed(world: World, state: str) -> None:
    one, other = renewing(world, 2)
    Subscription.objects.filter(pk=one.pk).update(state=state)
    Subscription.objects.filter(pk=other.pk).update(auto_renew=False)
    assert run(world) == 0


def test_the_day_counts_in_the_sellers_zone(world: World) -> None:
    (one,) = renewing(world, 1)
    assert one.period_end
    midnight = datetime.combine(one.period_end, datetime.min.time(), world.seller.zone)
    assert run(world, midnight - timedelta(seconds=1)) == 0
    assert run(world, midnight) == 1


def test_poisoned_ones_land_on_the_list_with_their_reason_and_the_rest_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = renewing(world, 6)
    many[1].items.all().delete()
    unchecked = Customer.objects.create(
        seller=world.seller, legal_name="Unchecked BV", country="NL", vat_id="NL123456789B01", created_at=world.now
    )
    Subscription.objects.filter(pk=many[3].pk).update(customer=unchecked)
    paper = renew.paper

    def poisoned(one: renew.Due, *rest: Any) -> Any:
        if one.subscription.pk == many[4].pk:  # a fault that nobody foresaw: it fails for the whole batch
            raise ArithmeticError
        return paper(one, *rest)

    monkeypatch.setattr(renew, "paper", poisoned)
    run(world)
    problems = {place: Subscription.objects.get(pk=one.pk).renewal_problem for place, one in enumerate(many)}
    assert {place for place, said in problems.items() if said} == {1, 3, 4}
    assert "nothing that could be renewed" in problems[1]
    assert "VAT" in problems[3]
    assert "ArithmeticError" in problems[4]
    for place in (0, 2, 5):
        assert Invoice.objects.filter(period__subscription=many[place]).count() == 1
    assert run(world) == 0
    assert books.verify() == []


def test_what_was_mended_is_tried_again(world: World) -> None:
    (one,) = renewing(world, 1)
    one.items.update(ended_on=one.period_end)
    run(world)
    one.refresh_from_db()
    assert one.renewal_problem
    one.items.update(ended_on=None)
    renew.try_again(subscription=one, by=world.omar, now=world.now)
    assert run(world) == 1
    with pytest.raises(Conflict):
        renew.try_again(subscription=one, by=world.omar, now=world.now)


def test_the_worker_does_it(world: World) -> None:
    renewing(world, 2)
    assert jobs.renewals(world.now) == 2
    assert jobs.renewals(world.now) == 0


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_at_once_each_subscription_is_renewed_by_one(world: World) -> None:
    many = renewing(world, 12)

    def work() -> int:
        done = 0
        while more := renew.renew_due(world.seller, now=world.now, most=3):
            done += more
        return done

    answers = at_once(work, work, work)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    for one in many:
        assert Invoice.objects.filter(period__subscription=one).count() == 1
        assert one.periods.count() == 2
    assert not Subscription.objects.exclude(renewal_problem="").exists()
    assert books.verify() == []
    assert connection.vendor


# Prices at renewal -----------------------------------------------------------------------------------------------------


def raised(world: World, code: str, amount: str, day: date, **more: object) -> Price:
    """A new list price from a day on, beside the old one."""
    return Price.objects.create(
        product=world.products[code], currency="EUR", term_months=1, unit_price=Decimal(amount), valid_from=day, **more
    )


def test_an_agreed_price_outlives_the_lists_and_moves_when_it_is_marked(world: World) -> None:
    kept, moved = renewing(world, 2)
    assert kept.period_end
    users = kept.items.get(product__code="users")
    new = raised(world, "users", "19", kept.period_end)
    old = users.list_price
    assert old
    own = Price.objects.create(
        product=users.product, currency="EUR", term_months=1, unit_price=Decimal(17), valid_from=date(2020, 1, 1),
        moves_from=moved.period_end,
    )  # fmt: skip
    moved.items.filter(product=users.product).update(list_price=own)
    run(world)
    assert Invoice.objects.get(period__subscription=kept).net_minor == 45_00 + 3 * 17_00
    assert Invoice.objects.get(period__subscription=moved).net_minor == 45_00 + 3 * 19_00
    item = moved.items.get(product=users.product)
    assert (item.unit_price, item.list_price, item.quantity) == (Decimal(19), new, 3)
    assert kept.items.get(product=users.product).unit_price == 17
    assert books.verify() == []


@pytest.mark.parametrize(
    ("model", "net", "items"),
    [
        ("graduated", 45_00 + 2 * 17_00 + 3 * 10_00, [(2, 17), (3, 10)]),
        ("volume", 45_00 + 5 * 10_00, [(5, 10)]),
    ],
)
def test_tiers_are_counted_anew_and_stand_on_the_invoice_line_by_line(
    world: World, model: str, net: int, items: list[tuple[int, int]]
) -> None:
    (one,) = renewing(world, 1)
    assert one.period_start
    users = world.products["users"]
    tiered = raised(world, "users", "17", date(2021, 1, 1), model=model, tiers=[["2", "17"], [None, "10"]])
    one.items.filter(product=users).update(list_price=tiered)
    one.add(users, Decimal(2), Decimal(17), Decimal(0), one.period_start)
    one.items.filter(product=users).update(list_price=tiered)
    run(world)
    invoice = Invoice.objects.get(period__subscription=one)
    assert invoice.net_minor == net
    lines = invoice.lines.filter(product=users).order_by("position")
    assert [(int(line.quantity), int(line.unit_price)) for line in lines] == items
    held = one.items.filter(product=users).order_by("id")
    assert [(int(item.quantity), int(item.unit_price)) for item in held] == items
    assert books.verify() == []


def test_a_discount_that_is_over_is_not_renewed(world: World) -> None:
    (one,) = renewing(world, 1)
    one.items.filter(product__code="users").update(discount_percent=Decimal(50), discount_until=one.period_end)
    run(world)
    assert Invoice.objects.get(period__subscription=one).net_minor == 45_00 + 3 * 17_00
    item = one.items.get(product__code="users")
    assert (item.discount_percent, item.discount_until) == (0, None)
