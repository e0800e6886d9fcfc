"""Bank statements: what fits exactly is booked once, whatever overlaps or is clicked twice; the rest waits, none is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum

from portico.billing import books
from portico.billing.actions import bank, pay
from portico.billing.actions.bank import WHY, Candidate
from portico.billing.models import BankEntry, BankFile, Payment
from portico.billing.references import creditor_reference, invoice_reference
from portico.billing.tests.attempts import begin
from portico.billing.tests.banks import Line, camt, credit, statement, work
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid

OPEN, LATE = "Go-live support, day 1", "On-site training in Lyon"


def number(world: World, title: str = OPEN) -> str:
    return str(world.invoice(title).number)


def only(world: World, line: Line) -> BankEntry:
    """The one movement of a statement, after the worker looked at it."""
    entry = statement(world, line).rows.get()
    work(world)
    entry.refresh_from_db()
    return entry


WORDS: dict[str, Callable[[World], dict[str, str]]] = {
    "number": lambda world: {"words": f"Facture {number(world)} merci"},
    "number without dashes": lambda world: {"words": number(world).replace("-", "")},
    "RF of the invoice": lambda world: {"reference": creditor_reference(number(world))},
    "OGM of the invoice": lambda world: {"words": invoice_reference(number(world), world.invoice(OPEN).pk, "ogm")},
}


@pytest.mark.parametrize("how", WORDS)
def test_a_number_or_reference_with_its_amount_is_booked_by_itself(world: World, how: str) -> None:
    entry = only(world, credit(106_800, **WORDS[how](world)))
    assert (entry.state, entry.by_itself) == ("booked", True)
    assert entry.payment is not None
    assert (entry.payment.received_minor, entry.payment.received_on) == (106_800, entry.booked_on)
    assert world.invoice(OPEN).payment_state == "paid"
    assert books.verify() == []


def test_a_movement_that_cannot_be_worked_on_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposals = bank.candidates_for

    def fail(entry: BankEntry) -> list[Candidate]:
        if "broken" in entry.words:
            raise IndexError
        return proposals(entry)

    monkeypatch.setattr(bank, "candidates_for", fail)
    taken = statement(world, credit(4_711, words="broken"), credit(106_800, words=number(world)))
    work(world)
    first, second = taken.rows.order_by("id")
    assert (first.state, first.why) == ("open", WHY["failed"])
    assert second.state == "booked"
    assert books.verify() == []


def test_an_announced_transfer_is_found_by_its_reference(world: World) -> None:
    payment = begin(world, "bank_transfer", now=world.now)
    entry = only(world, credit(106_800, "Somebody else", words=f"{payment.reference[:4]} {payment.reference[4:]}"))
    assert entry.payment == payment
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_several_numbers_whose_sum_fits_are_booked_together(world: World) -> None:
    entry = only(world, credit(106_800 + 187_200, words=f"{number(world)} + {number(world, LATE)}"))
    assert entry.state == "booked"
    assert {world.invoice(OPEN).payment_state, world.invoice(LATE).payment_state} == {"paid"}


def test_a_payment_request_is_found_by_its_order(world: World) -> None:
    order = world.order("Second workshop")
    request = order.payment_requests.get()
    entry = only(world, credit(request.amount_minor, words=order.number))
    assert entry.state == "booked"
    order.refresh_from_db()
    assert order.state == "confirmed"
    assert books.verify() == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (lambda world: credit(100_000, words=number(world)), "amount"),
        (lambda world: credit(106_800, words="hello", name="Nobody"), "unknown"),
        (lambda world: credit(106_800, words=number(world), currency="NOK"), "currency"),
        (lambda world: credit(106_800, words=number(world, "Boutique theme")), "settled"),
        (lambda world: credit(106_800, words=f"{number(world)} {number(world, 'Oven scale integration')}"), "several"),
        (lambda world: Line(-500, "The Bank"), "out"),
        (lambda world: Line(-106_800, returned=True), "returned"),
    ],
)
def test_what_does_not_fit_waits_with_its_reason_and_books_nothing(
    world: World, line: Callable[[World], Line], why: str
) -> None:
    before = Payment.objects.count()
    entry = only(world, line(world))
    assert (entry.state, entry.why) == ("open", WHY[why])
    assert Payment.objects.count() == before
    assert world.invoice(OPEN).payment_state == "not_paid"


def test_files_that_overlap_bring_each_movement_once(world: World) -> None:
    lines = [
        credit(106_800, words=number(world)),
        credit(5_00, "A"),
        credit(5_00, "A"),
        Line(-100, "B", bank_reference="X9"),
    ]
    first = statement(world, *lines[:3])
    work(world)
    second = statement(world, *lines, version="08")
    work(world)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.entries, first.known) == (3, 0)
    assert (second.entries, second.known) == (1, 3)
    assert BankEntry.objects.count() == 4
    assert Payment.objects.filter(received_minor=106_800).count() == 1
    with pytest.raises(Conflict):
        statement(world, *lines, version="08")
    assert BankFile.objects.count() == 2


def test_money_is_never_lost(world: World) -> None:
    """Whatever comes in ends as a payment or stands in the list: the sums agree."""
    amounts = [106_800, 1, 99_999, 5_00, 187_200]
    words = [number(world), "", number(world, LATE), "?", number(world, LATE)]
    file = statement(
        world, *(credit(minor, f"P{minor}", words=text) for minor, text in zip(amounts, words, strict=True))
    )
    before = Payment.objects.aggregate(sum=Sum("received_minor"))["sum"]
    work(world)
    booked = Payment.objects.aggregate(sum=Sum("received_minor"))["sum"] - before
    waiting = file.rows.filter(state="open").aggregate(sum=Sum("amount_minor"))["sum"]
    assert booked == 106_800 + 187_200
    assert booked + waiting == sum(amounts)
    for entry in file.rows.filter(state="open"):
        bank.book_entry(entry=entry, candidate=Candidate(world.fontaine, ()), by=world.omar, now=world.now)
    assert Payment.objects.aggregate(sum=Sum("received_minor"))["sum"] - before == sum(amounts)
    assert books.verify() == []


def test_a_payer_is_known_again_by_its_account(world: World) -> None:
    only(world, credit(106_800, "X", words=number(world)))
    entry = only(world, credit(777, "Y", words="thanks"))
    (found,) = bank.candidates_for(entry)
    assert found.customer == world.fontaine
    assert [str(reason) for reason in found.reasons] == ["it paid from this account before"]
    assert not found.exact


def test_name_and_amount_are_proposals_and_never_book_by_themselves(world: World) -> None:
    entry = only(world, credit(106_800, "ATELIER FONTAINE SARL", words="thanks"))
    assert entry.state == "open"
    first = bank.candidates_for(entry)[0]
    assert first.invoices == (world.invoice(OPEN),)
    assert len(first.reasons) == 2
    payment = bank.book_entry(entry=entry, candidate=first, by=world.omar, now=world.now)
    assert payment.allocations.get().invoice == world.invoice(OPEN)


def test_a_disputed_invoice_is_not_booked_by_itself(world: World) -> None:
    invoice = world.invoice("Oven scale integration")
    entry = only(world, credit(invoice.amount_due_minor, words=str(invoice.number)))
    assert entry.state == "open"


def test_what_was_booked_by_hand_is_not_booked_again(world: World) -> None:
    payment = pay.book_transfer(
        customer=world.fontaine, amount_minor=50_000, received_on=world.now.date(), payer_name="ATELIER", by=world.omar,
        invoices=[world.invoice(LATE)], now=world.now,
    )  # fmt: skip
    due = world.invoice(LATE).amount_due_minor
    entry = only(world, credit(50_000, "ATELIER", words=number(world, LATE), day=world.now.date().isoformat()))
    assert entry.state == "open"
    with pytest.raises(Conflict):
        bank.book_entry(
            entry=entry, candidate=Candidate(world.fontaine, (), invoices=(world.invoice(LATE),)), by=world.omar,
            now=world.now,
        )  # fmt: skip
    assert world.invoice(LATE).amount_due_minor == due
    entry.refresh_from_db()
    assert (entry.state, entry.payment) == ("open", None)
    assert Payment.objects.filter(received_minor=50_000).get() == payment


def test_only_finance_decides_and_a_reason_is_needed(world: World) -> None:
    entry = only(world, Line(-500, "The Bank"))
    with pytest.raises(Forbidden):
        bank.set_aside(entry=entry, note="Fee", by=world.hanna, now=world.now)
    with pytest.raises(Forbidden):
        bank.take_file(seller=world.seller, name="x", content=camt(Line(1)), by=world.hanna, now=world.now)
    with pytest.raises(Invalid):
        bank.set_aside(entry=entry, note=" ", by=world.omar, now=world.now)
    with pytest.raises(Invalid):
        bank.book_entry(entry=entry, candidate=Candidate(world.fontaine, ()), by=world.omar, now=world.now)
    bank.set_aside(entry=entry, note="Fee", by=world.omar, now=world.now)
    with pytest.raises(Conflict):
        bank.set_aside(entry=entry, note="Fee", by=world.omar, now=world.now)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False])
def test_two_clicks_at_once_book_once(world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """Without the claim on the movement (the control) the money is booked twice."""
    entry = statement(world, credit(777, "Nobody")).rows.get()
    if not guarded:
        monkeypatch.setattr(BankEntry, "end", lambda self, state, **changes: True)

    def click() -> Any:
        one = BankEntry.objects.get(pk=entry.pk)
        return bank.book_entry(
            entry=one, candidate=Candidate(world.fontaine, ()), by=world.omar, now=world.now, again=True
        )

    ends = at_once(*[click] * 4)
    booked = [one for one in ends if isinstance(one, Payment)]
    assert Payment.objects.filter(received_minor=777).count() == len(booked)
    assert (len(booked) == 1) is guarded
