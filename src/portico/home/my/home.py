"""The customer's start page: what is owed, what waits for a decision, what came last, what was spent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncMonth
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.accounts.models import Membership
from portico.billing.models import Invoice, Order, PaymentTarget, Quotation, QuotationVersion, Subscription
from portico.billing.my import invoices as invoice_pages
from portico.billing.my import orders as order_pages
from portico.billing.my import subscriptions as subscription_pages
from portico.billing.my.nav import nav_of
from portico.home.my.attention import MOST, Reader, attention
from portico.kit import formats
from portico.kit.charts import Bars, bars
from portico.kit.periods import add_months, today

RECENT = 5
SUBSCRIPTIONS = 4
MONTHS = 12


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """The start page, in eight queries whatever there is to show."""
    person, customer = request.member, request.member.customer
    now = timezone.now()
    day = today(now, customer.seller.zone)
    invoices = invoices_of(person, day)
    quotations = quotations_of(person, day)
    subscriptions = subscriptions_of(person, day)
    renewing = [row for row in subscriptions if row["renews_on"]]
    language = request.user.language
    context = {
        "greeting": greeting(now.astimezone(customer.seller.zone).hour) % {"name": request.user.get_short_name()},
        "today": day,
        "balances": nav_of(request).balances,
        "to_decide": sums_to_decide(quotations),
        "next_renewal": min(renewing, key=lambda row: row["renews_on"], default=None),
        "attention": attention(
            Reader(person, language, day),
            invoices=invoices,
            quotations=quotations,
            orders=orders_awaiting(person),
            subscriptions=renewing,
        ),
        "recent": recent(invoices, quotations),
        "subscriptions": subscriptions,
        "charts": spent(person, day, language),
    }
    return render(request, "home/my/home/index.html", context)


def greeting(hour: int) -> str:
    """By the time of day at the seller's."""
    if 5 <= hour < 12:
        return _("Good morning, %(name)s")
    return _("Good afternoon, %(name)s") if 12 <= hour < 18 else _("Good evening, %(name)s")


# What it reads, one query each -----------------------------------------------------------------------------------------


def picked(rows: QuerySet[Any], cuts: Iterable[QuerySet[Any]], *columns: str) -> list[dict[str, Any]]:
    """The rows that stand in any of `cuts` (sorted and sliced), once each, in one query that finds them by their key."""
    first, *others = [rows.filter(pk__in=cut.values("pk")).values("id", *columns) for cut in cuts]
    return list(first.union(*others))


def invoices_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The invoices that are overdue the longest, those whose last payment failed, and the newest papers."""
    own = Invoice.objects.visible_to(person)
    attempts = PaymentTarget.objects.filter(invoice=OuterRef("pk")).order_by("-payment__created_at")
    failed = PaymentTarget.objects.filter(
        payment__customer=person.customer_id, payment__state="failed", invoice__payment_state__in=Invoice.PAYABLE
    ).order_by("-payment__created_at")
    rows = picked(
        Invoice.objects.annotate(last_attempt=Subquery(attempts.values("payment__state")[:1])),
        [
            own.of_status("overdue", day).order_by("due_on", "id")[:MOST],
            own.filter(pk__in=failed.values("invoice")[:MOST]),
            own.order_by("-id")[:RECENT],
        ],
        "number", "kind", "title", "issued_on", "due_on", "currency", "total_minor", "amount_due_minor",
        "payment_state", "last_attempt",
    )  # fmt: skip
    for row in rows:
        invoice_pages.complete(row, day)
    return rows


def quotations_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The quotations that can be decided, and the newest ones, with whether they answer a request for changes."""
    own = Quotation.objects.visible_to(person)
    can_be_decided = own.filter(current__state__in=QuotationVersion.OPEN, current__valid_until__gte=day)
    asked = QuotationVersion.objects.filter(
        quotation=OuterRef("pk"), state=QuotationVersion.State.SUPERSEDED, changes_requested_at__isnull=False
    )
    rows = picked(
        Quotation.objects.annotate(asked=Exists(asked)),
        [can_be_decided, own.order_by("-current__sent_at", "-id")[:RECENT]],
        "number", "asked", "current__version", "current__title", "current__state", "current__valid_until",
        "current__currency", "current__total_minor", "current__sent_at",
    )  # fmt: skip
    for row in rows:
        over = row["current__state"] in QuotationVersion.OPEN and row["current__valid_until"] < day
        row["status"] = "expired" if over else row["current__state"]
        row["sent_on"] = today(row["current__sent_at"], person.customer.seller.zone)
        row["answered"] = row["asked"] and row["current__state"] == QuotationVersion.State.SENT
    return rows


