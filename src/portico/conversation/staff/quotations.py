"""The conversation on a quotation, with the internal notes."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.models import Quotation
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: StaffRequest, number: str) -> HttpResponse:
    """Read and answer; internal notes are marked as such."""
    quotation = (
        Quotation.objects.select_related("current", "customer__seller")
        .filter(customer__seller=request.seller, number=number)
        .first()
    )
    if quotation is None:
        raise Missing(_("There is no quotation of this number."))
    place = Place(
        quotation,
        quotation.customer.seller,
        "quotations",
        quotation.number,
        quotation.current.title if quotation.current else "",
        f"/staff/quotations/{number}/",
    )
    return answer(request, request.user, place, "conversation/staff/quotations/thread.html")


urlpatterns = [path("quotations/<str:number>/thread/", thread, name="quotations.thread")]
