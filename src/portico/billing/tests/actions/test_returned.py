"""A charge of auto-pay that the payer's bank takes back: tried again as planned or stopped, told to both sides, never twice."""

from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine

from portico.billing import books, jobs
from portico.billing.actions import autopay, charge, collect, methods, pay, reverse
from portico.billing.models import Collection, Invoice, Payment, PaymentTarget, Reversal
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.tests.actions.test_autopay import attempts, letters, of, renewed, sweep
from portico.billing.tests.attempts import payer, saved_by
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
Clock = time_machine.Traveller
OPENED, WON, LOST = ReversalSaid.OPENED, ReversalSaid.WON, ReversalSaid.LOST


def collected(world: World, name: str = "renewing") -> Invoice:
    """An invoice that auto-pay charged, and whose money arrived."""
    saved_by(payer(world), now=world.now)
    invoice = renewed(world, name)
    sweep(world.now)
    assert attempts(invoice) == ["succeeded"]
    return invoice


def taken_back(
    invoice: Invoice, *said: ReversalSaid, reason: str = "insufficient_funds", now: datetime, minor: int = 0
) -> Reversal:
    """The bank takes the last payment of an invoice back."""
    payment = Payment.objects.filter(targets__invoice=invoice, state="succeeded").latest("created_at")
    about = payment.charge_reference, minor or payment.received_minor, payment.received_currency
    reports = [ReversalReport(one, f"dp_{payment.pk}", *about, reason) for one in said]
    return [reverse.apply_reversal(payment=payment, report=one, now=now) for one in reports][-1]


def test_for_want_of_money_it_is_tried_again_as_planned_until_the_plan_is_used_up(world: World, clock: Clock) -> None:
    invoice, now = collected(world), world.now
    for number, days in enumerate((2, 5, 7, 7), start=1):
        taken_back(invoice, LOST, LOST, now=now)
        invoice.refresh_from_db()
        one = of(invoice)
        assert (one.state, one.tries, one.why) == ("waiting", number, "insufficient_funds")
        assert (one.next_at, invoice.amount_due_minor) == (now + timedelta(days=days), invoice.total_minor)
        assert one.next_at is not None
        clock.move_to(one.next_at - timedelta(seconds=1))
        sweep(one.next_at - timedelta(seconds=1))
        assert len(attempts(invoice)) == number, "not before its time"
        now = one.next_at
        clock.move_to(now)
        sweep(now)
        sweep(now)
        assert attempts(invoice) == ["reversed"] * number + ["succeeded"]
    taken_back(invoice, LOST, now=now)
    assert (of(invoice).state, of(invoice).next_at) == ("stopped", None)
    sweep(now + timedelta(days=400))
    assert attempts(invoice) == ["reversed"] * 5, "a debit that is returned each time comes to an end"
    assert letters("payment_reversed") == 5
    assert books.verify() == []


@pytest.mark.parametrize("reason", ["debit_not_authorized", "fraudulent", "customer_initiated", "account_closed", ""])
def test_for_any_other_reason_it_is_stopped_and_only_another_method_is_charged(world: World, reason: str) -> None:
    invoice = collected(world)
    taken_back(invoice, LOST, reason=reason, now=world.now)
    assert (of(invoice).state, of(invoice).why) == ("stopped", reason or "returned")
    sweep(world.now + timedelta(days=30))
    assert attempts(invoice) == ["reversed"]
    good = saved_by(payer(world), now=world.now)
    methods.choose_default(method=good, by=payer(world), now=world.now)
    sweep(world.now)
    assert sorted(attempts(invoice)) == ["reversed", "succeeded"]
    assert (of(invoice).state, of(invoice).tries) == ("paid", 0)


def test_while_the_bank_decides_nothing_is_charged(world: World) -> None:
    invoice = collected(world)
    taken_back(invoice, OPENED, reason="fraudulent", now=world.now)
    sweep(world.now + timedelta(days=3))
    assert (of(invoice).state, attempts(invoice)) == ("paid", ["reversed"])
    later = world.now + timedelta(days=10)
    reversal = Reversal.objects.get()
    report = ReversalReport(LOST, reversal.provider_reference, "", reversal.amount_minor, "EUR", "fraudulent")
    reverse.apply_reversal(payment=reversal.payment, report=report, now=later)
    assert (of(invoice).state, letters("payment_reversed"), letters("autopay_failed")) == ("stopped", 1, 1)


