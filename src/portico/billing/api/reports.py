"""Reports: what the vendor's system says that a database got or lost. Done once under the system's own name for it."""

from datetime import date
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Router
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from portico.billing.actions.report import LONGEST_ID, MOST_CHANGES, Reported, report_change
from portico.billing.api.databases import DatabaseName
from portico.billing.api.door import ApiRequest, scope
from portico.billing.api.shapes import Body, whole_of
from portico.billing.api.subscriptions import find
from portico.billing.models import Order

router = Router(tags=["Databases"])
MOST_UNITS = 100_000
Units = Annotated[int, Field(ge=0, le=MOST_UNITS), BeforeValidator(whole_of)]
Name = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", min_length=1, max_length=LONGEST_ID)]


class Changed(Body):
    """One product: how many units the database got, or how many it lost."""

    product: str = Field(..., max_length=40, pattern=r"^[A-Za-z0-9_-]+$", description="Its code.", examples=["users"])
    added: Units = Field(0, examples=[1])
    removed: Units = Field(0, examples=[0])


class NewReport(Body):
    """What changed in a database, under a name of the reporting system's own."""

    report_id: Name = Field(
        ...,
        description="The same again is answered as before and does nothing; with other changes it is refused.",
        examples=["install-8841"],
    )
    changes: list[Changed] = Field(..., min_length=1, max_length=MOST_CHANGES)


class Report(Body):
    """What became of a report."""

    model_config = ConfigDict(extra="ignore", strict=False)

    report_id: str = Field(..., examples=["install-8841"])
    database: str = Field(..., examples=["atelier-fontaine"])
    status: Literal["noted", "quoted", "accepted", "installed", "settled", "lapsed"] = Field(
        ...,
        description=(
            "noted: nothing is to pay, what was removed ends with the period. quoted: it waits for the customer. accepted: "
            "by itself, under a mandate. installed: it may run until runs_until, and stays once settled. lapsed: it must be "
            "removed."
        ),
        examples=["quoted"],
    )
    why: str | None = Field(
        ..., description="Why the quotation comes first: no_mandate, over_limit or two_approvers.", examples=[None]
    )
    quotation: str | None = Field(..., description="Its number.", examples=["Q-2026-00042"])
    order: str | None = Field(..., description="Its number, once accepted.", examples=[None])
    runs_until: date | None = Field(..., description="For what was installed at once: the first day without it.")


@router.post("", response={201: Report}, summary="Report what was added or removed")
@scope("reports:write")
def create(request: ApiRequest, response: HttpResponse, name: DatabaseName, body: NewReport) -> Any:
    """An added user or application leads to an upsell quotation, or by the seller's policy to more; what was removed ends
    with the period."""
    subscription = find(request, name)
    changes = [Reported(one.product, one.added, one.removed) for one in body.changes]
    made = report_change(
        subscription=subscription, report_id=body.report_id, changes=changes, by=request.key, now=request.now
    )
    order = Order.objects.filter(version__quotation=made.quotation_id).first() if made.quotation_id else None
    return {
        "report_id": made.report_id,
        "database": name,
        "status": made.state,
        "why": made.why or None,
        "quotation": made.quotation.number if made.quotation else None,
        "order": order.number if order else None,
        "runs_until": made.grace_until,
    }
