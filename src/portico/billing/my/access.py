"""What a colleague sees: everything of the company, or chosen databases alone."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts import people
from portico.accounts.access import MemberRequest, member
from portico.billing.actions.access import choose_databases
from portico.billing.models import DatabaseAccess, Subscription
from portico.kit.errors import Conflict, Invalid

MOST = 500


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def databases(request: MemberRequest, number: int) -> HttpResponse:
    """Choose for one colleague."""
    one = people.find(request.member.customer, number)
    back = reverse("my:members.detail", args=[one.pk])
    rows = Subscription.objects.filter(customer=request.member.customer).order_by("database__name")
    names = list(rows.values_list("database__name", flat=True)[:MOST])
    held = DatabaseAccess.objects.filter(membership=one).values_list("subscription__database__name", flat=True)
    scope, chosen, error, status = "all" if one.sees_all else "some", list(held), "", 200
    if request.method == "POST":
        scope, chosen = request.POST.get("scope", ""), request.POST.getlist("database")
        try:
            if scope not in {"all", "some"}:
                raise Invalid(_("Choose what this person sees."))
            wanted = chosen if scope == "some" else None
            choose_databases(membership=one, names=wanted, by=request.user, now=timezone.now())
        except (Invalid, Conflict) as refusal:
            error, status = refusal.message, refusal.status
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(back)
    context = {"one": one, "names": names, "scope": scope, "chosen": chosen, "error": error, "back": back}
    return render(request, "billing/my/access/databases.html", context, status=status)


urlpatterns = [path("account/members/<int:number>/databases/", databases, name="access.databases")]
