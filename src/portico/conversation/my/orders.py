"""The conversation on an order, as its customer reads it."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import MemberRequest, member
from portico.billing.models import Order
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: MemberRequest, number: str) -> HttpResponse:
    """Read and answer."""
    order = Order.objects.visible_to(request.member).select_related("customer__seller").filter(number=number).first()
    if order is None:
        raise Missing(_("There is no order of this number."))
    place = Place(order, order.customer.seller, "orders", order.number, order.title, f"/my/orders/{number}/")
    return answer(request, request.user, place, "conversation/my/orders/thread.html")


urlpatterns = [path("orders/<str:number>/thread/", thread, name="orders.thread")]
