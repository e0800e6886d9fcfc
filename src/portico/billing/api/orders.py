"""Sales orders: what was bought, and how far it is delivered, invoiced and paid."""

from datetime import date
from typing import Any, Literal

from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router, Schema
from pydantic import ConfigDict, Field

from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.lines import DocumentLine, Totals, told, totals
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Currency, Minor, Moment, Number, Time
from portico.billing.models import Invoice
from portico.billing.models import Order as Row
from portico.kit.errors import Missing

router = Router(tags=["Orders"])
Status = Literal["awaiting_payment", "confirmed", "fulfilled", "cancelled"]
FIELDS = (
    "id", "number", "state", "title", "po_number", "customer_id", "version__quotation__number", "version__version",
    "subscription__database__name", "database_name", "term_months", "currency", "net_minor", "vat_minor", "total_minor",
    "ordered_on", "created_at",
)  # fmt: skip


class Order(Totals):
    """A sales order."""

    number: str = Field(..., examples=["SO-2026-00017"])
    status: Status = Field(..., examples=["confirmed"])
    title: str
    po_number: str = Field(..., description="The customer's own reference.")
    customer_id: int = Field(..., examples=[1])
    quotation: str | None = Field(..., description="The quotation that was accepted.", examples=["Q-2026-00042"])
    database: str | None = Field(..., examples=["atelier-fontaine"])
    term_months: int = Field(..., examples=[12])
    ordered_on: date
    created_at: Time


class Orders(Page):
    """A page of orders."""

    data: list[Order]


class OrderLineOut(DocumentLine):
    """A line of an order with what is delivered and invoiced of it."""

    delivered_quantity: Number
    invoiced_quantity: Number


class PaymentRequestOut(Schema):
    """What must be paid before the order is confirmed."""

    kind: Literal["deposit", "full"]
    status: Literal["open", "settled", "cancelled"]
    currency: Currency
    amount_minor: Minor


class OrderDetail(Order):
    """An order with its lines, what it asks to be paid, and its invoices."""

    lines: list[OrderLineOut]
    payment_requests: list[PaymentRequestOut]
    invoices: list[str] = Field(..., description="The numbers of its invoices and credit notes.")


class Filters(Body):
    """Which orders."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")
    status: Status | None = Field(None, description="Those of this status.")
    created_since: Moment | None = Field(
        None, description="Placed at this moment or later, in ISO 8601 with its offset."
    )


OrderNumber = PathEx[
    str, P(min_length=1, max_length=20, description="The number of the order.", example="SO-2026-00017")
]


@router.get("", response=Orders, summary="List sales orders")
@scope("orders:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All orders, the oldest first."""
    rows = Row.objects.filter(seller=request.seller)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    if filters.status is not None:
        rows = rows.filter(state=filters.status)
    if filters.created_since is not None:
        rows = rows.filter(created_at__gte=filters.created_since)
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["status"], row["quotation"] = row.pop("state"), row.pop("version__quotation__number")
        row["database"] = row.pop("subscription__database__name") or row["database_name"] or None
    return page


@router.get("/{number}", response=OrderDetail, summary="Read a sales order")
@scope("orders:read")
def detail(request: ApiRequest, number: OrderNumber) -> Any:
    """One order with its lines."""
    rows = Row.objects.filter(seller=request.seller, number=number)
    row = rows.select_related("version__quotation", "subscription__database").first()
    if row is None:
        raise Missing(_("There is no order of this number."))
    plain = ("number", "title", "po_number", "customer_id", "term_months", "ordered_on", "created_at")
    lines = row.lines.select_related("product").order_by("position")
    papers = row.invoices.filter(state=Invoice.State.ISSUED).order_by("id")
    requests = row.payment_requests.order_by("id").values("kind", "state", "currency", "amount_minor")
    progress = ("delivered_quantity", "invoiced_quantity")
    return (
        {name: getattr(row, name) for name in plain}
        | totals(row)
        | {
            "status": row.state,
            "quotation": row.version.quotation.number if row.version else None,
            "database": row.subscription.database.name if row.subscription else row.database_name or None,
            "lines": [told(line, **{name: getattr(line, name) for name in progress}) for line in lines],
            "payment_requests": [request | {"status": request["state"]} for request in requests],
            "invoices": list(papers.values_list("number", flat=True)),
        }
    )
