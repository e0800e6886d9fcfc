"""Peppol's rules asked of files that break one each: a rule that never speaks is none."""

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from portico.billing.documents.einvoice import write
from portico.billing.documents.einvoice.own_rules import findings
from portico.billing.documents.einvoice.peppol_rules import NAMES, broken_by
from portico.billing.documents.tests.test_einvoice import named
from portico.cast import World
from portico.kit.electronic import scheme_problem

Spoil = Callable[[Any], object]


def at(root: Any, path: str) -> Any:
    return root.xpath(path, namespaces=NAMES)[0]


def says(path: str, text: str) -> Spoil:
    def spoil(root: Any) -> None:
        at(root, path).text = text

    return spoil


def gone(path: str) -> Spoil:
    def spoil(root: Any) -> None:
        element = at(root, path)
        element.getparent().remove(element)

    return spoil


def more(path: str, xml: str, place: int = 0) -> Spoil:
    """`xml` put into what stands at `path`."""
    spaces = " ".join(f'xmlns:{name}="{space}"' for name, space in NAMES.items())

    def spoil(root: Any) -> None:
        at(root, path).insert(place, etree.fromstring(f"<all {spaces}>{xml}</all>")[0])

    return spoil


def marked(path: str, name: str, text: str) -> Spoil:
    def spoil(root: Any) -> None:
        at(root, path).set(name, text)

    return spoil


