"""A quotation before the customer: sent, looked at, withdrawn. Each function opens its own transaction."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, Event, User, person
from portico.billing import letters, pricing, vat
from portico.billing.actions.draft import locked
from portico.billing.actions.issue import Paper, Totalled, row_of, wrong_before_issue
from portico.billing.documents.offer import price_selection
from portico.billing.models import ChangeRequest, Invoice, Quotation, QuotationLine, QuotationVersion, QuotationView
from portico.billing.models.line import Line
from portico.kit.errors import Conflict, Invalid
from portico.kit.periods import today
from portico.kit.prepared import prepared

VIEW_AGAIN_AFTER = timedelta(hours=1)


def send_quotation(*, quotation: Quotation, by: Actor | None, now: datetime) -> QuotationVersion:
    """Send the drafted version: it freezes, supersedes the open one, and answers the wishes made about it.

    Raises Invalid when something is missing that an invoice will need (EN 16931), or Valid Until is in the past.
    """
    with transaction.atomic():
        quotation = locked(quotation.pk)
        version = quotation.versions.filter(state=QuotationVersion.State.DRAFT).first()
        if version is None:
            raise Conflict(_("There is no draft to send. Draft a new version first."))
        version.quotation = quotation
        version.send(by=person(by), valid_until=check_complete(version, now), now=now)
        ChangeRequest.answer_open(quotation.pk, now)
        Event.record(
            "quotation.sent", quotation, now=now, by=by, customer=quotation.customer, number=quotation.number,
            version=version.version, total_minor=version.total_minor,
        )  # fmt: skip
        tell = letters.quotation_sent if version.version == 1 else letters.new_version
        tell(version, now=now)
    return version


def check_complete(version: QuotationVersion, now: datetime) -> date:
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
    if priced.total_minor <= 0 and not (quotation.trial_days and priced.total_minor == 0):
        raise Invalid(_("The total must be above zero."))
    vat.check_groups([(group.category, group.rate) for group in priced.groups])
    refuse_what_cannot_be_invoiced(version, lines, priced, now)
    return version.valid_until


def refuse_what_cannot_be_invoiced(
    version: QuotationVersion, lines: Sequence[QuotationLine], priced: pricing.Priced, now: datetime
) -> None:
    """Ask the invoice that would follow by EN 16931, as before it takes a number; Invalid says what is wrong."""
    quotation = version.quotation
    nets = {line.key: line.net_minor for line in priced.lines}
    rows = [
        row_of(line, net_minor=nets.get(line.key, 0))
        for line in lines
        if line.key in nets or line.kind in {Line.Kind.SECTION, Line.Kind.NOTE}
    ]
    groups = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in priced.groups}
    invoice = Invoice(
        seller=quotation.seller, customer=quotation.customer, kind=Invoice.Kind.INVOICE, series="INV",
        title=version.title, language=quotation.customer.language, currency=version.currency, po_number="?",
    )  # fmt: skip
    paper = Paper(invoice, Totalled(rows, groups), version.terms, due_days=0)
    if wrong := wrong_before_issue(paper, now=now):
        raise Invalid(
            _("Its invoice could not be issued. %(reasons)s") % {"reasons": " ".join(str(one) for one in wrong)}
        )


def withdraw_quotation(*, quotation: Quotation, by: Actor, now: datetime) -> None:
    """The seller takes an open quotation back."""
    with transaction.atomic():
        withdraw_version(current_version(quotation), by=by, now=now)


def withdraw_version(version: QuotationVersion, *, by: Actor | None, now: datetime) -> None:
    """Take one version back; it comes with its quotation and customer. Inside the caller's transaction."""
    version.withdraw(by=person(by), now=now)
    record("quotation.withdrawn", version, by=by, now=now)


@prepared
def seen_by(version: Any, user: Any, since: Any) -> Any:
    """Whether this person opened this version lately."""
    return QuotationView.objects.filter(version=version, user=user, at__gt=since).values_list("pk")[:1]


def record_view(*, version: QuotationVersion, by: User, ip: str | None, user_agent: str, now: datetime) -> None:
    """A member opened the quotation. Once per person and hour; the first of all makes an event for the salesperson."""
    if seen_by(version=version.pk, user=by.pk, since=now - VIEW_AGAIN_AFTER):
        return
    with transaction.atomic():
        QuotationView.objects.create(version=version, user=by, at=now, ip=ip, user_agent=user_agent[:300])
        first = QuotationVersion.objects.filter(pk=version.pk, first_viewed_at=None).update(first_viewed_at=now)
        if first:
            record("quotation.viewed", version, by=by, now=now)


# Small parts ----------------------------------------------------------------------------------------------------------


def current_version(quotation: Quotation) -> QuotationVersion:
    """The version the customer sees, read after the quotation was locked."""
    return current_of(locked(quotation.pk))


@prepared
def version_of(version: Any) -> Any:
    """A version with all that its paper names."""
    return QuotationVersion.objects.filter(pk=version).select_related(
        "quotation__seller", "quotation__customer", "quotation__contact", "quotation__salesperson", "paper"
    )


def current_of(quotation: Quotation) -> QuotationVersion:
    """The version the customer sees; Conflict when there is none yet."""
    version: QuotationVersion | None = version_of.first(version=quotation.current_id or 0)
    if version is None:
        raise Conflict(_("This quotation has not been sent yet."))
    return version


def record(name: str, version: QuotationVersion, *, by: Actor | None, now: datetime, **data: Any) -> None:
    """The event, with the number and version it is about, for both sides to read."""
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
