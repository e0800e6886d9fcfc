"""Credit notes: all of an invoice, some of its quantities, or an amount is given back. Inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django.db.models import Sum
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import User
from portico.billing import pricing
from portico.billing.actions.bill import is_deducted, left_to_credit
from portico.billing.actions.issue import COUNTED, Groups, Paper, Totalled, bases_of, issue_paper, plain, row_of
from portico.billing.actions.settle import allocate_credit_note
from portico.billing.models import Invoice, InvoiceLine
from portico.billing.models.line import Line
from portico.kit import formats
from portico.kit.errors import Conflict, Invalid
from portico.kit.money import exponent, round_half_away


def credit_invoice(
    *,
    invoice: Invoice,
    quantities: Mapping[int, Decimal] | None,
    reason: str,
    invoice_again: bool,
    by: User,
    now: datetime,
    amount_minor: int | None = None,
    seen_left_minor: int | None = None,
) -> Invoice:
    """A credit note for the whole invoice (`quantities` None), for quantities of its lines, by line id, or for an amount.

    What was credited before is left out; the credit note that completes the invoice takes what is left of each VAT
    group. With `invoice_again` the order's lines may be invoiced anew (the repair of a wrong invoice). `amount_minor`,
    VAT included, is spread over the VAT groups in proportion to what is left of each; it is credited for good. The
    credit note first settles what is still due; the rest is the customer's credit. `seen_left_minor` is what was left when
    the form was opened: a form that is sent twice makes one credit note. Raises Invalid for a quantity or an amount beyond
    what is left, Conflict when nothing is left, or another sum than was seen.
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
    left = left_to_credit(invoice)
    if invoice.total_minor and not any(base or vat for base, vat in left.values()):
        raise Conflict(_("Nothing of this invoice is left to credit. No credit note was made."))
    if seen_left_minor is not None and seen_left_minor != sum(base + vat for base, vat in left.values()):
        raise Conflict(
            _(
                "Something of this invoice was credited meanwhile, perhaps by this very form. No further credit note was "
                "made. Look at what is left, then credit it."
            )
        )
    if amount_minor is not None:
        rows, groups = _amount_rows(invoice, left, amount_minor, invoice_again=invoice_again)
    else:
        rows, groups = _line_rows(invoice, left, quantities, invoice_again=invoice_again)
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


def _line_rows(
    invoice: Invoice, left: Groups, quantities: Mapping[int, Decimal] | None, *, invoice_again: bool
) -> tuple[list[InvoiceLine], Groups]:
    """The rows for quantities and their groups: by rate, or what is left of the invoice's own where it is completed.

    What was credited by amount before belongs to no line: completing takes it off again by a line of its own.
    """
    rows, complete = _credit_rows(invoice, quantities, invoice_again=invoice_again)
    if not rows:
        raise Conflict(_("Nothing of this invoice is left to credit. No credit note was made."))
    bases = bases_of(rows)
    if complete:
        before = {key: bases.get(key, 0) - base for key, (base, _vat) in left.items()}
        with translation.override(invoice.language):
            name = _("Credited before")
        return rows + _group_rows(invoice, before, name, sign=-1, start=len(rows) + 1), left
    groups: Groups = {}
    for key, base in bases.items():
        left_base, left_vat = left.get(key, (0, 0))
        if base > max(left_base, 0):
            raise Invalid(
                _("No more than %(left)s without VAT is left to credit at %(rate)s. No credit note was made.")
                % {
                    "left": formats.money(max(left_base, 0), invoice.currency, translation.get_language() or "en"),
                    "rate": formats.percent(key[1], translation.get_language() or "en"),
                }
            )
        vat = left_vat if base == left_base else min(pricing.vat_minor(base, key[1]), max(left_vat, 0))
        groups[key] = (base, vat)
    return rows, groups


# By amount -------------------------------------------------------------------------------------------------------------


