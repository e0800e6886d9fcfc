"""The papers as PDF: what they say, that they are for ever the same, and that no text can break or bend them."""

import hashlib
import io
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pikepdf
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.billing.documents import render, wording
from portico.billing.documents.render import Attachment, CannotSet, render_pdf
from portico.billing.documents.sheet import Sheet, SheetFact, SheetParty, SheetSum, SheetText
from portico.billing.documents.tests.papers import (
    CREDIT_NOTE,
    INVOICE,
    KINDS,
    ORDER,
    PAYMENT_REQUEST,
    QUOTATION,
    REVERSE_CHARGE,
    line,
)

QUOTATION_TEXT = """\
Quotation
Q-2026-00042, version 2
Northwind Software
18 quai de la Fosse
44000 Nantes, France
Prepared for
Atelier Fontaine SARL
27 rue des Tanneurs
69005 Lyon, France
Prepared by
Hanna Lindqvist
Customer advisor
hanna@northwind.example
Date 12 Nov 2026
Valid Until 26 Nov 2026
Workshop and showroom roll-out
Everything on one stock.
Description Quantity Unit price Discount VAT Amount, EUR
Services 3,871.50
Mapping
Routings, work centres.
3 days 890.00 5% 20% 2,536.50
Data migration 1.5 days 890.00 20% 1,335.00
Days may be moved once at no cost.
Options 360.00
Label printer Optional, included 1 360.00 20% 360.00
Go-live support Optional, not included 1 1,450.00 20% 1,450.00
VAT summary
Rate Taxable, EUR VAT, EUR
20% 4,231.50 846.30
Total excluding VAT 4,231.50
VAT 20% 846.30
Total, EUR 5,077.80
Deposit due on acceptance, 30% 1,523.34
Payment
30% on acceptance.
Late payment
A recovery fee of €40.
Hanna Lindqvist
For Northwind Software, 12 Nov 2026 For Atelier Fontaine SARL: name, date and signature
Northwind Software SAS VAT FR24 512 884 012 Page 1 of 1"""

INVOICE_TEXT = """\
Invoice
INV-2026-00007
Northwind Software
18 quai de la Fosse
44000 Nantes, France
Billed to
Atelier Fontaine SARL
27 rue des Tanneurs
69005 Lyon, France
Date 12 Nov 2026
Due date 12 Dec 2026
Workshop and showroom roll-out
Description Quantity Unit price VAT Amount, EUR
Mapping 2 days 890.00 20% 1,780.00
VAT summary
Rate Taxable, EUR VAT, EUR
20% 1,780.00 356.00
Total excluding VAT 1,780.00
Total, EUR 2,136.00
Paid −1,000.00
Amount Due 1,136.00
Pay by bank transfer
Account holder Northwind Software SAS
IBAN FR76 3000 6000 0112 3456 7890 189
BIC NWSFFRPPXXX
Reference INV-2026-00007
Scan with your banking app
Payment
30% on acceptance.
Late payment
A recovery fee of €40.
Northwind Software SAS VAT FR24 512 884 012 Page 1 of 1"""


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def said(sheet: Sheet) -> str:
    """All the words of the paper, with single spaces."""
    return " ".join(" ".join(pages(render_pdf(sheet))).split())


def forget_compiler() -> None:
    vars(render._kept).clear()


# What it says --------------------------------------------------------------------------------------------------------


def test_a_quotation_says_it_all() -> None:
    assert pages(render_pdf(QUOTATION))[0] == QUOTATION_TEXT


def test_an_invoice_says_it_all() -> None:
    assert pages(render_pdf(INVOICE))[0] == INVOICE_TEXT


@pytest.mark.parametrize("sheet", KINDS, ids=lambda sheet: sheet.kind)
def test_every_kind_names_itself(sheet: Sheet) -> None:
    text = said(sheet)
    assert f"{sheet.title} {sheet.number}" in text
    assert "Page 1 of 1" in text
    assert "Atelier Fontaine SARL" in text


def test_the_discount_column_stands_only_where_a_line_has_one() -> None:
    assert "Discount" in said(QUOTATION)
    assert "Discount" not in said(INVOICE)


def test_what_is_optional_says_whether_it_is_included() -> None:
    text = said(QUOTATION)
    assert "Label printer Optional, included" in text
    assert "Go-live support Optional, not included" in text


