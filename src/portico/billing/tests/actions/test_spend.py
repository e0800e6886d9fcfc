"""A customer's credit is used on an open invoice: stray money, leftovers of credit notes, what stands in the way."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.test import Client

from portico.accounts.models import Event
from portico.billing import books
from portico.billing.actions import pay, spend
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.dispute import dispute_invoice
from portico.billing.actions.spend import credits_of, use_credit
from portico.billing.models import Invoice, Payment
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import OPEN, begin, checkout_of
from portico.billing.tests.my.pages import at_once, text_of
from portico.billing.tests.my.pages import books as rows
from portico.billing.tests.staff.pages import main_form
from portico.cast import World, accept, line, offer
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing

pytestmark = pytest.mark.django_db
TRAINING = "On-site training in Lyon"


def note_of(world: World, title: str = "Boutique theme") -> Invoice:
    """A credit note for what was paid: €423.96 that settles nothing."""
    with transaction.atomic():
        return credit_invoice(
            invoice=world.invoice(title), quantities=None, reason="Not needed.", invoice_again=False, by=world.omar,
            now=world.now,
        )  # fmt: skip


def money_of(world: World, amount_minor: int = 50_000) -> Payment:
    """Money that nobody knows what it is for."""
    return pay.book_transfer(
        customer=world.fontaine, amount_minor=amount_minor, received_on=world.now.date(), payer_name="ATELIER F.",
        by=world.omar, now=world.now,
    )  # fmt: skip


def used(world: World, *sources: Payment | Invoice, title: str = OPEN) -> int:
    return use_credit(invoice=world.invoice(title), sources=sources, by=world.omar, now=world.now)


def test_what_is_left_of_a_credit_note_settles_an_invoice(world: World) -> None:
    note = note_of(world)
    assert used(world, note) == 42_396
    invoice = world.invoice(OPEN)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("partially_paid", 106_800 - 42_396)
    event = Event.objects.get(name="invoice.credit_used")
    assert event.data == {"number": note.number, "amount_minor": 42_396, "currency": "EUR"}
    assert credits_of(world.fontaine, "EUR") == []
    assert books.verify() == []
    before = rows()
    with pytest.raises(Conflict, match="used up"):
        used(world, note, title=TRAINING)
    assert rows() == before


def test_several_are_used_in_order_and_no_more_than_is_due(world: World) -> None:
    note, money = note_of(world), money_of(world, 90_000)
    assert credits_of(world.fontaine, "EUR")
    assert used(world, note, money) == 106_800
    invoice = world.invoice(OPEN)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("paid", 0)
    (left,) = credits_of(world.fontaine, "EUR")
    assert (left.source, left.left_minor) == (money, 90_000 + 42_396 - 106_800)
    assert not credits_of(world.fontaine, "NOK")
    assert not credits_of(world.lindner, "EUR")
    assert books.verify() == []


def test_what_another_tab_begins_to_pay_meanwhile_is_not_settled_beside_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the payer would be charged all that was due, and find a part of it as credit."""
    money, end_attempts = money_of(world), spend._end_attempts

    def end_and_begin(invoice: Invoice, *, now: datetime) -> None:
        end_attempts(invoice, now=now)
        begin(world, now=now)

    monkeypatch.setattr(spend, "_end_attempts", end_and_begin)
    with pytest.raises(Conflict, match="Nothing was used"):
        used(world, money)
    assert money.unallocated_minor == 50_000
    assert world.invoice(OPEN).amount_due_minor == 106_800
    monkeypatch.undo()
    assert used(world, money) == 50_000, "that attempt is ended now"
    assert books.verify() == []


@pytest.mark.parametrize("of_its_own", [False, True])
def test_an_order_that_waits_for_its_invoice_is_confirmed_by_another_s_credit(world: World, of_its_own: bool) -> None:
    """The credit note for the invoice itself means that it is not wanted any more: that confirms nothing."""
    note = note_of(world)
    policy = {"payment_policy": "full", "invoice_before_payment": True}
    quotation = offer(world, world.fontaine, "A handbook", [line(world, "handbook")], world.now, **policy)
    order = accept(world, quotation, world.now)
    assert order.state == "awaiting_payment"
    invoice = order.invoices.get()
    if of_its_own:
        note = note_of(world, "A handbook")
    else:
        use_credit(invoice=invoice, sources=[note], by=world.omar, now=world.now)
    invoice.refresh_from_db()
    order.refresh_from_db()
    assert invoice.payment_state == "credited"
    assert order.state == ("awaiting_payment" if of_its_own else "confirmed")
    assert books.verify() == []


