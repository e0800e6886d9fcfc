"""Other plans, tiers, coupons, trials and minimum terms: what a change costs today, and what it renews at."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import F

from portico import cast
from portico.billing import books, jobs
from portico.billing.actions import change, draft, pay, renew
from portico.billing.actions import order as ordering
from portico.billing.models import (
    Change,
    Coupon,
    CouponUse,
    Invoice,
    Order,
    Payment,
    Price,
    Product,
    Quotation,
    Subscription,
)
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.my.pages import at_once
from portico.billing.tests.my.pages import books as everything
from portico.cast import World
from portico.kit.db import claim
from portico.kit.errors import Conflict, Invalid
from portico.kit.money import round_half_away
from portico.kit.periods import add_months

pytestmark = pytest.mark.django_db
MAIN = "atelier-fontaine"


def product(code: str) -> Product:
    """A product by its code."""
    return Product.objects.get(code=code)


def wanted(codes: dict[str, int]) -> dict[Product, Decimal]:
    """Quantities by product."""
    return {product(code): Decimal(quantity) for code, quantity in codes.items()}


def look(world: World, codes: dict[str, int], *, coupon: Coupon | None = None, now: Any = None) -> change.Preview:
    """What that would cost."""
    return change.preview(
        world.subscription(MAIN), wanted(codes), customer=world.fontaine, now=now or world.now, coupon=coupon
    )


def ask(world: World, codes: dict[str, int], *, coupon: str = "", now: Any = None) -> Quotation | None:
    """Camille asks for it."""
    return change.request_change(
        subscription=world.subscription(MAIN), wanted=wanted(codes), seen_minor=None, by=world.member(world.camille),
        now=now or world.now, coupon=coupon,
    )  # fmt: skip


def bought(world: World, codes: dict[str, int], *, coupon: str = "") -> Order:
    """Asked for, accepted and paid; the preview was the quotation, the order and the invoice."""
    found = Coupon.find(world.seller, coupon, world.now.date()) if coupon else None
    shown = look(world, codes, coupon=found)
    quotation = ask(world, codes, coupon=coupon)
    assert quotation
    assert quotation.current
    order = cast.accept(world, quotation, world.now)
    cast.paid_online(world, order, world.now)
    order.refresh_from_db()
    invoice = Invoice.objects.get(order=order)
    totals = {shown.today_minor, quotation.current.total_minor, order.total_minor, invoice.total_minor}
    assert len(totals) == 1, totals
    assert shown.renewal
    after = look(world, {}).renewal
    assert after
    assert after.total_minor == shown.renewal.total_minor, "what was said about the renewal"
    assert books.verify() == []
    return order


def held(world: World) -> dict[str, list[tuple[int, str]]]:
    """What runs today or begins later: quantity and price by code."""
    found: dict[str, list[tuple[int, str]]] = {}
    for item in world.subscription(MAIN).items.select_related("product").order_by("id"):
        if item.ended_on is None or item.ended_on > world.now.date():
            found.setdefault(item.product.code, []).append((int(item.quantity), f"{item.unit_price.normalize():f}"))
    return found


def renewed(world: World) -> Invoice:
    """The next period begins by itself; its invoice is what the page said."""
    subscription = world.subscription(MAIN)
    assert subscription.period_end
    Subscription.objects.filter(pk=subscription.pk).update(auto_renew=True)
    shown = look(world, {}).renewal
    assert shown
    at = world.now + (subscription.period_end - world.now.date()) + timedelta(hours=3)
    renew.renew_due(world.seller, now=at)
    invoice = Invoice.objects.get(period__subscription=subscription, period__start=subscription.period_end)
    assert (invoice.total_minor, invoice.net_minor) == (shown.total_minor, shown.net_minor)
    assert books.verify() == []
    return invoice


def part(world: World) -> Fraction:
    """The share of the period that is left."""
    return look(world, {}).part


# Another plan ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def enterprise(world: World) -> Product:
    """A dearer plan."""
    made = Product.objects.create(
        seller=world.seller, code="plan-enterprise", name="Enterprise plan", kind="plan", vat_rate=Decimal(20)
    )
    Price.objects.create(product=made, currency="EUR", term_months=12, unit_price=Decimal(2400))
    return made


def test_a_dearer_plan_begins_today_and_what_is_left_of_the_other_is_taken_off(
    world: World, enterprise: Product
) -> None:
    order = bought(world, {"plan-enterprise": 1, "users": 12})
    new, old, users = (round_half_away(part(world) * amount) for amount in (2400_00, 1200_00, 2 * 228_00))
    assert order.net_minor == new - old + users
    assert [line.kind for line in order.lines.order_by("position")] == ["line", "line", "allowance"]
    assert held(world)["plan-enterprise"] == [(1, "2400")]
    assert "plan-business" not in held(world)
    assert renewed(world).net_minor == 2400_00 + 480_00 + 12 * 228_00


def test_a_cheaper_plan_begins_with_the_renewal_and_can_be_taken_back(world: World) -> None:
    shown = look(world, {"plan-starter": 1})
    assert (shown.today_minor, [row.renewal_minor for row in shown.rows]) == (0, [480_00, -1200_00])
    assert ask(world, {"plan-starter": 1}) is None
    assert look(world, {"plan-starter": 1}).rows == [], "it is on its way"
    assert look(world, {}).unchanged_minor == 480_00 + 480_00 + 10 * 228_00
    assert ask(world, {"plan-business": 1}) is None
    assert held(world)["plan-business"] == [(1, "1200")]
    assert "plan-starter" not in held(world)
    assert ask(world, {"plan-starter": 1}) is None
    assert renewed(world).net_minor == 480_00 + 480_00 + 10 * 228_00
    kinds = Change.objects.filter(subscription=world.subscription(MAIN), quotation=None, created_by=world.camille)
    assert kinds.count() == 6, "each with who did it"


def test_a_dearer_plan_after_a_cheaper_one_was_chosen(world: World, enterprise: Product) -> None:
    assert ask(world, {"plan-starter": 1}) is None
    bought(world, {"plan-enterprise": 1})
    assert held(world) == {"plan-enterprise": [(1, "2400")], "manufacturing": [(1, "480")], "users": [(10, "228")]}
    assert renewed(world).net_minor == 2400_00 + 480_00 + 10 * 228_00


def test_a_database_has_one_plan(world: World, enterprise: Product) -> None:
    with pytest.raises(Invalid, match="one plan"):
        look(world, {"plan-enterprise": 1, "plan-starter": 1})


# Tiers -----------------------------------------------------------------------------------------------------------------


def tiered(world: World, model: str) -> Price:
    """Users by tiers from now on, and the subscription follows them."""
    price = Price.objects.create(
        product=world.products["users"], currency="EUR", term_months=12, valid_from=world.now.date(), model=model,
        unit_price=Decimal(228), tiers=[["10", "228"], ["15", "180"], [None, "120"]],
    )  # fmt: skip
    world.subscription(MAIN).items.filter(product__code="users").update(list_price=price)
    return price


@pytest.mark.parametrize(
    ("model", "lines", "renewal"),
    [
        ("graduated", [(5, 180), (2, 120)], 10 * 228_00 + 5 * 180_00 + 2 * 120_00),
        ("volume", [(7, 120)], 17 * 120_00),
    ],
)
def test_more_units_stand_on_paper_tier_by_tier(
    world: World, model: str, lines: list[tuple[int, int]], renewal: int
) -> None:
    tiered(world, model)
    order = bought(world, {"users": 17})
    told = [(int(line.quantity), int(line.unit_price)) for line in order.lines.order_by("position")]
    assert told == lines
    assert renewed(world).net_minor == 1200_00 + 480_00 + renewal


def test_fewer_units_are_renewed_by_the_tiers_that_are_left(world: World) -> None:
    tiered(world, "graduated")
    bought(world, {"users": 17})
    assert ask(world, {"users": 12}) is None
    assert renewed(world).net_minor == 1200_00 + 480_00 + 10 * 228_00 + 2 * 180_00


def test_what_has_one_price_is_sold_once(world: World) -> None:
    made = Product.objects.create(seller=world.seller, code="support", name="Support", kind="users", vat_rate=20)
    Price.objects.create(product=made, currency="EUR", term_months=12, unit_price=Decimal(900), model="flat")
    assert look(world, {"support": 1}).rows[0].renewal_minor == 900_00
    with pytest.raises(Invalid, match="one price"):
        look(world, {"support": 2})


# Coupons ---------------------------------------------------------------------------------------------------------------


def coupon(world: World, **more: Any) -> Coupon:
    """WELCOME: twenty percent until the next renewal, unless told otherwise."""
    return Coupon.objects.create(**{"seller": world.seller, "code": "WELCOME", "percent": Decimal(20)} | more)


@pytest.mark.parametrize(
    ("duration", "first", "second"),
    [("once", 500, 500), ("periods", 400, 500), ("forever", 400, 400)],
)
def test_a_percentage_lasts_as_long_as_it_says(world: World, duration: str, first: int, second: int) -> None:
    Price.objects.filter(product__code="helpdesk", term_months=12, currency="EUR").update(unit_price=Decimal(500))
    coupon(world, duration=duration, periods=2)
    order = bought(world, {"helpdesk": 1, "users": 10}, coupon=" welcome ")
    assert order.net_minor == round_half_away(part(world) * 400_00)
    rest = 1200_00 + 480_00 + 10 * 228_00
    assert renewed(world).net_minor == rest + first * 100
    subscription = world.subscription(MAIN)
    assert subscription.period_end
    after = change.preview(subscription, {}, customer=world.fontaine, now=world.now + timedelta(days=370)).renewal
    assert after
    assert after.net_minor == rest + second * 100


def test_an_amount_is_taken_off_once_and_never_more_than_it_costs(world: World) -> None:
    coupon(world, percent=None, amounts={"EUR": 25_00})
    order = bought(world, {"helpdesk": 1}, coupon="WELCOME")
    assert order.net_minor == round_half_away(part(world) * 360_00) - 25_00
    coupon(world, code="ALL", percent=None, amounts={"EUR": 99_999_00})
    assert ask(world, {"quality": 1}, coupon="ALL") is None, "nothing is left to pay, so it is done"
    assert held(world)["quality"] == [(1, "240")]
    assert CouponUse.objects.filter(coupon__code="ALL", quotation=None).count() == 1
    coupon(world, code="CROWNS", percent=None, amounts={"NOK": 99_00})
    assert look(world, {"point-of-sale": 1}, coupon=Coupon.objects.get(code="CROWNS")).coupon_minor == 0


def test_it_is_for_its_products_and_is_not_added_to_another_discount(world: World) -> None:
    made = coupon(world)
    made.products.add(world.products["helpdesk"])
    shown = look(world, {"helpdesk": 1, "quality": 1}, coupon=made)
    assert [int(row.step.discount_percent) for row in shown.rows] == [20, 0]
    world.subscription(MAIN).items.filter(product__code="users").update(discount_percent=Decimal(10))
    made.products.clear()
    (row,) = look(world, {"users": 11}, coupon=Coupon.objects.get(code="WELCOME")).rows
    assert row.step.discount_percent == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"is_active": False},
        {"code": "OTHER"},
        {"valid_from": "tomorrow"},
        {"valid_until": "yesterday"},
    ],
)
def test_a_code_that_is_not_valid_is_refused_in_the_same_words(world: World, changes: dict[str, Any]) -> None:
    days = {"tomorrow": 1, "yesterday": -1}
    moved = {
        name: world.now.date() + timedelta(days=days[value]) if value in days else value
        for name, value in changes.items()
    }
    coupon(world, **moved)
    before = everything()
    with pytest.raises(Invalid, match="WELCOME is not valid"):
        ask(world, {"helpdesk": 1}, coupon="WELCOME")
    assert everything() == before


def test_the_last_use_is_given_once_and_comes_back_when_its_offer_ends(world: World) -> None:
    made = coupon(world, max_uses=1)
    first = ask(world, {"helpdesk": 1}, coupon="WELCOME")
    assert first
    with pytest.raises(Conflict, match="used up"):
        ask(world, {"quality": 1}, coupon="WELCOME")
    assert first.current
    assert first.current.valid_until
    later = world.now + timedelta(days=(first.current.valid_until - world.now.date()).days + 1)
    assert ask(world, {"quality": 1}, coupon="WELCOME", now=later)
    made.refresh_from_db()
    assert made.used == 1
    assert CouponUse.objects.filter(released_at=None).count() == 1


def test_what_was_accepted_stays_used(world: World) -> None:
    coupon(world, max_uses=1)
    bought(world, {"helpdesk": 1}, coupon="WELCOME")
    with pytest.raises(Conflict, match="used up"):
        ask(world, {"quality": 1}, coupon="WELCOME", now=world.now + timedelta(days=60))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False])
def test_of_ten_at_once_three_get_it(world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """With the guard off, all that read before anyone wrote go on, and only the database's own check stops them."""
    made = coupon(world, max_uses=3)
    subscription = world.subscription(MAIN)
    together = Barrier(10)

    def counted(self: Coupon) -> bool:
        seen = Coupon.objects.get(pk=self.pk)
        together.wait(20)
        return seen.used < 3 and claim(Coupon.objects.filter(pk=self.pk), used=F("used") + 1)

    if not guarded:
        monkeypatch.setattr(Coupon, "_count", counted)

    def take() -> bool:
        Coupon.objects.get(pk=made.pk).take(
            customer=world.fontaine, subscription=subscription, quotation=None, now=world.now
        )
        return True

    answers = at_once(*[take] * 10)
    made.refresh_from_db()
    assert answers.count(True) == made.used == CouponUse.objects.count() == 3
    refused = {type(one) for one in answers if one is not True}
    assert refused == ({Conflict} if guarded else {IntegrityError}), "a person reads why, a fault is none"


