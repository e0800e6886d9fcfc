"""A running subscription gets more or less: the preview is the bill, and what is only looked at costs nothing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico import cast
from portico.accounts.models import Membership
from portico.billing import books
from portico.billing.actions import change, steps
from portico.billing.models import (
    Change,
    Invoice,
    Order,
    PaymentRequest,
    Price,
    Product,
    Quotation,
    Subscription,
)
from portico.billing.tests.my.pages import books as everything
from portico.billing.tests.rates import with_rate
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.money import line_net_minor
from portico.kit.periods import add_months

pytestmark = pytest.mark.django_db
MAIN = "atelier-fontaine"


def product(code: str) -> Product:
    """A product by its code."""
    return Product.objects.get(code=code)


def ask(world: World, wanted: dict[str, int]) -> Quotation | None:
    """Camille asks for quantities by product code."""
    return change.request_change(
        subscription=world.subscription(MAIN),
        wanted={product(code): Decimal(quantity) for code, quantity in wanted.items()},
        seen_minor=None,
        by=world.member(world.camille),
        now=world.now,
    )


def look(world: World, wanted: dict[str, int]) -> change.Preview:
    """What that would cost."""
    return change.preview(
        world.subscription(MAIN),
        {product(code): Decimal(quantity) for code, quantity in wanted.items()},
        customer=world.fontaine,
        now=world.now,
    )


def accept(world: World, quotation: Quotation) -> Order:
    """Camille accepts; its order."""
    return cast.accept(world, quotation, world.now)


def held(world: World) -> dict[str, tuple[int, int]]:
    """What stays and what ends of each product, by code."""
    found = steps.holdings(world.subscription(MAIN).items.select_related("product"), world.now.date())
    return {one.product.code: (int(one.stays), int(one.ends)) for one in found.values()}


# What it costs ---------------------------------------------------------------------------------------------------------


def test_more_is_charged_for_the_days_that_are_left_and_less_from_renewal_on(world: World) -> None:
    subscription = world.subscription(MAIN)
    assert subscription.period_start
    assert subscription.period_end
    left = (subscription.period_end - world.now.date()).days
    days = (subscription.period_end - subscription.period_start).days
    shown = look(world, {"users": 13, "manufacturing": 0})
    users, removed = shown.rows
    assert (shown.days, shown.period.days) == (left, days)
    assert users.today_minor == round(Fraction(3 * 228_00 * left, days))
    assert users.renewal_minor == 3 * 228_00
    assert (removed.today_minor, removed.renewal_minor) == (0, -480_00)
    assert shown.unchanged_minor == 1200_00 + 480_00 + 10 * 228_00
    assert shown.renewal
    assert shown.renewal.net_minor == shown.unchanged_minor + 3 * 228_00 - 480_00
    assert shown.today
    assert shown.today_minor == shown.today.net_minor + round(Fraction(shown.today.net_minor, 5))


def test_looking_and_choosing_back_writes_and_costs_nothing(world: World) -> None:
    before = everything()
    look(world, {"users": 500, "point-of-sale": 1, "manufacturing": 0})
    assert look(world, {"users": 10, "point-of-sale": 0, "manufacturing": 1}).rows == []
    assert everything() == before
    with pytest.raises(Invalid, match="Nothing is changed"):
        ask(world, {"users": 10})


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"users": -1}, "whole number"),
        ({"users": 100_001}, "at most"),
        ({"point-of-sale": 2}, "installed once"),
        ({"plan-business": 0}, "plan cannot be removed"),
        ({"training": 1}, "cannot be added"),
    ],
)
def test_what_cannot_be_is_refused_and_says_why(world: World, wanted: dict[str, int], why: str) -> None:
    before = everything()
    with pytest.raises(Invalid, match=why):
        ask(world, wanted)
    assert everything() == before


def test_only_who_decides_asks_and_a_price_that_changed_is_shown_again(world: World) -> None:
    with pytest.raises(Forbidden):
        change.request_change(
            subscription=world.subscription(MAIN), wanted={product("users"): Decimal(11)}, seen_minor=None,
            by=world.member(world.julien), now=world.now,
        )  # fmt: skip
    seen = look(world, {"users": 11}).today_minor
    with pytest.raises(Conflict, match="price has changed"):
        change.request_change(
            subscription=world.subscription(MAIN), wanted={product("users"): Decimal(11)}, seen_minor=seen,
            by=world.member(world.camille), now=world.now + timedelta(days=1),
        )  # fmt: skip
    assert not Quotation.objects.filter(origin="portal").exists()


@pytest.mark.parametrize("state", ["pending", "past_due", "suspended", "paused", "ended"])
def test_what_does_not_run_is_not_changed(world: World, state: str) -> None:
    Subscription.objects.filter(database__name=MAIN).update(state=state)
    with pytest.raises(Conflict, match="cannot be changed now"):
        ask(world, {"users": 11})


# From preview to invoice -----------------------------------------------------------------------------------------------


def test_the_quotation_says_what_was_previewed_and_its_acceptance_changes_the_database(world: World) -> None:
    shown = look(world, {"users": 12, "point-of-sale": 1, "manufacturing": 0})
    quotation = ask(world, {"users": 12, "point-of-sale": 1, "manufacturing": 0})
    assert quotation
    version = quotation.current
    assert version is None or version.total_minor == shown.today_minor
    quotation.refresh_from_db()
    assert quotation.current
    assert quotation.current.total_minor == shown.today_minor
    assert (quotation.kind, quotation.origin, quotation.effective_on) == ("upsell", "portal", world.now.date())
    assert (quotation.fraction_days, quotation.fraction_of_days) == (shown.days, shown.period.days)
    assert quotation.current.valid_until
    assert quotation.current.valid_until < shown.period.end
    assert held(world)["users"] == (10, 0), "nothing changes before it is accepted"
    order = accept(world, quotation)
    assert order.total_minor == shown.today_minor
    cast.paid_online(world, order, world.now)
    assert held(world)["users"] == (12, 0)
    assert held(world)["point-of-sale"] == (1, 0)
    assert held(world)["manufacturing"] == (0, 1)
    invoice = Invoice.objects.get(order=order)
    assert (invoice.total_minor, invoice.net_minor) == (shown.today_minor, shown.today.net_minor if shown.today else 0)
    renewed = look(world, {})
    assert renewed.renewal
    assert shown.renewal
    assert renewed.renewal.total_minor == shown.renewal.total_minor
    assert books.verify() == []


def test_less_alone_is_noted_at_once_and_taken_back_at_no_cost(world: World) -> None:
    assert ask(world, {"users": 7, "manufacturing": 0}) is None
    assert held(world)["users"] == (7, 3)
    assert held(world)["manufacturing"] == (0, 1)
    shown = look(world, {})
    assert shown.unchanged_minor == 1200_00 + 7 * 228_00
    assert ask(world, {"users": 9, "manufacturing": 1}) is None
    assert held(world)["users"] == (9, 1)
    assert held(world)["manufacturing"] == (1, 0)
    assert ask(world, {"users": 10}) is None
    assert held(world)["users"] == (10, 0)
    assert not Change.objects.filter(state="pending", quotation__origin="portal").exists()


def test_more_while_some_end_keeps_those_first(world: World) -> None:
    assert ask(world, {"users": 7}) is None
    shown = look(world, {"users": 11})
    (row,) = shown.rows
    assert (int(row.step.added), int(row.step.kept)) == (1, 3)
    assert row.today_minor == round(Fraction(228_00 * shown.days, shown.period.days))
    quotation = ask(world, {"users": 11})
    assert quotation
    assert held(world)["users"] == (7, 3), "until it is accepted"
    order = accept(world, quotation)
    cast.paid_online(world, order, world.now)
    assert held(world)["users"] == (11, 0)


def test_of_two_acceptances_neither_is_lost(world: World) -> None:
    one, two = ask(world, {"users": 11}), ask(world, {"users": 12})
    assert one
    assert two
    for quotation in (one, two):
        cast.paid_online(world, accept(world, quotation), world.now)
    assert held(world)["users"] == (13, 0), "each quotation said how many more it adds"


# For any catalogue and day ---------------------------------------------------------------------------------------------

PRICES = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(50_000), places=4)


@dataclass(frozen=True)
class Case:
    """A subscription somewhere in its period, and a change of it."""

    currency: str
    months: int
    start: date
    end: date
    day: date
    hour: int
    users: int
    price: Decimal
    discount: Decimal
    wanted: int
    applications: list[Decimal]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any of them: leap years, the days on which clocks change, currencies of 0, 2 and 3 decimals."""
    start = draw(st.dates(date(2023, 1, 1), date(2032, 12, 31)))
    months = draw(st.sampled_from([1, 3, 12, 24, 36]))
    end = add_months(start, months)
    return Case(
        currency=draw(st.sampled_from(["EUR", "JPY", "TND"])),
        months=months,
        start=start,
        end=end,
        day=start + timedelta(days=draw(st.integers(0, (end - start).days - 1))),
        hour=draw(st.integers(0, 23)),
        users=draw(st.integers(1, 400)),
        price=draw(PRICES),
        discount=Decimal(draw(st.sampled_from(["0", "10", "12.5", "33.3333"]))),
        wanted=draw(st.integers(0, 900)),
        applications=draw(st.lists(PRICES, min_size=1, max_size=4)),
    )


