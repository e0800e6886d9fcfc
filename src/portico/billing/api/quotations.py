"""Quotations: written, sent and withdrawn by the seller's systems; decided by the customer in the portal."""

from datetime import date
from decimal import Decimal
from typing import Any, Literal

from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router
from pydantic import ConfigDict, Field

from portico.accounts.models import User
from portico.billing.actions.draft import LineDraft
from portico.billing.actions.send import send_quotation, withdraw_quotation
from portico.billing.actions.write import MOST_LINES, write_quotation
from portico.billing.api.customers import find as find_customer
from portico.billing.api.databases import NAME
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.lines import DocumentLine, Totals, told, totals
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Day, Email, GivenNumber, Key, Line, Months, Number, Text, Time
from portico.billing.api.subscriptions import find as find_subscription
from portico.billing.models import Quotation as Row
from portico.billing.models import QuotationLine, QuotationVersion
from portico.kit.errors import Invalid, Missing
from portico.kit.periods import today

router = Router(tags=["Quotations"])
Status = Literal["draft", "sent", "expired", "changes_requested", "accepted", "rejected", "withdrawn", "superseded"]
Kind = Literal["new", "upsell", "renewal"]
FIELDS = (
    "id", "number", "kind", "origin", "customer_id", "customer__currency", "subscription__database__name", "database_name",
    "term_months", "created_at", "current__version", "current__title", "current__state", "current__valid_until",
    "current__currency", "current__net_minor", "current__vat_minor", "current__total_minor", "current__sent_at",
    "written_version", "written_title", "written_valid_until", "written_net_minor", "written_vat_minor",
    "written_total_minor",
)  # fmt: skip


class Quotation(Totals):
    """An offer to a customer. While nothing was sent it tells its draft, then the version that the customer sees."""

    number: str = Field(..., examples=["Q-2026-00042"])
    kind: Kind = Field(..., examples=["new"])
    origin: str = Field(
        ..., description="Where it comes from: staff, portal, report, renewal or api.", examples=["api"]
    )
    status: Status = Field(..., examples=["sent"])
    version: int = Field(..., examples=[1])
    title: str = Field(..., examples=["Business plan"])
    customer_id: int = Field(..., examples=[1])
    database: str | None = Field(..., description="The database it changes or opens.", examples=["atelier-fontaine"])
    term_months: int = Field(..., examples=[12])
    valid_until: date | None = Field(..., description="The last day, in the seller's zone.")
    created_at: Time
    sent_at: Time | None


class Quotations(Page):
    """A page of quotations."""

    data: list[Quotation]


class QuotationLineOut(DocumentLine):
    """A line of a quotation."""

    key: int = Field(..., description="Stays the same from version to version.", examples=[1])
    optional: bool = Field(..., description="Whether the customer may leave it out.")
    selected: bool = Field(..., description="Whether the seller proposes it.")
    quantity_min: Number | None = Field(..., description="What the customer may choose at least.")
    quantity_max: Number | None = Field(..., description="What the customer may choose at most.")


class QuotationDetail(Quotation):
    """A quotation with its lines."""

    intro: str
    payment_policy: Literal["none", "deposit", "full"]
    deposit_percent: Number
    invoice_policy: Literal["at_acceptance", "on_delivery", "per_period"]
    signature_required: bool
    order: str | None = Field(..., description="The sales order that an acceptance made.", examples=["SO-2026-00017"])
    lines: list[QuotationLineOut]


class NewLine(Body):
    """A line to write."""

    kind: Literal["line", "section", "note", "allowance", "charge"] = Field("line", examples=["line"])
    product: Line = Field(
        "", max_length=40, description="The code of a product; empty for a free line.", examples=["users"]
    )
    name: Line = Field("", max_length=200, description="That of the product where it is left out.", examples=["Users"])
    detail: Text = Field("", max_length=2000)
    quantity: GivenNumber = Field(Decimal(1))
    unit: Line = Field("", max_length=20, examples=["users"])
    unit_price: GivenNumber | None = Field(
        None, description="Before VAT; the list price where it is left out.", examples=["288"]
    )
    discount_percent: GivenNumber = Field(Decimal(0), examples=["10"])
    vat_rate: GivenNumber | None = Field(
        None, description="Percent, for a free line sold at home; a product brings its own.", examples=["20"]
    )
    optional: bool = Field(False, description="The customer may leave it out.")
    selected: bool = Field(True, description="An optional line that is proposed.")
    quantity_min: GivenNumber | None = None
    quantity_max: GivenNumber | None = None


