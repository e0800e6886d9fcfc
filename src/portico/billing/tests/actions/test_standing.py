"""How a subscription stands: late, suspended, ended, and in order again; agreed periods; leaving, pausing, coming back."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from portico import cast
from portico.accounts.models import Event
from portico.billing import books
from portico.billing.actions import ahead, arrears, change, credit, leave, pay, renew, standing
from portico.billing.models import Invoice, Order, Payment, Quotation, RenewalRules, Subscription
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.actions.test_renew import CODES, periods_of, renewing, run
from portico.billing.tests.attempts import checkout_of, payer
from portico.billing.tests.parts import in_parts
from portico.cast import World, accept
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter
from portico.kit.periods import add_months

pytestmark = pytest.mark.django_db
State = Subscription.State


def yearly(world: World, *, days_ago: int = 340, auto: bool = False, term: int = 12) -> Subscription:
    """A subscription of Fontaine that ends soon."""
    one = cast.open_database(
        world, world.fontaine, "leaving", CODES, term=term, start_days_ago=days_ago, state=State.ACTIVE
    )
    Subscription.objects.filter(pk=one.pk).update(auto_renew=auto)
    one.refresh_from_db()
    return one


def on(world: World, day: date, hour: int = 12) -> datetime:
    """Noon of a day at the seller's."""
    return datetime.combine(day, time(hour), world.seller.zone)


def step(world: World, one: Subscription, now: datetime) -> str:
    """All steps that are due, then the state."""
    while standing.keep_in_step(world.seller, now=now):
        pass
    one.refresh_from_db()
    return one.state


def end_of(one: Subscription) -> date:
    assert one.period_end is not None
    return one.period_end


def events(one: Subscription) -> list[str]:
    rows = Event.objects.filter(noun="subscription", object_id=str(one.pk)).order_by("id")
    return [name.split(".")[1] for name in rows.values_list("name", flat=True)]


# Late, suspended, ended ------------------------------------------------------------------------------------------------


def test_what_is_not_renewed_is_late_suspended_and_ended_on_the_sellers_days(world: World) -> None:
    one = yearly(world)
    end = end_of(one)
    midnight = datetime.combine(end, time(), world.seller.zone)
    assert step(world, one, midnight - timedelta(microseconds=1)) == State.ACTIVE
    assert step(world, one, midnight) == State.PAST_DUE
    assert (one.past_due_on, step(world, one, midnight)) == (end, State.PAST_DUE)
    assert step(world, one, on(world, end + timedelta(days=13), 23)) == State.PAST_DUE
    assert step(world, one, on(world, end + timedelta(days=14), 0)) == State.SUSPENDED
    assert step(world, one, on(world, end + timedelta(days=43), 23)) == State.SUSPENDED
    assert step(world, one, on(world, end + timedelta(days=44), 0)) == State.ENDED
    assert one.ended_on == end + timedelta(days=44)
    assert events(one) == ["past_due", "suspended", "ended"]
    told = Letter.objects.filter(event="subscription_state", about=f"subscription:{one.pk}").order_by("id")
    assert list(dict.fromkeys(letter.data["state"] for letter in told)) == ["past_due", "suspended", "ended"]


@pytest.mark.parametrize(
    ("end", "term"),
    [
        (date(2027, 3, 28), 12),  # the day of 23 hours in Nantes
        (date(2027, 10, 31), 12),  # and that of 25
        (date(2028, 2, 29), 1),
    ],
)
def test_steps_keep_to_the_sellers_midnight_when_clocks_change_and_on_29_february(
    world: World, end: date, term: int
) -> None:
    begun = (world.now.date() - add_months(end, -term)).days
    one = yearly(world, days_ago=begun, term=term)
    assert end_of(one) == end
    moment = timedelta(microseconds=1)
    for days, before, after in ((0, State.ACTIVE, State.PAST_DUE), (14, State.PAST_DUE, State.SUSPENDED)):
        midnight = datetime.combine(end + timedelta(days=days), time(), world.seller.zone).astimezone(UTC)
        assert step(world, one, midnight - moment) == before
        assert step(world, one, midnight) == after


