"""The customer's start page: what is owed, what waits for a decision, what came last, what was spent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.accounts.models import Membership
from portico.billing import subscribed
from portico.billing.models import Invoice, Order, PaymentTarget, Quotation, QuotationVersion, Subscription
from portico.billing.models.subscription import sees_all
from portico.billing.my import invoices as invoice_pages
from portico.billing.my import orders as order_pages
from portico.billing.my.nav import nav_of
from portico.home.my.attention import MOST, Reader, attention
from portico.kit import formats
from portico.kit.addresses import path_to
from portico.kit.charts import Bars, bars
from portico.kit.periods import add_months, today
from portico.kit.prepared import prepared

RECENT = 5
SUBSCRIPTIONS = 4
MONTHS = 12


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """The start page, in nine queries whatever there is to show."""
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
        "to_decide": sums_to_decide(customer=customer.pk, member=person.pk, day=day),
        "next_renewal": min(filter(lies_ahead, renewing), key=lambda row: row["renews_on"], default=None),
        "attention": attention(
            Reader(person, language, day),
            invoices=invoices,
            quotations=quotations,
            orders=orders_awaiting(customer=customer.pk, member=person.pk),
            subscriptions=renewing,
        ),
        "recent": recent(invoices, quotations),
        "subscriptions": subscriptions,
        "charts": spent(person, day, language),
    }
    return render(request, "home/my/home/index.html", context)


def lies_ahead(row: Mapping[str, Any]) -> bool:
    """Whether a subscription's renewal is still to come, and is not what it was cancelled or paused for."""
    return bool(row["days_left"] >= 0 and not row["leave_asked_at"] and not row["pause_asked_at"])


def greeting(hour: int) -> str:
    """By the time of day at the seller's."""
    if 5 <= hour < 12:
        return _("Good morning, %(name)s")
    return _("Good afternoon, %(name)s") if 12 <= hour < 18 else _("Good evening, %(name)s")


# What it reads, one query each -----------------------------------------------------------------------------------------


def picked(rows: QuerySet[Any], cuts: Iterable[QuerySet[Any]], *columns: str) -> QuerySet[Any, dict[str, Any]]:
    """The rows whose keys any of `cuts` gives (sorted and sliced), once each, in one query."""
    first, *others = [rows.filter(pk__in=cut).values("id", *columns) for cut in cuts]
    return first.union(*others)


def invoices_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The invoices that are overdue the longest, those whose last payment failed, and the newest papers."""
    rows: list[dict[str, Any]] = noted_invoices(customer=person.customer_id, member=person.pk, day=day)
    for row in rows:
        invoice_pages.complete(row, day)
    return rows


@prepared
def noted_invoices(customer: Any, member: Any, day: Any) -> Any:
    """See `invoices_of`."""
    own = Invoice.objects.visible_to_member(customer, member)
    attempts = PaymentTarget.objects.filter(invoice=OuterRef("pk")).order_by("-payment__created_at")
    failed = PaymentTarget.objects.filter(
        sees_all(member) | Q(invoice__in=own.values("pk")),
        payment__customer=customer,
        payment__state="failed",
        invoice__payment_state__in=Invoice.PAYABLE,
    ).order_by("-payment__created_at")
    return picked(
        Invoice.objects.annotate(
            last_attempt=Subquery(attempts.values("payment__state")[:1]),
            later_minor=Invoice.objects.filter(pk=OuterRef("pk")).not_yet_due(day),
        ),
        [
            own.of_status("overdue", day).order_by("due_on", "id").values("pk")[:MOST],
            failed.values("invoice")[:MOST],
            own.order_by("-id").values("pk")[:RECENT],
        ],
        "number", "kind", "title", "issued_on", "due_on", "currency", "total_minor", "amount_due_minor",
        "on_its_way_minor", "payment_state", "last_attempt", "later_minor",
    )  # fmt: skip


def quotations_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The quotations that expire next, and the newest ones: an answer to a request for changes is one of them."""
    rows: list[dict[str, Any]] = noted_quotations(customer=person.customer_id, member=person.pk, day=day)
    for row in rows:
        over = row["current__state"] in QuotationVersion.OPEN and row["current__valid_until"] < day
        row["status"] = "expired" if over else row["current__state"]
        row["sent_on"] = today(row["current__sent_at"], person.customer.seller.zone)
        row["answered"] = row["asked"] and row["current__state"] == QuotationVersion.State.SENT
    return rows


@prepared
def noted_quotations(customer: Any, member: Any, day: Any) -> Any:
    """See `quotations_of`."""
    own = Quotation.objects.visible_to_member(customer, member)
    asked = QuotationVersion.objects.filter(
        quotation=OuterRef("pk"), state=QuotationVersion.State.SUPERSEDED, changes_requested_at__isnull=False
    )
    can_be_decided = undecided(customer, member, day)
    return picked(
        Quotation.objects.annotate(asked=Exists(asked)),
        [
            can_be_decided.order_by("valid_until", "quotation_id").values("quotation")[:MOST],
            can_be_decided.order_by("-id").values("quotation")[: 2 * MOST],
            own.order_by("-current_id").values("pk")[:RECENT],
        ],
        "number", "asked", "current__version", "current__title", "current__state", "current__valid_until",
        "current__currency", "current__total_minor", "current__sent_at",
    )  # fmt: skip


