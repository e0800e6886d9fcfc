"""Privacy, for a customer's person: a copy of the data, closing the account, erasing the data."""

from django.contrib.auth import logout
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.privacy import actions
from portico.privacy.erasing import STEPS, kept
from portico.privacy.models import ErasureRequest, Export


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """What can be asked, what was asked, and what becomes of it."""
    seller = request.member.customer.seller
    exports = list(Export.objects.filter(user=request.user).order_by("-id")[:3])
    context = {
        "seller": seller,
        "exports": [(one, actions.fetch_token(one) if one.state == Export.State.READY else "") for one in exports],
        "asked": ErasureRequest.objects.filter(user=request.user).order_by("-id").first(),
        "goes": STEPS,
        "stays": kept(request.user, seller.country),
    }
    return render(request, "privacy/my/privacy/index.html", context)


@member()
@require_POST
def export(request: MemberRequest) -> HttpResponse:
    """Ask for a copy."""
    actions.ask_export(user=request.user, password=request.POST.get("password", ""), now=timezone.now())
    return HttpResponseRedirect(reverse("my:privacy.index"))


@member()
@require_safe
def download(request: MemberRequest, token: str) -> HttpResponse:
    """The copy, once."""
    content = actions.take_export(token, user=request.user, now=timezone.now())
    headers = {"Content-Disposition": 'attachment; filename="my-data.zip"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/zip", headers=headers)


@member()
@require_POST
def close(request: MemberRequest) -> HttpResponse:
    """Close the account: the mail holds the way back."""
    actions.close_account(user=request.user, password=request.POST.get("password", ""), now=timezone.now())
    logout(request)
    title, text = _("Your account is closed"), _("We sent you a link that opens it again within thirty days.")
    return render(request, "privacy/said.html", {"title": title, "text": text})


@member()
@require_POST
def erase(request: MemberRequest) -> HttpResponse:
    """Ask to be erased."""
    seller = request.member.customer.seller
    actions.ask_erasure(user=request.user, seller=seller, password=request.POST.get("password", ""), now=timezone.now())
    return HttpResponseRedirect(reverse("my:privacy.index"))


@member()
@require_POST
def withdraw(request: MemberRequest) -> HttpResponse:
    """Take the request back."""
    actions.withdraw(user=request.user, now=timezone.now())
    return HttpResponseRedirect(reverse("my:privacy.index"))


urlpatterns = [
    path("account/privacy/", index, name="privacy.index"),
    path("account/privacy/export/", export, name="privacy.export"),
    path("account/privacy/download/<str:token>/", download, name="privacy.download"),
    path("account/privacy/close/", close, name="privacy.close"),
    path("account/privacy/erase/", erase, name="privacy.erase"),
    path("account/privacy/withdraw/", withdraw, name="privacy.withdraw"),
]