def orders_awaiting(person: Membership) -> list[dict[str, Any]]:
    """The newest orders that await a payment, with what is left and how the last attempt ended."""
    attempts = PaymentTarget.objects.filter(request__order=OuterRef("pk")).order_by("-payment__created_at")
    waiting = Order.objects.visible_to(person).filter(state=Order.State.AWAITING_PAYMENT)
    return list(
        order_pages.with_left(waiting)
        .annotate(last_attempt=Subquery(attempts.values("payment__state")[:1]))
        .order_by("-id")
        .values("number", "title", "currency", "left_minor", "last_attempt")[:MOST]
    )


def subscriptions_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The subscriptions that have not ended, the next to renew first, with what they hold."""
    running = Subscription.objects.visible_to(person).exclude(state=Subscription.State.ENDED)
    rows = subscription_pages.with_items(
        running.order_by(F("period_end").asc(nulls_last=True), F("id").asc())[:SUBSCRIPTIONS], day=day
    )
    for row in rows:
        subscription_pages.complete(row, person.customer, day)
    return rows


def spent(person: Membership, day: date, language: str) -> list[Bars]:
    """What was invoiced in each of the last twelve months, credit notes taken off; a chart for each currency."""
    months = [add_months(day.replace(day=1), -back) for back in range(MONTHS - 1, -1, -1)]
    rows = (
        Invoice.objects.visible_to(person)
        .filter(issued_on__gte=months[0])
        .order_by()
        .values("currency", month=TruncMonth("issued_on"))
        .annotate(
            invoiced=Coalesce(Sum("total_minor", filter=~Q(kind=Invoice.Kind.CREDIT_NOTE)), 0),
            credited=Coalesce(Sum("total_minor", filter=Q(kind=Invoice.Kind.CREDIT_NOTE)), 0),
        )
    )
    sums: dict[str, dict[date, int]] = defaultdict(dict)
    for row in rows:
        sums[row["currency"]][row["month"]] = int(row["invoiced"] - row["credited"])
    own = person.customer.currency
    return [
        bars(
            [
                (
                    formats.month(month, language, year=month == months[0] or month.month == 1),
                    formats.month(month, language, year=True),
                    sums[currency].get(month, 0),
                )
                for month in months
            ],
            currency,
            language,
        )
        for currency in sorted(sums, key=lambda code: (code != own, code))
    ]


# What follows from it --------------------------------------------------------------------------------------------------


def sums_to_decide(quotations: Iterable[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Per currency: what the quotations that can be decided come to, and how many they are."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in quotations:
        if row["status"] in QuotationVersion.OPEN:
            sums[row["current__currency"]][0] += row["current__total_minor"]
            sums[row["current__currency"]][1] += 1
    return [(currency, minor, count) for currency, (minor, count) in sorted(sums.items())]


def recent(invoices: Sequence[dict[str, Any]], quotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest papers of both kinds, newest first, as the table shows them."""
    papers = [
        {
            "label": _("Credit note") if row["kind"] == Invoice.Kind.CREDIT_NOTE else _("Invoice"),
            "kind": "invoice",
            "status": "credit_note" if row["kind"] == Invoice.Kind.CREDIT_NOTE else row["status"],
            "url": reverse(
                "my:credit_notes.detail" if row["kind"] == Invoice.Kind.CREDIT_NOTE else "my:invoices.detail",
                args=[row["number"]],
            ),
            "number": row["number"],
            "title": row["title"],
            "date": row["issued_on"],
            "minor": row["total_minor"],
            "currency": row["currency"],
            "order": (row["issued_on"], 1, row["id"]),
        }
        for row in invoices
    ]
    papers += [
        {
            "label": _("Quotation"),
            "kind": "quotation",
            "status": row["status"],
            "url": reverse("my:quotations.detail", args=[row["number"]]),
            "number": row["number"],
            "title": row["current__title"],
            "date": row["sent_on"],
            "minor": row["current__total_minor"],
            "currency": row["current__currency"],
            "order": (row["sent_on"], 0, row["id"]),
        }
        for row in quotations
    ]
    return sorted(papers, key=lambda paper: paper["order"], reverse=True)[:RECENT]


urlpatterns = [path("", index, name="home.index")]
