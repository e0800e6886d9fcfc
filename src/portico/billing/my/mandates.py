"""The owner's mandate: what databases report as added may be ordered by itself, up to a limit a month."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portico.accounts.access import MemberRequest, member
from portico.billing.actions import report
from portico.billing.models import ChangePolicy, Mandate
from portico.kit.errors import Invalid
from portico.kit.money import parse_amount
from portico.kit.periods import today

SHOWN = 20


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: MemberRequest) -> HttpResponse:
    """Give a mandate, see the one that stands with what is left of it, and those before."""
    customer, now = request.member.customer, timezone.now()
    limit, agreed, error = "", False, ""
    if request.method == "POST":
        limit, agreed = request.POST.get("limit", ""), "consent" in request.POST
        try:
            minor = parse_amount(limit, customer.currency, request.user.language)
            report.give_mandate(by=request.member, limit_minor=minor, consent=agreed, now=now)
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("The mandate is given. You may end it here at any time."))
            return HttpResponseRedirect(reverse("my:mandates.index"))
    mandates = list(Mandate.objects.filter(customer=customer).select_related("given_by").order_by("-pk")[:SHOWN])
    standing = next((one for one in mandates if one.revoked_at is None), None)
    context = {
        "mandates": mandates,
        "standing": standing,
        "spent_minor": report.spent_in(standing, today(now, customer.seller.zone)) if standing else 0,
        "is_used": ChangePolicy.of(customer.seller).policy == ChangePolicy.Policy.AUTO_ACCEPT,
        "customer": customer,
        "limit": limit,
        "agreed": agreed,
        "error": error,
        "zone": customer.seller.zone,
    }
    return render(request, "billing/my/mandates/index.html", context, status=400 if error else 200)


@member("owner")
@require_POST
def revoke(request: MemberRequest) -> HttpResponse:
    """End it; what was ordered stays ordered."""
    report.revoke_mandate(by=request.member, now=timezone.now())
    messages.success(request, _("The mandate is ended. From now on a quotation comes first."))
    return HttpResponseRedirect(reverse("my:mandates.index"))


urlpatterns = [
    path("account/mandates/", index, name="mandates.index"),
    path("account/mandates/revoke/", revoke, name="mandates.revoke"),
]