def test_a_choice_of_quantity_is_told_until_it_is_made() -> None:
    users = line("Users", "4", "10", 4000, quantity_min=Decimal(1), quantity_max=Decimal(9))
    offer = replace(QUOTATION, lines=(users,))
    assert "Quantity can be chosen from 1 to 9" in said(offer)
    assert "can be chosen" not in said(replace(offer, signed_by_buyer="Camille Fontaine"))


def test_an_order_counts_what_was_delivered_and_invoiced() -> None:
    text = said(ORDER)
    assert "Ordered Delivered Invoiced Amount, EUR" in text
    assert "3 days × 890.00, less 5%, VAT 20% 3 days 2 days 1 days 2,536.50" in text


def test_a_payment_request_says_that_it_is_no_invoice() -> None:
    text = said(PAYMENT_REQUEST)
    assert "This is not an invoice." in text
    assert "IBAN FR76 3000 6000 0112 3456 7890 189" in text
    assert "VAT summary" not in text


def test_a_discount_on_the_whole_stands_among_the_lines() -> None:
    assert "Returning customer discount 20% −150.00" in said(
        replace(CREDIT_NOTE, lines=(*CREDIT_NOTE.lines[:-1], replace(CREDIT_NOTE.lines[-1], vat_rate=Decimal(20))))
    )


def test_no_vat_gives_the_statutory_reason_and_the_sellers_currency() -> None:
    text = said(REVERSE_CHARGE)
    assert "0%, reverse charge 1,780.00 0.00" in text
    assert "Reverse charge: the recipient owes the VAT." in text
    assert "VAT in EUR €0.00" in text


def test_outside_the_scope_of_vat_there_is_no_rate() -> None:
    group = replace(REVERSE_CHARGE.vat[0], category="O", note="Services outside the scope of VAT.")
    rows = (replace(REVERSE_CHARGE.lines[0], vat_category="O"),)
    text = said(replace(REVERSE_CHARGE, vat=(group,), lines=rows))
    assert "outside the scope 1,780.00 0.00" in text
    assert " 0%" not in text


@pytest.mark.parametrize(
    ("stamp", "tone"),
    [
        ("Accepted\n24 Nov 2026", "ok"),
        ("Rejected", "danger"),
        ("Expired", "warn"),
        ("Credited", ""),
        ("Sent", "accent"),
    ],
)
def test_a_stamp_says_how_it_ended(stamp: str, tone: str) -> None:
    text = said(replace(QUOTATION, stamp=stamp, stamp_tone=tone))
    assert all(word in text for word in stamp.split("\n"))


def test_both_signatures() -> None:
    signed = replace(QUOTATION, signed_by_buyer="Camille Fontaine")
    assert "For Atelier Fontaine SARL: name, date and signature" in said(QUOTATION)
    assert "Hanna Lindqvist Camille Fontaine For Northwind Software, 12 Nov 2026 For Atelier Fontaine SARL" in said(
        signed
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["1,780.00", "20%", "12 Dec 2026", "−1,000.00"]),
        ("fr", ["1\u202f780,00", "20\u00a0%", "12 déc. 2026", "−1\u202f000,00"]),
        ("de", ["1.780,00", "20\u00a0%", "12.12.2026", "−1.000,00"]),
    ],
)
def test_three_languages_write_their_own_numbers_and_dates(language: str, expected: list[str]) -> None:
    pdf = render_pdf(replace(INVOICE, language=language))
    text = "\n".join(pages(pdf))
    assert [part for part in expected if part not in text] == []
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == language


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "213,600"), ("EUR", "2,136.00"), ("KWD", "213.600")], ids=["JPY", "EUR", "KWD"]
)
def test_a_currency_has_its_own_decimals(currency: str, total: str) -> None:
    text = said(replace(INVOICE, currency=currency, payment=None))
    assert f"Total, {currency} {total}" in text
    assert f"Amount, {currency}" in text


# For ever ------------------------------------------------------------------------------------------------------------


def test_the_same_sheet_gives_the_same_bytes() -> None:
    first = hashlib.sha256(render_pdf(QUOTATION)).hexdigest()
    render_pdf(INVOICE)
    assert hashlib.sha256(render_pdf(QUOTATION)).hexdigest() == first
    forget_compiler()
    assert hashlib.sha256(render_pdf(QUOTATION)).hexdigest() == first
    assert hashlib.sha256(render_pdf(replace(QUOTATION, number="Q-2026-00043"))).hexdigest() != first


