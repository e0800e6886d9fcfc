"""The conversation on an order, with the internal notes."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.models import Order
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: StaffRequest, number: str) -> HttpResponse:
    """Read and answer; internal notes are marked as such."""
    order = (
        Order.objects.select_related("customer__seller").filter(customer__seller=request.seller, number=number).first()
    )
    if order is None:
        raise Missing(_("There is no order of this number."))
    place = Place(order, order.customer.seller, "orders", order.number, order.title, f"/staff/orders/{number}/")
    return answer(request, request.user, place, "conversation/staff/orders/thread.html")


urlpatterns = [path("orders/<str:number>/thread/", thread, name="orders.thread")]
