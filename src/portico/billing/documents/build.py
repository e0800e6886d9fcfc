"""From the things of the sale to the neutral `Sheet` that page and PDF draw. Reads only; texts in the customer's language."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Customer
from portico.accounts.terms import plan_of
from portico.billing import pricing
from portico.billing.documents.einvoice.terms import can_be_electronic
from portico.billing.documents.offer import deposit_of, offered, price_selection
from portico.billing.documents.parts import (
    buyer_party,
    buyer_values,
    contact_party,
    footer_lines,
    names_vat_ids,
    no_xml_in,
    payment_of,
    seller_party,
    seller_values,
    term_texts,
)
from portico.billing.documents.plan import terms_in_words
from portico.billing.documents.sheet import (
    Sheet,
    SheetFact,
    SheetLine,
    SheetSum,
    SheetVat,
)
from portico.billing.instalments import frozen_parts
from portico.billing.models import (
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    PaymentRequest,
    QuotationLine,
    QuotationVersion,
)
from portico.billing.models.line import Line
from portico.billing.references import invoice_reference, style_in
from portico.billing.vat import statutory_note
from portico.kit import formats
from portico.kit.periods import today
from portico.kit.prepared import prepared


@prepared
def invoice_lines(invoice: Any) -> Any:
    """The lines of an invoice as printed."""
    return InvoiceLine.objects.filter(invoice=invoice).order_by("position")


@prepared
def order_lines(order: Any) -> Any:
    """The lines of an order as printed."""
    return OrderLine.objects.filter(order=order).order_by("position")


def quotation_sheet(
    version: QuotationVersion, choices: Mapping[int, Decimal], *, now: datetime, stamped: bool = False
) -> Sheet:
    """The sheet of a version with the customer's choices (by line key). `stamped` shows how it ended."""
    quotation = version.quotation
    seller, customer = quotation.seller, quotation.customer
    with translation.override(customer.language):
        lines = list(version.lines.all())
        priced = price_selection(version, choices, lines=lines)
        vat_id = names_vat_ids(group.category for group in priced.groups)
        facts = [
            SheetFact(_("Date"), (version.sent_at or now).astimezone(seller.zone).date()),
            *([SheetFact(_("Valid Until"), version.valid_until)] if version.valid_until else []),
            SheetFact(_("Currency"), version.currency),
            *terms_facts(version.agreed_parts, customer),
        ]
        sums = _sums(priced)
        if version.payment_policy == QuotationVersion.PaymentPolicy.DEPOSIT:
            percent = formats.percent(version.deposit_percent, customer.language)
            facts.append(SheetFact(_("Deposit"), percent))
            deposit = deposit_of(version, priced)
            sums += [
                SheetSum(_("Deposit due on acceptance, %(percent)s") % {"percent": percent}, deposit, "deposit"),
                SheetSum(_("Balance"), priced.total_minor - deposit, "rest"),
            ]
        stamp, tone = _quotation_stamp(version, now) if stamped else ("", "")
        return Sheet(
            kind="quotation",
            title=_("Quotation"),
            number=quotation.number,
            version=version.version,
            currency=version.currency,
            language=customer.language,
            issued_on=(version.sent_at or now).astimezone(seller.zone).date(),
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("Prepared for"), buyer_values(customer), contact=quotation.contact, vat_id=vat_id),
            contact=contact_party(quotation.salesperson),
            facts=tuple(facts),
            subject=version.title,
            intro=version.intro,
            lines=tuple(_offered_lines(lines, choices, priced)),
            vat=_vat_of(priced, customer.language),
            sums=tuple(sums),
            terms=term_texts(version.terms),
            stamp=stamp,
            stamp_tone=tone,
            signed_by_seller=quotation.salesperson.get_full_name() if quotation.salesperson else "",
            signed_by_buyer=version.acceptance.signer_name
            if version.accepted_at and hasattr(version, "acceptance")
            else "",
            show_signature=version.signature_required,
            footer=footer_lines(seller_values(seller), vat_id=vat_id),
        )


