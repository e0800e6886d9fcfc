"""UBL 2.1 Invoice and CreditNote, by the binding of EN 16931-3-2."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from portico.billing.documents.reading.found import Extra, Found, FoundLine, Group, Party
from portico.billing.documents.reading.xml import (
    MOST_LINES,
    Element,
    children,
    day,
    first,
    local,
    number,
    optional_day,
    text,
)
from portico.kit.errors import Invalid

ZERO = Decimal(0)
KINDS = {
    "Invoice": ("InvoiceTypeCode", "InvoiceLine", "InvoicedQuantity"),
    "CreditNote": ("CreditNoteTypeCode", "CreditNoteLine", "CreditedQuantity"),
}


def read(root: Element, xml: bytes) -> Found:
    """What the document says. Raises Invalid when something that EN 16931 requires is missing or not of its form."""
    code_name, line_name, quantity_name = KINDS[local(root)]
    currency = text(root, "DocumentCurrencyCode")
    totals = first(root, "LegalMonetaryTotal|RequestedMonetaryTotal")
    tax = next(
        (
            one
            for one in children(root, "TaxTotal")
            if _currency_of(one) in {"", currency} and first(one, "TaxSubtotal") is not None
        ),
        first(root, "TaxTotal"),
    )
    if totals is None:
        raise Invalid("This is not an invoice of EN 16931: its document totals (BG-22) are missing.")
    means = first(root, "PaymentMeans")
    return Found(
        syntax="ubl",
        xml=xml,
        type_code=text(root, code_name),
        number=text(root, "ID"),
        issued_on=day(text(root, "IssueDate"), "The issue date (BT-2)"),
        due_on=optional_day(text(root, "DueDate") or text(root, "PaymentMeans/PaymentDueDate"), "The due date (BT-9)"),
        delivered_on=optional_day(text(root, "Delivery/ActualDeliveryDate"), "The delivery date (BT-72)"),
        currency=currency,
        po_number=text(root, "OrderReference/ID"),
        note=text(root, "Note"),
        terms=text(root, "PaymentTerms/Note"),
        refers_to=text(root, "BillingReference/InvoiceDocumentReference/ID"),
        seller=_party(first(root, "AccountingSupplierParty/Party")),
        buyer=_party(first(root, "AccountingCustomerParty/Party")),
        lines=tuple(_line(one, quantity_name) for one in islice(children(root, line_name), MOST_LINES)),
        extras=tuple(_extra(one) for one in children(root, "AllowanceCharge")),
        groups=tuple(_groups(children(tax, "TaxSubtotal"))),
        lines_net=number(totals, "LineExtensionAmount", "The sum of line nets (BT-106)"),
        allowances=number(totals, "AllowanceTotalAmount", "The sum of allowances (BT-107)", ZERO),
        charges=number(totals, "ChargeTotalAmount", "The sum of charges (BT-108)", ZERO),
        net=number(totals, "TaxExclusiveAmount", "The total without VAT (BT-109)"),
        vat=number(tax, "TaxAmount", "The total VAT (BT-110)", ZERO),
        total=number(totals, "TaxInclusiveAmount", "The total with VAT (BT-112)"),
        prepaid=number(totals, "PrepaidAmount", "The paid amount (BT-113)", ZERO),
        rounding=number(totals, "PayableRoundingAmount", "The rounding amount (BT-114)", ZERO),
        due=number(totals, "PayableAmount", "The amount due (BT-115)"),
        iban=text(means, "PayeeFinancialAccount/ID"),
        bic=text(means, "PayeeFinancialAccount/FinancialInstitutionBranch/ID"),
        account_name=text(means, "PayeeFinancialAccount/Name"),
        reference=text(means, "PaymentID"),
    )


def _currency_of(tax: Element) -> str:
    amount = first(tax, "TaxAmount")
    return "" if amount is None else str(amount.get("currencyID") or "")


def _party(party: Element | None) -> Party:
    address = first(party, "PostalAddress")
    by_scheme = {
        text(one, "TaxScheme/ID").upper(): text(one, "CompanyID")
        for one in reversed(list(children(party, "PartyTaxScheme")))
    }
    other = next((value for scheme, value in by_scheme.items() if scheme != "VAT"), "")
    return Party(
        name=text(party, "PartyLegalEntity/RegistrationName") or text(party, "PartyName/Name"),
        street=text(address, "StreetName"),
        street_2=", ".join(filter(None, [text(address, "AdditionalStreetName"), text(address, "AddressLine/Line")])),
        postcode=text(address, "PostalZone"),
        city=text(address, "CityName"),
        region=text(address, "CountrySubentity"),
        country=text(address, "Country/IdentificationCode").upper(),
        vat_id=by_scheme.get("VAT", ""),
        tax_registration=other,
        legal_id=text(party, "PartyLegalEntity/CompanyID"),
        electronic_address=text(party, "EndpointID"),
        email=text(party, "Contact/ElectronicMail"),
    )


def _line(line: Element, quantity_name: str) -> FoundLine:
    quantity = first(line, quantity_name)
    category = first(line, "Item/ClassifiedTaxCategory")
    return FoundLine(
        name=text(line, "Item/Name") or text(line, "Item/Description"),
        description=text(line, "Item/Description") or text(line, "Note"),
        quantity=number(line, quantity_name, "A line's quantity (BT-129)"),
        unit=str(quantity.get("unitCode") or "") if quantity is not None else "",
        price=number(line, "Price/PriceAmount", "A line's price (BT-146)"),
        base_quantity=number(line, "Price/BaseQuantity", "A price's base quantity (BT-149)", Decimal(1)),
        net=number(line, "LineExtensionAmount", "A line's net (BT-131)"),
        category=text(category, "ID"),
        rate=number(category, "Percent", "A line's VAT rate (BT-152)", ZERO),
    )


def _extra(extra: Element) -> Extra:
    return Extra(
        is_charge=text(extra, "ChargeIndicator").lower() == "true",
        amount=number(extra, "Amount", "The amount of an allowance or charge (BT-92, BT-99)"),
        reason=text(extra, "AllowanceChargeReason"),
        category=text(extra, "TaxCategory/ID"),
        rate=number(extra, "TaxCategory/Percent", "The VAT rate of an allowance or charge (BT-96, BT-103)", ZERO),
    )


def _groups(rows: Iterable[Element]) -> Iterable[Group]:
    for row in rows:
        category = first(row, "TaxCategory")
        yield Group(
            category=text(category, "ID"),
            rate=number(category, "Percent", "A VAT rate (BT-119)", ZERO),
            base=number(row, "TaxableAmount", "A VAT base (BT-116)"),
            vat=number(row, "TaxAmount", "A VAT amount (BT-117)"),
            exemption_code=text(category, "TaxExemptionReasonCode"),
            exemption_text=text(category, "TaxExemptionReason"),
        )
