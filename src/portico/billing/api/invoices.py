"""Invoices, as they were issued: to read, and as the PDF that the customer has."""

from datetime import date
from typing import Any, Literal

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router, Schema
from pydantic import ConfigDict, Field

from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.lines import DocumentLine, Totals, all_told, totals
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Day, Minor, Number, Time
from portico.billing.documents.issued import issued_pdf
from portico.billing.models import Invoice as Row
from portico.billing.models.instalment import standing_of
from portico.billing.models.invoice import overdue
from portico.kit.answers import pdf_answer
from portico.kit.errors import Missing
from portico.kit.periods import today

router = Router(tags=["Invoices"])
Status = Literal["not_paid", "in_payment", "partially_paid", "paid", "overdue", "credited", "disputed"]
FIELDS = (
    "id", "number", "kind", "title", "po_number", "customer_id", "order__number", "refers_to__number", "currency",
    "net_minor", "vat_minor", "total_minor", "amount_due_minor", "on_its_way_minor", "payment_state", "issued_on", "due_on",
    "issued_at",
)  # fmt: skip


class Paper(Totals):
    """What every issued paper has."""

    number: str = Field(..., examples=["INV-2026-00031"])
    title: str
    po_number: str = Field(..., description="The customer's own reference.")
    customer_id: int = Field(..., examples=[1])
    order: str | None = Field(..., description="The sales order it belongs to.", examples=["SO-2026-00017"])
    issued_on: date
    issued_at: Time


class Invoice(Paper):
    """An invoice or deposit invoice."""

    kind: Literal["invoice", "deposit"] = Field(..., examples=["invoice"])
    status: Status = Field(..., description="Overdue wins over not and partially paid.", examples=["not_paid"])
    amount_due_minor: Minor
    on_its_way_minor: int = Field(
        ...,
        description="What of the amount due its payers have confirmed and has not arrived yet. The rest can be paid now.",
        examples=[0],
    )
    due_on: date | None = Field(
        ..., description="Of an invoice in parts the day of the next one that is neither paid nor on its way."
    )


class Invoices(Page):
    """A page of invoices."""

    data: list[Invoice]


class VatGroup(Schema):
    """The VAT of one category and rate."""

    category: str = Field(..., examples=["S"])
    rate: Number
    base_minor: Minor
    vat_minor: Minor


class Instalment(Schema):
    """A part in which an invoice is to be paid. What settles the invoice fills the earliest part first."""

    position: int = Field(..., examples=[1])
    due_on: date
    amount_minor: Minor
    left_minor: Minor


class InvoiceDetail(Invoice):
    """An invoice with its lines and its VAT."""

    instalments: list[Instalment] = Field(..., description="Empty for an invoice that is paid in one sum.")

    lines: list[DocumentLine]
    vat: list[VatGroup]


class Filters(Body):
    """Which invoices."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")
    status: Status | None = Field(None, description="Those of this status.")
    issued_since: Day | None = Field(None, description="Issued on this day or later.")


InvoiceNumber = PathEx[
    str, P(min_length=1, max_length=40, description="The number of the paper.", example="INV-2026-00031")
]


def issued(request: ApiRequest, *, notes: bool) -> Any:
    """The seller's issued invoices, or its credit notes."""
    rows = Row.objects.filter(seller=request.seller, state=Row.State.ISSUED)
    return rows.filter(kind=Row.Kind.CREDIT_NOTE) if notes else rows.exclude(kind=Row.Kind.CREDIT_NOTE)


def find(request: ApiRequest, number: str, *, notes: bool = False) -> Row:
    """One issued paper; Missing."""
    rows = issued(request, notes=notes).filter(number=number)
    found: Row | None = rows.select_related("customer", "order", "refers_to", "pdf").first()
    if found is None:
        raise Missing(
            _("There is no credit note of this number.") if notes else _("There is no invoice of this number.")
        )
    found.seller = found.customer.seller = request.seller
    return found


def whole(row: Row) -> dict[str, Any]:
    """What every issued paper tells, with its lines and its VAT."""
    plain = ("number", "title", "po_number", "customer_id", "issued_on", "issued_at")
    return (
        {name: getattr(row, name) for name in plain}
        | totals(row)
        | {
            "order": row.order.number if row.order else None,
            "lines": all_told(row.lines.select_related("product").order_by("position")),
            "vat": list(
                row.vat_groups.order_by("category", "-rate").values("category", "rate", "base_minor", "vat_minor")
            ),
        }
    )


@router.get("", response=Invoices, summary="List invoices")
@scope("invoices:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All issued invoices, the oldest first."""
    day = today(request.now, request.seller.zone)
    rows = issued(request, notes=False)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    if filters.status is not None:
        rows = rows.of_status(filters.status, day)
    if filters.issued_since is not None:
        rows = rows.filter(issued_on__gte=filters.issued_since)
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["order"] = row.pop("order__number")
        row["status"] = "overdue" if overdue(row["payment_state"], row["due_on"], day) else row["payment_state"]
    return page


@router.get("/{number}", response=InvoiceDetail, summary="Read an invoice")
@scope("invoices:read")
def detail(request: ApiRequest, number: InvoiceNumber) -> Any:
    """One invoice with its lines, as it was issued, and how far it is paid."""
    row = find(request, number)
    day = today(request.now, request.seller.zone)
    return whole(row) | {
        "kind": row.kind,
        "status": "overdue" if overdue(row.payment_state, row.due_on, day) else row.payment_state,
        "amount_due_minor": row.amount_due_minor,
        "on_its_way_minor": row.on_its_way_minor,
        "due_on": row.due_on,
        "instalments": [
            {
                "position": part.position,
                "due_on": part.due_on,
                "amount_minor": part.amount_minor,
                "left_minor": part.unpaid_minor,
            }
            for part in (standing_of(row) if row.instalment_count else [])
        ],
    }


PDF: dict[str, Any] = {
    "responses": {200: {"description": "The PDF", "content": {"application/pdf": {"schema": {"type": "string"}}}}}
}


@router.get("/{number}/pdf", response={200: None}, summary="Get the PDF of an invoice", openapi_extra=PDF)
@scope("invoices:read")
def pdf(request: ApiRequest, number: InvoiceNumber) -> HttpResponse:
    """The issued file: always the same bytes."""
    row = find(request, number)
    return pdf_answer(issued_pdf(row), f"{row.number}.pdf")
