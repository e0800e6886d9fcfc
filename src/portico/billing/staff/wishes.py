"""What customers asked for and nobody answered yet, with the wishes beside the lines they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from portico.billing.models import ChangeRequest, ChangeWish, Quotation


@dataclass(frozen=True)
class Wished:
    """A wish beside the line it is about."""

    line: str
    offered: Decimal
    unit: str
    wish: str
    quantity: Decimal | None
    comment: str


@dataclass(frozen=True)
class Request:
    """A change request that waits for an answer."""

    kind: str
    message: str
    by: str
    at: datetime
    version: int
    wishes: Sequence[Wished]

    @property
    def is_simple(self) -> bool:
        """Whether a click can answer a part of it: quantities and removals."""
        return any(wish.wish != "comment" for wish in self.wishes)


def waiting_requests(quotation: Quotation) -> list[Request]:
    """What the customer asked for and nobody answered yet, with the wishes by line."""
    waiting = ChangeRequest.objects.filter(version__quotation=quotation, answered_at=None)
    wishes = Prefetch("wishes", ChangeWish.objects.select_related("line"))
    rows = (
        waiting.select_related("by", "version").prefetch_related(wishes).order_by("at") if quotation.current_id else []
    )
    return [
        Request(
            kind=row.kind,
            message=row.message,
            by=row.by.get_full_name() if row.by else _("A former colleague"),
            at=row.at,
            version=row.version.version,
            wishes=[
                Wished(wish.line.name, wish.line.quantity, wish.line.unit, wish.wish, wish.quantity, wish.comment)
                for wish in sorted(row.wishes.all(), key=lambda wish: wish.line.position)
            ],
        )
        for row in rows
    ]
