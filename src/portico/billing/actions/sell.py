"""The quotation's story: written, sent, viewed, decided. Each function opens its own transaction.

Every decision first locks the quotation's row, then claims the version with a conditional UPDATE, so that of two people
at the same moment exactly one decides and the other reads what happened.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Event, Membership, Seller, User
from portico.billing import pricing, vat
from portico.billing.actions.order import place_order
from portico.billing.documents import build, render
from portico.billing.documents.offer import offered, price_selection
from portico.billing.models import (
    Acceptance,
    Approval,
    ChangeRequest,
    Order,
    Product,
    Quotation,
    QuotationLine,
    QuotationVersion,
    QuotationView,
    Selection,
)
from portico.billing.models.invoice import canonical
from portico.billing.models.line import Line
from portico.kit import files
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.periods import today

VIEW_AGAIN_AFTER = timedelta(hours=1)
CONSENT = "I accept this quotation for {company} as shown, and I may decide for it."


# Writing ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineDraft:
    """One line as the editor sends it. `key` 0 is a new line; `product_id` None a free line."""

    kind: str
    name: str
    key: int = 0
    product_id: int | None = None
    detail: str = ""
    quantity: Decimal = Decimal(1)
    unit: str = ""
    unit_price: Decimal = Decimal(0)
    discount_percent: Decimal = Decimal(0)
    vat_rate: Decimal | None = None
    optional: bool = False
    selected: bool = True
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None


def draft_quotation(*, seller: Seller, customer: Customer, by: User | None, now: datetime, **fields: Any) -> Quotation:
    """A new quotation with its number and an empty first version; `fields` as on Quotation (kind, origin, …)."""
    with transaction.atomic():
        quotation = Quotation.draft(seller=seller, customer=customer, salesperson=by, now=now, **fields)
        Event.record("quotation.drafted", quotation, now=now, by=by, customer=customer, visible=False)
    return quotation


def save_draft(
    *,
    version: QuotationVersion,
    revision: int,
    fields: Mapping[str, Any],
    lines: Sequence[LineDraft],
    now: datetime,
) -> None:
    """Replace the draft's content. `revision` is the one the editor loaded: Conflict when somebody saved meanwhile.

    `fields`: title, intro, change_note, valid_until, payment_policy, deposit_percent, invoice_policy,
    invoice_before_payment, signature_required, terms, terms_version. Lines are priced; the VAT category and rate follow
    product, seller and customer (DOMAIN 2). Raises Invalid naming the line that is wrong.
    """
    with transaction.atomic():
        quotation = _locked(version.quotation_id)
        fresh = quotation.versions.get(pk=version.pk)
        if fresh.state != QuotationVersion.State.DRAFT:
            raise Conflict(_("This version was sent meanwhile and can no longer be edited. Draft a new version."))
        if fresh.revision != revision:
            raise Conflict(_("Somebody else saved this draft meanwhile. Look at it again before you save."))
        for name, value in fields.items():
            setattr(fresh, name, value)
        if fresh.payment_policy != QuotationVersion.PaymentPolicy.DEPOSIT:
            fresh.deposit_percent = Decimal(0)
        rows = _rows(quotation, fresh, lines)
        priced = pricing.price(pricing.choose(offered(rows), {}), fresh.currency)
        _put_totals(fresh, priced)
        fresh.revision += 1
        fresh.save()
        fresh.lines.all().delete()
        for row, line_net in _with_nets(rows, fresh.currency):
            row.net_minor = line_net
        QuotationLine.objects.bulk_create(rows)
        del now
    version.refresh_from_db()


def price_draft(version: QuotationVersion, lines: Sequence[LineDraft]) -> pricing.Priced:
    """What the draft would cost with these lines, as `save_draft` would keep it; nothing is written.

    Raises Invalid naming the line that is wrong. `version.quotation` comes with its seller and customer.
    """
    rows = _rows(version.quotation, version, lines)
    return pricing.price(pricing.choose(offered(rows), {}), version.currency)


def _rows(quotation: Quotation, version: QuotationVersion, drafts: Sequence[LineDraft]) -> list[QuotationLine]:
    """The rows of a draft, with keys, VAT category and rate."""
    products = Product.objects.filter(seller=quotation.seller).in_bulk([d.product_id for d in drafts if d.product_id])
    next_key = 1 + max([draft.key for draft in drafts] + [line.key for line in _all_lines(quotation)] + [0])
    rows = []
    for position, draft in enumerate(drafts, start=1):
        product = products.get(draft.product_id or 0)
        if draft.product_id and product is None:
            raise Invalid(_("Line %(position)s names a product that does not exist.") % {"position": position})
        row = QuotationLine(
            version=version, key=draft.key or next_key, position=position, kind=draft.kind, name=draft.name.strip(),
            detail=draft.detail.strip(), product=product, unit=draft.unit,
        )  # fmt: skip
        next_key += 0 if draft.key else 1
        if not row.name:
            raise Invalid(_("Line %(position)s has no name.") % {"position": position})
        if draft.kind in {Line.Kind.LINE, Line.Kind.ALLOWANCE, Line.Kind.CHARGE}:
            _put_amounts(row, draft, quotation)
        rows.append(row)
    if len({row.key for row in rows}) != len(rows):
        raise Invalid(_("The same line was sent twice. Reload the page and try again."))
    return rows


def _put_amounts(row: QuotationLine, draft: LineDraft, quotation: Quotation) -> None:
    """Quantity, price, discount, options and VAT of a row that counts; Invalid when out of range."""
    where = {"name": row.name}
    row.quantity = draft.quantity if draft.kind == Line.Kind.LINE else Decimal(1)
    row.unit_price, row.discount_percent = draft.unit_price, draft.discount_percent
    if row.quantity <= 0:
        raise Invalid(_("%(name)s: the quantity must be above zero.") % where)
    if row.unit_price < 0:
        raise Invalid(_("%(name)s: a price is not negative. Use a discount or an allowance.") % where)
    if not 0 <= row.discount_percent <= 100:
        raise Invalid(_("%(name)s: the discount is between 0 and 100 percent.") % where)
    row.optional = draft.optional and draft.kind == Line.Kind.LINE
    row.selected = draft.selected or not row.optional
    row.quantity_min, row.quantity_max = draft.quantity_min, draft.quantity_max
    if (row.quantity_min is None) != (row.quantity_max is None) or (
        row.quantity_min is not None
        and row.quantity_max is not None
        and not 0 < row.quantity_min <= row.quantity <= row.quantity_max
    ):
        raise Invalid(_("%(name)s: the quantity must lie between the smallest and the largest allowed.") % where)
    rate = draft.vat_rate if draft.vat_rate is not None else (row.product.vat_rate if row.product else Decimal(20))
    decision = vat.decide(
        kind=row.product.kind if row.product else Product.Kind.SERVICE,
        seller_country=quotation.seller.country,
        buyer_country=quotation.customer.country,
        buyer_vat_checked=quotation.customer.vat_checked,
        product_category=row.product.vat_category if row.product and draft.vat_rate is None else ("S" if rate else "Z"),
        product_rate=rate,
    )
    row.vat_category, row.vat_rate = decision.category, decision.rate


def _all_lines(quotation: Quotation) -> list[QuotationLine]:
    return list(QuotationLine.objects.filter(version__quotation=quotation).only("key"))


def new_version(*, quotation: Quotation, by: User, now: datetime) -> QuotationVersion:
    """Draft the next version as a copy of the last; the one that the customer sees stays as it is until this is sent.

    Returns the draft that is already there, if any. Conflict when the quotation was accepted.
    """
    with transaction.atomic():
        quotation = _locked(quotation.pk)
        versions = list(quotation.versions.order_by("version"))
        last = versions[-1]
        if any(version.state == QuotationVersion.State.ACCEPTED for version in versions):
            raise Conflict(_("This quotation was accepted. Write a new quotation for anything more."))
        if last.state == QuotationVersion.State.DRAFT:
            return last
        lines = list(last.lines.all())
        copied = QuotationVersion(
            quotation=quotation, version=last.version + 1, created_at=now, created_by=by,
            **{name: getattr(last, name) for name in COPIED},
        )  # fmt: skip
        if copied.valid_until is not None and copied.valid_until < today(now, quotation.seller.zone):
            copied.valid_until = None
        copied.save()
        for line in lines:
            line.pk, line.version = None, copied
            line._state.adding = True
        QuotationLine.objects.bulk_create(lines)
        Event.record(
            "quotation.version_drafted", quotation, now=now, by=by, customer=quotation.customer, visible=False,
            version=copied.version,
        )  # fmt: skip
    return copied


COPIED = (
    "currency net_minor vat_minor total_minor title intro valid_until payment_policy deposit_percent invoice_policy "
    "invoice_before_payment signature_required terms terms_version"
).split()


def send_quotation(*, quotation: Quotation, by: User, now: datetime) -> QuotationVersion:
    """Send the drafted version: it freezes, supersedes the open one, and answers the wishes made about it.

    Raises Invalid when something is missing that an invoice will need (EN 16931), or Valid Until is in the past.
    """
    with transaction.atomic():
        quotation = _locked(quotation.pk)
        version = quotation.versions.filter(state=QuotationVersion.State.DRAFT).first()
        if version is None:
            raise Conflict(_("There is no draft to send. Draft a new version first."))
        version.quotation = quotation
        version.send(by=by, valid_until=_check_complete(version, now), now=now)
        ChangeRequest.answer_open(quotation.pk, now)
        Event.record(
            "quotation.sent", quotation, now=now, by=by, customer=quotation.customer, number=quotation.number,
            version=version.version, total_minor=version.total_minor,
        )  # fmt: skip
    return version


def _check_complete(version: QuotationVersion, now: datetime) -> date:
    """The product's own EN 16931 checks, before a customer can agree to what could not be invoiced; returns Valid Until."""
    quotation, lines = version.quotation, list(version.lines.all())
    if not any(line.kind == Line.Kind.LINE for line in lines):
        raise Invalid(_("A quotation needs at least one line with a price."))
    if not version.title.strip():
        raise Invalid(_("Give the quotation a title: it is how the customer recognises it."))
    if version.valid_until is None:
        raise Invalid(_("Set Valid Until: the last day on which the customer may accept."))
    if version.valid_until < today(now, quotation.seller.zone):
        raise Invalid(_("Valid Until lies in the past. Choose today or a later day."))
    for party in (quotation.seller, quotation.customer):
        if not (party.legal_name and party.country):
            raise Invalid(_("Name and country of both companies must be known before a quotation is sent."))
    priced = price_selection(version, {})
    if priced.total_minor <= 0:
        raise Invalid(_("The total must be above zero."))
    vat.check_groups([(group.category, group.rate) for group in priced.groups])
    return version.valid_until


