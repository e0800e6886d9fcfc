"""An invoice in parts, on the rows: frozen at issue, filled from the earliest, overdue and reminded of part by part."""

import re
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import time_machine
from lxml import html

from portico.accounts.models import Customer
from portico.billing import books
from portico.billing.actions import credit, dunning, pay, reverse
from portico.billing.documents import build
from portico.billing.models import Instalment, Invoice, InvoiceVat, Reminder
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.actions.test_bank import only
from portico.billing.tests.attempts import checkout_of, payer
from portico.billing.tests.banks import credit as credited
from portico.billing.tests.parts import THIRDS, THIRTY_SEVENTY, arrives, in_parts, plan
from portico.cast import World, line, sold
from portico.kit import formats
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = pytest.mark.usefixtures("clock")


def rows(invoice: Invoice) -> list[tuple[int, date, int, int]]:
    found = Instalment.objects.filter(invoice=invoice).order_by("position")
    return list(found.values_list("position", "due_on", "amount_minor", "upto_minor"))


def on(world: World, days: int) -> datetime:
    return world.now + timedelta(days=days)


def test_parts_are_frozen_at_issue_and_the_books_cover_them(world: World) -> None:
    invoice = in_parts(world)
    day = world.now.date()
    later = day + timedelta(days=30)
    assert rows(invoice) == [(1, day, 36_000, 36_000), (2, later, 84_000, 120_000)]
    assert (invoice.due_on, invoice.instalment_count, invoice.amount_due_minor) == (day, 2, 120_000)
    assert invoice.content["instalments"] == [[day.isoformat(), 36_000], [later.isoformat(), 84_000]]
    assert invoice.first_due_on == day
    assert books.verify() == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"amount_minor": 35_000}, "instalments equal what was issued"),
        ({"due_on": date(2027, 1, 1)}, "hash fits the document"),
        ({"upto_minor": 36_001}, "instalments follow each other"),
    ],
)
def test_a_part_that_was_edited_is_found(world: World, change: dict[str, Any], rule: str) -> None:
    invoice = in_parts(world)
    Instalment.objects.filter(invoice=invoice, position=1).update(**change)
    assert (invoice.number, rule) in [(one.document, one.invariant) for one in books.verify()]


def test_a_part_that_is_gone_and_a_wrong_next_day_are_found(world: World) -> None:
    invoice = in_parts(world)
    Invoice.objects.filter(pk=invoice.pk).update(due_on=world.now.date() + timedelta(days=30))
    assert [one.invariant for one in books.verify()] == ["the next instalment derives from allocations"]
    Instalment.objects.filter(invoice=invoice, position=2).delete()
    found = {one.invariant for one in books.verify()}
    assert {"an invoice has its instalments", "instalments make the total"} <= found


def test_money_fills_the_earliest_part_and_its_going_back_opens_it_again(world: World) -> None:
    invoice = in_parts(world)
    day = world.now.date()
    payment = pay.start_payment(
        by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=36_000, now=world.now
    )
    gateway.pay(checkout_of(payment), now=world.now)
    payment = pay.lookup_payment(payment=payment, now=world.now)
    invoice.refresh_from_db()
    assert (invoice.due_on, invoice.amount_due_minor) == (day + timedelta(days=30), 84_000)
    assert not invoice.is_overdue(day + timedelta(days=30))
    assert books.verify() == []
    report = ReversalReport(ReversalSaid.OPENED, "dp_1", payment.charge_reference, 36_000, "EUR", "fraudulent")
    reverse.apply_reversal(payment=payment, report=report, now=world.now)
    invoice.refresh_from_db()
    assert (invoice.due_on, invoice.amount_due_minor) == (day, 120_000)
    assert books.verify() == []
    arrives(world, invoice, 120_000, now=on(world, 1))
    assert (invoice.due_on, invoice.amount_due_minor) == (day + timedelta(days=30), 0)
    assert books.verify() == []


def test_it_is_overdue_when_the_day_of_a_part_has_ended_in_the_sellers_zone(world: World) -> None:
    invoice = in_parts(world)
    day = world.now.date()
    assert (invoice.is_overdue(day), invoice.is_overdue(day + timedelta(days=1))) == (False, True)
    overdue = Invoice.objects.filter(pk=invoice.pk).of_status("overdue", day + timedelta(days=1))
    assert overdue.exists()
    arrives(world, invoice, 35_999)
    assert invoice.is_overdue(day + timedelta(days=1)), "a cent is left of the first part"
    arrives(world, invoice, 1)
    assert [invoice.is_overdue(day + timedelta(days=n)) for n in (1, 30, 31)] == [False, False, True]


