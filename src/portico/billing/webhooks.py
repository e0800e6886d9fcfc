"""One door for all providers: `/webhooks/<provider>/`. Verify, store once, answer 200, then work (`actions.notices`).

What is not genuine is answered with 400 and leaves nothing but a line in the log.
"""

import logging
from contextlib import suppress
from functools import cache
from queue import Full, Queue
from threading import BoundedSemaphore, Thread

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from portico.accounts.access import public
from portico.billing import providers
from portico.billing.actions import notices
from portico.billing.models import ProviderEvent
from portico.billing.providers.base import Forged, NoSecret
from portico.kit.crash import crashpoint
from portico.kit.errors import Missing

LARGEST = 256 * 1024
AT_WORK = BoundedSemaphore(1)
"""A process works on one notice at a time; what comes meanwhile is stored, answered, and worked on right after."""
PATIENCE = 0.05
"""Seconds that a stored notice waits for its turn before the answer, so that most payers come back to what is paid; not where
others wait already."""
LEFT: "Queue[ProviderEvent]" = Queue(maxsize=16)
"""What came meanwhile, for the one thread of this process that catches up; what does not fit is left to the worker."""
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
    crashpoint("webhook received")
    event = notices.store(found, notice, now=now)
    crashpoint("event stored")
    if event is not None and AT_WORK.acquire(timeout=PATIENCE if LEFT.empty() else 0):
        try:
            notices.work_on(event, now=now)
        finally:
            AT_WORK.release()
    elif event is not None:
        leave(event)
    return _answer("stored", 200)


def leave(event: ProviderEvent) -> None:
    """Let the thread that catches up work on a stored notice, so that a payer need not wait for the worker's next look."""
    catching_up()
    with suppress(Full):
        LEFT.put_nowait(event)


@cache
def catching_up() -> Thread:
    """The thread of this process that works on what is in `LEFT`, started once. It ends with the process: what it had not
    done is stored, and the worker's."""
    thread = Thread(target=_catch_up, name="notices", daemon=True)
    thread.start()
    return thread


def _catch_up() -> None:
    while True:
        event = LEFT.get()
        try:
            with AT_WORK:
                close_old_connections()
                notices.work_on(event, now=timezone.now())
        except Exception:  # such as a database that does not answer: the worker tries again
            logger.exception("a stored notice is left to the worker")
            connection.close()
        finally:
            LEFT.task_done()


def _answer(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")


urlpatterns = [path("<slug:provider>/", receive, name="receive")]
