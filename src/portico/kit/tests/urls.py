"""A small site for the tests of the kit: views that refuse, fail, and answer."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from portico.kit import health, metrics
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Refusal, Unavailable

REFUSALS: dict[str, type[Refusal]] = {
    "invalid": Invalid,
    "forbidden": Forbidden,
    "missing": Missing,
    "conflict": Conflict,
    "unavailable": Unavailable,
}


def refuse(request: HttpRequest, kind: str) -> HttpResponse:
    raise REFUSALS[kind]("Accepted on 9 Nov 2026 by somebody <b>else</b>.")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("no such thing for camille@fontaine.example\nDETAIL: a row of the database")


def deny(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied("an internal reason")


def answer(request: HttpRequest, number: str = "") -> HttpResponse:
    return HttpResponse("well")


def own(request: HttpRequest) -> HttpResponse:
    return HttpResponse("well", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "private, max-age=60"})


def away(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/answer/")


urlpatterns = [
    path("refuse/<str:kind>/", refuse, name="refuse"),
    path("fail/", fail, name="fail"),
    path("deny/", deny, name="deny"),
    path("answer/", answer, name="answer"),
    path("quotations/<str:number>/", answer, name="quotations.detail"),
    path("own/", own, name="own"),
    path("account/login/", answer, name="account_login"),
    path("health/live", health.live, name="health.live"),
    path("health/ready", health.ready, name="health.ready"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "portico.kit.refusals.bad_request"
handler403 = "portico.kit.refusals.forbidden"
handler404 = "portico.kit.refusals.not_found"
handler500 = "portico.kit.refusals.failure"
