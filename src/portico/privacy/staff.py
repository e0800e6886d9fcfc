"""Privacy on the desk: requests to be erased, with their clock, and what is done about them."""

from datetime import date

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.kit.errors import Invalid, Missing
from portico.kit.periods import today
from portico.privacy import actions
from portico.privacy.erasing import STEPS, kept
from portico.privacy.models import ErasureRequest

CHANNELS = [("mail", lazy("By mail")), ("post", lazy("By post")), ("telephone", lazy("By telephone"))]
SHOWN = 200


@staff("admin")
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """Open requests first, the one that is due soonest on top."""
    rows = ErasureRequest.objects.filter(seller=request.seller).select_related("user")
    waiting = list(rows.filter(state__in=ErasureRequest.OPEN).order_by("due_on", "id"))
    decided = list(rows.exclude(state__in=ErasureRequest.OPEN).order_by("-id")[:SHOWN])
    context = {"waiting": waiting, "decided": decided, "today": today(timezone.now(), request.seller.zone)}
    return render(request, "privacy/staff/privacy/index.html", context)


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Record a request that came by mail, post or telephone."""
    day = today(timezone.now(), request.seller.zone)
    typed = {"email": "", "channel": "mail", "received_on": day.isoformat()}
    error, status = "", 200
    if request.method == "POST":
        typed = {name: request.POST.get(name, "")[:254] for name in typed}
        try:
            made = actions.record_erasure(
                seller=request.seller,
                email=typed["email"],
                channel=typed["channel"],
                received_on=read_day(typed["received_on"]),
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error, status = refusal.message, 400
        else:
            return HttpResponseRedirect(reverse("staff:privacy.detail", args=[made.pk]))
    context = {"typed": typed, "error": error, "channels": CHANNELS, "today": day}
    return render(request, "privacy/staff/privacy/new.html", context, status=status)


def read_day(text: str) -> date:
    """A day as a date field sends it; Invalid."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("Enter the day on which it came.")) from None


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One request: what goes, what stays, and the decision."""
    rows = ErasureRequest.objects.filter(seller=request.seller).select_related("user", "decided_by", "seller")
    asked = rows.filter(pk=number).first()
    if asked is None:
        raise Missing(_("There is no such request."))
    error, status = "", 200
    if request.method == "POST":
        try:
            messages.success(request, decide(request, asked))
        except Invalid as refusal:
            error, status = refusal.message, 400
        else:
            return HttpResponseRedirect(reverse("staff:privacy.detail", args=[number]))
    context = {
        "asked": asked,
        "error": error,
        "goes": STEPS,
        "stays": kept(asked.user, asked.seller.country),
        "today": today(timezone.now(), request.seller.zone),
    }
    return render(request, "privacy/staff/privacy/detail.html", context, status=status)


def decide(request: StaffRequest, asked: ErasureRequest) -> str:
    """What the button says; returns what is told afterwards."""
    chosen, reason, now = request.POST.get("do", ""), request.POST.get("reason", ""), timezone.now()
    if chosen == "carry_out":
        actions.begin_erasure(request=asked, by=request.user, now=now)
        return _("The erasure is being carried out.")
    if chosen == "refuse":
        actions.refuse(request=asked, reason=reason, by=request.user, now=now)
        return _("The request is refused; the person was told why.")
    if chosen == "extend":
        actions.extend(request=asked, reason=reason, by=request.user, now=now)
        return _("The request has two months more; the person was told why.")
    raise Invalid(_("Choose one of the buttons. Nothing was changed."))


urlpatterns = [
    path("privacy/", index, name="privacy.index"),
    path("privacy/new/", new, name="privacy.new"),
    path("privacy/<int:number>/", detail, name="privacy.detail"),
]
