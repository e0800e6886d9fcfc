"""Customers on the desk, to read: who they are, what they owe, their papers and people."""

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer, Membership
from portico.billing.models import Invoice, Order, Payment, Quotation, Subscription
from portico.billing.staff.desk import Sort, listing, search_words
from portico.kit.errors import Missing
from portico.kit.periods import today

SORTS = {
    "name": Sort(lazy("Name"), ["legal_name", "id"]),
    "owed": Sort(lazy("Open balance, highest first"), ["-open_minor", "-id"]),
    "newest": Sort(lazy("Newest first"), ["-id"]),
}
LATEST = 8
"""How many of each kind of paper a customer's page shows; the lists have them all."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All customers with what they owe, in their own currency."""
    q = search_words(request.GET)
    still_open = Q(invoices__state=Invoice.State.ISSUED, invoices__amount_due_minor__gt=0)
    rows = Customer.objects.filter(seller=request.seller)
    if q:
        rows = rows.filter(Q(legal_name__icontains=q) | Q(vat_id__icontains=q) | Q(city__icontains=q))
    rows = rows.annotate(
        open_minor=Coalesce(Sum("invoices__amount_due_minor", filter=still_open), 0),
        open_invoices=Count("invoices", filter=still_open),
    )
    fields = "id legal_name city country currency open_minor open_invoices".split()
    found = listing(rows.values(*fields), request.GET, q=q, status="", statuses={}, sorts=SORTS)
    return render(request, "billing/staff/customers/index.html", {"list": found})


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One customer: company, people, balance, latest papers."""
    customer = Customer.objects.filter(seller=request.seller, pk=number).first() if number < 2**63 else None
    if customer is None:
        raise Missing(_("There is no such customer."))
    now = timezone.now()
    day = today(now, request.seller.zone)
    unpaid = Invoice.objects.filter(customer=customer).open()
    late = [Invoice.PaymentState.NOT_PAID, Invoice.PaymentState.PARTIALLY_PAID]
    owed = unpaid.aggregate(
        open=Coalesce(Sum("amount_due_minor"), 0),
        overdue=Coalesce(Sum("amount_due_minor", filter=Q(due_on__lt=day, payment_state__in=late)), 0),
    )
    received = Payment.objects.filter(customer=customer, state=Payment.State.SUCCEEDED, currency=customer.currency)
    money = received.aggregate(received=Coalesce(Sum("received_minor"), 0))
    used = received.aggregate(used=Coalesce(Sum("allocations__amount_minor"), 0))
    context = {
        "customer": customer,
        "members": Membership.objects.filter(customer=customer).select_related("user").order_by("user__name", "id"),
        "open_minor": owed["open"],
        "overdue_minor": owed["overdue"],
        "credit_minor": money["received"] - used["used"],
        "quotations": Quotation.objects.filter(customer=customer)
        .select_related("current", "seller")
        .order_by("-id")[:LATEST],
        "orders": Order.objects.filter(customer=customer).order_by("-id")[:LATEST],
        "invoices": Invoice.objects.filter(customer=customer, state=Invoice.State.ISSUED).order_by("-id")[:LATEST],
        "subscriptions": Subscription.objects.filter(customer=customer).select_related("database").order_by("id"),
        "today": day,
        "now": now,
    }
    return render(request, "billing/staff/customers/detail.html", context)


urlpatterns = [
    path("customers/", index, name="customers.index"),
    path("customers/<int:number>/", detail, name="customers.detail"),
]
