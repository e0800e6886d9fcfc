"""Webhooks on the desk: which of the vendor's own systems are told what, and what became of every message."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import hooks
from portico.billing.hooks import TYPES
from portico.kit.errors import Invalid, Missing, Refusal
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.models import WebhookDelivery, WebhookEndpoint

STATUSES = {
    "queued": lazy("Waiting"),
    "failed": lazy("Failed"),
    "delivered": lazy("Received"),
    "dropped": lazy("Not needed any more"),
}
SORTS = {"newest": Sort(lazy("Newest first"), ["-id"]), "oldest": Sort(lazy("Oldest first"), ["id"])}
WORDS = {
    "name": lazy("The name of the host was not found."),
    "address": lazy("The host is not on the public internet, or not at an allowed port. Nothing was sent."),
    "timeout": lazy("There was no whole answer within 15 seconds."),
    "connection": lazy("No connection could be made."),
    "certificate": lazy("The certificate of the host is not valid for its name."),
    "tls": lazy("No safe connection (TLS) could be made."),
    "answer": lazy("The answer was not one of HTTP."),
    "drawing": lazy("The message could not be written."),
    "fault": lazy("An unexpected fault."),
    "switched_off": lazy("The endpoint was switched off."),
    "endpoint_failing": lazy("The endpoint took nothing at that time."),
    "endpoint_gone": lazy("The endpoint was gone."),
}
"""Why an attempt failed, where no status code tells it."""


def said(error: str) -> str:
    """A fault in words."""
    if error.startswith("http_"):
        return _("Answered with %(code)s instead of 2xx.") % {"code": error.removeprefix("http_")}
    return str(WORDS.get(error, error))


def find(request: StaffRequest, number: int) -> WebhookEndpoint:
    """One of the seller's endpoints; Missing."""
    rows = WebhookEndpoint.objects.filter(seller=request.seller.pk)
    found = rows.filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise Missing(_("There is no such endpoint."))
    return found


def back_to(endpoint: WebhookEndpoint) -> HttpResponseRedirect:
    """Its page."""
    return HttpResponseRedirect(reverse("staff:webhooks.detail", args=[endpoint.pk]))


@staff("admin")
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """Every endpoint, with what waits and what failed."""
    state = WebhookDelivery.State
    rows = WebhookEndpoint.objects.filter(seller=request.seller.pk).annotate(
        waiting=Count("deliveries", filter=Q(deliveries__state__in=WebhookDelivery.WAITING)),
        failed=Count("deliveries", filter=Q(deliveries__state=state.FAILED)),
    )
    context = {"endpoints": rows.order_by("pk"), "zone": request.seller.zone, "count": len(TYPES)}
    return render(request, "billing/staff/webhooks/index.html", context)


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """A new endpoint; its secret is on the page that answers, and never again."""
    typed: dict[str, Any] = {"url": "", "types": list(TYPES)}
    if request.method != "POST":
        return _form(request, typed, "")
    typed = {"url": request.POST.get("url", ""), "types": request.POST.getlist("type")}
    try:
        endpoint = hooks.add_endpoint(seller=request.seller, by=request.user, now=timezone.now(), **typed)
    except Refusal as refusal:
        return _form(request, typed, refusal.message, status=refusal.status)
    return _secret(request, endpoint, endpoint.secret)


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, number: int) -> HttpResponse:
    """Another address, other types."""
    endpoint = find(request, number)
    if request.method != "POST":
        return _form(request, {"url": endpoint.url, "types": endpoint.types or list(TYPES)}, "", endpoint)
    typed: dict[str, Any] = {"url": request.POST.get("url", ""), "types": request.POST.getlist("type")}
    try:
        hooks.change_endpoint(endpoint=endpoint, by=request.user, now=timezone.now(), **typed)
    except Refusal as refusal:
        return _form(request, typed, refusal.message, endpoint, status=refusal.status)
    messages.success(request, _("Saved."))
    return back_to(endpoint)


def _form(
    request: StaffRequest,
    typed: dict[str, Any],
    error: str,
    endpoint: WebhookEndpoint | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"typed": typed, "error": error, "endpoint": endpoint, "types": TYPES}
    return render(request, "billing/staff/webhooks/edit.html", context, status=status)


