"""Subscriptions: what each database holds and pays, when it renews, and what a change would cost."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field, StringConstraints

from portico.billing import pricing
from portico.billing.actions import change
from portico.billing.api.databases import DatabaseName
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.lines import Totals, totals
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Currency, Day, Minor, Number, Time
from portico.billing.models import Product, SubscriptionItem
from portico.billing.models import Subscription as Row
from portico.kit.errors import Invalid, Missing

router = Router(tags=["Subscriptions"])
Status = Literal["pending", "active", "past_due", "suspended", "paused", "ended"]
FIELDS = (
    "id", "database__name", "customer_id", "state", "currency", "term_months", "period_start", "period_end", "auto_renew",
    "created_at",
)  # fmt: skip
MOST_CHANGES = 60
WANTED = r"^[a-z0-9]+(-[a-z0-9]+)*:[0-9]{1,6}$"


class Subscription(Body):
    """What is paid for a database each period. Periods are half-open: `period_end` is the day of renewal."""

    model_config = ConfigDict(extra="ignore", strict=False)

    database: str = Field(..., description="Its key.", examples=["atelier-fontaine"])
    customer_id: int = Field(..., examples=[1])
    status: Status = Field(..., examples=["active"])
    currency: Currency
    term_months: int = Field(..., examples=[12])
    period_start: date | None
    period_end: date | None = Field(..., description="The first day of the next period.", examples=["2027-03-28"])
    auto_renew: bool = Field(..., description="Whether it renews and is invoiced by itself.")
    created_at: Time


class Subscriptions(Page):
    """A page of subscriptions."""

    data: list[Subscription]


class Item(Schema):
    """One product of a subscription."""

    product: str = Field(..., examples=["users"])
    description: str = Field(..., examples=["Users"])
    quantity: Number
    unit_price: Number = Field(..., description="For one unit and one term, before VAT.")
    discount_percent: Number
    started_on: date
    ended_on: date | None = Field(..., description="The first day without it; null while it goes on.")


class SubscriptionDetail(Subscription):
    """A subscription with what it holds."""

    items: list[Item]


class Filters(Body):
    """Which subscriptions."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")
    status: Status | None = Field(None, description="Those in this state.")
    renews_before: Day | None = Field(None, description="Those whose period ends before this day.")


class Wanted(Schema):
    """The change whose price is asked."""

    set: list[Annotated[str, StringConstraints(pattern=WANTED)]] = Field(
        ...,
        min_length=1,
        max_length=MOST_CHANGES,
        description="Once for each product: its code, a colon, and how many are wanted. What is not named stays.",
        examples=[["users:15", "app-crm:1"]],
    )


class Step(Schema):
    """What happens to one product."""

    product: str = Field(..., examples=["users"])
    name: str = Field(..., examples=["Users"])
    added: Number = Field(..., description="Charged from today.")
    kept: Number = Field(..., description="Was to end with the period, and stays.")
    removed: Number = Field(..., description="Ends with the period.")
    after: Number = Field(..., description="What is renewed.")
    unit_price: Number
    discount_percent: Number
    today_minor: Minor
    renewal_minor: int = Field(..., description="What it adds to every renewal, before VAT.", examples=[43200])


class Preview(Schema):
    """What a change costs, priced by the very function that prices its quotation and its invoice."""

    currency: Currency
    effective_on: date = Field(..., description="Today in the seller's zone.", examples=["2026-11-09"])
    period_start: date
    period_end: date
    days: int = Field(..., description="Days charged today.", examples=[139])
    steps: list[Step]
    today: Totals | None = Field(..., description="Null when nothing is charged, or while VAT cannot be told.")
    renewal: Totals | None = Field(..., description="The next period as a whole; null while VAT cannot be told.")
    is_priced: bool = Field(..., description="Whether the VAT of what is charged today can be told.")


