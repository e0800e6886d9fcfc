"""Issuing: from an order to its deposit invoice, invoices, final invoice; and credit notes.

The invoices of one order add up to the order to the minor unit: each takes of every line what is its share of the
quantity, counted from the beginning so that roundings never pile up; the last one takes what is left of each VAT group.
Every function here runs inside the caller's transaction and calls nobody outside.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db import transaction
from django.db.models import F, Sum
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing import pricing
from portico.billing.actions.settle import allocate_credit_note, derive_payment_state
from portico.billing.models import Invoice, InvoiceLine, InvoiceVat, Order, OrderLine, PaymentRequest
from portico.billing.models.line import LINE_FIELDS, Line
from portico.billing.vat import exemption_code, statutory_note
from portico.kit import formats
from portico.kit.db import claim
from portico.kit.errors import Conflict, Invalid
from portico.kit.money import round_half_away
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


def priced(lines: Iterable[Line], currency: str) -> pricing.Priced:
    """The pricing of stored lines of any document."""
    return pricing.price([line_in(line) for line in lines if line.kind in COUNTED], currency)


def line_in(line: Line) -> pricing.LineIn:
    """A stored line as pricing reads it."""
    return pricing.LineIn(
        key=line.pk or line.position,
        kind=line.kind,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount_percent=line.discount_percent,
        vat_category=line.vat_category,
        vat_rate=line.vat_rate,
    )


def groups_of(result: pricing.Priced) -> Groups:
    """The VAT groups of a pricing, as a mapping."""
    return {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in result.groups}


# What an order still has to be invoiced --------------------------------------------------------------------------------


def order_groups(order: Order) -> Groups:
    """The VAT groups of the whole order."""
    return groups_of(priced(order.lines.all(), order.currency))


def billed_groups(order: Order) -> Groups:
    """What the order's invoices took of each VAT group: deposits included, what was credited for good left out."""
    billed: dict[tuple[str, Decimal], list[int]] = defaultdict(lambda: [0, 0])
    for invoice in counted_invoices(order):
        sign = -1 if invoice.kind == Invoice.Kind.CREDIT_NOTE else 1
        for group in invoice.vat_groups.all():
            billed[group.category, group.rate][0] += sign * group.base_minor
            billed[group.category, group.rate][1] += sign * group.vat_minor
    return {key: (base, vat) for key, (base, vat) in billed.items()}


def counted_invoices(order: Order) -> list[Invoice]:
    """The order's papers that count as invoiced: invoices, and the credit notes that gave quantities back."""
    papers = (
        order.invoices.filter(state=Invoice.State.ISSUED)
        .select_related("refers_to")
        .prefetch_related("vat_groups", "lines")
    )
    return [paper for paper in papers if paper.kind != Invoice.Kind.CREDIT_NOTE or _gives_back(paper)]


def _gives_back(credit_note: Invoice) -> bool:
    """Whether what it credits may be invoiced again; a credited deposit always may."""
    of_deposit = credit_note.refers_to is not None and credit_note.refers_to.kind == Invoice.Kind.DEPOSIT
    return of_deposit or any(line.order_line_id or line.deducts_id for line in credit_note.lines.all())


def open_deposits(order: Order) -> list[Invoice]:
    """Deposit invoices that are neither credited nor deducted yet."""
    deposits = order.invoices.filter(state=Invoice.State.ISSUED, kind=Invoice.Kind.DEPOSIT, credit_notes=None)
    return [deposit for deposit in deposits.prefetch_related("vat_groups") if not is_deducted(deposit)]


def is_deducted(deposit: Invoice) -> bool:
    """Whether an invoice deducts it that was not credited to be made anew."""
    lines = InvoiceLine.objects.filter(deducts=deposit)
    given_back = lines.filter(invoice__kind=Invoice.Kind.CREDIT_NOTE).count()
    return lines.exclude(invoice__kind=Invoice.Kind.CREDIT_NOTE).count() > given_back


def left_to_invoice(order: Order) -> bool:
    """Whether any line still has a quantity that no invoice took."""
    return order.lines.filter(kind=Line.Kind.LINE).exclude(invoiced_quantity=F("quantity")).exists()


# Making invoices -------------------------------------------------------------------------------------------------------


def issue_prepaid(request: PaymentRequest, *, now: datetime) -> Invoice:
    """The invoice for a payment request, dated on receipt: a deposit invoice (386) or the whole invoice (380).

    Called by the settling transaction; nothing is allocated here.
    """
    order = request.order
    if request.kind == PaymentRequest.Kind.DEPOSIT:
        return issue_deposit(order, by=None, prepaid=True, now=now)
    return invoice_rest(order, by=None, prepaid=True, now=now)


