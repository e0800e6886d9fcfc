"""Everything that goes wrong, as RFC 9457 problem details, mapped here and nowhere else.

`type` leads to its paragraph in /api/v1/docs, `code` is the same word for programs. Nothing says more than its message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Refusal, Unavailable
from portico.kit.refusals import problem


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its word, its status, its title, and, for the documentation, what to do about it."""

    code: str
    status: int
    title: str | Promise
    remedy: str


KINDS = {
    kind.code: kind
    for kind in (
        Kind(
            "malformed", 400, lazy("The request could not be read"), "Send JSON in UTF-8, as the operation shows."
        ),
        Kind(
            "idempotency_key_missing",
            400,
            lazy("This needs an Idempotency-Key"),
            "Send a header Idempotency-Key with a new random value, such as a UUID, and the same one when you retry.",
        ),
        Kind(
            "unauthorized",
            401,
            lazy("This needs a key"),
            "Send Authorization: Bearer with a key that works; an administrator makes one at /staff/api-keys/.",
        ),
        Kind(
            "forbidden", 403, lazy("This key may not do that"), "Use a key with the scope that the operation names."
        ),
        Kind("missing", 404, lazy("There is no such thing"), "Check the number or name; the seller has none such."),
        Kind(
            "method_not_allowed", 405, lazy("This address knows no such method"), "The header Allow names those it knows."
        ),
        Kind(
            "conflict",
            409,
            lazy("This has changed meanwhile"),
            "Read the thing as it is now, in the member current where there is one, and decide again.",
        ),
        Kind(
            "still_running",
            409,
            lazy("The same request is still being worked on"),
            "Wait as long as Retry-After says, then send it again with the same Idempotency-Key.",
        ),
        Kind("too_large", 413, lazy("The request is too large"), "Send less at once."),
        Kind(
            "unsupported_media_type", 415, lazy("Only JSON is read here"), "Send Content-Type: application/json."
        ),
        Kind(
            "invalid",
            422,
            lazy("Something in the request cannot be"),
            "Correct what errors names, field by field, or what detail says. Nothing was changed.",
        ),
        Kind(
            "idempotency_key_reused",
            422,
            lazy("This Idempotency-Key was used for another request"),
            "Use a new Idempotency-Key for a new request; only a repetition carries the old one.",
        ),
        Kind(
            "rate_limited", 429, lazy("Too many requests"), "Wait as long as Retry-After says. Nothing was changed."
        ),
        Kind(
            "unavailable", 503, lazy("We are still waiting for an answer"), "Send it again later with the same key."
        ),
    )
}  # fmt: skip
OF_REFUSAL: dict[type[Refusal], str] = {
    Invalid: "invalid",
    Forbidden: "forbidden",
    Missing: "missing",
    Conflict: "conflict",
    Unavailable: "unavailable",
}
OF_STATUS = {400: "malformed", 401: "unauthorized", 403: "forbidden", 404: "missing", 413: "too_large"}


class Problem(Refusal):
    """A refusal of the door itself, of one of `KINDS`."""

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.headers = code, KINDS[code].status, dict(headers or {})


def answer(refusal: Refusal, **more: Any) -> HttpResponse:
    """The problem details of a refusal; `more` are members of its own."""
    code = refusal.code if isinstance(refusal, Problem) else code_of(refusal)
    response = told(code, refusal.message, **more)
    if isinstance(refusal, Problem):
        for name, value in refusal.headers.items():
            response.headers[name] = value
    response.refusal = refusal  # type: ignore[attr-defined]  # the door asks for it
    return response


def code_of(refusal: Refusal) -> str:
    """The kind of a refusal raised by an action."""
    return next((OF_REFUSAL[kind] for kind in type(refusal).__mro__ if kind in OF_REFUSAL), "invalid")


def told(code: str, detail: str, **more: Any) -> HttpResponse:
    """Problem details of one of `KINDS`."""
    kind = KINDS[code]
    return problem(kind.status, str(kind.title), detail, kind=f"/api/v1/docs#problem-{code}", code=code, **more)


def handle(api: NinjaAPI) -> None:
    """Let `api` answer with problem details; a fault that nobody foresaw goes on to Django's own handler."""

    def refused(request: HttpRequest, refusal: Any) -> HttpResponse:
        return answer(refusal)

    def invalid(request: HttpRequest, error: Any) -> HttpResponse:
        faults = [
            {
                "in": str(fault["loc"][0]),
                "field": ".".join(str(part) for part in fault["loc"][1:] if part not in BODY_NAMES),
                "message": str(fault["msg"]),
            }
            for fault in error.errors
        ]
        return told("invalid", _("One or more fields cannot be read; nothing was changed."), errors=faults)

    def failed(request: HttpRequest, error: Any) -> HttpResponse:
        return told(
            OF_STATUS.get(error.status_code, "malformed"), _("The request could not be read; nothing was changed.")
        )

    def missing(request: HttpRequest, error: Any) -> HttpResponse:
        return told("missing", _("There is nothing at this address."))

    api.add_exception_handler(Refusal, refused)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(HttpError, failed)
    api.add_exception_handler(Http404, missing)


BODY_NAMES = {"body", "paging", "filters"}
"""Names of our own parameters, which stand before the field in what pydantic says."""
