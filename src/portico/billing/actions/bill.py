"""From an order to its deposit invoice, its invoices, its final invoice.

The invoices of one order add up to the order to the minor unit: each takes of every line what is its share of the
quantity, counted from the beginning so that roundings never pile up; the last one takes what is left of each VAT group.
Every function here runs inside the caller's transaction and calls nobody outside.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db.models import Q, prefetch_related_objects
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import User
from portico.accounts.terms import Plan, plan_of
from portico.billing import pricing
from portico.billing.actions.issue import COUNTED, Groups, Paper, Totalled, bases_of, issue_paper, row_of
from portico.billing.models import Allocation, Invoice, InvoiceLine, InvoiceVat, Order, OrderLine, PaymentRequest
from portico.billing.models.line import Line
from portico.kit import formats
from portico.kit.errors import Conflict
from portico.kit.money import round_half_away
from portico.kit.periods import today
from portico.kit.prepared import prepared


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
        part=line.part,
    )


def groups_of(result: pricing.Priced) -> Groups:
    """The VAT groups of a pricing, as a mapping."""
    return {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in result.groups}


# What an order still has to be invoiced --------------------------------------------------------------------------------


def order_groups(order: Order) -> Groups:
    """The VAT groups of the whole order."""
    return groups_of(priced(order.lines.all(), order.currency))


def billed_groups(papers: Iterable[Invoice]) -> Groups:
    """What an order's counted invoices took of each VAT group: deposits included, what was credited for good left out."""
    billed: dict[tuple[str, Decimal], list[int]] = defaultdict(lambda: [0, 0])
    for invoice in papers:
        sign = -1 if invoice.kind == Invoice.Kind.CREDIT_NOTE else 1
        for group in invoice.vat_groups.all():
            billed[group.category, group.rate][0] += sign * group.base_minor
            billed[group.category, group.rate][1] += sign * group.vat_minor
    return {key: (base, vat) for key, (base, vat) in billed.items()}


@prepared
def issued_of(order: Any) -> Any:
    """The issued papers of an order, with what they take back."""
    return Invoice.objects.filter(order=order, state="issued").order_by("pk").select_related("refers_to")


def counted_invoices(order: Order) -> list[Invoice]:
    """The order's papers that count as invoiced: invoices, and the credit notes that gave quantities back."""
    papers: list[Invoice] = issued_of(order=order.pk)
    prefetch_related_objects(papers, "vat_groups", "lines")
    return [paper for paper in papers if paper.kind != Invoice.Kind.CREDIT_NOTE or _gives_back(paper)]


def _gives_back(credit_note: Invoice) -> bool:
    """Whether what it credits may be invoiced again; a credited deposit always may."""
    of_deposit = credit_note.refers_to is not None and credit_note.refers_to.kind == Invoice.Kind.DEPOSIT
    return of_deposit or any(line.order_line_id or line.deducts_id for line in credit_note.lines.all())


def open_deposits(order: Order) -> dict[Invoice, Groups]:
    """Deposit invoices that are not deducted yet, each with what was not credited of it."""
    deposits = order.invoices.filter(state=Invoice.State.ISSUED, kind=Invoice.Kind.DEPOSIT).order_by("pk")
    found = {deposit: left_to_credit(deposit) for deposit in deposits if not is_deducted(deposit)}
    return {deposit: left for deposit, left in found.items() if any(base or vat for base, vat in left.values())}


def left_to_credit(invoice: Invoice) -> Groups:
    """What no credit note took of each VAT group of an issued invoice; one statement."""
    left: Groups = {}
    own, theirs = Q(invoice=invoice), Q(invoice__refers_to=invoice, invoice__state=Invoice.State.ISSUED)
    rows = InvoiceVat.objects.filter(own | theirs).order_by("category", "-rate")
    for paper, category, rate, base, vat in rows.values_list("invoice", "category", "rate", "base_minor", "vat_minor"):
        sign = 1 if paper == invoice.pk else -1
        before = left.get((category, rate), (0, 0))
        left[category, rate] = before[0] + sign * base, before[1] + sign * vat
    return left


def is_deducted(deposit: Invoice) -> bool:
    """Whether an invoice deducts it that was not credited to be made anew."""
    lines = InvoiceLine.objects.filter(deducts=deposit)
    given_back = lines.filter(invoice__kind=Invoice.Kind.CREDIT_NOTE).count()
    return lines.exclude(invoice__kind=Invoice.Kind.CREDIT_NOTE).count() > given_back


@prepared
def lines_to_lock(order: Any) -> Any:
    """The lines of an order, locked."""
    return OrderLine.objects.select_for_update().filter(order=order).order_by("position")


