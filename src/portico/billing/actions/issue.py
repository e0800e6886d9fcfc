"""Issuing: rows with their VAT groups become a numbered, frozen, chained paper. Inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.accounts.models.customer import lock_identities
from portico.accounts.terms import Plan
from portico.billing import letters
from portico.billing.actions.means import means_of_auto_pay
from portico.billing.actions.settle import begin_payment_state
from portico.billing.documents.einvoice import terms
from portico.billing.documents.einvoice.own_rules import Finding, findings
from portico.billing.instalments import Split, split
from portico.billing.late import statutory_terms
from portico.billing.models import ExchangeRate, Instalment, Invoice, InvoiceLine, InvoiceVat, NumberSeries
from portico.billing.models.invoice import in_order
from portico.billing.models.line import LINE_FIELDS, Line
from portico.billing.vat import exemption_code, statutory_note
from portico.kit.adding import add
from portico.kit.crash import crashpoint
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


@dataclass(frozen=True)
class Paper:
    """A draft `invoice` that was never saved, and all that belongs to it. Due `due_days` after it is issued, or by `plan`.

    `prepaid`: it states what has been paid already, as the invoice for a paid payment request does.
    """

    invoice: Invoice
    content: Totalled
    terms: Any
    due_days: int
    prepaid: bool = False
    means: Mapping[str, str] = field(default_factory=dict)
    """How it was paid, or will be by itself, as BG-16 says it: `code` (UNTDID 4461) and what belongs to it. Empty: unknown."""
    plan: Plan = ()
    """The parts in which it is to be paid; none for one sum. What is prepaid has none."""

    def parts(self, issued_on: date) -> list[Split]:
        """Its instalments when it is issued that day; its totals stand. None where it is to be paid in one sum."""
        if self.prepaid or self.invoice.kind == Invoice.Kind.CREDIT_NOTE:
            return []
        return split(self.invoice.total_minor, self.plan, issued_on)

    def due_on(self, issued_on: date) -> date:
        """When it is due, or the first part of it."""
        parts = self.parts(issued_on)
        return parts[0].due_on if parts else issued_on + timedelta(days=self.due_days)


def issue_paper(paper: Paper, *, by: User | None, now: datetime) -> Invoice:
    """Issue one paper; as `issue_papers`."""
    (invoice,) = issue_papers([paper], by=by, now=now)
    return invoice


def issue_papers(papers: Sequence[Paper], *, by: User | None, now: datetime) -> list[Invoice]:
    """Number, freeze, chain and save papers of one seller and series, in their order; lock their customers' identity.

    One statement a table however many there are, and the series is locked until the transaction ends: keep a batch to some
    hundreds. All or none: raises Conflict for a negative total, and for what breaks a rule of EN 16931.
    """
    invoices = [paper.invoice for paper in papers]
    seller, series = invoices[0].seller, invoices[0].series
    assert all((one.seller_id, one.series) == (seller.pk, series) for one in invoices), "a batch has one series"
    day = today(now, seller.zone)
    rows: list[InvoiceLine] = []
    groups: list[InvoiceVat] = []
    collected = means_of_auto_pay(invoices, day)
    instalments: list[Instalment] = []
    counter = NumberSeries.locked(seller, series, day)
    issued_on = counter.date_of_next(day)
    sold_by = seller_block(seller)
    for paper, means in zip(papers, collected, strict=True):
        invoice = paper.invoice
        if means and not paper.means and not paper.prepaid:
            paper = replace(paper, means=means)
        add_up(invoice, paper.content)
        own_rows, own_groups = with_invoice(paper.content.rows, invoice), vat_groups(invoice, paper.content.groups)
        content = frozen_content(paper, sold_by, own_rows, own_groups, issued_on)
        own_parts = instalment_rows(paper, issued_on)
        buyer = buyer_block(invoice)
        if wrong := what_is_wrong(paper, content, buyer, issued_on):
            raise Conflict(
                _("This invoice cannot be issued yet. %(reasons)s No number was taken.")
                % {"reasons": " ".join(str(finding) for finding in wrong)}
            )
        invoice.issue(
            counter.next(day),
            own_groups,
            due_on=paper.due_on(issued_on),
            instalments=len(own_parts),
            content=content,
            buyer=buyer,
            by=by,
            now=now,
        )
        begin_payment_state(invoice, now=now)
        counter.last_hash = invoice.hash
        rows += own_rows
        groups += own_groups
        instalments += own_parts
    add(*invoices)
    if rows:
        add(*rows)
    if groups:
        add(*groups)
    if instalments:
        add(*instalments)
    counter.keep()
    crashpoint("number taken")
    lock_identities([invoice.customer for invoice in invoices], now=now)
    is_credit = series == NumberSeries.Series.CREDIT_NOTE
    name = "credit_note.issued" if is_credit else "invoice.issued"
    Event.objects.bulk_create(
        Event.of(
            name, one, now=now, by=by, customer=one.customer, number=one.number, total_minor=one.total_minor
        )
        for one in invoices
    )  # fmt: skip
    (letters.credit_notes_issued if is_credit else letters.invoices_issued)(invoices, now=now)
    return invoices


def add_up(invoice: Invoice, content: Totalled) -> None:
    """Write the totals of `content` on the draft; Conflict when they are negative."""
    invoice.lines_net_minor, invoice.allowances_minor = content.lines_net_minor, content.allowances_minor
    invoice.charges_minor = content.charges_minor
    invoice.net_minor = content.lines_net_minor - content.allowances_minor + content.charges_minor
    invoice.vat_minor = content.vat_minor
    invoice.total_minor = invoice.net_minor + invoice.vat_minor
    if invoice.total_minor < 0:
        raise Conflict(_("This invoice would be negative. Make a credit note instead. No invoice was made."))


def with_invoice(rows: Sequence[InvoiceLine], invoice: Invoice) -> list[InvoiceLine]:
    """The rows as those of `invoice`, in their order on it."""
    for row in rows:
        row.invoice = invoice
    return sorted(rows, key=lambda row: row.position)


def vat_groups(invoice: Invoice, groups: Groups) -> list[InvoiceVat]:
    """The VAT groups as rows, as they are printed: by category, the higher rate first."""
    return in_order(
        InvoiceVat(
            invoice=invoice,
            category=category,
            rate=rate,
            base_minor=base,
            vat_minor=vat,
            exemption_code=exemption_code(category),
            note=statutory_note(category, invoice.language),
        )
        for (category, rate), (base, vat) in groups.items()
    )


def instalment_rows(paper: Paper, issued_on: date) -> list[Instalment]:
    """The parts in which `paper` is to be paid, as rows; one part alone is no instalment."""
    parts = paper.parts(issued_on)
    if len(parts) < 2:
        return []
    return [
        Instalment(
            invoice=paper.invoice,
            position=position,
            due_on=part.due_on,
            amount_minor=part.amount_minor,
            upto_minor=sum(one.amount_minor for one in parts[:position]),
        )
        for position, part in enumerate(parts, start=1)
    ]


# The frozen copy -------------------------------------------------------------------------------------------------------


def frozen_content(
    paper: Paper, seller: dict[str, str], rows: Sequence[InvoiceLine], groups: Sequence[InvoiceVat], day: date
) -> dict[str, Any]:
    """What is hashed of an invoice beside its buyer: seller, lines, groups, totals, terms, as they are printed."""
    invoice = paper.invoice
    return {
        "seller": seller,
        "title": invoice.title,
        "po_number": invoice.po_number,
        "refers_to": invoice.refers_to.number if invoice.refers_to else "",
        "reason": invoice.reason,
        "order": invoice.order.number if invoice.order else "",
        "delivered_on": invoice.delivered_on.isoformat() if invoice.delivered_on else "",
        "lines": [frozen_line(line) for line in rows],
        "vat": [
            [group.category, plain(group.rate), group.base_minor, group.vat_minor, group.exemption_code, group.note]
            for group in groups
        ],
        "totals": {
            "lines": invoice.lines_net_minor,
            "allowances": invoice.allowances_minor,
            "charges": invoice.charges_minor,
            "net": invoice.net_minor,
            "vat": invoice.vat_minor,
            "total": invoice.total_minor,
        },
        "terms": paper.terms or terms_by_law(invoice),
        "prepaid": paper.prepaid,
    } | {name: value for name, value in more_frozen(paper, seller, rows, day).items() if value}


def more_frozen(paper: Paper, seller: dict[str, str], rows: Sequence[InvoiceLine], day: date) -> dict[str, Any]:
    """What an e-invoice says besides: the period, earlier papers, how it was paid, in which parts it is to be paid, the VAT
    in the seller's currency.

    `earlier` are the papers it refers to (BG-3), each with its date: what it takes back, or the deposits it deducts.
    """
    invoice = paper.invoice
    earlier = [invoice.refers_to] if invoice.refers_to else []
    earlier += {row.deducts_id: row.deducts for row in rows if row.deducts_id and row.deducts is not None}.values()
    period = None
    if invoice.period is not None:
        period = [invoice.period.start.isoformat(), (invoice.period.end - timedelta(days=1)).isoformat()]
    elif invoice.refers_to is not None:
        period = invoice.refers_to.content.get("period")
    parts = instalment_rows(paper, day)
    return {
        "instalments": [[part.due_on.isoformat(), part.amount_minor] for part in parts],
        "period": period,
        "earlier": [[one.number, one.issued_on.isoformat() if one.issued_on else ""] for one in earlier],
        "means": dict(paper.means),
        "vat_in_seller_currency": vat_at_home(invoice, seller["currency"], day),
    }


def vat_at_home(invoice: Invoice, home: str, day: date) -> dict[str, Any] | None:
    """VAT charged in a foreign currency, in the seller's (BT-111; Directive 2006/112/EC Art. 230); None without a rate.

    What takes an invoice back is converted as that was, so that both together are nothing (Art. 91).
    """
    if invoice.currency == home or not invoice.vat_minor:
        return None
    taken_back = invoice.refers_to.content.get("vat_in_seller_currency") if invoice.refers_to else None
    if taken_back:
        rate, since = Decimal(taken_back["rate"]), date.fromisoformat(taken_back["on"])
        found: ExchangeRate | None = ExchangeRate(
            seller=invoice.seller, currency=invoice.currency, rate=rate, valid_from=since
        )
    else:
        found = ExchangeRate.on(invoice.seller, invoice.currency, day)
    if found is None:
        return None
    return {"minor": found.at_home(invoice.vat_minor), "rate": plain(found.rate), "on": found.valid_from.isoformat()}


def without_rate(invoice: Invoice, content: Mapping[str, Any]) -> list[Finding]:
    """VAT in a foreign currency must stand in the seller's too (Directive 2006/112/EC Art. 230; BR-53): it waits for a rate.

    Left out it would be an invoice that the tax office does not take, so it is refused before a number is taken.
    """
    home = content["seller"]["currency"]
    if invoice.currency == home or not invoice.vat_minor or content.get("vat_in_seller_currency"):
        return []
    words = _(
        "The VAT must stand in %(home)s too, and no exchange rate of %(currency)s is known. Enter one under Settings, "
        "Exchange rates, then try again."
    ) % {"home": home, "currency": invoice.currency}
    return [Finding("BR-53", words)]


def terms_by_law(invoice: Invoice) -> list[list[str]]:
    """What a paper without terms of its own must say all the same, in its language: a renewal has no quotation."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return []
    with translation.override(invoice.language):
        return statutory_terms(invoice.seller.country)


