"""Issuing: rows with their VAT groups become a numbered, frozen, chained paper. Inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing import letters
from portico.billing.actions.settle import derive_payment_state
from portico.billing.models import Invoice, InvoiceLine, InvoiceVat
from portico.billing.models.line import LINE_FIELDS, Line
from portico.billing.vat import exemption_code, statutory_note
from portico.kit.errors import Conflict
from portico.kit.periods import today

Groups = dict[tuple[str, Decimal], tuple[int, int]]
"""VAT groups by (category, rate): base and VAT in minor units."""

COUNTED = (Line.Kind.LINE, Line.Kind.ALLOWANCE, Line.Kind.CHARGE)


@dataclass(frozen=True)
class Totalled:
    """Rows ready to be issued with the groups that belong to them."""

    rows: Sequence[InvoiceLine]
    groups: Groups

    @property
    def lines_net_minor(self) -> int:
        """BT-106."""
        return sum(row.net_minor for row in self.rows if row.kind == Line.Kind.LINE)

    @property
    def allowances_minor(self) -> int:
        """BT-107."""
        return sum(row.net_minor for row in self.rows if row.kind == Line.Kind.ALLOWANCE)

    @property
    def charges_minor(self) -> int:
        """BT-108."""
        return sum(row.net_minor for row in self.rows if row.kind == Line.Kind.CHARGE)

    @property
    def vat_minor(self) -> int:
        """BT-110."""
        return sum(vat for _base, vat in self.groups.values())


def row_of(line: Line, **changes: Any) -> InvoiceLine:
    """An invoice row with the fields of `line`, changed."""
    return InvoiceLine(**{name: getattr(line, name) for name in LINE_FIELDS} | changes)


def bases_of(rows: Sequence[InvoiceLine]) -> dict[tuple[str, Decimal], int]:
    """The base of each VAT group: lines − allowances + charges."""
    bases: dict[tuple[str, Decimal], int] = defaultdict(int)
    for row in rows:
        if row.kind in COUNTED:
            bases[row.vat_category, row.vat_rate] += (
                -row.net_minor if row.kind == Line.Kind.ALLOWANCE else row.net_minor
            )
    return dict(bases)


def issue_paper(
    invoice: Invoice,
    content: Totalled,
    *,
    terms: Any,
    due_days: int,
    by: User | None,
    prepaid: bool = False,
    now: datetime,
) -> Invoice:
    """Save the draft `invoice` with its rows; give it its number, freeze and chain it; lock the customer's identity.

    Due `due_days` after today. Raises Conflict for a negative total.
    """
    invoice.lines_net_minor, invoice.allowances_minor = content.lines_net_minor, content.allowances_minor
    invoice.charges_minor = content.charges_minor
    invoice.net_minor = content.lines_net_minor - content.allowances_minor + content.charges_minor
    invoice.vat_minor = content.vat_minor
    invoice.total_minor = invoice.net_minor + invoice.vat_minor
    if invoice.total_minor < 0:
        raise Conflict(_("This invoice would be negative. Make a credit note instead. No invoice was made."))
    invoice.save()
    for row in content.rows:
        row.invoice = invoice
    InvoiceLine.objects.bulk_create(content.rows)
    InvoiceVat.objects.bulk_create(
        InvoiceVat(
            invoice=invoice,
            category=category,
            rate=rate,
            base_minor=base,
            vat_minor=vat,
            exemption_code=exemption_code(category),
            note=statutory_note(category, invoice.language),
        )
        for (category, rate), (base, vat) in content.groups.items()
    )
    invoice.issue(
        today=today(now, invoice.seller.zone),
        due_days=due_days,
        content=frozen_content(invoice, terms, prepaid=prepaid),
        buyer=buyer_block(invoice),
        by=by,
        now=now,
    )
    invoice.customer.lock_identity(now)
    name = "credit_note.issued" if invoice.kind == Invoice.Kind.CREDIT_NOTE else "invoice.issued"
    Event.record(
        name, invoice, now=now, by=by, customer=invoice.customer, number=invoice.number, total_minor=invoice.total_minor
    )
    derive_payment_state(invoice, now=now)
    tell = letters.credit_note_issued if invoice.kind == Invoice.Kind.CREDIT_NOTE else letters.invoice_issued
    tell(invoice, now=now)
    return invoice


# The frozen copy -------------------------------------------------------------------------------------------------------


def frozen_content(invoice: Invoice, terms: Any, *, prepaid: bool) -> dict[str, Any]:
    """What is hashed of an invoice beside its buyer: seller, lines, groups, totals, terms, as they are printed."""
    lines = invoice.lines.order_by("position")
    return {
        "seller": seller_block(invoice.seller),
        "title": invoice.title,
        "po_number": invoice.po_number,
        "refers_to": invoice.refers_to.number if invoice.refers_to else "",
        "reason": invoice.reason,
        "order": invoice.order.number if invoice.order else "",
        "delivered_on": invoice.delivered_on.isoformat() if invoice.delivered_on else "",
        "lines": [frozen_line(line) for line in lines],
        "vat": [
            [group.category, plain(group.rate), group.base_minor, group.vat_minor, group.exemption_code, group.note]
            for group in invoice.vat_groups.order_by("category", "-rate")
        ],
        "totals": {
            "lines": invoice.lines_net_minor,
            "allowances": invoice.allowances_minor,
            "charges": invoice.charges_minor,
            "net": invoice.net_minor,
            "vat": invoice.vat_minor,
            "total": invoice.total_minor,
        },
        "terms": terms,
        "prepaid": prepaid,
    }


def frozen_line(line: InvoiceLine) -> list[Any]:
    """One line as it is hashed."""
    return [
        line.position,
        line.kind,
        line.name,
        line.detail,
        plain(line.quantity),
        line.unit,
        plain(line.unit_price),
        plain(line.discount_percent),
        line.vat_category,
        plain(line.vat_rate),
        line.net_minor,
    ]


def seller_block(seller: Seller) -> dict[str, str]:
    """The seller as printed (BG-4, BG-5, BG-17)."""
    names = (
        "legal_name short_name street street_2 postcode city region country vat_id tax_registration company_registration "
        "legal_form_note support_email bank_account_name iban bic currency"
    )
    return {name: str(getattr(seller, name)) for name in names.split()}


def buyer_block(invoice: Invoice) -> dict[str, str]:
    """The buyer as printed (BG-7, BG-8)."""
    names = "legal_name street street_2 postcode city region country vat_id electronic_address"
    return {name: str(getattr(invoice.customer, name)) for name in names.split()}


def plain(value: Decimal) -> str:
    """A decimal as the shortest plain text, the form that is hashed."""
    return f"{value.normalize():f}" if value else "0"