def find(request: ApiRequest, name: str) -> Row:
    """The subscription of a database, with its customer; Missing."""
    rows = Row.objects.filter(customer__seller=request.seller, database__name=name)
    found = rows.select_related("database", "customer").first()
    if found is None:
        raise Missing(_("There is no subscription of this name."))
    found.customer.seller = request.seller
    return found


def told(row: Row, items: list[SubscriptionItem]) -> dict[str, Any]:
    """A subscription as the API tells it."""
    plain = ("customer_id", "currency", "term_months", "period_start", "period_end", "auto_renew", "created_at")
    columns = ("description", "quantity", "unit_price", "discount_percent", "started_on", "ended_on")
    return {name: getattr(row, name) for name in plain} | {
        "database": row.database.name,
        "status": row.state,
        "items": [{name: getattr(item, name) for name in columns} | {"product": item.product.code} for item in items],
    }


@router.get("", response=Subscriptions, summary="List subscriptions")
@scope("subscriptions:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All subscriptions, the oldest first."""
    rows = Row.objects.filter(customer__seller=request.seller)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    if filters.status is not None:
        rows = rows.filter(state=filters.status)
    if filters.renews_before is not None:
        rows = rows.filter(period_end__lt=filters.renews_before)
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["database"], row["status"] = row.pop("database__name"), row.pop("state")
    return page


@router.get("/{name}", response=SubscriptionDetail, summary="Read a subscription")
@scope("subscriptions:read")
def detail(request: ApiRequest, name: DatabaseName) -> Any:
    """One subscription with its items, also those that have ended."""
    found = find(request, name)
    return told(found, list(found.items.select_related("product").order_by("id")))


@router.get("/{name}/preview", response=Preview, summary="Price a change of a subscription")
@scope("subscriptions:read")
def preview(request: ApiRequest, name: DatabaseName, wanted: Query[Wanted]) -> Any:
    """What a change would cost today and from the renewal on; nothing is written. 409 while the subscription does not run."""
    found = find(request, name)
    quantities = wanted_of(request, wanted.set)
    return previewed(change.preview(found, quantities, customer=found.customer, now=request.now))


def wanted_of(request: ApiRequest, texts: list[str]) -> dict[Product, Decimal]:
    """The wanted quantities by product; Invalid for what is not sold here or is not a number."""
    typed: dict[str, Decimal] = {}
    for text in texts:
        code, _colon, quantity = text.partition(":")
        if not (quantity.isascii() and quantity.isdigit() and len(quantity) <= 6):
            raise Invalid(_("“%(text)s” is not a product and a quantity. Write users:15.") % {"text": text[:60]})
        typed[code] = Decimal(quantity)
    products = {
        product.code: product for product in Product.objects.filter(seller=request.seller, code__in=list(typed))
    }
    unknown = [code for code in typed if code not in products]
    if unknown:
        raise Invalid(_("There is no product %(code)s.") % {"code": unknown[0][:40]})
    return {products[code]: quantity for code, quantity in typed.items()}


def previewed(shown: change.Preview) -> dict[str, Any]:
    """A preview as the API tells it."""
    steps = [
        {
            "product": row.step.holding.product.code,
            "name": row.step.holding.product.name,
            "today_minor": row.today_minor,
            "renewal_minor": row.renewal_minor,
        }
        | {
            name: getattr(row.step, name)
            for name in ("added", "kept", "removed", "after", "unit_price", "discount_percent")
        }
        for row in shown.rows
    ]
    return {
        "currency": shown.currency,
        "effective_on": shown.effective,
        "period_start": shown.period.start,
        "period_end": shown.period.end,
        "days": shown.days,
        "steps": steps,
        "today": sums(shown.today),
        "renewal": sums(shown.renewal),
        "is_priced": shown.is_priced,
    }


def sums(priced: pricing.Priced | None) -> dict[str, Any] | None:
    """The amounts of something priced."""
    return totals(priced) if priced is not None else None
