"""Recurring revenue through its page and its file."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.billing.recurring import recurring
from portico.billing.tests.my.pages import queries_of, sums_of, text_of
from portico.cast import World
from portico.kit.periods import today

Browser = Callable[..., Client]
PAGE = "/staff/reports/recurring/"


def test_the_page_shows_each_currency_with_picture_and_table(world: World, client_for: Browser) -> None:
    answer = client_for(world.omar).get(PAGE)
    found = recurring(world.seller, today(world.now, world.seller.zone))
    assert sums_of(answer, "mrr") == {(one.mrr_minor, one.currency) for one in found}
    assert sums_of(answer, "arr") == {(one.arr_minor, one.currency) for one in found}
    told = text_of(answer)
    for words in ("Recurring revenue", "Renewals due by month in EUR", "Movements in EUR", "Show as a table", "Churn"):
        assert words in told
    assert answer.content.decode().count('<svg class="wide-only"') == 3 * len(found)
    for one in found:
        ends = list(one.month_ends().values())
        assert ends[-1] == one.mrr_minor
        nets = [row["net"] for row in one.movements()]
        assert all(abs(after - before - net) <= 1 for before, after, net in zip(ends, ends[1:], nets[1:], strict=False))
        assert [-row["churn"] for row in one.movements()] == list(one.churned().values())


def test_the_file_has_the_same_figures(world: World, client_for: Browser) -> None:
    answer = client_for(world.hanna).get(PAGE, {"format": "csv"})
    sheet = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # it streams
    own = recurring(world.seller, today(world.now, world.seller.zone))[0]
    assert f"{own.mrr_minor / 100:.2f},{own.arr_minor / 100:.2f}" in sheet
    assert len([line for line in sheet.splitlines() if line.startswith("EUR")]) == 23, (
        "twelve behind, eleven more ahead"
    )


def test_nothing_yet(people: World, client_for: Browser) -> None:
    assert "No subscription runs yet" in text_of(client_for(people.omar).get(PAGE))


@pytest.mark.django_db
def test_statements(world: World, client_for: Browser) -> None:
    assert queries_of(client_for(world.omar), PAGE) <= 8