def terms_facts(parts: Sequence[Sequence[Any]], customer: Customer) -> list[SheetFact]:
    """The payment terms where they are parts; nothing for the plain case."""
    plan = plan_of(parts)
    if not plan:
        return []
    return [SheetFact(_("Payment terms"), terms_in_words(plan, customer.payment_terms_days, customer.language))]


def order_sheet(order: Order) -> Sheet:
    """The sheet of a sales order, with what was delivered and invoiced of each line."""
    customer, seller = order.customer, order.seller
    with translation.override(customer.language):
        lines: list[OrderLine] = order_lines(order=order.pk)
        priced = _priced(lines, order.currency)
        vat_id = names_vat_ids(group.category for group in priced.groups)
        facts = [
            SheetFact(_("Date"), order.ordered_on),
            SheetFact(_("Currency"), order.currency),
            *terms_facts(order.payment_parts, customer),
        ]
        if order.po_number:
            facts.append(SheetFact(_("Your order number"), order.po_number))
        if order.version is not None:
            facts.append(SheetFact(_("Quotation"), str(order.version.quotation.number)))
        cancelled = order.state == Order.State.CANCELLED
        return Sheet(
            kind="order",
            title=_("Sales order"),
            number=order.number,
            currency=order.currency,
            language=customer.language,
            issued_on=order.ordered_on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("Ordered by"), buyer_values(customer), vat_id=vat_id),
            facts=tuple(facts),
            subject=order.title,
            lines=tuple(_document_lines(lines)),
            vat=_vat_of(priced, customer.language),
            sums=tuple(_sums(priced)),
            terms=term_texts(order.terms),
            stamp=_("Cancelled") if cancelled else "",
            footer=footer_lines(seller_values(seller), vat_id=vat_id),
        )


def payment_request_sheet(request: PaymentRequest, *, paid_minor: int, reference: str) -> Sheet:
    """The sheet of a payment request: what the order asks to be paid first, and how. It is not an invoice."""
    order = request.order
    customer, seller = order.customer, order.seller
    with translation.override(customer.language):
        what = (
            _("Deposit %(percent)s on order %(number)s")
            % {"percent": formats.percent(order.deposit_percent, customer.language), "number": order.number}
            if request.kind == PaymentRequest.Kind.DEPOSIT
            else _("Payment of order %(number)s") % {"number": order.number}
        )
        sums = [SheetSum(_("Total of the order"), order.total_minor), SheetSum(what, request.amount_minor, "grand")]
        if paid_minor:
            sums += [
                SheetSum(_("Paid"), -paid_minor, "paid"),
                SheetSum(_("Amount Due"), request.amount_minor - paid_minor, "due"),
            ]
        created_on = request.created_at.astimezone(seller.zone).date()
        return Sheet(
            kind="payment_request",
            title=_("Payment request"),
            number=order.number,
            currency=request.currency,
            language=customer.language,
            issued_on=created_on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("For"), buyer_values(customer)),
            facts=(SheetFact(_("Date"), created_on), SheetFact(_("Order"), order.number)),
            subject=order.title,
            lines=(SheetLine("line", what, net_minor=request.amount_minor, quantity=Decimal(1)),),
            sums=tuple(sums),
            notes=(_("This is not an invoice. The invoice follows when your payment has arrived."),),
            payment=payment_of(
                seller_values(seller),
                reference,
                amount_minor=request.amount_minor - paid_minor,
                currency=request.currency,
            ),
            stamp=_("Paid") if request.state == PaymentRequest.State.SETTLED else "",
            stamp_tone="ok" if request.state == PaymentRequest.State.SETTLED else "",
            footer=footer_lines(seller_values(seller)),
        )


