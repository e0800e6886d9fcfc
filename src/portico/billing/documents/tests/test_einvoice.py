"""Every kind of paper as CII and UBL, asked by the official rules; and papers that are wrong, which must be reported."""

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation
from lxml import etree

from portico.accounts.terms import Plan
from portico.billing import pricing
from portico.billing.actions.issue import (
    Paper,
    Totalled,
    add_up,
    buyer_block,
    frozen_content,
    seller_block,
    vat_groups,
    with_invoice,
)
from portico.billing.documents.einvoice import checker, peppol_rules, terms, write
from portico.billing.documents.einvoice.checker import Broken, Checker, NoAnswer
from portico.billing.documents.einvoice.own_rules import findings
from portico.billing.documents.einvoice.profiles import CORE, PROFILES, unit_code, unit_words
from portico.billing.documents.reading import read
from portico.billing.documents.reading.reasons import Unreadable
from portico.billing.models import Invoice, InvoiceLine
from portico.billing.tests.parts import THIRTY_SEVENTY
from portico.cast import World
from portico.kit.electronic import electronic_address

DAY = date(2026, 11, 9)
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def rules() -> Iterator[Checker]:
    """One child for all the papers of this file."""
    one = Checker()
    yield one
    one.close()


def row(
    name: str,
    quantity: str = "1",
    price: str = "100",
    *,
    kind: str = "line",
    vat: tuple[str, str] = ("S", "20"),
    discount: str = "0",
    part: tuple[int, int] = (1, 1),
    unit: str = "days",
    **more: Any,
) -> InvoiceLine:
    return InvoiceLine(
        kind=kind, name=name, detail="What it is,\nin words.", quantity=Decimal(quantity), unit=unit,
        unit_price=Decimal(price), discount_percent=Decimal(discount), vat_category=vat[0], vat_rate=Decimal(vat[1]),
        part_days=part[0], part_of_days=part[1], **more,
    )  # fmt: skip


def made(
    world: World,
    rows: Sequence[InvoiceLine],
    *,
    kind: str = "invoice",
    currency: str = "EUR",
    profile: str = "en16931",
    country: str = "FR",
    prepaid: bool = False,
    means: dict[str, str] | None = None,
    parts: Plan = (),
    language: str = "en",
    **content_more: Any,
) -> terms.Terms:
    """The business terms of a paper with these rows, through the same steps as one that is issued."""
    seller, customer = world.seller, world.lindner if country == "DE" else world.fontaine
    seller.contact_name, seller.phone = "Accounts", "+33 2 40 00 00 00"
    seller.tax_registration, seller.electronic_address = "404833048", "0009:40483304800022"
    customer.country, customer.einvoice_profile = country, profile
    customer.electronic_address, customer.buyer_reference = "9930:DE123456789", "04011000-1234512345-06"
    for place, one in enumerate(rows, start=1):
        one.position = place
    priced = pricing.price(
        [
            pricing.LineIn(
                one.position, one.kind, one.quantity, one.unit_price, one.discount_percent, one.vat_category,
                one.vat_rate, one.part,
            )
            for one in rows
        ],
        currency,
    )  # fmt: skip
    nets = {line.key: line.net_minor for line in priced.lines}
    for one in rows:
        one.net_minor = nets.get(one.position, 0)
    groups = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in priced.groups}
    invoice = Invoice(
        seller=seller, customer=customer, kind=kind, series="CN" if kind == "credit_note" else "INV",
        title="Roll-out", language=language, currency=currency, po_number="PO-77",
        delivered_on=None if kind == "deposit" else DAY,
    )  # fmt: skip
    paper = Paper(invoice, Totalled(rows, groups), [["Payment", "30 days net"]], 30, prepaid, means or {}, parts)
    add_up(invoice, paper.content)
    content = frozen_content(
        paper, seller_block(seller), with_invoice(rows, invoice), vat_groups(invoice, groups), DAY
    ) | content_more  # fmt: skip
    head = terms.Head(
        kind=kind,
        number="INV-2026-00042",
        issued_on=DAY,
        due_on=None if kind == "credit_note" else paper.due_on(DAY),
        currency=currency,
        earlier=tuple((number, date.fromisoformat(day)) for number, day in content.get("earlier", [])),
        periods=terms.period_of(content),
        language=language,
    )
    return terms.build(head, content, buyer_block(invoice))