class NewQuotation(Body):
    """A quotation to write; it is sent by an operation of its own."""

    customer_id: Key = Field(..., examples=[1])
    kind: Kind = Field("new", description="upsell and renewal name a database with a subscription.")
    database: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="The database it opens or changes.",
        examples=["atelier-fontaine"],
    )
    term_months: Months = Field(12, description="Of a new subscription.")
    contact: Email | None = Field(None, description="The member it is addressed to, by its e-mail address.")
    title: Line = Field(..., min_length=1, max_length=160, examples=["Business plan"])
    intro: Text = Field("", max_length=4000)
    valid_until: Day | None = Field(None, description="Thirty days from today where it is left out.")
    payment_policy: Literal["none", "deposit", "full"] = "none"
    deposit_percent: GivenNumber = Field(Decimal(0))
    invoice_policy: Literal["at_acceptance", "on_delivery", "per_period"] = "at_acceptance"
    signature_required: bool = False
    lines: list[NewLine] = Field(..., min_length=1, max_length=MOST_LINES)


class Filters(Body):
    """Which quotations."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those for this customer.")
    status: Status | None = Field(None, description="Those of this status.")


QuotationNumber = PathEx[
    str, P(min_length=1, max_length=20, description="The number of the quotation.", example="Q-2026-00042")
]


def find(request: ApiRequest, number: str) -> Row:
    """One quotation of the seller; Missing."""
    rows = Row.objects.filter(seller=request.seller, number=number)
    found = rows.select_related("customer", "current", "subscription__database").first()
    if found is None:
        raise Missing(_("There is no quotation of this number."))
    found.seller = request.seller
    return found


def whole(request: ApiRequest, number: str) -> dict[str, Any]:
    """A quotation with its lines: the version that the customer sees, or the first draft."""
    row = find(request, number)
    version = row.current or row.versions.get()
    version.quotation = row
    lines = list(QuotationLine.objects.filter(version=version).select_related("product").order_by("position"))
    plain = ("version", "title", "intro", "valid_until", "payment_policy", "deposit_percent", "invoice_policy",
             "signature_required", "sent_at")  # fmt: skip
    order = getattr(version, "order", None) if version.state == QuotationVersion.State.ACCEPTED else None
    of_line = ("key", "optional", "selected", "quantity_min", "quantity_max")
    return (
        {name: getattr(row, name) for name in ("number", "kind", "origin", "customer_id", "term_months", "created_at")}
        | {name: getattr(version, name) for name in plain}
        | totals(version)
        | {
            "status": version.status(request.now),
            "database": row.subscription.database.name if row.subscription else row.database_name or None,
            "order": order.number if order else None,
            "lines": [told(line, **{name: getattr(line, name) for name in of_line}) for line in lines],
        }
    )


def shown(request: ApiRequest, number: str) -> dict[str, Any]:
    """A quotation as JSON."""
    return QuotationDetail.model_validate(whole(request, number)).model_dump(mode="json")


@router.get("", response=Quotations, summary="List quotations")
@scope("quotations:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All quotations, drafts too, the oldest first."""
    day = today(request.now, request.seller.zone)
    drafted = QuotationVersion.objects.filter(quotation=OuterRef("pk"), state=QuotationVersion.State.DRAFT)
    columns = ("version", "title", "valid_until", "net_minor", "vat_minor", "total_minor")
    rows = Row.objects.filter(seller=request.seller).annotate(
        **{f"written_{name}": Subquery(drafted.values(name)[:1]) for name in columns}
    )
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    if filters.status is not None:
        rows = of_status(rows, filters.status, day)
    page = cut(request, rows.values(*FIELDS), paging)
    page["data"] = [listed(row, day) for row in page["data"]]
    return page