def undecided(customer: Any, member: Any, day: Any) -> QuerySet[QuotationVersion]:
    """The versions that can be decided; a quotation has at most one."""
    return QuotationVersion.objects.filter(
        sees_all(member) | Q(quotation__in=Quotation.objects.visible_to_member(customer, member).values("pk")),
        quotation__customer=customer,
        state__in=QuotationVersion.OPEN,
        valid_until__gte=day,
    )


@prepared
def sums_to_decide(customer: Any, member: Any, day: Any) -> Any:
    """Per currency: what the quotations that can be decided come to, and how many they are."""
    return (
        undecided(customer, member, day)
        .order_by()
        .values("currency")
        .annotate(minor=Sum("total_minor"), count=Count("pk"))
        .order_by("currency")
        .values_list("currency", "minor", "count")
    )


@prepared
def orders_awaiting(customer: Any, member: Any) -> Any:
    """The newest orders that await a payment which is not on its way, with what is left and how the last attempt ended."""
    attempts = PaymentTarget.objects.filter(request__order=OuterRef("pk")).order_by("-payment__created_at")
    waiting = Order.objects.visible_to_member(customer, member).filter(state=Order.State.AWAITING_PAYMENT)
    coming = PaymentTarget.objects.filter(
        request__order=OuterRef("pk"), open=True, payment__processing_at__isnull=False
    )
    return (
        order_pages.with_left(waiting.exclude(Exists(coming)))
        .annotate(last_attempt=Subquery(attempts.values("payment__state")[:1]))
        .order_by("-id")
        .values("number", "title", "currency", "left_minor", "last_attempt")[:MOST]
    )


def subscriptions_of(person: Membership, day: date) -> list[dict[str, Any]]:
    """The subscriptions that have not ended, the next to renew first, with what they hold."""
    rows = subscribed.grouped(next_subscriptions(customer=person.customer_id, member=person.pk, day=day))
    for row in rows:
        subscribed.complete(row, person.customer, day)
    return rows


@prepared
def next_subscriptions(customer: Any, member: Any, day: Any) -> Any:
    """See `subscriptions_of`; a row for each item."""
    running = Subscription.objects.visible_to_member(customer, member).exclude(state=Subscription.State.ENDED)
    return subscribed.item_rows(
        running.order_by(F("period_end").asc(nulls_last=True), F("id").asc())[:SUBSCRIPTIONS], day=day
    )


def spent(person: Membership, day: date, language: str) -> list[Bars]:
    """What was invoiced in each of the last twelve months, credit notes taken off; a chart for each currency."""
    months = [add_months(day.replace(day=1), -back) for back in range(MONTHS - 1, -1, -1)]
    sums: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for currency, kind, on, minor in invoiced_by_day(customer=person.customer_id, member=person.pk, since=months[0]):
        sums[currency][on.replace(day=1)] += -minor if kind == Invoice.Kind.CREDIT_NOTE else minor
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


@prepared
def invoiced_by_day(customer: Any, member: Any, since: Any) -> Any:
    """What was issued on each day: currency, kind, day, sum. Months are made of days here: SQLite has no dates."""
    return (
        Invoice.objects.visible_to_member(customer, member)
        .filter(issued_on__gte=since)
        .order_by()
        .values("currency", "kind", "issued_on")
        .annotate(sum=Sum("total_minor"))
        .values_list("currency", "kind", "issued_on", "sum")
    )


# What follows from it --------------------------------------------------------------------------------------------------


def newest(rows: Sequence[dict[str, Any]], day: str) -> list[dict[str, Any]]:
    """The newest few of rows by their `day`."""
    return sorted(rows, key=lambda row: (row[day], row["id"]), reverse=True)[:RECENT]


def recent(invoices: Sequence[dict[str, Any]], quotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest papers of both kinds, newest first, as the table shows them."""
    papers = [
        {
            "label": _("Credit note") if row["kind"] == Invoice.Kind.CREDIT_NOTE else _("Invoice"),
            "kind": "invoice",
            "status": "credit_note" if row["kind"] == Invoice.Kind.CREDIT_NOTE else row["status"],
            "url": path_to(
                "my:credit_notes.detail" if row["kind"] == Invoice.Kind.CREDIT_NOTE else "my:invoices.detail",
                row["number"],
            ),
            "number": row["number"],
            "title": row["title"],
            "date": row["issued_on"],
            "minor": row["total_minor"],
            "currency": row["currency"],
            "order": (row["issued_on"], 1, row["id"]),
        }
        for row in newest(invoices, "issued_on")
    ]
    papers += [
        {
            "label": _("Quotation"),
            "kind": "quotation",
            "status": row["status"],
            "url": path_to("my:quotations.detail", row["number"]),
            "number": row["number"],
            "title": row["current__title"],
            "date": row["sent_on"],
            "minor": row["current__total_minor"],
            "currency": row["current__currency"],
            "order": (row["sent_on"], 0, row["id"]),
        }
        for row in newest(quotations, "sent_on")
    ]
    return sorted(papers, key=lambda paper: paper["order"], reverse=True)[:RECENT]


urlpatterns = [path("", index, name="home.index")]
