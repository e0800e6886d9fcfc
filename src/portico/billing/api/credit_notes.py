"""Credit notes, as they were issued: what is no longer owed."""

from typing import Any

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import ConfigDict, Field

from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.invoices import FIELDS, PDF, InvoiceNumber, Paper, VatGroup, find, issued, whole
from portico.billing.api.lines import DocumentLine
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body
from portico.billing.documents.issued import issued_pdf
from portico.kit.answers import pdf_answer

router = Router(tags=["Credit notes"])


class CreditNote(Paper):
    """A credit note; its amounts are positive."""

    number: str = Field(..., examples=["CN-2026-00003"])
    invoice: str | None = Field(..., description="The invoice it corrects.", examples=["INV-2026-00031"])


class CreditNotes(Page):
    """A page of credit notes."""

    data: list[CreditNote]


class CreditNoteDetail(CreditNote):
    """A credit note with its lines and its VAT."""

    reason: str
    lines: list[DocumentLine]
    vat: list[VatGroup]


class Filters(Body):
    """Which credit notes."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")


@router.get("", response=CreditNotes, summary="List credit notes")
@scope("invoices:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All issued credit notes, the oldest first."""
    rows = issued(request, notes=True)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["order"], row["invoice"] = row.pop("order__number"), row.pop("refers_to__number")
    return page


@router.get("/{number}", response=CreditNoteDetail, summary="Read a credit note")
@scope("invoices:read")
def detail(request: ApiRequest, number: InvoiceNumber) -> Any:
    """One credit note with its lines, as it was issued."""
    row = find(request, number, notes=True)
    return whole(row) | {"reason": row.reason, "invoice": row.refers_to.number if row.refers_to else None}


@router.get("/{number}/pdf", response={200: None}, summary="Get the PDF of a credit note", openapi_extra=PDF)
@scope("invoices:read")
def pdf(request: ApiRequest, number: InvoiceNumber) -> HttpResponse:
    """The issued file: always the same bytes."""
    row = find(request, number, notes=True)
    return pdf_answer(issued_pdf(row), f"{row.number}.pdf")
