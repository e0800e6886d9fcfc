"""Credit notes: all of an invoice or some of its quantities are given back. Inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Sum
from django.utils.translation import gettext as _

from portico.accounts.models import User
from portico.billing import pricing
from portico.billing.actions.bill import is_deducted
from portico.billing.actions.issue import COUNTED, Groups, Paper, Totalled, bases_of, issue_paper, plain, row_of
from portico.billing.actions.settle import allocate_credit_note
from portico.billing.models import Invoice, InvoiceLine
from portico.billing.models.line import Line
from portico.kit.errors import Conflict, Invalid


def credit_invoice(
    *,
    invoice: Invoice,
    quantities: Mapping[int, Decimal] | None,
    reason: str,
    invoice_again: bool,
    by: User,
    now: datetime,
) -> Invoice:
    """A credit note for the whole invoice (`quantities` None) or for quantities of its lines, by line id.

    What was credited before is left out; the credit note that completes the invoice takes what is left of each VAT
    group. With `invoice_again` the order's lines may be invoiced anew (the repair of a wrong invoice). The credit note
    first settles what is still due; the rest is the customer's credit. Raises Invalid for a quantity beyond what is
    left, Conflict when nothing is left.
    """
    if not reason.strip():
        raise Invalid(_("Say why the credit note is made: the reason stands on it."))
    invoice = (
        Invoice.objects.select_for_update(of=("self",)).select_related("seller", "customer", "order").get(pk=invoice.pk)
    )
    if invoice.state != Invoice.State.ISSUED or invoice.kind == Invoice.Kind.CREDIT_NOTE:
        raise Conflict(_("Only an issued invoice can be credited. No credit note was made."))
    if invoice.kind == Invoice.Kind.DEPOSIT and is_deducted(invoice):
        raise Conflict(
            _("This deposit was deducted on the final invoice: credit that one instead. No credit note was made.")
        )
    rows, complete = _credit_rows(invoice, quantities, invoice_again=invoice_again)
    if not rows:
        raise Conflict(_("Nothing of this invoice is left to credit. No credit note was made."))
    groups = _credit_groups(invoice, rows, complete=complete)
    credit = Invoice(
        seller=invoice.seller,
        customer=invoice.customer,
        kind=Invoice.Kind.CREDIT_NOTE,
        series="CN",
        order=invoice.order,
        refers_to=invoice,
        title=invoice.title,
        reason=reason.strip(),
        po_number=invoice.po_number,
        language=invoice.language,
        currency=invoice.currency,
        created_at=now,
        delivered_on=invoice.delivered_on,
    )
    issue_paper(Paper(credit, Totalled(rows, groups), terms=[], due_days=0), by=by, now=now)
    if invoice_again:
        _give_back(rows)
    allocate_credit_note(credit, invoice, now=now)
    return credit


def _credit_rows(
    invoice: Invoice, quantities: Mapping[int, Decimal] | None, *, invoice_again: bool
) -> tuple[list[InvoiceLine], bool]:
    """The rows of a credit note, and whether nothing of the invoice is left after it."""
    rows: list[InvoiceLine] = []
    complete = True
    lines = list(invoice.lines.filter(kind__in=COUNTED).order_by("position"))
    known = {line.pk for line in lines}
    if quantities is not None and not set(quantities) <= known:
        raise Invalid(_("One of the lines is not of this invoice. No credit note was made."))
    for line in lines:
        done = line.credited_by.aggregate(quantity=Sum("quantity"), net=Sum("net_minor"))
        done_quantity, done_net = done["quantity"] or Decimal(0), done["net"] or 0
        left = line.quantity - done_quantity
        wanted = left if quantities is None else quantities.get(line.pk, Decimal(0))
        if wanted * (1 if line.quantity >= 0 else -1) < 0 or abs(wanted) > abs(left):
            raise Invalid(
                _("%(name)s: no more than %(left)s is left to credit. No credit note was made.")
                % {"name": line.name, "left": plain(left)}
            )
        complete = complete and wanted == left
        if wanted == 0:
            continue
        upto = pricing.share_minor(line.net_minor, line.quantity, done_quantity + wanted)
        rows.append(
            row_of(
                line,
                position=len(rows) + 1,
                quantity=wanted,
                net_minor=upto - done_net,
                order_line=line.order_line if invoice_again else None,
                deducts=line.deducts if invoice_again else None,
                credits=line,
            )
        )
    return rows, complete


def _credit_groups(invoice: Invoice, rows: Sequence[InvoiceLine], *, complete: bool) -> Groups:
    """The groups credited: by rate, or what is left of the invoice's own where the credit note completes it."""
    left = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in invoice.vat_groups.all()}
    for earlier in invoice.credit_notes.filter(state=Invoice.State.ISSUED).prefetch_related("vat_groups"):
        for group in earlier.vat_groups.all():
            base, vat = left.get((group.category, group.rate), (0, 0))
            left[group.category, group.rate] = (base - group.base_minor, vat - group.vat_minor)
    if complete:
        return left
    return {
        key: (base, min(pricing.vat_minor(base, key[1]), max(left[key][1], 0))) for key, base in bases_of(rows).items()
    }


def _give_back(rows: Sequence[InvoiceLine]) -> None:
    """The credited quantities of order lines may be invoiced again."""
    for row in rows:
        if row.order_line is not None:
            quantity = -row.quantity if row.kind == Line.Kind.LINE else Decimal(0)
            row.order_line.refresh_from_db()
            row.order_line.invoice(quantity, -row.net_minor)
