"""What the lists of the desk share: reading search, filter and sort from the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.pagination import Page, chosen_order, paginate
from portico.kit.text import one_line

LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Sort:
    """One way to sort a list: its name on the screen and its order."""

    label: str | Promise
    order: Sequence[str]


@dataclass(frozen=True)
class Listing:
    """A list as a template draws it."""

    page: Page
    q: str
    status: str
    statuses: Mapping[str, str | Promise]
    sort: str
    sorts: Mapping[str, Sort]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the page."""
        return self.page.rows

    @property
    def chips(self) -> list[tuple[str, str | Promise, None]]:
        """The filters, all first; without counts: a list never counts its rows."""
        return [("", _("All"), None), *((value, label, None) for value, label in self.statuses.items())]

    @property
    def sort_options(self) -> list[tuple[str, str | Promise]]:
        """The ways to sort."""
        return [(name, sort.label) for name, sort in self.sorts.items()]

    @property
    def is_filtered(self) -> bool:
        """Whether an empty page means that nothing matches, and not that there is nothing."""
        return bool(self.q or self.status)


def search_words(params: Mapping[str, str]) -> str:
    """`?q=` on one line; Invalid when it is longer than anybody types."""
    words = one_line(params.get("q", ""))
    if len(words) > LONGEST_SEARCH:
        raise Invalid(_("Search for at most %(most)d characters.") % {"most": LONGEST_SEARCH})
    return words


def chosen_status(params: Mapping[str, str], statuses: Mapping[str, str | Promise]) -> str:
    """`?status=`, one of `statuses`, or empty for all."""
    status = params.get("status", "")
    if status and status not in statuses:
        raise Invalid(_("This list has no such filter. Choose one of: %(names)s.") % {"names": ", ".join(statuses)})
    return status


def listing(
    rows: QuerySet[Any, Any],
    params: QueryDict,
    *,
    q: str,
    status: str,
    statuses: Mapping[str, str | Promise],
    sorts: Mapping[str, Sort],
) -> Listing:
    """One page of `rows` in the asked order; the first of `sorts` is the usual one."""
    sort, order = chosen_order(params, {name: sort.order for name, sort in sorts.items()}, next(iter(sorts)))
    return Listing(paginate(rows, order, params), q, status, statuses, sort, sorts)


def by_id(rows: Any, text: str) -> Any:
    """The row whose id was posted, or None."""
    return rows.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None


def pdf_answer(content: bytes, name: str) -> HttpResponse:
    """A PDF to look at or keep; `name` is made of our own numbers."""
    return HttpResponse(
        content,
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"},
    )
