"""Something is wrong with an invoice: what is written down, who hears it, what pauses, and how it ends."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from portico.accounts.models import Event, Membership, User
from portico.billing import books
from portico.billing.actions import dunning, pay
from portico.billing.actions.dispute import Crediting, dispute_invoice, solve_dispute
from portico.billing.models import Dispute, Invoice
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import checkout_of
from portico.billing.tests.my.pages import at_once
from portico.billing.tests.my.pages import books as rows
from portico.cast import World, transfer
from portico.conversation.timeline import timeline
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = pytest.mark.django_db
LATE = "On-site training in Lyon"
"""An invoice of Fontaine's, €1,872.00, overdue; three training sessions."""


def objected(world: World, **changes: Any) -> Dispute:
    """Julien says that something is wrong."""
    said: dict[str, Any] = {
        "invoice": world.invoice(LATE),
        "by": world.member(world.julien),
        "reason": "not_received",
        "message": "Only two of the three days took place.",
        "now": world.now,
    }
    return dispute_invoice(**said | changes)


def solved(world: World, **changes: Any) -> Invoice | None:
    """Omar answers."""
    said: dict[str, Any] = {
        "invoice": world.invoice(LATE),
        "answer": "You are right, thank you.",
        "by": world.omar,
        "now": world.now + timedelta(days=1),
    }
    return solve_dispute(**said | changes)


def test_a_member_objects_and_finance_and_the_salesperson_hear_it(world: World) -> None:
    dispute = objected(world)
    invoice = world.invoice(LATE)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("disputed", 187_200)
    assert invoice.disputed_at == world.now
    letters = Letter.objects.filter(event="invoice_disputed")
    assert sorted(one.to_address.split("@")[0] for one in letters) == ["hanna", "omar"]
    rendered = render(letters.earliest("id"))
    assert rendered is not None
    assert "Only two of the three days took place." in rendered.text
    assert "We have not received it, or not all of it" in rendered.text
    assert f"/staff/invoices/{invoice.number}/" in rendered.text
    event = Event.objects.get(name="invoice.disputed", object_id=str(invoice.pk))
    assert event.data == {"number": invoice.number, "dispute": dispute.pk}, "ids, no words"
    assert books.verify() == []


def test_the_objection_and_its_answer_stand_in_the_conversation(world: World) -> None:
    objected(world)
    solved(world)
    entries = timeline(world.invoice(LATE), staff=False, seller_name="Northwind").entries
    said = [entry.body for entry in entries if entry.body]
    assert said == [
        "We have not received it, or not all of it\nOnly two of the three days took place.",
        "You are right, thank you.",
    ]


def test_reminders_pause_until_it_is_solved(world: World) -> None:
    invoice = world.invoice(LATE)
    assert invoice.due_on is not None
    then = datetime.combine(invoice.due_on, world.now.timetz()) + timedelta(days=7)
    dispute = objected(world)
    about = {"event": "invoice_overdue", "about": f"invoice:{invoice.pk}"}
    dunning.remind_due(then)
    assert not Letter.objects.filter(**about).exists()
    solved(world)
    dunning.remind_due(then)
    assert Letter.objects.filter(**about).count() == 2
    dispute.refresh_from_db()
    assert (dispute.outcome, dispute.solved_by) == ("stands", world.omar)


def test_it_stands_and_the_customer_gets_the_answer(world: World) -> None:
    objected(world)
    letter = Letter.objects.filter(event="invoice_disputed").earliest("id")
    assert solved(world) is None
    invoice = world.invoice(LATE)
    assert (invoice.payment_state, invoice.disputed_at) == ("not_paid", None)
    answers = Letter.objects.filter(event="invoice_solved")
    assert sorted(one.to_address.split("@")[0] for one in answers) == ["camille", "julien"]
    rendered = render(answers.earliest("id"))
    assert rendered is not None
    assert "it stands as it is" in rendered.text
    assert "€1,872.00" in rendered.text
    assert render(letter) is None, "what is solved is not announced any more"
    assert books.verify() == []


def test_some_of_it_is_credited_in_the_same_breath(world: World) -> None:
    objected(world)
    line = world.invoice(LATE).lines.get(kind="line")
    note = solved(world, crediting=Crediting({line.pk: line.quantity / 3}, "The third day was missing.", False))
    assert note is not None
    invoice = world.invoice(LATE)
    assert (note.total_minor, note.refers_to) == (62_400, invoice)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("partially_paid", 124_800)
    assert Dispute.objects.get(invoice=invoice).outcome == "credited"
    assert books.verify() == []


