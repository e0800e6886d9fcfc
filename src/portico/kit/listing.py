"""A list as a page shows it: search, filter and sort read from the address, and one page of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.pagination import Page, chosen_order, in_order, paginate
from portico.kit.prepared import Asked
from portico.kit.text import one_line

LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Sort:
    """One way to sort a list: its name on the screen and its order (as in `order_by`, ending with something unique)."""

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
    size: str
    whole: Callable[[], QuerySet[Any, Any]]
    """All rows in the order of the list, to be read one by one."""

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
    def asked_sort(self) -> str:
        """The sort, where it is not the usual one: what a link must carry along."""
        return "" if self.sort == next(iter(self.sorts)) else self.sort

    @property
    def caption(self) -> str | Promise:
        """How the rows are sorted, in words."""
        return self.sorts[self.sort].label

    def link(self, **changes: str) -> str:
        """The address of this list with some of q, status, sort, size changed, at its first page."""
        asked = {"q": self.q, "status": self.status, "sort": self.asked_sort, "size": self.size} | changes
        return f"?{urlencode({name: value for name, value in asked.items() if value})}"

    def head(self, down: str, up: str) -> tuple[str, str]:
        """The heading of a column that sorts by `down` or `up`: its `aria-sort` word and the address of its link."""
        if self.sort == down:
            return "descending", self.link(sort=up)
        return "ascending" if self.sort == up else "", self.link(sort=down)

    @property
    def is_filtered(self) -> bool:
        """Whether an empty page means that nothing matches, and not that there is nothing."""
        return bool(self.q or self.status)


def plain(rows: QuerySet[Any, Any]) -> list[dict[str, Any]]:
    """The rows of a `.values(…)` query as dicts to which a page may add."""
    return list(rows)


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
    rows: QuerySet[Any, Any] | Asked,
    params: QueryDict,
    *,
    q: str = "",
    status: str = "",
    statuses: Mapping[str, str | Promise],
    sorts: Mapping[str, Sort],
    search: Q | None = None,
    read: Callable[[QuerySet[Any, Any]], list[dict[str, Any]]] = list,
) -> Listing:
    """One page of `rows` in the asked order; the first of `sorts` is the usual one. `rows` and `read` as in `paginate`.

    `search` is a further condition, of words that a person typed.
    """
    if search is not None:
        rows = (rows.queryset() if isinstance(rows, Asked) else rows).filter(search)
    sort, order = chosen_order(params, {name: sort.order for name, sort in sorts.items()}, next(iter(sorts)))
    page = paginate(rows, order, params, read=read)

    def whole() -> QuerySet[Any, Any]:
        return in_order(rows.queryset() if isinstance(rows, Asked) else rows, order)

    return Listing(page, q, status, statuses, sort, sorts, params.get("size", ""), whole)