EARLIER = [["INV-2026-00007", "2026-10-01"]]
PERIOD = ["2026-11-01", "2027-10-31"]
CARD = {"code": "48", "card": "4242", "network": "VISA"}
DEBIT = {"code": "59", "mandate": "M-1", "creditor": "FR72ZZZ123456", "account": "FR7630006000011234567890189"}
AT_HOME = {"minor": 5014, "rate": "11.7345", "on": "2026-11-06"}
ALLOWANCE: dict[str, Any] = {"kind": "allowance"}
OUTSIDE: dict[str, Any] = {"vat": ("O", "0")}
NOTE: Row = ("Thanks", "0", "0", {"kind": "note"})
PAPERS: dict[str, tuple[list[Row], dict[str, Any]]] = {
    "several rates, discount and period": (
        [("Users", "10", "228.0000"), ("Books", "3", "17.33"), ("Days", "1.5", "890")], {"period": PERIOD},
    ),
    "in parts": ([("Days", "10", "890")], {"parts": THIRTY_SEVENTY}),
    "part of a period": ([("Users", "7", "228", {"part": (98, 365), "discount": "12.5"})], {}),
    "allowance and charge": (
        [("Days", "2", "890"), ("Loyalty", "1", "50", ALLOWANCE), ("Freight", "1", "25", {"kind": "charge"}), NOTE], {},
    ),
    "negative line": ([("Days", "5", "100"), ("Days taken back", "-2", "100"), ("Bonus", "1", "-10")], {}),
    "zero-rated": ([("Export papers", "1", "100", {"vat": ("Z", "0")})], {}),
    "exempt beside taxed": ([("Course", "1", "100", {"vat": ("E", "0")}), ("Days", "1", "100")], {}),
    "reverse charge": ([("Days", "2", "890", {"vat": ("AE", "0")})], {"country": "DE"}),
    "goods within the EU": ([("Printer", "1", "360", {"vat": ("K", "0")})], {"country": "DE"}),
    "export of goods": ([("Printer", "1", "360", {"vat": ("G", "0")})], {"country": "NO"}),
    "outside the scope": (
        [("Days", "1", "100", OUTSIDE), ("Less", "1", "5", ALLOWANCE | OUTSIDE)], {"country": "NO"},
    ),
    "deposit, paid": ([("Deposit 30%", "1", "300")], {"kind": "deposit", "prepaid": True, "means": CARD}),
    "deposit, to pay": ([("Deposit 30%", "1", "300")], {"kind": "deposit"}),
    "final invoice": ([("Days", "10", "100"), ("Less deposit", "-1", "300")], {"earlier": EARLIER}),
    "final invoice of nothing left": ([("Days", "10", "100"), ("Less deposit", "-1", "1000")], {"earlier": EARLIER}),
    "credit note": ([("Days", "2", "100", {"discount": "5"})], {"kind": "credit_note", "earlier": EARLIER}),
    "credit note, goods within the EU": (
        [("Printer", "1", "360", {"vat": ("K", "0")})], {"kind": "credit_note", "earlier": EARLIER, "country": "DE"},
    ),
    "direct debit": ([("Users", "10", "19")], {"means": DEBIT}),
    "card": ([("Users", "10", "19")], {"prepaid": True, "means": CARD}),
    "yen": ([("Days", "3", "98000.5")], {"currency": "JPY"}),
    "krone, VAT also in euro": (
        [("Days", "3", "980.55")], {"currency": "NOK", "vat_in_seller_currency": AT_HOME},
    ),
    "long fractions": ([("Units", "0.3333", "0.0125"), ("Units", "9999.9999", "0.0333")], {}),
    "texts of the world": ([("株式会社 & <b>株</b> \u202e\x07 ✓ «مثال»", "1", "10")], {}),
}  # fmt: skip