# A trial ---------------------------------------------------------------------------------------------------------------


def trial(world: World) -> Subscription:
    """A new database whose first fourteen days are free; users come with ten percent off."""
    quotation = cast.offer(
        world, world.fontaine, "A new shop",
        [cast.line(world, "plan-business"), cast.line(world, "users", "3", discount_percent=Decimal(10))], world.now,
        about={"database_name": "fontaine-trial", "term_months": 12, "trial_days": 14},
    )  # fmt: skip
    assert quotation.current
    assert quotation.current.total_minor == 0
    order = cast.accept(world, quotation, world.now)
    order.refresh_from_db()
    assert (order.state, order.invoices.count()) == ("fulfilled", 0)
    return world.subscription("fontaine-trial")


def test_a_trial_is_free_and_ends_by_itself_into_the_period_that_is_paid(world: World) -> None:
    one = trial(world)
    ends = world.now.date() + timedelta(days=14)
    assert (one.state, one.period_end, one.trial_ends_on, one.auto_renew) == ("active", ends, ends, True)
    shown = change.preview(one, {}, customer=world.fontaine, now=world.now).renewal
    assert shown
    assert shown.net_minor == 1200_00 + round_half_away(Fraction(3 * 228_00 * 90, 100))
    jobs.renewals(world.now + timedelta(days=13))
    assert not Invoice.objects.filter(period__subscription=one).exists()
    jobs.renewals(world.now + timedelta(days=15))
    one.refresh_from_db()
    assert (one.period_start, one.period_end) == (ends, add_months(ends, 12))
    assert Invoice.objects.get(period__subscription=one).total_minor == shown.total_minor
    assert {item.discount_percent for item in one.items.all()} == {0, 10}
    assert books.verify() == []