@prepared
def arrived_for(request: Any) -> Any:
    """How the money of a payment request came, the latest first: provider, kind, brand and last digits of what was saved."""
    rows = Allocation.objects.filter(request=request, payment__isnull=False).order_by("-at", "-pk")
    saved = ("payment__method__kind", "payment__method__brand", "payment__method__last4")
    return rows.values_list("payment__provider", *saved)[:1]


# Making invoices -------------------------------------------------------------------------------------------------------


def issue_prepaid(request: PaymentRequest, *, now: datetime) -> Invoice:
    """The invoice for a payment request, dated on receipt: a deposit invoice (386) or the whole invoice (380).

    Called by the settling transaction; nothing is allocated here.
    """
    order = request.order
    if request.kind == PaymentRequest.Kind.DEPOSIT:
        return issue_deposit(order, by=None, prepaid=True, means=means_of(request), now=now)
    return invoice_rest(order, by=None, prepaid=True, means=means_of(request), now=now)


def means_of(request: PaymentRequest) -> dict[str, str]:
    """How a request was paid, as BG-16 says it (UNTDID 4461): 48 by a card of which the last digits are known, 58 by transfer,
    68 online without more being known. A debit whose mandate we do not hold is not claimed to be one (BR-DE-25)."""
    row = arrived_for.first(request=request.pk)
    if row is None:
        return {}
    provider, kind, brand, last4 = row
    if provider == "bank_transfer":
        return {"code": "58"}
    if kind == "card" and last4:
        return {"code": "48", "card": last4, "network": brand or "NA"}
    return {} if kind == "sepa_debit" else {"code": "68"}


def issue_deposit(
    order: Order, *, by: User | None, prepaid: bool = False, means: Mapping[str, str] | None = None, now: datetime
) -> Invoice:
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
            unit_price=pricing.major(group.base_minor, order.currency),
            vat_category=group.category,
            vat_rate=group.rate,
            net_minor=group.base_minor,
        )
        for position, group in enumerate(deposit.groups, start=1)
    ]
    return _issue(
        order, Invoice.Kind.DEPOSIT, Totalled(rows, groups_of(deposit)), by=by, prepaid=prepaid, means=means, now=now
    )


def invoice_rest(
    order: Order, *, by: User | None, prepaid: bool = False, means: Mapping[str, str] | None = None, now: datetime
) -> Invoice:
    """Invoice everything not invoiced yet, delivered or not; deposits are deducted.

    `prepaid`: the money is there already, so that the paper asks for none.
    """
    return _invoice_share(order, lambda line: line.quantity, by=by, prepaid=prepaid, means=means, now=now)


def invoice_delivered(order: Order, *, by: User | None, now: datetime) -> Invoice:
    """Invoice what was delivered and not invoiced yet; the one that takes the last of it deducts the deposits."""
    return _invoice_share(order, lambda line: line.delivered_quantity, by=by, now=now)


def _invoice_share(
    order: Order,
    wanted: Callable[[OrderLine], Decimal],
    *,
    by: User | None,
    prepaid: bool = False,
    means: Mapping[str, str] | None = None,
    now: datetime,
) -> Invoice:
    """Invoice each line up to the cumulative quantity that is `wanted` of it."""
    lines: list[OrderLine] = lines_to_lock(order=order.pk)
    for line in lines:
        line.order = order
    upto = {line.pk: wanted(line) for line in lines}
    last = all(upto[line.pk] == line.quantity for line in lines if line.kind == Line.Kind.LINE)
    rows = _share_rows(lines, upto, last=last)
    if not any(row.kind in COUNTED for row in rows):
        raise Conflict(_("Nothing was delivered that is not invoiced yet. No invoice was made."))
    counted = counted_invoices(order)
    whole, billed = groups_of(priced(lines, order.currency)), billed_groups(counted)
    deposits = open_deposits(order) if any(paper.kind == Invoice.Kind.DEPOSIT for paper in counted) else {}
    if last:
        rows += _deductions(deposits, start=len(rows) + 1, language=order.customer.language)
    groups = {
        (group.category, group.rate): (group.base_minor, group.vat_minor)
        for group in pricing.invoice_groups(_listed(whole), _listed(billed), bases_of(rows), order.currency, last=last)
    }
    if not last:
        _refuse_less_than_deposit(whole, billed, groups, deposits)
    OrderLine.invoice_each(
        [
            (row.order_line, row.quantity if row.kind == Line.Kind.LINE else Decimal(0), row.net_minor)
            for row in rows
            if row.order_line is not None
        ]
    )
    return _issue(order, Invoice.Kind.INVOICE, Totalled(rows, groups), by=by, prepaid=prepaid, means=means, now=now)


