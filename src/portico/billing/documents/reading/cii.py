"""UN/CEFACT Cross Industry Invoice (D16B), by the binding of EN 16931-3-3, and its elder, the one of ZUGFeRD 1.0.

The two differ in the names of their elements; where they do, both stand in the path.
"""

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
ELDER = "CrossIndustryDocument"
"""The root of ZUGFeRD 1.0."""
DAY = "DateTimeString|DateString"
AGREEMENT = "ApplicableHeaderTradeAgreement|ApplicableSupplyChainTradeAgreement"
DELIVERY = "ApplicableHeaderTradeDelivery|ApplicableSupplyChainTradeDelivery"
SETTLEMENT = "ApplicableHeaderTradeSettlement|ApplicableSupplyChainTradeSettlement"
LINE_AGREEMENT = "SpecifiedLineTradeAgreement|SpecifiedSupplyChainTradeAgreement"
LINE_DELIVERY = "SpecifiedLineTradeDelivery|SpecifiedSupplyChainTradeDelivery"
LINE_SETTLEMENT = "SpecifiedLineTradeSettlement|SpecifiedSupplyChainTradeSettlement"
LINE_SUM = "SpecifiedTradeSettlementLineMonetarySummation|SpecifiedTradeSettlementMonetarySummation"
TOTALS = "SpecifiedTradeSettlementHeaderMonetarySummation|SpecifiedTradeSettlementMonetarySummation"
RATE = "RateApplicablePercent|ApplicablePercent"
VAT_SCHEME, TAX_SCHEME = "VA", "FC"


def read(root: Element, xml: bytes) -> Found:
    """What the document says. Raises Unreadable when something that EN 16931 requires is missing or not of its form."""
    head = first(root, "ExchangedDocument|HeaderExchangedDocument")
    trade = first(root, "SupplyChainTradeTransaction|SpecifiedSupplyChainTradeTransaction")
    agreement, delivery, settlement = first(trade, AGREEMENT), first(trade, DELIVERY), first(trade, SETTLEMENT)
    totals = first(settlement, TOTALS)
    if totals is None:
        raise Unreadable("no_totals")
    currency = code(settlement, "InvoiceCurrencyCode")
    groups = tuple(_groups(children(settlement, "ApplicableTradeTax")))
    if not groups:
        raise Unreadable("minimum")
    items = tuple(islice(children(trade, "IncludedSupplyChainTradeLineItem"), MOST_LINES + 1))
    if local(root) == ELDER:  # words alone are an item there; the profile BASIC states no amount of any
        named = "\n".join(filter(None, (_line(one).name for one in items)))
        items = tuple(one for one in items if first(one, f"{LINE_SETTLEMENT}/{LINE_SUM}/LineTotalAmount") is not None)
    else:
        named = ""
    lines = tuple(_line(one) for one in items)
    extras = tuple(_extras(settlement))
    lines_net = number(totals, "LineTotalAmount", "BT-106")
    prepaid = number(totals, "TotalPrepaidAmount", "BT-113", ZERO)
    total = number(totals, "GrandTotalAmount", "BT-112")
    account = first(settlement, "SpecifiedTradeSettlementPaymentMeans")
    return Found(
        syntax="cii",
        xml=xml,
        type_code=code(head, "TypeCode"),
        number=code(head, "ID"),
        issued_on=day(text(head, f"IssueDateTime/{DAY}"), "BT-2"),
        due_on=optional_day(text(settlement, f"SpecifiedTradePaymentTerms/DueDateDateTime/{DAY}"), "BT-9"),
        delivered_on=optional_day(text(delivery, f"ActualDeliverySupplyChainEvent/OccurrenceDateTime/{DAY}"), "BT-72"),
        currency=currency,
        po_number=code(agreement, "BuyerOrderReferencedDocument/IssuerAssignedID|ID"),
        note=text(head, "IncludedNote/Content"),
        terms=text(settlement, "SpecifiedTradePaymentTerms/Description"),
        refers_to=code(settlement, "InvoiceReferencedDocument/IssuerAssignedID|ID"),
        seller=_party(first(agreement, "SellerTradeParty")),
        buyer=_party(first(agreement, "BuyerTradeParty")),
        lines=lines or tuple(_lines_of(groups, extras, named)),
        extras=extras,
        groups=groups,
        lines_net=lines_net,
        allowances=number(totals, "AllowanceTotalAmount", "BT-107", ZERO),
        charges=number(totals, "ChargeTotalAmount", "BT-108", ZERO),
        net=number(totals, "TaxBasisTotalAmount", "BT-109", ZERO if not lines_net else None),
        vat=_vat(totals, currency),
        total=total,
        prepaid=prepaid,
        rounding=number(totals, "RoundingAmount", "BT-114", ZERO),
        due=number(totals, "DuePayableAmount", "BT-115", total - prepaid),
        iban=code(account, "PayeePartyCreditorFinancialAccount/IBANID|ProprietaryID"),
        bic=text(account, "PayeeSpecifiedCreditorFinancialInstitution/BICID"),
        account_name=text(account, "PayeePartyCreditorFinancialAccount/AccountName"),
        reference=code(settlement, "PaymentReference"),
    )