def issue_deposit(order: Order, *, by: User | None, prepaid: bool = False, now: datetime) -> Invoice:
    """The deposit invoice: percent of each VAT group's base, rounded, plus its VAT (DOMAIN 3)."""
    deposit = pricing.deposit(priced(order.lines.all(), order.currency), order.deposit_percent)
    with translation.override(order.customer.language):
        name = _("Deposit %(percent)s on order %(number)s") % {
            "percent": formats.percent(order.deposit_percent, order.customer.language),
            "number": order.number,
        }
    rows = [
        InvoiceLine(
            position=position,
            kind=Line.Kind.LINE,
            name=name,
            quantity=Decimal(1),
            unit_price=_major(group.base_minor, order.currency),
            vat_category=group.category,
            vat_rate=group.rate,
            net_minor=group.base_minor,
        )
        for position, group in enumerate(deposit.groups, start=1)
    ]
    return _issue(order, Invoice.Kind.DEPOSIT, Totalled(rows, groups_of(deposit)), by=by, prepaid=prepaid, now=now)


def invoice_rest(order: Order, *, by: User | None, prepaid: bool = False, now: datetime) -> Invoice:
    """Invoice everything not invoiced yet, delivered or not; deposits are deducted.

    `prepaid`: the money is there already, so that the paper asks for none.
    """
    everything = {line.pk: line.quantity for line in order.lines.all()}
    return _invoice_share(order, everything, by=by, prepaid=prepaid, now=now)


def invoice_delivered(order: Order, *, by: User | None, now: datetime) -> Invoice:
    """Invoice what was delivered and not invoiced yet; the one that takes the last of it deducts the deposits."""
    return _invoice_share(order, {line.pk: line.delivered_quantity for line in order.lines.all()}, by=by, now=now)


def _invoice_share(
    order: Order, upto: Mapping[int, Decimal], *, by: User | None, prepaid: bool = False, now: datetime
) -> Invoice:
    """Invoice each line up to the cumulative quantity of `upto`."""
    lines = list(order.lines.select_for_update().order_by("position"))
    last = all(upto[line.pk] == line.quantity for line in lines if line.kind == Line.Kind.LINE)
    rows = _share_rows(lines, upto, last=last)
    if not any(row.kind in COUNTED for row in rows):
        raise Conflict(_("Nothing was delivered that is not invoiced yet. No invoice was made."))
    whole, billed = order_groups(order), billed_groups(order)
    deposits = open_deposits(order)
    if last:
        rows += _deductions(deposits, start=len(rows) + 1, language=order.customer.language)
    groups = {
        (group.category, group.rate): (group.base_minor, group.vat_minor)
        for group in pricing.invoice_groups(_listed(whole), _listed(billed), _bases(rows), order.currency, last=last)
    }
    if not last:
        _refuse_less_than_deposit(whole, billed, groups, deposits)
    for row in rows:
        if row.order_line is not None:
            row.order_line.invoice(row.quantity if row.kind == Line.Kind.LINE else Decimal(0), row.net_minor)
    return _issue(order, Invoice.Kind.INVOICE, Totalled(rows, groups), by=by, prepaid=prepaid, now=now)


def _share_rows(lines: Sequence[OrderLine], upto: Mapping[int, Decimal], *, last: bool) -> list[InvoiceLine]:
    """Invoice rows for the quantities between what was invoiced and `upto`, sections kept where they hold something."""
    nets: dict[tuple[str, Decimal], list[int]] = defaultdict(lambda: [0, 0])
    rows: list[InvoiceLine] = []
    section: InvoiceLine | None = None
    for line in lines:
        if line.kind == Line.Kind.SECTION:
            section = _copy(line)
            continue
        if line.kind == Line.Kind.NOTE and last:
            rows.append(_copy(line))
        if line.kind != Line.Kind.LINE:
            continue
        quantity = upto[line.pk] - line.invoiced_quantity
        upto_net = pricing.share_minor(line.net_minor, line.quantity, upto[line.pk])
        nets[line.vat_category, line.vat_rate][0] += upto_net
        nets[line.vat_category, line.vat_rate][1] += line.net_minor
        if quantity == 0:
            continue
        if section is not None:
            rows.append(section)
            section = None
        rows.append(_copy(line, order_line=line, quantity=quantity, net_minor=upto_net - line.invoiced_net_minor))
    for line in lines:
        if line.kind not in {Line.Kind.ALLOWANCE, Line.Kind.CHARGE}:
            continue
        upto_net, whole = nets[line.vat_category, line.vat_rate]
        part = Fraction(upto_net, whole) if whole and not last else Fraction(1)
        share = round_half_away(line.net_minor * part) - line.invoiced_net_minor
        if share:
            rows.append(_copy(line, order_line=line, net_minor=share, unit_price=_major(share, line.order.currency)))
    for position, row in enumerate(rows, start=1):
        row.position = position
    return rows


def _deductions(deposits: Sequence[Invoice], *, start: int, language: str) -> list[InvoiceLine]:
    """Lines of quantity −1 per VAT group of each deposit invoice, naming it (BG-3); never a prepaid amount (BT-113)."""
    rows = []
    for deposit in deposits:
        with translation.override(language):
            name = _("Less deposit invoice %(number)s") % {"number": deposit.number}
        rows += [
            InvoiceLine(
                position=0,
                kind=Line.Kind.LINE,
                name=name,
                quantity=Decimal(-1),
                unit_price=_major(group.base_minor, deposit.currency),
                vat_category=group.category,
                vat_rate=group.rate,
                net_minor=-group.base_minor,
                deducts=deposit,
            )
            for group in deposit.vat_groups.all()
        ]
    for position, row in enumerate(rows, start=start):
        row.position = position
    return rows


