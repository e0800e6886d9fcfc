"""Customers: the companies that buy."""

from datetime import date
from typing import Any, Literal

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router
from pydantic import ConfigDict, Field

from portico.accounts import customers as actions
from portico.accounts.models import Customer as Row
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import (
    MOST_KEY,
    Body,
    Country,
    Currency,
    Days,
    Email,
    GivenCurrency,
    Line,
    Moment,
    Time,
)
from portico.kit.errors import Missing

router = Router(tags=["Customers"])
FIELDS = (
    "id legal_name street street_2 postcode city region country vat_id vat_id_checked_on electronic_address currency language "
    "payment_terms_days identity_locked_at created_at"
).split()
Language = Literal["en", "fr", "de"]


class Customer(Body):
    """A company that buys."""

    model_config = ConfigDict(extra="ignore", strict=False)

    id: int = Field(..., description="Stays the same for ever.", examples=[1])
    legal_name: str = Field(..., examples=["Atelier Fontaine SARL"])
    street: str = Field(..., examples=["12 rue des Forges"])
    street_2: str
    postcode: str = Field(..., examples=["69003"])
    city: str = Field(..., examples=["Lyon"])
    region: str
    country: Country
    vat_id: str = Field(..., description="In its compact form; empty where there is none.", examples=["FR83404833048"])
    vat_id_checked_on: date | None = Field(
        ..., description="When it was confirmed; cross-border sales without VAT need that."
    )
    electronic_address: str = Field(..., description="For e-invoices (BT-49), such as 0088:4000001123452.")
    currency: Currency
    language: Language = Field(..., description="Of its papers and mails.")
    payment_terms_days: int = Field(..., examples=[30])
    identity_locked_at: Time | None = Field(
        ..., description="When the first invoice was issued; from then on name and VAT id stay as they are."
    )
    created_at: Time


class Customers(Page):
    """A page of customers."""

    data: list[Customer]


class Owner(Body):
    """Who owns the customer's account."""

    email: Email = Field(..., examples=["camille@fontaine.example"])
    name: Line = Field(
        "", max_length=120, description="Needed where the address has no login yet.", examples=["Camille"]
    )


class NewCustomer(Body):
    """A company to add."""

    legal_name: Line = Field(..., min_length=1, max_length=160, examples=["Atelier Fontaine SARL"])
    street: Line = Field("", max_length=160, examples=["12 rue des Forges"])
    street_2: Line = Field("", max_length=160)
    postcode: Line = Field("", max_length=20, examples=["69003"])
    city: Line = Field("", max_length=80, examples=["Lyon"])
    region: Line = Field("", max_length=80)
    country: Country
    vat_id: Line = Field(
        "", max_length=20, description="Checked for format and check digits.", examples=["FR83404833048"]
    )
    electronic_address: Line = Field("", max_length=100)
    currency: GivenCurrency | None = Field(
        None, description="That of the seller where it is left out.", examples=["EUR"]
    )
    language: Language | None = Field(None, description="That of the seller where it is left out.", examples=["fr"])
    payment_terms_days: Days = 30
    owner: Owner | None = Field(None, description="Is invited by mail; members can be invited later as well.")


class CustomerChange(Body):
    """What changes; what is left out stays."""

    legal_name: Line | None = Field(None, min_length=1, max_length=160, description="Until the first invoice.")
    vat_id: Line | None = Field(None, max_length=20, description="Until the first invoice.")
    street: Line | None = Field(None, max_length=160, examples=["14 rue des Forges"])
    street_2: Line | None = Field(None, max_length=160)
    postcode: Line | None = Field(None, max_length=20, examples=["69003"])
    city: Line | None = Field(None, max_length=80, examples=["Lyon"])
    region: Line | None = Field(None, max_length=80)
    electronic_address: Line | None = Field(None, max_length=100)
    language: Language | None = None
    payment_terms_days: Days | None = Field(None, examples=[45])


class Filters(Body):
    """Which customers."""

    model_config = ConfigDict(extra="ignore", strict=False)

    vat_id: Line | None = Field(None, max_length=20, description="Exactly this VAT id, in its compact form.")
    created_since: Moment | None = Field(
        None, description="Added at this moment or later, in ISO 8601 with its offset."
    )


def find(request: ApiRequest, customer: int) -> Row:
    """One of the seller's customers; Missing."""
    found = Row.objects.filter(seller=request.seller, pk=customer).first()
    if found is None:
        raise Missing(_("There is no such customer."))
    found.seller = request.seller
    return found


def shown(request: ApiRequest, customer: int) -> dict[str, Any]:
    """A customer as the API tells it."""
    return Customer.model_validate(find(request, customer)).model_dump(mode="json")


CustomerKey = PathEx[int, P(ge=1, le=MOST_KEY, description="The id of the customer.", example=1)]


@router.get("", response=Customers, summary="List customers")
@scope("customers:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All customers of the seller, the oldest first."""
    rows = Row.objects.filter(seller=request.seller)
    if filters.vat_id is not None:
        rows = rows.filter(vat_id=filters.vat_id)
    if filters.created_since is not None:
        rows = rows.filter(created_at__gte=filters.created_since)
    return cut(request, rows.values(*FIELDS), paging)


@router.get("/{int:customer}", response=Customer, summary="Read a customer")
@scope("customers:read")
def detail(request: ApiRequest, customer: CustomerKey) -> Any:
    """One customer."""
    return find(request, customer)


@router.post("", response={201: Customer}, summary="Add a customer")
@scope("customers:write")
def create(request: ApiRequest, response: HttpResponse, body: NewCustomer) -> Any:
    """A new customer, with an owner who is invited by mail where one is named. Its country decides the VAT of what it buys."""
    values = body.model_dump(exclude={"owner"}, exclude_none=True)
    owner = (body.owner.email, body.owner.name) if body.owner else None
    made = actions.create(seller=request.seller, values=values, owner=owner, by=request.key, now=request.now)
    response.headers["Location"] = f"{request.path}/{made.pk}"
    return made


@router.patch("/{int:customer}", response=Customer, summary="Change a customer")
@scope("customers:write", current=shown)
def update(request: ApiRequest, body: CustomerChange, customer: CustomerKey) -> Any:
    """Change what is named; the rest stays. Papers that were issued keep what they say."""
    found = find(request, customer)
    actions.edit(customer=found, values=body.model_dump(exclude_none=True), by=request.key, now=request.now)
    return found