def _vat(totals: Element, currency: str) -> Decimal:
    """BT-110; BT-111, the same in the seller's currency, has the same name and another currency."""
    rows = list(children(totals, "TaxTotalAmount"))
    own = [row for row in rows if (row.get("currencyID") or currency) == currency]
    return number((own or rows)[0], "", "BT-110", ZERO) if rows else ZERO


def _party(party: Element | None) -> Party:
    address = first(party, "PostalTradeAddress")
    ids: dict[str, str] = {}
    for row in children(party, "SpecifiedTaxRegistration/ID"):
        ids.setdefault(str(row.get("schemeID") or VAT_SCHEME).upper(), code(row))
    return Party(
        name=text(party, "Name"),
        street=text(address, "LineOne|StreetName"),
        street_2=", ".join(filter(None, [text(address, "LineTwo"), text(address, "LineThree")])),
        postcode=text(address, "PostcodeCode"),
        city=text(address, "CityName"),
        region=text(address, "CountrySubDivisionName"),
        country=code(address, "CountryID").upper(),
        vat_id=ids.get(VAT_SCHEME, ""),
        tax_registration=ids.get(TAX_SCHEME, ""),
        legal_id=code(party, "SpecifiedLegalOrganization/ID"),
        electronic_address=endpoint(party, "URIUniversalCommunication/URIID"),
        email=text(party, "DefinedTradeContact/EmailURIUniversalCommunication/URIID"),
    )


def _line(line: Element) -> FoundLine:
    agreement, settled = first(line, LINE_AGREEMENT), first(line, LINE_SETTLEMENT)
    price = first(agreement, "NetPriceProductTradePrice")
    quantity = first(line, f"{LINE_DELIVERY}/BilledQuantity")
    return FoundLine(
        name=text(line, "SpecifiedTradeProduct/Name")
        or text(line, "AssociatedDocumentLineDocument/IncludedNote/Content"),
        description=text(line, "SpecifiedTradeProduct/Description")
        or text(line, "AssociatedDocumentLineDocument/IncludedNote/Content"),
        quantity=number(quantity, "", "BT-129", ZERO),
        unit=str(quantity.get("unitCode") or "") if quantity is not None else "",
        price=number(price, "ChargeAmount", "BT-146", ZERO),
        base_quantity=number(price, "BasisQuantity", "BT-149", Decimal(1)),
        net=number(settled, f"{LINE_SUM}/LineTotalAmount", "BT-131", ZERO),
        category=text(settled, "ApplicableTradeTax/CategoryCode"),
        rate=number(settled, f"ApplicableTradeTax/{RATE}", "BT-152", ZERO),
    )


def _lines_of(groups: Iterable[Group], extras: Iterable[Extra], named: str) -> Iterable[FoundLine]:
    """A line for each VAT group, for the profiles that state no lines (BASIC WL) or no amounts of them (1.0 BASIC).

    What the items are called stands below the first.
    """
    for place, group in enumerate(groups):
        own = [one for one in extras if (one.category, one.rate) == (group.category, group.rate)]
        net = group.base - sum((one.amount if one.is_charge else -one.amount for one in own), ZERO)
        yield FoundLine("", "" if place else named, Decimal(1), "C62", net, Decimal(1), net, group.category, group.rate)


def _extras(settlement: Element | None) -> Iterable[Extra]:
    for extra in children(settlement, "SpecifiedTradeAllowanceCharge"):
        yield Extra(
            is_charge=text(extra, "ChargeIndicator/Indicator").lower() == "true",
            amount=number(extra, "ActualAmount", "BT-92"),
            reason=text(extra, "Reason"),
            category=text(extra, "CategoryTradeTax/CategoryCode"),
            rate=number(extra, f"CategoryTradeTax/{RATE}", "BT-96", ZERO),
        )
    for freight in children(settlement, "SpecifiedLogisticsServiceCharge"):
        yield Extra(
            is_charge=True,
            amount=number(freight, "AppliedAmount", "BT-92"),
            reason=text(freight, "Description"),
            category=text(freight, "AppliedTradeTax/CategoryCode"),
            rate=number(freight, f"AppliedTradeTax/{RATE}", "BT-96", ZERO),
        )


def _groups(rows: Iterable[Element]) -> Iterable[Group]:
    for row in rows:
        yield Group(
            category=text(row, "CategoryCode"),
            rate=number(row, RATE, "BT-119", ZERO),
            base=number(row, "BasisAmount", "BT-116", ZERO),
            vat=number(row, "CalculatedAmount", "BT-117", ZERO),
            exemption_code=text(row, "ExemptionReasonCode"),
            exemption_text=text(row, "ExemptionReason"),
        )
