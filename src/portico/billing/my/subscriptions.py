"""The customer's subscriptions: what runs in which database, until when, and what its renewal costs."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

from django.db.models import FilteredRelation, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.accounts.models import Customer
from portico.billing import pricing
from portico.billing.actions.renew import Renewing, price_renewal
from portico.billing.models import (
    Invoice,
    Order,
    Product,
    Quotation,
    QuotationVersion,
    Subscription,
    SubscriptionPeriod,
)
from portico.billing.models.invoice import overdue
from portico.kit.errors import Missing
from portico.kit.listing import Sort, chosen_status, listing, plain, search_words
from portico.kit.money import line_net_minor
from portico.kit.periods import today

STATUSES = {
    "active": lazy("Active"),
    "pending": lazy("Pending"),
    "past_due": lazy("Past due"),
    "suspended": lazy("Suspended"),
    "paused": lazy("Paused"),
    "ended": lazy("Ended"),
}
SORTS = {
    "name": Sort(lazy("Name, A to Z"), ["database__name", "id"]),
    "-name": Sort(lazy("Name, Z to A"), ["-database__name", "-id"]),
    "renewal": Sort(lazy("Next renewal, soonest first"), ["period_end", "id"]),
    "-renewal": Sort(lazy("Next renewal, latest first"), ["-period_end", "-id"]),
}
RENEWING = (Subscription.State.ACTIVE, Subscription.State.PAST_DUE)
"""The states in which a renewal lies ahead."""
SHORT = 10
COLUMNS = (
    "id", "database__name", "state", "currency", "term_months", "period_start", "period_end", "auto_renew",
)  # fmt: skip
ITEM_COLUMNS = (
    "id", "description", "quantity", "unit_price", "discount_percent", "started_on", "ended_on", "product__kind",
    "product__unit", "product__vat_category", "product__vat_rate",
)  # fmt: skip


# Reading a subscription with its items ---------------------------------------------------------------------------------


def with_items(cut: QuerySet[Any, Any], *, day: date) -> list[dict[str, Any]]:
    """The subscriptions of a cut and sorted query, each with the `items` that run on `day`, in one query."""
    return grouped(item_rows(cut, day=day))


def item_rows(cut: QuerySet[Any, Any], *, day: Any) -> QuerySet[Subscription, dict[str, Any]]:
    """A row for each item that runs on `day`, of the subscriptions of a cut and sorted query."""
    order = cut.query.order_by
    rows: QuerySet[Subscription, dict[str, Any]] = (
        Subscription.objects.filter(pk__in=cut.values("pk"))
        .annotate(
            running=FilteredRelation("items", condition=Q(items__ended_on=None) | Q(items__ended_on__gt=day)),
        )
        .order_by(*order, "running__id")
        .values(*COLUMNS, *(f"running__{name}" for name in ITEM_COLUMNS))
    )
    return rows


def grouped(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each subscription once, with its `items`."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        subscription = found.setdefault(row["id"], {name: row[name] for name in COLUMNS} | {"items": []})
        if row["running__id"] is not None:
            subscription["items"].append({name: row[f"running__{name}"] for name in ITEM_COLUMNS})
    return list(found.values())


def complete(row: dict[str, Any], customer: Customer, day: date) -> None:
    """Add what follows from a subscription's values: its name, what it holds, when it renews and what that costs."""
    row["name"] = row["database__name"]
    row["holds"] = holds(row["items"])
    row["term"] = term(row["term_months"])
    row["renews_on"] = row["period_end"] if row["state"] in RENEWING else None
    row["days_left"] = (row["renews_on"] - day).days if row["renews_on"] else None
    row["renewal"] = priced(row, customer) if row["renews_on"] else None


def priced(row: Mapping[str, Any], customer: Customer) -> pricing.Priced | None:
    """What the next period costs; None when its VAT cannot be told yet."""
    items = [Renewing.of(item) for item in row["items"]]
    return price_renewal(items, customer=customer, currency=row["currency"], on=row["period_end"])


