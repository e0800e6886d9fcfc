"""My Account: who I am, which company I work for here, what I may do, and who else may."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portico.accounts.access import MemberRequest, member
from portico.accounts.letters import choose, switches
from portico.accounts.models import Membership
from portico.accounts.profile import Profile, back, read_theme
from portico.kit.errors import Invalid, Missing

ROLES = ("owner", "approver", "billing", "viewer")


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: MemberRequest) -> HttpResponse:
    """The account page; POST saves the profile."""
    user, customer = request.user, request.member.customer
    profile = Profile.of(user)
    if request.method == "POST":
        profile = Profile.read(request.POST)
        if not profile.errors:
            profile.save(user)
            with translation.override(profile.language):
                messages.success(request, _("Your profile is saved."))
            return HttpResponseRedirect(reverse("my:account.index"))
    team = (
        Membership.objects.filter(customer=customer, user__is_active=True)
        .select_related("user")
        .order_by("user__name", "id")
        if request.member.is_owner
        else []
    )
    context = {
        "profile": profile,
        "customer": customer,
        "seller": customer.seller,
        "languages": settings.LANGUAGES,
        "roles": held(request.member),
        "team": [(one.pk, one.user, held(one)) for one in team],
        "has_other_companies": Membership.objects.filter(user=user).exclude(pk=request.member.pk).exists(),
    }
    return render(request, "accounts/my/account/index.html", context, status=400 if profile.errors else 200)


def held(membership: Membership) -> list[str]:
    """The roles of a membership in the order of their weight."""
    return [role for role in ROLES if role in membership.roles]


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def letters(request: MemberRequest) -> HttpResponse:
    """Which mails this person gets; POST keeps the choice."""
    if request.method == "POST":
        choose(request.user, request.POST)
        messages.success(request, _("Your choice is saved."))
        return HttpResponseRedirect(reverse("my:account.letters"))
    return render(request, "accounts/my/account/letters.html", {"switches": switches(request.user)})


@member()
@require_POST
def theme(request: MemberRequest) -> HttpResponse:
    """Light, dark, or as the system is set; back to where the person was."""
    request.user.choose_theme(read_theme(request.POST))
    return back(request, "my:account.index")


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def switch(request: MemberRequest) -> HttpResponse:
    """The companies this person works for; POST chooses one of them."""
    own = (
        Membership.objects.filter(user=request.user)
        .select_related("customer__seller")
        .order_by("customer__legal_name", "id")
    )
    if request.method == "POST":
        asked = request.POST.get("membership", "")
        if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
            raise Invalid(_("Choose one of the companies. Nothing was changed."))
        chosen = own.filter(pk=int(asked)).first()
        if chosen is None:
            raise Missing(_("You are not a member of this company. Nothing was changed."))
        request.user.switch_to(chosen)
        messages.success(
            request, _("You now see the documents of %(company)s.") % {"company": chosen.customer.legal_name}
        )
        return HttpResponseRedirect("/my/")
    context = {"memberships": [(one, held(one)) for one in own], "current": request.member}
    return render(request, "accounts/my/account/switch.html", context)


urlpatterns = [
    path("account/", index, name="account.index"),
    path("account/letters/", letters, name="account.letters"),
    path("account/theme/", theme, name="account.theme"),
    path("account/switch/", switch, name="account.switch"),
]
