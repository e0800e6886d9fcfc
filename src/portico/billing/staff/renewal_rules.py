"""When renewals are offered, and what happens when they are not accepted or not paid: the seller's own days."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions.renewal_rules import change_renewal_rules
from portico.billing.models import RenewalRules
from portico.kit.errors import Invalid

NAMES = ("ahead_days", "grace_days", "ending_days")


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: StaffRequest) -> HttpResponse:
    """The days; POST keeps them."""
    rules, error = RenewalRules.of(request.seller), ""
    typed = {name: str(getattr(rules, name)) for name in NAMES}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "").strip() for name in NAMES}
        try:
            change_renewal_rules(
                seller=request.seller,
                ahead_days=days(typed["ahead_days"]),
                grace_days=days(typed["grace_days"]),
                ending_days=days(typed["ending_days"]),
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:renewal_rules.index"))
    context = {"typed": typed, "error": error}
    return render(request, "billing/staff/renewal_rules/index.html", context, status=400 if error else 200)


def days(text: str) -> int:
    """A number of days; Invalid for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise Invalid(_("Enter days as whole numbers."))
    return int(text)


urlpatterns = [path("renewal-rules/", index, name="renewal_rules.index")]
