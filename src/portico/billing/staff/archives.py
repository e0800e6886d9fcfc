"""Yearly archives for auditors: made from the books, with what a stranger needs to check them; fetched, deleted."""

from typing import Any

from django.contrib import messages
from django.db.models import Max, Min
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions.archive import ask_year, remove_archive
from portico.billing.documents.auditing.year import SERIES
from portico.billing.fetching import file_answer
from portico.billing.models import Archive, NumberSeries
from portico.kit.errors import Invalid, Missing
from portico.kit.periods import today

MOST = 100


def all_of(request: StaffRequest) -> Any:
    """The archives of the seller."""
    return Archive.objects.filter(seller=request.seller, kind=Archive.Kind.YEAR).select_related("user", "seller")


@staff("finance")
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """What was made, and the years that can be."""
    counters = NumberSeries.objects.filter(seller=request.seller, series__in=SERIES, last_issued_on__isnull=False)
    found = counters.aggregate(first=Min("year"), last=Max("year"))
    years = range(found["last"], found["first"] - 1, -1) if found["last"] else []
    this_year = today(timezone.now(), request.seller.zone).year
    context = {
        "archives": all_of(request)[:MOST],
        "years": [(year, _("%(year)d so far") % {"year": year} if year == this_year else str(year)) for year in years],
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/archives/index.html", context)


@staff("finance")
@require_POST
def start(request: StaffRequest) -> HttpResponse:
    """Have the archive of a year made."""
    year = request.POST.get("year", "")
    if not (year.isascii() and year.isdigit() and len(year) == 4):
        raise Invalid(_("Choose a year that has begun."))
    made = ask_year(seller=request.seller, by=request.user, year=int(year), now=timezone.now())
    return HttpResponseRedirect(reverse("staff:archives.detail", args=[made.key]))


def find(request: StaffRequest, key: str) -> Archive:
    """The one of this key; Missing without it."""
    found: Archive | None = all_of(request).filter(key=key, expires_at__gt=timezone.now()).first()
    if found is None:
        raise Missing(_("There is no such file, or it has expired."))
    return found


@staff("finance")
@require_safe
def detail(request: StaffRequest, key: str) -> HttpResponse:
    """How far it is; when it is ready, what it proves and how."""
    context = {"archive": find(request, key), "zone": request.seller.zone}
    return render(request, "billing/staff/archives/detail.html", context)


@staff("finance")
@require_safe
def file(request: StaffRequest, key: str) -> HttpResponseBase:
    """The ZIP."""
    return file_answer(find(request, key))


@staff("finance")
@require_POST
def retry(request: StaffRequest, key: str) -> HttpResponse:
    """Once more, after it failed: it goes on where it was."""
    find(request, key).retry()
    return HttpResponseRedirect(reverse("staff:archives.detail", args=[key]))


@staff("finance")
@require_POST
def delete(request: StaffRequest, key: str) -> HttpResponse:
    """Take it away; the books stay, and it can be made again."""
    remove_archive(archive=find(request, key), by=request.user, now=timezone.now())
    messages.success(request, _("The file is deleted."))
    return HttpResponseRedirect(reverse("staff:archives.index"))


urlpatterns = [
    path("archives/", index, name="archives.index"),
    path("archives/start/", start, name="archives.start"),
    path("archives/<str:key>/", detail, name="archives.detail"),
    path("archives/<str:key>/file/", file, name="archives.file"),
    path("archives/<str:key>/retry/", retry, name="archives.retry"),
    path("archives/<str:key>/delete/", delete, name="archives.delete"),
]