def invoice_sheet(invoice: Invoice, *, live: bool, reference: str = "") -> Sheet:
    """The sheet of an issued invoice or credit note, from its frozen copy alone.

    `live` adds what changes after issue (paid, due, stamp) for the page; the stored PDF is drawn without it, so that the
    issued file never changes.
    """
    content, buyer = invoice.content, invoice.buyer
    seller = content["seller"]
    credit = invoice.kind == Invoice.Kind.CREDIT_NOTE
    vat_id = names_vat_ids(group[0] for group in content["vat"])
    with translation.override(invoice.language):
        facts: list[SheetFact] = [SheetFact(_("Date"), _known(invoice.issued_on))]
        parts = frozen_parts(content)
        if (first_due_on := invoice.first_due_on) and not credit:
            facts.append(SheetFact(_("First part due") if parts else _("Due date"), first_due_on))
        if content["delivered_on"]:
            facts.append(SheetFact(_("Delivered on"), date.fromisoformat(content["delivered_on"])))
        facts += [
            SheetFact(label, value)
            for label, value in (
                (_("Order"), content["order"]),
                (_("Your order number"), content["po_number"]),
                (_("Refers to"), content["refers_to"]),
            )
            if value
        ]
        titles = {"invoice": _("Invoice"), "deposit": _("Deposit invoice"), "credit_note": _("Credit note")}
        stamp, tone = _invoice_stamp(invoice) if live else ("", "")
        return Sheet(
            kind={"deposit": "deposit_invoice"}.get(invoice.kind, invoice.kind),
            title=titles[invoice.kind],
            number=invoice.shown_number,
            currency=invoice.currency,
            language=invoice.language,
            issued_on=_known(invoice.issued_on),
            seller=seller_party(seller),
            seller_short_name=invoice.seller.short_name,
            buyer=buyer_party(_("Billed to"), buyer, vat_id=vat_id),
            facts=tuple(facts),
            subject=invoice.title,
            intro=invoice.reason,
            lines=tuple(_document_lines(invoice_lines(invoice=invoice.pk))),
            vat=tuple(
                SheetVat(category, Decimal(rate), base, vat_minor, note)
                for category, rate, base, vat_minor, _code, note in content["vat"]
            ),
            sums=tuple(_invoice_sums(invoice, live=live)),
            vat_in_seller_currency=_vat_at_home(content, invoice),
            seller_currency=seller.get("currency", ""),
            terms=term_texts(content["terms"]),
            notes=(*_paying_notes(content), *(() if live else _missing_xml(invoice))),
            payment=payment_of(
                seller,
                reference,
                amount_minor=invoice.left_to_pay_minor if live else invoice.total_minor,
                currency=invoice.currency,
            )
            if not (credit or content["prepaid"] or charged_by_itself(content)) and reference
            else None,
            stamp=stamp,
            stamp_tone=tone,
            footer=footer_lines(seller, vat_id=vat_id),
        )


def charged_by_itself(content: Mapping[str, Any]) -> bool:
    """Whether auto-pay was on when the paper was issued: it asks for no transfer."""
    return bool((content.get("means") or {}).get("auto"))


def _paying_notes(content: Mapping[str, Any]) -> tuple[str, ...]:
    """That it is paid, or how it will be without anybody doing anything."""
    if content["prepaid"]:
        return (_("Already paid. Nothing is left to pay."),)
    if not charged_by_itself(content):
        return ()
    means = content["means"]
    if means["code"] == "48":
        how = _("We charge your saved card ending in %(digits)s.") % {"digits": means["card"]}
    elif means["code"] == "59":
        how = _(
            "We collect it by SEPA direct debit from your account ending in %(digits)s. Mandate %(mandate)s, our creditor "
            "identifier %(creditor)s."
        ) % {
            "digits": means["account"].lstrip("*"),
            "mandate": means["mandate"],
            "creditor": means["creditor"],
        }
    else:
        how = _("We charge your saved way to pay.")
    return (" ".join((_("Auto-pay is on: you need not transfer anything."), how)),)


def _missing_xml(invoice: Invoice) -> tuple[str, ...]:
    """Why the PDF has no e-invoice inside; the page says it beside its files."""
    if can_be_electronic(invoice.currency) or invoice.is_imported:
        return ()
    return (no_xml_in(invoice.currency),)


