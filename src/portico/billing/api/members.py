"""Members: the people who work for a customer, and what each may do."""

from typing import Any, Literal

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import P, PathEx, Query, Router
from pydantic import ConfigDict, Field

from portico.accounts import members as actions
from portico.accounts.models import Membership
from portico.billing.api.customers import CustomerKey
from portico.billing.api.customers import find as find_customer
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.pages import Page, Paging, cut
from portico.billing.api.shapes import MOST_KEY, Body, Line, NewEmail, Time
from portico.kit.errors import Missing

router = Router(tags=["Members"])
Role = Literal["owner", "approver", "billing", "viewer"]
FIELDS = (
    "id", "customer_id", "user__email", "user__name", "is_owner", "is_approver", "is_billing", "is_viewer", "created_at",
)  # fmt: skip


class Member(Body):
    """One person at one customer."""

    model_config = ConfigDict(extra="ignore", strict=False)

    id: int = Field(..., examples=[1])
    customer_id: int = Field(..., examples=[1])
    email: str = Field(..., examples=["camille@fontaine.example"])
    name: str = Field(..., examples=["Camille Fontaine"])
    roles: list[Role] = Field(..., description="An owner may do all that the others may.", examples=[["owner"]])
    created_at: Time


class Members(Page):
    """A page of members."""

    data: list[Member]


Roles = Field(..., min_length=1, max_length=4, description="At least one.", examples=[["approver", "billing"]])


class NewMember(Body):
    """Somebody to invite."""

    email: NewEmail
    name: Line = Field(
        "", max_length=120, description="Needed where the address has no login yet.", examples=["Julien"]
    )
    roles: list[Role] = Roles


class MemberChange(Body):
    """What this person may do from now on."""

    roles: list[Role] = Roles


MemberKey = PathEx[int, P(ge=1, le=MOST_KEY, description="The id of the member.", example=1)]


def find(request: ApiRequest, customer: int, member: int) -> Membership:
    """One person of one of the seller's customers; Missing."""
    rows = Membership.objects.filter(customer__seller=request.seller, customer=customer, pk=member)
    found = rows.select_related("user", "customer__seller").first()
    if found is None:
        raise Missing(_("There is no such member."))
    return found


def told(row: Membership) -> dict[str, Any]:
    """A member as the API tells it."""
    return {
        "id": row.pk,
        "customer_id": row.customer_id,
        "email": row.user.email,
        "name": row.user.name,
        "roles": [role for role in actions.ROLES if role in row.roles],
        "created_at": row.created_at,
    }


def shown(request: ApiRequest, customer: int, member: int) -> dict[str, Any]:
    """A member as JSON."""
    return Member.model_validate(told(find(request, customer, member))).model_dump(mode="json")


@router.get("", response=Members, summary="List a customer's members")
@scope("members:read")
def index(request: ApiRequest, customer: CustomerKey, paging: Query[Paging]) -> Any:
    """Who works for this customer, the oldest first."""
    rows = Membership.objects.filter(customer=find_customer(request, customer))
    page = cut(request, rows.values(*FIELDS), paging)
    for row in page["data"]:
        row["email"], row["name"] = row.pop("user__email"), row.pop("user__name")
        row["roles"] = [role for role in actions.ROLES if row.pop(f"is_{role}")]
    return page


@router.post("", response={201: Member}, summary="Invite a member")
@scope("members:write")
def invite(request: ApiRequest, response: HttpResponse, body: NewMember, customer: CustomerKey) -> Any:
    """Somebody may work for this customer from now on, and is told by mail."""
    made = actions.invite(
        customer=find_customer(request, customer),
        email=body.email,
        name=body.name,
        roles=body.roles,
        by=request.key,
        now=request.now,
    )
    response.headers["Location"] = f"{request.path}/{made.pk}"
    return told(made)


@router.get("/{int:member}", response=Member, summary="Read a member")
@scope("members:read")
def detail(request: ApiRequest, customer: CustomerKey, member: MemberKey) -> Any:
    """One person at one customer."""
    return told(find(request, customer, member))


@router.patch("/{int:member}", response=Member, summary="Change a member's roles")
@scope("members:write", current=shown)
def update(request: ApiRequest, body: MemberChange, customer: CustomerKey, member: MemberKey) -> Any:
    """From now on this person may do that. The last owner stays one: 409."""
    found = find(request, customer, member)
    actions.change_roles(membership=found, roles=body.roles, by=request.key, now=request.now)
    return told(found)


@router.delete("/{int:member}", response={204: None}, summary="Remove a member")
@scope("members:write", current=shown)
def remove(request: ApiRequest, customer: CustomerKey, member: MemberKey) -> Any:
    """This person no longer works for the customer; what it did stays. The last owner stays: 409."""
    actions.remove(membership=find(request, customer, member), by=request.key, now=request.now)
    return HttpResponse(status=204)
