"""OpenPeppol's rules for BIS Billing 3, asked of the UBL file that was written, for no package carries its schematron.

Every general rule of the public list (PEPPOL-EN16931-R, -CL, -P, -F, and PEPPOL-COMMON-R for the identifiers that have check
digits), as of release 3.0.15, each under its own name. Left out: what EN 16931's own rules ask already (currencies, countries,
types of attached files), and the national rules for suppliers in DK, IT, SE, NO, NL, GR, IS, which a seller there asks of its
access point.
Source: docs.peppol.eu/poacc/billing/3.0/rules.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

from portico.kit.electronic import PEPPOL_SCHEMES, scheme_problem

NAMES = {
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
}
BIS = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
INVOICES = frozenset(
    "71 80 82 84 102 218 219 331 380 382 383 386 388 393 395 553 575 623 780 817 870 875 876 877".split()
)
CREDIT_NOTES = frozenset("381 396 81 83 532".split())
ALLOWANCES = frozenset("41 42 60 62 63 64 65 66 67 68 70 71 88 95 100 102 103 104 105".split())
CATEGORY_OF = {
    "VATEX-EU-G": ("P0104", "G"), "VATEX-EU-O": ("P0105", "O"), "VATEX-EU-IC": ("P0106", "K"), "VATEX-EU-AE": ("P0107", "AE"),
    "VATEX-EU-D": ("P0108", "E"), "VATEX-EU-F": ("P0109", "E"), "VATEX-EU-I": ("P0110", "E"), "VATEX-EU-J": ("P0111", "E"),
}  # fmt: skip
SLACK = Decimal("0.02")
Told = Iterator[tuple[str, str]]


def broken_by(ubl: bytes) -> list[tuple[str, str]]:
    """The rules that a UBL invoice or credit note breaks, each with what was found; empty when it may be sent."""
    root = etree.fromstring(ubl)
    asked = (_whole, _parties, _allowances, _payment, _lines, _codes)
    return [(f"PEPPOL-{rule}", words) for ask in asked for rule, words in ask(root)]


def _whole(root: Any) -> Told:
    for element in root.iter(etree.Element):
        if len(element) == 0 and not (element.text or "").strip():
            yield "EN16931-R008", f"{etree.QName(element).localname} is empty"
    process = _text(root, "cbc:ProfileID")
    if not process:
        yield "EN16931-R001", "there is no business process"
    elif not re.fullmatch(r"urn:fdc:peppol\.eu:2017:poacc:billing:[0-9]{2}:1\.0", process):
        yield "EN16931-R007", process
    if len(_all(root, "cbc:Note")) > 1:
        yield "EN16931-R002", "there is more than one note"
    if not (_text(root, "cbc:BuyerReference") or _text(root, "cac:OrderReference/cbc:ID")):
        yield "EN16931-R003", "neither a buyer reference nor an order number"
    if not _text(root, "cbc:CustomizationID").startswith(BIS):
        yield "EN16931-R004", _text(root, "cbc:CustomizationID")
    home, currency = _text(root, "cbc:TaxCurrencyCode"), _text(root, "cbc:DocumentCurrencyCode")
    if home and home == currency:
        yield "EN16931-R005", home
    if len(_all(root, "cac:TaxTotal[cac:TaxSubtotal]")) != 1:
        yield "EN16931-R053", "not one total of VAT with groups"
    if len(_all(root, "cac:TaxTotal[not(cac:TaxSubtotal)]")) != (1 if home else 0):
        yield "EN16931-R054", "the VAT in the accounting currency stands without its currency, or the other way round"
    both = [_number(one) for one in _all(root, "cac:TaxTotal/cbc:TaxAmount")]
    if home and min(both, default=0) < 0 < max(both, default=0):
        yield "EN16931-R055", "VAT in both currencies has not the same sign"
    if len(_all(root, "cac:AdditionalDocumentReference[cbc:DocumentTypeCode='50']")) > 1:
        yield "EN16931-R080", "more than one project"
    for amount in root.iter(etree.Element):
        said = amount.get("currencyID")
        at_home = amount.getparent() is not None and etree.QName(amount.getparent()).localname == "TaxTotal"
        if said is not None and said != currency and not (at_home and said == home):
            yield "EN16931-R051", f"{etree.QName(amount).localname} is in {said}"


def _parties(root: Any) -> Told:
    for rule, party, who in (("R010", "Customer", "buyer"), ("R020", "Supplier", "seller")):
        endpoint = _all(root, f"cac:Accounting{party}Party/cac:Party/cbc:EndpointID")
        if not endpoint:
            yield f"EN16931-{rule}", f"the {who} has no electronic address"
        for one in endpoint:
            if one.get("schemeID") not in PEPPOL_SCHEMES:
                yield "EN16931-CL008", f"{one.get('schemeID')} is no scheme of the network"
    for one in _all(root, "//cbc:EndpointID | //cac:PartyIdentification/cbc:ID | //cbc:CompanyID"):
        if rule := scheme_problem(one.get("schemeID", ""), (one.text or "").strip()):
            yield rule, f"{one.get('schemeID')}:{one.text}"


def _allowances(root: Any) -> Told:
    for one in _all(root, "//cac:AllowanceCharge[not(parent::cac:Price)]"):
        percent, base = _text(one, "cbc:MultiplierFactorNumeric"), _text(one, "cbc:BaseAmount")
        if percent and not base:
            yield "EN16931-R041", "a percentage without the amount it is of"
        if base and not percent:
            yield "EN16931-R042", "a base amount without a percentage"
        amount = _decimal(_text(one, "cbc:Amount"))
        if percent and base and abs(_decimal(base) * _decimal(percent) / 100 - amount) > SLACK:
            yield "EN16931-R040", f"{amount} is not {percent} % of {base}"
        indicator, reason = _text(one, "cbc:ChargeIndicator"), _text(one, "cbc:AllowanceChargeReasonCode")
        if indicator not in {"true", "false"}:
            yield "EN16931-R043", indicator
        if indicator == "false" and reason and reason not in ALLOWANCES:
            yield "EN16931-CL002", reason
        if indicator == "true" and reason and not re.fullmatch(r"[A-Z][A-Z0-9]{1,2}", reason):
            yield "EN16931-CL003", reason
    for one in _all(root, "//cac:Price/cac:AllowanceCharge"):
        if _text(one, "cbc:ChargeIndicator") != "false":
            yield "EN16931-R044", "a charge on a price"
        base, price = _text(one, "cbc:BaseAmount"), _text(one, "../cbc:PriceAmount")
        if base and _decimal(price) != _decimal(base) - _decimal(_text(one, "cbc:Amount")):
            yield "EN16931-R046", f"{price} is not {base} less its allowance"


def _payment(root: Any) -> Told:
    for one in _all(root, "cac:PaymentMeans"):
        if _text(one, "cbc:PaymentMeansCode") in {"49", "59"} and not _text(one, "cac:PaymentMandate/cbc:ID"):
            yield "EN16931-R061", "a direct debit without its mandate"


def _lines(root: Any) -> Told:
    start, end = _text(root, "cac:InvoicePeriod/cbc:StartDate"), _text(root, "cac:InvoicePeriod/cbc:EndDate")
    for line in _all(root, "cac:InvoiceLine | cac:CreditNoteLine"):
        number = _text(line, "cbc:ID")
        quantity = (_all(line, "cbc:InvoicedQuantity | cbc:CreditedQuantity") or [None])[0]
        base = (_all(line, "cac:Price/cbc:BaseQuantity") or [None])[0]
        of = _number(base) if base is not None else Decimal(1)
        if of <= 0:
            yield "EN16931-R121", f"line {number}"
        elif quantity is not None:
            less, more = _sum_of(line, charge=False), _sum_of(line, charge=True)
            worth = _number(quantity) * _decimal(_text(line, "cac:Price/cbc:PriceAmount")) / of + more - less
            if abs(_decimal(_text(line, "cbc:LineExtensionAmount")) - worth) > SLACK:
                yield "EN16931-R120", f"line {number}: {_text(line, 'cbc:LineExtensionAmount')} is not {worth:.4f}"
            if base is not None and base.get("unitCode") and base.get("unitCode") != quantity.get("unitCode"):
                yield "EN16931-R130", f"line {number}"
        first, last = _text(line, "cac:InvoicePeriod/cbc:StartDate"), _text(line, "cac:InvoicePeriod/cbc:EndDate")
        if start and first and first < start:
            yield "EN16931-R110", f"line {number}"
        if end and last and last > end:
            yield "EN16931-R111", f"line {number}"
        references = _all(line, "cac:DocumentReference")
        if len(references) > 1:
            yield "EN16931-R100", f"line {number}"
        if any(_text(one, "cbc:DocumentTypeCode") != "130" for one in references):
            yield "EN16931-R101", f"line {number}"


def _sum_of(line: Any, *, charge: bool) -> Decimal:
    amounts = _all(line, f"cac:AllowanceCharge[cbc:ChargeIndicator='{'true' if charge else 'false'}']/cbc:Amount")
    return sum(map(_number, amounts), Decimal(0))


def _codes(root: Any) -> Told:
    for rule, name, known in (("P0100", "InvoiceTypeCode", INVOICES), ("P0101", "CreditNoteTypeCode", CREDIT_NOTES)):
        code = _text(root, f"cbc:{name}")
        if code and code not in known:
            yield f"EN16931-{rule}", code
    for one in _all(root, "cac:InvoicePeriod/cbc:DescriptionCode"):
        if one.text not in {"3", "35", "432"}:
            yield "EN16931-CL006", str(one.text)
    for name in ("IssueDate", "DueDate", "TaxPointDate", "StartDate", "EndDate", "ActualDeliveryDate"):
        for one in _all(root, f"//cbc:{name}"):
            if not _is_day(one.text or ""):
                yield "EN16931-F001", f"{name} {one.text}"
    for category in _all(root, "//cac:TaxCategory"):
        rule, code = CATEGORY_OF.get(_text(category, "cbc:TaxExemptionReasonCode").upper(), ("", ""))
        if rule and _text(category, "cbc:ID") != code:
            yield f"EN16931-{rule}", f"{_text(category, 'cbc:ID')} with {_text(category, 'cbc:TaxExemptionReasonCode')}"


def _all(element: Any, path: str) -> list[Any]:
    return list(element.xpath(path, namespaces=NAMES))


def _text(element: Any, path: str) -> str:
    found = _all(element, path)
    return (found[0].text or "").strip() if found else ""


def _number(element: Any) -> Decimal:
    return _decimal(element.text or "")


def _decimal(text: str) -> Decimal:
    """What is no number counts as nothing here: the schema says so itself."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return Decimal(0)


def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False