def test_a_credit_note_fills_the_earliest_part_as_money_does(world: World) -> None:
    invoice = in_parts(world, THIRDS)
    line = invoice.lines.get()
    credit.credit_invoice(
        invoice=invoice, quantities={line.pk: Decimal("0.5")}, reason="Half of it", invoice_again=False, by=world.omar,
        now=world.now,
    )  # fmt: skip
    invoice.refresh_from_db()
    assert (invoice.amount_due_minor, invoice.due_on) == (60_000, world.now.date() + timedelta(days=30))
    note = invoice.credit_notes.get()
    assert (note.instalment_count, rows(note), note.due_on) == (0, [], None)
    left = Invoice.objects.by_part().filter(pk=invoice.pk).order_by("part")
    assert list(left.values_list("part", "part_left_minor")) == [(2, 20_000), (3, 40_000)]
    assert books.verify() == []


def test_small_and_free_invoices_have_no_parts(world: World) -> None:
    assert (rows(in_parts(world, net=0, title="Free")), books.verify()) == ([], [])
    cent = in_parts(world, net=1, title="A cent")
    assert (rows(cent), cent.instalment_count, cent.due_on) == ([], 0, world.now.date() + timedelta(days=30))
    assert InvoiceVat.objects.filter(invoice=cent).exists()
    assert books.verify() == []


def day_by_day(world: World, first: int, last: int) -> None:
    for days in range(first, last + 1):
        for _again in range(2):
            dunning.remind_due(on(world, days))


def reminded(invoice: Invoice) -> list[tuple[int, str, int, int]]:
    """How long after the first due day of which part a stage was taken, and the amount it names."""
    first = invoice.first_due_on
    assert first is not None
    found = Reminder.objects.filter(invoice=invoice).order_by("id")
    return [((one.due_on - first).days, one.stage, one.days, one.due_minor) for one in found]


def test_each_part_is_reminded_of_by_itself(world: World) -> None:
    invoice = in_parts(world)
    day_by_day(world, 0, 9)
    assert reminded(invoice) == [(0, "due", 2, 36_000), (0, "late", 7, 36_000)]
    arrives(world, invoice, 36_000, now=on(world, 9))
    day_by_day(world, 10, 45)
    assert reminded(invoice)[2:] == [
        (30, "before", -3, 84_000),
        (30, "due", 0, 84_000),
        (30, "late", 7, 84_000),
        (30, "formal", 14, 84_000),
    ]
    letter = Letter.objects.filter(event="invoice_due", about=f"invoice:{invoice.pk}").latest("id")
    drawn = render(letter)
    assert drawn is not None
    assert "€840.00" in drawn.text
    said_the_same_in_text_and_html(world, invoice)
    arrives(world, invoice, 84_000, now=on(world, 45))
    assert render(letter) is None


def said_the_same_in_text_and_html(world: World, invoice: Invoice) -> None:
    """Both forms of each letter name the days, amounts and words of the part that it is about."""
    from_day = invoice.first_due_on
    assert from_day is not None
    for letter in Letter.objects.filter(event__startswith="invoice_", about=f"invoice:{invoice.pk}"):
        drawn = render(letter)
        if drawn is None:
            continue  # about the first part, which is paid
        words = " ".join(unescape(re.sub(r"<[^>]+>", " ", drawn.html)).split())
        for row in filter(None, map(str.strip, drawn.text.splitlines())):
            if "http" in row or row.startswith("--"):
                break
            assert " ".join(row.replace(":", "").split()) in words.replace(":", ""), (letter.event, row, words)
        part = formats.day(from_day + timedelta(days=30), "en")
        assert part in drawn.text, letter.event
        assert drawn.drawn is not None


def test_a_part_that_is_never_paid_does_not_hide_the_next_one(world: World) -> None:
    invoice = in_parts(world, THIRTY_SEVENTY)
    day_by_day(world, 0, 40)
    assert reminded(invoice) == [
        (0, "due", 2, 36_000),
        (0, "late", 7, 36_000),
        (0, "formal", 14, 36_000),
        (30, "before", -3, 84_000),
        (0, "suspend", 28, 36_000),
        (30, "due", 0, 84_000),
        (30, "late", 7, 84_000),
    ]


def test_interest_is_claimed_of_the_part_that_is_late(world: World) -> None:
    dunning.change_rules(
        seller=world.seller, before_days=3, at_due=True, first_days=7, formal_days=14, suspend_days=28, claims_fee=True,
        claims_interest=True, interest_percent=Decimal(10), by=world.omar, now=world.now,
    )  # fmt: skip
    invoice = in_parts(world)
    day_by_day(world, 7, 14)
    notice = Reminder.objects.get(invoice=invoice, stage="formal")
    assert (notice.due_minor, notice.interest_minor) == (36_000, 138)  # 360.00 × 10 % × 14 / 365


