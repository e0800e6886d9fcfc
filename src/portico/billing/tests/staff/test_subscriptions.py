"""Subscriptions on the desk, through their pages: those of every customer, what the renewal costs, the papers around one."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.billing.actions import report
from portico.billing.models import Quotation, Subscription
from portico.billing.tests.my.pages import books, form_of, queries_of, rows_of, sums_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/subscriptions/"
MAIN, MONTHLY = "atelier-fontaine", "fontaine-boutique"


def test_the_list_shows_every_customers_the_next_to_renew_first(world: World, client_for: Browser) -> None:
    answer = client_for(world.omar).get(LIST)
    shown = rows_of(answer)
    assert set(shown) == set(Subscription.objects.values_list("database__name", "state"))
    ends = dict(Subscription.objects.values_list("database__name", "period_end"))
    dated = [end for end in (ends[name] for name, _state in shown) if end is not None]
    assert dated == sorted(dated)
    told = text_of(answer)
    for words in ("Atelier Fontaine", "Business plan, 1 application, 10 users", "yearly", "no renewal"):
        assert words in told
    assert ((1200_00 + 480_00 + 10 * 228_00) * 120 // 100, "EUR") in sums_of(answer, "total")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"q": "fontaine", "sort": "name"}, [MAIN, MONTHLY, "fontaine-lab"]),
        ({"q": "BOUT"}, [MONTHLY]),
        ({"status": "past_due"}, ["lindner-lager"]),
        ({"status": "suspended"}, ["lindner-filiale"]),
        ({"q": "fontaine", "status": "ended"}, []),
    ],
)
def test_the_list_is_searched_by_database_and_customer_and_filtered(
    world: World, client_for: Browser, asked: dict[str, str], names: list[str]
) -> None:
    answer = client_for(world.hanna).get(LIST, asked)
    assert [name for name, _state in rows_of(answer)] == names
    if not names:
        assert "Nothing matches" in text_of(answer)


def test_the_page_shows_items_renewal_and_papers_and_leads_to_them(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    before = books()
    answer = client.get(f"{LIST}{MAIN}/")
    told, page = text_of(answer), answer.content.decode()
    for words in ("Business plan", "yearly", "Upcoming invoice", "Periods so far"):
        assert words in told
    assert f"/staff/customers/{world.fontaine.pk}/" in page
    subscription = world.subscription(MAIN)
    orders = subscription.orders.values_list("number", flat=True)
    assert orders
    for number in orders:
        assert f'href="/staff/orders/{number}/"' in page
    assert "/my/" not in page.split("<main", 1)[1].split("</main", 1)[0]
    assert books() == before


def test_customer_and_quotation_lead_here(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    assert f'href="{LIST}{MAIN}/"' in client.get(f"/staff/customers/{world.fontaine.pk}/").content.decode()


def test_list_and_page_cost_few_statements_however_many_rows(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    few = queries_of(client, f"{LIST}?size=5")
    assert queries_of(client, f"{LIST}?size=100") == few <= 5
    assert queries_of(client, f"{LIST}{MAIN}/") <= 8


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "%F0%9F%92%A9", "-1"])
def test_an_unknown_database_is_404(world: World, client_for: Browser, name: str) -> None:
    assert client_for(world.omar).get(f"{LIST}{name}/").status_code == 404


def test_a_customer_does_not_see_the_desks_pages(world: World, client_for: Browser) -> None:
    for address in (LIST, f"{LIST}{MAIN}/"):
        assert client_for(world.camille).get(address).status_code in {302, 403, 404}


def test_what_could_not_be_renewed_waits_on_today_and_is_tried_again(world: World, client_for: Browser) -> None:
    Subscription.objects.filter(database__name=MAIN).update(renewal_problem="It holds nothing that could be renewed.")
    client = client_for(world.omar)
    assert "1 subscription could not be renewed" in text_of(client.get("/staff/"))
    page = client.get(f"{LIST}{MAIN}/")
    assert "It holds nothing that could be renewed." in text_of(page)
    assert "within a minute" in text_of(client.post(f"{LIST}{MAIN}/again/", follow=True))
    assert not Subscription.objects.exclude(renewal_problem="").exists()
    assert client.post(f"{LIST}{MAIN}/again/").status_code == 409
    assert client.post(f"{LIST}nothing/again/").status_code == 404


# Changing it for a customer -------------------------------------------------------------------------------------------------

CHANGE = "/staff/subscriptions/atelier-fontaine/change/"


def test_sales_see_the_customers_price_and_send_the_same_quotation(world: World, client_for: Browser) -> None:
    client, theirs = client_for(world.hanna), client_for(world.camille)
    assert CHANGE in client.get("/staff/subscriptions/atelier-fontaine/").content.decode()
    query = {"p-users": "13", "set": "point-of-sale:1"}
    page, same = client.get(CHANGE, query), theirs.get("/my/subscriptions/atelier-fontaine/", query)
    assert sums_of(page, "today") == sums_of(same, "today")
    assert "The customer has 10." in text_of(page)
    answer = client.post(CHANGE, form_of(page, "/change/"), follow=True)
    quotation = Quotation.objects.latest("id")
    assert answer.redirect_chain[-1][0] == f"/staff/quotations/{quotation.number}/"
    assert quotation.current
    assert {(quotation.current.total_minor, "EUR")} == sums_of(same, "today")
    assert (quotation.kind, quotation.origin, quotation.salesperson) == ("upsell", "staff", world.hanna)
    assert theirs.get(f"/my/quotations/{quotation.number}/").status_code == 200
    assert client.post(CHANGE, form_of(page, "/change/") | {"seen": "1"}).status_code == 409


def test_what_costs_nothing_is_noted_by_sales_and_a_wrong_choice_told(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    page = client.get(CHANGE, {"set": "manufacturing:0"})
    answer = client.post(CHANGE, form_of(page, "/change/"), follow=True)
    assert "Nothing is to pay for it." in text_of(answer)
    item = world.subscription("atelier-fontaine").items.get(product__code="manufacturing")
    assert item.ended_on is not None
    assert client.get(CHANGE, {"p-users": "many"}).status_code == 400
    assert client.post(CHANGE, {"p-users": "many"}).status_code == 400
    assert client.get("/staff/subscriptions/nobody-s/change/").status_code == 404


def test_a_subscription_that_does_not_run_offers_no_change(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    Subscription.objects.filter(database__name="atelier-fontaine").update(state="past_due")
    assert CHANGE not in client.get("/staff/subscriptions/atelier-fontaine/").content.decode()
    assert client.get(CHANGE).status_code == 409


def test_what_was_installed_and_not_paid_stands_on_today_until_somebody_has_seen_it(
    world: World, client_for: Browser
) -> None:
    report.set_policy(seller=world.seller, policy="install_at_once", grace_days=3, by=world.admin, now=world.ago(5))
    made = report.report_change(
        subscription=world.subscription(MAIN), report_id="r-7", changes=[report.Reported("users", 1)], by=None,
        now=world.ago(5),
    )  # fmt: skip
    report.end_grace(world.now)
    client, where = client_for(world.hanna), f"{LIST}{MAIN}/"
    assert "1 installation ended unpaid" in text_of(client.get("/staff/"))
    page = text_of(client.get(where))
    assert made.quotation
    assert made.quotation.number in page
    assert "report r-7" in page
    assert client.post(f"{where}seen/").status_code == 302
    assert client.post(f"{where}seen/").status_code == 409
    assert "ended unpaid" not in text_of(client.get("/staff/"))
    assert client.post(f"{LIST}nobody-s/seen/").status_code == 404