def of_status(rows: Any, status: str, day: date) -> Any:
    """The rows of one status; expired is computed."""
    if status == "draft":
        return rows.filter(current=None)
    if status == "expired":
        return rows.filter(current__state__in=QuotationVersion.OPEN, current__valid_until__lt=day)
    if status in QuotationVersion.OPEN:
        return rows.filter(current__state=status, current__valid_until__gte=day)
    return rows.filter(current__state=status)


def listed(row: dict[str, Any], day: date) -> dict[str, Any]:
    """A row of the list as the API tells it."""
    sent = row["current__state"] is not None
    side = "current__" if sent else "written_"
    expired = row["current__state"] in QuotationVersion.OPEN and row["current__valid_until"] < day
    columns = ("version", "title", "valid_until", "net_minor", "vat_minor", "total_minor")
    plain = ("number", "kind", "origin", "customer_id", "term_months", "created_at")
    return (
        {name: row[name] for name in plain}
        | {name: row[f"{side}{name}"] for name in columns}
        | {
            "status": "expired" if expired else row["current__state"] or "draft",
            "currency": row["current__currency"] or row["customer__currency"],
            "database": row["subscription__database__name"] or row["database_name"] or None,
            "sent_at": row["current__sent_at"],
        }
    )


@router.get("/{number}", response=QuotationDetail, summary="Read a quotation")
@scope("quotations:read")
def detail(request: ApiRequest, number: QuotationNumber) -> Any:
    """One quotation with its lines."""
    return whole(request, number)


@router.post("", response={201: QuotationDetail}, summary="Write a quotation")
@scope("quotations:write")
def create(request: ApiRequest, response: HttpResponse, body: NewQuotation) -> Any:
    """A draft with its lines, priced; the customer sees nothing of it until it is sent."""
    customer = find_customer(request, body.customer_id)
    changes = body.kind != "new"
    if changes and body.database is None:
        raise Invalid(_("Name the database that this quotation changes or renews."))
    fields: dict[str, Any] = body.model_dump(
        include={"title", "intro", "payment_policy", "deposit_percent", "invoice_policy", "signature_required"}
    )
    if body.valid_until is not None:
        fields["valid_until"] = body.valid_until
    made = write_quotation(
        customer=customer,
        kind=body.kind,
        contact=contact_of(body),
        subscription=find_subscription(request, body.database or "") if changes else None,
        database_name="" if changes else body.database or "",
        term_months=body.term_months,
        fields=fields,
        lines=[written(line) for line in body.lines],
        by=request.key,
        now=request.now,
    )
    response.headers["Location"] = f"{request.path}/{made.number}"
    return whole(request, made.number)


def contact_of(body: NewQuotation) -> User | None:
    """The member it is addressed to; Invalid when there is none of this address."""
    if body.contact is None:
        return None
    found = User.objects.filter(email__iexact=body.contact, memberships__customer=body.customer_id).first()
    if found is None:
        raise Invalid(_("The contact is not a member of this customer."))
    return found


def written(line: NewLine) -> tuple[LineDraft, str, Any]:
    """A line as `write_quotation` takes it."""
    fields = line.model_dump(exclude={"product", "unit_price"})
    return LineDraft(**fields), line.product, line.unit_price


@router.post("/{number}/send", response=QuotationDetail, summary="Send a quotation")
@scope("quotations:write", current=shown)
def send(request: ApiRequest, number: QuotationNumber) -> Any:
    """The draft freezes and goes to the customer; the version before it is superseded. 409 when there is no draft."""
    send_quotation(quotation=find(request, number), by=request.key, now=request.now)
    return whole(request, number)


@router.post("/{number}/withdraw", response=QuotationDetail, summary="Withdraw a quotation")
@scope("quotations:write", current=shown)
def withdraw(request: ApiRequest, number: QuotationNumber) -> Any:
    """Take back what is open. 409 when it was decided meanwhile."""
    withdraw_quotation(quotation=find(request, number), by=request.key, now=request.now)
    return whole(request, number)