def test_threads_set_papers_side_by_side() -> None:
    expected = {sheet.kind: render_pdf(sheet) for sheet in KINDS}
    wrong: list[str] = []

    def work(sheets: tuple[Sheet, ...]) -> None:
        for sheet in sheets:
            if render_pdf(sheet) != expected[sheet.kind]:
                wrong.append(sheet.kind)
        wrong.append("")

    threads = [threading.Thread(target=work, args=(sheets,)) for sheets in (KINDS, KINDS[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == ["", ""]


def test_its_dates_are_the_papers() -> None:
    info = pypdf.PdfReader(io.BytesIO(render_pdf(QUOTATION))).metadata
    assert info is not None
    assert info.creation_date == datetime(2026, 11, 12, tzinfo=UTC)
    assert info.title == "Quotation Q-2026-00042"
    assert info.author == "Northwind Software SAS"


@pytest.mark.parametrize("sheet", KINDS, ids=lambda sheet: sheet.kind)
def test_it_is_made_for_the_archive_and_for_every_reader(sheet: Sheet) -> None:
    with pikepdf.open(io.BytesIO(render_pdf(sheet))) as document:
        with document.open_metadata() as metadata:
            assert metadata["pdfaid:part"] == "3"
            assert metadata["pdfaid:conformance"] == "A"
            assert metadata["pdfuaid:part"] == "1"
            assert metadata["dc:title"] == f"{sheet.title} {sheet.number}"
        assert document.Root.MarkInfo.Marked
        assert document.Root.ViewerPreferences.DisplayDocTitle
        assert "/StructTreeRoot" in document.Root
        assert str(document.Root.Lang) == "en"


def structure(element: Any) -> list[tuple[str, str]]:
    """Every tag below a structure element with its alternative text."""
    found = []
    for child in element.get("/K", []) if isinstance(element.get("/K"), pikepdf.Array) else [element.get("/K")]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            found.append((str(child.S), str(child.get("/Alt", ""))))
            found += structure(child)
    return found


def test_headings_table_heads_and_the_code_are_tagged() -> None:
    with pikepdf.open(io.BytesIO(render_pdf(INVOICE))) as document:
        tags = structure(document.Root.StructTreeRoot)
    names = [tag for tag, _ in tags]
    assert names.count("/H1") == 1
    assert names.count("/H2") >= 4
    assert names.count("/TH") == 5 + 3
    assert ("/Figure", "QR code that fills in a bank transfer for INV-2026-00007 with the details beside it") in tags


def test_without_a_code_there_is_no_picture() -> None:
    assert INVOICE.payment is not None
    pdf = render_pdf(replace(INVOICE, payment=replace(INVOICE.payment, epc="")))
    with pikepdf.open(io.BytesIO(pdf)) as document:
        assert "/Figure" not in [tag for tag, _ in structure(document.Root.StructTreeRoot)]
    assert "Scan with your banking app" not in pages(pdf)[0]


def test_all_fonts_are_inside() -> None:
    mixed = replace(QUOTATION, buyer=SheetParty("Prepared for", "Ελλάς Москва שלום مرحبا"))
    names = set()
    with pikepdf.open(io.BytesIO(render_pdf(mixed))) as document:
        for page in document.pages:
            for font in page.Resources.Font.values():
                descriptor = font.DescendantFonts[0].FontDescriptor
                assert {"/FontFile2", "/FontFile3"} & set(descriptor.keys())
                assert "/ToUnicode" in font
                names.add(str(descriptor.FontName).partition("+")[2])
    assert {"Inter-Regular", "NewsreaderDisplay-Regular", "NotoSansHebrew-Regular", "NotoSansArabic-Regular"} <= names


def test_the_template_gives_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    compile_once = render._compile

    def watched(texts: Any, inputs: dict[str, str], timestamp: datetime) -> bytes:
        data = {**inputs, "data": json.dumps(texts)}
        _pdf, found = render._compiler().compile_with_warnings(format="pdf", sys_inputs=data, timestamp=timestamp)
        warnings.extend(str(warning) for warning in found)
        return compile_once(texts, inputs, timestamp)

    monkeypatch.setattr(render, "_compile", watched)
    for sheet in KINDS:
        render_pdf(sheet)
    assert warnings == []


def test_an_attachment_travels_inside() -> None:
    xml = Attachment("factur-x.xml", "<a>é</a>".encode(), "text/xml", "alternative", "Invoice data")
    raw = Attachment("scan.bin", bytes(range(256)), "application/octet-stream", "supplement", "Scan")
    with pikepdf.open(io.BytesIO(render_pdf(INVOICE, attachments=[xml, raw]))) as document:
        assert document.attachments["factur-x.xml"].get_file().read_bytes() == xml.content
        assert document.attachments["scan.bin"].get_file().read_bytes() == raw.content
        assert str(document.Root.AF[0].AFRelationship) == "/Alternative"


def test_the_accent_is_a_colour_or_the_default() -> None:
    default = render_pdf(QUOTATION)
    assert render_pdf(QUOTATION, accent="#b3261e") != default
    for strange in ("red", "#12345", '#000000"); #panic("x', ""):
        assert render_pdf(QUOTATION, accent=strange) == default


def test_what_cannot_be_set_is_told() -> None:
    same = Attachment("a.xml", b"<a/>", "text/xml", "alternative", "One")
    with pytest.raises(CannotSet):
        render_pdf(INVOICE, attachments=[same, same])


# Any length ----------------------------------------------------------------------------------------------------------


def test_a_hundred_lines_repeat_their_head_on_every_page() -> None:
    rows = tuple(line(f"Day {number}", "1", "890", 89000, detail="On site") for number in range(100))
    found = pages(render_pdf(replace(INVOICE, lines=rows)))
    assert len(found) > 3
    for number, text in enumerate(found, 1):
        assert f"Page {number} of {len(found)}" in text
        assert "INV-2026-00007" in text
        assert "Northwind Software" in text
    heads = ["Unit price" in text for text in found]
    with_lines = ["On site" in text for text in found]
    assert heads == with_lines
    assert [f"Day {number}\n" in "\n".join(found) for number in range(100)] == [True] * 100
    assert "Amount Due" in found[-1]


def test_a_section_never_stands_alone_at_the_foot() -> None:
    for before in range(20, 34):
        rows = tuple(line(f"Day {number}", "1", "890", 89000) for number in range(before))
        section = replace(QUOTATION.lines[0], name="Alone")
        sheet = replace(INVOICE, lines=(*rows, section, line("First below", "1", "890", 89000)))
        for text in pages(render_pdf(sheet)):
            assert ("Alone" in text) == ("First below" in text)


def test_a_line_as_long_as_two_pages_goes_on() -> None:
    long = line("Mapping", "1", "890", 89000, detail="word " * 1500 + "end")
    found = pages(render_pdf(replace(INVOICE, lines=(long,))))
    assert len(found) >= 2
    assert "end" in found[-1]


def test_nothing_at_all_is_still_a_paper() -> None:
    empty = Sheet(
        kind="order",
        title="Sales order",
        number="",
        currency="EUR",
        language="en",
        issued_on=date(2026, 1, 1),
        seller=SheetParty("", ""),
        seller_short_name="",
        buyer=SheetParty("", ""),
    )
    assert "Sales order" in said(empty)


# Hostile texts -------------------------------------------------------------------------------------------------------

HOSTILE = [
    '#read("/etc/passwd")',
    "*bold* _italic_ `raw` $x^2$ <label> @reference // comment /* more */",
    '"); #panic("x"); ("',
    "= Heading - item + item / term: x",
    '#pagebreak() #image("x.png") #sys.inputs \\u{41} \\ # [x] {y} ~ -- ---',
    "{page} {{ name }} %(number)s %s",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_is_printed_as_it_was_written(text: str) -> None:
    sheet = replace(
        QUOTATION,
        buyer=SheetParty(text, text, (text,), text),
        seller_short_name=text,
        subject=text,
        intro=text,
        facts=(SheetFact("Purchase order", text),),
        lines=(line(text, "1", "10", 1000, detail=text, unit=text[:20]),),
        sums=(SheetSum(text, 1000),),
        terms=(SheetText(text, text),),
        notes=(text,),
        signed_by_buyer=text,
        footer=(text,),
    )
    found = "".join("".join(pages(render_pdf(sheet))).split())
    assert found.count("".join(text.split())) >= 10


def test_names_of_the_world() -> None:
    names = (
        "Ελληνική Εταιρεία",
        "ООО Ромашка",
        "Łódź Çankırı",
        "株式会社 Kaisha 北京 주식회사",
        "😀 Smile",
        "ᏣᎳᎩ",
        "a\x00b\x07c",
        "\u202eevil",
    )
    text = said(replace(QUOTATION, buyer=SheetParty("For", "Name", names)))
    for printed in (
        "Ελληνική Εταιρεία",
        "ООО Ромашка",
        "Łódź Çankırı",
        "株式会社 Kaisha 北京 주식회사",
        "😀 Smile",
        "[U+13E3]",
        "abc",
        "evil",
    ):
        assert printed in text


def test_alphabets_that_run_from_the_right_are_joined_and_kept() -> None:
    names = ("شركة الاختبار المحدودة 2026", "שלום חברה")
    with_names = render_pdf(replace(QUOTATION, buyer=SheetParty("For", "Name", names)))
    letters = set("".join(pages(with_names)))
    assert set("שלוםחברה") <= letters
    assert len([letter for letter in letters if "\u0600" <= letter <= "\u06ff" or letter >= "\ufb50"]) > 8


def test_a_name_that_begins_from_the_right_is_read_from_there_as_a_whole() -> None:
    """Its Latin end stands left of it; what begins in Latin letters or figures is read as the paper is."""
    names = ('חברת "אופק" Ltd', "12 רחוב הים Haifa", "Ofek ספק Group")
    title = "שם בראש"
    paper = replace(
        QUOTATION,
        subject="נושא Topic",
        buyer=SheetParty("For", title, names),
        lines=(line("שירות Service", "1", "1", 100),),
    )
    places: dict[str, float] = {}  # of words, from the left edge

    def seen(words: str, matrix: list[float], *_others: object) -> None:
        places.setdefault(words.strip(), matrix[4])

    pypdf.PdfReader(io.BytesIO(render_pdf(paper))).pages[0].extract_text(visitor_text=seen)
    left = min(places["בראש"], places["שם"])
    assert places["Ltd"] == pytest.approx(left)
    assert places["אופק"] < places["חברת"]
    assert places["Haifa"] > places["רחוב"]
    assert places["Group"] > left + 20
    assert places["Topic"] == pytest.approx(left)
    assert places["Service"] == pytest.approx(left)


@settings(max_examples=25)
@given(st.text(alphabet=st.characters(), min_size=1, max_size=40))
def test_no_name_blocks_a_paper(name: str) -> None:
    assert render_pdf(replace(INVOICE, buyer=SheetParty("Billed to", name, (name,)))).startswith(b"%PDF")


def test_a_long_word_is_broken_but_copied_in_one_piece() -> None:
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    mail = "hanna.lindqvist@a-very-long-department.northwind.example"
    sheet = replace(QUOTATION, buyer=SheetParty("For", word, (mail,)), lines=(line(word, "1", "1", 100),))
    text = "".join("".join(pages(render_pdf(sheet))).split())
    assert text.count(word) == 3  # party, line, signature
    assert mail in text
    assert "\u200b" not in text


def test_sums_of_any_size_do_not_touch() -> None:
    great = line("Great", "1234567.8901", "9999999.1234", 99_999_999_999_999, unit="named users")
    text = said(replace(INVOICE, lines=(great,)))
    assert "1,234,567.8901 named users 9,999,999.1234 20% 999,999,999,999.99" in text


@pytest.mark.parametrize("missing", ["Ꮳ", "ᏣᎳᎩᎠ", "ᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭ"])
def test_even_unchecked_texts_are_set(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Should the coverage ever be wrong, what typst names in its error is replaced, and at last everything strange."""
    monkeypatch.setattr(wording, "printable", lambda text: text)
    name = "".join(f"{char} é " for char in missing)
    text = said(replace(QUOTATION, buyer=SheetParty("For", name)))
    assert "".join(f"[U+{ord(char):04X}] é " for char in missing) in text
    assert "€40" in text


def test_speed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    render_pdf(INVOICE)
    times = []
    for number in range(20):
        started = time.perf_counter()
        render_pdf(replace(INVOICE, number=f"INV-2026-{number:05}"))
        times.append((time.perf_counter() - started) * 1000)
    with capsys.disabled():
        print(f" [warm invoice: {sorted(times)[10]:.0f} ms] ", end="")
    assert len(times) == 20


def test_the_typst_of_the_lock_file_is_in_use() -> None:
    """Another version may break lines differently: the snapshots, and every stored checksum, are for this one."""
    assert version("typst").startswith("0.15.")
