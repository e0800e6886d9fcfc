"""What papers say of the parties, and by which number they name an invoice."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.http import QueryDict
from django.test import Client

from portico import cast
from portico.accounts.models import Customer, User
from portico.billing.actions import pay
from portico.billing.actions.take_in import import_invoice
from portico.billing.documents import build
from portico.billing.documents.notice import notice_sheet
from portico.billing.documents.receipt import receipt_sheet
from portico.billing.documents.sheet import Sheet
from portico.billing.documents.wording import wording
from portico.billing.letters.invoices import attached
from portico.billing.letters.payments import draw_payment_received
from portico.billing.models import Invoice, Reminder
from portico.billing.statement import read_cut, statement_of
from portico.billing.tests.foreign import pdf_with, ubl
from portico.cast import World
from portico.kit.models import Letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def words(sheet: Sheet) -> str:
    return " | ".join([*sheet.buyer.lines, *sheet.footer])


@pytest.mark.parametrize(("who", "named"), [("fontaine", True), ("lindner", True), ("fjord", False)])
def test_outside_the_scope_of_vat_no_paper_names_a_vat_id(world: World, who: str, named: bool) -> None:
    """BR-O-02 to 04: the tax registration (BT-32) stands instead, on the sheet as in the XML."""
    customer: Customer = getattr(world, who)
    customer.vat_id = customer.vat_id or "NO988077917MVA"
    customer.save()
    quotation = cast.offer(
        world, customer, "A day", [cast.line(world, "consulting-day", "1", "100")], world.now - timedelta(days=1)
    )
    version = quotation.current
    assert version is not None
    order = cast.accept(world, quotation, world.now)
    invoice = order.invoices.get()
    for sheet in (
        build.quotation_sheet(version, {}, now=world.now), build.order_sheet(order), build.invoice_sheet(invoice, live=False)
    ):  # fmt: skip
        said = words(sheet)
        assert (customer.vat_id in said, world.seller.vat_id in said) == (named, named), sheet.kind
        assert ("SIREN 404 833 048" in said) is not named, sheet.kind


PRINTED = "OLD / 77 é"
"""A number that cannot stand in an address."""


@pytest.fixture
def old(world: World) -> Invoice:
    """An invoice of another system under such a number, for Atelier Fontaine."""
    content = ubl(id=PRINTED, buyer=world.fontaine.legal_name, buyer_vat=world.fontaine.vat_id)
    taken = import_invoice(content=content, file_name="old.xml", seller=world.seller, now=world.now)
    assert taken.invoice.customer == world.fontaine
    assert taken.invoice.number != PRINTED
    return taken.invoice


def test_papers_name_an_imported_invoice_as_it_is_printed(world: World, old: Invoice) -> None:
    assert old.due_on is not None
    reminder = Reminder(
        invoice=old, stage="formal", on=world.now.date(), due_on=old.due_on, due_minor=old.amount_due_minor,
        fee_minor=4000, interest_minor=0, days=14,
    )  # fmt: skip
    sheet = notice_sheet(reminder)
    assert sheet.number == PRINTED
    assert sheet.lines[0].name == f"Invoice {PRINTED}"
    assert PRINTED in [fact.value for fact in sheet.facts]
    payment = pay.book_transfer(
        customer=world.fontaine, invoices=[old], amount_minor=old.amount_due_minor, by=world.omar,
        received_on=world.now.date(), payer_name="Atelier Fontaine", now=world.now,
    )  # fmt: skip
    assert [line.name for line in receipt_sheet(payment, "Bank transfer").lines] == [f"Invoice {PRINTED}"]
    letter = Letter.objects.filter(event="payment_received", data__payment=str(payment.pk)).latest("id")
    drawn = draw_payment_received(letter)
    assert drawn is not None
    assert drawn.context["papers"] == PRINTED
    cut = read_cut(QueryDict("from=2026-09-01"), world.fontaine, now=world.now)
    entries = statement_of(world.fontaine, cut, now=world.now).entries
    assert [row["shown"] for row in entries if row["number"] == old.number] == [PRINTED]
    assert [row["title"] for row in entries if row["key"] == payment.pk] == [PRINTED]


@pytest.mark.parametrize(("delivery", "kinds"), [("portal", []), ("pdf", ["pdf"]), ("einvoice", ["pdf", "xml"])])
def test_the_original_of_an_imported_invoice_goes_with_its_mails(
    world: World, old: Invoice, delivery: str, kinds: list[str]
) -> None:
    old.customer.delivery = delivery
    files = attached(old)
    assert [file.name.rpartition(".")[2] for file in files] == kinds
    if "xml" in kinds:
        assert files[-1].content == old.imported.original.read()
    original = pdf_with(ubl(id="OLD-78", buyer=world.fontaine.legal_name, buyer_vat=world.fontaine.vat_id))
    paper = import_invoice(content=original, file_name="old.pdf", seller=world.seller, now=world.now).invoice
    paper.customer.delivery = delivery
    assert [file.content for file in attached(paper)] == ([original] if kinds else [])
    assert Decimal(paper.total_minor) == 12100


def test_the_page_says_of_vat_what_the_paper_says(world: World, client_for: Callable[[User], Client]) -> None:
    """Outside the scope there is no rate, neither in a column nor in the summary; otherwise the reason stands beside it."""
    for who, user, reason in (
        (world.fjord, world.ingrid, "outside the scope"), (world.lindner, world.lena, "0%, reverse charge")
    ):  # fmt: skip
        invoice = Invoice.objects.filter(customer=who, kind="invoice").latest("id")
        page = client_for(user).get(f"/my/invoices/{invoice.number}/").content.decode()
        assert f'<th scope="row">{reason}</th>' in page
        assert ('data-label="VAT"' in page) is (who == world.lindner)
        said = wording(build.invoice_sheet(invoice, live=False))
        assert reason in str(said["vat"])
        assert ("VAT" in said["columns"]) is (who == world.lindner)  # type: ignore[operator]


def test_the_page_of_an_imported_invoice_tells_which_file_is_the_original(
    world: World, old: Invoice, client_for: Callable[[User], Client]
) -> None:
    original = pdf_with(ubl(id="OLD-79", buyer=world.fontaine.legal_name, buyer_vat=world.fontaine.vat_id))
    paper = import_invoice(content=original, file_name="old.pdf", seller=world.seller, now=world.now).invoice
    for number, as_pdf in ((old.number, False), (paper.number, True)):
        for user, face in ((world.camille, "my"), (world.omar, "staff")):
            page = client_for(user).get(f"/{face}/invoices/{number}/").content.decode()
            assert ("The e-invoice inside it" in page, "The original" in page) == (as_pdf, not as_pdf)
            assert page.count("This document comes from another system") == 1
            if face == "staff":
                assert "<dt>Imported</dt>" in page