def rows_of(listed: list[Row]) -> list[InvoiceLine]:
    return [row(*one[:3], **(one[3] if len(one) > 3 else {})) for one in listed]


def named(world: World, name: str, profile: str = "en16931") -> terms.Terms:
    listed, more = PAPERS[name]
    return made(world, rows_of(listed), profile=profile, **more)


def ask(rules: Checker, paper: terms.Terms, profile: str) -> list[Broken]:
    """All the rules about one paper, as `checker.check` asks them."""
    embedded, ubl = write.cii(paper), write.ubl(paper)
    cii = write.cii(paper, PROFILES[profile].cii)
    broken = checker.against_schemas(embedded, cii, ubl)
    broken += rules.ask("factur-x", embedded) + rules.ask("en16931-ubl", ubl)
    if profile == "xrechnung":
        broken += rules.ask("xrechnung-cii", cii) + rules.ask("xrechnung-ubl", ubl)
    if profile == "peppol":
        broken += [Broken(rule, "fatal", words) for rule, words in peppol_rules.broken_by(ubl)]
    return [one for one in broken if one.rule not in checker.UNAVOIDABLE]


@pytest.mark.parametrize("profile", ["en16931", "xrechnung", "peppol"])
@pytest.mark.parametrize("name", PAPERS)
def test_every_kind_of_paper_follows_every_rule(world: World, rules: Checker, name: str, profile: str) -> None:
    paper = named(world, name, profile)
    assert [str(one) for one in findings(paper, profile)] == []
    broken = ask(rules, paper, profile)
    assert not any(one.is_fatal for one in broken)
    # KoSIT would rather see other codes than 386 (BR-DE-17, a warning): it is the standard's own for a deposit
    assert [one for one in broken if one.rule != "BR-DE-17" and one.severity != "information"] == []


@pytest.mark.parametrize("profile", ["en16931", "xrechnung", "peppol"])
@pytest.mark.parametrize("name", PAPERS)
def test_what_we_write_can_be_read_as_another_systems(world: World, name: str, profile: str) -> None:
    """Both syntaxes say the same, to the reader of imports too: parties, sums, days, references."""
    paper = named(world, name, profile)
    for written, syntax in ((write.cii(paper, PROFILES[profile].cii), "cii"), (write.ubl(paper), "ubl")):
        found = read(written)
        assert (found.syntax, found.number, found.currency) == (syntax, paper["BT-1"], paper["BT-5"])
        assert (found.type_code, str(found.issued_on)) == (paper["BT-3"], paper["BT-2"])
        assert (str(found.due_on) if found.due_on else None) == paper.get("BT-9")
        for value, term in (
            (found.net, "BT-109"),
            (found.vat, "BT-110"),
            (found.total, "BT-112"),
            (found.due, "BT-115"),
        ):
            assert value == Decimal(paper[term]), (syntax, term)
        assert found.buyer.electronic_address == "9930:DE123456789"
        assert found.seller.electronic_address == "0009:40483304800022"
        assert found.seller.vat_id == paper["BG-4"].get("vat_identifier", "")
        assert found.refers_to == (paper["BG-3"][0]["BT-25"] if "BG-3" in paper else "")
        assert [line.net for line in found.lines] == [Decimal(line["BT-131"]) for line in paper["BG-25"]]


RAM = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"


def lesser(xml: bytes, *left_out: str) -> bytes:
    """A CII without the parts of this name that a smaller profile does not have."""
    tree = etree.fromstring(xml)
    for name in left_out:
        for part in list(tree.iter(RAM + name)):
            part.getparent().remove(part)
    return bytes(etree.tostring(tree))


