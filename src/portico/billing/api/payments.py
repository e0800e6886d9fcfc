"""Payments: what came in and what it settles; transfers that arrived are booked here."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router, Schema
from pydantic import ConfigDict, Field

from portico.billing.actions import pay
from portico.billing.api.customers import find as find_customer
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import (
    MOST_KEY,
    Amount,
    Body,
    Currency,
    Day,
    GivenCurrency,
    Key,
    Line,
    Minor,
    Moment,
    Time,
)
from portico.billing.models import Invoice, Order
from portico.billing.models import Payment as Row
from portico.kit.errors import Missing

router = Router(tags=["Payments"])
Status = Literal["pending", "unknown", "succeeded", "failed", "cancelled", "refunded", "reversed"]
FIELDS = (
    "id", "customer_id", "provider", "state", "currency", "amount_minor", "received_minor", "received_currency",
    "received_on", "reference", "payer_name", "created_at", "ended_at",
)  # fmt: skip
MOST_INVOICES = 100


class Payment(Body):
    """One attempt to pay, or one transfer that arrived."""

    model_config = ConfigDict(extra="ignore", strict=False)

    id: UUID = Field(..., examples=["6f1c1c1e-6f0e-4b6a-9d3b-0a4f2b9f6f10"])
    customer_id: int = Field(..., examples=[1])
    provider: str = Field(..., examples=["bank_transfer"])
    status: Status = Field(
        ..., description="unknown: the provider did not answer and is asked again.", examples=["succeeded"]
    )
    currency: Currency
    amount_minor: int = Field(..., description="What was asked for.", examples=[12000])
    received_minor: int = Field(..., description="What arrived.", examples=[12000])
    received_currency: str = Field(..., description="Empty while nothing has arrived.", examples=["EUR"])
    received_on: date | None = Field(..., description="The value day of a transfer.")
    reference: str = Field(..., description="What the payer is asked to write on a transfer.")
    payer_name: str
    created_at: Time
    ended_at: Time | None


class Payments(Page):
    """A page of payments."""

    data: list[Payment]


class AllocationOut(Schema):
    """What a part of the money settles."""

    invoice: str | None = Field(..., examples=["INV-2026-00031"])
    order: str | None = Field(
        ..., description="The order whose payment request it settles.", examples=["SO-2026-00017"]
    )
    amount_minor: Minor


class PaymentDetail(Payment):
    """A payment with what it settles."""

    allocations: list[AllocationOut]
    unallocated_minor: int = Field(..., description="What settles nothing yet: the customer's credit.", examples=[0])


class NewTransfer(Body):
    """A transfer as the bank statement shows it."""

    customer_id: Key = Field(..., examples=[1])
    amount_minor: Amount = Field(..., description="In minor units.", examples=[12000])
    currency: GivenCurrency | None = Field(
        None, description="That of what it is for, or the customer's, where it is left out.", examples=["EUR"]
    )
    received_on: Day = Field(..., description="The value day.", examples=["2026-11-09"])
    payer_name: Line = Field("", max_length=140, examples=["ATELIER FONTAINE SARL"])
    reference: Line = Field(
        "", max_length=60, description="The structured reference that the payer wrote.", examples=["RF18539007547034"]
    )
    invoices: list[Line] = Field([], max_length=MOST_INVOICES, description="Their numbers, paid in this order.")
    order: Line | None = Field(None, max_length=20, description="The number of the order it is for.")
    again: bool = Field(False, description="Says that the very same arrival really came twice.")


class Filters(Body):
    """Which payments."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")
    status: Status | None = Field(None, description="Those of this status.")
    created_since: Moment | None = Field(
        None, description="Begun at this moment or later, in ISO 8601 with its offset."
    )


PaymentKey = PathEx[UUID, P(description="The id of the payment.", example="6f1c1c1e-6f0e-4b6a-9d3b-0a4f2b9f6f10")]


def whole(request: ApiRequest, payment: UUID) -> dict[str, Any]:
    """One payment with what it settles; Missing."""
    row = Row.objects.filter(customer__seller=request.seller, pk=payment).first()
    if row is None:
        raise Missing(_("There is no such payment."))
    used = row.allocations.order_by("id").values("invoice__number", "request__order__number", "amount_minor")
    allocations = [
        {"invoice": one["invoice__number"], "order": one["request__order__number"], "amount_minor": one["amount_minor"]}
        for one in used
    ]
    plain = {name: getattr(row, name) for name in FIELDS}
    return plain | {"status": row.state, "allocations": allocations, "unallocated_minor": row.unallocated_minor}


@router.get("", response=Payments, summary="List payments")
@scope("payments:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All payments and attempts, the oldest first."""
    rows = Row.objects.filter(customer__seller=request.seller)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    if filters.status is not None:
        rows = rows.filter(state=filters.status)
    if filters.created_since is not None:
        rows = rows.filter(created_at__gte=filters.created_since)
    page = cut(request, rows.values(*FIELDS), paging, ("created_at", "id"))
    for row in page["data"]:
        row["status"] = row.pop("state")
    return page


@router.get("/{uuid:payment}", response=PaymentDetail, summary="Read a payment")
@scope("payments:read")
def detail(request: ApiRequest, payment: PaymentKey) -> Any:
    """One payment with what it settles."""
    return whole(request, payment)


@router.post("", response={201: PaymentDetail}, summary="Book a transfer")
@scope("payments:write")
def book(request: ApiRequest, response: HttpResponse, body: NewTransfer) -> Any:
    """Money that arrived by bank transfer. It is for what its reference announces, else for the invoices or the order named,
    else it is the customer's credit. Too much is kept as credit, too little leaves the rest due. The same arrival twice: 409.
    """
    customer = find_customer(request, body.customer_id)
    papers = {paper.number: paper for paper in Invoice.objects.filter(seller=request.seller, number__in=body.invoices)}
    missing = [number for number in body.invoices if number not in papers]
    order = Order.objects.filter(seller=request.seller, number=body.order).first() if body.order else None
    if missing or (body.order and order is None):
        raise Missing(_("One of these papers does not exist. Nothing was booked."))
    made = pay.book_transfer(
        customer=customer,
        amount_minor=body.amount_minor,
        currency=body.currency or "",
        received_on=body.received_on,
        payer_name=body.payer_name,
        reference=body.reference,
        invoices=[papers[number] for number in dict.fromkeys(body.invoices)],
        order=order,
        again=body.again,
        by=request.key,
        now=request.now,
    )
    response.headers["Location"] = f"{request.path}/{made.pk}"
    return whole(request, made.pk)
