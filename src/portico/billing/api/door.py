"""The door of the API: who asks, what its key may do, how often; and that a write is done once.

`@scope("customers:read")` stands under each operation. A write runs in one transaction that also keeps its answer under the
Idempotency-Key; a refusal rolls all of it back.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.decorators import decorate_view

from portico.accounts.models import SCOPES, ApiKey, KeptAnswer, Seller
from portico.billing.api.problems import Problem, answer
from portico.kit.errors import Conflict, Refusal

LARGEST_BODY = 1_000_000
LONGEST_NAME = 128
NAME = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_NAME}}}")
SAFE = {"GET", "HEAD"}
View = TypeVar("View", bound=Callable[..., Any])
Run = Callable[..., HttpResponse]
Current = Callable[..., Any]


class ApiRequest(HttpRequest):
    """A request that came through the door: `key` is who acts, `seller` is what every query starts from."""

    key: ApiKey
    seller: Seller
    now: datetime


def scope(name: str, *, current: Current | None = None) -> Callable[[View], View]:
    """What a key must be allowed for this operation. `current(request, **path)` tells how things stand after a conflict."""
    assert name in SCOPES, name

    def mark(view: View) -> View:
        view.scope = name  # type: ignore[attr-defined]  # the specification reads it
        return decorate_view(lambda run: guarded(run, name, current))(view)

    return mark


def guarded(run: Run, name: str, current: Current | None) -> Run:
    """`run` behind the door."""

    @wraps(run)
    def asked(request: ApiRequest, **path: Any) -> HttpResponse:
        now = timezone.now()
        headers: dict[str, str] = {}
        try:
            key = key_of(request, now)
            left = key.use.count(limit=key.requests_per_minute, now=now)
            headers = limits(key, left, now)
            if left is None:
                raise Problem(
                    "rate_limited",
                    _("This key may ask %(most)d times a minute. Nothing was changed.")
                    % {"most": key.requests_per_minute},
                    {"Retry-After": str(seconds_left(now))},
                )
            if not key.allows(name):
                raise Problem("forbidden", _("This needs the scope %(name)s, which the key has not.") % {"name": name})
            key.used(now)
            request.key, request.seller, request.now = key, key.seller, now
            response = run(request, **path) if request.method in SAFE else once(run, request, current, path)
        except Refusal as refusal:
            response = answer(refusal)
        for header, value in headers.items():
            response.headers.setdefault(header, value)
        return response

    return asked


# Who asks --------------------------------------------------------------------------------------------------------------


def key_of(request: HttpRequest, now: datetime) -> ApiKey:
    """The key of the Authorization header, from nowhere else: no address, no cookie, no body."""
    kind, _blank, secret = request.headers.get("Authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": 'Bearer realm="portico"'}
    if kind.lower() != "bearer" or not secret:
        raise Problem("unauthorized", _("Send the header Authorization: Bearer with your key."), challenge)
    key = ApiKey.objects.of_secret(secret.strip(), now) if len(secret) < 200 else None
    if key is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="portico", error="invalid_token"'}
        raise Problem("unauthorized", _("This key does not exist, was revoked or was replaced."), challenge)
    return key


def seconds_left(now: datetime) -> int:
    """Until the next minute begins."""
    return 60 - int(now.timestamp()) % 60


def limits(key: ApiKey, left: int | None, now: datetime) -> dict[str, str]:
    """How often this key may ask, and how often still, as the IETF's draft for RateLimit headers writes it."""
    return {
        "RateLimit-Policy": f'"minute";q={key.requests_per_minute};w=60',
        "RateLimit": f'"minute";r={left or 0};t={seconds_left(now)}',
    }


# Once ------------------------------------------------------------------------------------------------------------------


def once(run: Run, request: ApiRequest, current: Current | None, path: dict[str, Any]) -> HttpResponse:
    """Do the write and keep its answer in the same transaction; a repetition gets the kept one."""
    name = name_of(request)
    row, mine = KeptAnswer.take(request.key, name, fingerprint(request), now=request.now)
    if not mine:
        return again(row, request)
    try:
        with transaction.atomic():
            response = run(request, **path)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            else:
                keep(row, response)
    except BaseException:
        row.drop()
        raise
    if response.status_code >= 400:
        row.drop()
        refusal = getattr(response, "refusal", None)
        if isinstance(refusal, Conflict) and current is not None:
            return answer(refusal, current=current(request, **path))
    return response


def keep(row: KeptAnswer, response: HttpResponse) -> None:
    """Write the answer down; Problem, which undoes the work, when another took it over meanwhile."""
    location = response.headers.get("Location", "")
    if not row.finish(status=response.status_code, body=response.content.decode(), location=location):
        raise running()


def again(row: KeptAnswer, request: ApiRequest) -> HttpResponse:
    """The kept answer of a repetition; Problem while it is not there, and for another request under the same name."""
    if row.request != fingerprint(request):
        raise Problem(
            "idempotency_key_reused",
            _("This Idempotency-Key was used for another request or body. Nothing was done. Use a new one."),
        )
    if not row.done:
        raise running()
    response = HttpResponse(row.body, status=row.status, content_type="application/json; charset=utf-8")
    if row.location:
        response.headers["Location"] = row.location
    response.headers["Idempotency-Replayed"] = "true"
    return response


def running() -> Problem:
    """409: somebody is at it."""
    return Problem(
        "still_running",
        _("A request with this Idempotency-Key is still being worked on. Nothing was done twice."),
        {"Retry-After": "2"},
    )


def name_of(request: HttpRequest) -> str:
    """The Idempotency-Key, and that the body is one we read."""
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST_BODY:
        raise Problem("too_large", _("A request has at most %(most)d bytes.") % {"most": LARGEST_BODY})
    if len(request.body) > LARGEST_BODY:
        raise Problem("too_large", _("A request has at most %(most)d bytes.") % {"most": LARGEST_BODY})
    if request.body and request.content_type != "application/json":
        raise Problem("unsupported_media_type", _("Send the body as JSON, with Content-Type: application/json."))
    name = request.headers.get("Idempotency-Key", "")
    if not NAME.fullmatch(name):
        raise Problem(
            "idempotency_key_missing",
            _(
                "Send a header Idempotency-Key with 1 to %(most)d printable characters, such as a UUID. "
                "Send the same one when you retry, so that nothing is done twice."
            )
            % {"most": LONGEST_NAME},
        )
    return name


def fingerprint(request: HttpRequest) -> str:
    """What must be the same in a repetition: method, address and body."""
    what = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    return hashlib.sha256(what).hexdigest()
