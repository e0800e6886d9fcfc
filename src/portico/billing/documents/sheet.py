"""The neutral data of a paper: drawn as a page by the `sheet` macro and as a PDF by typst, so that both say the same.

Amounts are integer minor units of `Sheet.currency`; quantities, unit prices and percentages are exact decimals.
Nothing here is formatted; texts are already in the paper's language (`Sheet.language`, the customer's).
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.utils.translation import pgettext


@dataclass(frozen=True)
class SheetParty:
    """A name with its address block. `lines` are printed one below the other under the name."""

    heading: str
    name: str
    lines: tuple[str, ...] = ()
    email: str = ""


@dataclass(frozen=True)
class SheetFact:
    """One labelled value of the head: Date, Valid Until, Currency, Deposit, Purchase order, Refers to."""

    label: str
    value: str | date


@dataclass(frozen=True)
class SheetLine:
    """One row of the table. `kind`: section, note, line, allowance (document level, amount negative) or charge.

    `key` is the quotation line's id: forms post it. A section's `net_minor` is the sum of what it holds.
    `optional` lines show a box; `included` says whether it is chosen. A line whose quantity the customer may
    change has `quantity_min` and `quantity_max`.
    """

    kind: str
    name: str
    key: int = 0
    detail: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    unit_price: Decimal | None = None
    discount_percent: Decimal = Decimal(0)
    vat_category: str = "S"
    vat_rate: Decimal = Decimal(0)
    net_minor: int = 0
    optional: bool = False
    included: bool = True
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None
    delivered_quantity: Decimal | None = None
    invoiced_quantity: Decimal | None = None
    cells: tuple[str, ...] = ()
    """What stands between name and amount where the paper has columns of its own (`Sheet.columns`)."""


@dataclass(frozen=True)
class SheetVat:
    """One VAT group (EN 16931 BG-23). `note` is the statutory wording where no VAT is charged (BT-120)."""

    category: str
    rate: Decimal
    base_minor: int
    vat_minor: int
    note: str = ""

    @property
    def reason(self) -> str:
        """Why no VAT is charged, in two or three words of the active language; empty where a rate says all."""
        return {
            "E": pgettext("VAT", "exempt"),
            "AE": pgettext("VAT", "reverse charge"),
            "K": pgettext("VAT", "intra-Community supply"),
            "G": pgettext("VAT", "export"),
            "O": pgettext("VAT", "outside the scope"),
        }.get(self.category, "")


@dataclass(frozen=True)
class SheetSum:
    """One line of the totals. `role`: "" | net | vat | grand | deposit | rest | paid | due."""

    label: str
    minor: int
    role: str = ""


@dataclass(frozen=True)
class SheetText:
    """A titled paragraph: payment terms, delivery, late payment."""

    title: str
    text: str


@dataclass(frozen=True)
class SheetPayment:
    """How to pay by transfer; `epc` is the EPC069-12 text for the QR code, empty where it does not apply (not EUR)."""

    account_name: str
    iban: str
    bic: str
    reference: str
    epc: str = ""


@dataclass(frozen=True)
class SheetSummary:
    """A small table beside the totals where there is no VAT summary: its title, its headings, its rows of texts."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sheet:
    """A whole paper. `kind`: statement, receipt, notice, quotation, certificate, order, payment_request, invoice,
    deposit_invoice, credit_note."""

    kind: str
    title: str
    number: str
    currency: str
    language: str
    issued_on: date
    seller: SheetParty
    seller_short_name: str
    buyer: SheetParty
    version: int = 0
    contact: SheetParty | None = None
    facts: tuple[SheetFact, ...] = ()
    subject: str = ""
    intro: str = ""
    lines: tuple[SheetLine, ...] = ()
    columns: tuple[str, ...] = ()
    """The headings of the table where it is no list of goods, from the name to the amount."""
    summary: SheetSummary | None = None
    vat: tuple[SheetVat, ...] = ()
    vat_in_seller_currency: SheetSum | None = None
    seller_currency: str = ""
    sums: tuple[SheetSum, ...] = ()
    terms: tuple[SheetText, ...] = ()
    notes: tuple[str, ...] = ()
    payment: SheetPayment | None = None
    stamp: str = ""
    stamp_tone: str = ""
    signed_by_seller: str = ""
    signed_by_buyer: str = ""
    show_signature: bool = False
    footer: tuple[str, ...] = field(default_factory=tuple)
