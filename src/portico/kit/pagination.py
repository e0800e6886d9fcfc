"""Lists read page by page along their own order, at the same cost on page one and page ten thousand.

A page is found by the sort values of the row before it (keyset), not by counting rows, and one row too many is read to know
whether there is a next page. The place is a signed cursor in `?after=` or `?before=`, bound to the order it was made for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core import signing
from django.core.exceptions import FieldDoesNotExist
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import QueryDict
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.prepared import Asked, Given, Prepared

SIZE = 20
LARGEST = 100


@dataclass(frozen=True)
class Page:
    """The rows of a page and the query strings of its neighbours, empty at the ends (`?q=…&after=…`, other parameters kept)."""

    rows: list[dict[str, Any]]
    previous: str
    next: str


@dataclass(frozen=True)
class Key:
    """One part of an order: a field (or annotation) of the row, its direction, and whether it may be empty."""

    field: str
    descending: bool
    nullable: bool

    def ordering(self, backwards: bool) -> OrderBy:
        """ORDER BY, the same on every database: empty values come last, so first when read backwards."""
        empty: dict[str, Any] = {("nulls_first" if backwards else "nulls_last"): True} if self.nullable else {}
        return OrderBy(F(self.field), descending=self.descending != backwards, **empty)

    def equal(self, value: object) -> Q:
        """Rows with this very value."""
        return Q(**{f"{self.field}__isnull": True}) if value is None else Q(**{self.field: value})

    def beyond(self, value: object, backwards: bool) -> Q | None:
        """Rows that come after `value` when read in this direction; None if no row can."""
        if value is None:
            return Q(**{f"{self.field}__isnull": False}) if backwards else None
        further = Q(**{f"{self.field}__{'lt' if self.descending != backwards else 'gt'}": value})
        return further | Q(**{f"{self.field}__isnull": True}) if self.nullable and not backwards else further


def paginate(
    rows: QuerySet[Any, Any] | Asked,
    order: Sequence[str],
    params: QueryDict,
    *,
    size: int | None = None,
    read: Callable[[QuerySet[Any, Any]], list[dict[str, Any]]] = list,
) -> Page:
    """The page of `rows` (a `.values(…)` query with every field of `order`) that `params` asks for.

    `rows` as `Asked` is a query whose SQL is made once. `read` fetches the cut and sorted query, one dict a row, in its
    order: a list whose rows carry more gives its own. `order` is spelled as in `order_by` ("-issued_on", "-id") and must end
    with something unique. Raises Invalid for a cursor that is not ours or belongs to another order, and for a `size` beyond
    1 to 100.
    """
    names = tuple(order)
    limit = size or page_size(params)
    backwards = "before" in params
    cursor = params.get("before" if backwards else "after", "")
    if backwards and not cursor:
        raise Invalid(BAD_CURSOR())
    salt = f"portico.page {' '.join(names)}"
    place = load(cursor, salt, len(names)) if cursor else None
    if isinstance(rows, Asked):
        fetched = ask(rows, Cut(names, place is not None, backwards, limit + 1), place)
    else:
        fetched = read(cut(rows, names, place, backwards, limit + 1))
    more, page = len(fetched) > limit, fetched[:limit]
    if backwards:
        if not more and len(page) < limit:  # reached the start: show the first page whole
            return paginate(rows, order, without_place(params), size=limit, read=read)
        page.reverse()
    fields = [name.removeprefix("-") for name in names]

    def link(name: str, row: dict[str, Any]) -> str:
        query = without_place(params)
        query[name] = dump([row[field] for field in fields], salt)
        return f"?{query.urlencode()}"

    has_previous, has_next = (more, True) if backwards else (place is not None, more)
    return Page(
        rows=page,
        previous=link("before", page[0]) if page and has_previous else "",
        next=link("after", page[-1]) if page and has_next else "",
    )


def cut(
    rows: QuerySet[Any, Any], order: Sequence[str], place: Sequence[object] | None, backwards: bool, limit: int
) -> QuerySet[Any, Any]:
    """`rows` in their order, from behind `place` on, at most `limit`."""
    found = in_order(rows, order, backwards=backwards)
    if place is not None:
        found = found.filter(seek([key_of(rows.model, rows, name) for name in order], place, backwards))
    return found[:limit]


def in_order(rows: QuerySet[Any, Any], order: Sequence[str], *, backwards: bool = False) -> QuerySet[Any, Any]:
    """`rows` sorted, the same on every database."""
    return rows.order_by(*(key_of(rows.model, rows, name).ordering(backwards) for name in order))


@dataclass(frozen=True)
class Cut:
    """What of a list is asked for, as far as its SQL depends on it."""

    order: tuple[str, ...]
    placed: bool
    backwards: bool
    limit: int


def ask(rows: Asked, wanted: Cut, place: Sequence[object] | None) -> list[dict[str, Any]]:
    """The rows, by a statement that is made once; a place with an empty value has SQL of its own."""
    if place is not None and None in place:
        return list(cut(rows.queryset(), wanted.order, place, wanted.backwards, wanted.limit))
    places = {f"place_{number}": value for number, value in enumerate(place or ())}
    return statement(rows.build, rows.shape, tuple(rows.given), wanted)(**rows.given, **places)


@lru_cache(maxsize=512)
def statement(
    build: Callable[..., QuerySet[Any, Any]], shape: tuple[str, ...], given: tuple[str, ...], wanted: Cut
) -> Prepared[dict[str, Any]]:
    """One shape of a list; there are as many as it has filters, orders and sizes that people use."""
    rows = Asked(build, shape, dict.fromkeys(given))
    place = [Given(f"place_{number}") for number in range(len(wanted.order))] if wanted.placed else None
    return Prepared(lambda: cut(rows.open(), wanted.order, place, wanted.backwards, wanted.limit))


def page_size(params: Mapping[str, str], default: int = SIZE) -> int:
    """`?size=`, 1 to 100."""
    asked = params.get("size", "")
    if not asked:
        return default
    if not (asked.isascii() and asked.isdigit() and len(asked) < 4 and 1 <= int(asked) <= LARGEST):
        raise Invalid(_("The number of rows on a page must be between 1 and %(most)d.") % {"most": LARGEST})
    return int(asked)


def chosen_order(
    params: Mapping[str, str], orders: Mapping[str, Sequence[str]], default: str
) -> tuple[str, Sequence[str]]:
    """`?sort=` as its name and order, from the `orders` a list offers ({"-date": ("-issued_on", "-id"), …})."""
    name = params.get("sort", "") or default
    if name not in orders:
        raise Invalid(
            _("This list cannot be sorted that way. Choose one of: %(names)s.") % {"names": ", ".join(orders)}
        )
    return name, orders[name]


def BAD_CURSOR() -> str:  # noqa: N802  # a message, translated when it is needed
    """What we say to a cursor that is not ours."""
    return _("This page of the list cannot be found. Start again at its first page.")


def seek(keys: Sequence[Key], values: Sequence[object], backwards: bool) -> Q:
    """Rows beyond the row with these sort values: greater in the first key, or equal there and greater in the second, …"""
    condition = Q(pk__in=[])
    equal = Q()
    for key, value in zip(keys, values, strict=True):
        further = key.beyond(value, backwards)
        if further is not None:
            condition |= equal & further
        equal &= key.equal(value)
    first = keys[0]
    if not first.nullable:  # the same once more, in a form an index understands
        edge = "lte" if first.descending != backwards else "gte"
        condition &= Q(**{f"{first.field}__{edge}": values[0]})
    return condition


def key_of(model: type[Model], rows: QuerySet[Any, Any], name: str) -> Key:
    """The key for one name of an order; whether it may be empty is read from the model (annotations must not be)."""
    field = name.removeprefix("-")
    nullable = False
    if field not in rows.query.annotations:
        at: type[Model] = model
        for part in field.split("__"):
            try:
                found = at._meta.get_field(part)
            except FieldDoesNotExist:
                raise ValueError(f"{field} is no field of {model.__name__}") from None
            nullable = nullable or bool(getattr(found, "null", False))
            if found.related_model is not None and not isinstance(found.related_model, str):
                at = found.related_model
    return Key(field, name.startswith("-"), nullable)


def without_place(params: QueryDict) -> QueryDict:
    """The parameters but for the place."""
    query = params.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    return query


# Cursors -------------------------------------------------------------------------------------------------------------

KINDS: dict[str, Any] = {"t": datetime.fromisoformat, "d": date.fromisoformat, "n": Decimal, "u": UUID}


def dump(values: Sequence[object], salt: str) -> str:
    """Sort values as a signed, URL-safe word."""
    plain: list[object] = []
    for value in values:
        if isinstance(value, datetime):
            plain.append(["t", value.isoformat()])
        elif isinstance(value, date):
            plain.append(["d", value.isoformat()])
        elif isinstance(value, Decimal):
            plain.append(["n", str(value)])
        elif isinstance(value, UUID):
            plain.append(["u", str(value)])
        else:
            plain.append(value)
    return signing.dumps(plain, salt=salt)


def load(cursor: str, salt: str, count: int) -> list[object]:
    """The sort values of a cursor of ours; Invalid for anything else."""
    try:
        plain = signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        raise Invalid(BAD_CURSOR()) from None
    if len(plain) != count:
        raise Invalid(BAD_CURSOR())
    return [KINDS[value[0]](value[1]) if isinstance(value, list) else value for value in plain]
