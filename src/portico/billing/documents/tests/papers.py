"""Sheets for the tests of the documents: one of each kind, small enough to read."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from portico.billing.documents.sheet import (
    Sheet,
    SheetFact,
    SheetLine,
    SheetParty,
    SheetPayment,
    SheetSum,
    SheetText,
    SheetVat,
)


def line(name: str, quantity: str, price: str, net_minor: int, **more: object) -> SheetLine:
    row = SheetLine("line", name, quantity=Decimal(quantity), unit_price=Decimal(price), net_minor=net_minor)
    return replace(row, **{"vat_rate": Decimal(20), **more})  # type: ignore[arg-type]  # any field of a line


QUOTATION = Sheet(
    kind="quotation",
    title="Quotation",
    number="Q-2026-00042",
    version=2,
    currency="EUR",
    language="en",
    issued_on=date(2026, 11, 12),
    seller=SheetParty("", "Northwind Software SAS", ("18 quai de la Fosse", "44000 Nantes, France")),
    seller_short_name="Northwind Software",
    buyer=SheetParty("Prepared for", "Atelier Fontaine SARL", ("27 rue des Tanneurs", "69005 Lyon, France")),
    contact=SheetParty("Prepared by", "Hanna Lindqvist", ("Customer advisor",), "hanna@northwind.example"),
    facts=(SheetFact("Date", date(2026, 11, 12)), SheetFact("Valid Until", date(2026, 11, 26))),
    subject="Workshop and showroom roll-out",
    intro="Everything on one stock.",
    lines=(
        SheetLine("section", "Services", net_minor=387150),
        line("Mapping", "3", "890", 253650, unit="days", discount_percent=Decimal(5), detail="Routings, work centres."),
        line("Data migration", "1.5", "890", 133500, unit="days"),
        SheetLine("note", "Days may be moved once at no cost."),
        SheetLine("section", "Options", net_minor=36000),
        line("Label printer", "1", "360", 36000, optional=True),
        line("Go-live support", "1", "1450", 145000, optional=True, included=False),
    ),
    vat=(SheetVat("S", Decimal(20), 423150, 84630),),
    sums=(
        SheetSum("Total excluding VAT", 423150, "net"),
        SheetSum("VAT 20%", 84630, "vat"),
        SheetSum("Total", 507780, "grand"),
        SheetSum("Deposit due on acceptance, 30%", 152334, "deposit"),
    ),
    terms=(SheetText("Payment", "30% on acceptance."), SheetText("Late payment", "A recovery fee of €40.")),
    show_signature=True,
    signed_by_seller="Hanna Lindqvist",
    footer=("Northwind Software SAS", "VAT FR24 512 884 012"),
)

INVOICE = replace(
    QUOTATION,
    kind="invoice",
    title="Invoice",
    number="INV-2026-00007",
    version=0,
    contact=None,
    buyer=replace(QUOTATION.buyer, heading="Billed to"),
    facts=(SheetFact("Date", date(2026, 11, 12)), SheetFact("Due date", date(2026, 12, 12))),
    intro="",
    lines=(line("Mapping", "2", "890", 178000, unit="days"),),
    vat=(SheetVat("S", Decimal(20), 178000, 35600),),
    sums=(
        SheetSum("Total excluding VAT", 178000, "net"),
        SheetSum("Total", 213600, "grand"),
        SheetSum("Paid", -100000, "paid"),
        SheetSum("Amount Due", 113600, "due"),
    ),
    payment=SheetPayment(
        "Northwind Software SAS",
        "FR7630006000011234567890189",
        "NWSFFRPPXXX",
        "INV-2026-00007",
        "BCD\n002\n1\nSCT\nNWSFFRPPXXX\nNorthwind Software SAS\nFR7630006000011234567890189\nEUR1136.00\n\n\nINV-2026-00007",
    ),
    show_signature=False,
)

REVERSE_CHARGE = replace(
    INVOICE,
    currency="USD",
    lines=(line("Mapping", "2", "890", 178000, vat_category="AE", vat_rate=Decimal(0)),),
    vat=(SheetVat("AE", Decimal(0), 178000, 0, "Reverse charge: the recipient owes the VAT."),),
    vat_in_seller_currency=SheetSum("VAT in EUR", 0),
    seller_currency="EUR",
    payment=None,
)

ORDER = replace(
    QUOTATION,
    kind="order",
    title="Sales order",
    number="SO-2026-00012",
    version=0,
    lines=(
        line(
            "Mapping",
            "3",
            "890",
            253650,
            unit="days",
            discount_percent=Decimal(5),
            delivered_quantity=Decimal(2),
            invoiced_quantity=Decimal(1),
        ),
    ),
)

PAYMENT_REQUEST = replace(
    INVOICE,
    kind="payment_request",
    title="Payment request",
    number="SO-2026-00012",
    lines=(SheetLine("line", "Deposit 30% on order SO-2026-00012", quantity=Decimal(1), net_minor=152334),),
    vat=(),
    sums=(SheetSum("Deposit", 152334, "grand"),),
    notes=("This is not an invoice.",),
)

DEPOSIT_INVOICE = replace(INVOICE, kind="deposit_invoice", title="Deposit invoice")

CREDIT_NOTE = replace(
    INVOICE,
    kind="credit_note",
    title="Credit note",
    number="CN-2026-00001",
    payment=None,
    lines=(*INVOICE.lines, SheetLine("allowance", "Returning customer discount", net_minor=-15000)),
)

KINDS = (QUOTATION, ORDER, PAYMENT_REQUEST, INVOICE, DEPOSIT_INVOICE, CREDIT_NOTE)