def reference_of(invoice: Invoice) -> str:
    """What the payer of an invoice writes on a transfer, as it is printed."""
    return invoice_reference(invoice.shown_number, invoice.pk, style_in(invoice.content["seller"]))


# Parts -----------------------------------------------------------------------------------------------------------------


def _offered_lines(
    lines: Iterable[QuotationLine], choices: Mapping[int, Decimal], priced: pricing.Priced
) -> Iterable[SheetLine]:
    """Lines as offered, with the customer's quantity, or the seller's where the line is not chosen."""
    chosen = {line.key: line for line in priced.lines}
    rows: list[SheetLine] = []
    for line in lines:
        quantity = choices.get(line.key) or line.quantity
        net = chosen[line.key].net_minor if line.key in chosen else _net_alone(line, priced.currency)
        rows.append(
            SheetLine(
                kind=line.kind,
                name=line.name,
                key=line.key,
                detail=line.detail,
                quantity=quantity if line.kind == Line.Kind.LINE else None,
                unit=line.unit,
                unit_price=line.unit_price if line.kind == Line.Kind.LINE else None,
                discount_percent=line.discount_percent,
                vat_category=line.vat_category,
                vat_rate=line.vat_rate,
                net_minor=-net if line.kind == Line.Kind.ALLOWANCE else net,
                optional=line.optional,
                included=line.key in chosen or line.kind in {Line.Kind.SECTION, Line.Kind.NOTE},
                quantity_min=line.quantity_min,
                quantity_max=line.quantity_max,
            )
        )
    return _with_section_sums(rows)


def _net_alone(line: QuotationLine, currency: str) -> int:
    """What a line that was not chosen would cost."""
    if line.kind in {Line.Kind.SECTION, Line.Kind.NOTE}:
        return 0
    alone = pricing.choose(offered([line]), {line.key: line.quantity})
    return pricing.price(alone, currency).lines[0].net_minor


def _document_lines(lines: Iterable[OrderLine | InvoiceLine]) -> Iterable[SheetLine]:
    rows = [
        SheetLine(
            kind=line.kind,
            name=line.name,
            key=line.pk,
            detail=line.detail,
            quantity=line.quantity if line.kind == Line.Kind.LINE else None,
            unit=line.unit,
            unit_price=line.unit_price if line.kind == Line.Kind.LINE else None,
            discount_percent=line.discount_percent,
            vat_category=line.vat_category,
            vat_rate=line.vat_rate,
            net_minor=-line.net_minor if line.kind == Line.Kind.ALLOWANCE else line.net_minor,
            delivered_quantity=line.delivered_quantity if isinstance(line, OrderLine) else None,
            invoiced_quantity=line.invoiced_quantity if isinstance(line, OrderLine) else None,
        )
        for line in lines
    ]
    return _with_section_sums(rows)


def _with_section_sums(rows: list[SheetLine]) -> Iterable[SheetLine]:
    """Give each section the sum of the chosen lines up to the next section."""
    sums: dict[int, int] = {}
    section = -1
    for index, row in enumerate(rows):
        if row.kind == "section":
            section = index
        elif row.kind == "line" and row.included and section >= 0:
            sums[section] = sums.get(section, 0) + row.net_minor
    for index, row in enumerate(rows):
        yield replace(row, net_minor=sums.get(index, 0)) if row.kind == "section" else row


def _sums(priced: pricing.Priced) -> list[SheetSum]:
    rows = []
    if priced.allowances_minor or priced.charges_minor:
        rows.append(SheetSum(_("Subtotal"), priced.lines_net_minor))
        if priced.allowances_minor:
            rows.append(SheetSum(_("Discount"), -priced.allowances_minor))
        if priced.charges_minor:
            rows.append(SheetSum(_("Charges"), priced.charges_minor))
    return [
        *rows,
        SheetSum(_("Total excluding VAT"), priced.net_minor, "net"),
        SheetSum(_("VAT"), priced.vat_minor, "vat"),
        SheetSum(_("Total"), priced.total_minor, "grand"),
    ]


