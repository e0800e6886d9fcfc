"""One message to a webhook endpoint: what it says, and every attempt."""

import json

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import hooks
from portico.billing.staff.webhooks import said
from portico.kit.errors import Missing
from portico.kit.models import WebhookDelivery

SHOWN = 50


def find(request: StaffRequest, number: str) -> WebhookDelivery:
    """The message of this webhook-id; Missing."""
    rows = WebhookDelivery.objects.filter(endpoint__seller=request.seller.pk, webhook_id=number)
    found = rows.select_related("endpoint").first()
    if found is None:
        raise Missing(_("There is no such message. Messages are kept for 30 days."))
    return found


@staff("admin")
@require_safe
def detail(request: StaffRequest, number: str) -> HttpResponse:
    """What was sent, and what came back each time."""
    delivery = find(request, number)
    tries = list(delivery.tries.order_by("-id")[:SHOWN])
    context = {
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "tries": [(one, said(one.error) if one.error else "") for one in tries],
        "error": said(delivery.error) if delivery.error else "",
        "body": json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False) if delivery.body else "",
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/deliveries/detail.html", context)


@staff("admin")
@require_POST
def replay(request: StaffRequest, number: str) -> HttpResponse:
    """Send it again, under the same webhook-id."""
    delivery = find(request, number)
    hooks.replay(delivery=delivery, now=timezone.now())
    messages.success(request, _("The message is sent again in a moment."))
    return HttpResponseRedirect(reverse("staff:deliveries.detail", args=[delivery.webhook_id]))


urlpatterns = [
    path("webhooks/deliveries/<str:number>/", detail, name="deliveries.detail"),
    path("webhooks/deliveries/<str:number>/replay/", replay, name="deliveries.replay"),
]
