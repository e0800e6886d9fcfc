"""Customers on the desk, to read: who they are, what they owe, their papers and people."""

from datetime import datetime

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.members import may_manage
from portico.accounts.models import Customer, Membership
from portico.billing.models import Allocation, Invoice, Order, Payment, Quotation, Subscription
from portico.kit.errors import Missing
from portico.kit.listing import Sort, listing, search_words
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
    still_open = Q(
        invoices__state=Invoice.State.ISSUED, invoices__amount_due_minor__gt=0, invoices__currency=F("currency")
    )
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
    late = [Invoice.PaymentState.NOT_PAID, Invoice.PaymentState.PARTIALLY_PAID]
    credit_note = Q(kind=Invoice.Kind.CREDIT_NOTE)
    in_currency = Q(customer=customer, currency=customer.currency)
    papers = Invoice.objects.filter(in_currency, state=Invoice.State.ISSUED).aggregate(
        open=Coalesce(Sum("amount_due_minor", filter=~credit_note), 0),
        overdue=Coalesce(Sum("amount_due_minor", filter=~credit_note & Q(due_on__lt=day, payment_state__in=late)), 0),
        credited=Coalesce(Sum("total_minor", filter=credit_note), 0),
    )
    received = Payment.objects.filter(in_currency, state=Payment.State.SUCCEEDED).aggregate(
        sum=Coalesce(Sum("received_minor"), 0)
    )
    used = Allocation.objects.filter(
        Q(payment__customer=customer, payment__currency=customer.currency)
        | Q(credit_note__customer=customer, credit_note__currency=customer.currency)
    ).aggregate(sum=Coalesce(Sum("amount_minor"), 0))
    quotations = (
        Quotation.objects.filter(customer=customer).select_related("current", "seller").order_by("-id")[:LATEST]
    )
    context = {
        "customer": customer,
        "may_invite": may_manage(request.user, customer),
        "members": Membership.objects.filter(customer=customer).select_related("user").order_by("user__name", "id"),
        "open_minor": papers["open"],
        "overdue_minor": papers["overdue"],
        "credit_minor": papers["credited"] + received["sum"] - used["sum"],
        "quotations": [(one, status_of(one, now)) for one in quotations],
        "orders": Order.objects.filter(customer=customer).order_by("-id")[:LATEST],
        "invoices": Invoice.objects.filter(customer=customer, state=Invoice.State.ISSUED).order_by("-id")[:LATEST],
        "subscriptions": Subscription.objects.filter(customer=customer).select_related("database").order_by("id"),
        "today": day,
    }
    return render(request, "billing/staff/customers/detail.html", context)


def status_of(quotation: Quotation, now: datetime) -> str:
    """The status as the lists show it."""
    if quotation.current is None:
        return "draft"
    quotation.current.quotation = quotation
    return quotation.current.status(now)


urlpatterns = [
    path("customers/", index, name="customers.index"),
    path("customers/<int:number>/", detail, name="customers.detail"),
]