def test_a_profile_without_lines_has_one_for_each_vat_group(world: World) -> None:
    """Factur-X BASIC WL; allowances and charges of the document stay what they are."""
    paper = made(
        world,
        [row("Days", "2", "890"), row("Book", vat=("S", "5.5")), row("Loyalty", "1", "50", kind="allowance")],
    )
    found = read(lesser(write.cii(paper), "IncludedSupplyChainTradeLineItem"))
    assert [f"{line.rate:f} %: {line.net:f}" for line in found.lines] == ["20 %: 1780.00", "5.5 %: 100.00"]
    assert found.total == Decimal(paper["BT-112"])
    with pytest.raises(Unreadable) as refused:
        read(lesser(write.cii(paper), "IncludedSupplyChainTradeLineItem", "ApplicableTradeTax"))
    assert refused.value.code == "minimum"


# What must be reported --------------------------------------------------------------------------------------------------


def no_reason(paper: terms.Terms) -> terms.Terms:
    return spoilt(paper, BG_23=[without(group, "BT-120", "BT-121") for group in paper["BG-23"]])


def no_number(paper: terms.Terms, party: str, *names: str) -> terms.Terms:
    return paper | {party: without(paper[party], *names)}


def spoilt(paper: terms.Terms, **changes: Any) -> terms.Terms:
    return paper | {key.replace("_", "-"): value for key, value in changes.items()}


def without(party: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in party.items() if name not in names}


def contactless(paper: terms.Terms) -> terms.Terms:
    seller = paper["BG-4"] | {"contacts": [{"name": "Accounts", "email": "a@northwind.example"}]}
    return spoilt(paper, BG_4=seller)


