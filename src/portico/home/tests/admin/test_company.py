"""The seller's details, numbers and templates in the admin, by the rules that hold elsewhere."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.accounts.models import Seller
from portico.billing.models import NumberSeries, QuotationTemplate
from portico.billing.tests.my.pages import form_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
SERIES = "/staff/admin/billing/numberseries/"


def company(world: World) -> str:
    return f"/staff/admin/accounts/seller/{world.seller.pk}/change/"


def test_the_company_is_changed_by_the_rules_of_the_settings(world: World, client_for: Browser) -> None:
    client, here = client_for(world.admin), company(world)
    typed = form_of(client.get(here)) | {"city": "Rezé", "iban": "de89 3704 0044 0532 0130 00", "accent": "#7A1F3D"}
    answer = client.post(here, typed)
    assert answer.status_code == 302, text_of(answer)
    seller = Seller.objects.get()
    assert (seller.city, seller.iban, seller.accent) == ("Rezé", "DE89370400440532013000", "#7a1f3d")


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("vat_id", "FR00000000000", "not a valid VAT id"),
        ("iban", "DE00", "no valid IBAN"),
        ("time_zone", "Mars/Olympus", "Europe/Paris"),
        ("currency", "XXX", "such as EUR"),
        ("country", "F", "such as FR"),
        ("accent", "#12", "such as #17506a"),
        ("accent", "red;}", "such as #17506a"),
    ],
)
def test_a_mistake_is_named_and_nothing_saved(
    world: World, client_for: Browser, field: str, typed: str, said: str
) -> None:
    client, here = client_for(world.admin), company(world)
    before = Seller.objects.values().get()
    answer = client.post(here, form_of(client.get(here)) | {field: typed})
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert Seller.objects.values().get() == before


def test_a_seller_is_neither_added_nor_deleted(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    assert client.post("/staff/admin/accounts/seller/add/").status_code == 404
    assert client.post(f"/staff/admin/accounts/seller/{world.seller.pk}/delete/").status_code == 404


def test_a_number_that_was_given_is_given(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    used = NumberSeries.objects.filter(seller=world.seller, series="INV").latest("year")
    assert used.last_number
    there = f"{SERIES}{used.pk}/change/"
    assert 'name="first_number"' not in client.get(there).content.decode()
    before = NumberSeries.objects.filter(pk=used.pk).values().get()
    client.post(there, {"first_number": "500", "last_number": "0", "last_hash": "0"})
    assert NumberSeries.objects.filter(pk=used.pk).values().get() == before


def test_a_series_that_gave_none_begins_elsewhere(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    fresh = NumberSeries.objects.create(seller=world.seller, series="INV", year=2031)
    there = f"{SERIES}{fresh.pk}/change/"
    assert "from 1 to" in text_of(client.post(there, {"first_number": "10000000"}))
    answer = client.post(there, {"first_number": "501", "year": "1999", "series": "Q"})
    assert answer.status_code == 302, text_of(answer)
    fresh.refresh_from_db()
    assert (fresh.first_number, fresh.last_number, fresh.year, fresh.series) == (501, 500, 2031, "INV")


def test_a_template_is_renamed_once_and_thrown_away(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    one, other = (
        QuotationTemplate.keep(
            seller=world.seller, name=name, currency="EUR", content={"lines": [{}, {}]}, by=world.hanna, now=world.now
        )
        for name in ("Yearly", "Monthly")
    )
    there = f"/staff/admin/billing/quotationtemplate/{one.pk}/"
    assert "Another template has this name" in text_of(client.post(f"{there}change/", {"name": " Monthly "}))
    assert client.post(f"{there}change/", {"name": "A year", "content": "{}"}).status_code == 302
    one.refresh_from_db()
    assert (one.name, len(one.content["lines"]), one.saved_by) == ("A year", 2, world.hanna)
    assert client.post(f"{there}delete/", {"post": "yes"}).status_code == 302
    assert list(QuotationTemplate.objects.all()) == [other]
