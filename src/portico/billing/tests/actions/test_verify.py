"""Checked before it leaves: what keeps the rules is sent as its customer wants it, what breaks one is held back and told."""

import hashlib
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pikepdf
import pypdf
import pytest
from django.core import mail
from django.db import transaction
from django.test import Client

from portico.accounts.models import Customer, Event
from portico.billing.actions.issue import Paper, Totalled, issue_paper
from portico.billing.actions.verify import verify_again, verify_due
from portico.billing.documents import factur_x, issued
from portico.billing.documents.einvoice import checker
from portico.billing.documents.einvoice.checker import Broken, NoAnswer
from portico.billing.documents.verify import unprintable
from portico.billing.models import ExchangeRate, Invoice, InvoiceLine, NumberSeries
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter
from portico.kit.outbox import send_letters

Browser = Callable[..., Client]
S20 = ("S", Decimal(20))
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><path d="M0 0h120v40H0z" fill="#17506a"/></svg>'


def issue(world: World, now: datetime, *, currency: str = "EUR", **customer: Any) -> Invoice:
    """One invoice of three days at 100.00, to Atelier Fontaine with these fields changed."""
    Customer.objects.filter(pk=world.fontaine.pk).update(**customer)
    world.fontaine.refresh_from_db()
    net = 30000 if currency != "KWD" else 300000
    row = InvoiceLine(
        position=1, kind="line", name="Days", quantity=Decimal(3), unit="days", unit_price=Decimal(100),
        vat_category="S", vat_rate=Decimal(20), net_minor=net,
    )  # fmt: skip
    invoice = Invoice(
        seller=world.seller, customer=world.fontaine, kind="invoice", series="INV", title="Days", language="en",
        currency=currency, created_at=now,
    )  # fmt: skip
    with transaction.atomic():
        return issue_paper(Paper(invoice, Totalled([row], {S20: (net, net // 5)}), [], 30), by=None, now=now)


def mailed(invoice: Invoice, now: datetime) -> list[list[str]]:
    """The files with each mail about this invoice, once everything due is sent."""
    mail.outbox.clear()
    while send_letters(now):
        pass
    return [
        sorted(one[0] for one in sent.attachments if isinstance(one, tuple))
        for sent in mail.outbox
        if str(invoice.number) in sent.subject
    ]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[Broken]:
    """What the rules say of every paper: a fatal thing, until the list is emptied."""
    said = [Broken("BR-CO-15", "fatal", "the total does not add up")]
    monkeypatch.setattr(checker, "check", lambda **_files: list(said))
    return said


# The file -----------------------------------------------------------------------------------------------------------------


def test_the_pdf_is_a_factur_x_invoice_and_still_archivable_and_accessible(world: World, now: datetime) -> None:
    invoice = issue(world, now)
    with pikepdf.open(io.BytesIO(issued.issued_pdf(invoice))) as pdf:
        (name,) = pdf.attachments
        assert name == "factur-x.xml"
        assert pdf.attachments[name].get_file().read_bytes() == issued.issued_xml(invoice, "cii")
        assert pdf.Root.AF[0].AFRelationship == "/Alternative"
        said = pdf.open_metadata()
        fx = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
        assert {key: said[fx + key] for key, _ in factur_x.PROPERTIES.items()} == {
            "DocumentFileName": "factur-x.xml", "DocumentType": "INVOICE", "Version": "1.0", "ConformanceLevel": "EN 16931",
        }  # fmt: skip
        assert (said["pdfaid:part"], said["pdfuaid:part"]) == ("3", "1")
        packet = pdf.Root.Metadata.read_bytes().decode()
        assert packet.count("<pdfaSchema:prefix>fx<") == 1, "the schema of the four properties is described (PDF/A)"
        assert bool(pdf.Root.MarkInfo.Marked)
        assert "/StructTreeRoot" in pdf.Root


def test_the_same_paper_gives_the_same_bytes_and_its_hash_proves_it(world: World, now: datetime) -> None:
    invoice = issue(world, now)
    first = issued.issued_pdf(invoice)
    assert issued.draw_pdf(invoice) == first == issued.draw_pdf(Invoice.objects.get(pk=invoice.pk))
    assert invoice.pdf is not None
    assert invoice.pdf.sha256 == hashlib.sha256(first).hexdigest()
    assert issued.issued_xml(invoice, "ubl") == issued.written(invoice).ubl


def test_a_changed_template_or_colour_keeps_what_was_issued(
    world: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = issue(world, now)
    first, ubl = issued.issued_pdf(invoice), issued.issued_xml(invoice, "ubl")
    world.seller.logo = LOGO
    world.seller.save(update_fields=["logo"])
    monkeypatch.setattr("portico.billing.documents.einvoice.write.ubl", lambda _terms: b"<other/>")
    again = Invoice.objects.get(pk=invoice.pk)
    assert issued.draw_pdf(again) != first, "it would be drawn otherwise now"
    assert issued.issued_pdf(again) == first
    assert issued.issued_xml(again, "ubl") == ubl


def test_a_currency_with_three_decimals_has_a_pdf_that_says_why_there_is_no_more(
    world: World, now: datetime, client_for: Browser
) -> None:
    ExchangeRate.objects.create(seller=world.seller, currency="KWD", valid_from=now.date(), rate=Decimal("0.3605"))
    invoice = issue(world, now, currency="KWD")
    assert verify_due(now=now)
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.NONE
    with pikepdf.open(io.BytesIO(issued.issued_pdf(invoice))) as pdf:
        assert not list(pdf.attachments)
    paper = pypdf.PdfReader(io.BytesIO(issued.issued_pdf(invoice))).pages[0].extract_text()
    assert "There is no e-invoice in KWD" in " ".join(paper.split())
    browser = client_for(world.camille)
    page = browser.get(f"/my/invoices/{invoice.number}/").content.decode()
    assert "knows no currency with three decimals" in page
    assert "syntax=ubl" not in page
    assert browser.get(f"/my/invoices/{invoice.number}/xml/").status_code == 409


def test_vat_in_a_foreign_currency_is_told_in_the_sellers_too(world: World, now: datetime) -> None:
    ExchangeRate.objects.create(seller=world.seller, currency="NOK", valid_from=now.date(), rate=Decimal("11.7345"))
    invoice = issue(world, now, currency="NOK")
    assert invoice.content["vat_in_seller_currency"] == {"minor": 511, "rate": "11.7345", "on": now.date().isoformat()}
    assert b'<ram:TaxTotalAmount currencyID="EUR">5.11<' in issued.issued_xml(invoice, "cii")


# Downloads ----------------------------------------------------------------------------------------------------------------


def test_customer_and_staff_download_both_syntaxes(world: World, client_for: Browser) -> None:
    paper = world.invoice("Boutique theme")
    note = Invoice.objects.get(kind="credit_note", customer=world.fontaine)
    for person, urls in (
        (world.camille, [f"/my/invoices/{paper.number}", f"/my/credit-notes/{note.number}"]),
        (world.omar, [f"/staff/invoices/{paper.number}", f"/staff/invoices/{note.number}"]),
    ):
        browser = client_for(person)
        for url in urls:
            for syntax, root in (
                ("cii", b"CrossIndustryInvoice"),
                ("ubl", b"Invoice-2" if "INV" in url else b"CreditNote-2"),
            ):
                answer = browser.get(f"{url}/xml/", {"syntax": syntax})
                assert answer.status_code == 200
                assert answer["Content-Type"] == "application/xml"
                assert answer["Content-Disposition"].startswith("attachment")
                assert root in answer.content
            assert browser.get(f"{url}/xml/", {"syntax": "edifact"}).status_code == 400
    assert client_for(world.lena).get(f"/my/invoices/{paper.number}/xml/").status_code == 404


# Delivery ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delivery", "endings"), [("portal", []), ("pdf", [".pdf"]), ("einvoice", [".pdf", ".xml"])])
def test_the_customer_gets_what_it_chose(world: World, now: datetime, delivery: str, endings: list[str]) -> None:
    invoice = issue(world, now, delivery=delivery)
    found = mailed(invoice, now)
    assert found == [[f"{invoice.number}{ending}" for ending in endings]] * 2, "Camille and Julien"
    words = mail.outbox[-1].body
    assert ("is in the portal" in words) is (delivery == "portal")


def test_an_xrechnung_goes_as_ubl_in_its_profile(world: World, now: datetime) -> None:
    world.seller.contact_name, world.seller.phone = "Accounts", "+33 2 40 00 00 00"
    world.seller.save()
    invoice = issue(
        world, now, delivery="einvoice", einvoice_profile="xrechnung", electronic_address="9930:DE123456789",
        buyer_reference="04011000-1234512345-06",
    )  # fmt: skip
    assert len(mailed(invoice, now)) == 2
    (xml,) = [one[1] for one in mail.outbox[-1].attachments if isinstance(one, tuple) and one[0].endswith(".xml")]
    assert "xrechnung_3.0</cbc:CustomizationID>" in (xml if isinstance(xml, str) else xml.decode())


# Held back -------------------------------------------------------------------------------------------------------------------


def test_what_breaks_a_rule_is_held_back_told_on_today_and_repaired_by_a_new_paper(
    world: World, now: datetime, client_for: Browser, broken: list[Broken]
) -> None:
    invoice = issue(world, now)
    verify_due(now=now)
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.FAILED
    assert mailed(invoice, now) == []
    assert set(Letter.objects.filter(about=f"invoice:{invoice.pk}").values_list("state", flat=True)) == {"dropped"}
    event = Event.objects.get(name="invoice.held_back", object_id=str(invoice.pk))
    assert not event.visible
    desk = client_for(world.omar)
    assert "held back" in desk.get("/staff/").content.decode()
    assert f'data-number="{invoice.number}"' in desk.get("/staff/invoices/", {"status": "held_back"}).content.decode()
    page = desk.get(f"/staff/invoices/{invoice.number}/").content.decode()
    assert "BR-CO-15" in page
    assert "Make a credit note" in page
    mine = client_for(world.camille)
    assert "being looked into" in mine.get(f"/my/invoices/{invoice.number}/").content.decode()
    assert mine.get(f"/my/invoices/{invoice.number}/xml/").status_code == 409
    assert mine.get(f"/my/invoices/{invoice.number}/pdf/").status_code == 200
    following = issue(world, now)
    assert str(following.number) > str(invoice.number), "no number is lost"
    counter = NumberSeries.objects.get(seller=world.seller, series="INV", year=2026)
    assert counter.last_number == following.chain_position == (invoice.chain_position or 0) + 1


def test_checked_again_and_right_it_goes_out_at_last(
    world: World, now: datetime, client_for: Browser, broken: list[Broken]
) -> None:
    invoice = issue(world, now)
    assert mailed(invoice, now) == []
    desk = client_for(world.omar)
    assert desk.post(f"/staff/invoices/{invoice.number}/check/").status_code == 302
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.FAILED, "nothing has changed yet"
    broken.clear()
    desk.post(f"/staff/invoices/{invoice.number}/check/")
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.PASSED
    assert len(mailed(invoice, now)) == 2
    with pytest.raises(Conflict):
        verify_again(invoice=invoice, by=world.omar, now=now)


def test_a_warning_holds_nothing_back(world: World, now: datetime, broken: list[Broken]) -> None:
    broken[:] = [Broken("BR-DE-17", "warning", "another code would be better")]
    invoice = issue(world, now)
    verify_due(now=now)
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.PASSED
    assert invoice.einvoice_findings == [["BR-DE-17", "warning", "another code would be better"]]
    assert len(mailed(invoice, now)) == 2


def test_no_answer_is_no_verdict_the_letter_waits_and_in_the_end_somebody_must_look(
    world: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(**_files: bytes) -> list[Broken]:
        raise NoAnswer("the child ended with -6")

    Invoice.objects.filter(einvoice_state="").update(einvoice_state="passed")
    monkeypatch.setattr(checker, "check", silent)
    invoice = issue(world, now)
    assert mailed(invoice, now) == []
    assert set(Letter.objects.filter(about=f"invoice:{invoice.pk}").values_list("state", flat=True)) == {"queued"}
    for _attempt in range(Invoice.MOST_ATTEMPTS):
        verify_due(now=now)
    invoice.refresh_from_db()
    assert invoice.einvoice_state == Invoice.EInvoice.FAILED
    assert invoice.einvoice_findings[0][2] == "the child ended with -6"
    assert mailed(invoice, now + timedelta(hours=2)) == []


def test_two_workers_keep_one_verdict(world: World, now: datetime, broken: list[Broken]) -> None:
    invoice = issue(world, now)
    other = Invoice.objects.get(pk=invoice.pk)
    assert invoice.was_checked("failed", [["A", "fatal", "a"]], now=now)
    assert not other.was_checked("passed", [], now=now)
    other.refresh_from_db()
    assert other.einvoice_state == "failed"


# Before there is a number -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_an_invoice_takes_no_number(world: World, now: datetime) -> None:
    before = NumberSeries.objects.get(seller=world.seller, series="INV", year=2026).last_number
    with pytest.raises(Conflict, match=r"buyer reference.*BR-DE-15.*No number was taken"):
        issue(world, now, einvoice_profile="xrechnung", electronic_address="9930:DE123456789")
    assert NumberSeries.objects.get(seller=world.seller, series="INV", year=2026).last_number == before


def test_a_quotation_whose_invoice_could_not_be_issued_is_not_sent(
    world: World, now: datetime, client_for: Browser
) -> None:
    quotation = world.quotation("Quality checks, draft")
    Customer.objects.filter(pk=quotation.customer_id).update(einvoice_profile="peppol", electronic_address="")
    answer = client_for(world.hanna).post(f"/staff/quotations/{quotation.number}/send/", follow=True)
    assert "PEPPOL-EN16931-R010" in answer.content.decode()
    quotation.refresh_from_db()
    assert quotation.current is None


def test_a_customer_chooses_and_cannot_choose_what_does_not_work(world: World, client_for: Browser) -> None:
    browser = client_for(world.camille)
    form = {"street": "27 rue des Tanneurs", "delivery": "einvoice", "einvoice_profile": "xrechnung"}
    refused = browser.post("/my/account/company/", form | {"electronic_address": "nowhere"})
    assert refused.status_code == 400
    assert "Leitweg" in refused.content.decode()
    saved = browser.post(
        "/my/account/company/", form | {"electronic_address": "9930:DE123456789", "buyer_reference": "04011000-1"}
    )
    assert saved.status_code == 302
    world.fontaine.refresh_from_db()
    assert (world.fontaine.delivery, world.fontaine.einvoice_profile) == ("einvoice", "xrechnung")
    desk = client_for(world.omar)
    assert "XRechnung 3.0" in desk.get(f"/staff/customers/{world.fontaine.pk}/").content.decode()
    form = {"delivery": "portal", "einvoice_profile": "en16931", "electronic_address": "", "buyer_reference": ""}
    assert desk.post(f"/staff/customers/{world.fontaine.pk}/delivery/", form).status_code == 302
    world.fontaine.refresh_from_db()
    assert (world.fontaine.delivery, world.fontaine.buyer_reference) == ("portal", "")


def test_a_logo_stands_on_the_paper_and_one_that_cannot_be_drawn_does_not_block_it(world: World, now: datetime) -> None:
    invoice = issue(world, now)
    plain = issued.draw_pdf(invoice)
    invoice.seller.logo = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><path d="M0 0h120v40H0z" fill="#17506a"/></svg>'
    )
    drawn = issued.draw_pdf(invoice)
    assert drawn != plain
    invoice.seller.logo = "<svg"
    assert issued.draw_pdf(invoice) == plain


NAMES = (
    "Šiauliai Žalgiris Ąžuolas UAB", "Ελληνική Εταιρεία Α.Ε.", "ООО «Ромашка»", "شركة الاختبار المحدودة", 'חברת בדיקה בע"מ',
    "株式会社山田製作所", "北京科技有限公司", "주식회사 한국", "Café 😀 GmbH",
    "👨\u200d👩\u200d👧 & Co", "ᏣᎳᎩ Ltd", "a\x00b\u202e<b>\ud800",
    "शर्मा एंड संस", "บริษัท ทดสอบ จำกัด", "Ａｃｍｅ　Ｉｎｃ", "Đặng Thị Ngọc Ánh", "İstanbul Çiçekçilik A.Ş.", "O’Brien & Søn ‰ ½",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_the_world_blocks_an_invoice(world: World, now: datetime, name: str) -> None:
    world.fontaine.legal_name = name
    invoice = issue(world, now)
    invoice.buyer = invoice.buyer | {"legal_name": name}
    assert issued.draw_pdf(invoice).startswith(b"%PDF")
    assert issued.written(invoice).ubl
    warned = [one.rule for one in unprintable(invoice)]
    assert warned == (["PDF"] if "Ꮳ" in name or "\ud800" in name else [])


def test_a_paid_order_says_how_it_was_paid(world: World) -> None:
    paid = [one for one in Invoice.objects.filter(state="issued") if one.content["prepaid"]]
    assert paid
    for invoice in paid:
        means = invoice.content.get("means", {}).get("code")
        assert means in {"48", "58", "68"}
        assert f">{means}</cbc:PaymentMeansCode>".encode() in issued.issued_xml(invoice, "ubl")
        assert b'<cbc:PayableAmount currencyID="EUR">0.00<' in issued.issued_xml(invoice, "ubl")
