"""What the worker does about people's data: copies and erasures."""

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from portico.kit.db import claim
from portico.kit.jobs import sweep
from portico.privacy import actions, erasing, exporting
from portico.privacy.models import ErasureRequest, Export

DEAD_AFTER = timedelta(minutes=30)
"""A copy that was begun and not finished for so long is begun anew: its worker died."""
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