def test_a_checkout_that_is_open_is_ended_first(world: World) -> None:
    payment, money = begin(world, now=world.now), money_of(world)
    used(world, money)
    payment.refresh_from_db()
    assert (payment.state, checkout_of(payment).state) == ("cancelled", "expired")
    assert books.verify() == []


def test_while_a_payment_is_unknown_or_on_its_way_nothing_is_used(world: World) -> None:
    payment, money = begin(world, now=world.now), money_of(world)
    gateway.go_silent(checkout_of(payment), now=world.now)
    with pytest.raises(Conflict, match="not known yet"):
        used(world, money)
    assert money.unallocated_minor == 50_000
    on_its_way = world.invoice("Label printer on the packing bench")
    with pytest.raises(Conflict, match="on its way"):
        use_credit(invoice=on_its_way, sources=[money], by=world.omar, now=world.now + timedelta(minutes=1))
    assert money.unallocated_minor == 50_000
    assert books.verify() == []


def test_what_was_paid_a_moment_before_is_not_settled_twice(world: World) -> None:
    payment, money = begin(world, now=world.now), money_of(world)
    gateway.pay(checkout_of(payment), now=world.now)
    with pytest.raises(Conflict):
        used(world, money)
    assert (world.invoice(OPEN).payment_state, money.unallocated_minor) == ("paid", 50_000)
    assert books.verify() == []


def test_who_may_not_and_what_is_not_theirs(world: World) -> None:
    money, note = money_of(world), note_of(world)
    dispute_invoice(invoice=world.invoice(TRAINING), by=world.omar, now=world.now)
    before = rows()
    with pytest.raises(Forbidden):
        use_credit(invoice=world.invoice(OPEN), sources=[money], by=world.hanna, now=world.now)
    with pytest.raises(Invalid):
        used(world)
    with pytest.raises(Missing):
        used(world, money, title="Oven scale integration")
    with pytest.raises(Conflict, match="Solve the dispute"):
        used(world, note, title=TRAINING)
    with pytest.raises(Conflict, match="nothing is due"):
        used(world, world.invoice(TRAINING))  # an invoice is no credit
    assert rows() == before


@pytest.mark.django_db(transaction=True)
def test_of_two_who_spend_one_credit_note_at_once_it_is_spent_once(world: World) -> None:
    note = note_of(world)
    ends = at_once(lambda: used(world, note), lambda: used(world, note, title=TRAINING))
    assert sum(one for one in ends if isinstance(one, int)) == 42_396
    assert books.verify() == []


# Through the pages -----------------------------------------------------------------------------------------------------


def test_finance_uses_credit_from_the_invoice(world: World, client_for: Callable[..., Client]) -> None:
    client, number = client_for(world.omar), world.invoice(OPEN).number
    here, page = f"/staff/invoices/{number}/use-credit/", f"/staff/invoices/{number}/"
    assert "Use the customer's credit" not in text_of(client.get(page))
    assert "no credit in EUR" in text_of(client.get(here))
    note, money = note_of(world), money_of(world)
    assert "Use the customer's credit" in text_of(client.get(page))
    assert "Use the customer's credit" not in text_of(client_for(world.hanna).get(page))
    told = text_of(client.get(here))
    assert str(note.number) in told
    assert "€423.96" in told
    assert "€500.00" in told
    assert "Left as credit€423.96" in text_of(client.get(f"/staff/invoices/{note.number}/")).replace(" €", "€")
    before = rows()
    for posted in ({}, {"credit": "note-999999"}, {"credit": f"note-{world.invoice(TRAINING).pk}"}):
        assert client.post(here, posted).status_code == 400
    assert rows() == before
    form = main_form(client.get(here)) | {"credit": [f"note-{note.pk}", f"payment-{money.pk}"]}
    assert client.post(here, form).headers["Location"] == page
    assert "€923.96 of the customer's credit is used." in text_of(client.get(page))
    assert world.invoice(OPEN).amount_due_minor == 106_800 - 92_396
    assert "of credit note" in text_of(client.get(f"{page}thread/"))
    assert books.verify() == []


def test_nothing_is_used_on_what_is_paid(world: World, client_for: Callable[..., Client]) -> None:
    note_of(world)
    paid = world.invoice("Training on site, first session").number
    assert client_for(world.omar).get(f"/staff/invoices/{paid}/use-credit/").status_code == 409
