"""What waits for the seller's people, most urgent kind first: of each kind how much there is, and the first few.

One statement reads it all, however much waits: each kind puts the same columns beside its rows, and the kinds are joined.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, CharField, F, Func, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, NullIf, TruncDate
from django.urls import reverse

from portico.accounts.models import Customer, IdentityRequest, Seller
from portico.billing.models import (
    LEFT_TO_PAY,
    ChangeRequest,
    Invoice,
    Order,
    OrderLine,
    Payment,
    Quotation,
    QuotationVersion,
    Report,
    Subscription,
)
from portico.billing.models.line import Line
from portico.billing.staff.payments import TO_REVIEW
from portico.conversation.models import Message, Thread
from portico.kit.models import Letter, WebhookEndpoint

FIRST = 6
"""How many rows of a kind are named."""
MOST_QUESTIONS = 20
"""There is no other list of them."""
SOON_DAYS = 7
COLUMNS = ("noun", "key", "title", "customer", "minor", "currency", "on")


@dataclass(frozen=True)
class Waiting:
    """Something that waits. `noun` and `key` say where it stands, `on` is the day that counts for its kind."""

    noun: str
    key: str
    title: str
    customer: str
    minor: int | None
    currency: str
    on: date

    @property
    def url(self) -> str:
        """Where it is dealt with."""
        key = UUID(self.key) if self.noun == "payments.detail" else self.key  # SQLite keeps it without hyphens
        return reverse(f"staff:{self.noun}", args=[key])


@dataclass(frozen=True)
class Kind:
    """One kind of work: how many wait, and the first of them."""

    name: str
    count: int
    first: list[Waiting]


@dataclass(frozen=True)
class Source:
    """Where the rows of a kind come from and what stands in their columns; ordered by day, the oldest or newest first."""

    name: str
    rows: QuerySet[Any]
    noun: Any
    key: Any
    title: Any
    customer: Any
    on: Any
    minor: Any = None
    currency: Any = None
    newest_first: bool = False
    most: int = FIRST

    @property
    def first(self) -> QuerySet[Any, dict[str, Any]]:
        """The first rows, each with how many there are in all."""
        number = Func(F("pk"), function="COUNT", output_field=BigIntegerField())
        cut = self.rows.annotate(w_on=self.on).order_by("-w_on" if self.newest_first else "w_on", "pk")[: self.most]
        rows: QuerySet[Any, dict[str, Any]] = (
            self.rows.model._default_manager.filter(pk__in=cut.values("pk"))
            .order_by()
            .values(
                w_kind=text(Value(self.name)),
                w_count=Subquery(self.rows.order_by().annotate(w_number=number).values("w_number")),
                w_noun=text(self.noun),
                w_key=text(self.key),
                w_title=text(self.title),
                w_customer=text(self.customer),
                w_minor=Cast(Value(None) if self.minor is None else self.minor, BigIntegerField()),
                w_currency=text(Value("") if self.currency is None else self.currency),
                w_on=self.on,
            )
        )
        return rows


def waiting(seller: Seller, day: date) -> list[Kind]:
    """Every kind of which something waits, most urgent first."""
    sources = sources_of(seller, day)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sources[0].first.union(*(source.first for source in sources[1:]), all=True):
        found.setdefault(row["w_kind"], []).append(row)
    kinds = []
    for source in sources:
        rows = found.get(source.name, [])
        rows.sort(key=lambda row: (row["w_on"], row["w_key"]), reverse=source.newest_first)
        if rows:
            named = [Waiting(**{column: row[f"w_{column}"] for column in COLUMNS}) for row in rows]
            kinds.append(Kind(source.name, rows[0]["w_count"], named))
    return kinds


def sources_of(seller: Seller, day: date) -> list[Source]:
    """The kinds, most urgent first."""
    zone, soon = seller.zone, day + timedelta(days=SOON_DAYS)
    quotations = Quotation.objects.filter(seller=seller, current__valid_until__gte=day)
    opened = Q(current__state=QuotationVersion.State.SENT)
    return [
        Source(
            "requests",
            ChangeRequest.objects.filter(version__quotation__seller=seller, answered_at=None),
            noun=Value("quotations.detail"),
            key=F("version__quotation__number"),
            title=titled("version__title", "version__quotation__number"),
            customer=F("version__quotation__customer__legal_name"),
            on=TruncDate("at", tzinfo=zone),
        ),
        questions(seller, zone),
        Source(
            "review",
            Payment.objects.filter(TO_REVIEW, customer__seller=seller),
            noun=Value("payments.detail"),
            key=F("pk"),
            title=F("review"),
            customer=F("customer__legal_name"),
            on=TruncDate("created_at", tzinfo=zone),
            minor=Coalesce(NullIf("received_minor", Value(0)), "amount_minor"),
            currency=Coalesce(NullIf("received_currency", Value("")), "currency"),
        ),
        Source(
            "disputes",
            Invoice.objects.filter(seller=seller, disputed_at__isnull=False),
            noun=Value("invoices.detail"),
            key=F("number"),
            title=titled("title", "number"),
            customer=F("customer__legal_name"),
            on=TruncDate("disputed_at", tzinfo=zone),
            minor=F("amount_due_minor"),
            currency=F("currency"),
        ),
        Source(
            "held_back",
            Invoice.objects.filter(seller=seller).held_back(),
            noun=Value("invoices.detail"),
            key=F("number"),
            title=titled("title", "number"),
            customer=F("customer__legal_name"),
            on=F("issued_on"),
            minor=F("total_minor"),
            currency=F("currency"),
        ),
        Source(
            "renewals",
            Subscription.objects.filter(customer__seller=seller).exclude(renewal_problem=""),
            noun=Value("subscriptions.detail"),
            key=F("database__name"),
            title=F("database__name"),
            customer=F("customer__legal_name"),
            on=F("period_end"),
        ),
        Source(
            "leaving",
            Subscription.objects.filter(customer__seller=seller, leave_asked_at__isnull=False).exclude(
                state=Subscription.State.ENDED
            ),
            noun=Value("subscriptions.detail"),
            key=F("database__name"),
            title=F("database__name"),
            customer=F("customer__legal_name"),
            on=F("period_end"),
        ),
        Source(
            "reports",
            Report.objects.to_attend(seller),
            noun=Value("subscriptions.detail"),
            key=F("subscription__database__name"),
            title=F("subscription__database__name"),
            customer=F("subscription__customer__legal_name"),
            on=F("grace_until"),
        ),
        Source(
            "identities",
            IdentityRequest.objects.filter(customer__seller=seller, state=IdentityRequest.State.OPEN),
            noun=Value("identity_requests.detail"),
            key=F("pk"),
            title=F("legal_name"),
            customer=F("customer__legal_name"),
            on=TruncDate("asked_at", tzinfo=zone),
        ),
        Source(
            "customers",
            Customer.objects.filter(seller=seller, to_review=True),
            noun=Value("customers.review"),
            key=F("pk"),
            title=F("legal_name"),
            customer=F("legal_name"),
            on=TruncDate("created_at", tzinfo=zone),
        ),
        Source(
            "letters",
            Letter.objects.filter(seller=seller.pk, state=Letter.State.FAILED),
            noun=Value("letters.detail"),
            key=F("pk"),
            title=titled("to_name", "to_address"),
            customer=F("to_address"),
            on=TruncDate("queued_at", tzinfo=zone),
        ),
        Source(
            "webhooks",
            WebhookEndpoint.objects.filter(seller=seller.pk, state__in=WebhookEndpoint.DEAD),
            noun=Value("webhooks.detail"),
            key=F("pk"),
            title=F("url"),
            customer=Value(""),
            on=TruncDate("changed_at", tzinfo=zone),
        ),
        Source(
            "overdue",
            Invoice.objects.filter(seller=seller, due_on__lt=day, payment_state__in=Invoice.PAYABLE).open(),
            noun=Value("invoices.detail"),
            key=F("number"),
            title=titled("title", "number"),
            customer=F("customer__legal_name"),
            on=F("due_on"),
            minor=LEFT_TO_PAY - Invoice.objects.filter(pk=OuterRef("pk")).not_yet_due(day),
            currency=F("currency"),
        ),
        decided_by(
            "expiring", quotations.filter(current__state__in=QuotationVersion.OPEN, current__valid_until__lte=soon)
        ),
        decided_by(
            "viewed", quotations.filter(opened, current__valid_until__gt=soon, current__first_viewed_at__isnull=False)
        ),
        *orders_of(seller, zone),
        Source(
            "drafts",
            QuotationVersion.objects.filter(quotation__seller=seller, state=QuotationVersion.State.DRAFT),
            noun=Value("quotations.detail"),
            key=F("quotation__number"),
            title=titled("title", "quotation__number"),
            customer=F("quotation__customer__legal_name"),
            on=TruncDate("created_at", tzinfo=zone),
            minor=F("total_minor"),
            currency=F("currency"),
            newest_first=True,
        ),
        decided_by("unopened", quotations.filter(opened, current__valid_until__gt=soon, current__first_viewed_at=None)),
    ]


def questions(seller: Seller, zone: ZoneInfo) -> Source:
    """Threads in which the customer spoke last."""
    said = Message.objects.filter(thread=OuterRef("pk"), internal=False).order_by("-at", "-id")
    by_staff, at = (Subquery(said.values(name)[:1]) for name in ("from_staff", "at"))
    documents = {
        "quotation": ("number", Coalesce(NullIf("quotation__current__title", Value("")), "quotation__number")),
        "order": ("number", titled("order__title", "order__number")),
        "invoice": ("number", titled("invoice__title", "invoice__number")),
        "subscription": ("database__name", F("subscription__database__name")),
    }

    def by_document(values: dict[str, Any]) -> Case:
        cases = [When(**{f"{noun}__isnull": False}, then=value) for noun, value in values.items()]
        return Case(*cases, default=Value(""), output_field=CharField())

    return Source(
        "questions",
        Thread.objects.filter(customer__seller=seller).alias(by_staff=by_staff).filter(by_staff=False),
        noun=by_document({noun: Value(f"{noun}s.thread") for noun in documents}),
        key=by_document({noun: F(f"{noun}__{key}") for noun, (key, _title) in documents.items()}),
        title=by_document({noun: title for noun, (_key, title) in documents.items()}),
        customer=F("customer__legal_name"),
        on=TruncDate(at, tzinfo=zone),
        most=MOST_QUESTIONS,
    )


def decided_by(name: str, rows: QuerySet[Quotation]) -> Source:
    """Quotations that the customer has to decide, by the day until which it can."""
    return Source(
        name,
        rows,
        noun=Value("quotations.detail"),
        key=F("number"),
        title=titled("current__title", "number"),
        customer=F("customer__legal_name"),
        on=F("current__valid_until"),
        minor=F("current__total_minor"),
        currency=F("current__currency"),
    )


def orders_of(seller: Seller, zone: ZoneInfo) -> list[Source]:
    """Orders with something to deliver, and with something that was delivered and not invoiced."""
    lines = OrderLine.objects.filter(order__seller=seller, kind=Line.Kind.LINE)
    undelivered = lines.filter(order__state=Order.State.CONFIRMED, delivered_quantity__lt=F("quantity"))
    billable = [Order.State.CONFIRMED, Order.State.FULFILLED]
    uninvoiced = lines.filter(order__state__in=billable, invoiced_quantity__lt=F("delivered_quantity"))
    return [
        Source(
            name,
            Order.objects.filter(pk__in=found.values("order")),
            noun=Value("orders.detail"),
            key=F("number"),
            title=titled("title", "number"),
            customer=F("customer__legal_name"),
            on=TruncDate("created_at", tzinfo=zone),
            minor=F("total_minor"),
            currency=F("currency"),
        )
        for name, found in (("deliver", undelivered), ("invoice", uninvoiced))
    ]


def titled(title: str, otherwise: str) -> Coalesce:
    """The title, or what stands for it where there is none."""
    return Coalesce(NullIf(title, Value("")), otherwise)


def text(value: Any) -> Cast:
    """The same type in every part of the statement."""
    return Cast(value, CharField())