def test_won_nothing_is_collected(world: World) -> None:
    invoice = collected(world)
    taken_back(invoice, OPENED, WON, now=world.now)
    sweep(world.now + timedelta(days=30))
    assert (of(invoice).state, of(invoice).tries, attempts(invoice)) == ("paid", 0, ["succeeded"])


def test_a_part_that_was_taken_back_is_charged_alone(world: World, clock: Clock) -> None:
    invoice = collected(world)
    taken_back(invoice, LOST, now=world.now, minor=500)
    clock.shift(timedelta(days=2))
    sweep(world.now + timedelta(days=2))
    last = Payment.objects.filter(targets__invoice=invoice).latest("created_at")
    assert (last.amount_minor, last.state) == (500, "succeeded")
    assert books.verify() == []


def test_what_was_switched_off_or_paid_by_hand_is_left_to_the_payer(world: World) -> None:
    off = collected(world, "one")
    autopay.switch_off(subscription=off.period.subscription, by=payer(world), now=world.now)  # type: ignore[union-attr]
    taken_back(off, LOST, now=world.now)
    assert (of(off).state, of(off).why) == ("stopped", "switched_off")
    by_hand = renewed(world, "two")
    method = payer(world).customer.saved_methods.get()
    charge.pay_with_saved(by=payer(world), method=method, invoices=[by_hand], now=world.now)
    taken_back(by_hand, LOST, now=world.now)
    sweep(world.now + timedelta(days=30))
    assert attempts(by_hand) == ["reversed"]
    assert not Collection.objects.filter(invoice=by_hand).exists()


def test_customer_and_staff_are_told_how_it_goes_on(world: World) -> None:
    again, stopped = collected(world, "one"), collected(world, "two")
    taken_back(again, LOST, now=world.now)
    taken_back(stopped, LOST, reason="fraudulent", now=world.now)
    texts = {}
    for letter in Letter.objects.filter(event="payment_reversed", to_address="camille@fontaine.example"):
        rendered = render(letter)
        assert rendered is not None
        texts[Reversal.objects.get(pk=letter.data["reversal"]).reason] = " ".join(rendered.text.split())
    assert "Auto-pay tries again on" in texts["insufficient_funds"]
    assert "does not charge this way to pay for it again" in texts["fraudulent"]
    assert {one.review for one in Payment.objects.filter(state="reversed")} == {reverse.LOST}
    assert letters("autopay_failed") == 0, "one letter for one return"


# At once ---------------------------------------------------------------------------------------------------------------


def twice_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> Invoice:
    """Two workers collect the invoice again at the same moment; both have looked before any writes."""
    invoice = collected(world)
    taken_back(invoice, LOST, now=world.now)
    due = of(invoice).next_at
    assert due is not None
    ready, method_for = Barrier(2, timeout=20), collect.method_for

    def both(customer: Any) -> Any:
        try:
            ready.wait(timeout=2)
        except Exception:  # noqa: BLE001  # the guard kept the other one out
            ready.reset()
        return method_for(customer)

    monkeypatch.setattr(collect, "method_for", both)
    with time_machine.travel(due, tick=False):
        at_once(*[lambda: jobs.collections(due)] * 2)
    return invoice


@pytest.mark.django_db(transaction=True)
def test_two_workers_charge_again_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = twice_at_once(world, monkeypatch)
    assert attempts(invoice) == ["reversed", "succeeded"]
    assert books.verify() == []


@pytest.mark.django_db(transaction=True)
def test_the_control_without_claim_and_rule_charges_again_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def hold_nothing(payment: Payment, parts: list[pay.Due]) -> None:
        for due in parts:
            PaymentTarget.objects.create(
                payment=payment, amount_minor=due.amount_minor, open=False, holds=False, invoice_id=due.paper.pk
            )

    monkeypatch.setattr(Collection, "take", lambda self, **_more: True)
    monkeypatch.setattr(pay, "hold", hold_nothing)
    monkeypatch.setattr(pay, "_lock", lambda _chosen: None)
    invoice = twice_at_once(world, monkeypatch)
    assert attempts(invoice).count("succeeded") == 2
