"""What the seller asks of those who pay it: the least amount that somebody may choose."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions.amounts import change_least_part
from portico.billing.models import PaymentRules
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_amount
from portico.kit.text import one_line


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: StaffRequest) -> HttpResponse:
    """The least part; POST keeps it."""
    currency, language = request.seller.currency, request.user.language
    kept = PaymentRules.of(request.seller).least_part_minor
    typed, error = "" if kept is None else formats.amount(kept, currency, language), ""
    if request.method == "POST":
        typed = one_line(request.POST.get("least", ""))[:40]
        try:
            least = parse_amount(typed, currency, language) if typed else None
            change_least_part(seller=request.seller, least_minor=least, by=request.user, now=timezone.now())
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:payment_rules.index"))
    context = {"typed": typed, "error": error, "currency": currency}
    return render(request, "billing/staff/payment_rules/index.html", context, status=400 if error else 200)


urlpatterns = [path("payment-rules/", index, name="payment_rules.index")]
