"""What an e-invoice says, whichever syntax it was written in."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

CREDIT_NOTES = frozenset("81 83 261 262 296 308 381 396 420 458 532".split())
"""UNTDID 1001: the document types of EN 16931 that are credit notes (BR-CL-01)."""
INVOICES = frozenset(
    (
        "71 80 82 84 102 130 202 203 204 211 218 219 295 325 326 331 380 382 383 384 385 386 387 388 389 390 393 394 395 "
        "456 457 527 553 575 623 633 751 780 817 870 875 876 877 935"
    ).split()
)
"""UNTDID 1001: those that are invoices."""


@dataclass(frozen=True)
class Party:
    """Seller (BG-4) or buyer (BG-7). `tax_registration` is BT-32, `legal_id` BT-30 or BT-47."""

    name: str
    street: str = ""
    street_2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    vat_id: str = ""
    tax_registration: str = ""
    legal_id: str = ""
    electronic_address: str = ""
    email: str = ""


@dataclass(frozen=True)
class FoundLine:
    """One invoice line (BG-25). `price` is for `base_quantity` units (BT-149)."""

    name: str
    description: str
    quantity: Decimal
    unit: str
    price: Decimal
    base_quantity: Decimal
    net: Decimal
    category: str
    rate: Decimal


@dataclass(frozen=True)
class Extra:
    """An allowance (BG-20) or charge (BG-21) on the document."""

    is_charge: bool
    amount: Decimal
    reason: str
    category: str
    rate: Decimal


@dataclass(frozen=True)
class Group:
    """One row of the VAT breakdown (BG-23)."""

    category: str
    rate: Decimal
    base: Decimal
    vat: Decimal
    exemption_code: str = ""
    exemption_text: str = ""


@dataclass(frozen=True)
class Found:
    """An invoice or credit note as it states itself: amounts as written, in major units of `currency`."""

    syntax: str
    xml: bytes = field(repr=False)
    type_code: str
    number: str
    issued_on: date
    currency: str
    seller: Party
    buyer: Party
    lines: tuple[FoundLine, ...]
    extras: tuple[Extra, ...]
    groups: tuple[Group, ...]
    lines_net: Decimal
    net: Decimal
    vat: Decimal
    total: Decimal
    due: Decimal
    allowances: Decimal = Decimal(0)
    charges: Decimal = Decimal(0)
    prepaid: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    due_on: date | None = None
    delivered_on: date | None = None
    po_number: str = ""
    note: str = ""
    terms: str = ""
    refers_to: str = ""
    iban: str = ""
    bic: str = ""
    account_name: str = ""
    reference: str = ""

    @property
    def is_credit_note(self) -> bool:
        """Whether its type code says so."""
        return self.type_code in CREDIT_NOTES