def _secret(request: StaffRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    """The page that shows a secret; nobody keeps it."""
    context = {"endpoint": endpoint, "secret": secret, "zone": request.seller.zone}
    answer = render(request, "billing/staff/webhooks/_secret.html", context)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@staff("admin")
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One endpoint: how it does, and its messages."""
    endpoint = find(request, number)
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = endpoint.deliveries.all()
    if q:
        rows = rows.filter(Q(type__icontains=q) | Q(webhook_id=q) | Q(object_id=q))
    if status:
        rows = rows.filter(state__in=WebhookDelivery.WAITING) if status == "queued" else rows.filter(state=status)
    fields = ("id", "webhook_id", "type", "state", "happened_at", "attempts", "status", "error", "next_attempt_at")
    found = listing(rows.values(*fields), request.GET, q=q, status=status, statuses=STATUSES, sorts=SORTS)
    for row in found.rows:
        row["said"] = said(row["error"]) if row["error"] else ""
    now = timezone.now()
    context = {
        "endpoint": endpoint,
        "list": found,
        "zone": request.seller.zone,
        "both": len(endpoint.secrets_at(now)) > 1,
        "types": [(name, TYPES[name]) for name in endpoint.types if name in TYPES],
        "since": (now - timedelta(days=3)).astimezone(request.seller.zone).strftime("%Y-%m-%dT%H:%M"),
    }
    return render(request, "billing/staff/webhooks/detail.html", context)


@staff("admin")
@require_POST
def rotate(request: StaffRequest, number: int) -> HttpResponse:
    """A new secret, beside which the one before goes on for a day."""
    endpoint = find(request, number)
    secret = hooks.rotate_secret(endpoint=endpoint, by=request.user, now=timezone.now())
    return _secret(request, endpoint, secret)


@staff("admin")
@require_POST
def test(request: StaffRequest, number: int) -> HttpResponse:
    """A message that means nothing."""
    delivery = hooks.send_test(endpoint=find(request, number), now=timezone.now())
    messages.success(request, _("A test message is on its way. Load this page again in a moment to see the answer."))
    return HttpResponseRedirect(reverse("staff:deliveries.detail", args=[delivery.webhook_id]))


@staff("admin")
@require_POST
def switch(request: StaffRequest, number: int) -> HttpResponse:
    """On or off."""
    endpoint, on = find(request, number), request.POST.get("on") == "1"
    hooks.switch_endpoint(endpoint=endpoint, on=on, by=request.user, now=timezone.now())
    messages.success(request, _("The endpoint is on.") if on else _("The endpoint is off. Nothing is kept for it."))
    return back_to(endpoint)


@staff("admin")
@require_POST
def remove(request: StaffRequest, number: int) -> HttpResponse:
    """Away with it."""
    hooks.remove_endpoint(endpoint=find(request, number), by=request.user, now=timezone.now())
    messages.success(request, _("The endpoint is removed."))
    return HttpResponseRedirect(reverse("staff:webhooks.index"))


@staff("admin")
@require_POST
def replay(request: StaffRequest, number: int) -> HttpResponse:
    """Send again what failed since a moment."""
    endpoint = find(request, number)
    try:
        since = datetime.fromisoformat(request.POST.get("since", "")).replace(tzinfo=request.seller.zone)
        count = hooks.replay_failed(endpoint=endpoint, since=since, now=timezone.now())
    except (ValueError, OverflowError):
        raise Invalid(_("Enter the day and time since when what failed is sent again.")) from None
    said_so = ngettext("%(n)d message is sent again.", "%(n)d messages are sent again.", count)
    messages.success(request, said_so % {"n": count} if count else _("Nothing failed since then."))
    return back_to(endpoint)


urlpatterns = [
    path("webhooks/", index, name="webhooks.index"),
    path("webhooks/new/", new, name="webhooks.new"),
    path("webhooks/<int:number>/", detail, name="webhooks.detail"),
    path("webhooks/<int:number>/edit/", edit, name="webhooks.edit"),
    path("webhooks/<int:number>/rotate/", rotate, name="webhooks.rotate"),
    path("webhooks/<int:number>/test/", test, name="webhooks.test"),
    path("webhooks/<int:number>/switch/", switch, name="webhooks.switch"),
    path("webhooks/<int:number>/remove/", remove, name="webhooks.remove"),
    path("webhooks/<int:number>/replay/", replay, name="webhooks.replay"),
]