WRONG: dict[str, tuple[str, str, Any]] = {
    "a total that does not add up": ("BR-CO-15", "card", lambda p: spoilt(p, BT_112="9.00", BT_115="0.00", BT_113="9.00")),
    "an amount due that does not follow": ("BR-CO-16", "card", lambda p: spoilt(p, BT_115="1.00")),
    "a sum of lines that is another": ("BR-CO-10", "negative line", lambda p: spoilt(p, BT_106="1.00")),
    "a buyer without its VAT number": ("BR-AE-02", "reverse charge", lambda p: no_number(p, "BG-7", "vat_identifier")),
    "goods without a country of delivery": ("BR-IC-12", "goods within the EU", lambda p: without(p, "BG-13")),
    "a group whose base is another": ("BR-S-08", "card", lambda p: spoilt(p, BG_23=[p["BG-23"][0] | {"BT-116": "1.00"}])),
    "no group at all": ("BR-CO-18", "card", lambda p: spoilt(p, BG_23=[])),
    "no reason for no VAT": ("BR-E-10", "exempt beside taxed", no_reason),
    "a seller without any number": (
        "BR-CO-26", "outside the scope", lambda p: no_number(p, "BG-4", "legal_identifier", "tax_identifier"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_by_both(world: World, rules: Checker, name: str) -> None:
    rule, kind, spoil = WRONG[name]
    paper = spoil(named(world, kind))
    assert rule in {one.rule for one in findings(paper, "en16931")}
    broken = rules.ask("factur-x", write.cii(paper)) + rules.ask("en16931-ubl", write.ubl(paper))
    assert rule in {one.rule for one in broken if one.is_fatal}
    assert not any(one.words.startswith("[") for one in broken)  # the rule stands beside its words already


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("BR-DE-15", lambda paper: without(paper, "BT-10")),
        ("BR-DE-6", contactless),
        ("BR-DE-1", lambda paper: without(paper, "BT-81", "BT-84", "BT-85", "BT-86")),
        ("BR-DE-9", lambda paper: spoilt(paper, BG_7=without(paper["BG-7"], "postcode"))),
    ],
)
def test_what_xrechnung_misses_is_found_by_both(world: World, rules: Checker, rule: str, spoil: Any) -> None:
    paper = spoil(named(world, "several rates, discount and period", "xrechnung"))
    assert rule in {one.rule for one in findings(paper, "xrechnung")}
    for name, written in (
        ("xrechnung-cii", write.cii(paper, PROFILES["xrechnung"].cii)),
        ("xrechnung-ubl", write.ubl(paper)),
    ):
        assert rule in {one.rule for one in rules.ask(name, written)}


def test_what_peppol_misses_is_found(world: World) -> None:
    paper = named(world, "card", "peppol")
    bare = without(paper, "BT-10", "BT-13") | {"BG-7": without(paper["BG-7"], "einvoicing_addr")}
    assert {one.rule for one in findings(bare, "peppol")} == {"PEPPOL-EN16931-R003", "PEPPOL-EN16931-R010"}
    assert "einvoices" in str(findings(bare, "peppol")[1]) or "e-invoices" in str(findings(bare, "peppol")[1])


def test_a_line_that_is_not_its_quantity_times_its_price_is_found(world: World) -> None:
    paper = named(world, "card")
    paper["BG-25"][0]["BT-131"] = "190.03"
    assert "PEPPOL-EN16931-R120" in {one.rule for one in findings(paper, "en16931")}


def test_something_to_pay_and_no_day_is_found(world: World) -> None:
    paper = without(named(world, "yen"), "BT-9", "BT-20")
    assert {one.rule for one in findings(paper, "en16931")} == {"BR-CO-25"}


def test_broken_xml_is_found_by_the_schema() -> None:
    cii = b'<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"/>'
    (found,) = checker.against_schemas(cii)
    assert found.rule == "XSD cii"
    assert found.is_fatal


# What it says -----------------------------------------------------------------------------------------------------------


def test_part_of_a_period_is_exact(world: World) -> None:
    """7 users at 228.00 for 98 of 365 days: the price of the days, per days of the whole period (docs/decisions/0017)."""
    (line,) = named(world, "part of a period")["BG-25"]
    assert (line["BT-129"], line["BT-146"], line["BT-149"]) == ("7", "22344", "365")
    assert line["BG-27"][0]["amount"] == "53.57"
    assert line["BT-131"] == "374.95"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "To be paid in 2 parts: €3,204.00 by 9 Nov 2026; €7,476.00 by 9 Dec 2026. Payment: 30 days net"),
        ("fr", "Payable en 2 échéances : 3 204,00 € au plus tard le 9 nov. 2026"),
        ("de", "Zahlbar in 2 Raten: 3.204,00 € bis"),
    ],
)
def test_parts_are_said_in_words_and_the_due_date_is_the_first(world: World, language: str, words: str) -> None:
    """EN 16931: of partial payments BT-9 states the first due date, and BT-20 describes the rest."""
    paper = made(world, [row("Days", "10", "890")], parts=THIRTY_SEVENTY, language=language)
    assert paper["BT-9"] == "2026-11-09"
    assert paper["BT-20"].startswith(words)


def test_a_deposit_is_never_a_prepaid_amount(world: World) -> None:
    paper = named(world, "final invoice")
    assert "BT-113" not in paper
    assert paper["BG-3"] == [{"BT-25": "INV-2026-00007", "BT-26": "2026-10-01"}]
    assert paper["BT-115"] == paper["BT-112"]


def test_outside_the_scope_no_vat_number_stands(world: World) -> None:
    paper = named(world, "outside the scope")
    assert "vat_identifier" not in paper["BG-4"]
    assert "vat_identifier" not in paper["BG-7"]
    assert paper["BG-4"]["tax_identifier"] == "404833048"
    assert paper["BG-23"][0]["BT-121"] == "VATEX-EU-O"


