"""What a subscription holds, as pages show it: items, what its renewal costs, its periods; for both sides of the desk."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import FilteredRelation, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from portico.accounts.models import Customer
from portico.billing.actions.renew import Renewing, price_lines
from portico.billing.models import (
    Invoice,
    Order,
    Price,
    Product,
    Quotation,
    QuotationVersion,
    Subscription,
    SubscriptionPeriod,
)
from portico.billing.models.invoice import overdue
from portico.billing.models.pricelist import PRICE_COLUMNS, PriceHistory
from portico.billing.renewal_prices import Renews, renews_at
from portico.kit.listing import plain
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
RENEWING = (Subscription.State.ACTIVE, Subscription.State.PAST_DUE)
"""The states in which a renewal lies ahead."""
SHORT = 10
COLUMNS = (
    "id", "customer_id", "database__name", "state", "currency", "term_months", "period_start", "period_end", "auto_renew",
    "renewal_problem", "trial_ends_on", "past_due_on", "suspended_on", "ended_on", "leave_asked_at", "pause_asked_at",
    "anchored_on", "resumes_on",
)  # fmt: skip
ITEM_COLUMNS = (
    "id", "description", "quantity", "unit_price", "discount_percent", "started_on", "ended_on", "product__kind",
    "product__unit", "product__vat_category", "product__vat_rate", "product_id", "discount_until", "discount_after",
    *(f"list_price__{name}" for name in PRICE_COLUMNS),
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
    """Each subscription once, with its `items`, and the `history` of list prices where any of them moves (one query more)."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        subscription = found.setdefault(row["id"], {name: row[name] for name in COLUMNS} | {"items": []})
        if row["running__id"] is not None:
            subscription["items"].append({name: row[f"running__{name}"] for name in ITEM_COLUMNS})
    movers = {
        item["product_id"]
        for one in found.values()
        for item in one["items"]
        if item["list_price__moves_from"] is not None
    }
    history = Price.objects.filter(product__in=movers).history() if movers else PriceHistory()
    for one in found.values():
        one["history"] = history
    return list(found.values())


def complete(row: dict[str, Any], customer: Customer, day: date) -> None:
    """Add what follows from a subscription's values: its name, what it holds, when it renews and what that costs."""
    row["name"] = row["database__name"]
    for item in row["items"]:
        item["follows"] = item["started_on"] > day
    running = [item for item in row["items"] if not item["follows"]]
    plans = [str(item["description"]) for item in running if item["product__kind"] == Product.Kind.PLAN]
    row["holds"] = holds(running)
    row["plan"] = ", ".join(dict.fromkeys(plans))
    row["users"] = sum(item["quantity"] for item in running if item["product__kind"] == Product.Kind.USERS)
    row["in_trial"] = row["trial_ends_on"] is not None and day < row["trial_ends_on"]
    row["term"] = term(row["term_months"])
    row["renews_on"] = row["period_end"] if row["state"] in RENEWING else None
    row["days_left"] = (row["renews_on"] - day).days if row["renews_on"] else None
    lines = renewal_lines(row) if row["renews_on"] else []
    row["renewal"] = price_lines(lines, customer=customer, currency=row["currency"]) if row["renews_on"] else None
    row["renewal_lines"] = told(lines, row)


def renewal_lines(row: Mapping[str, Any]) -> list[Renews[Renewing]]:
    """The lines at which it renews."""
    return renews_at(
        [Renewing.of(item) for item in row["items"]], row["period_end"],
        currency=row["currency"], term_months=row["term_months"], history=row["history"],
    )  # fmt: skip


def told(lines: Iterable[Renews[Renewing]], row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of a renewal as pages show them: with what they are called, and the old price where it is another."""
    items = {item["id"]: item for item in row["items"]}
    return [
        {
            "item": items[line.items[0].key],
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "discount_percent": line.discount_percent,
            "old_unit_price": line.old_unit_price if line.old_unit_price != line.unit_price else None,
            "net_minor": line_net_minor(line.quantity, line.unit_price, line.discount_percent, row["currency"]),
        }
        for line in lines
    ]


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


# The papers around it --------------------------------------------------------------------------------------------------


def papers_of(
    subscription: int,
    quotations: QuerySet[Quotation],
    orders: QuerySet[Order],
    invoices: QuerySet[Invoice],
    *,
    day: date,
    zone: ZoneInfo,
) -> dict[str, Any]:
    """The latest `quotations`, `orders` and `invoices` of a subscription, and its open `renewal_quotation`; three queries.

    The querysets hold what the reader may see.
    """
    offered = plain(
        quotations.filter(subscription=subscription, current__isnull=False)
        .order_by("-id")
        .values(
            "number", "kind", "current__title", "current__state", "current__valid_until", "current__currency",
            "current__total_minor", "current__sent_at",
        )[:SHORT]
    )  # fmt: skip
    for quotation in offered:
        expired = quotation["current__state"] in QuotationVersion.OPEN and quotation["current__valid_until"] < day
        quotation["status"] = "expired" if expired else quotation["current__state"]
        quotation["sent_on"] = today(quotation["current__sent_at"], zone)
    billed = plain(
        invoices.filter(Q(order__subscription=subscription) | Q(period__subscription=subscription))
        .exclude(kind=Invoice.Kind.CREDIT_NOTE)
        .order_by("-id")
        .values("number", "title", "issued_on", "due_on", "currency", "total_minor", "payment_state")[:SHORT]
    )
    for invoice in billed:
        late = overdue(invoice["payment_state"], invoice["due_on"], day)
        invoice["status"] = "overdue" if late else invoice["payment_state"]
    ordered = orders.filter(subscription=subscription).order_by("-id")
    renewals = [
        quotation
        for quotation in offered
        if quotation["kind"] == Quotation.Kind.RENEWAL and quotation["status"] in QuotationVersion.OPEN
    ]
    return {
        "quotations": offered,
        "orders": plain(ordered.values("number", "title", "ordered_on", "state", "currency", "total_minor")[:SHORT]),
        "invoices": billed,
        "renewal_quotation": renewals[0] if renewals else None,
    }
