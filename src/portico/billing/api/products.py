"""Products and their list prices: by currency and term, from a day on, for a unit or by tiers."""

from datetime import date
from typing import Any, Literal

from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from portico.billing.actions import catalogue
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import Body, Currency, Day, GivenCurrency, GivenNumber, Line, MonthsOrOnce, Number, Text
from portico.billing.models import Price as PriceRow
from portico.billing.models import Product as Row
from portico.billing.models.pricelist import Tier, tiers_of
from portico.kit.errors import Missing
from portico.kit.periods import today

router = Router(tags=["Products"])
CODE = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Kind = Literal["application", "theme", "users", "plan", "service", "goods"]
Model = Literal["per_unit", "graduated", "volume", "flat"]
FIELDS = ("id", "code", "name", "description", "kind", "unit", "vat_category", "vat_rate", "is_active")


class Product(Body):
    """Something the seller sells."""

    model_config = ConfigDict(extra="ignore", strict=False)

    code: str = Field(..., description="Its key.", examples=["users"])
    name: str = Field(..., examples=["Users"])
    description: str
    kind: Kind = Field(..., description="Decides tax and what happens to a database.", examples=["users"])
    unit: str = Field(..., description="As printed after the quantity.", examples=["users"])
    vat_category: Literal["S", "Z", "E"] = Field(..., description="For a sale at home: standard, zero, exempt.")
    vat_rate: Number = Field(..., description="Percent, for a sale at home.")
    is_active: bool = Field(..., description="Whether it is on sale.")


class Products(Page):
    """A page of products."""

    data: list[Product]


class TierOut(Schema):
    """One tier of a price."""

    up_to: Number | None = Field(..., description="The last unit at this price; null for all further ones.")
    unit_price: Number


class Price(Schema):
    """A list price before VAT, for one unit and one term."""

    currency: Currency
    term_months: int = Field(..., description="0: once; 1: a month; 12: a year.", examples=[12])
    valid_from: date = Field(..., description="The first day on which it counts.")
    model: Model = Field(..., examples=["per_unit"])
    unit_price: Number = Field(..., description="By tiers: of the first unit.")
    tiers: list[TierOut]
    moves_from: date | None = Field(
        ..., description="Renewals from this day on come at the list price; null: who has it keeps it."
    )


class ProductDetail(Product):
    """A product with all its prices: past, present and to come."""

    prices: list[Price]


class NewProduct(Body):
    """A product to add; it gets its prices by an operation of its own."""

    code: str = Field(..., pattern=CODE, max_length=40, examples=["app-helpdesk"])
    name: Line = Field(..., min_length=1, max_length=160, examples=["Helpdesk"])
    kind: Kind = Field(..., examples=["application"])
    unit: Line = Field("", max_length=20, examples=["users"])
    description: Text = Field("", max_length=2000)
    vat_rate: GivenNumber = Field(..., description="Percent, for a sale at home; 0 is zero-rated.", examples=["20"])


class ProductChange(Body):
    """What changes; what is left out stays."""

    name: Line | None = Field(None, min_length=1, max_length=160, examples=["Helpdesk"])
    unit: Line | None = Field(None, max_length=20)
    description: Text | None = Field(None, max_length=2000)
    is_active: bool | None = Field(None, description="Take it off sale, or put it back.", examples=[True])


class NewTier(Body):
    """One tier of a price."""

    up_to: GivenNumber | None = Field(..., description="The last unit at this price; null in the last tier.")
    unit_price: GivenNumber


class NewPrice(Body):
    """A list price from a day on."""

    currency: GivenCurrency
    term_months: MonthsOrOnce = Field(..., description="0: once; 1: a month; 12: a year.", examples=[12])
    valid_from: Day | None = Field(None, description="Today where it is left out.")
    model: Model = Field("per_unit", examples=["per_unit"])
    unit_price: GivenNumber | None = Field(None, description="Needed but by tiers.", examples=["228"])
    tiers: list[NewTier] = Field([], max_length=catalogue.MOST_TIERS)
    moves_from: Day | None = Field(None, description="See the price that is told.")


