"""For any catalogue, term, day and currency: what was shown before is what is quoted, ordered, paid, invoiced and renewed.

The whole way is gone, from the page's preview to the issued invoice and the next period's, in a transaction that is undone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portico import cast
from portico.accounts.models import Membership
from portico.billing import books, pricing
from portico.billing.actions import bill, change, draft, renew, send, steps
from portico.billing.models import (
    Coupon,
    Invoice,
    Order,
    PaymentRequest,
    Price,
    Product,
    Quotation,
    Subscription,
    SubscriptionPeriod,
)
from portico.billing.models.pricelist import GRADUATED, PER_UNIT, VOLUME
from portico.billing.tests.my.pages import books as everything
from portico.billing.tests.rates import with_rate
from portico.cast import World
from portico.kit.errors import Invalid
from portico.kit.money import line_net_minor
from portico.kit.periods import add_months, today

pytestmark = pytest.mark.django_db
MAIN = "atelier-fontaine"
PRICES = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(20_000), places=4)
DISCOUNTS = st.sampled_from([Decimal(one) for one in ("0", "0", "10", "12.5", "33.3333", "100")])
CLOCKS = [(3, 28), (10, 31), (2, 29), (2, 28), (12, 31)]
"""Days on or beside which clocks change, and other ends."""
undone = settings(
    max_examples=25,
    deadline=None,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # a failing case is told as found: going the whole way is slow
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Case:
    """A subscription somewhere in its period, a catalogue, and a change."""

    currency: str
    months: int
    start: date
    day: date
    hour: int
    users: int
    wanted: int
    model: str
    prices: tuple[Decimal, Decimal, Decimal]
    borders: tuple[int, int]
    is_agreed: bool
    discount: Decimal
    applications: list[Decimal]
    plan: tuple[Decimal, Decimal]
    coupon: str
    percent: Decimal
    amount: int
    deposit: Decimal | None

    @property
    def end(self) -> date:
        """The renewal."""
        return add_months(self.start, self.months)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any of them: leap years, the days on which clocks change, currencies of 0, 2 and 3 decimals, tiers, coupons, deposits."""
    start = draw(st.dates(date(2027, 1, 1), date(2036, 12, 31)))
    months = draw(st.sampled_from([1, 3, 12, 24, 36, 120]))
    end = add_months(start, months)
    special = [
        day
        for year in range(start.year, end.year + 1)
        for month, number in CLOCKS
        for day in [date(year, month, number if (month, number) != (2, 29) or year % 4 == 0 else 28)]
        if start <= day < end
    ]
    days = st.integers(0, (end - start).days - 1).map(lambda number: start + timedelta(days=number))
    first = draw(st.integers(1, 300))
    return Case(
        currency=draw(st.sampled_from(["EUR", "JPY", "TND"])),
        months=months,
        start=start,
        day=draw(st.one_of(days, st.sampled_from(special)) if special else days),
        hour=draw(st.integers(0, 23)),
        users=draw(st.integers(1, 400)),
        wanted=draw(st.integers(0, 900)),
        model=draw(st.sampled_from([PER_UNIT, GRADUATED, VOLUME])),
        prices=(draw(PRICES), draw(PRICES), draw(PRICES)),
        borders=(first, first + draw(st.integers(1, 300))),
        is_agreed=draw(st.booleans()),
        discount=draw(DISCOUNTS),
        applications=draw(st.lists(PRICES, max_size=3)),
        plan=(draw(PRICES), draw(PRICES)),
        coupon=draw(st.sampled_from(["", "once", "periods", "forever", "amount"])),
        percent=draw(st.sampled_from([Decimal("0.5"), Decimal(20), Decimal("33.3333"), Decimal(100)])),
        amount=draw(st.integers(1, 50_000)),
        deposit=draw(st.sampled_from([None, None, Decimal(30), Decimal("12.5")])),
    )


@dataclass
class Made:
    """A case made real."""

    subscription: Subscription
    wanted: dict[Product, Decimal]
    by: Membership
    coupon: Coupon | None
    now: datetime


def priced(world: World, case: Case, code: str, kind: str, unit_price: Decimal, **more: Any) -> Price:
    """A new product with its list price."""
    made = Product.objects.create(seller=world.seller, code=code, name=code.title(), kind=kind, vat_rate=Decimal(20))
    return Price.objects.create(
        product=made, currency=case.currency, term_months=case.months, unit_price=unit_price, **more
    )


