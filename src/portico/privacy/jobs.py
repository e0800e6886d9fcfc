"""What the worker does about people's data: copies and erasures."""

import logging
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.db.models import Q

from portico.billing.models import QuotationView
from portico.kit.db import claim
from portico.kit.files import clear_unfinished
from portico.kit.jobs import sweep
from portico.kit.models import Letter, WebhookDelivery
from portico.privacy import actions, erasing, exporting
from portico.privacy.models import ErasureRequest, Export

DEAD_AFTER = timedelta(minutes=30)
"""A copy that was begun and not finished for so long is begun anew: its worker died."""
WEBHOOKS_KEPT = timedelta(days=30)
"""What was sent by webhook, and what was answered; afterwards it can no longer be sent again."""
HOUR = 3600.0
BATCH = 500
TRACES_KEPT = timedelta(days=90)
"""Network address and browser of who opened a quotation, where nothing was accepted with it."""
LETTERS_KEPT = timedelta(days=730)
"""What was written in a mail, and to whom; that it was sent stays."""
logger = logging.getLogger("portico.privacy")


@sweep(every=3)
def exports(now: datetime) -> int:
    """Make one copy; take away those that nobody fetched."""
    waiting = Q(state=Export.State.QUEUED) | Q(state=Export.State.RUNNING, begun_at__lte=now - DEAD_AFTER)
    export = Export.objects.select_related("user").filter(waiting).order_by("id").first()
    if export is None:
        return actions.expire_exports(now)
    if not claim(Export.objects.filter(waiting, pk=export.pk), state=Export.State.RUNNING, begun_at=now):
        return 0
    export.refresh_from_db()
    try:
        exporting.make(export, now=now)
    except Exception as fault:
        logger.exception("a copy of a person's data could not be made")
        Export.objects.filter(pk=export.pk).update(state=Export.State.FAILED, error=type(fault).__name__)
    return 1


@sweep(every=5)
def erasures(now: datetime) -> int:
    """Carry out what staff decided; one that was broken off goes on where it was."""
    begun = ErasureRequest.objects.select_related("user", "seller").filter(state=ErasureRequest.State.EXECUTING)
    requests = list(begun.order_by("id")[:5])
    for request in requests:
        erasing.carry_out(request, now=now)
    return len(requests)


@sweep(every=HOUR)
def retention(now: datetime) -> int:
    """What need not be kept any longer goes: evidence of the erased, old traces, mails, webhooks, sessions that have ended,
    files that were never finished."""
    partial = ErasureRequest.objects.select_related("user", "seller").filter(state=ErasureRequest.State.PARTIAL)
    ended = [one for one in partial if one.kept_until and one.kept_until < now.astimezone(one.seller.zone).date()]
    for request in ended:
        erasing.let_go(request, now=now)
    traced = QuotationView.objects.filter(at__lt=now - TRACES_KEPT).exclude(ip=None, user_agent="")
    looks = list(traced.values_list("pk", flat=True)[:BATCH])
    QuotationView.objects.filter(pk__in=looks).update(ip=None, user_agent="")
    told = Letter.objects.filter(queued_at__lt=now - LETTERS_KEPT).exclude(state__in=Letter.WAITING)
    mails = list(told.exclude(to_address="").values_list("pk", flat=True)[:BATCH])
    Letter.objects.filter(pk__in=mails).update(
        to_address="", to_name="", subject="", text="", html="", data={}, attachments=[]
    )
    posted = list(
        WebhookDelivery.objects.filter(queued_at__lt=now - WEBHOOKS_KEPT).values_list("pk", flat=True)[:BATCH]
    )
    WebhookDelivery.objects.filter(pk__in=posted).delete()
    old = list(Session.objects.filter(expire_date__lt=now).values_list("pk", flat=True)[:BATCH])
    Session.objects.filter(pk__in=old).delete()
    clear_unfinished(now)
    return len(ended) + len(looks) + len(mails) + len(posted) + len(old)
