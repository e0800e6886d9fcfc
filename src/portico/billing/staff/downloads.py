"""ZIP files of invoices that were prepared for somebody of the desk: how far they are, fetched, deleted by that person."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions.archive import remove_archive
from portico.billing.fetching import file_answer
from portico.billing.models import Archive
from portico.kit.errors import Missing

MOST = 100


def own(request: StaffRequest) -> Any:
    """What this person asked for."""
    rows = Archive.objects.filter(seller=request.seller, member=None, user=request.user, kind=Archive.Kind.CHOSEN)
    return rows.defer("chosen")


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All of them, the newest first."""
    context = {"archives": own(request)[:MOST], "zone": request.seller.zone}
    return render(request, "billing/staff/downloads/index.html", context)


def find(request: StaffRequest, key: str) -> Archive:
    """The one of this key; Missing for another's."""
    found: Archive | None = own(request).select_related("seller").filter(key=key, expires_at__gt=timezone.now()).first()
    if found is None:
        raise Missing(_("There is no such file, or it has expired."))
    return found


@staff()
@require_safe
def detail(request: StaffRequest, key: str) -> HttpResponse:
    """How far it is."""
    context = {"archive": find(request, key), "zone": request.seller.zone}
    return render(request, "billing/staff/downloads/detail.html", context)


@staff()
@require_safe
def file(request: StaffRequest, key: str) -> HttpResponseBase:
    """The ZIP."""
    return file_answer(find(request, key))


@staff()
@require_POST
def retry(request: StaffRequest, key: str) -> HttpResponse:
    """Once more, after it failed."""
    find(request, key).retry()
    return HttpResponseRedirect(reverse("staff:downloads.detail", args=[key]))


@staff()
@require_POST
def delete(request: StaffRequest, key: str) -> HttpResponse:
    """Take it away."""
    remove_archive(archive=find(request, key), by=request.user, now=timezone.now())
    messages.success(request, _("The file is deleted."))
    return HttpResponseRedirect(reverse("staff:downloads.index"))


urlpatterns = [
    path("downloads/", index, name="downloads.index"),
    path("downloads/<str:key>/", detail, name="downloads.detail"),
    path("downloads/<str:key>/file/", file, name="downloads.file"),
    path("downloads/<str:key>/retry/", retry, name="downloads.retry"),
    path("downloads/<str:key>/delete/", delete, name="downloads.delete"),
]
