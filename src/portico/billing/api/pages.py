"""Lists of the API: cut by key, at the same cost on the first page and on the last."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from django.db.models import QuerySet
from django.http import QueryDict
from ninja import Schema
from pydantic import Field

from portico.billing.api.door import ApiRequest
from portico.kit.pagination import LARGEST, paginate

USUAL = 25
Read = Callable[[QuerySet[Any, Any]], list[dict[str, Any]]]


class Paging(Schema):
    """Which part of a list is wanted."""

    limit: int = Field(USUAL, ge=1, le=LARGEST, description="How many at most, 1 to 100.", examples=[50])
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        pattern=r"^[A-Za-z0-9_:-]+$",
        description="Where to go on: the cursor of the page before. Opaque, and bound to its list.",
    )


class Page(Schema):
    """What every page of a list has beside its rows, which stand in `data`."""

    next: str | None = Field(
        ..., description="The address of the next page; null on the last.", examples=["/api/v1/customers?cursor=WzdTd"]
    )
    cursor: str | None = Field(..., description="The cursor in that address.", examples=["WzddOjF2"])


def cut(
    request: ApiRequest, rows: QuerySet[Any, Any], paging: Paging, order: Sequence[str] = ("id",), read: Read = list
) -> dict[str, Any]:
    """One page of `rows`, a `.values(…)` query with every field of `order`; the oldest come first.

    Raises Invalid for a cursor that is not of this list.
    """
    params = QueryDict(mutable=True)
    if paging.cursor:
        params["after"] = paging.cursor
    found = paginate(rows, order, params, size=paging.limit, read=read)
    if not found.next:
        return {"data": found.rows, "next": None, "cursor": None}
    cursor = parse_qs(found.next[1:])["after"][0]
    query = request.GET.copy()
    query["cursor"] = cursor
    return {"data": found.rows, "next": f"{request.path}?{query.urlencode()}", "cursor": cursor}