def test_what_is_added_in_a_trial_costs_nothing_until_it_ends(world: World) -> None:
    one = trial(world)
    shown = change.preview(one, wanted({"users": 5, "helpdesk": 1}), customer=world.fontaine, now=world.now)
    assert (shown.is_trial, shown.is_priced, shown.today_minor) == (True, True, 0)
    made = change.request_change(
        subscription=one, wanted=wanted({"users": 5, "helpdesk": 1}), seen_minor=0, by=world.member(world.camille),
        now=world.now,
    )  # fmt: skip
    assert made is None
    jobs.renewals(world.now + timedelta(days=15))
    assert shown.renewal
    assert Invoice.objects.get(period__subscription=one).total_minor == shown.renewal.total_minor


# A minimum term --------------------------------------------------------------------------------------------------------


def test_what_is_agreed_for_longer_is_not_reduced_before(world: World) -> None:
    Product.objects.filter(code__in=["helpdesk", "users"]).update(minimum_months=24)
    bought(world, {"helpdesk": 1})
    subscription = world.subscription(MAIN)
    until = add_months(world.now.date(), 24)
    assert subscription.committed_until() == until
    assert subscription.committed_until(product("users")) is None, "what was there before was agreed without it"
    before = everything()
    with pytest.raises(Invalid, match="is agreed until"):
        ask(world, {"helpdesk": 0})
    with pytest.raises(Conflict, match="is agreed until"):
        subscription.end_at_renewal(product("helpdesk"), Decimal(1))
    assert everything() == before
    assert ask(world, {"users": 9}) is None
    subscription.items.filter(product__code="helpdesk").update(committed_until=subscription.period_end)
    assert ask(world, {"helpdesk": 0}) is None, "for the renewal on that day it can go"