class Filters(Body):
    """Which products."""

    model_config = ConfigDict(extra="ignore", strict=False)

    kind: Kind | None = Field(None, description="Those of this kind.")
    is_active: bool | None = Field(None, description="Those on sale, or those that are not.")


ProductCode = PathEx[str, P(pattern=CODE, max_length=40, description="The code of the product.", example="users")]


def find(request: ApiRequest, code: str) -> Row:
    """One product of the seller; Missing."""
    found = Row.objects.filter(seller=request.seller, code=code).first()
    if found is None:
        raise Missing(_("There is no product of this code."))
    found.seller = request.seller
    return found


def told(row: Row) -> dict[str, Any]:
    """A product with its prices."""
    prefetch_related_objects([row], "prices")
    prices = sorted(row.prices.all(), key=lambda one: (one.currency, one.term_months, one.valid_from))
    return {name: getattr(row, name) for name in FIELDS} | {"prices": [priced(one) for one in prices]}


def priced(row: PriceRow) -> dict[str, Any]:
    """A price as the API tells it."""
    plain = ("currency", "term_months", "valid_from", "model", "unit_price", "moves_from")
    tiers = [{"up_to": tier.upto, "unit_price": tier.unit_price} for tier in tiers_of(row.tiers)]
    return {name: getattr(row, name) for name in plain} | {"tiers": tiers}


def shown(request: ApiRequest, code: str) -> dict[str, Any]:
    """A product as JSON."""
    return ProductDetail.model_validate(told(find(request, code))).model_dump(mode="json")


@router.get("", response=Products, summary="List products")
@scope("products:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All products, the oldest first; the prices stand at each product."""
    rows = Row.objects.filter(seller=request.seller)
    if filters.kind is not None:
        rows = rows.filter(kind=filters.kind)
    if filters.is_active is not None:
        rows = rows.filter(is_active=filters.is_active)
    return cut(request, rows.values(*FIELDS), paging)


@router.get("/{code}", response=ProductDetail, summary="Read a product and its prices")
@scope("products:read")
def detail(request: ApiRequest, code: ProductCode) -> Any:
    """One product with all its prices."""
    return told(find(request, code))


@router.post("", response={201: ProductDetail}, summary="Add a product")
@scope("products:write")
def create(request: ApiRequest, response: HttpResponse, body: NewProduct) -> Any:
    """A product without a price yet. Its code and kind stay as they are."""
    made = catalogue.add_product(seller=request.seller, **body.model_dump(), by=request.key, now=request.now)
    response.headers["Location"] = f"{request.path}/{made.code}"
    return told(made)


@router.patch("/{code}", response=ProductDetail, summary="Change a product")
@scope("products:write", current=shown)
def update(request: ApiRequest, body: ProductChange, code: ProductCode) -> Any:
    """Change what is named. Papers that were written keep what they say."""
    found = find(request, code)
    catalogue.edit_product(product=found, values=body.model_dump(exclude_none=True), by=request.key, now=request.now)
    return told(found)


@router.post("/{code}/prices", response={200: Price, 201: Price}, summary="Set a list price")
@scope("products:write", current=shown)
def price(request: ApiRequest, body: NewPrice, code: ProductCode) -> Any:
    """The list price from a day on. A price of that very day is replaced while nobody has it (200), else: 409; a later day
    makes one that follows (201).
    """
    row, made = catalogue.set_price(
        product=find(request, code),
        currency=body.currency,
        term_months=body.term_months,
        valid_from=body.valid_from or today(request.now, request.seller.zone),
        model=body.model,
        unit_price=body.unit_price,
        tiers=[Tier(tier.up_to, tier.unit_price) for tier in body.tiers],
        moves_from=body.moves_from,
        by=request.key,
        now=request.now,
    )
    return Status(201 if made else 200, priced(row))
