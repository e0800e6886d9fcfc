"""One door for all providers: `/webhooks/<provider>/`. Verify, store once, answer 200, then work.

What is not genuine is answered with 400 and leaves nothing but a line in the log. What is genuine is stored under the
provider's own event id before anything is done about it, so that nothing that was answered with 200 can be lost. A notice
about a payment that is not there yet is parked and tried again by the worker.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from portico.accounts.access import public
from portico.billing import providers
from portico.billing.actions import pay
from portico.billing.models import Payment, ProviderEvent
from portico.billing.providers.base import Forged, NoSecret, Notice, Provider, Report
from portico.kit.db import claim
from portico.kit.errors import Missing

LARGEST = 256 * 1024
WAITS = (5, 15, 60, 300, 1800, 7200, 21600)
"""Seconds until a notice that could not be worked on is tried again; the last one repeats."""
GIVE_UP_AFTER = timedelta(days=7)
WAITING = (ProviderEvent.State.STORED, ProviderEvent.State.PARKED)
logger = logging.getLogger("portico.webhooks")


@csrf_exempt
@public
@require_POST
def receive(request: HttpRequest, provider: str) -> HttpResponse:
    """Take one notice: 200 stored (or known already), 400 not genuine, 413 too large, 503 when our secret is missing."""
    found = providers.find(provider) if provider in settings.PORTICO_PROVIDERS else None
    if found is None or not found.sends_notices:
        raise Missing(_("There is nothing at this address."))
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return _answer("too large", 413)
    now = timezone.now()
    try:
        if b"\\u0000" in body:  # no database keeps it, and no company sends it
            raise Forged("a character that cannot be kept")
        notice = found.verify(body, request.headers, now=now)
    except Forged as forged:
        logger.warning("a notice for %s was refused: %s", found.name, forged)
        return _answer("not genuine", 400)
    except NoSecret as fault:
        logger.error("notices for %s cannot be verified: %s", found.name, fault)  # noqa: TRY400  # its place says nothing
        return _answer("not ready", 503)
    event = store(found, notice, now=now)
    if event is not None:
        work_on(event, now=now)
    return _answer("stored", 200)


def _answer(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")


def store(provider: Provider, notice: Notice, *, now: datetime) -> ProviderEvent | None:
    """Keep a notice, once; None when it is here already."""
    try:
        with transaction.atomic():
            return ProviderEvent.objects.create(
                provider=provider.name,
                event_id=notice.event_id,
                kind=notice.kind,
                payload=notice.payload,
                received_at=now,
                next_attempt_at=now,
            )
    except IntegrityError:
        return None


def work_on(event: ProviderEvent, *, now: datetime) -> bool:
    """Do what a stored notice says; True when it is done with. A fault leaves it for the next turn, later and later.

    What is done and the mark that it is done are one transaction. The attempt is counted before, in one of its own, which
    also keeps two workers from working on the same notice at once.
    """
    wait = timedelta(seconds=WAITS[min(event.attempts, len(WAITS) - 1)])
    rows = ProviderEvent.objects.filter(pk=event.pk, state__in=WAITING)
    if not claim(rows.filter(attempts=event.attempts), attempts=F("attempts") + 1, next_attempt_at=now + wait):
        return False
    try:
        with transaction.atomic():
            error = _apply(event, now=now)
            if not error:
                rows.update(state=ProviderEvent.State.DONE, done_at=now, error="")
    except Exception as fault:
        logger.exception("a stored notice could not be worked on")
        error = type(fault).__name__
    if error:
        given_up = now - event.received_at > GIVE_UP_AFTER
        state = ProviderEvent.State.FAILED if given_up else ProviderEvent.State.PARKED
        rows.update(state=state, error=error[:200])
    event.refresh_from_db()
    return event.state == ProviderEvent.State.DONE


def _apply(event: ProviderEvent, *, now: datetime) -> str:
    """Tell the notice to the payment it is about; returns why it must wait, or nothing."""
    provider = providers.find(event.provider)
    if provider is None:
        return "there is no such provider any more"
    report = provider.translate(event.kind, event.payload)
    if report is None:
        return ""
    payment = payment_of(provider, report)
    if payment is None:
        return "no payment has this reference yet"
    pay.apply_report(payment=payment, report=report, account=provider.account, now=now)
    return ""


def payment_of(provider: Provider, report: Report) -> Payment | None:
    """The payment a report is about: by the provider's reference, else by our id as the provider echoes it."""
    rows = Payment.objects.filter(provider=provider.name).select_related("customer__seller")
    if report.provider_reference:
        named = rows.filter(provider_reference=report.provider_reference).first()
        if named is not None:
            return named
    try:
        return rows.filter(pk=UUID(report.payment_id)).first()
    except ValueError:
        return None


urlpatterns = [path("<slug:provider>/", receive, name="receive")]