# Paid after its period -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swept", [True, False])
def test_an_order_for_more_that_is_paid_after_its_period_changes_nothing_and_the_money_stays_the_customers(
    world: World, swept: bool
) -> None:
    subscription = world.subscription(MAIN)
    assert subscription.period_end
    quotation = ask(world, {"users": 12})
    assert quotation
    order = cast.accept(world, quotation, world.now)
    payment = pay.start_payment(by=world.member(world.camille), provider="sandbox", order=order, now=world.now)
    last = world.now + (subscription.period_end - world.now.date())
    assert ordering.cancel_lapsed(world.seller, now=last - timedelta(days=1)) == 0, "until its last day it can be paid"
    if swept:
        assert jobs.lapsed_orders(last) == 1
        assert jobs.lapsed_orders(last) == 0
    gateway.pay(cast.at_gateway(payment, world.now), now=last)
    pay.lookup_payment(payment=payment, now=last)
    order.refresh_from_db()
    assert order.state == ("cancelled" if swept else "awaiting_payment")
    assert not order.invoices.exists()
    payment = Payment.objects.get(pk=payment.pk)
    assert payment.unallocated_minor == order.total_minor, "it is the customer's credit"
    assert payment.review
    assert held(world)["users"] == [(10, "228")]
    if not swept:
        assert jobs.lapsed_orders(last) == 1
    assert not Change.objects.filter(order=order, state="applied").exists()
    assert books.verify() == []


def test_what_a_coupon_lasts_is_kept_by_the_next_version(world: World) -> None:
    coupon(world)
    quotation = ask(world, {"helpdesk": 1}, coupon="WELCOME")
    assert quotation
    version = draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    lines = [draft.draft_of(line) for line in version.lines.select_related("product")]
    draft.save_draft(version=version, revision=version.revision, fields={"title": "Again"}, lines=lines, now=world.now)
    (line,) = version.lines.all()
    assert line.discount_until == world.subscription(MAIN).period_end
    assert line.list_price == product("helpdesk").prices.get(currency="EUR", term_months=12)
    lines = [replace(one, discount_percent=Decimal(30)) for one in lines]
    draft.save_draft(version=version, revision=version.revision, fields={}, lines=lines, now=world.now)
    assert version.lines.get().discount_until is None, "another discount is agreed for good"
