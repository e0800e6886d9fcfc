"""Databases: the customers' running instances, known by name."""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router
from pydantic import ConfigDict, Field

from portico.billing.actions.database import open_database
from portico.billing.api.customers import find as find_customer
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Key, Time
from portico.billing.models import Database as Row
from portico.kit.errors import Missing

router = Router(tags=["Databases"])
NAME = r"^[a-z0-9](-?[a-z0-9])*$"
FIELDS = ("id", "name", "customer_id", "created_at", "subscription__state")


class Database(Body):
    """A customer's running instance."""

    model_config = ConfigDict(extra="ignore", strict=False)

    name: str = Field(..., examples=["atelier-fontaine"])
    customer_id: int = Field(..., examples=[1])
    subscription_status: str | None = Field(
        ..., description="That of the subscription that pays for it; null without one.", examples=["active"]
    )
    created_at: Time


class Databases(Page):
    """A page of databases."""

    data: list[Database]


class NewDatabase(Body):
    """A database that the vendor's system has opened."""

    customer_id: Key = Field(..., examples=[1])
    name: str = Field(..., pattern=NAME, max_length=63, examples=["atelier-fontaine-test"])


class Filters(Body):
    """Which databases."""

    model_config = ConfigDict(extra="ignore", strict=False)

    customer_id: int | None = Field(None, ge=1, le=MOST_KEY, description="Those of this customer.")


def find(request: ApiRequest, name: str) -> Row:
    """One database of the seller's customers, with its customer; Missing."""
    rows = Row.objects.filter(customer__seller=request.seller, name=name)
    found = rows.select_related("customer", "subscription").first()
    if found is None:
        raise Missing(_("There is no database of this name."))
    found.customer.seller = request.seller
    return found


def told(row: Row) -> dict[str, Any]:
    """A database as the API tells it."""
    subscription = getattr(row, "subscription", None)
    status = subscription.state if subscription else None
    return {
        "name": row.name,
        "customer_id": row.customer_id,
        "subscription_status": status,
        "created_at": row.created_at,
    }


DatabaseName = PathEx[
    str, P(pattern=NAME, max_length=63, description="The name of the database.", example="atelier-fontaine")
]


@router.get("", response=Databases, summary="List databases")
@scope("databases:read")
def index(request: ApiRequest, paging: Query[Paging], filters: Query[Filters]) -> Any:
    """All databases of the seller's customers, the oldest first."""
    rows = Row.objects.filter(customer__seller=request.seller)
    if filters.customer_id is not None:
        rows = rows.filter(customer=filters.customer_id)
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["subscription_status"] = row.pop("subscription__state")
    return page


@router.get("/{name}", response=Database, summary="Read a database")
@scope("databases:read")
def detail(request: ApiRequest, name: DatabaseName) -> Any:
    """One database."""
    return told(find(request, name))


@router.post("", response={201: Database}, summary="Add a database")
@scope("databases:write")
def create(request: ApiRequest, response: HttpResponse, body: NewDatabase) -> Any:
    """A database that runs already, such as a trial; what it holds is sold by a quotation that names it."""
    customer = find_customer(request, body.customer_id)
    made = open_database(customer=customer, name=body.name, by=request.key, now=request.now)
    response.headers["Location"] = f"{request.path}/{made.name}"
    return told(made)
