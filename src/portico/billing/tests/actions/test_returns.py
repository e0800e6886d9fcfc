"""Transfers that the bank takes back: the one that fits is due again by itself, the rest is for a person, and nothing twice."""

from typing import Any

import pytest
from lxml import html

from portico.billing import books
from portico.billing.actions import bank, refund, returns, reverse
from portico.billing.actions.bank import WHY
from portico.billing.models import BankEntry, Payment, Reversal
from portico.billing.providers.base import ReversalReport
from portico.billing.tests.banks import PAYER, Line, credit, debit, statement, work
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter

pytestmark = pytest.mark.usefixtures("clock")
OPEN, LATE = "Go-live support, day 1", "On-site training in Lyon"
DUE, LATE_DUE = 106_800, 187_200


def taken(world: World, *lines: Line, **about: Any) -> BankEntry:
    """The last movement of a statement, after the worker looked at it."""
    entry = statement(world, *lines, **about).rows.latest("id")
    work(world)
    entry.refresh_from_db()
    return entry


def words(world: World, title: str = OPEN) -> str:
    return f"Facture {world.invoice(title).number}"


def paid(world: World, title: str = OPEN, minor: int = DUE, **more: str) -> Payment:
    """An invoice that a transfer paid."""
    entry = taken(world, credit(minor, words=words(world, title), **more))
    assert entry.payment is not None
    return entry.payment


HOW: dict[str, dict[str, Any]] = {
    "the same text": {},
    "parties as they were": {"swapped": True},
    "the payer's reference": {"words": "RETOUR VIREMENT", "end_to_end": "E1"},
}


@pytest.mark.parametrize("version", ["02", "08", "13"])
@pytest.mark.parametrize("how", HOW)
def test_the_one_that_fits_is_taken_back_by_itself_and_once(world: World, how: str, version: str) -> None:
    payment = paid(world)
    line = debit(DUE, **{"words": words(world)} | HOW[how])
    entry = taken(world, line, version=version)
    assert (entry.state, entry.by_itself, entry.return_reason) == ("booked", True, "AC04")
    invoice = world.invoice(OPEN)
    payment.refresh_from_db()
    assert (payment.state, payment.review) == ("reversed", reverse.LOST)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("not_paid", DUE)
    assert entry.reversal == payment.reversals.get()
    assert Letter.objects.filter(event="payment_reversed", to_address="camille@fontaine.example").count() == 1
    statement(world, line, credit(100), version=version)  # a file that overlaps
    work(world)
    assert Reversal.objects.count() == 1
    assert books.verify() == []


@pytest.mark.parametrize(
    "line",
    [
        debit(DUE, "Something else", end_to_end="X"),
        debit(DUE - 1, "Facture", end_to_end="E1"),
        debit(DUE, "Facture", end_to_end="E1", iban="FR1420041010050500013M02606"),
        debit(DUE, "Facture", end_to_end="E1", day="2026-11-01"),
        debit(DUE, "Facture", end_to_end="E1", currency="USD"),
    ],
    ids=["no reference", "another sum", "another account", "before it came", "another currency"],
)
def test_what_does_not_fit_waits_for_a_person(world: World, line: Line) -> None:
    payment = paid(world)
    entry = taken(world, line)
    assert (entry.state, entry.why) == ("open", WHY["returned"])
    payment.refresh_from_db()
    assert (payment.state, world.invoice(OPEN).payment_state) == ("succeeded", "paid")
    assert not any(one.exact for one in returns.arrivals_for(entry))


