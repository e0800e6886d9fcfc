"""The mailed link that opens a closed account again."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import public
from portico.privacy import actions


@public
@require_http_methods(["GET", "HEAD", "POST"])
def reopen(request: HttpRequest, token: str) -> HttpResponse:
    """A button, since what scans mails also opens their links; POST opens the account."""
    closing = actions.read_reopen(token, now=timezone.now())
    if request.method != "POST":
        return render(request, "privacy/share/privacy/reopen.html", {"closing": closing})
    actions.reopen(closing, now=timezone.now())
    title, text = _("Your account is open again"), _("Sign in with your password as before.")
    return render(request, "privacy/said.html", {"title": title, "text": text})


urlpatterns = [path("reopen/<str:token>/", reopen, name="privacy.reopen")]
