"""Money that a bank takes back: due again at once, in any order of notices, and right in the books."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from portico.billing import books
from portico.billing.actions import notices, pay, refund, reverse
from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Allocation, Payment, Refund, Reversal
from portico.billing.providers import find
from portico.billing.providers.base import RefundReport, RefundSaid, ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import OPEN, begin, checkout_of, payer
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter

pytestmark = pytest.mark.usefixtures("clock")
OPENED, WON, LOST = ReversalSaid.OPENED, ReversalSaid.WON, ReversalSaid.LOST


def paid(world: World) -> Payment:
    """The open invoice is paid."""
    payment = begin(world, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    return pay.lookup_payment(payment=payment, now=world.now)


def credited(world: World, amount_minor: int) -> None:
    """Finance credits so much of the open invoice."""
    with transaction.atomic():
        credit_invoice(
            invoice=world.invoice(OPEN), quantities=None, amount_minor=amount_minor, reason="Agreed",
            invoice_again=False, by=world.omar, now=world.now,
        )  # fmt: skip


def told(payment: Payment, said: ReversalSaid, **changes: Any) -> ReversalReport:
    report = ReversalReport(said, "dp_1", payment.charge_reference, 106_800, "EUR", "fraudulent")
    return replace(report, **changes)


def tell(world: World, payment: Payment, *said: ReversalSaid, **changes: Any) -> Payment:
    for one in said:
        reverse.apply_reversal(payment=payment, report=told(payment, one, **changes), now=world.now)
    payment.refresh_from_db()
    return payment


def test_a_dispute_makes_the_invoice_due_again_and_nobody_is_reminded_of_it(world: World) -> None:
    payment = tell(world, paid(world), OPENED, OPENED)
    invoice = world.invoice(OPEN)
    assert (payment.state, payment.returned_minor, payment.unallocated_minor) == ("reversed", 106_800, 0)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("disputed", 106_800)
    assert payment.review == reverse.OPENED
    assert Reversal.objects.count() == 1
    assert Letter.objects.filter(event="payment_reversed").values("about").distinct().count() == 1
    assert books.verify() == []


def test_a_refund_that_waits_for_a_second_person_gives_way_to_the_payer_s_bank(world: World) -> None:
    payment = paid(world)
    credited(world, 101_000)
    waits = refund.ask_refund(
        payment=payment, amount_minor=101_000, way="provider", reason="Agreed", by=world.omar, now=world.now
    )
    assert waits.state == "waiting"
    payment = tell(world, payment, OPENED)
    waits.refresh_from_db()
    assert (waits.state, payment.state, payment.returned_minor) == ("refused", "reversed", 106_800)
    assert Reversal.objects.get().taken_minor == 106_800
    with pytest.raises(Conflict):
        refund.approve_refund(refund=waits, by=world.admin, now=world.now)
    assert books.verify() == []


def test_a_dispute_waits_until_it_is_known_what_became_of_a_refund(world: World) -> None:
    payment = paid(world)
    credited(world, 60_000)
    asked = refund.ask_refund(
        payment=payment, amount_minor=50_000, way="provider", reason="Agreed", by=world.omar, now=world.now
    )
    Refund.objects.filter(pk=asked.pk).update(state="unknown", ended_at=None, next_lookup_at=world.now)
    provider = find("sandbox")
    assert provider is not None
    report = told(payment, OPENED)
    assert notices._about_reversal(provider, report, now=world.now) == "it is not known yet what became of a refund"
    assert not Reversal.objects.exists()
    asked.refresh_from_db()
    refund.apply_refund_report(refund=asked, report=RefundReport(RefundSaid.FAILED), now=world.now)
    assert notices._about_reversal(provider, report, now=world.now) == ""
    assert Reversal.objects.get().taken_minor == 106_800


def test_won_it_is_paid_again_and_lost_it_is_asked_for(world: World) -> None:
    payment = tell(world, paid(world), OPENED, WON, WON)
    invoice = world.invoice(OPEN)
    assert (payment.state, payment.returned_minor, invoice.payment_state) == ("succeeded", 0, "paid")
    assert invoice.disputed_at is None
    assert books.verify() == []
    payment = tell(world, payment, OPENED, LOST, LOST, provider_reference="dp_2")
    invoice = world.invoice(OPEN)
    assert (payment.state, invoice.payment_state, invoice.disputed_at) == ("reversed", "not_paid", None)
    assert payment.review == reverse.LOST
    assert books.verify() == []


@pytest.mark.parametrize("order", list(permutations((OPENED, OPENED, LOST))), ids=lambda said: "-".join(said))
def test_the_order_of_what_is_told_does_not_matter(world: World, order: tuple[ReversalSaid, ...]) -> None:
    payment = tell(world, paid(world), *order)
    assert (payment.state, payment.returned_minor) == ("reversed", 106_800)
    assert (world.invoice(OPEN).payment_state, Reversal.objects.get().state) == ("not_paid", "lost")
    assert books.verify() == []


@pytest.mark.parametrize("order", list(permutations((OPENED, OPENED, WON))), ids=lambda said: "-".join(said))
def test_nor_when_it_was_won(world: World, order: tuple[ReversalSaid, ...]) -> None:
    payment = tell(world, paid(world), *order)
    assert (payment.state, payment.returned_minor) == ("succeeded", 0)
    assert (world.invoice(OPEN).payment_state, Reversal.objects.get().state) == ("paid", "won")
    assert books.verify() == []


def test_a_part_of_it_can_be_taken_back(world: World) -> None:
    payment = tell(world, paid(world), LOST, amount_minor=6_800)
    assert (payment.state, payment.returned_minor) == ("succeeded", 6_800)
    assert (world.invoice(OPEN).payment_state, world.invoice(OPEN).amount_due_minor) == ("partially_paid", 6_800)
    assert books.verify() == []


def test_more_than_there_is_or_another_currency_changes_no_sum_and_is_for_staff(world: World) -> None:
    payment = tell(world, paid(world), OPENED, WON, amount_minor=106_801)
    tell(world, payment, LOST, currency="USD", provider_reference="dp_2")
    assert (payment.state, payment.returned_minor, world.invoice(OPEN).payment_state) == ("succeeded", 0, "paid")
    assert payment.review
    assert books.verify() == []


def test_what_was_paid_again_meanwhile_stays_paid_and_the_money_that_comes_back_is_credit(world: World) -> None:
    payment = tell(world, paid(world), OPENED)
    again = paid(world)
    assert world.invoice(OPEN).payment_state == "paid"
    tell(world, payment, WON)
    assert (payment.unallocated_minor, again.unallocated_minor) == (106_800, 0)
    assert payment.review == reverse.WON
    assert books.verify() == []


def test_an_order_s_money_goes_back_off_its_invoice(world: World) -> None:
    order = world.order("Second workshop")
    payment = pay.start_payment(by=payer(world), provider="sandbox", order=order, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    payment = pay.lookup_payment(payment=payment, now=world.now)
    assert payment.state == "succeeded"
    tell(world, payment, LOST, amount_minor=payment.received_minor)
    payment.refresh_from_db()
    settled = Allocation.objects.filter(payment=payment, amount_minor__gt=0).select_related("invoice").get().invoice
    assert settled is not None
    assert (settled.payment_state, payment.state) == ("not_paid", "reversed")
    assert books.verify() == []