def _refuse_less_than_deposit(whole: Groups, billed: Groups, share: Groups, deposits: Sequence[Invoice]) -> None:
    """What is left after a partial invoice must be enough for the final one to deduct the deposits from."""
    held: dict[tuple[str, Decimal], int] = defaultdict(int)
    for deposit in deposits:
        for group in deposit.vat_groups.all():
            held[group.category, group.rate] += group.base_minor
    for key, (base, _vat_minor) in whole.items():
        # `billed` holds the deposits already, so what it leaves is net of them.
        if held[key] and base - billed.get(key, (0, 0))[0] - share.get(key, (0, 0))[0] < 0:
            raise Conflict(
                _(
                    "The deposit already covers this part: an invoice for it would leave less than the deposit to deduct "
                    "from. Deliver the rest and invoice it all at once. No invoice was made."
                )
            )


def _issue(order: Order, kind: str, content: Totalled, *, by: User | None, prepaid: bool, now: datetime) -> Invoice:
    """Save, number, freeze and chain one invoice of an order; the customer's identity is locked from here on."""
    invoice = Invoice(
        seller=order.seller,
        customer=order.customer,
        kind=kind,
        series="INV",
        order=order,
        title=order.title,
        po_number=order.po_number,
        language=order.customer.language,
        currency=order.currency,
        created_at=now,
        delivered_on=today(now, order.seller.zone) if kind == Invoice.Kind.INVOICE else None,
    )
    due_days = 0 if kind == Invoice.Kind.DEPOSIT or order.payment_policy == "full" else order.due_days
    return _save_and_issue(invoice, content, terms=order.terms, due_days=due_days, by=by, prepaid=prepaid, now=now)


def _save_and_issue(
    invoice: Invoice,
    content: Totalled,
    *,
    terms: Any,
    due_days: int,
    by: User | None,
    prepaid: bool = False,
    now: datetime,
) -> Invoice:
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
            [group.category, _text(group.rate), group.base_minor, group.vat_minor, group.exemption_code, group.note]
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
        _text(line.quantity),
        line.unit,
        _text(line.unit_price),
        _text(line.discount_percent),
        line.vat_category,
        _text(line.vat_rate),
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


# Credit notes ----------------------------------------------------------------------------------------------------------


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
    )
    _save_and_issue(credit, Totalled(rows, groups), terms=[], due_days=0, by=by, now=now)
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
                % {"name": line.name, "left": _text(left)}
            )
        complete = complete and wanted == left
        if wanted == 0:
            continue
        upto = pricing.share_minor(line.net_minor, line.quantity, done_quantity + wanted)
        rows.append(
            _copy(
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
        key: (base, min(pricing.vat_minor(base, key[1]), max(left[key][1], 0))) for key, base in _bases(rows).items()
    }


def _give_back(rows: Sequence[InvoiceLine]) -> None:
    """The credited quantities of order lines may be invoiced again."""
    for row in rows:
        if row.order_line is not None:
            quantity = -row.quantity if row.kind == Line.Kind.LINE else Decimal(0)
            row.order_line.refresh_from_db()
            row.order_line.invoice(quantity, -row.net_minor)


def dispute_invoice(*, invoice: Invoice, by: User, now: datetime) -> None:
    """Mark an issued invoice as disputed: no reminders until it is solved. Opens a transaction."""
    with transaction.atomic():
        if not claim(Invoice.objects.filter(pk=invoice.pk, disputed_at=None).open(), disputed_at=now):
            raise Conflict(_("This invoice is settled or disputed already. Nothing was changed."))
        invoice.refresh_from_db()
        Event.record("invoice.disputed", invoice, now=now, by=by, customer=invoice.customer, number=invoice.number)
        derive_payment_state(invoice, now=now)


# Small parts -----------------------------------------------------------------------------------------------------------


def _copy(line: Line, **changes: Any) -> InvoiceLine:
    """An invoice row with the fields of `line`, changed."""
    return InvoiceLine(**{name: getattr(line, name) for name in LINE_FIELDS} | changes)


def _listed(groups: Groups) -> list[pricing.VatGroup]:
    """Groups as pricing takes them."""
    return [pricing.VatGroup(category, rate, base, vat) for (category, rate), (base, vat) in groups.items()]


def _bases(rows: Sequence[InvoiceLine]) -> dict[tuple[str, Decimal], int]:
    """The base of each VAT group: lines − allowances + charges."""
    bases: dict[tuple[str, Decimal], int] = defaultdict(int)
    for row in rows:
        if row.kind in COUNTED:
            bases[row.vat_category, row.vat_rate] += (
                -row.net_minor if row.kind == Line.Kind.ALLOWANCE else row.net_minor
            )
    return dict(bases)


def _major(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount of the currency's major unit."""
    return pricing.major(minor, currency)


def _text(value: Decimal) -> str:
    """A decimal as the shortest plain text, the form that is hashed."""
    return f"{value.normalize():f}" if value else "0"
