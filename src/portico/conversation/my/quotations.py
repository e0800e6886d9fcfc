"""The conversation on a quotation, as its customer reads it."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import MemberRequest, member
from portico.billing.models import Quotation
from portico.conversation.thread import Place, answer
from portico.kit.errors import Missing


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: MemberRequest, number: str) -> HttpResponse:
    """Read and answer."""
    quotation = (
        Quotation.objects.visible_to(request.member)
        .select_related("current", "customer__seller")
        .filter(number=number)
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
        f"/my/quotations/{number}/",
    )
    return answer(request, request.user, place, "conversation/my/quotations/thread.html")


urlpatterns = [path("quotations/<str:number>/thread/", thread, name="quotations.thread")]