def holds(items: Iterable[Mapping[str, Any]]) -> str:
    """What a subscription holds in a few words: Business plan, 6 applications, 12 users."""
    plans, applications, users = [], 0, 0
    for item in items:
        if item["product__kind"] == Product.Kind.PLAN:
            plans.append(str(item["description"]))
        elif item["product__kind"] == Product.Kind.APPLICATION:
            applications += int(item["quantity"])
        elif item["product__kind"] == Product.Kind.USERS:
            users += int(item["quantity"])
    words = list(dict.fromkeys(plans))
    if applications:
        words.append(ngettext("%(num)d application", "%(num)d applications", applications) % {"num": applications})
    if users:
        words.append(ngettext("%(num)d user", "%(num)d users", users) % {"num": users})
    return ", ".join(words)


def term(months: int) -> dict[str, str]:
    """A term in words: how it is called, and what a price is for."""
    if months == 1:
        return {"name": _("monthly"), "per": _("a month")}
    if months == 12:
        return {"name": _("yearly"), "per": _("a year")}
    if months % 12 == 0:
        years = {"num": months // 12}
        return {"name": _("every %(num)d years") % years, "per": _("for %(num)d years") % years}
    return {"name": _("every %(num)d months") % {"num": months}, "per": _("for %(num)d months") % {"num": months}}


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
    key = row["id"]
    offered = Quotation.objects.visible_to(request.member).filter(subscription=key).order_by("-id")
    ordered = Order.objects.visible_to(request.member).filter(subscription=key).order_by("-id")
    billed = (
        Invoice.objects.visible_to(request.member)
        .filter(Q(order__subscription=key) | Q(period__subscription=key))
        .exclude(kind=Invoice.Kind.CREDIT_NOTE)
        .order_by("-id")
    )
    quotations = plain(
        offered.values(
            "number", "kind", "current__title", "current__state", "current__valid_until", "current__currency",
            "current__total_minor", "current__sent_at",
        )[:SHORT]
    )  # fmt: skip
    for quotation in quotations:
        expired = quotation["current__state"] in QuotationVersion.OPEN and quotation["current__valid_until"] < day
        quotation["status"] = "expired" if expired else quotation["current__state"]
        quotation["sent_on"] = today(quotation["current__sent_at"], customer.seller.zone)
    invoices = plain(
        billed.values(
            "number", "title", "issued_on", "due_on", "currency", "total_minor", "amount_due_minor", "payment_state"
        )[:SHORT]
    )
    for invoice in invoices:
        late = overdue(invoice["payment_state"], invoice["due_on"], day)
        invoice["status"] = "overdue" if late else invoice["payment_state"]
    renewals = [
        quotation
        for quotation in quotations
        if quotation["kind"] == Quotation.Kind.RENEWAL and quotation["status"] in QuotationVersion.OPEN
    ]
    context = {
        "subscription": row,
        "groups": in_groups(row["items"], row["currency"]),
        "quotations": quotations,
        "orders": list(ordered.values("number", "title", "ordered_on", "state", "currency", "total_minor")[:SHORT]),
        "invoices": invoices,
        "renewal_quotation": renewals[0] if renewals else None,
        "periods": periods_of(key, day),
        "today": day,
    }
    return render(request, "billing/my/subscriptions/detail.html", context)


def periods_of(subscription: int, day: date) -> list[dict[str, Any]]:
    """The periods that have begun, newest first, each with its last day, its invoice, and whether it is the present one."""
    rows = SubscriptionPeriod.objects.filter(subscription=subscription).order_by("-start")
    periods = plain(rows.values("start", "end", "invoice__number")[:SHORT])
    for period in periods:
        period["last"] = period["end"] - timedelta(days=1)
        period["is_now"] = period["start"] <= day < period["end"]
    return periods


def in_groups(items: Iterable[dict[str, Any]], currency: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Items by what they are, plan first, each with its price for a term before VAT."""
    headings = {
        "plan": _("Plan"),
        "users": _("Users"),
        "application": _("Applications"),
        "theme": _("Themes"),
        "service": _("Services"),
        "goods": _("Goods"),
    }
    groups: dict[str, list[dict[str, Any]]] = {kind: [] for kind in headings}
    for item in items:
        item["net_minor"] = line_net_minor(item["quantity"], item["unit_price"], item["discount_percent"], currency)
        groups[item["product__kind"]].append(item)
    return [(headings[kind], found) for kind, found in groups.items() if found]


urlpatterns = [
    path("subscriptions/", index, name="subscriptions.index"),
    path("subscriptions/<str:database>/", detail, name="subscriptions.detail"),
]
