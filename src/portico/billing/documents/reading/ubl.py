"""UBL 2.1 Invoice and CreditNote, by the binding of EN 16931-3-2."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from portico.billing.documents.reading.found import Extra, Found, FoundLine, Group, Party
from portico.billing.documents.reading.reasons import Unreadable
from portico.billing.documents.reading.xml import (
    MOST_LINES,
    Element,
    children,
    code,
    day,
    endpoint,
    first,
    local,
    number,
    optional_day,
    text,
)

ZERO = Decimal(0)
KINDS = {
    "Invoice": ("InvoiceTypeCode", "InvoiceLine", "InvoicedQuantity"),
    "CreditNote": ("CreditNoteTypeCode", "CreditNoteLine", "CreditedQuantity"),
}


def read(root: Element, xml: bytes) -> Found:
    """What the document says. Raises Unreadable when something that EN 16931 requires is missing or not of its form."""
    code_name, line_name, quantity_name = KINDS[local(root)]
    currency = code(root, "DocumentCurrencyCode")
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
        raise Unreadable("no_totals")
    means = first(root, "PaymentMeans")
    return Found(
        syntax="ubl",
        xml=xml,
        type_code=code(root, code_name),
        number=code(root, "ID"),
        issued_on=day(text(root, "IssueDate"), "BT-2"),
        due_on=optional_day(text(root, "DueDate") or text(root, "PaymentMeans/PaymentDueDate"), "BT-9"),
        delivered_on=optional_day(text(root, "Delivery/ActualDeliveryDate"), "BT-72"),
        currency=currency,
        po_number=code(root, "OrderReference/ID"),
        note=text(root, "Note"),
        terms=text(root, "PaymentTerms/Note"),
        refers_to=code(root, "BillingReference/InvoiceDocumentReference/ID"),
        seller=_party(first(root, "AccountingSupplierParty/Party")),
        buyer=_party(first(root, "AccountingCustomerParty/Party")),
        lines=tuple(_line(one, quantity_name) for one in islice(children(root, line_name), MOST_LINES + 1)),
        extras=tuple(_extra(one) for one in children(root, "AllowanceCharge")),
        groups=tuple(_groups(children(tax, "TaxSubtotal"))),
        lines_net=number(totals, "LineExtensionAmount", "BT-106"),
        allowances=number(totals, "AllowanceTotalAmount", "BT-107", ZERO),
        charges=number(totals, "ChargeTotalAmount", "BT-108", ZERO),
        net=number(totals, "TaxExclusiveAmount", "BT-109"),
        vat=number(tax, "TaxAmount", "BT-110", ZERO),
        total=number(totals, "TaxInclusiveAmount", "BT-112"),
        prepaid=number(totals, "PrepaidAmount", "BT-113", ZERO),
        rounding=number(totals, "PayableRoundingAmount", "BT-114", ZERO),
        due=number(totals, "PayableAmount", "BT-115"),
        iban=code(means, "PayeeFinancialAccount/ID"),
        bic=text(means, "PayeeFinancialAccount/FinancialInstitutionBranch/ID"),
        account_name=text(means, "PayeeFinancialAccount/Name"),
        reference=code(means, "PaymentID"),
    )


def _currency_of(tax: Element) -> str:
    amount = first(tax, "TaxAmount")
    return "" if amount is None else str(amount.get("currencyID") or "")


def _party(party: Element | None) -> Party:
    address = first(party, "PostalAddress")
    by_scheme = {
        text(one, "TaxScheme/ID").upper(): code(one, "CompanyID")
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
        country=code(address, "Country/IdentificationCode").upper(),
        vat_id=by_scheme.get("VAT", ""),
        tax_registration=other,
        legal_id=code(party, "PartyLegalEntity/CompanyID"),
        electronic_address=endpoint(party, "EndpointID"),
        email=text(party, "Contact/ElectronicMail"),
    )


def _line(line: Element, quantity_name: str) -> FoundLine:
    quantity = first(line, quantity_name)
    category = first(line, "Item/ClassifiedTaxCategory")
    return FoundLine(
        name=text(line, "Item/Name") or text(line, "Item/Description"),
        description=text(line, "Item/Description") or text(line, "Note"),
        quantity=number(line, quantity_name, "BT-129"),
        unit=str(quantity.get("unitCode") or "") if quantity is not None else "",
        price=number(line, "Price/PriceAmount", "BT-146"),
        base_quantity=number(line, "Price/BaseQuantity", "BT-149", Decimal(1)),
        net=number(line, "LineExtensionAmount", "BT-131"),
        category=text(category, "ID"),
        rate=number(category, "Percent", "BT-152", ZERO),
    )


def _extra(extra: Element) -> Extra:
    return Extra(
        is_charge=text(extra, "ChargeIndicator").lower() == "true",
        amount=number(extra, "Amount", "BT-92"),
        reason=text(extra, "AllowanceChargeReason"),
        category=text(extra, "TaxCategory/ID"),
        rate=number(extra, "TaxCategory/Percent", "BT-96", ZERO),
    )


def _groups(rows: Iterable[Element]) -> Iterable[Group]:
    for row in rows:
        category = first(row, "TaxCategory")
        yield Group(
            category=text(category, "ID"),
            rate=number(category, "Percent", "BT-119", ZERO),
            base=number(row, "TaxableAmount", "BT-116"),
            vat=number(row, "TaxAmount", "BT-117"),
            exemption_code=text(category, "TaxExemptionReasonCode"),
            exemption_text=text(category, "TaxExemptionReason"),
        )