@contextmanager
def real(world: World, case: Case) -> Iterator[Made]:
    """The subscription of a case and what is wanted; undone afterwards."""
    outer = transaction.atomic()
    outer._from_testcase = True  # type: ignore[attr-defined]  # as Django's own tests do: money steps insist on being outermost
    with outer:
        local = datetime(case.day.year, case.day.month, case.day.day, case.hour, 30, tzinfo=world.seller.zone)
        with_rate(world, case.currency)
        rows = Subscription.objects.filter(database__name=MAIN)
        rows.update(
            currency=case.currency, term_months=case.months, period_start=case.start, period_end=case.end,
            auto_renew=True,
        )  # fmt: skip
        subscription = world.subscription(MAIN)
        subscription.items.all().delete()
        SubscriptionPeriod.objects.filter(subscription=subscription).update(start=case.start, end=case.end)
        first, second = case.borders
        tiers = [[str(first), str(case.prices[0])], [str(second), str(case.prices[1])], [None, str(case.prices[2])]]
        seats = priced(
            world, case, "seats", "users", case.prices[0], model=case.model,
            tiers=tiers if case.model != PER_UNIT else [],
        )  # fmt: skip
        old, new = (priced(world, case, f"plan-{number}", "plan", one) for number, one in enumerate(case.plan))
        for price, quantity in ((seats, case.users), (old, 1)):
            for piece in price.listed.pieces(Decimal(quantity)):
                subscription.add(
                    price.product, piece.quantity, piece.unit_price, case.discount, case.start,
                    list_price=None if case.is_agreed and price == seats else price.pk,
                )  # fmt: skip
        wanted = {seats.product: Decimal(case.wanted), new.product: Decimal(1)}
        for number, unit_price in enumerate(case.applications):
            wanted[priced(world, case, f"app-{number}", "application", unit_price).product] = Decimal(1)
        coupon = None
        if case.coupon:
            amount = case.coupon == "amount"
            coupon = Coupon.objects.create(
                seller=world.seller, code="ANY", duration="once" if amount else case.coupon, periods=2,
                percent=None if amount else case.percent, amounts={case.currency: case.amount} if amount else {},
            )  # fmt: skip
        by = Membership.objects.select_related("user", "customer__seller").get(pk=world.member(world.camille).pk)
        yield Made(world.subscription(MAIN), wanted, by, coupon, local.astimezone(UTC))
        transaction.set_rollback(True)


def look(made: Made, wanted: dict[Product, Decimal] | None = None, now: datetime | None = None) -> change.Preview:
    """What the change costs."""
    return change.preview(
        Subscription.objects.get(pk=made.subscription.pk), made.wanted if wanted is None else wanted,
        customer=made.by.customer, now=now or made.now, coupon=made.coupon if wanted is None else None,
    )  # fmt: skip


def with_deposit(quotation: Quotation, percent: Decimal, world: World, now: datetime) -> None:
    """The same as a next version that asks for a deposit."""
    version = draft.new_version(quotation=quotation, by=world.hanna, now=now)
    lines = [draft.draft_of(line) for line in version.lines.select_related("product", "version__quotation")]
    fields = {"payment_policy": "deposit", "deposit_percent": percent}
    draft.save_draft(version=version, revision=version.revision, fields=fields, lines=lines, now=now)
    send.send_quotation(quotation=quotation, by=world.hanna, now=now)
    quotation.refresh_from_db()


def paid(world: World, order: Order, case: Case, now: datetime) -> None:
    """The request is paid, and with a deposit the final invoice too."""
    lines = bill.priced(order.lines.all(), order.currency)
    asked = order.total_minor if case.deposit is None else pricing.deposit(lines, case.deposit).total_minor
    request = PaymentRequest.objects.filter(order=order).first()
    assert (request.amount_minor if request else 0) == asked
    if request is None:
        return
    cast.paid_online(world, order, now)