def test_of_two_that_fit_a_person_chooses(world: World, client_for: Any) -> None:
    late, again = (
        paid(world, LATE, LATE_DUE),
        taken(world, credit(LATE_DUE, words=words(world, LATE), day="2026-11-07")),
    )
    bank.book_entry(entry=again, candidate=bank.Candidate(world.fontaine, ()), by=world.omar, now=world.now, again=True)
    entry = taken(world, debit(LATE_DUE, words(world, LATE)))
    assert (entry.state, len(returns.arrivals_for(entry))) == ("open", 2)
    browser = client_for(world.omar)
    page = html.fromstring(browser.get(f"/staff/bank/{entry.pk}/").content.decode())
    offered = page.xpath("//form[contains(@action, 'take-back')]//input[@name='payment']/@value")
    assert str(late.pk) in offered
    where = f"/staff/bank/{entry.pk}/take-back/"
    assert browser.post(where, {"payment": "nonsense"}).status_code == 400
    assert browser.post(where, {"payment": str(late.pk)}).status_code == 302
    assert world.invoice(LATE).payment_state == "not_paid"
    assert browser.post(where, {"payment": str(late.pk)}).status_code == 409
    said = browser.get(f"/staff/bank/{entry.pk}/").content.decode()
    assert "Took back" in said
    assert books.verify() == []


def test_a_refund_that_comes_back_is_offered_as_its_customer_s_credit(world: World) -> None:
    entry = taken(world, credit(50_000, "Somebody", words="nothing we know"))
    payment = bank.book_entry(entry=entry, candidate=bank.Candidate(world.lindner, ()), by=world.omar, now=world.now)
    made = refund.ask_refund(
        payment=payment, amount_minor=50_000, way="transfer", reason="Sent by mistake.", by=world.omar, now=world.now,
        iban=PAYER,
    )  # fmt: skip
    refund.transfer_done(refund=made, sent=True, by=world.omar, now=world.now)
    back = taken(world, Line(50_000, returned=True, reason="AC04"))
    assert (back.state, back.why) == ("open", WHY["came_back"])
    assert [one.customer for one in bank.candidates_for(back)] == [world.lindner]
    assert returns.arrivals_for(back) == []


def test_only_finance_takes_back_and_only_what_was_returned(world: World) -> None:
    payment = paid(world)
    entry = taken(world, debit(DUE, "Something else", end_to_end="X"))
    with pytest.raises(Forbidden):
        returns.take_back(entry=entry, payment=payment, by=world.hanna, now=world.now)
    other = taken(world, Line(-DUE, words="rent", bank_reference="r1"))
    assert other.why == WHY["out"]
    with pytest.raises(Invalid):
        returns.take_back(entry=other, payment=payment, by=world.omar, now=world.now)
    payment.refresh_from_db()
    assert payment.state == "succeeded"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: each click its own reference"])
def test_two_clicks_at_once_take_back_once(world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """An invoice paid twice by two transfers of one sum; the same return is clicked in two tabs, once for each."""
    first, second = paid(world), taken(world, credit(DUE, words="again", day="2026-11-07"))
    other = bank.book_entry(
        entry=second, candidate=bank.Candidate(world.fontaine, ()), by=world.omar, now=world.now, again=True
    )
    entry = taken(world, debit(DUE, "Something else", end_to_end="X"))
    if not guarded:
        monkeypatch.setattr(BankEntry, "end", lambda self, *_about, **_more: True)
        monkeypatch.setattr(
            returns,
            "ReversalReport",
            lambda said, _reference, charge, *more: ReversalReport(said, charge, charge, *more),
        )
        for one in (first, other):
            Payment.objects.filter(pk=one.pk).update(charge_reference=f"c-{one.pk}")

    def click(payment: Payment) -> Any:
        found = BankEntry.objects.select_related("bank_file", "seller").get(pk=entry.pk)
        return returns.take_back(entry=found, payment=Payment.objects.get(pk=payment.pk), by=world.omar, now=world.now)

    ends = at_once(lambda: click(first), lambda: click(other))
    went = Payment.objects.filter(state="reversed").count()
    assert went == (1 if guarded else 2)
    if guarded:
        assert sum(isinstance(one, Conflict) for one in ends) == 1
        assert books.verify() == []
