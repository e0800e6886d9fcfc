"""Changing a subscription through its page: what is chosen stands in the address, its price beside it, then the quotation."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.billing.models import Price, Quotation, RenewalRules, Subscription
from portico.billing.tests.my.pages import books, form_of, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
PAGE = "/my/subscriptions/atelier-fontaine/"


def products(page: bytes) -> dict[str, str]:
    """The applications on the page with their status, by code."""
    tree = html.fromstring(page.decode())
    return {one.get("data-product"): one.get("data-status") for one in tree.xpath("//li[@data-product]")}


def test_the_page_offers_what_could_be_added_and_prices_what_is_chosen(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    before = books()
    first = client.get(PAGE)
    assert products(first.content)["manufacturing"] == "installed"
    assert products(first.content)["point-of-sale"] == "available"
    assert "Get quotation" not in text_of(first)
    chosen = client.get(PAGE, {"p-users": "13", "set": "point-of-sale:1"})
    told = text_of(chosen)
    assert products(chosen.content)["point-of-sale"] == "adding"
    for words in ("10 to 13", "From renewal", "Unchanged", "Get quotation"):
        assert words in told
    again = client.get(f"{PAGE}preview/", {"p-users": "13", "p-point-of-sale": "1", "set": "manufacturing:0"})
    assert products(again.content)["manufacturing"] == "removing"
    assert products(again.content)["point-of-sale"] == "adding"
    assert books() == before, "looking writes nothing"


def test_get_quotation_posts_what_was_seen(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    page = client.get(PAGE, {"p-users": "13", "set": "point-of-sale:1"})
    posted = form_of(page, "/change/")
    answer = client.post(f"{PAGE}change/", posted, follow=True)
    quotation = Quotation.objects.filter(origin="portal").get()
    assert answer.redirect_chain[-1][0] == f"/my/quotations/{quotation.number}/"
    assert quotation.current
    assert int(posted["seen"]) == quotation.current.total_minor
    assert "Here is the quotation" in text_of(answer)
    assert client.post(f"{PAGE}change/", posted | {"seen": "1"}).status_code == 409


def test_what_costs_nothing_is_done_at_once_and_told(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    page = client.get(PAGE, {"set": "manufacturing:0"})
    assert "Save the change" in text_of(page)
    answer = client.post(f"{PAGE}change/", form_of(page, "/change/"), follow=True)
    assert "Nothing is to pay" in text_of(answer)
    assert products(answer.content)["manufacturing"] == "ending"
    back = client.get(PAGE, {"set": "manufacturing:1"})
    assert products(back.content)["manufacturing"] == "keeping"
    client.post(f"{PAGE}change/", form_of(back, "/change/"))
    assert products(client.get(PAGE).content)["manufacturing"] == "installed"


@pytest.mark.parametrize(
    "query", [{"p-users": "many"}, {"p-users": "-1"}, {"p-nothing": "1"}, {"set": "users"}, {"set": "point-of-sale:2"}]
)
def test_a_wrong_choice_is_told_on_the_page(world: World, client_for: Browser, query: dict[str, str]) -> None:
    client = client_for(world.camille)
    before = books()
    assert client.get(PAGE, query).status_code == 400
    assert client.post(f"{PAGE}change/", query).status_code == 400
    assert books() == before


def test_who_does_not_decide_looks_and_cannot_change(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    assert 'name="set"' not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}change/", {"p-users": "11"}).status_code == 403
    assert client_for(world.lena).post(f"{PAGE}change/", {"p-users": "11"}).status_code == 404
    assert not Quotation.objects.filter(origin="portal").exists()


def test_what_does_not_run_is_shown_and_not_changed(world: World, client_for: Browser) -> None:
    Subscription.objects.filter(database__name="atelier-fontaine").update(state="past_due")
    client = client_for(world.camille)
    page = client.get(PAGE)
    assert "What it holds" in text_of(page)
    assert 'name="set"' not in page.content.decode()
    assert client.post(f"{PAGE}change/", {"p-users": "11"}).status_code == 409


def test_the_page_costs_few_statements(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    assert queries_of(client, PAGE) <= 12
    assert queries_of(client, f"{PAGE}?p-users=13&set=point-of-sale:1") <= 14


# Plans, coupons, tiers, trials, minimum terms --------------------------------------------------------------------------


def test_another_plan_is_chosen_and_unchosen_by_its_button(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    before = books()
    page = client.get(PAGE)
    assert products(page.content)["plan-business"] == "installed"
    assert products(page.content)["plan-starter"] == "available"
    page = client.get(PAGE, {"set": "plan-starter:1"})
    assert products(page.content)["plan-business"] == "removing"
    assert products(page.content)["plan-starter"] == "adding"
    back = client.get(PAGE, form_of(page, PAGE, "GET") | {"set": "plan-starter:0"})
    assert products(back.content)["plan-business"] == "installed"
    kept = client.get(PAGE, form_of(page, PAGE, "GET") | {"set": "plan-business:1"})
    assert products(kept.content)["plan-starter"] == "available"
    assert books() == before
    client.post(f"{PAGE}change/", form_of(page, "/change/"))
    page = client.get(PAGE)
    assert products(page.content)["plan-business"] == "ending"
    assert products(page.content)["plan-starter"] == "following"
    assert "Starter plan from the renewal on" in text_of(page)
    assert world.camille.name in text_of(page)


def test_a_coupon_is_typed_shown_and_stands_on_the_quotation(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    told = text_of(client.get(PAGE, {"p-users": "12", "coupon": "NOTHING"}))
    assert "The code NOTHING is not valid" in told
    page = client.get(PAGE, {"p-users": "12", "coupon": "hello-20"})
    assert "It is taken off above." in text_of(page)
    assert "20% until" in text_of(page)
    form = form_of(page, "/change/")
    answer = client.post(f"{PAGE}change/", form)
    quotation = Quotation.objects.get(origin="portal")
    assert answer.headers["Location"] == f"/my/quotations/{quotation.number}/"
    assert quotation.current
    assert quotation.current.lines.get().discount_percent == 20
    assert str(quotation.current.total_minor) == form["seen"]
    world.subscription("atelier-fontaine").items.filter(product__code="users").update(discount_percent=5)
    page = client.get(PAGE, {"p-users": "12", "coupon": "hello-20"})
    assert "It takes nothing off what you chose." in text_of(page)


def test_tiers_a_minimum_term_and_a_trial_are_told(world: World, client_for: Browser) -> None:
    client, subscription = client_for(world.camille), world.subscription("atelier-fontaine")
    assert subscription.period_end
    price = Price.objects.create(
        product=world.products["users"], currency="EUR", term_months=12, valid_from=world.now.date(), model="graduated",
        unit_price=228, tiers=[["10", "228"], ["15", "180"], [None, "120"]],
    )  # fmt: skip
    subscription.items.filter(product__code="users").update(list_price=price)
    page = text_of(client.get(PAGE, {"p-users": "17"}))
    for words in ("11 to 15", "from 16", "180.00", "5 × 180.00", "2 × 120.00"):
        assert words in page, words
    later = subscription.period_end + timedelta(days=1)
    subscription.items.update(committed_until=later)
    page = text_of(client.get(PAGE))
    assert "Agreed until" in page
    assert client.get(PAGE, {"p-users": "9"}).status_code == 400
    Subscription.objects.filter(pk=subscription.pk).update(trial_ends_on=subscription.period_end)
    page = text_of(client.get(PAGE, {"p-users": "11"}))
    assert "Free trial until" in page
    assert "Nothing is to pay until the trial ends" in page


def test_what_changes_at_the_renewal_stands_beside_the_old_price(world: World, client_for: Browser) -> None:
    subscription = world.subscription("atelier-fontaine")
    item = subscription.items.get(product__code="manufacturing")
    assert item.list_price
    assert subscription.period_end
    Price.objects.filter(pk=item.list_price.pk).update(moves_from=subscription.period_end)
    Price.objects.create(
        product=item.product, currency="EUR", term_months=12, valid_from=world.now.date(), unit_price=520
    )
    page = client_for(world.camille).get(PAGE)
    assert "520.00 each, before 480.00" in text_of(page)


@pytest.mark.parametrize(
    ("left", "english", "german"),
    [(1, "only for the 1 day to the renewal", "nur den 1 Tag bis"), (2, "for the 2 days to", "nur die 2 Tage bis")],
)
def test_one_day_is_told_as_one(
    world: World, client_for: Browser, clock: time_machine.Traveller, left: int, english: str, german: str
) -> None:
    subscription = Subscription.objects.get(database__name="atelier-fontaine")
    assert subscription.period_end is not None
    clock.shift(timedelta(days=(subscription.period_end - world.now.date()).days - left))
    for language, words in (("en", english), ("de", german)):
        world.camille.language = language
        world.camille.save()
        assert words in text_of(client_for(world.camille).get(PAGE, {"p-users": "13"}))


@pytest.mark.parametrize(("days", "words"), [(1, "a quotation 1 day ahead"), (45, "a quotation 45 days ahead")])
def test_how_long_ahead_a_quotation_comes_goes_with_its_number(
    world: World, client_for: Browser, days: int, words: str
) -> None:
    RenewalRules.objects.update_or_create(seller=world.seller, defaults={"ahead_days": days})
    Subscription.objects.filter(database__name="atelier-fontaine").update(auto_renew=False)
    told = text_of(client_for(world.camille).get(f"{PAGE}renewal/"))
    assert words in told
    assert "1 days" not in told
