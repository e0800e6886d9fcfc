"""ZIP files that were prepared for this person: how far they are, fetched, deleted."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.actions.archive import remove_archive, sees
from portico.billing.fetching import file_answer
from portico.billing.models import Archive
from portico.kit.errors import Missing

MOST = 100


def own(request: MemberRequest) -> Any:
    """What this member asked for, in the name of this customer."""
    return Archive.objects.filter(member=request.member, user=request.user, kind=Archive.Kind.CHOSEN).defer("chosen")


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """All of them, the newest first."""
    return render(
        request,
        "billing/my/downloads/index.html",
        {"archives": own(request)[:MOST], "zone": request.member.customer.seller.zone},
    )


def find(request: MemberRequest, key: str) -> Archive:
    """The one of this key; Missing for another's, and for one made when this person could see other documents."""
    found: Archive | None = own(request).select_related("seller").filter(key=key).first()
    if found is None or found.expires_at <= timezone.now() or found.sees != sees(request.member):
        raise Missing(_("There is no such file, or it has expired."))
    return found


@member()
@require_safe
def detail(request: MemberRequest, key: str) -> HttpResponse:
    """How far it is; a piece of the page for htmx, the whole one without."""
    context = {"archive": find(request, key), "zone": request.member.customer.seller.zone}
    return render(request, "billing/my/downloads/detail.html", context)


@member()
@require_safe
def file(request: MemberRequest, key: str) -> HttpResponseBase:
    """The ZIP."""
    return file_answer(find(request, key))


@member()
@require_POST
def retry(request: MemberRequest, key: str) -> HttpResponse:
    """Once more, after it failed."""
    find(request, key).retry()
    return HttpResponseRedirect(reverse("my:downloads.detail", args=[key]))


@member()
@require_POST
def delete(request: MemberRequest, key: str) -> HttpResponse:
    """Take it away."""
    remove_archive(archive=find(request, key), by=request.user, now=timezone.now())
    messages.success(request, _("The file is deleted."))
    return HttpResponseRedirect(reverse("my:downloads.index"))


urlpatterns = [
    path("downloads/", index, name="downloads.index"),
    path("downloads/<str:key>/", detail, name="downloads.detail"),
    path("downloads/<str:key>/file/", file, name="downloads.file"),
    path("downloads/<str:key>/retry/", retry, name="downloads.retry"),
    path("downloads/<str:key>/delete/", delete, name="downloads.delete"),
]
