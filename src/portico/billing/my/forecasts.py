"""What the customer's subscriptions will cost in the next twelve months: charges by month and each on its day."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.forecast import forecast
from portico.billing.models import Subscription
from portico.kit import formats
from portico.kit.charts import bars
from portico.kit.periods import today


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """A chart and a table for each currency."""
    customer, language = request.member.customer, request.user.language
    day = today(timezone.now(), customer.seller.zone)
    found = forecast(Subscription.objects.visible_to(request.member), customer, day)
    parts = []
    for currency in sorted(found.currencies, key=lambda code: (code != customer.currency, code)):
        months = found.by_month(currency, day)
        chart = bars(
            [
                (
                    formats.month(month, language, year=month == months[0][0] or month.month == 1),
                    formats.month(month, language, year=True),
                    minor,
                )
                for month, minor in months
            ],
            currency,
            language,
        )
        parts.append((currency, chart, found.of(currency)))
    context = {"parts": parts, "untold": ", ".join(found.untold)}
    return render(request, "billing/my/forecasts/index.html", context)


urlpatterns = [path("forecasts/", index, name="forecasts.index")]
