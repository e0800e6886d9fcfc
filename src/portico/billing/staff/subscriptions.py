"""Subscriptions on the desk: which run, when they renew, what they hold and which papers belong to them."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Exists, F, Q
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.billing.actions import ahead
from portico.billing.actions import leave as leaving
from portico.billing.actions.change import change_for_customer, running_period
from portico.billing.actions.renew import try_again
from portico.billing.actions.report import attend
from portico.billing.changing import coupon_from, offer, runs, seen_from, wanted_from
from portico.billing.models import Invoice, Order, Quotation, Report, Subscription
from portico.billing.standings import standing_of
from portico.billing.subscribed import (
    COLUMNS,
    STATUSES,
    complete,
    in_groups,
    papers_of,
    periods_of,
    with_items,
)
from portico.kit.errors import Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, as_file, column, is_asked
from portico.statuses import status_of

SORTS = {
    "renewal": Sort(lazy("Next renewal, soonest first"), ["period_end", "id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "id"]),
    "name": Sort(lazy("Name, A to Z"), ["database__name", "id"]),
    "newest": Sort(lazy("Newest first"), ["-id"]),
}
CELLS = (
    column(lazy("Database"), "database__name"),
    column(lazy("Customer"), "customer__legal_name"),
    Column(lazy("Status"), lambda row: status_of("subscription", row["state"])[2]),
    column(lazy("Term in months"), "term_months"),
    column(lazy("Period begins on"), "period_start"),
    column(lazy("Renews on"), "period_end"),
    Column(lazy("Renews by itself"), lambda row: _("yes") if row["auto_renew"] else _("no")),
    column(lazy("Currency"), "currency"),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All subscriptions, the next to renew first, with what the renewal costs."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(timezone.now(), request.seller.zone)
    rows = Subscription.objects.filter(customer__seller=request.seller)
    if q:
        rows = rows.filter(Q(database__name__icontains=q) | Q(customer__legal_name__icontains=q))
    if status:
        rows = rows.filter(state=status)
    if is_asked(request.GET):
        named = rows.values(*COLUMNS, customer__legal_name=F("customer__legal_name"))
        whole = listing(named, request.GET, q=q, status=status, statuses=STATUSES, sorts=SORTS)
        return as_file(request.GET, whole, CELLS, "subscriptions")
    found = listing(
        rows.values(*COLUMNS),
        request.GET,
        q=q,
        status=status,
        statuses=STATUSES,
        sorts=SORTS,
        read=partial(with_items, day=day),
    )
    customers = Customer.objects.select_related("seller").in_bulk({row["customer_id"] for row in found.rows})
    for row in found.rows:
        complete(row, customers[row["customer_id"]], day)
    return render(request, "billing/staff/subscriptions/index.html", {"list": found, "customers": customers})


@staff()
@require_safe
def detail(request: StaffRequest, database: str) -> HttpResponse:
    """One subscription: its items, its renewal, its periods, and the papers around it."""
    day = today(timezone.now(), request.seller.zone)
    one = Subscription.objects.filter(customer__seller=request.seller, database__name=database).order_by("id")
    found = with_items(one, day=day)
    if not found:
        raise Missing(_("There is no subscription of this name."))
    row = found[0]
    lapsed = Report.objects.to_attend(request.seller).filter(subscription=row["id"]).order_by("pk")
    customer = Customer.objects.select_related("seller").annotate(lapsed=Exists(lapsed)).get(pk=row["customer_id"])
    complete(row, customer, day)
    context: dict[str, Any] = {
        "subscription": row,
        "customer": customer,
        "groups": in_groups(row["items"], row["currency"]),
        "runs": runs(row, day),
        "lapsed": list(lapsed.values("report_id", "quotation__number", "grace_until")) if customer.lapsed else [],
        "periods": periods_of(row["id"], day),
        "today": day,
    }
    context |= papers_of(
        row["id"],
        Quotation.objects.all(),
        Order.objects.all(),
        Invoice.objects.filter(state=Invoice.State.ISSUED),
        day=day,
        zone=request.seller.zone,
    )
    return render(request, "billing/staff/subscriptions/detail.html", context)


@staff("sales", "finance")
@require_POST
def again(request: StaffRequest, database: str) -> HttpResponse:
    """Let the next run take up a subscription that could not be renewed."""
    found = Subscription.objects.filter(customer__seller=request.seller, database__name=database)
    subscription = found.select_related("customer").order_by("id").first()
    if subscription is None:
        raise Missing(_("There is no subscription of this name."))
    try_again(subscription=subscription, by=request.user, now=timezone.now())
    messages.success(request, _("The renewal is tried again within a minute."))
    return HttpResponseRedirect(reverse("staff:subscriptions.detail", args=[database]))


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: StaffRequest, database: str) -> HttpResponse:
    """Add and remove for a customer: the price beside it, as the customer sees it, then the same quotation."""
    rows = Subscription.objects.filter(customer__seller=request.seller, database__name=database)
    subscription = rows.select_related("database", "customer__seller").order_by("id").first()
    if subscription is None:
        raise Missing(_("There is no subscription of this name."))
    now, problem = timezone.now(), ""
    fields = request.POST if request.method == "POST" else request.GET
    if request.method == "POST":
        try:
            quotation = change_for_customer(
                subscription=subscription,
                wanted=wanted_from(fields, request.seller, request.user.language),
                seen_minor=seen_from(fields),
                coupon=coupon_from(fields),
                by=request.user,
                now=now,
            )
        except Invalid as refusal:
            problem = refusal.message
        else:
            if quotation is None:
                messages.success(request, _("The change is noted. Nothing is to pay for it."))
                return HttpResponseRedirect(reverse("staff:subscriptions.detail", args=[database]))
            messages.success(request, _("The quotation is sent. The database changes when it is accepted."))
            return HttpResponseRedirect(reverse("staff:quotations.detail", args=[quotation.number]))
    day = today(now, request.seller.zone)
    running_period(subscription, day)
    offered, problem = offer(subscription, fields, language=request.user.language, now=now, problem=problem)
    row = with_items(rows.order_by("id"), day=day)[0]
    complete(row, subscription.customer, day)
    context = offered | {"subscription": row, "customer": subscription.customer, "problem": problem}
    return render(request, "billing/staff/subscriptions/change.html", context, status=400 if problem else 200)


@staff("sales", "finance")
@require_POST
def seen(request: StaffRequest, database: str) -> HttpResponse:
    """Somebody looked at what was installed, not paid in time and taken away again."""
    found = Subscription.objects.filter(customer__seller=request.seller, database__name=database)
    subscription = found.order_by("id").first()
    if subscription is None:
        raise Missing(_("There is no subscription of this name."))
    attend(subscription=subscription, by=request.user, now=timezone.now())
    messages.success(request, _("It is off the list on Today."))
    return HttpResponseRedirect(reverse("staff:subscriptions.detail", args=[database]))


# Renewing by hand, leaving, pausing, ending -------------------------------------------------------------------------------


def find(request: StaffRequest, database: str) -> Subscription:
    """The subscription of this database with its customer; Missing."""
    rows = Subscription.objects.filter(customer__seller=request.seller, database__name=database)
    found = rows.select_related("database", "customer__seller").order_by("id").first()
    if found is None:
        raise Missing(_("There is no subscription of this name."))
    return found


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def renewal(request: StaffRequest, database: str) -> HttpResponse:
    """Prepare the renewal quotation by hand, in a term of choice: it is sent at once, and the one before is withdrawn."""
    subscription, now, error = find(request, database), timezone.now(), ""
    if request.method == "POST":
        chosen = request.POST.get("term", "")
        try:
            if not (chosen.isascii() and chosen.isdigit() and len(chosen) < 4):
                raise Invalid(_("Choose the term."))
            quotation = ahead.renew_for_customer(
                subscription=subscription, term_months=int(chosen), by=request.user, now=now
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("The renewal quotation is sent."))
            return HttpResponseRedirect(reverse("staff:quotations.detail", args=[quotation.number]))
    context = standing_of(subscription, today(now, request.seller.zone)) | {"error": error}
    return render(request, "billing/staff/subscriptions/renewal.html", context, status=400 if error else 200)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: StaffRequest, database: str) -> HttpResponse:
    """End it today: what that gives back, invoice by invoice, before anything is done; then the credit notes."""
    subscription, now, error = find(request, database), timezone.now(), ""
    day = today(now, request.seller.zone)
    if request.method == "POST":
        try:
            notes = leaving.end_now(
                subscription=subscription,
                reason=request.POST.get("reason", ""),
                give_back=request.POST.get("give_back", "") != "nothing",
                by=request.user,
                now=now,
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            said = [_("The subscription has ended.")]
            said += [_("Credit note %(number)s is issued.") % {"number": note.number} for note in notes]
            messages.success(request, " ".join(said))
            return HttpResponseRedirect(reverse("staff:subscriptions.detail", args=[database]))
    back = leaving.given_back(subscription, on=day) if subscription.period_end else []
    context = standing_of(subscription, day) | {
        "error": error,
        "posted": request.POST,
        "back": back,
        "back_minor": sum(one.total_minor for one in back),
    }
    return render(request, "billing/staff/subscriptions/end.html", context, status=400 if error else 200)


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: StaffRequest, database: str) -> HttpResponse:
    """What a customer asked by phone or letter: cancel or pause at the end of the period, take either back, or go on."""
    subscription, now, error = find(request, database), timezone.now(), ""
    if request.method == "POST":
        try:
            carry_out(request, subscription, request.POST.get("do", ""), now)
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:subscriptions.detail", args=[database]))
    context = standing_of(subscription, today(now, request.seller.zone)) | {
        "error": error,
        "posted": request.POST,
        "reasons": [(key, label, "") for key, label in Subscription.LeaveReason.choices],
    }
    return render(request, "billing/staff/subscriptions/leave.html", context, status=400 if error else 200)


def carry_out(request: StaffRequest, subscription: Subscription, do: str, now: datetime) -> None:
    """What was asked, done for the customer; Invalid for what is not known."""
    by = request.user
    if do == "leave":
        reason, comment = request.POST.get("reason", ""), request.POST.get("comment", "")
        leaving.ask_to_leave(subscription=subscription, reason=reason, comment=comment, by=by, now=now)
        return
    steps: dict[str, Callable[..., object]] = {
        "stay": leaving.stay,
        "pause": leaving.ask_to_pause,
        "back": leaving.do_not_pause,
        "resume": leaving.resume,
    }
    if do not in steps:
        raise Invalid(_("Choose what is to be done."))
    steps[do](subscription=subscription, by=by, now=now)


urlpatterns = [
    path("subscriptions/", index, name="subscriptions.index"),
    path("subscriptions/<str:database>/", detail, name="subscriptions.detail"),
    path("subscriptions/<str:database>/change/", change, name="subscriptions.change"),
    path("subscriptions/<str:database>/seen/", seen, name="subscriptions.seen"),
    path("subscriptions/<str:database>/end/", end, name="subscriptions.end"),
    path("subscriptions/<str:database>/leave/", leave, name="subscriptions.leave"),
    path("subscriptions/<str:database>/renewal/", renewal, name="subscriptions.renewal"),
    path("subscriptions/<str:database>/again/", again, name="subscriptions.again"),
]