def _invoice_sums(invoice: Invoice, *, live: bool) -> list[SheetSum]:
    totals = invoice.content["totals"]
    rows = []
    if totals["allowances"] or totals["charges"]:
        rows.append(SheetSum(_("Subtotal"), totals["lines"]))
        if totals["allowances"]:
            rows.append(SheetSum(_("Discount"), -totals["allowances"]))
        if totals["charges"]:
            rows.append(SheetSum(_("Charges"), totals["charges"]))
    rows += [
        SheetSum(_("Total excluding VAT"), totals["net"], "net"),
        SheetSum(_("VAT"), totals["vat"], "vat"),
        SheetSum(_("Total"), totals["total"], "grand"),
    ]
    rows += [
        SheetSum(_("Due %(date)s") % {"date": formats.day(part.due_on, invoice.language)}, part.amount_minor, "part")
        for part in frozen_parts(invoice.content)
    ]
    if live and invoice.kind != Invoice.Kind.CREDIT_NOTE:
        settled = invoice.total_minor - invoice.amount_due_minor
        if settled:
            rows.append(SheetSum(_("Paid or credited"), -settled, "paid"))
        rows.append(SheetSum(_("Amount Due"), invoice.amount_due_minor, "due"))
        if invoice.on_its_way_minor:
            rows.append(SheetSum(_("On its way"), -invoice.on_its_way_minor, "paid"))
            rows.append(SheetSum(_("Left to pay"), invoice.left_to_pay_minor, "due"))
    return rows


def _vat_of(priced: pricing.Priced, language: str) -> tuple[SheetVat, ...]:
    return tuple(
        SheetVat(
            group.category, group.rate, group.base_minor, group.vat_minor, statutory_note(group.category, language)
        )
        for group in priced.groups
    )


def _priced(lines: Iterable[Line], currency: str) -> pricing.Priced:
    return pricing.price(
        [
            pricing.LineIn(
                key=line.pk,
                kind=line.kind,
                quantity=line.quantity,
                unit_price=line.unit_price,
                discount_percent=line.discount_percent,
                vat_category=line.vat_category,
                vat_rate=line.vat_rate,
            )
            for line in lines
            if line.kind not in {Line.Kind.SECTION, Line.Kind.NOTE}
        ],
        currency,
    )


def _quotation_stamp(version: QuotationVersion, now: datetime) -> tuple[str, str]:
    return {
        "accepted": (_("Accepted"), "ok"),
        "rejected": (_("Rejected"), "danger"),
        "expired": (_("Expired"), "warn"),
        "withdrawn": (_("Withdrawn"), ""),
        "superseded": (_("Replaced"), ""),
    }.get(version.status(now), ("", ""))


def _invoice_stamp(invoice: Invoice) -> tuple[str, str]:
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return "", ""
    return {"paid": (_("Paid"), "ok"), "credited": (_("Credited"), "")}.get(invoice.payment_state, ("", ""))


def _vat_at_home(content: Mapping[str, Any], invoice: Invoice) -> SheetSum | None:
    """VAT of a paper in a foreign currency as the seller's tax office reads it (BT-111), with the rate and its day."""
    found = content.get("vat_in_seller_currency")
    if not found:
        return None
    label = _("VAT in %(home)s, 1 %(home)s = %(rate)s %(currency)s on %(day)s") % {
        "home": content["seller"]["currency"],
        "rate": formats.quantity(Decimal(found["rate"]), invoice.language),
        "currency": invoice.currency,
        "day": formats.day(date.fromisoformat(found["on"]), invoice.language),
    }
    return SheetSum(label, found["minor"])


def _known(day: date | None) -> date:
    """The day of an issued paper; a draft has none and no sheet."""
    if day is None:
        raise ValueError("a draft invoice has no sheet")
    return day


def days_left(version: QuotationVersion, now: datetime) -> int:
    """Days until Valid Until, today excluded; negative when it is over."""
    return (_known(version.valid_until) - today(now, version.quotation.seller.zone)).days
