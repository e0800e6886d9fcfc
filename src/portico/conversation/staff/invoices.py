"""The conversation on an invoice, with the internal notes."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.models import Invoice
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: StaffRequest, number: str) -> HttpResponse:
    """Read and answer; internal notes are marked as such."""
    invoice = (
        Invoice.objects.select_related("customer__seller")
        .filter(customer__seller=request.seller, number=number)
        .first()
    )
    if invoice is None:
        raise Missing(_("There is no invoice of this number."))
    place = Place(
        invoice, invoice.customer.seller, "invoices", invoice.number or "", invoice.title, f"/staff/invoices/{number}/"
    )
    return answer(request, request.user, place, "conversation/staff/invoices/thread.html")


urlpatterns = [path("invoices/<str:number>/thread/", thread, name="invoices.thread")]