def withdraw_quotation(*, quotation: Quotation, by: User, now: datetime) -> None:
    """The seller takes an open quotation back."""
    with transaction.atomic():
        version = _current(quotation)
        version.withdraw(by=by, now=now)
        _record("quotation.withdrawn", version, by=by, now=now)


# Looking ---------------------------------------------------------------------------------------------------------------


def record_view(*, version: QuotationVersion, by: User, ip: str | None, user_agent: str, now: datetime) -> None:
    """A member opened the quotation. Once per person and hour; the first of all makes an event for the salesperson."""
    if version.views.filter(user=by, at__gt=now - VIEW_AGAIN_AFTER).exists():
        return
    with transaction.atomic():
        QuotationView.objects.create(version=version, user=by, at=now, ip=ip, user_agent=user_agent[:300])
        first = QuotationVersion.objects.filter(pk=version.pk, first_viewed_at=None).update(first_viewed_at=now)
        if first:
            _record("quotation.viewed", version, by=by, now=now)


# Deciding --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signature:
    """Who signs and how: kind none, typed or drawn; `value` is the typed name or the drawn path (SVG path data)."""

    name: str
    title: str = ""
    kind: str = "none"
    value: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a decision came from, for the evidence."""

    ip: str | None
    user_agent: str
    auth_method: str


@dataclass(frozen=True)
class Accepted:
    """The outcome of accepting: the order, or, while a second approver is needed, the first approval."""

    order: Order | None = None
    approval: Approval | None = None


def accept_quotation(
    *,
    quotation: Quotation,
    by: Membership,
    version: int,
    choices: Mapping[int, Decimal],
    seen_total_minor: int,
    consent: bool,
    signature: Signature,
    po_number: str,
    origin: Origin,
    now: datetime,
) -> Accepted:
    """Accept the version and total that the person saw; the order is made in the same transaction.

    Raises Conflict when the version is not the current open one any more, it expired, or the total is another one;
    Forbidden without the role; Invalid without consent or a required signature. The PDF as accepted is stored first;
    what the transaction then writes is all or nothing.
    """
    if not by.may_decide:
        raise Forbidden(_("Accepting needs the role of an approver. Ask an owner of your company's account."))
    shown = _current_of(quotation)
    _refuse_changed(shown, version)
    choices = _settled_choices(shown, choices)
    priced = price_selection(shown, choices)
    if priced.total_minor != seen_total_minor:
        raise Conflict(_("The total is not the one you saw. Nothing was accepted. Look at the quotation again."))
    if priced.total_minor <= 0:
        raise Invalid(_("With this choice nothing is left to buy. Choose at least one line, or reject the quotation."))
    _check_signature(shown, signature, consent=consent)
    if shown.validity_is_over(now):
        raise Conflict(_("This quotation has expired. Nothing was accepted. Ask for a new quotation."))
    sheet = build.quotation_sheet(shown, choices, now=now)
    pdf = files.store(render.render_pdf(sheet), "application/pdf")
    with transaction.atomic():
        quotation = _locked(quotation.pk)
        current = _current(quotation)
        _refuse_changed(current, version)
        approval = _first_approval(current, choices, priced, by=by, now=now)
        if approval is not None:
            return Accepted(approval=approval)
        current.accept(by=by.user, now=now)
        selection = Selection.objects.create(
            version=current,
            choices=_as_text(choices),
            total_minor=priced.total_minor,
            made_by=by.user,
            made_at=now,
        )
        Acceptance.objects.create(
            version=current,
            selection=selection,
            total_minor=priced.total_minor,
            pdf=pdf,
            pdf_sha256=pdf.sha256,
            data_sha256=hashlib.sha256(canonical(evidence_data(current, choices, priced))).hexdigest(),
            terms_version=current.terms_version,
            consent=_(CONSENT).format(company=by.customer.legal_name),
            po_number=po_number.strip()[:60],
            signer_name=signature.name.strip() or by.user.get_full_name(),
            signer_title=signature.title.strip(),
            signature_kind=signature.kind,
            signature=signature.value if signature.kind != "none" else "",
            accepted_by=by.user,
            auth_method=origin.auth_method,
            accepted_at=now,
            ip=origin.ip,
            user_agent=origin.user_agent[:300],
            view_history=[[view.at.isoformat(), view.pk] for view in current.views.all()],
        )
        _record("quotation.accepted", current, by=by.user, now=now, total_minor=priced.total_minor)
        quantities = {line.key: line.quantity for line in pricing.choose(offered(list(current.lines.all())), choices)}
        order = place_order(
            version=current,
            lines=[
                (line, quantities.get(line.key, Decimal(0)))
                for line in current.lines.all()
                if line.key in quantities or line.kind in {Line.Kind.SECTION, Line.Kind.NOTE}
            ],
            priced=priced,
            po_number=po_number.strip()[:60],
            by=by.user,
            now=now,
        )
    return Accepted(order=order)


def evidence_data(version: QuotationVersion, choices: Mapping[int, Decimal], priced: pricing.Priced) -> dict[str, Any]:
    """The canonical data of what was accepted: version, lines with their quantities, totals, terms."""
    return {
        "quotation": version.quotation.number,
        "version": version.version,
        "currency": version.currency,
        "choices": _as_text(choices),
        "lines": [
            [
                line.key, line.kind, line.name, line.detail, str(line.quantity), str(line.unit_price),
                str(line.discount_percent), line.vat_category, str(line.vat_rate), line.optional,
            ]
            for line in version.lines.all()
        ],
        "groups": [[g.category, str(g.rate), g.base_minor, g.vat_minor] for g in priced.groups],
        "total": priced.total_minor,
        "terms": version.terms,
        "terms_version": version.terms_version,
        "valid_until": version.valid_until.isoformat() if version.valid_until else "",
        "payment_policy": [version.payment_policy, str(version.deposit_percent), version.invoice_policy],
    }  # fmt: skip


def needs_second_approval(version: QuotationVersion, total_minor: int) -> bool:
    """Whether the customer asks for two approvers at this total."""
    limit = version.quotation.customer.second_approval_above_minor
    return limit is not None and total_minor > limit


def _first_approval(
    version: QuotationVersion, choices: Mapping[int, Decimal], priced: pricing.Priced, *, by: Membership, now: datetime
) -> Approval | None:
    """Record the first of two approvals where two are needed; None when the acceptance may go on."""
    if not needs_second_approval(version, priced.total_minor):
        return None
    approval = Approval.objects.filter(version=version).select_related("selection").first()
    if approval is not None:
        if approval.by_id == by.user_id:
            raise Conflict(_("You approved this already. A second approver must accept it now."))
        if approval.selection.choices != _as_text(choices):
            raise Conflict(
                _("The first approver chose other options. Nothing was accepted; look at that choice first.")
            )
        return None
    selection = Selection.objects.create(
        version=version, choices=_as_text(choices), total_minor=priced.total_minor, made_by=by.user, made_at=now
    )
    approval = Approval.objects.create(version=version, selection=selection, by=by.user, at=now)
    _record("quotation.approved", version, by=by.user, now=now, total_minor=priced.total_minor)
    return approval


def ask_for_changes(
    *,
    quotation: Quotation,
    by: Membership,
    version: int,
    message: str,
    wishes: Mapping[int, tuple[str, Decimal | None, str]],
    now: datetime,
) -> ChangeRequest:
    """The customer asks for something else: a message and, by line key, a wish (quantity, remove, comment).

    The quotation can still be accepted or rejected until a new version is sent. Raises Invalid without a word.
    """
    _refuse_undecided_role(by)
    if not message.strip() and not wishes:
        raise Invalid(_("Say what should change: a message, or a wish for at least one line."))
    with transaction.atomic():
        current = _current(quotation)
        _refuse_changed(current, version)
        lines = {line.key: line for line in current.lines.all()}
        if not set(wishes) <= set(lines):
            raise Invalid(_("One of the lines is not on this quotation. Reload the page and try again."))
        current.ask_for_changes(by=by.user, now=now)
        request = ChangeRequest.objects.create(version=current, message=message.strip()[:4000], by=by.user, at=now)
        request.add_wishes(
            [
                {"line": lines[key], "wish": wish, "quantity": quantity, "comment": comment.strip()[:500]}
                for key, (wish, quantity, comment) in wishes.items()
            ]
        )
        _record("quotation.changes_requested", current, by=by.user, now=now, request=request.pk)
    return request


def reject_quotation(
    *, quotation: Quotation, by: Membership, version: int, reason: str, comment: str, now: datetime
) -> None:
    """The customer rejects the current version, with a reason; it can be reopened until Valid Until."""
    _refuse_undecided_role(by)
    if reason not in QuotationVersion.RejectedReason.values:
        raise Invalid(_("Choose a reason, so that we understand."))
    with transaction.atomic():
        current = _current(quotation)
        _refuse_changed(current, version)
        current.reject(by=by.user, reason=reason, comment=comment.strip()[:2000], now=now)
        _record("quotation.rejected", current, by=by.user, now=now, reason=reason)


def reopen_quotation(*, quotation: Quotation, by: Membership, now: datetime) -> None:
    """An approver reopens what was rejected, until Valid Until."""
    _refuse_undecided_role(by)
    with transaction.atomic():
        current = _current(quotation)
        current.reopen(now=now)
        _record("quotation.reopened", current, by=by.user, now=now)


def ask_for_new_quotation(*, quotation: Quotation, by: Membership, message: str, now: datetime) -> ChangeRequest:
    """After expiry or withdrawal the customer asks for a new quotation. Conflict while the old one can be decided."""
    _refuse_undecided_role(by)
    with transaction.atomic():
        current = _current(quotation)
        if not (current.is_expired(now) or current.validity_is_over(now)):
            raise Conflict(_("This quotation is still valid. Decide on it, or ask for changes."))
        if current.state == QuotationVersion.State.ACCEPTED:
            raise Conflict(_("This quotation was accepted. Ask a question on its order instead."))
        kind = ChangeRequest.Kind.NEW_QUOTATION
        if current.change_requests.filter(kind=kind, answered_at=None).exists():
            raise Conflict(_("A new quotation was asked for already. The seller has your request."))
        request = ChangeRequest.objects.create(
            version=current, kind=kind, message=message.strip()[:4000], by=by.user, at=now
        )
        _record("quotation.new_requested", current, by=by.user, now=now, request=request.pk)
    return request


# Small parts -----------------------------------------------------------------------------------------------------------


def _locked(pk: int) -> Quotation:
    """The quotation, its row locked until the transaction ends (SQLite locks the whole file at BEGIN IMMEDIATE)."""
    rows = Quotation.objects.select_for_update(of=("self",)).select_related("seller", "customer")
    return rows.get(pk=pk)


def _current(quotation: Quotation) -> QuotationVersion:
    """The version the customer sees, read after the quotation was locked."""
    return _current_of(_locked(quotation.pk))


def _current_of(quotation: Quotation) -> QuotationVersion:
    version = (
        QuotationVersion.objects.select_related("quotation__seller", "quotation__customer")
        .filter(pk=quotation.current_id or 0)
        .first()
    )
    if version is None:
        raise Conflict(_("This quotation has not been sent yet."))
    return version


def _refuse_changed(current: QuotationVersion, version: int) -> None:
    if current.version != version:
        raise Conflict(_("A new version of this quotation was sent meanwhile. Nothing was changed. Look at it first."))


def _refuse_undecided_role(by: Membership) -> None:
    if not by.may_decide:
        raise Forbidden(_("Deciding needs the role of an approver. Ask an owner of your company's account."))


def _settled_choices(version: QuotationVersion, choices: Mapping[int, Decimal]) -> dict[int, Decimal]:
    """The choices that differ from what is offered, so that the same selection always reads the same."""
    proposed = {line.key: (line.quantity if line.selected else Decimal(0)) for line in version.lines.all()}
    return {key: value for key, value in choices.items() if key not in proposed or value != proposed[key]}


def _as_text(choices: Mapping[int, Decimal]) -> dict[str, str]:
    return {str(key): f"{value.normalize():f}" for key, value in sorted(choices.items())}


def choices_of(selection: Selection) -> dict[int, Decimal]:
    """A stored selection as pricing reads it."""
    return {int(key): Decimal(value) for key, value in selection.choices.items()}


def _check_signature(version: QuotationVersion, signature: Signature, *, consent: bool) -> None:
    if not consent:
        raise Invalid(_("Tick the box to say that you accept for your company. Nothing was accepted yet."))
    if not version.signature_required:
        return
    if not signature.name.strip() or signature.kind not in {"typed", "drawn"} or not signature.value.strip():
        raise Invalid(_("Sign by typing your name or drawing it. Nothing was accepted yet."))
    if signature.kind == "drawn" and not drawn_path_is_safe(signature.value):
        raise Invalid(_("The drawn signature could not be read. Draw it again, or type your name."))


def drawn_path_is_safe(path: str) -> bool:
    """Whether a drawn signature is SVG path data and nothing else: M, L, numbers; at most 20,000 characters."""
    return 0 < len(path) <= 20_000 and set(path) <= set("ML0123456789.,- ") and path[0] == "M"


def _put_totals(version: QuotationVersion, priced: pricing.Priced) -> None:
    version.net_minor, version.vat_minor, version.total_minor = priced.net_minor, priced.vat_minor, priced.total_minor


def _with_nets(rows: Sequence[QuotationLine], currency: str) -> list[tuple[QuotationLine, int]]:
    """Each row with its own net, as if chosen."""
    everything = {row.key: row.quantity for row in rows if row.optional}
    nets = {
        line.key: line.net_minor for line in pricing.price(pricing.choose(offered(rows), everything), currency).lines
    }
    return [(row, nets.get(row.key, 0)) for row in rows]


def _record(name: str, version: QuotationVersion, *, by: User, now: datetime, **data: Any) -> None:
    quotation = version.quotation
    Event.record(
        name,
        quotation,
        now=now,
        by=by,
        customer=quotation.customer,
        number=quotation.number,
        version=version.version,
        **data,
    )


def default_valid_until(now: datetime, seller: Seller) -> date:
    """Thirty days from today in the seller's zone."""
    return today(now, seller.zone) + timedelta(days=30)