def test_a_credit_note_that_cannot_be_leaves_the_dispute_open(world: World) -> None:
    objected(world)
    before = rows()
    with pytest.raises(Invalid, match="reason"):
        solved(world, crediting=Crediting(None, " ", False))
    assert rows() == before


def test_what_was_paid_meanwhile_is_answered_and_stays_paid(world: World) -> None:
    objected(world)
    transfer(world, world.invoice(LATE), 187_200, world.now)
    assert world.invoice(LATE).payment_state == "paid"
    solved(world)
    invoice = world.invoice(LATE)
    assert (invoice.payment_state, invoice.disputed_at) == ("paid", None)
    assert books.verify() == []


def test_staff_note_what_they_were_told_and_no_letter_is_written(world: World) -> None:
    letters = Letter.objects.count()
    dispute = objected(world, by=world.hanna, message="")
    assert (dispute.by, world.invoice(LATE).payment_state) == (world.hanna, "disputed")
    assert Letter.objects.count() == letters


@pytest.mark.parametrize(
    ("changes", "refusal", "said"),
    [
        ({"message": " \n"}, Invalid, "few words"),
        ({"message": "x" * 4001}, Invalid, "4000"),
        ({"reason": "because"}, Invalid, "Choose what is wrong"),
        ({"reason": ""}, Invalid, "Choose what is wrong"),
        ({"reason": "bank"}, Invalid, "Choose what is wrong"),
    ],
)
def test_an_objection_that_says_nothing_is_refused(
    world: World, changes: dict[str, Any], refusal: type[Exception], said: str
) -> None:
    before = rows()
    with pytest.raises(refusal, match=said):
        objected(world, **changes)
    assert rows() == before


def test_only_who_pays_or_decides_at_the_customer_may_object(world: World) -> None:
    reader = User.objects.create_user("reader@fontaine.example", name="Rea")
    membership = Membership.objects.create(user=reader, customer=world.fontaine, is_viewer=True)
    before = rows()
    with pytest.raises(Forbidden):
        objected(world, by=membership)
    with pytest.raises(Missing):
        objected(world, by=world.member(world.lena))
    with pytest.raises(Forbidden):
        solved(world, by=world.hanna)
    assert rows() == before


def test_it_is_disputed_once_and_solved_once(world: World) -> None:
    objected(world)
    with pytest.raises(Conflict):
        objected(world)
    solved(world)
    before = rows()
    with pytest.raises(Conflict):
        solved(world)
    assert rows() == before
    objected(world)
    assert Dispute.objects.filter(invoice=world.invoice(LATE)).count() == 2, "it may be disputed again"


@pytest.mark.parametrize("title", ["Boutique theme", "Training, invoiced twice"])
def test_what_is_settled_cannot_be_disputed(world: World, title: str) -> None:
    before = rows()
    with pytest.raises(Conflict):
        objected(world, invoice=world.invoice(title))
    assert rows() == before


def test_the_database_holds_one_open_dispute_and_an_outcome_for_each_solved_one(world: World) -> None:
    dispute = objected(world)
    with pytest.raises(IntegrityError), transaction.atomic():
        Dispute.objects.create(invoice=dispute.invoice, at=world.now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Dispute.objects.filter(pk=dispute.pk).update(solved_at=world.now)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_solve_at_once_one_makes_a_credit_note(world: World) -> None:
    objected(world)
    again = Crediting(None, "Wrong.", False)
    ends = at_once(lambda: solved(world, crediting=again), lambda: solved(world, crediting=again))
    assert sorted(type(one).__name__ for one in ends) == ["Conflict", "Invoice"]
    assert Invoice.objects.filter(kind="credit_note", refers_to=world.invoice(LATE)).count() == 1
    assert books.verify() == []


def test_a_payment_that_was_on_its_way_still_arrives(world: World) -> None:
    payment = pay.start_payment(
        by=world.member(world.julien), provider="sandbox", invoices=[world.invoice(LATE)], now=world.now
    )
    objected(world)
    gateway.pay(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    assert world.invoice(LATE).payment_state == "paid"
    assert books.verify() == []