# The whole way ---------------------------------------------------------------------------------------------------------


def test_a_quotation_with_parts_of_its_own_makes_an_invoice_in_them(world: World) -> None:
    parts = [["50", 0], ["50", 60]]
    for _moment in sold(world, world.fontaine, "In halves", [line(world, "training")], world.now, payment_parts=parts):
        pass
    order, invoice = world.order("In halves"), world.invoice("In halves")
    assert (order.payment_parts, invoice.instalment_count) == (parts, 2)
    assert sum(amount for _place, _day, amount, _upto in rows(invoice)) == invoice.total_minor
    assert books.verify() == []


def test_a_quotation_that_was_sent_keeps_the_terms_of_that_day(world: World) -> None:
    Customer.objects.filter(pk=world.fontaine.pk).update(payment_parts=[["30", 0], ["70", 30]])
    world.fontaine.refresh_from_db()
    story = sold(world, world.fontaine, "As agreed", [line(world, "training")], world.now)
    next(story)
    next(story)
    Customer.objects.filter(pk=world.fontaine.pk).update(payment_parts=[])
    with suppress(StopIteration):
        next(story)
    assert world.order("As agreed").payment_parts == [["30", 0], ["70", 30]]
    assert world.invoice("As agreed").instalment_count == 2
    assert "30% on receipt, 70% after 30 days" in str(build.order_sheet(world.order("As agreed")).facts)


def test_a_deposit_is_due_at_once_and_the_final_invoice_in_parts(world: World) -> None:
    order = world.order("Manufacturing set-up")
    assert {paper.instalment_count for paper in order.invoices.all()} == {0}


@pytest.mark.parametrize("amount", [36_000, 120_000])
def test_a_transfer_of_the_next_part_is_booked_by_itself(world: World, amount: int) -> None:
    invoice = in_parts(world)
    entry = only(world, credited(amount, words=f"Invoice {invoice.number}"))
    invoice.refresh_from_db()
    assert (entry.state, entry.by_itself, invoice.amount_due_minor) == ("booked", True, 120_000 - amount)


def test_a_transfer_of_another_amount_waits(world: World) -> None:
    entry = only(world, credited(35_000, words=f"Invoice {in_parts(world).number}"))
    assert entry.state == "open"


# The mails ---------------------------------------------------------------------------------------------------------------


def both_of(letter: Letter) -> tuple[str, str]:
    """The two bodies of a mail, the subject before the words; blanks made single."""
    drawn = render(letter)
    assert drawn is not None
    plain = " ".join(f"{drawn.subject} {drawn.text}".split())
    return plain, " ".join(html.fromstring(drawn.html).text_content().split())


@pytest.mark.parametrize(
    ("event", "days", "said", "amount"),
    [
        ("invoice_issued", 0, "to be paid in parts", "€360.00"),
        ("invoice_due", 2, "A part of invoice %s is 2 days late.", "€360.00"),
        ("invoice_overdue", 7, "A part of invoice %s is 7 days late.", "€360.00"),
        ("invoice_formal", 14, "A part of invoice %s was due on 9 Nov 2026", "€360.00"),
        ("invoice_due", 30, "a part of invoice %s is due on 9 Dec 2026", "€840.00"),
    ],
)
def test_both_bodies_of_a_mail_ask_for_the_part_and_not_for_all_of_it(
    world: World, clock: time_machine.Traveller, event: str, days: int, said: str, amount: str
) -> None:
    invoice = in_parts(world)
    for day in range(days + 1):
        clock.move_to(on(world, day))
        dunning.remind_due(on(world, day))
    letter = Letter.objects.filter(event=event, about=f"invoice:{invoice.pk}", language="en").latest("id")
    for words in both_of(letter):
        assert (said % invoice.number if "%s" in said else said) in words
        assert amount in words
        for whole in ("Amount Due: €1,200.00", "Amount Due €1,200.00"):
            assert whole not in words or event == "invoice_issued"
    drawn = render(letter)
    assert drawn is not None
    assert event == "invoice_issued" or event == "invoice_formal" or "part of" in drawn.subject


def test_a_mail_about_the_due_day_that_comes_late_says_so(world: World, clock: time_machine.Traveller) -> None:
    invoice = in_parts(world, plan(("100", 0)))
    clock.move_to(on(world, 3))
    dunning.remind_due(on(world, 3))
    letter = Letter.objects.filter(event="invoice_due", about=f"invoice:{invoice.pk}").latest("id")
    for words in both_of(letter):
        assert "3 days late" in words
        assert "is due on" not in words
