"""The pages about a company's people, the same for its owners and for the desk."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from portico.accounts import members
from portico.accounts.models import Customer, Membership, User
from portico.kit.errors import Invalid, Missing


def of(customer: Customer) -> list[Membership]:
    """Who works for it, by name."""
    rows = Membership.objects.filter(customer=customer, user__is_active=True).select_related("user")
    return list(rows.order_by("user__name", "id"))


def find(customer: Customer, number: int) -> Membership:
    """One of the customer's members; Missing."""
    found = Membership.objects.select_related("user", "customer__seller").filter(customer=customer, pk=number).first()
    if found is None:
        raise Missing(_("There is no such member."))
    return found


def invite_page(request: HttpRequest, user: User, customer: Customer, template: str, back: str) -> HttpResponse:
    """The form that invites; POST sends the invitation."""
    typed = {"email": "", "name": "", "roles": ["viewer"]}
    error, status = "", 200
    if request.method == "POST":
        typed = {
            "email": request.POST.get("email", "")[:254],
            "name": request.POST.get("name", "")[:254],
            "roles": request.POST.getlist("roles"),
        }
        try:
            made = members.invite(customer=customer, by=user, now=timezone.now(), **typed)  # type: ignore[arg-type]  # as named above
        except Invalid as refusal:
            error, status = refusal.message, 400
        else:
            messages.success(request, _("%(email)s is invited by mail.") % {"email": made.user.email})
            return HttpResponseRedirect(back)
    context = {"customer": customer, "typed": typed, "error": error, "back": back, "roles": members.ROLES}
    return render(request, template, context, status=status)


def member_page(request: HttpRequest, user: User, one: Membership, template: str, back: str) -> HttpResponse:
    """One member: its roles, the invitation again, removing it."""
    error, status = "", 200
    if request.method == "POST":
        act = acts(request, user, one).get(request.POST.get("do", ""))
        if act is None:
            raise Invalid(_("Choose one of the buttons. Nothing was changed."))
        try:
            said = act()
        except Invalid as refusal:
            error, status = refusal.message, 400
        else:
            messages.success(request, said)
            return HttpResponseRedirect(back)
    context: dict[str, Any] = {"one": one, "customer": one.customer, "error": error, "back": back}
    context |= {"roles": members.ROLES, "waiting": not one.user.has_usable_password()}
    return render(request, template, context, status=status)


def acts(request: HttpRequest, user: User, one: Membership) -> dict[str, Callable[[], str]]:
    """What can be done with a member: each does it and returns what is said afterwards."""
    now, name = timezone.now(), one.user.get_full_name()

    def change() -> str:
        members.change_roles(membership=one, roles=request.POST.getlist("roles"), by=user, now=now)
        return _("The roles of %(name)s are saved.") % {"name": name}

    def again() -> str:
        members.invite_again(membership=one, by=user, now=now)
        return _("The invitation is on its way to %(name)s again.") % {"name": name}

    def remove() -> str:
        members.remove(membership=one, by=user, now=now)
        return _("%(name)s no longer works for this company here.") % {"name": name}

    return {"roles": change, "again": again, "remove": remove}