def made_real(world: World, case: Case) -> tuple[Subscription, dict[Product, Decimal], datetime]:
    """The subscription of a case, what is wanted, and when."""
    local = datetime(case.day.year, case.day.month, case.day.day, case.hour, tzinfo=world.seller.zone)
    with_rate(world, case.currency)
    Subscription.objects.filter(database__name=MAIN).update(
        currency=case.currency, term_months=case.months, period_start=case.start, period_end=case.end
    )
    subscription = world.subscription(MAIN)
    subscription.items.all().delete()
    subscription.items.create(
        product=product("users"), description="Users", quantity=case.users, unit_price=case.price,
        discount_percent=case.discount, started_on=case.start,
    )  # fmt: skip
    wanted = {product("users"): Decimal(case.wanted)}
    for number, unit_price in enumerate(case.applications):
        more = Product.objects.create(
            seller=world.seller,
            code=f"app-{number}",
            name=f"Application {number}",
            kind="application",
            vat_rate=Decimal(20),
        )
        Price.objects.create(product=more, currency=case.currency, term_months=case.months, unit_price=unit_price)
        wanted[more] = Decimal(1)
    return subscription, wanted, local.astimezone(UTC)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_preview_quotation_order_and_invoice_agree_to_the_minor_unit(world: World, case: Case) -> None:
    with transaction.atomic():
        subscription, wanted, now = made_real(world, case)
        by = Membership.objects.select_related("user", "customer__seller").get(pk=world.member(world.camille).pk)
        shown = change.preview(subscription, wanted, customer=by.customer, now=now)
        whole = sum(
            line_net_minor(row.step.added, row.step.unit_price, row.step.discount_percent, shown.currency)
            for row in shown.rows
        )
        assert shown.today is None or shown.today.net_minor <= whole + len(shown.rows)
        if shown.today_minor:
            quotation = change.request_change(
                subscription=subscription, wanted=wanted, seen_minor=shown.today_minor, by=by, now=now
            )
            assert quotation
            quotation.refresh_from_db()
            version = quotation.current
            assert version
            assert (version.total_minor, version.currency) == (shown.today_minor, shown.currency)
            order = cast.accept(world, quotation, now)
            assert (order.total_minor, order.currency) == (shown.today_minor, shown.currency)
            request = PaymentRequest.objects.get(order=order)
            assert request.amount_minor == shown.today_minor
            nets = [line.net_minor for line in order.lines.order_by("position")]
            assert nets == [row.today_minor for row in shown.rows if row.step.added]
        transaction.set_rollback(True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), part=st.integers(1, 898))
def test_a_change_in_two_steps_costs_the_same_within_one_minor_unit_a_line(world: World, case: Case, part: int) -> None:
    with transaction.atomic():
        subscription, wanted, now = made_real(world, case)
        users = product("users")
        have, want = subscription.items.get().quantity, wanted[users]
        middle = have + min(Decimal(part), max(want - have - 1, Decimal(0)))
        at_once = _users_net(world, subscription, want, now)
        first = _users_net(world, subscription, middle, now)
        subscription.items.update(quantity=max(middle, have))
        second = _users_net(world, subscription, want, now)
        assert abs(at_once - first - second) <= 1
        transaction.set_rollback(True)


def _users_net(world: World, subscription: Subscription, quantity: Decimal, now: datetime) -> int:
    """What that many users cost today, before VAT."""
    shown = change.preview(subscription, {product("users"): quantity}, customer=world.fontaine, now=now)
    return sum(row.today_minor for row in shown.rows)
