"""A draft as the customer will see it: the customer's own page, drawn before it is sent."""

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import User
from portico.billing.actions.draft import default_valid_until
from portico.billing.documents import build
from portico.billing.documents.changes import compare
from portico.billing.documents.offer import price_selection
from portico.billing.models import Quotation, QuotationVersion
from portico.billing.my.quotations import WARN_DAYS, Offer
from portico.kit.errors import Missing


@staff()
@require_safe
def preview(request: StaffRequest, number: str) -> HttpResponse:
    """The page of the drafted version, or where nothing is written of the one that was sent; nobody is counted as a viewer."""
    quotation = (
        Quotation.objects.filter(seller=request.seller, number=number)
        .select_related("seller", "customer", "salesperson")
        .first()
    )
    if quotation is None:
        raise Missing(_("There is no quotation of this number."))
    offer = offer_of(quotation, timezone.now())
    before = offer.versions[1] if len(offer.versions) > 1 else None
    context = {
        "offer": offer,
        "paper": build.quotation_sheet(offer.version, {}, now=offer.now, stamped=True),
        "before": before,
        "changes": compare(before.lines.all(), offer.lines, offer.version.currency, quotation.customer.language)
        if before
        else [],
        "warn_days": WARN_DAYS,
        "zone": request.seller.zone,
        "may_write": request.user.staff_role in {User.StaffRole.SALES, User.StaffRole.ADMIN},
    }
    return render(request, "home/staff/quotations/preview.html", context)


def offer_of(quotation: Quotation, now: datetime) -> Offer:
    """The latest version as if it had been sent at this moment; nothing of that is saved."""
    drafted = QuotationVersion.State.DRAFT
    versions = list(quotation.versions.select_related("sent_by").prefetch_related("lines").order_by("-version"))
    version = versions[0]
    for one in versions:
        one.quotation = quotation
    if version.state == drafted:
        version.state, version.sent_at = QuotationVersion.State.SENT, now
        version.valid_until = version.valid_until or default_valid_until(now, quotation.seller)
    quotation.current_id = version.pk
    lines = sorted(version.lines.all(), key=lambda line: line.position)
    return Offer(quotation, version, versions, lines, {}, price_selection(version, {}, lines=lines), now)


urlpatterns = [path("quotations/<str:number>/preview/", preview, name="quotations.preview")]