def _amount_rows(
    invoice: Invoice, left: Groups, amount_minor: int, *, invoice_again: bool
) -> tuple[list[InvoiceLine], Groups]:
    """One row for each VAT group of an amount with VAT; Invalid beyond what is left."""
    most = sum(base + vat for base, vat in left.values())
    if invoice_again:
        raise Invalid(_("An amount is credited for good: no quantity of the order is free again by it."))
    if not 0 < amount_minor <= most:
        raise Invalid(
            _("Choose an amount above zero; no more than %(left)s is left to credit. No credit note was made.")
            % {"left": formats.money(max(most, 0), invoice.currency, translation.get_language() or "en")}
        )
    groups = spread(left, amount_minor, invoice.currency)
    with translation.override(invoice.language):
        name = _("Credit on invoice %(number)s") % {"number": invoice.number}
    bases = {key: base for key, (base, _vat) in groups.items()}
    return _group_rows(invoice, bases, name, sign=1, start=1, keep=set(groups)), groups


def spread(left: Groups, amount_minor: int, currency: str) -> Groups:
    """Spread an amount with VAT over what is left of each group, in proportion; the parts add up to it exactly.

    Counted from the first group on, so that no group gets more than it has and the last takes the remainder. Within a group
    the base is the amount ÷ (1 + rate), rounded, so that base × rate is its VAT to the minor unit (BR-CO-17).
    """
    whole = sum(base + vat for base, vat in left.values())
    found: Groups = {}
    upto = done = 0
    for (category, rate), (base, vat) in sorted(left.items()):
        upto += base + vat
        part = round_half_away(Fraction(amount_minor * upto, whole)) - done
        done += part
        if part:
            found[category, rate] = _parted(part, base, vat, rate, currency)
    return found


def _parted(gross: int, left_base: int, left_vat: int, rate: Decimal, currency: str) -> tuple[int, int]:
    """Base and VAT of `gross`, taken from what a group has left, so that neither they nor the rest break BR-CO-17."""
    if gross == left_base + left_vat:
        return left_base, left_vat
    if gross < 0:
        base, vat = _parted(-gross, -left_base, -left_vat, rate, currency)
        return -base, -vat
    part = Fraction(rate) / 100
    guess, one_unit = round_half_away(gross / (1 + part)), 10 ** exponent(currency)

    def off(base: int) -> tuple[bool, Fraction]:
        """Whether the rule breaks, and how far a VAT is from base × rate: that of the rest where a unit has no parts."""
        own = abs(base * part - (gross - base))
        rest = abs((left_base - base) * part - (left_vat - (gross - base)))
        return max(own, rest) >= one_unit, rest if one_unit == 1 else own

    lowest, highest = max(gross - left_vat, 0), min(gross, max(left_base - 1, 0) if left_vat else left_base)
    tried = {min(max(base, lowest), highest) for base in (guess - 1, guess, guess + 1)}
    base = min(sorted(tried), key=off)
    return base, gross - base


def _group_rows(
    invoice: Invoice,
    bases: Mapping[tuple[str, Decimal], int],
    name: str,
    *,
    sign: int,
    start: int,
    keep: AbstractSet[tuple[str, Decimal]] = frozenset(),
) -> list[InvoiceLine]:
    """One row of quantity ±1 for the base of each group; a group without a base has none unless it is one to `keep`."""
    kept = [(key, base * sign) for key, base in bases.items() if base or key in keep]
    return [
        InvoiceLine(
            position=position,
            kind=Line.Kind.LINE,
            name=name,
            quantity=Decimal(1 if base >= 0 else -1),
            unit_price=pricing.major(abs(base), invoice.currency),
            vat_category=category,
            vat_rate=rate,
            net_minor=base,
        )
        for position, ((category, rate), base) in enumerate(kept, start=start)
    ]


def _give_back(rows: Sequence[InvoiceLine]) -> None:
    """The credited quantities of order lines may be invoiced again."""
    for row in rows:
        if row.order_line is not None:
            quantity = -row.quantity if row.kind == Line.Kind.LINE else Decimal(0)
            row.order_line.refresh_from_db()
            row.order_line.invoice(quantity, -row.net_minor)
