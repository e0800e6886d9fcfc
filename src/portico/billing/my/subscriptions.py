"""The customer's subscriptions: what runs in which database, until when, and what its renewal costs."""

from functools import partial

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.models import Invoice, Order, Quotation, Subscription
from portico.billing.subscribed import COLUMNS, STATUSES, complete, in_groups, papers_of, periods_of, with_items
from portico.kit.errors import Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.periods import today

SORTS = {
    "name": Sort(lazy("Name, A to Z"), ["database__name", "id"]),
    "-name": Sort(lazy("Name, Z to A"), ["-database__name", "-id"]),
    "renewal": Sort(lazy("Next renewal, soonest first"), ["period_end", "id"]),
    "-renewal": Sort(lazy("Next renewal, latest first"), ["-period_end", "-id"]),
}
# Pages -----------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """All subscriptions of the customer with their next renewal."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    customer = request.member.customer
    day = today(timezone.now(), customer.seller.zone)
    rows = Subscription.objects.visible_to(request.member)
    if q:
        rows = rows.filter(database__name__icontains=q)
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(*COLUMNS),
        request.GET,
        q=q,
        status=status,
        statuses=STATUSES,
        sorts=SORTS,
        read=partial(with_items, day=day),
    )
    for row in found.rows:
        complete(row, customer, day)
    return render(request, "billing/my/subscriptions/index.html", {"list": found, "today": day})


@member()
@require_safe
def detail(request: MemberRequest, database: str) -> HttpResponse:
    """One subscription: its items, its renewal, its periods, and the papers around it."""
    customer = request.member.customer
    day = today(timezone.now(), customer.seller.zone)
    one = Subscription.objects.visible_to(request.member).filter(database__name=database).order_by("id")
    found = with_items(one, day=day)
    if not found:
        raise Missing(_("There is no subscription of this name."))
    row = found[0]
    complete(row, customer, day)
    context = {
        "subscription": row,
        "groups": in_groups(row["items"], row["currency"]),
        "periods": periods_of(row["id"], day),
        "today": day,
    } | papers_of(
        row["id"],
        Quotation.objects.visible_to(request.member),
        Order.objects.visible_to(request.member),
        Invoice.objects.visible_to(request.member),
        day=day,
        zone=customer.seller.zone,
    )
    return render(request, "billing/my/subscriptions/detail.html", context)


urlpatterns = [
    path("subscriptions/", index, name="subscriptions.index"),
    path("subscriptions/<str:database>/", detail, name="subscriptions.detail"),
]
