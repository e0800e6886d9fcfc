"""The customer's subscriptions through their pages: what runs, until when, what it holds, what its renewal costs."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from portico import cast
from portico.billing.models import Subscription
from portico.billing.tests.my.pages import books, queries_of, rows_of, sums_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/my/subscriptions/"
MAIN, MONTHLY = "atelier-fontaine", "fontaine-boutique"


def test_the_list_shows_state_contents_next_renewal_and_its_price(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(LIST)
    assert rows_of(answer) == [(MAIN, "active"), (MONTHLY, "active"), ("fontaine-lab", "pending")]
    told = text_of(answer)
    for words in ("Business plan, 1 application, 10 users", "Starter plan, 2 users", "yearly", "monthly", "no renewal"):
        assert words in told
    monthly = (45_00 + 2 * 17_00) * 120 // 100
    yearly = (1200_00 + 480_00 + 10 * 228_00) * 120 // 100
    assert sums_of(answer, "total") == {(yearly, "EUR"), (monthly, "EUR")}


@pytest.mark.parametrize(
    ("person", "status", "names"),
    [
        ("camille", "active", [MAIN, MONTHLY]),
        ("camille", "pending", ["fontaine-lab"]),
        ("lena", "past_due", ["lindner-lager"]),
        ("lena", "suspended", ["lindner-filiale"]),
        ("ingrid", "paused", ["fjord-training"]),
        ("ingrid", "ended", ["fjord-archive"]),
        ("ingrid", "suspended", []),
    ],
)
def test_a_filter_leaves_its_status(
    world: World, client_for: Browser, person: str, status: str, names: list[str]
) -> None:
    answer = client_for(getattr(world, person)).get(LIST, {"status": status})
    assert rows_of(answer) == [(name, status) for name in names]
    if not names:
        assert "Nothing matches" in text_of(answer)


def test_a_search_finds_ones_own_databases_alone(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    assert [name for name, _state in rows_of(client.get(LIST, {"q": "BOUT"}))] == [MONTHLY]
    assert rows_of(client.get(LIST, {"q": "lindner"})) == []


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", [MAIN, MONTHLY, "fontaine-lab"]),
        ("-name", ["fontaine-lab", MONTHLY, MAIN]),
        ("renewal", [MONTHLY, MAIN, "fontaine-lab"]),
        ("-renewal", [MAIN, MONTHLY, "fontaine-lab"]),
    ],
)
def test_the_list_is_sorted_as_asked_what_has_no_date_last(
    world: World, client_for: Browser, sort: str, names: list[str]
) -> None:
    client = client_for(world.camille)
    assert [name for name, _state in rows_of(client.get(LIST, {"sort": sort}))] == names
    first = client.get(LIST, {"sort": sort, "size": "2"})
    assert [name for name, _state in rows_of(first)] == names[:2]


@pytest.mark.parametrize("query", ["sort=colour", "status=lost", "size=-1", "after=xyz", "q=%00"])
def test_a_list_asked_for_what_it_has_not_is_400(world: World, client_for: Browser, query: str) -> None:
    assert client_for(world.camille).get(f"{LIST}?{query}").status_code == 400


def test_list_and_page_cost_few_statements_however_many_rows(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    few = queries_of(client, f"{LIST}?size=100")
    assert few <= 4
    assert queries_of(client, f"{LIST}{MAIN}/") <= 12
    assert queries_of(client, f"{LIST}fontaine-lab/") <= 8
    codes = [("plan-starter", "1"), ("users", "2"), ("quality", "1"), ("helpdesk", "1")]
    for n in range(20):
        cast.open_database(
            world, world.fontaine, f"extra-{n:02d}", codes, term=12, start_days_ago=3, state=Subscription.State.ACTIVE
        )
    for n in range(15):
        cast.offer(
            world, world.fontaine, f"More {n}", [cast.line(world, "quality")], world.now,
            about={"subscription": world.subscription("extra-00"), "kind": "upsell"},
        )  # fmt: skip
    assert queries_of(client, f"{LIST}?size=100") == few
    assert queries_of(client, f"{LIST}extra-00/") <= 12


def test_the_page_shows_items_renewal_periods_and_papers(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(f"{LIST}{MAIN}/")
    told = text_of(answer)
    for words in (
        "Business plan", "Manufacturing", "Users", "10 users", "1,200.00", "2,280.00", "Upcoming invoice", "3,960.00",
        "792.00", "Periods so far", world.order("Atelier database, first year").number,
        str(world.invoice("Atelier database, first year").number), "Workshop and showroom roll-out",
    ):  # fmt: skip
        assert words in told, words
    assert sums_of(answer, "total") == {(475200, "EUR")}


def test_the_page_of_a_renewal_due_soon_links_its_quotation(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.camille).get(f"{LIST}{MONTHLY}/"))
    assert "The renewal quotation is ready." in told
    assert f"See {world.quotation('Renewal of fontaine-boutique').number}" in told
    days = (world.subscription(MONTHLY).period_end - world.now.date()).days  # type: ignore[operator]  # it runs
    assert f"in {days} days" in told


def test_a_late_payment_is_not_told_as_a_late_renewal(world: World, client_for: Browser) -> None:
    client, page = client_for(world.lena), f"{LIST}lindner-lager/"
    late = "A payment for this subscription is late."
    assert late not in text_of(client.get(page)), "its period is over, and nothing is unpaid"
    Subscription.objects.filter(database__name="lindner-lager").update(
        period_start=world.now.date(), period_end=world.now.date() + timedelta(days=365)
    )
    told = text_of(client.get(page))
    assert late in told
    assert "to renew on" not in told


@pytest.mark.parametrize(
    ("person", "name", "said"),
    [
        ("camille", "fontaine-lab", "This subscription has not begun."),
        ("lena", "lindner-lager", "It goes on when its renewal quotation is accepted."),
        ("lena", "lindner-filiale", "This subscription is suspended."),
        ("ingrid", "fjord-training", "No renewal is planned."),
        ("ingrid", "fjord-archive", "Ended on"),
    ],
)
def test_each_state_is_told_in_words(world: World, client_for: Browser, person: str, name: str, said: str) -> None:
    assert said in text_of(client_for(getattr(world, person)).get(f"{LIST}{name}/"))


def test_the_renewal_follows_what_runs_on_the_day(world: World, client_for: Browser) -> None:
    """A reverse-charge customer sees no VAT; a discount on an item counts; an ended item no longer does."""
    answer = client_for(world.lena).get(f"{LIST}lindner-lager/")
    assert sums_of(answer, "total") == {(48000 + 3 * 22800, "EUR")}
    assert "no VAT" in text_of(answer)
    subscription = world.subscription(MONTHLY)
    subscription.items.filter(product__code="users").update(discount_percent=Decimal(50))
    assert sums_of(client_for(world.camille).get(f"{LIST}{MONTHLY}/"), "total") == {(7440, "EUR")}
    subscription.items.filter(product__code="users").update(ended_on=world.now.date())
    assert sums_of(client_for(world.camille).get(f"{LIST}{MONTHLY}/"), "total") == {(5400, "EUR")}


@pytest.mark.parametrize("name", ["nothing", "lindner-lager", "x" * 300, "%F0%9F%92%A9", "-1"])
def test_a_subscription_that_is_not_there_is_404_like_a_foreign_one(
    world: World, client_for: Browser, name: str
) -> None:
    before = books()
    answer = client_for(world.camille).get(f"{LIST}{name}/")
    assert answer.status_code == 404
    assert "There is no subscription of this name." in text_of(answer)
    assert books() == before


@pytest.mark.parametrize(("method", "tail"), [("post", ""), ("post", f"{MAIN}/"), ("delete", f"{MAIN}/")])
def test_a_method_that_is_not_declared_is_405(world: World, client_for: Browser, method: str, tail: str) -> None:
    before = books()
    assert getattr(client_for(world.camille), method)(f"{LIST}{tail}").status_code == 405
    assert books() == before


def test_a_customer_without_a_subscription_is_told_how_one_comes(people: World, client_for: Browser) -> None:
    assert "No subscription yet" in text_of(client_for(people.camille).get(LIST))