def test_vat_in_the_sellers_currency(world: World) -> None:
    paper = named(world, "krone, VAT also in euro")
    assert (paper["BT-5"], paper["BT-6"], paper["BT-111"]) == ("NOK", "EUR", "50.14")
    assert b'<cbc:TaxAmount currencyID="EUR">50.14</cbc:TaxAmount>' in write.ubl(paper)


def test_the_profile_names_itself(world: World) -> None:
    paper = named(world, "card", "peppol")
    assert b"poacc:billing:3.0</cbc:CustomizationID>" in write.ubl(paper)
    assert CORE.encode() + b"</ram:ID>" in write.cii(paper)
    assert b"xrechnung_3.0</ram:ID>" in write.cii(paper, PROFILES["xrechnung"].cii)


def test_the_same_terms_give_the_same_bytes(world: World) -> None:
    paper = named(world, "texts of the world")
    assert write.cii(paper) == write.cii(paper)
    assert write.ubl(paper) == write.ubl(paper)


@pytest.mark.parametrize(
    ("unit", "code"), [("days", "DAY"), ("Stunden", "HUR"), ("users", "C62"), ("", "C62"), ("kg", "KGM")]
)
def test_units_have_their_code(unit: str, code: str) -> None:
    assert unit_code(unit) == code


@pytest.mark.parametrize(
    ("quantity", "english", "german", "french"),
    [
        ("1", "day", "Tag", "jour"),
        ("1.0000", "day", "Tag", "jour"),
        ("-1", "day", "Tag", "jour"),
        ("2", "days", "Tage", "jours"),
        ("0", "days", "Tage", "jour"),
        ("0.5", "days", "Tage", "jour"),
        ("1.5", "days", "Tage", "jour"),
        ("2.5", "days", "Tage", "jours"),
    ],
)
def test_the_word_of_a_unit_goes_with_its_number(quantity: str, english: str, german: str, french: str) -> None:
    for language, word in (("en", english), ("de", german), ("fr", french)):
        with translation.override(language):
            assert unit_words("DAY", Decimal(quantity)) == word
            assert unit_code(word) == "DAY", "it is read back as the same unit"
    assert unit_words("C62", Decimal(1)) == ""
    assert unit_words("KGM", Decimal(1)) == "kg"
    assert unit_words("4L", Decimal(1)) == "4L"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("9930:DE123456789", ("9930", "DE123456789")),
        ("books@fontaine.example", ("EM", "books@fontaine.example")),
        ("somewhere", ("", "")),
        ("99:1", ("", "")),
        ("", ("", "")),
    ],
)
def test_electronic_addresses(typed: str, read: tuple[str, str]) -> None:
    assert electronic_address(typed) == read


# The child ---------------------------------------------------------------------------------------------------------------


def test_a_child_that_died_is_replaced(world: World, rules: Checker) -> None:
    cii = write.cii(named(world, "card"))
    assert rules.ask("factur-x", cii) == []
    assert rules.child is not None
    first = rules.child.pid
    rules.child.kill()
    rules.child.wait()
    assert rules.ask("factur-x", cii) == []
    assert rules.child.pid != first


def test_what_is_no_xml_is_no_answer_and_no_verdict(world: World, rules: Checker) -> None:
    with pytest.raises(NoAnswer):
        rules.ask("factur-x", b"no xml")
    assert rules.ask("factur-x", write.cii(named(world, "card"))) == []


@pytest.mark.parametrize("program", ["import time; time.sleep(60)", "import os; os.abort()", "print('nonsense')"])
def test_a_child_that_hangs_or_dies_ends_within_its_time(program: str) -> None:
    one = Checker((sys.executable, "-c", program), seconds=0.5)
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        one.ask("factur-x", b"<a/>")
    assert time.monotonic() - began < 5
    assert one.child is None


def test_money_amounts_are_texts_with_the_currencys_decimals() -> None:
    assert terms.decimal_text(-5, "EUR") == "-0.05"
    assert terms.decimal_text(123, "JPY") == "123"
    assert not terms.can_be_electronic("KWD")