def _share_rows(lines: Sequence[OrderLine], upto: Mapping[int, Decimal], *, last: bool) -> list[InvoiceLine]:
    """Invoice rows for the quantities between what was invoiced and `upto`, sections kept where they hold something."""
    nets: dict[tuple[str, Decimal], list[int]] = defaultdict(lambda: [0, 0])
    rows: list[InvoiceLine] = []
    for heading, below in _sections(lines):
        found: list[InvoiceLine] = []
        for line in below:
            if line.kind == Line.Kind.NOTE and last:
                found.append(row_of(line))
            if line.kind != Line.Kind.LINE:
                continue
            quantity = upto[line.pk] - line.invoiced_quantity
            upto_net = pricing.share_minor(line.net_minor, line.quantity, upto[line.pk])
            nets[line.vat_category, line.vat_rate][0] += upto_net
            nets[line.vat_category, line.vat_rate][1] += line.net_minor
            if quantity != 0:
                net_minor = upto_net - line.invoiced_net_minor
                found.append(row_of(line, order_line=line, quantity=quantity, net_minor=net_minor))
        # Notes alone keep their heading only where there were never lines below it.
        kinds = {row.kind for row in found} if Line.Kind.LINE in {line.kind for line in below} else {Line.Kind.LINE}
        if heading is not None and found and Line.Kind.LINE in kinds:
            rows.append(row_of(heading))
        rows += found
    for line in lines:
        if line.kind not in {Line.Kind.ALLOWANCE, Line.Kind.CHARGE}:
            continue
        upto_net, whole = nets[line.vat_category, line.vat_rate]
        part = Fraction(upto_net, whole) if whole and not last else Fraction(1)
        share = round_half_away(line.net_minor * part) - line.invoiced_net_minor
        if share:
            rows.append(
                row_of(line, order_line=line, net_minor=share, unit_price=pricing.major(share, line.order.currency))
            )
    for position, row in enumerate(rows, start=1):
        row.position = position
    return rows


def _sections(lines: Iterable[OrderLine]) -> Iterator[tuple[OrderLine | None, list[OrderLine]]]:
    """Each heading with what stands below it; None for what stands before the first one."""
    heading: OrderLine | None = None
    below: list[OrderLine] = []
    for line in lines:
        if line.kind == Line.Kind.SECTION:
            yield heading, below
            heading, below = line, []
        else:
            below.append(line)
    yield heading, below


def _deductions(deposits: Mapping[Invoice, Groups], *, start: int, language: str) -> list[InvoiceLine]:
    """Lines of quantity −1 per VAT group of each deposit invoice, naming it (BG-3); never a prepaid amount (BT-113)."""
    rows = []
    for deposit, left in deposits.items():
        with translation.override(language):
            name = _("Less deposit invoice %(number)s") % {"number": deposit.number}
        rows += [
            InvoiceLine(
                position=0,
                kind=Line.Kind.LINE,
                name=name,
                quantity=Decimal(-1),
                unit_price=pricing.major(base, deposit.currency),
                vat_category=category,
                vat_rate=rate,
                net_minor=-base,
                deducts=deposit,
            )
            for (category, rate), (base, _vat) in left.items()
        ]
    for position, row in enumerate(rows, start=start):
        row.position = position
    return rows


def _refuse_less_than_deposit(whole: Groups, billed: Groups, share: Groups, deposits: Mapping[Invoice, Groups]) -> None:
    """What is left after a partial invoice must be enough for the final one to deduct the deposits from."""
    held: dict[tuple[str, Decimal], int] = defaultdict(int)
    for left in deposits.values():
        for key, (base, _vat) in left.items():
            held[key] += base
    for key, (base, _vat_minor) in whole.items():
        # `billed` holds the deposits already, so what it leaves is net of them.
        if held[key] and base - billed.get(key, (0, 0))[0] - share.get(key, (0, 0))[0] < 0:
            raise Conflict(
                _(
                    "The deposit already covers this part: an invoice for it would leave less than the deposit to deduct "
                    "from. Deliver the rest and invoice it all at once. No invoice was made."
                )
            )


def _issue(
    order: Order,
    kind: str,
    content: Totalled,
    *,
    by: User | None,
    prepaid: bool,
    means: Mapping[str, str] | None = None,
    now: datetime,
) -> Invoice:
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
    at_once = kind == Invoice.Kind.DEPOSIT or order.payment_policy == "full"
    due_days = 0 if at_once else order.due_days
    plan: Plan = () if at_once else plan_of(order.payment_parts)
    return issue_paper(Paper(invoice, content, order.terms, due_days, prepaid, means or {}, plan), by=by, now=now)


def _listed(groups: Groups) -> list[pricing.VatGroup]:
    """Groups as pricing takes them."""
    return [pricing.VatGroup(category, rate, base, vat) for (category, rate), (base, vat) in groups.items()]
