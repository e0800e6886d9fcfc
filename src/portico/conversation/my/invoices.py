"""The conversation on an invoice, as its customer reads it."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import MemberRequest, member
from portico.billing.models import Invoice
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: MemberRequest, number: str) -> HttpResponse:
    """Read and answer."""
    invoice = (
        Invoice.objects.visible_to(request.member).select_related("customer__seller").filter(number=number).first()
    )
    if invoice is None:
        raise Missing(_("There is no invoice of this number."))
    place = Place(
        invoice, invoice.customer.seller, "invoices", invoice.number or "", invoice.title, f"/my/invoices/{number}/"
    )
    return answer(request, request.user, place, "conversation/my/invoices/thread.html")


urlpatterns = [path("invoices/<str:number>/thread/", thread, name="invoices.thread")]
