"""A debit of the sandbox company that comes back: due again, told once, tried again by auto-pay, never given back twice."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client

from portico.billing import books
from portico.billing.actions import pay, refund
from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Payment, ProviderEvent, Reversal
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout, Delivery
from portico.billing.tests.actions.test_autopay import attempts, of, renewed, sweep
from portico.billing.tests.attempts import OPEN, begin, checkout_of, path_of, payer, saved_by, tell
from portico.billing.tests.my.pages import text_of
from portico.cast import World
from portico.kit.models import Letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
Browser = Callable[..., Client]
Clock = time_machine.Traveller


def pass_on(now: datetime) -> int:
    """The company's time goes on, and what it owes us is told; how many notices were answered."""
    gateway.pass_time(now)
    return gateway.deliver(now, post=lambda body, signature: tell(body, at=now, signature=signature).status_code)


def later(clock: Clock, now: datetime, step: timedelta = gateway.LATE) -> datetime:
    """The moment after a step; notices of then are told."""
    clock.move_to(now + step)
    pass_on(now + step)
    return now + step


def test_a_debit_arrives_and_is_taken_back(world: World, client_for: Browser, clock: Clock) -> None:
    client = client_for(world.julien)
    payment = begin(world, now=world.now)
    page = client.get(path_of(payment))
    assert "your bank takes it back 20 seconds later" in text_of(page)
    assert client.post(path_of(payment), {"choice": "returned"}).status_code == 302
    pass_on(world.now)
    assert world.invoice(OPEN).payment_state == "in_payment"
    arrived = later(clock, world.now)
    invoice = world.invoice(OPEN)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("paid", 0)
    later(clock, arrived, gateway.RETURN_TAKES - timedelta(seconds=1))
    assert not Reversal.objects.exists(), "not before its time"
    back = later(clock, arrived, gateway.RETURN_TAKES)
    invoice, reversal = world.invoice(OPEN), Reversal.objects.get()
    payment.refresh_from_db()
    assert (invoice.payment_state, invoice.amount_due_minor) == ("not_paid", 106_800)
    assert (payment.state, payment.returned_minor) == ("reversed", 106_800)
    assert (reversal.state, reversal.reason, reversal.taken_minor) == ("lost", "insufficient_funds", 106_800)
    assert Letter.objects.filter(event="payment_reversed").exists()
    assert books.verify() == []
    assert "your bank took the money back" in text_of(client.get(path_of(payment)))
    assert "Taken back by the bank" in text_of(client_for(world.omar).get(f"/staff/payments/{payment.pk}/"))
    for _again in range(2):
        assert pass_on(back + timedelta(hours=1)) == 0, "it comes back once"
    assert Reversal.objects.count() == 1


def test_the_notice_may_come_twice_and_a_forged_one_does_nothing(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    gateway.pay_and_return(checkout_of(payment), now=world.now)
    pass_on(world.now)
    now = later(clock, later(clock, world.now), gateway.RETURN_TAKES)
    told = Delivery.objects.get(kind="debit.returned")
    assert tell(told.body.encode(), at=now).status_code == 200
    other = told.body.replace(told.event_id, "evt_other").encode()
    assert tell(other, at=now, signature="t=1,v1=00").status_code == 400
    assert tell(other, at=now).status_code == 200, "another notice of the same return"
    assert Reversal.objects.count() == 1
    assert ProviderEvent.objects.filter(kind="debit.returned", state="done").count() == 2
    assert books.verify() == []


def test_auto_pay_tries_a_returned_debit_again_as_planned(world: World, clock: Clock) -> None:
    saved_by(payer(world), "returns", now=world.now)
    invoice = renewed(world, "renewing")
    sweep(world.now)
    pass_on(world.now)
    now = later(clock, world.now)
    assert attempts(invoice) == ["succeeded"]
    now = later(clock, now, gateway.RETURN_TAKES)
    one = of(invoice)
    assert attempts(invoice) == ["reversed"]
    assert (one.state, one.tries, one.why) == ("waiting", 1, "insufficient_funds")
    assert one.next_at == now + timedelta(days=2)
    assert books.verify() == []


def test_what_was_given_back_is_not_taken_back_as_well(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    gateway.pay_and_return(checkout_of(payment), now=world.now)
    pass_on(world.now)
    now = later(clock, world.now)
    payment.refresh_from_db()
    credit_invoice(
        invoice=world.invoice(OPEN), quantities=None, reason="Not needed.", invoice_again=False, by=world.omar, now=now
    )
    asked = refund.ask_refund(
        payment=payment, amount_minor=6_800, way="provider", reason="Too much.", by=world.omar, now=now
    )
    assert asked.state == "pending"
    later(clock, now, gateway.RETURN_TAKES)
    payment.refresh_from_db()
    assert Reversal.objects.get().taken_minor == 100_000
    assert (payment.state, payment.returned_minor) == ("reversed", 106_800)
    with pytest.raises(gateway.Gone):
        gateway.give_back("another", "x", checkout_of(payment), 1, now=now)
    assert books.verify() == []


def test_what_is_paid_at_once_or_late_stays(world: World, clock: Clock) -> None:
    payment = begin(world, now=world.now)
    gateway.pay_late(checkout_of(payment), now=world.now)
    pass_on(world.now)
    later(clock, later(clock, world.now), timedelta(days=3))
    payment = pay.lookup_payment(payment=Payment.objects.get(pk=payment.pk), now=world.now)
    assert payment.state == "succeeded"
    assert not Checkout.objects.filter(returned_at__isnull=False).exists()
    assert not Delivery.objects.filter(kind="debit.returned").exists()
