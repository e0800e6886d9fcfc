"""My Account of the seller's people: profile, language, look, password."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portico.accounts.access import StaffRequest, staff
from portico.accounts.letters import choose, switches
from portico.accounts.profile import Profile, back, read_theme


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: StaffRequest) -> HttpResponse:
    """The account page; POST saves the profile."""
    profile = Profile.of(request.user)
    if request.method == "POST":
        profile = Profile.read(request.POST)
        if not profile.errors:
            profile.save(request.user)
            with translation.override(profile.language):
                messages.success(request, _("Your profile is saved."))
            return HttpResponseRedirect(reverse("staff:account.index"))
    context = {"profile": profile, "languages": settings.LANGUAGES, "seller": request.seller}
    return render(request, "accounts/staff/account/index.html", context, status=400 if profile.errors else 200)


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def letters(request: StaffRequest) -> HttpResponse:
    """Which mails this person gets; POST keeps the choice."""
    if request.method == "POST":
        choose(request.user, request.POST)
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse("staff:account.letters"))
    return render(request, "accounts/staff/account/letters.html", {"switches": switches(request.user)})


@staff()
@require_POST
def theme(request: StaffRequest) -> HttpResponse:
    """Light, dark, or as the system is set."""
    request.user.choose_theme(read_theme(request.POST))
    return back(request, "staff:account.index")


urlpatterns = [
    path("account/", index, name="account.index"),
    path("account/letters/", letters, name="account.letters"),
    path("account/theme/", theme, name="account.theme"),
]
