"""The conversation on a subscription, with the internal notes."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import StaffRequest, staff
from portico.billing.models import Subscription
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: StaffRequest, database: str) -> HttpResponse:
    """Read and answer; internal notes are marked as such."""
    subscription = (
        Subscription.objects.select_related("database", "customer__seller")
        .filter(customer__seller=request.seller, database__name=database)
        .first()
    )
    if subscription is None:
        raise Missing(_("There is no subscription of this name."))
    place = Place(
        subscription,
        subscription.customer.seller,
        "subscriptions",
        subscription.database.name,
        "",
        f"/staff/subscriptions/{database}/",
    )
    return answer(request, request.user, place, "conversation/staff/subscriptions/thread.html")


urlpatterns = [path("subscriptions/<str:database>/thread/", thread, name="subscriptions.thread")]
