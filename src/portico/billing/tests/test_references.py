"""What payers write on a transfer: made with right check digits, read back from whatever a bank makes of it."""

import io
from typing import Any

import pikepdf
import pytest
import segno

from portico import cast
from portico.accounts.models import Seller
from portico.billing.documents import build
from portico.billing.documents.einvoice.terms import head_of
from portico.billing.documents.issued import issued_pdf
from portico.billing.documents.render import _qr
from portico.billing.models import Invoice
from portico.billing.references import (
    creditor_reference,
    epc_text,
    invoice_reference,
    ogm_reference,
    payment_reference,
    read_reference,
    read_words,
    style_of,
)
from portico.billing.tests.attempts import begin
from portico.billing.tests.banks import credit, statement, work
from portico.cast import World

BE, DE, FR = "BE68539007547034", "DE89370400440532013000", "FR7630006000011234567890189"
PAYMENT = "7b0c7c4e-9b53-4a52-9b43-1ad0a2f5a001"


def test_the_country_of_the_account_decides() -> None:
    assert [style_of(iban) for iban in (BE, DE, FR)] == ["ogm", "rf", "text"]
    assert invoice_reference("INV-2026-00042", 42, "text") == "INV-2026-00042"
    assert invoice_reference("INV-2026-00042", 42, "rf") == creditor_reference("INV202600042")
    assert invoice_reference("INV-2026-00042", 42, "ogm") == "+++000/0000/04242+++"
    assert invoice_reference("Ré/2024 très long numéro importé", 7, "rf") == "Ré/2024 très long numéro importé"


def test_known_examples() -> None:
    assert creditor_reference("539007547034") == "RF18539007547034"  # the standard's own
    assert ogm_reference(108_068_171) == "+++010/8068/17183+++"
    assert ogm_reference(97) == "+++000/0000/09797+++", "a remainder of nought is written 97"


@pytest.mark.parametrize("style", ["rf", "ogm", "text"])
def test_an_announced_transfer_has_a_reference_that_can_be_checked(style: str) -> None:
    reference = payment_reference(PAYMENT, style)
    assert read_reference(reference) == reference
    assert read_reference(reference.replace("/", " / ").lower()) == reference
    digits = [place for place, sign in enumerate(reference) if sign.isdigit()]
    wrong = str((int(reference[digits[-1]]) + 1) % 10)
    assert read_reference(reference[: digits[-1]] + wrong + reference[digits[-1] + 1 :]) == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("Invoice RF18 5390 0754 7034 thank you", {"RF18539007547034"}),
        ("/RF18539007547034/", {"RF18539007547034"}),
        ("rf18539007547034", {"RF18539007547034"}),
        ("RF19539007547034", set()),
        ("+++010/8068/17183+++ merci", {"+++010/8068/17183+++"}),
        ("***010/8068/17183***", {"+++010/8068/17183+++"}),
        ("010806817183", {"+++010/8068/17183+++"}),
        ("010806817184", set()),
        ("nothing at all", set()),
    ],
)
def test_references_are_found_in_the_words_of_a_bank(words: str, found: set[str]) -> None:
    assert read_words(words).references == found


def test_a_number_is_found_as_a_whole() -> None:
    for words in ("INV-2026-00042", "facture inv 2026 00042.", "INV202600042/INV202600043"):
        assert read_words(words).names("INV-2026-00042")
    for words in ("INV-2026-000421", "XINV-2026-00042", "2026-00042", ""):
        assert not read_words(words).names("INV-2026-00042")
    assert not read_words("12").names("12"), "a short number is no proof of anything"


def test_free_text_stands_in_its_own_line_of_the_code() -> None:
    about = {"name": "N", "iban": FR, "bic": "", "amount_minor": 100, "currency": "EUR"}
    assert epc_text(**about, reference="INV-2026-00042").split("\n")[9:] == ["", "INV-2026-00042"]  # type: ignore[arg-type]
    assert epc_text(**about, reference="RF18539007547034").split("\n")[9:] == ["RF18539007547034"]  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["", "rf", "ogm", "text"])
def test_what_the_seller_chose_stands_everywhere_and_is_read_back(world: World, style: str) -> None:
    """Paper, QR code, e-invoice (BT-83), an announced transfer; and what the bank then says books it by itself."""
    Seller.objects.update(reference_style=style)
    world.seller.refresh_from_db()
    quotation = cast.offer(world, world.fontaine, "Referenced", [cast.line(world, "consulting-day")], world.now)
    order = cast.accept(world, quotation, world.now)
    invoice = order.invoices.get()
    number, key = str(invoice.number), invoice.pk
    expected = {"rf": creditor_reference(number), "ogm": ogm_reference(key)}.get(style, number)
    Seller.objects.update(reference_style="")  # what was issued stays as it was printed
    assert build.reference_of(invoice) == expected
    sheet = build.invoice_sheet(invoice, live=False, reference=build.reference_of(invoice))
    assert sheet.payment is not None
    assert (sheet.payment.reference, sheet.payment.epc.split("\n")[-1]) == (expected, expected)
    assert head_of(invoice).reference == expected
    statement(world, credit(invoice.total_minor, words=f"VIR {expected} MERCI"))
    work(world)
    invoice.refresh_from_db()
    assert invoice.payment_state == "paid"
    Seller.objects.update(reference_style=style)
    payment = begin(world, "bank_transfer", now=world.now)
    assert payment.reference.startswith("+++" if style == "ogm" else "RF")


def test_the_pdf_of_an_invoice_carries_the_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    original = segno.make

    def noted(text: str, **options: Any) -> Any:
        made.append(text)
        return original(text, **options)

    monkeypatch.setattr(segno, "make", noted)
    _qr.cache_clear()  # another test may have drawn the same code
    Invoice.objects.update(pdf=None)
    invoice = world.invoice("Go-live support, day 1")
    assert pikepdf.open(io.BytesIO(issued_pdf(invoice))).pages
    (text,) = made
    assert text.split("\n")[6:11] == [FR, "EUR1068.00", "", "", str(invoice.number)]
    request = world.order("Second workshop").payment_requests.get()
    sheet = build.payment_request_sheet(request, paid_minor=0, reference=request.order.number)
    assert sheet.payment is not None
    assert f"EUR{request.amount_minor / 100:.2f}" in sheet.payment.epc
