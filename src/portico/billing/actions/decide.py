"""The customer's decision: accepted, rejected, reopened, or asked for something else. Each opens its own transaction.

Every decision first locks the quotation's row, then claims the version with a conditional UPDATE, so that of two people
at the same moment exactly one decides and the other reads what happened.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Membership, events_together
from portico.billing import letters, pricing
from portico.billing.actions.draft import locked
from portico.billing.actions.order import place_order
from portico.billing.actions.send import current_of, current_version, record
from portico.billing.documents import drawn
from portico.billing.documents.offer import offered, price_selection
from portico.billing.models import (
    Acceptance,
    Approval,
    ChangeRequest,
    Mandate,
    Order,
    Quotation,
    QuotationLine,
    QuotationVersion,
    QuotationView,
    Selection,
)
from portico.billing.models.invoice import canonical
from portico.billing.models.line import Line
from portico.kit.adding import add
from portico.kit.crash import crashpoint
from portico.kit.db import tried_again
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.prepared import prepared

CONSENT = "I accept this quotation for {company} as shown, and I may decide for it."


@prepared
def lines_of_version(version: Any) -> Any:
    """What a version offers, in its order."""
    return QuotationLine.objects.filter(version=version).order_by("position")


@prepared
def views_of(version: Any) -> Any:
    """When a version was looked at: the moment and the key of each look."""
    return QuotationView.objects.filter(version=version).order_by("at").values_list("at", "pk")


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


@tried_again
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
    mandate: Mandate | None = None,
    shown: QuotationVersion | None = None,
) -> Accepted:
    """Accept the version and total that the person saw; the order is made in the same transaction.

    `shown` is its current version where that was read already (`shown_of`). Under a `mandate` it is accepted in the name
    of who gave it, and the evidence holds the mandate and its wording.

    Raises Conflict when the version is not the current open one any more, it expired, or the total is another one;
    Forbidden without the role; Invalid without consent or a required signature. The PDF as accepted is stored first;
    what the transaction then writes is all or nothing.
    """
    crashpoint("request parsed")
    if not by.may_decide:
        raise Forbidden(_("Accepting needs the role of an approver. Ask an owner of your company's account."))
    shown = shown or shown_of(quotation)
    _refuse_changed(shown, version)
    shown.refuse_closed(now)
    choices = _settled_choices(shown, choices)
    priced = price_selection(shown, choices)
    if priced.total_minor != seen_total_minor:
        raise Conflict(_("The total is not the one you saw. Nothing was accepted. Look at the quotation again."))
    if priced.total_minor <= 0 and not (quotation.trial_days and priced.total_minor == 0):
        raise Invalid(_("With this choice nothing is left to buy. Choose at least one line, or reject the quotation."))
    _check_signature(shown, signature, consent=consent)
    pdf = drawn.paper_of(shown, choices, now=now)
    with transaction.atomic(), events_together():
        quotation = locked(quotation.pk)
        crashpoint("quote locked")
        current = current_of(quotation)
        _refuse_changed(current, version)
        current.refuse_closed(now)
        current.know_lines(shown.lines.all())
        approval = _first_approval(current, choices, priced, by=by, now=now)
        if approval is not None:
            return Accepted(approval=approval)
        current.accept(by=by.user, now=now)
        selection = add(
            Selection(
                version=current,
                choices=_as_text(choices),
                total_minor=priced.total_minor,
                made_by=by.user,
                made_at=now,
            )
        )
        add(
            Acceptance(
                version=current,
                selection=selection,
                total_minor=priced.total_minor,
                pdf=pdf,
                pdf_sha256=pdf.sha256,
                data_sha256=hashlib.sha256(canonical(evidence_data(current, choices, priced))).hexdigest(),
                terms_version=current.terms_version,
                consent=mandate.consent if mandate else _(CONSENT).format(company=by.customer.legal_name),
                mandate=mandate,
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
                view_history=[[at.isoformat(), key] for at, key in views_of(version=current.pk)],
            )
        )
        record("quotation.accepted", current, by=by.user, now=now, total_minor=priced.total_minor)
        crashpoint("accepted written")
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
        letters.quotation_accepted(current, now=now)
    crashpoint("committed with outbox")
    return Accepted(order=order)


def shown_of(quotation: Quotation) -> QuotationVersion:
    """The version that the customer sees, with its lines; Conflict when there is none yet."""
    shown = current_of(quotation)
    shown.know_lines(lines_of_version(version=shown.pk))
    return shown


def first_approval_of(version: QuotationVersion) -> Approval | None:
    """The first of two approvals, with what it chose; None where the customer needs one only, or none was given."""
    if version.quotation.customer.second_approval_above_minor is None:
        return None
    return Approval.objects.filter(version=version).select_related("selection").first()


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
        **({"payment_parts": version.agreed_parts} if version.agreed_parts else {}),
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
    approval = first_approval_of(version)
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
    record("quotation.approved", version, by=by.user, now=now, total_minor=priced.total_minor)
    letters.quotation_approved(version, by=by.user, now=now)
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
        current = current_version(quotation)
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
        record("quotation.changes_requested", current, by=by.user, now=now, request=request.pk)
        letters.changes_requested(request, version=current, now=now)
    return request


def reject_quotation(
    *, quotation: Quotation, by: Membership, version: int, reason: str, comment: str, now: datetime
) -> None:
    """The customer rejects the current version, with a reason; it can be reopened until Valid Until."""
    _refuse_undecided_role(by)
    if reason not in QuotationVersion.RejectedReason.values:
        raise Invalid(_("Choose a reason, so that we understand."))
    with transaction.atomic():
        current = current_version(quotation)
        _refuse_changed(current, version)
        current.reject(by=by.user, reason=reason, comment=comment.strip()[:2000], now=now)
        record("quotation.rejected", current, by=by.user, now=now, reason=reason)
        letters.quotation_rejected(current, now=now)


def reopen_quotation(*, quotation: Quotation, by: Membership, now: datetime) -> None:
    """An approver reopens what was rejected, until Valid Until."""
    _refuse_undecided_role(by)
    with transaction.atomic():
        current = current_version(quotation)
        current.reopen(now=now)
        record("quotation.reopened", current, by=by.user, now=now)


def ask_for_new_quotation(*, quotation: Quotation, by: Membership, message: str, now: datetime) -> ChangeRequest:
    """After expiry or withdrawal the customer asks for a new quotation. Conflict while the old one can be decided."""
    _refuse_undecided_role(by)
    with transaction.atomic():
        current = current_version(quotation)
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
        record("quotation.new_requested", current, by=by.user, now=now, request=request.pk)
        letters.changes_requested(request, version=current, now=now)
    return request


# Small parts ----------------------------------------------------------------------------------------------------------


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
    if version.signature_required and not (
        signature.name.strip() and signature.kind in {"typed", "drawn"} and signature.value.strip()
    ):
        raise Invalid(_("Sign by typing your name or drawing it. Nothing was accepted yet."))
    if signature.kind == "drawn" and not drawn_path_is_safe(signature.value):
        raise Invalid(_("The drawn signature could not be read. Draw it again, or type your name."))


def drawn_path_is_safe(path: str) -> bool:
    """Whether a drawn signature is SVG path data and nothing else: M, L, numbers; at most 20,000 characters."""
    return 0 < len(path) <= 20_000 and set(path) <= set("ML0123456789.,- ") and path[0] == "M"