def test_the_sellers_rules_say_how_long_each_step_waits(world: World) -> None:
    RenewalRules.objects.create(seller=world.seller, grace_days=0, ending_days=1)
    one = yearly(world)
    assert step(world, one, on(world, end_of(one))) == State.SUSPENDED
    assert step(world, one, on(world, end_of(one) + timedelta(days=1))) == State.ENDED


def pay_for(world: World, invoice: Invoice, now: datetime, amount: int | None = None) -> None:
    pay.book_transfer(
        customer=invoice.customer, amount_minor=amount or invoice.amount_due_minor, payer_name="Fontaine",
        received_on=now.date(), invoices=[invoice], by=world.omar, now=now,
    )  # fmt: skip


def test_an_unpaid_invoice_of_a_period_makes_it_late_and_paying_all_of_it_ends_that_at_once(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    invoice = Invoice.objects.get(period__subscription=one)
    assert invoice.due_on is not None
    assert step(world, one, on(world, invoice.due_on)) == State.ACTIVE
    late = on(world, invoice.due_on + timedelta(days=1))
    renewed = Subscription.objects.filter(pk=one.pk).update(auto_renew=True)
    assert renewed
    assert step(world, one, late) == State.PAST_DUE
    assert one.past_due_on == invoice.due_on + timedelta(days=1)
    pay_for(world, invoice, late, amount=1)
    one.refresh_from_db()
    assert one.state == State.PAST_DUE
    invoice.refresh_from_db()
    pay_for(world, invoice, late)
    one.refresh_from_db()
    assert str(one.state) == State.ACTIVE
    assert Subscription.objects.filter(pk=one.pk, past_due_on=None).exists()
    assert events(one)[-2:] == ["past_due", "reactivated"]
    assert books.verify() == []


def late_by(world: World) -> tuple[Subscription, Invoice, datetime]:
    """A subscription that renews by itself and is late with the invoice of its period; and when that was found."""
    (one,) = renewing(world, 1)
    run(world)
    invoice = Invoice.objects.get(period__subscription=one)
    assert invoice.due_on is not None
    Subscription.objects.filter(pk=one.pk).update(auto_renew=True)
    late = on(world, invoice.due_on + timedelta(days=1))
    assert step(world, one, late) == State.PAST_DUE
    return one, invoice, late


def debit(world: World, invoice: Invoice, now: datetime, amount: int | None = None) -> Payment:
    """The payer confirmed a bank debit, which takes months."""
    payment = pay.start_payment(by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=amount, now=now)
    gateway.pay_late(checkout_of(payment), now=now, after=timedelta(days=300))
    pay.lookup_payment(payment=payment, now=now)
    invoice.refresh_from_db()
    return payment


def there(payment: Payment, now: datetime) -> None:
    """The money of a debit arrived."""
    gateway.pass_time(now + timedelta(days=300))
    pay.lookup_payment(payment=payment, now=now)


@pytest.mark.parametrize("arrives", [True, False])
def test_money_on_its_way_neither_puts_in_order_nor_lets_go_further(world: World, arrives: bool) -> None:
    one, invoice, late = late_by(world)
    payment = debit(world, invoice, late)
    assert invoice.payment_state == "in_payment"
    for days in (14, 60):
        assert step(world, one, late + timedelta(days=days)) == State.PAST_DUE
    assert "reactivated" not in events(one)
    now = late + timedelta(days=61)
    if arrives:
        there(payment, now)
        one.refresh_from_db()
        assert str(one.state) == State.ACTIVE
    else:
        pay.fail_payment(payment=payment, failure_code="insufficient_funds", now=now)
        assert step(world, one, now) == State.SUSPENDED
    assert books.verify() == []


def test_a_euro_that_arrives_does_not_speak_for_what_is_on_its_way(world: World) -> None:
    """Of an invoice in parts the late one is on its way, so that the next day is that of the next part; then a euro comes."""
    one, invoice, late = late_by(world)
    parts = in_parts(world, now=late - timedelta(days=10))
    Invoice.objects.filter(pk=parts.pk).update(order=Order.objects.filter(customer=world.fontaine).first())
    Order.objects.filter(invoices=parts).update(subscription=one)
    pay_for(world, invoice, late)
    assert step(world, one, late) == State.PAST_DUE, "the first part is late"
    payment = debit(world, parts, late, amount=36_000)
    assert parts.due_on is not None
    assert parts.due_on > late.date(), "the next one"
    pay_for(world, parts, late, amount=100)
    assert step(world, one, late) == State.PAST_DUE
    there(payment, late)
    one.refresh_from_db()
    assert str(one.state) == State.ACTIVE


def test_a_disputed_invoice_makes_nothing_late(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    invoice = Invoice.objects.get(period__subscription=one)
    assert invoice.due_on is not None
    Invoice.objects.filter(pk=invoice.pk).update(payment_state="disputed", disputed_at=world.now)
    assert step(world, one, on(world, invoice.due_on + timedelta(days=1))) == State.ACTIVE


# The renewal quotation -------------------------------------------------------------------------------------------------


def test_the_quotation_comes_once_so_many_days_ahead_and_is_valid_through_the_renewal_day(world: World) -> None:
    one = yearly(world, days_ago=300)
    end = end_of(one)
    early, due = on(world, end - timedelta(days=46)), on(world, end - timedelta(days=45))
    ahead.quote_ahead(world.seller, now=early)
    assert not one.quotations.exists()
    for _again in range(3):
        ahead.quote_ahead(world.seller, now=due)
    quotation = one.quotations.get()
    version = quotation.current
    assert version is not None
    assert (quotation.kind, quotation.origin, quotation.renews_from, version.valid_until) == (
        "renewal",
        "renewal",
        end,
        end,
    )
    assert [(line.quantity, line.net_minor) for line in version.lines.all()]
    assert version.total_minor == sum(line.net_minor for line in version.lines.all()) * 120 // 100


def test_two_runs_at_once_make_one_quotation_because_the_database_says_so(world: World) -> None:
    one = yearly(world)
    now = on(world, end_of(one) - timedelta(days=20))
    with transaction.atomic():
        ahead.quote_renewal(ahead.locked(one.pk), origin=Quotation.Origin.RENEWAL, by=None, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        ahead.quote_renewal(ahead.locked(one.pk), origin=Quotation.Origin.RENEWAL, by=None, now=now)
    with transaction.atomic():  # the control: what is no run's is held by nothing
        ahead.quote_renewal(ahead.locked(one.pk), origin=Quotation.Origin.STAFF, by=world.hanna, now=now)
    assert one.quotations.count() == 2


def accepted(world: World, quotation: Quotation, now: datetime) -> Order:
    """Accepted by the owner and paid in full."""
    quotation.refresh_from_db()
    order = accept(world, quotation, now)
    request = order.payment_requests.get()
    pay.book_transfer(
        customer=order.customer, amount_minor=request.amount_minor, payer_name="Fontaine", received_on=now.date(),
        order=order, by=world.omar, now=now,
    )  # fmt: skip
    order.refresh_from_db()
    return order


def test_accepted_early_the_next_period_begins_when_this_one_ends(world: World) -> None:
    one = yearly(world)
    end, before = end_of(one), (one.period_start, one.period_end)
    now = on(world, end - timedelta(days=30))
    ahead.quote_ahead(world.seller, now=now)
    order = accepted(world, one.quotations.get(), now)
    one.refresh_from_db()
    assert (order.state, (one.period_start, one.period_end)) == ("fulfilled", before)
    assert periods_of(one)[-1][0] == end
    with pytest.raises(Conflict, match="agreed already"):
        ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=now)
    assert step(world, one, on(world, end - timedelta(days=1))) == State.ACTIVE
    assert step(world, one, on(world, end)) == State.ACTIVE
    assert (one.period_start, end_of(one) > end) == (end, True)
    assert books.verify() == []


def test_what_is_added_after_the_next_period_was_agreed_is_invoiced_for_it_when_it_begins(world: World) -> None:
    one = yearly(world)
    end, now = end_of(one), on(world, end_of(one) - timedelta(days=30))
    ahead.quote_ahead(world.seller, now=now)
    accepted(world, one.quotations.get(), now)
    users = one.items.get(product__code="users")
    one.add(users.product, Decimal(2), users.unit_price, Decimal(0), now.date(), list_price=users.list_price_id)
    assert step(world, one, on(world, end)) == State.ACTIVE
    invoice = Invoice.objects.get(period__subscription=one)
    assert (invoice.period and invoice.period.start, invoice.net_minor) == (end, int(2 * users.unit_price * 100))
    one.refresh_from_db()
    assert one.renewal_problem == ""
    assert books.verify() == []


def test_what_was_removed_after_the_next_period_was_agreed_waits_for_a_person(world: World) -> None:
    one = yearly(world)
    end, now = end_of(one), on(world, end_of(one) - timedelta(days=30))
    ahead.quote_ahead(world.seller, now=now)
    accepted(world, one.quotations.get(), now)
    one.end_at_renewal(one.items.get(product__code="users").product, Decimal(1))
    assert step(world, one, on(world, end)) == State.ACTIVE
    assert "Compare the order" in one.renewal_problem
    assert not Invoice.objects.filter(period__subscription=one).exists()


def test_accepted_late_it_goes_on_from_the_old_end_and_is_active_at_once(world: World) -> None:
    one = yearly(world)
    end = end_of(one)
    later = on(world, end + timedelta(days=20))
    assert step(world, one, on(world, end)) == State.PAST_DUE
    assert step(world, one, later) == State.SUSPENDED
    quotation = ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=later)
    accepted(world, quotation, later)
    one.refresh_from_db()
    assert (one.state, one.period_start) == (State.ACTIVE, end)
    assert events(one)[-3:] == ["renewed", "period_began", "reactivated"]
    assert books.verify() == []


def test_asked_for_again_the_old_one_is_withdrawn_and_another_term_has_its_own_prices(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    now = world.now
    by = world.member(world.camille)
    first = ahead.ask_for_renewal(subscription=one, by=by, now=now)
    assert 12 in ahead.terms_of(one, end_of(one))
    second = ahead.ask_for_renewal(subscription=one, term_months=12, by=by, now=now)
    first.refresh_from_db()
    assert first.current is not None
    assert first.current.state == "withdrawn"
    with pytest.raises(Invalid, match="no prices for this term"):
        ahead.ask_for_renewal(subscription=one, term_months=7, by=by, now=now)
    accepted(world, second, now)
    end = end_of(one)
    assert step(world, one, on(world, end)) == State.ACTIVE
    assert (one.term_months, one.period_start, one.period_end) == (12, end, end.replace(year=end.year + 1))
    running = one.items.filter(ended_on=None)
    assert {item.unit_price for item in running} == {
        item.product.prices.get(currency="EUR", term_months=12).unit_price for item in running
    }
    assert books.verify() == []


# Leaving, pausing, coming back -----------------------------------------------------------------------------------------


def test_leaving_takes_effect_with_the_period_and_can_be_taken_back_until_then(world: World) -> None:
    one = yearly(world, auto=True)
    owner = world.member(world.camille)
    with pytest.raises(Forbidden):
        leave.ask_to_leave(subscription=one, reason="price", comment="", by=world.member(world.julien), now=world.now)
    with pytest.raises(Invalid):
        leave.ask_to_leave(subscription=one, reason="", comment="", by=owner, now=world.now)
    leave.ask_to_leave(subscription=one, reason="price", comment="Too much for us.", by=owner, now=world.now)
    with pytest.raises(Conflict):
        leave.ask_to_leave(subscription=one, reason="price", comment="", by=owner, now=world.now)
    leave.stay(subscription=one, by=owner, now=world.now)
    leave.ask_to_leave(subscription=one, reason="unused", comment="", by=owner, now=world.now)
    end = end_of(one)
    assert step(world, one, on(world, end - timedelta(days=1))) == State.ACTIVE
    assert renew.renew_due(world.seller, now=on(world, end)) == 0
    assert step(world, one, on(world, end)) == State.ENDED
    assert (one.ended_on, one.auto_renew) == (end, False)
    assert not Invoice.objects.filter(period__subscription=one).exists()
    with pytest.raises(Conflict):
        leave.stay(subscription=one, by=owner, now=on(world, end))


def test_a_pause_begins_with_the_next_period_and_the_day_it_ends_is_the_new_anchor(world: World) -> None:
    one = yearly(world, auto=True, term=1, days_ago=20)
    owner = world.member(world.camille)
    end = end_of(one)
    leave.ask_to_pause(subscription=one, by=owner, now=world.now)
    leave.do_not_pause(subscription=one, by=owner, now=world.now)
    leave.ask_to_pause(subscription=one, by=owner, now=world.now)
    assert step(world, one, on(world, end)) == State.PAUSED
    back = end + timedelta(days=37)
    assert renew.renew_due(world.seller, now=on(world, back)) == 0
    assert leave.resume(subscription=one, by=owner, now=on(world, back)) is None
    run(world, on(world, back))
    one.refresh_from_db()
    assert (one.state, one.period_start, one.resumes_on) == (State.ACTIVE, back, None)
    assert one.period_end is not None
    assert (one.period_end - back).days in range(28, 32)
    assert Invoice.objects.filter(period__subscription=one).count() == 1
    assert books.verify() == []


def test_a_pause_of_what_does_not_renew_by_itself_ends_with_a_paid_quotation(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    owner = world.member(world.camille)
    leave.ask_to_pause(subscription=one, by=owner, now=world.now)
    end = end_of(one)
    assert step(world, one, on(world, end)) == State.PAUSED
    back = on(world, end + timedelta(days=10))
    quotation = leave.resume(subscription=one, by=owner, now=back)
    assert quotation is not None
    one.refresh_from_db()
    assert one.state == State.PAUSED
    accepted(world, quotation, back)
    one.refresh_from_db()
    assert (one.state, one.period_start) == (State.ACTIVE, back.date())
    assert books.verify() == []


def test_ended_at_once_by_staff_the_days_left_are_credited(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    one.refresh_from_db()
    invoice = Invoice.objects.get(period__subscription=one)
    assert one.period_start is not None
    assert one.period_end is not None
    day = world.now.astimezone(world.seller.zone).date()
    left, days = (one.period_end - day).days, (one.period_end - one.period_start).days
    shown = sum(part.total_minor for part in leave.given_back(one, on=day))
    with pytest.raises(Forbidden):
        leave.end_now(subscription=one, reason="Closed", by=world.hanna, now=world.now)
    (note,) = leave.end_now(subscription=one, reason="Closed", by=world.omar, now=world.now)
    nets = [line.net_minor for line in invoice.lines.order_by("position")]
    assert note.net_minor == sum((2 * net * left + days) // (2 * days) for net in nets)
    assert note.total_minor == shown
    one.refresh_from_db()
    invoice.refresh_from_db()
    assert (one.state, one.ended_on) == (State.ENDED, day)
    assert invoice.amount_due_minor == invoice.total_minor - note.total_minor
    assert books.verify() == []


def test_money_that_comes_after_the_end_is_credit(world: World) -> None:
    one = yearly(world)
    end = end_of(one)
    now = on(world, end - timedelta(days=5))
    quotation = ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=now)
    quotation.refresh_from_db()
    order = accept(world, quotation, now)
    for day in (0, 14, 44):
        step(world, one, on(world, end + timedelta(days=day)))
    assert one.state == State.ENDED
    order.refresh_from_db()
    assert order.state == "cancelled"
    payment = pay.book_transfer(
        customer=order.customer, amount_minor=order.total_minor, payer_name="Fontaine",
        received_on=end + timedelta(days=50), order=order, by=world.omar, now=on(world, end + timedelta(days=50)),
    )  # fmt: skip
    assert payment.unallocated_minor == order.total_minor
    assert books.verify() == []


ASKS: dict[str, Callable[[Subscription, World], Any]] = {
    "leave": lambda one, w: leave.ask_to_leave(
        subscription=one, reason="price", comment="", by=w.member(w.camille), now=w.now
    ),
    "stay": lambda one, w: leave.stay(subscription=one, by=w.member(w.camille), now=w.now),
    "pause": lambda one, w: leave.ask_to_pause(subscription=one, by=w.member(w.camille), now=w.now),
    "no pause": lambda one, w: leave.do_not_pause(subscription=one, by=w.member(w.camille), now=w.now),
    "resume": lambda one, w: leave.resume(subscription=one, by=w.member(w.camille), now=w.now),
    "end": lambda one, w: leave.end_now(subscription=one, reason="x", by=w.omar, now=w.now),
    "renewal": lambda one, w: ahead.ask_for_renewal(subscription=one, by=w.member(w.camille), now=w.now),
}
ALLOWED = {
    "pending": set(), "active": {"leave", "pause", "end", "renewal"}, "past_due": {"leave", "end", "renewal"},
    "suspended": {"leave", "end", "renewal"}, "paused": {"resume", "end", "renewal"}, "ended": set(),
}  # fmt: skip


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("ask", ASKS)
def test_every_step_is_allowed_or_refused_by_the_state(world: World, state: str, ask: str) -> None:
    one = cast.open_database(world, world.fontaine, "states", CODES, term=12, start_days_ago=40, state=state)
    if ask in ALLOWED[state]:
        ASKS[ask](one, world)
    else:
        with pytest.raises(Conflict):
            ASKS[ask](one, world)


# What must not go wrong ------------------------------------------------------------------------------------------------


def test_a_renewal_that_was_paid_after_another_one_is_credit_and_no_second_period(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    by, now, end = world.member(world.camille), world.now, end_of(one)
    first = ahead.ask_for_renewal(subscription=one, by=by, now=now)
    first.refresh_from_db()
    waiting = accept(world, first, now)
    second = ahead.ask_for_renewal(subscription=one, term_months=12, by=by, now=now)
    accepted(world, second, now)
    later = on(world, end + timedelta(days=1))
    assert step(world, one, later) == State.ACTIVE
    before = periods_of(one)
    payment = pay.book_transfer(
        customer=waiting.customer, amount_minor=waiting.total_minor, payer_name="Fontaine", received_on=later.date(),
        order=waiting, by=world.omar, now=later,
    )  # fmt: skip
    assert periods_of(one) == before
    assert payment.unallocated_minor == waiting.total_minor
    assert books.verify() == []


def test_a_renewal_that_the_run_made_meanwhile_cannot_be_accepted_as_well(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    now, end = world.now, end_of(one)
    quotation = ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=now)
    leave.switch_auto_renewal(subscription=one, on=True, by=world.member(world.camille), now=now)
    day = on(world, end)
    run(world, day)
    quotation.refresh_from_db()
    with pytest.raises(Conflict, match="renewed in another way"):
        accept(world, quotation, day)
    assert len(periods_of(one)) == 2


def test_an_order_invoiced_before_payment_renews_nothing_that_has_ended(world: World) -> None:
    one = yearly(world)
    now = on(world, end_of(one) - timedelta(days=5))
    quotation = ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=now)
    quotation.refresh_from_db()
    assert quotation.current is not None
    type(quotation.current).objects.filter(pk=quotation.current.pk).update(invoice_before_payment=True)
    order = accept(world, Quotation.objects.get(pk=quotation.pk), now)
    for day in (0, 14, 44):
        step(world, one, on(world, end_of(one) + timedelta(days=day)))
    assert one.state == State.ENDED
    pay_for(world, order.invoices.get(), on(world, end_of(one) + timedelta(days=50)))
    one.refresh_from_db()
    assert len(periods_of(one)) == 1
    assert books.verify() == []


def test_what_was_added_after_the_quotation_is_not_renewed_for_nothing(world: World) -> None:
    one = yearly(world)
    by, now = world.member(world.camille), world.now
    quotation = ahead.ask_for_renewal(subscription=one, by=by, now=now)
    users = world.products["users"]
    more = change.request_change(subscription=one, wanted={users: Decimal(5)}, seen_minor=None, by=by, now=now)
    assert more is not None
    accepted(world, more, now + timedelta(minutes=1))
    quotation.refresh_from_db()
    with pytest.raises(Conflict, match="changed after"):
        accept(world, quotation, now + timedelta(minutes=2))
    again = ahead.ask_for_renewal(subscription=one, by=by, now=now + timedelta(minutes=3))
    accepted(world, again, now + timedelta(minutes=4))
    assert len(periods_of(one)) == 2


def test_more_than_a_batch_that_is_renewed_or_leaves_is_not_called_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "BATCH", 1)
    made = [
        cast.open_database(
            world, world.fontaine, f"batch-{number}", CODES, term=1, start_days_ago=20, state=State.ACTIVE
        )
        for number in range(4)
    ]
    for one in made[:2]:
        one.renew()
    for one in made[2:]:
        leave.ask_to_leave(subscription=one, reason="price", comment="", by=world.member(world.camille), now=world.now)
    for _run in range(2):
        standing.keep_in_step(world.seller, now=on(world, end_of(made[0])))
    assert [name for one in made for name in events(one) if name == "past_due"] == []
    assert [Subscription.objects.get(pk=one.pk).state for one in made] == ["active", "active", "ended", "ended"]


def test_one_that_cannot_take_its_step_does_not_hold_the_others_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, one = (
        cast.open_database(world, world.fontaine, name, CODES, term=1, start_days_ago=20, state=State.ACTIVE)
        for name in ("broken", "fine")
    )
    written = arrears.told

    def told(name: str, row: Subscription, *args: Any, **more: Any) -> None:
        if row.pk == broken.pk:
            raise ValueError("a fault of this one alone")
        written(name, row, *args, **more)

    monkeypatch.setattr(standing, "told", told)
    standing.keep_in_step(world.seller, now=on(world, end_of(one)))
    assert [Subscription.objects.get(pk=row.pk).state for row in (broken, one)] == ["active", "past_due"]


def test_switched_to_renew_by_itself_what_was_late_for_want_of_it_is_renewed(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    end = end_of(one)
    late = on(world, end + timedelta(days=3))
    assert step(world, one, late) == State.PAST_DUE
    leave.switch_auto_renewal(subscription=one, on=True, by=world.member(world.camille), now=late)
    run(world, late)
    one.refresh_from_db()
    assert (one.state, one.period_start, one.past_due_on) == (State.ACTIVE, end, None)


def test_what_is_late_is_not_suspended_while_its_invoice_is_disputed(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    invoice = Invoice.objects.get(period__subscription=one)
    assert invoice.due_on is not None
    assert step(world, one, on(world, invoice.due_on + timedelta(days=1))) == State.PAST_DUE
    Invoice.objects.filter(pk=invoice.pk).update(payment_state="disputed", disputed_at=world.now)
    assert step(world, one, on(world, invoice.due_on + timedelta(days=15))) == State.ACTIVE


def test_one_that_was_late_when_its_pause_came_pauses_once_it_is_paid(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    Subscription.objects.filter(pk=one.pk).update(auto_renew=False)
    one.refresh_from_db()
    leave.ask_to_pause(subscription=one, by=world.member(world.camille), now=world.now)
    invoice = Invoice.objects.get(period__subscription=one)
    Invoice.objects.filter(pk=invoice.pk).update(due_on=end_of(one) - timedelta(days=2))
    assert step(world, one, on(world, end_of(one) - timedelta(days=1))) == State.PAST_DUE
    late = on(world, end_of(one) + timedelta(days=2))
    pay_for(world, invoice, late)
    assert step(world, one, late) == State.PAUSED


def test_the_quotation_after_a_trial_names_the_days_that_are_renewed(world: World) -> None:
    one = yearly(world, term=1, days_ago=10)
    start = world.now.date() - timedelta(days=10)
    trial_end = start + timedelta(days=14)
    one.periods.update(end=trial_end)
    Subscription.objects.filter(pk=one.pk).update(trial_ends_on=trial_end, period_end=trial_end)
    one.refresh_from_db()
    quotation = ahead.ask_for_renewal(subscription=one, by=world.member(world.camille), now=world.now)
    order = accepted(world, quotation, world.now)
    begin, end = periods_of(one)[-1]
    assert (begin, end) == (trial_end, add_months(trial_end, 1))
    last = formats.day(end - timedelta(days=1), one.customer.language)
    assert all(last in line.detail for line in order.lines.all())


def test_another_term_keeps_the_list_prices_and_the_minimum_that_was_agreed(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    least = end_of(one) + timedelta(days=500)
    one.items.update(committed_until=least)
    quotation = ahead.ask_for_renewal(subscription=one, term_months=12, by=world.member(world.camille), now=world.now)
    accepted(world, quotation, world.now)
    running = list(one.items.filter(ended_on=None).select_related("list_price"))
    assert {item.committed_until for item in running} == {least}
    assert [item.list_price is not None and item.list_price.term_months for item in running] == [12] * len(running)


def test_months_that_are_over_are_not_given_back_with_the_last_one(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    by, day = world.member(world.camille), world.now.astimezone(world.seller.zone).date()
    orders = []
    for _month in range(3):
        now = on(world, day)
        step(world, one, now)
        orders.append(accepted(world, ahead.ask_for_renewal(subscription=one, by=by, now=now), now))
        day = one.next_start or day
        step(world, one, on(world, day))
        one.refresh_from_db()
        day = day + timedelta(days=2)
    back = leave.given_back(one, on=day)
    assert [part.invoice.order_id for part in back] == [orders[-1].pk]
    (note,) = leave.end_now(subscription=one, reason="Closed", by=world.omar, now=on(world, day))
    assert note.total_minor < orders[-1].total_minor
    assert books.verify() == []


def test_what_was_credited_before_is_not_given_back_again(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    one.refresh_from_db()
    invoice = Invoice.objects.get(period__subscription=one)
    day = world.now.astimezone(world.seller.zone).date()
    whole = sum(part.total_minor for part in leave.given_back(one, on=day))
    assert whole > 0
    credit.credit_invoice(
        invoice=invoice, quantities=None, reason="Goodwill", invoice_again=False, by=world.omar, now=world.now
    )
    assert leave.given_back(one, on=day) == []


def test_an_amount_credited_before_leaves_so_much_less_to_give_back(world: World) -> None:
    (one,) = renewing(world, 1)
    run(world)
    one.refresh_from_db()
    invoice = Invoice.objects.get(period__subscription=one)
    credit.credit_invoice(
        invoice=invoice, quantities=None, amount_minor=invoice.total_minor - 100, reason="Goodwill",
        invoice_again=False, by=world.omar, now=world.now,
    )  # fmt: skip
    (note,) = leave.end_now(subscription=one, reason="Closed", by=world.omar, now=world.now)
    assert (note.total_minor, [line.net_minor for line in note.lines.all()]) == (100, [note.net_minor])
    assert books.verify() == []


def test_a_renewal_asked_for_in_a_pause_does_not_charge_the_days_of_the_pause(world: World) -> None:
    one = yearly(world, term=1, days_ago=20)
    by = world.member(world.camille)
    leave.ask_to_pause(subscription=one, by=by, now=world.now)
    end = end_of(one)
    assert step(world, one, on(world, end)) == State.PAUSED
    back = end + timedelta(days=25)
    accepted(world, ahead.ask_for_renewal(subscription=one, by=by, now=on(world, back)), on(world, back))
    one.refresh_from_db()
    assert (one.state, one.period_start, one.period_end) == (State.ACTIVE, back, add_months(back, 1))