@undone
@given(case=cases())
def test_preview_quotation_order_invoices_and_renewal_agree_to_the_minor_unit(world: World, case: Case) -> None:
    with real(world, case) as made:
        shown = look(made)
        whole = sum(
            line_net_minor(piece.quantity, piece.unit_price, row.step.discount_percent, case.currency) + 1
            for row in shown.rows
            for piece in row.step.pieces
        )
        assert shown.today is None or shown.today.net_minor <= whole, "never more than the full period"
        assert shown.renewal
        quotation = change.request_change(
            subscription=made.subscription, wanted=made.wanted, seen_minor=shown.today_minor, by=made.by, now=made.now,
            coupon=made.coupon.code if made.coupon else "",
        )  # fmt: skip
        assert (quotation is None) == (shown.today_minor == 0)
        if quotation is not None:
            if case.deposit is not None:
                with_deposit(quotation, case.deposit, world, made.now)
            version = quotation.current
            assert version
            assert (version.total_minor, version.net_minor) == (
                shown.today_minor,
                shown.today and shown.today.net_minor,
            )
            order = cast.accept(world, quotation, made.now)
            assert (order.total_minor, order.net_minor) == (version.total_minor, version.net_minor)
            paid(world, order, case, made.now)
            invoices = Invoice.objects.filter(order=order)
            assert sum(invoice.total_minor for invoice in invoices) == shown.today_minor
            assert sum(invoice.net_minor for invoice in invoices) == order.net_minor
        after = look(made, {}).renewal
        assert after
        assert after.total_minor == shown.renewal.total_minor, "what was said about the renewal"
        at = datetime(case.end.year, case.end.month, case.end.day, 3, tzinfo=world.seller.zone).astimezone(UTC)
        renew.renew_due(world.seller, now=at)
        renewal = Invoice.objects.filter(period__subscription=made.subscription, period__start=case.end).first()
        assert (renewal.total_minor if renewal else 0) == after.total_minor
        assert (renewal.net_minor if renewal else 0) == after.net_minor
        assert books.verify() == []


@settings(undone, max_examples=30)
@given(case=cases(), part=st.integers(1, 898))
def test_two_steps_cost_what_one_does(world: World, case: Case, part: int) -> None:
    """Within a minor unit a line for a price a unit and graduated tiers. A volume price is that of the tier which the step
    reaches, so a first step that reaches less costs its own tier's price, for its own units, and no more.
    """
    with real(world, case) as made:
        seats = Product.objects.get(code="seats")
        have, want = Decimal(case.users), Decimal(max(case.wanted, case.users))
        middle = min(have + part, want)
        at_once = look(made, {seats: want})
        first = look(made, {seats: middle})
        terms = steps.agreed_terms(change.items_of(made.subscription), today(made.now, world.seller.zone))[seats.pk]
        for piece in terms.pieces(middle - have, have):
            made.subscription.add(
                seats, piece.quantity, piece.unit_price, terms.discount_percent, case.day,
                list_price=terms.price.pk if terms.price else None,
            )  # fmt: skip
        second = look(made, {seats: want})
        lines = len(at_once.charges) + len(first.charges) + len(second.charges)
        nets = [sum(row.today_minor for row in shown.rows) for shown in (at_once, first, second)]
        apart = nets[1] + nets[2] - nets[0]
        if case.is_agreed and case.model != PER_UNIT:
            return  # its units were agreed at several prices; the last of them counts
        if case.model == VOLUME:
            one, two = terms.pieces(middle - have, have), terms.pieces(want - have, have)
            dearer = one[0].unit_price - two[0].unit_price if one and two else Decimal(0)
            share = line_net_minor(
                middle - have, abs(dearer), terms.discount_percent, case.currency, part=at_once.part
            ) * (1 if dearer >= 0 else -1)
            assert abs(apart - share) <= lines
        else:
            assert abs(apart) <= lines
        renewals = [shown.renewal.net_minor for shown in (at_once, second) if shown.renewal]
        assert renewals[0] == renewals[1], "what is renewed is the same"


@settings(undone, max_examples=15)
@given(case=cases(), other=st.integers(0, 900))
def test_choosing_and_choosing_back_costs_nothing_and_changes_nothing(world: World, case: Case, other: int) -> None:
    with real(world, case) as made:
        seats = Product.objects.get(code="seats")
        before, at_first = everything(), look(made, {})
        for wanted in (made.wanted, {seats: Decimal(other)}, {seats: Decimal(case.users)}):
            look(made, wanted)
        back = look(made, {seats: Decimal(case.users), Product.objects.get(code="plan-0"): Decimal(1)})
        assert (back.rows, back.today_minor) == ([], 0)
        assert everything() == before
        shown = look(made)
        if shown.today_minor:
            quotation = change.request_change(
                subscription=made.subscription, wanted=made.wanted, seen_minor=None, by=made.by, now=made.now
            )
            assert quotation
            send.withdraw_quotation(quotation=quotation, by=world.hanna, now=made.now)
        else:
            with pytest.raises(Invalid, match="Nothing is changed"):
                change.request_change(
                    subscription=made.subscription, wanted={seats: Decimal(case.users)}, seen_minor=None, by=made.by,
                    now=made.now,
                )  # fmt: skip
        last = look(made, {})
        assert at_first.renewal
        assert last.renewal
        assert last.renewal.total_minor == at_first.renewal.total_minor
        assert not Order.objects.filter(created_at__gte=made.now).exists()
