"""Prices in the form of their product: from a day on, by tiers, and what stays because somebody has it."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from portico.billing.models import Price, Product, SubscriptionItem
from portico.billing.tests.my.pages import form_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
PRODUCTS = "/staff/admin/billing/product/"


def page_of(product: Product) -> str:
    """The product's form."""
    return f"{PRODUCTS}{product.pk}/change/"


def with_new(form: dict[str, str], **fields: str) -> dict[str, str]:
    """The form with one more price."""
    count = int(form["prices-TOTAL_FORMS"])
    row = {"currency": "EUR", "term_months": "12", "valid_from": "", "model": "per_unit", "unit_price": "1"}
    named = {f"prices-{count}-{name}": value for name, value in (row | fields).items()}
    kept = {name: value for name, value in form.items() if not name.startswith(f"prices-{count}-")}
    return kept | named | {"prices-TOTAL_FORMS": str(count + 1)}


def test_a_price_from_a_day_on_follows_the_old_one_and_the_list_shows_both_until_then(
    world: World, client_for: Browser
) -> None:
    client, users = client_for(world.admin), world.products["users"]
    tomorrow = world.now.date() + timedelta(days=1)
    typed = with_new(form_of(client.get(page_of(users))), valid_from=tomorrow.isoformat(), unit_price="250")
    assert client.post(page_of(users), typed).status_code == 302
    new = users.prices.get(valid_from=tomorrow)
    assert (new.unit_price, new.moves_from) == (250, None)
    listed = text_of(client.get(PRODUCTS)).replace("\N{NO-BREAK SPACE}", " ")
    assert "228.00 EUR / year" in listed
    assert "250.00 EUR / year (from" in listed
    Price.objects.filter(pk=new.pk).update(valid_from=world.now.date())
    listed = text_of(client.get(PRODUCTS)).replace("\N{NO-BREAK SPACE}", " ")
    assert "228.00 EUR / year" not in listed
    assert "250.00 EUR / year" in listed


@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_tiers_are_typed_in_a_line_and_shown_again(world: World, client_for: Browser, model: str) -> None:
    client, product = client_for(world.admin), world.products["users"]
    typed = with_new(
        form_of(client.get(page_of(product))),
        term_months="36", model=model, tiers_typed="10: 20; 50: 15.5; more: 12",
    )  # fmt: skip
    answer = client.post(page_of(product), typed)
    assert answer.status_code == 302, text_of(answer)
    price = product.prices.get(term_months=36)
    assert price.tiers == [["10", "20"], ["50", "15.5"], [None, "12"]]
    assert (price.model, price.unit_price) == (model, 20)
    assert 'value="10: 20.00; 50: 15.50; more: 12.00"' in client.get(page_of(product)).content.decode()


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ("", "Tiers rise by whole numbers"),
        ("10: 20", "Tiers rise by whole numbers"),
        ("10: 20; 5: 15; more: 12", "Tiers rise by whole numbers"),
        ("10.5: 20; more: 12", "Tiers rise by whole numbers"),
        ("10 20; more: 12", "a number, a colon and a price"),
        ("10: free; more: 12", "is not a number"),
        ("10: -1; more: 12", "A price is not below 0"),
        ("; ".join(f"{n}: 1" for n in range(1, 25)) + "; more: 1", "Tiers rise by whole numbers"),
    ],
)
def test_tiers_that_cannot_be_are_refused(world: World, client_for: Browser, tiers: str, said: str) -> None:
    client, product = client_for(world.admin), world.products["users"]
    typed = with_new(form_of(client.get(page_of(product))), term_months="36", model="graduated", tiers_typed=tiers)
    answer = client.post(page_of(product), typed)
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert not product.prices.filter(term_months=36).exists()


def test_what_somebody_has_stays_but_may_be_marked_to_move(world: World, client_for: Browser) -> None:
    client, product = client_for(world.admin), world.products["users"]
    assert SubscriptionItem.objects.filter(list_price__product=product, list_price__currency="EUR").exists()
    held = SubscriptionItem.objects.filter(product=product, subscription__term_months=12).values("list_price")
    price = product.prices.get(currency="EUR", term_months=12, pk__in=held)
    form = form_of(client.get(page_of(product)))
    row = next(
        name.removesuffix("-id") for name, value in form.items() if name.endswith("-id") and value == str(price.pk)
    )
    answer = client.post(page_of(product), form | {f"{row}-unit_price": "1"})
    assert answer.status_code == 200
    assert "Somebody has this price" in text_of(answer)
    answer = client.post(page_of(product), form | {f"{row}-DELETE": "on"})
    assert answer.status_code == 200, "it cannot be deleted either"
    assert client.post(page_of(product), form | {f"{row}-moves_from": "2027-03-01"}).status_code == 302
    price.refresh_from_db()
    assert (price.unit_price, price.moves_from) == (Decimal(228), date(2027, 3, 1))
