"""Turning a refusal into an answer, once, for every page: the same few words whether the page, htmx or a program asked.

A view only raises `portico.kit.errors.Refusal`. Nothing here says more than the refusal's own message; an unforeseen fault says
nothing about itself but a reference that stands in the log.
"""

import html
import logging
import sys
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.exceptions import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from portico.kit.db import gave_up
from portico.kit.errors import Forbidden, Invalid, Missing, Refusal
from portico.kit.htmx import is_fragment
from portico.kit.logs import request_id

logger = logging.getLogger("portico.refusals")

FAILURE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"></head><body><main><h1>{title}</h1><p>{message}</p></main></body></html>"""


class Refusals:
    """Middleware: a Refusal raised by a view becomes its page with its status."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django asks this for every exception of a view; we answer refusals alone."""
        return refused(request, exception) if isinstance(exception, Refusal) else None


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The answer to a refusal: problem details for a program, else `kit/refusal.html` (told when only a piece is wanted)."""
    if wants_json(request):
        return problem(refusal.status, title_of(refusal.status), refusal.message)
    context = {
        "status": refusal.status,
        "title": title_of(refusal.status),
        "message": refusal.message,
        "fragment": is_fragment(request),
    }
    return page(request, "kit/refusal.html", context)


def title_of(status: int) -> str:
    """The heading of a refusal's page."""
    return {
        403: _("This page is not for your account"),
        404: _("We could not find this page"),
        409: _("This has changed meanwhile"),
        503: _("We are still waiting for an answer"),
    }.get(status, _("This could not be done"))


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks: the API, or an Accept header that names JSON and not HTML."""
    accept = request.headers.get("Accept", "")
    return request.path.startswith("/api/") or ("json" in accept and "html" not in accept)


def problem(status: int, title: str, detail: str, *, kind: str = "about:blank", **more: Any) -> JsonResponse:
    """RFC 9457 problem details; `more` are members of its own."""
    body = {"type": kind, "title": title, "status": status, "detail": detail} | more
    return JsonResponse(body, status=status, content_type="application/problem+json")


def page(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    """A readable page with `context["status"]`, in the look of the portal where that can be drawn."""
    status = int(str(context["status"]))
    try:
        text: str = render_to_string(template, context, request)
    except TemplateDoesNotExist:
        text = plain(str(context["title"]), str(context["message"]), fragment=bool(context["fragment"]))
    return HttpResponse(text, status=status)


def plain(title: str, message: str, *, fragment: bool = False) -> str:
    """The barest page, for when nothing else can be trusted to work."""
    if fragment:
        return f'<p role="alert">{html.escape(message)}</p>'
    return FAILURE.format(title=html.escape(title), message=html.escape(message))


# Django's own refusals (urls.py and settings.py name these) ----------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request itself is malformed or too large."""
    return refused(request, Invalid(_("The request could not be read. Nothing was changed. Go back and try again.")))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403 raised by Django or a library."""
    return refused(
        request, Forbidden(_("It may belong to a colleague or to another company. Ask an owner of your account."))
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: no such address."""
    return refused(
        request, Missing(_("The address may be old or mistyped. Your documents are all where you left them."))
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or old, most often after signing in again in another tab."""
    return refused(
        request,
        Forbidden(
            _("This form was open for too long, or you signed in again. Nothing was changed. Reload and try again.")
        ),
    )


def failure(request: HttpRequest) -> HttpResponse:
    """500: our fault; 503 when the database gave up. No template of ours can be relied on, so this page must draw even when
    the frame does not. Django calls it while the fault is being handled.
    """
    status, reference = 503 if gave_up(sys.exc_info()[1]) else 500, request_id.get() or "-"
    title = _("Something went wrong on our side")
    message = _(
        "It is in our log. What was not confirmed to you was not done. Try again in a minute; if it stays, send us the "
        "reference %(reference)s."
    ) % {"reference": reference}
    if status == 503:
        title = _("We cannot answer at the moment")
        message = _(
            "Our records cannot be reached. Reload in a minute: you then see what was done, and nothing is done twice. If it "
            "stays, send us the reference %(reference)s."
        ) % {"reference": reference}
    response = unforeseen(request, status, title, message)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def unforeseen(request: HttpRequest, status: int, title: str, message: str) -> HttpResponse:
    """The page of a fault, or problem details; the barest page when it cannot be drawn."""
    if wants_json(request):
        return problem(status, title, message)
    context = {"status": status, "title": title, "message": message, "fragment": is_fragment(request)}
    try:
        return page(request, "kit/failure.html", context)
    except Exception:
        logger.exception("the failure page itself failed")
        return HttpResponse(plain(title, message), status=status)
