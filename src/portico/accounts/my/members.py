"""Team: an owner invites colleagues, says what each may do, and removes them."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts import people
from portico.accounts.access import MemberRequest, member


@member("owner")
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """Who works for the company."""
    return render(request, "accounts/my/members/index.html", {"team": people.of(request.member.customer)})


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: MemberRequest) -> HttpResponse:
    """Invite a colleague by mail."""
    back = reverse("my:members.index")
    return people.invite_page(request, request.user, request.member.customer, "accounts/my/members/invite.html", back)


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: MemberRequest, number: int) -> HttpResponse:
    """One colleague."""
    one = people.find(request.member.customer, number)
    back = reverse("my:members.index")
    return people.member_page(request, request.user, one, "accounts/my/members/detail.html", back)


urlpatterns = [
    path("account/members/", index, name="members.index"),
    path("account/members/invite/", invite, name="members.invite"),
    path("account/members/<int:number>/", detail, name="members.detail"),
]
