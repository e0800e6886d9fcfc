"""Paying when things go wrong: whatever happens between us and the provider, no cent is lost and none is taken twice."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from portico.billing import books, jobs
from portico.billing.actions import order as orders
from portico.billing.actions import pay
from portico.billing.models import Payment, PaymentTarget
from portico.billing.providers.base import Declined, Purchase, Report, Said, Started, Unanswered
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.billing.providers.sandbox.provider import Sandbox
from portico.billing.tests.attempts import OPEN, WAITING, begin, checkout_of, path_of, payer
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable

pytestmark = pytest.mark.usefixtures("clock")
Clock = time_machine.Traveller


def janitor(world: World, clock: Clock, **later: float) -> None:
    """The sweep, so much later."""
    at = world.now + timedelta(**later)
    clock.move_to(at)
    jobs.undecided_payments(at)


def latest(world: World) -> Payment:
    return Payment.objects.filter(customer=world.fontaine).latest("created_at")


# Beginning -------------------------------------------------------------------------------------------------------------


def test_the_attempt_is_written_down_before_the_provider_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []

    def start(_self: Sandbox, purchase: Purchase) -> Started:
        row = Payment.objects.get(idempotency_key=purchase.key)
        seen.append((row.state, PaymentTarget.objects.filter(payment=row, open=True).exists()))
        raise Unanswered("the line is dead")

    monkeypatch.setattr(Sandbox, "start", start)
    with pytest.raises(Unavailable, match="Please do not pay in another way meanwhile"):
        begin(world, now=world.now)
    assert seen == [("pending", True)]
    assert latest(world).state == "unknown"


@pytest.mark.parametrize("answered", [True, False])
def test_a_start_without_an_answer_is_looked_up_by_its_key(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    start = Sandbox.start

    def lost(self: Sandbox, purchase: Purchase) -> Started:
        if answered:
            start(self, purchase)  # the request arrived, its answer did not
        raise Unanswered("the line is dead")

    with monkeypatch.context() as dead:
        dead.setattr(Sandbox, "start", lost)
        with pytest.raises(Unavailable):
            begin(world, now=world.now)
    payment = latest(world)
    janitor(world, clock, minutes=11)
    payment.refresh_from_db()
    if not answered:
        assert payment.state == "cancelled", "the provider never heard of it"
        assert begin(world, now=world.now + timedelta(minutes=11)).state == "pending", "another way is free again"
        return
    assert (payment.state, payment.provider_reference) == ("pending", checkout_of(payment).reference)
    gateway.pay(checkout_of(payment), now=world.now + timedelta(minutes=12))
    janitor(world, clock, minutes=30)
    assert world.invoice(OPEN).payment_state == "paid"
    assert books.verify() == []


def test_a_crash_after_the_provider_s_answer_leaves_an_attempt_that_is_found_again(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(pay, "_keep_answer", lambda *_args, **_options: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            begin(world, now=world.now)
    payment = latest(world)
    assert (payment.state, payment.provider_reference) == ("pending", "")
    gateway.pay(checkout_of(payment), now=world.now)
    janitor(world, clock, hours=1)
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert world.invoice(OPEN).payment_state == "paid"
    assert Checkout.objects.filter(merchant_reference=str(payment.pk)).count() == 1


def test_the_control_without_a_look_up_loses_the_money(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pay, "_keep_answer", lambda *_args, **_options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        begin(world, now=world.now)
    gateway.pay(checkout_of(latest(world)), now=world.now)
    clock.move_to(world.now + timedelta(hours=1))
    assert world.invoice(OPEN).payment_state == "not_paid", "nobody asked"


def test_a_refused_start_charges_nothing_and_frees_the_paper(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def decline(_self: Sandbox, _purchase: Purchase) -> Started:
        raise Declined("account_closed")

    with monkeypatch.context() as closed:
        closed.setattr(Sandbox, "start", decline)
        with pytest.raises(Conflict, match="Nothing was charged"):
            begin(world, now=world.now)
    payment = latest(world)
    assert (payment.state, payment.failure_code) == ("failed", "account_closed")
    assert begin(world, now=world.now).state == "pending"


def test_what_nobody_foresaw_counts_as_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sandbox, "start", lambda *_args: 1 // 0)
    with pytest.raises(Unavailable):
        begin(world, now=world.now)
    assert latest(world).state == "unknown"


def test_who_may_not_pay_and_what_is_not_due(world: World) -> None:
    viewer = payer(world)
    viewer.is_owner = viewer.is_billing = False
    with pytest.raises(Forbidden):
        pay.start_payment(by=viewer, provider="sandbox", invoices=[world.invoice(OPEN)], now=world.now)
    with pytest.raises(Missing):
        begin(world, invoice=world.invoice("Oven scale integration"), now=world.now)
    with pytest.raises(Conflict):
        begin(world, invoice=world.invoice("Boutique theme"), now=world.now)
    with pytest.raises(Invalid):
        begin(world, "gold", now=world.now)
    for amount in (0, -1, 106_801):
        with pytest.raises(Invalid):
            pay.start_payment(
                by=payer(world), provider="sandbox", invoices=[world.invoice(OPEN)], amount_minor=amount, now=world.now
            )
    assert not Payment.objects.filter(targets__invoice=world.invoice(OPEN)).exists()


def test_a_part_is_paid_and_then_the_rest(world: World) -> None:
    invoice = world.invoice(OPEN)
    part = pay.start_payment(by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=6_800, now=world.now)
    gateway.pay(checkout_of(part), now=world.now)
    pay.lookup_payment(payment=part, now=world.now)
    assert (world.invoice(OPEN).payment_state, world.invoice(OPEN).amount_due_minor) == ("partially_paid", 100_000)
    rest = begin(world, now=world.now)
    assert rest.amount_minor == 100_000
    gateway.pay(checkout_of(rest), now=world.now)
    pay.lookup_payment(payment=rest, now=world.now)
    assert world.invoice(OPEN).payment_state == "paid"
    assert books.verify() == []


# After the beginning ---------------------------------------------------------------------------------------------------


def test_while_the_provider_is_silent_nothing_else_can_be_begun(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    Client().post(path_of(payment), {"choice": "silent"})
    pay.lookup_payment(payment=payment, now=world.now)
    for provider in ("sandbox", "bank_transfer"):
        with pytest.raises(Conflict):
            begin(world, provider, now=world.now)
    gateway.answer(checkout_of(payment), paid=True, now=world.now)
    janitor(world, clock, minutes=5)
    assert world.invoice(OPEN).payment_state == "paid"
    assert Payment.objects.filter(targets__invoice=world.invoice(OPEN)).count() == 1
    assert books.verify() == []


def test_look_ups_come_later_and_later_and_staff_are_told_after_two_days(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    checkout = checkout_of(payment)
    gateway.go_silent(checkout, now=world.now)
    Checkout.objects.filter(pk=checkout.pk).update(next_at=world.now + timedelta(days=9))  # it does not end by itself
    now, waits = world.now, []
    while now < world.now + timedelta(days=2, hours=7):
        payment.refresh_from_db()
        assert payment.next_lookup_at is not None
        waits.append((payment.next_lookup_at - now).total_seconds() / 60)
        now = payment.next_lookup_at
        clock.move_to(now)
        jobs.undecided_payments(now)
    payment.refresh_from_db()
    assert waits[1:6] == sorted(waits[1:6])
    assert max(waits) == 360
    assert payment.review == "the provider has not said for two days what became of it"
    assert payment.state == "unknown"


def test_a_checkout_nobody_finished_is_ended_after_a_day(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    janitor(world, clock, hours=23)
    payment.refresh_from_db()
    assert payment.state == "pending"
    janitor(world, clock, hours=30)
    payment.refresh_from_db()
    assert (payment.state, checkout_of(payment).state) == ("cancelled", "expired")
    assert Client().post(path_of(payment), {"choice": "pay"}).status_code == 409
    assert world.invoice(OPEN).payment_state == "not_paid"


def test_an_attempt_that_was_paid_a_moment_before_it_was_given_up_is_paid(world: World) -> None:
    payment = begin(world, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    with pytest.raises(Conflict):
        pay.give_up_payment(payment=payment, by=payer(world), now=world.now)
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert world.invoice(OPEN).payment_state == "paid"


def test_another_customer_gives_up_nothing(world: World) -> None:
    payment = begin(world, now=world.now)
    stranger = world.lena.memberships.get()
    with pytest.raises(Missing):
        pay.give_up_payment(payment=payment, by=stranger, now=world.now)
    payment.refresh_from_db()
    assert payment.state == "pending"


def test_money_for_an_order_cancelled_meanwhile_is_the_customer_s_credit(world: World) -> None:
    order = world.order(WAITING)
    payment = pay.start_payment(by=payer(world), provider="sandbox", order=order, now=world.now)
    orders.cancel_order(order=order, by=world.hanna, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.state, order.state) == ("succeeded", "cancelled")
    assert payment.unallocated_minor == payment.received_minor
    assert payment.review
    assert not order.invoices.exists()
    assert books.verify() == []


def test_money_of_a_checkout_that_is_not_ours_is_kept_beside(world: World) -> None:
    payment = begin(world, now=world.now)
    stray = Report(
        Said.SUCCEEDED, provider_reference="cs_other", payment_id=str(payment.pk), amount_minor=5_000, currency="EUR",
        account=gateway.ACCOUNT,
    )  # fmt: skip
    for _twice in range(2):
        pay.apply_report(payment=payment, report=stray, account=gateway.ACCOUNT, now=world.now)
    payment.refresh_from_db()
    kept = Payment.objects.get(provider_reference="cs_other")
    assert (payment.state, kept.state, kept.unallocated_minor) == ("pending", "succeeded", 5_000)
    assert kept.review


@pytest.mark.parametrize("sweep", ["sandbox_company", "provider_events", "undecided_payments"])
def test_a_sweep_with_nothing_to_do_changes_nothing(world: World, sweep: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(gateway, "post_over_http", lambda _body, _signature: 200)
    run = getattr(jobs, sweep)
    run(world.now)
    before = list(Payment.objects.order_by("pk").values())
    assert run(world.now) == 0, "the second turn finds nothing left"
    assert list(Payment.objects.order_by("pk").values()) == before
