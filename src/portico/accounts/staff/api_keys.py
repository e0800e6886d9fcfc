"""Keys of the API on the desk: which systems have one, what they may do, a new secret, and the end of a key."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts import api_keys
from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import SCOPES, ApiKey, Event
from portico.accounts.models.api_key import REQUESTS_PER_MINUTE
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing

STATUSES = {"working": lazy("Working"), "revoked": lazy("Revoked")}
SORTS = {"newest": Sort(lazy("Newest first"), ["-id"]), "name": Sort(lazy("Name"), ["name", "id"])}
FIELDS = ("id", "name", "hint", "scopes", "created_at", "last_used_at", "revoked_at")
HAPPENED = {
    "api_key.created": lazy("Made"),
    "api_key.rotated": lazy("New secret"),
    "api_key.revoked": lazy("Revoked"),
}
LATEST = 50


@staff("admin")
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All keys of this seller, those that were revoked too."""
    status = chosen_status(request.GET, STATUSES)
    rows = ApiKey.objects.filter(seller=request.seller)
    if status:
        rows = rows.filter(revoked_at__isnull=status == "working")
    found = listing(rows.values(*FIELDS), request.GET, status=status, statuses=STATUSES, sorts=SORTS)
    for row in found.rows:
        row["status"] = "revoked" if row["revoked_at"] else "working"
    return render(request, "accounts/staff/api_keys/index.html", {"list": found, "zone": request.seller.zone})


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Make a key; the answer shows its secret, which nothing shows again."""
    typed: dict[str, Any] = {"name": "", "scopes": [], "per_minute": str(REQUESTS_PER_MINUTE)}
    error = ""
    if request.method == "POST":
        posted = request.POST
        typed = {name: posted.get(name, "") for name in ("name", "per_minute")} | {"scopes": posted.getlist("scopes")}
        try:
            key, secret = api_keys.create(
                seller=request.seller,
                name=typed["name"],
                scopes=typed["scopes"],
                per_minute=whole(typed["per_minute"]),
                by=request.user,
                now=timezone.now(),
            )
        except (Invalid, Conflict) as refusal:
            error = refusal.message
        else:
            return render(request, "accounts/staff/api_keys/_secret.html", {"key": key, "secret": secret}, status=201)
    context = {"typed": typed, "error": error, "scopes": SCOPES}
    return render(request, "accounts/staff/api_keys/new.html", context, status=400 if error else 200)


def whole(text: str) -> int:
    """A whole number as it was typed; 0, which nothing allows, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def find(request: StaffRequest, number: int) -> ApiKey:
    """The key of this id; Missing."""
    rows = ApiKey.objects.filter(seller=request.seller, pk=number).select_related("created_by", "revoked_by")
    found = rows.first() if number < 2**63 else None
    if found is None:
        raise Missing(_("There is no such key."))
    return found


@staff("admin")
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One key: what it may do, when it was used last, what happened to it."""
    now = timezone.now()
    key = find(request, number)
    events = Event.objects.filter(noun="api_key", object_id=str(key.pk)).select_related("actor").order_by("-at", "-id")
    context = {
        "key": key,
        "scopes": [(scope, label) for scope, label in SCOPES.items() if key.allows(scope)],
        "overlaps": list(api_keys.OVERLAPS.items()),
        "old_works": key.previous_until is not None and key.previous_until > now,
        "events": [(event, HAPPENED.get(event.name, event.name)) for event in events[:LATEST]],
        "zone": request.seller.zone,
    }
    return render(request, "accounts/staff/api_keys/detail.html", context)


@staff("admin")
@require_POST
def rotate(request: StaffRequest, number: int) -> HttpResponse:
    """A new secret; the answer shows it this once."""
    key = find(request, number)
    secret = api_keys.rotate(
        key=key, overlap_hours=request.POST.get("overlap", ""), by=request.user, now=timezone.now()
    )
    return render(request, "accounts/staff/api_keys/_secret.html", {"key": key, "secret": secret}, status=201)


@staff("admin")
@require_POST
def revoke(request: StaffRequest, number: int) -> HttpResponse:
    """The key opens nothing any more."""
    key = find(request, number)
    api_keys.revoke(key=key, by=request.user, now=timezone.now())
    messages.success(request, _("%(name)s can no longer ask the API.") % {"name": key.name})
    return HttpResponseRedirect(reverse("staff:api_keys.detail", args=[key.pk]))


urlpatterns = [
    path("api-keys/", index, name="api_keys.index"),
    path("api-keys/new/", new, name="api_keys.new"),
    path("api-keys/<int:number>/", detail, name="api_keys.detail"),
    path("api-keys/<int:number>/rotate/", rotate, name="api_keys.rotate"),
    path("api-keys/<int:number>/revoke/", revoke, name="api_keys.revoke"),
]
