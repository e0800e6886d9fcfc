"""The start page of the desk: what waits for somebody, most urgent first, each a short list with its links."""

from datetime import timedelta

from django.db.models import F, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.models import ChangeRequest, Invoice, Order, OrderLine, Payment, Quotation, QuotationVersion
from portico.billing.models.line import Line
from portico.kit.models import Letter
from portico.kit.periods import today

SHORT = 6
SOON_DAYS = 7


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """What is to be done today."""
    seller, now = request.seller, timezone.now()
    day = today(now, seller.zone)
    valid = Quotation.objects.filter(
        seller=seller, current__state__in=QuotationVersion.OPEN, current__valid_until__gte=day
    ).select_related("current", "customer")
    lines = OrderLine.objects.filter(order__seller=seller, kind=Line.Kind.LINE)
    undelivered = lines.filter(order__state=Order.State.CONFIRMED, delivered_quantity__lt=F("quantity"))
    uninvoiced = lines.filter(
        order__state__in=[Order.State.CONFIRMED, Order.State.FULFILLED], invoiced_quantity__lt=F("delivered_quantity")
    )
    orders = Order.objects.select_related("customer").order_by("id")
    late = [Invoice.PaymentState.NOT_PAID, Invoice.PaymentState.PARTIALLY_PAID]
    context = {
        "change_requests": ChangeRequest.objects.filter(version__quotation__seller=seller, answered_at=None)
        .select_related("version__quotation__customer", "by")
        .order_by("at")[: SHORT + 1],
        "expiring": valid.filter(current__valid_until__lte=day + timedelta(days=SOON_DAYS)).order_by(
            "current__valid_until", "id"
        )[: SHORT + 1],
        "to_decide": valid.filter(current__valid_until__gt=day + timedelta(days=SOON_DAYS)).order_by(
            "current__valid_until", "id"
        )[: SHORT + 1],
        "drafts": QuotationVersion.objects.filter(quotation__seller=seller, state=QuotationVersion.State.DRAFT)
        .select_related("quotation__customer")
        .order_by("-created_at")[: SHORT + 1],
        "to_deliver": orders.filter(pk__in=undelivered.values("order"))[: SHORT + 1],
        "to_invoice": orders.filter(pk__in=uninvoiced.values("order"))[: SHORT + 1],
        "overdue": Invoice.objects.filter(seller=seller, due_on__lt=day, payment_state__in=late)
        .open()
        .select_related("customer")
        .order_by("due_on", "id")[: SHORT + 1],
        "to_review": Payment.objects.filter(customer__seller=seller)
        .filter(Q(reviewed_at=None) & ~Q(review="") | Q(state=Payment.State.UNKNOWN))
        .select_related("customer")
        .order_by("created_at")[: SHORT + 1],
        "failed_letters": Letter.objects.filter(seller=seller.pk, state=Letter.State.FAILED).order_by("id")[
            : SHORT + 1
        ],
        "short": SHORT,
        "today": day,
    }
    return render(request, "home/staff/home/index.html", context)


urlpatterns = [path("", index, name="home.index")]
