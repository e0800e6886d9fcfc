"""The receipt of a payment: what arrived, when and how, and what it settled. It is drawn anew from the books each time."""

from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.parts import buyer_party, buyer_values, footer_lines, seller_party, seller_values
from portico.billing.documents.sheet import Sheet, SheetFact, SheetLine, SheetSum
from portico.billing.models import Allocation, Payment
from portico.kit.periods import today


def receipt_sheet(payment: Payment, way: str) -> Sheet:
    """The sheet of a payment whose money has arrived; `way` is how it was paid, in words."""
    customer, seller = payment.customer, payment.customer.seller
    if payment.ended_at is None:
        raise ValueError("a payment that has not arrived has no receipt")
    received_on = payment.received_on or today(payment.ended_at, seller.zone)
    with translation.override(customer.language):
        rows = Allocation.objects.filter(payment=payment).select_related("invoice", "request__order").order_by("id")
        lines = [_line(row) for row in rows]
        used_minor = sum(line.net_minor for line in lines)
        if payment.received_minor > used_minor:
            lines.append(SheetLine("line", _("Your credit"), net_minor=payment.received_minor - used_minor))
        facts = [SheetFact(_("Received on"), received_on), SheetFact(_("How"), way)]
        if payment.reference:
            facts.append(SheetFact(_("Reference"), payment.reference))
        return Sheet(
            kind="receipt",
            title=_("Receipt"),
            number=payment.pk.hex[:12].upper(),
            currency=payment.received_currency,
            language=customer.language,
            issued_on=received_on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("Received from"), buyer_values(customer)),
            facts=tuple(facts),
            lines=tuple(lines),
            sums=(SheetSum(_("Received"), payment.received_minor, "grand"),),
            notes=(_("This is not an invoice: VAT is shown on the invoices that were paid."),),
            stamp=_("Paid"),
            stamp_tone="ok",
            footer=footer_lines(seller_values(seller)),
        )


def _line(row: Allocation) -> SheetLine:
    """What a part of the money settled."""
    if row.invoice is not None:
        name = _("Invoice %(number)s") % {"number": row.invoice.number}
        return SheetLine("line", name, detail=row.invoice.title, net_minor=row.amount_minor)
    order = row.request.order if row.request else None
    name = _("Payment of order %(number)s") % {"number": order.number if order else ""}
    return SheetLine("line", name, detail=order.title if order else "", net_minor=row.amount_minor)