def wrong_before_issue(paper: Paper, *, now: datetime) -> list[Finding]:
    """What would be wrong with a paper that is only thought of, such as a quotation's invoice."""
    invoice = paper.invoice
    day = today(now, invoice.seller.zone)
    add_up(invoice, paper.content)
    rows, groups = with_invoice(paper.content.rows, invoice), vat_groups(invoice, paper.content.groups)
    content = frozen_content(paper, seller_block(invoice.seller), rows, groups, day)
    return what_is_wrong(paper, content, buyer_block(invoice), day)


def what_is_wrong(paper: Paper, content: dict[str, Any], buyer: dict[str, str], day: date) -> list[Finding]:
    """The product's own EN 16931 checks of a paper that has no number yet; a currency without e-invoices has none."""
    invoice = paper.invoice
    missing = without_rate(invoice, content)
    if not terms.can_be_electronic(invoice.currency):
        return missing
    head = terms.Head(
        kind=invoice.kind,
        number="-",
        issued_on=day,
        due_on=None if invoice.kind == Invoice.Kind.CREDIT_NOTE else paper.due_on(day),
        currency=invoice.currency,
        earlier=tuple((number, None) for number, _on in content.get("earlier", [])),
        periods=terms.period_of(content),
        language=invoice.language,
    )
    return missing + findings(terms.build(head, content, buyer), buyer["einvoice_profile"])


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
        *([line.part_days, line.part_of_days] if line.part != 1 else []),
    ]


def seller_block(seller: Seller) -> dict[str, str]:
    """The seller as printed (BG-4, BG-5, BG-17)."""
    names = (
        "legal_name short_name street street_2 postcode city region country vat_id tax_registration company_registration "
        "legal_form_note support_email bank_account_name iban bic currency contact_name phone electronic_address"
    )
    chosen = {"reference_style": seller.reference_style} if seller.reference_style else {}
    return {name: str(getattr(seller, name)) for name in names.split()} | chosen


def buyer_block(invoice: Invoice) -> dict[str, str]:
    """The buyer as printed (BG-7, BG-8)."""
    names = (
        "legal_name street street_2 postcode city region country vat_id electronic_address buyer_reference "
        "einvoice_profile"
    )
    return {name: str(getattr(invoice.customer, name)) for name in names.split()}


def plain(value: Decimal) -> str:
    """A decimal as the shortest plain text, the form that is hashed."""
    return f"{value.normalize():f}" if value else "0"
