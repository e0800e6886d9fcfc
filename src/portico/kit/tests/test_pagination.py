"""Pages by key: nothing lost, nothing twice, in any order, with ties and empty values, forwards and backwards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portico.kit.errors import Invalid
from portico.kit.models import Heartbeat
from portico.kit.pagination import Page, chosen_order, page_size, paginate

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = (
    ("name",),
    ("-name",),
    ("failures", "name"),
    ("-failures", "-name"),
    ("-at", "failures", "name"),
    ("succeeded_at", "name"),
    ("-succeeded_at", "failures", "-name"),
)


def fill(rows: list[tuple[int, int, int | None]]) -> None:
    Heartbeat.objects.all().delete()
    Heartbeat.objects.bulk_create(
        Heartbeat(
            name=f"n{number:03}",
            at=START + timedelta(days=day, microseconds=1),
            failures=failures,
            succeeded_at=None if success is None else START + timedelta(days=success),
        )
        for number, (failures, day, success) in enumerate(rows)
    )


def rows() -> QuerySet[Any, Any]:
    return Heartbeat.objects.values("name", "at", "failures", "succeeded_at")


def names(page: Page) -> list[str]:
    return [row["name"] for row in page.rows]


def follow(link: str, order: tuple[str, ...], size: int) -> Page:
    return paginate(rows(), order, QueryDict(link.removeprefix("?")), size=size)


def expected(order: tuple[str, ...]) -> list[str]:
    """The same order by Python's own sorting: empty values last in either direction."""
    found = list(rows())
    for name in reversed(order):
        field, reverse = name.removeprefix("-"), name.startswith("-")
        filled = sorted((row for row in found if row[field] is not None), key=lambda row: row[field], reverse=reverse)
        found = filled + [row for row in found if row[field] is None]
    return [row["name"] for row in found]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.none() | st.integers(0, 2)), min_size=0, max_size=14
    ),
    order=st.sampled_from(ORDERS),
    size=st.integers(1, 5),
)
def test_walking_there_and_back_shows_every_row_once(
    data: list[tuple[int, int, int | None]], order: tuple[str, ...], size: int
) -> None:
    fill(data)
    page = paginate(rows(), order, QueryDict(), size=size)
    assert page.previous == ""
    pages = [names(page)]
    while page.next:
        page = follow(page.next, order, size)
        pages.append(names(page))
    assert [name for part in pages for name in part] == expected(order)
    assert all(len(part) == size for part in pages[:-1])
    back = [names(page)]
    while page.previous:
        page = follow(page.previous, order, size)
        back.append(names(page))
    assert back[::-1] == pages


def test_a_page_costs_one_query_without_a_count() -> None:
    fill([(0, 0, 0)] * 30)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = paginate(rows(), ("-at", "name"), QueryDict(), size=10)
        follow(page.next, ("-at", "name"), 10)
    assert len(queries) == 2
    assert not any("COUNT" in query["sql"] for query in queries)


def test_rows_that_come_and_go_disturb_no_page() -> None:
    fill([(0, 0, 0)] * 10)
    first = paginate(rows(), ("name",), QueryDict(), size=4)
    Heartbeat.objects.create(name="a-before", at=START)
    Heartbeat.objects.filter(name="n003").delete()  # the very row the cursor was made from
    assert names(follow(first.next, ("name",), 4)) == ["n004", "n005", "n006", "n007"]


def test_going_back_past_new_rows_ends_in_a_whole_first_page() -> None:
    fill([(0, 0, 0)] * 6)
    second = follow(paginate(rows(), ("name",), QueryDict(), size=3).next, ("name",), 3)
    Heartbeat.objects.filter(name="n001").delete()
    page = follow(second.previous, ("name",), 3)
    assert names(page) == ["n000", "n002", "n003"]
    assert page.previous == ""


def test_links_keep_the_other_parameters() -> None:
    fill([(0, 0, 0)] * 3)
    page = paginate(rows(), ("name",), QueryDict("q=a%26b&status=paid&status=overdue"), size=1)
    query = QueryDict(page.next.removeprefix("?"))
    assert query["q"] == "a&b"
    assert query.getlist("status") == ["paid", "overdue"]
    assert set(query) == {"q", "status", "after"}


@pytest.mark.parametrize("place", ["after=x", "before=x", "before=", "after=WyIxIl0", "after=%00", "after=a:b:c"])
def test_a_cursor_that_is_not_ours_is_refused(place: str) -> None:
    fill([(0, 0, 0)] * 3)
    with pytest.raises(Invalid, match="first page"):
        paginate(rows(), ("name",), QueryDict(place))


def test_a_cursor_belongs_to_its_order() -> None:
    fill([(0, 0, 0)] * 3)
    page = paginate(rows(), ("failures", "name"), QueryDict(), size=1)
    with pytest.raises(Invalid):
        follow(page.next, ("-failures", "name"), 1)


@pytest.mark.parametrize("size", ["0", "101", "-1", "ten", "1e1", "٣", "9" * 40])
def test_an_impossible_size_is_refused(size: str) -> None:
    with pytest.raises(Invalid, match="between 1 and 100"):
        page_size({"size": size})


def test_sizes_and_orders_have_their_defaults() -> None:
    assert page_size({}) == 20
    assert page_size({"size": "100"}) == 100
    orders = {"-date": ("-at", "name"), "name": ("name",)}
    assert chosen_order({}, orders, "-date") == ("-date", ("-at", "name"))
    assert chosen_order({"sort": "name"}, orders, "-date") == ("name", ("name",))
    with pytest.raises(Invalid, match="Choose one of: -date, name"):
        chosen_order({"sort": "password"}, orders, "-date")