LINE, ALLOWANCE = "cac:InvoiceLine", "cac:InvoiceLine/cac:AllowanceCharge"
PRICE = "cac:InvoiceLine/cac:Price"
BUYER, SELLER = "cac:AccountingCustomerParty/cac:Party/", "cac:AccountingSupplierParty/cac:Party/"
ON_PRICE = (
    "<cac:AllowanceCharge><cbc:ChargeIndicator>{}</cbc:ChargeIndicator><cbc:Amount currencyID='EUR'>1</cbc:Amount>"
    "<cbc:BaseAmount currencyID='EUR'>{}</cbc:BaseAmount></cac:AllowanceCharge>"
)
OBJECT = (
    "<cac:DocumentReference><cbc:ID>1</cbc:ID><cbc:DocumentTypeCode>{}</cbc:DocumentTypeCode></cac:DocumentReference>"
)
PROJECT = (
    "<cac:AdditionalDocumentReference><cbc:DocumentTypeCode>50</cbc:DocumentTypeCode></cac:AdditionalDocumentReference>"
)
PART = "part of a period"
BROKEN: dict[str, tuple[str, list[Spoil]]] = {
    "R001": (PART, [gone("cbc:ProfileID")]),
    "R002": (PART, [more(".", "<cbc:Note>Another</cbc:Note>")]),
    "R003": (PART, [gone("cbc:BuyerReference"), gone("cac:OrderReference")]),
    "R004": (PART, [says("cbc:CustomizationID", "urn:cen.eu:en16931:2017")]),
    "R005": ("krone, VAT also in euro", [says("cbc:TaxCurrencyCode", "NOK")]),
    "R007": (PART, [says("cbc:ProfileID", "urn:fdc:peppol.eu:billing")]),
    "R008": (PART, [says("cac:OrderReference/cbc:ID", " ")]),
    "R010": (PART, [gone(f"{BUYER}cbc:EndpointID")]),
    "R020": (PART, [gone(f"{SELLER}cbc:EndpointID")]),
    "R040": (PART, [says(f"{ALLOWANCE}/cbc:MultiplierFactorNumeric", "50")]),
    "R041": (PART, [gone(f"{ALLOWANCE}/cbc:BaseAmount")]),
    "R042": (PART, [gone(f"{ALLOWANCE}/cbc:MultiplierFactorNumeric")]),
    "R043": (PART, [says(f"{ALLOWANCE}/cbc:ChargeIndicator", "no")]),
    "R044": (PART, [more(PRICE, ON_PRICE.format("true", "9"))]),
    "R046": (PART, [more(PRICE, ON_PRICE.format("false", "9"))]),
    "R051": (PART, [marked(f"{LINE}/cbc:LineExtensionAmount", "currencyID", "NOK")]),
    "R053": (PART, [gone("cac:TaxTotal")]),
    "R054": ("krone, VAT also in euro", [gone("cbc:TaxCurrencyCode")]),
    "R055": ("krone, VAT also in euro", [says("cac:TaxTotal[not(cac:TaxSubtotal)]/cbc:TaxAmount", "-50.14")]),
    "R061": ("direct debit", [gone("cac:PaymentMeans/cac:PaymentMandate")]),
    "R080": (PART, [more(".", PROJECT), more(".", PROJECT)]),
    "R100": (PART, [more(LINE, OBJECT.format("130")), more(LINE, OBJECT.format("130"))]),
    "R101": (PART, [more(LINE, OBJECT.format("50"))]),
    "R110": (
        "several rates, discount and period",
        [more(LINE, "<cac:InvoicePeriod><cbc:StartDate>2020-01-01</cbc:StartDate></cac:InvoicePeriod>")],
    ),
    "R111": (
        "several rates, discount and period",
        [more(LINE, "<cac:InvoicePeriod><cbc:EndDate>2040-01-01</cbc:EndDate></cac:InvoicePeriod>")],
    ),
    "R120": (PART, [says(f"{LINE}/cbc:LineExtensionAmount", "1.00")]),
    "R121": (PART, [says(f"{PRICE}/cbc:BaseQuantity", "0")]),
    "R130": (PART, [marked(f"{PRICE}/cbc:BaseQuantity", "unitCode", "XBX")]),
    "CL002": (PART, [says(f"{ALLOWANCE}/cbc:AllowanceChargeReasonCode", "ZZ")]),
    "CL003": (
        PART,
        [says(f"{ALLOWANCE}/cbc:ChargeIndicator", "true"), says(f"{ALLOWANCE}/cbc:AllowanceChargeReasonCode", "95")],
    ),
    "CL006": (
        "several rates, discount and period",
        [more("cac:InvoicePeriod", "<cbc:DescriptionCode>4</cbc:DescriptionCode>")],
    ),
    "CL008": (PART, [marked(f"{BUYER}cbc:EndpointID", "schemeID", "EM")]),
    "P0100": (PART, [says("cbc:InvoiceTypeCode", "325")]),
    "P0101": ("credit note", [says("cbc:CreditNoteTypeCode", "261")]),
    "F001": (PART, [says("cbc:IssueDate", "09/11/2026")]),
    "P0104": ("export of goods", [says("//cac:TaxSubtotal/cac:TaxCategory/cbc:ID", "Z")]),
    "P0105": ("outside the scope", [says("//cac:TaxSubtotal/cac:TaxCategory/cbc:ID", "Z")]),
    "P0106": ("goods within the EU", [says("//cac:TaxSubtotal/cac:TaxCategory/cbc:ID", "Z")]),
    "P0107": ("reverse charge", [says("//cac:TaxSubtotal/cac:TaxCategory/cbc:ID", "Z")]),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_speaks_when_it_is_broken(world: World, rule: str) -> None:
    name, spoils = BROKEN[rule]
    ubl = write.ubl(named(world, name, "peppol"))
    assert broken_by(ubl) == []
    root = etree.fromstring(ubl)
    for spoil in spoils:
        spoil(root)
    assert f"PEPPOL-EN16931-{rule}" in [one for one, _words in broken_by(etree.tostring(root))]


@pytest.mark.parametrize(
    ("scheme", "right", "wrong", "rule"),
    [
        ("0088", "4035811991014", "4035811991013", "COMMON-R040"),
        ("0192", "988077917", "988077918", "COMMON-R041"),
        ("0184", "DK12345674", "12345674", "COMMON-R042"),
        ("0208", "0123456749", "0123456748", "COMMON-R043"),
        ("0007", "2021005489", "2021005488", "COMMON-R049"),
        ("0151", "51824753556", "51824753557", "COMMON-R050"),
    ],
)
def test_check_digits_of_identifiers(world: World, scheme: str, right: str, wrong: str, rule: str) -> None:
    assert scheme_problem(scheme, right) == ""
    assert scheme_problem(scheme, wrong) == rule
    paper = named(world, PART, "peppol")
    paper["BG-7"] |= {"einvoicing_addr": wrong, "einvoicing_addr_schemeid": scheme}
    assert [found.rule for found in findings(paper, "peppol")] == [f"PEPPOL-{rule}"]
    assert [found for found, _words in broken_by(write.ubl(paper))] == [f"PEPPOL-{rule}"]


def test_an_e_mail_address_is_no_participant(world: World) -> None:
    paper = named(world, PART, "peppol")
    paper["BG-4"] |= {"einvoicing_addr": "help@northwind.example", "einvoicing_addr_schemeid": "EM"}
    (found,) = findings(paper, "peppol")
    assert found.rule == "PEPPOL-EN16931-CL008"
    assert "enter your company's under Settings" in found.words
    assert findings(paper, "en16931") == []


def test_a_peppol_paper_has_one_note(world: World) -> None:
    assert [note["BT-22"] for note in named(world, "allowance and charge", "peppol")["BG-1"]] == [
        "Roll-out. Thanks What it is, in words"
    ]
    assert len(named(world, "allowance and charge")["BG-1"]) == 2
