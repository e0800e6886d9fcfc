"""Sending later: a draft waits for its moment and is then sent by itself, or somebody takes that back before."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, User
from portico.billing.actions.draft import locked
from portico.billing.actions.send import check_complete, send_quotation
from portico.billing.models import Quotation, QuotationVersion
from portico.kit.errors import Conflict, Invalid, Refusal

BATCH = 50
LATEST = timedelta(days=365)


def schedule_send(*, quotation: Quotation, at: datetime, by: User, now: datetime) -> QuotationVersion:
    """Send the draft at `at`. It must be complete as of then; until then it cannot be edited.

    Raises Invalid for a moment that is over or more than a year away, and for what sending would refuse; Conflict without a
    draft.
    """
    if not now < at <= now + LATEST:
        raise Invalid(_("Choose a moment in the future, within a year."))
    with transaction.atomic():
        quotation = locked(quotation.pk)
        version = quotation.versions.filter(state=QuotationVersion.State.DRAFT).first()
        if version is None:
            raise Conflict(_("There is no draft to send. Draft a new version first."))
        version.quotation = quotation
        check_complete(version, at)
        version.send_at, version.send_by, version.send_problem = at, by, ""
        version.save(update_fields=["send_at", "send_by", "send_problem"])
        _record("quotation.scheduled", version, by=by, now=now)
    return version


def cancel_schedule(*, quotation: Quotation, by: User, now: datetime) -> None:
    """The draft is not sent by itself any more. Conflict when it was sent or taken back already."""
    with transaction.atomic():
        quotation = locked(quotation.pk)
        version = quotation.versions.filter(state=QuotationVersion.State.DRAFT, send_at__isnull=False).first()
        if version is None:
            raise Conflict(_("Nothing waits to be sent any more. Look at the quotation again."))
        version.quotation = quotation
        version.send_at = version.send_by = None
        version.save(update_fields=["send_at", "send_by"])
        _record("quotation.unscheduled", version, by=by, now=now)


def send_due(now: datetime) -> int:
    """Send the drafts whose moment has come; one that cannot be sent stays a draft that says why. Returns how many."""
    due = QuotationVersion.objects.filter(send_at__lte=now).order_by("send_at", "pk")
    found = list(due.values_list("pk", "quotation_id")[:BATCH])
    for key, quotation_id in found:
        try:
            _send_one(key, quotation_id, now)
        except Refusal as refusal:
            with transaction.atomic():
                version = due.select_related("quotation__customer").filter(pk=key).first()
                if version is not None:
                    version.send_at, version.send_problem = None, refusal.message[:300]
                    version.save(update_fields=["send_at", "send_problem"])
                    _record("quotation.not_sent", version, by=None, now=now)
    return len(found)


def _send_one(key: int, quotation_id: int, now: datetime) -> None:
    """Send this very version if it still waits: of two who come at once the second finds nothing to do."""
    with transaction.atomic():
        quotation = locked(quotation_id)
        version = quotation.versions.select_related("send_by").filter(pk=key, send_at__lte=now).first()
        if version is not None:
            send_quotation(quotation=quotation, by=version.send_by, now=now)


def _record(name: str, version: QuotationVersion, *, by: User | None, now: datetime) -> None:
    """The event, for the seller's people alone."""
    quotation = version.quotation
    Event.record(
        name, quotation, now=now, by=by, customer=quotation.customer, visible=False, number=quotation.number,
        version=version.version,
    )  # fmt: skip
