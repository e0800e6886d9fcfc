"""The editor's own help: saving by itself, two people at once, the catalogue, and terms that were sent before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.accounts.models import Seller
from portico.billing.models import Product, QuotationVersion
from portico.billing.tests.my.pages import books, queries_of, sums_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.billing.tests.staff.test_quotations import DRAFT, ROLL_OUT, draft_in, line, stored, where, with_rows
from portico.cast import World

Browser = Callable[..., Client]
HTMX = {"HX-Request": "true"}


def found(answer: Any) -> list[str]:
    return [one.text for one in html.fromstring(answer.content.decode()).xpath("//ul[@id='found']//b")]


# Saving by itself ------------------------------------------------------------------------------------------------------


def test_it_saves_by_itself_and_says_when_and_the_next_save_goes_on_from_there(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    form = with_rows(main_form(client.get(here)), line("First", "100"), line("Second", "50"))
    answer = client.post(here, form | {"do": "autosave"}, headers=HTMX)
    assert answer.status_code == 200
    assert "Saved 11:00" in text_of(answer)
    version = draft_in(world)
    assert [row[1] for row in stored(version)] == ["First", "Second"]
    assert (version.revision, version.saved_by, version.saved_at) == (2, world.hanna, world.now)
    assert sums_of(answer, "total") == {(version.total_minor, "EUR")}
    form = main_form(answer)
    assert form["revision"] == "2"
    keys = list(version.lines.order_by("position").values_list("key", flat=True))
    assert [form["l0-key"], form["l1-key"]] == [str(key) for key in keys]
    clock.shift(timedelta(minutes=3))
    answer = client.post(here, form | {"do": "autosave", "l0-price": "120"}, headers=HTMX)
    assert "Saved 11:03" in text_of(answer)
    assert list(version.lines.order_by("position").values_list("key", flat=True)) == keys, "lines stay the same lines"
    clock.shift(timedelta(days=1))
    assert "Saved 9 Nov 2026, 11:03" in text_of(client_for(world.hanna).get(here))


def test_what_cannot_be_read_yet_is_not_saved_and_the_page_says_so(world: World, client_for: Browser) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    form = main_form(client.get(here))
    answer = client.post(here, form | {"do": "autosave", "l0-price": "12x"}, headers=HTMX)
    assert answer.status_code == 400
    assert "Not saved: something cannot be read yet" in text_of(answer)
    assert main_form(answer)["revision"] == form["revision"]
    assert books() == before


def test_a_save_that_overtakes_its_own_window_s_autosave_is_no_conflict(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    form = main_form(client.get(here))
    assert client.post(here, form | {"do": "autosave", "title": "One"}, headers=HTMX).status_code == 200
    assert client.post(here, form | {"title": "Two"}).status_code == 302, "it was sent before the answer came"
    assert draft_in(world, "Two").revision == 3
    late = client.post(here, form | {"do": "autosave", "title": "One"}, headers=HTMX)
    assert late.status_code == 409, "a late autosave never undoes what was saved after it"
    assert draft_in(world, "Two").title == "Two"


def test_an_autosave_never_overwrites_what_somebody_else_saved(world: World, client_for: Browser) -> None:
    hanna, admin, here = client_for(world.hanna), client_for(world.admin), where(world, DRAFT, "edit/")
    mine = main_form(hanna.get(here))
    assert admin.post(here, main_form(admin.get(here)) | {"title": "Theirs", "do": "autosave"}).status_code == 200
    before = books()
    answer = hanna.post(here, mine | {"do": "autosave", "title": "Mine"}, headers=HTMX)
    assert answer.status_code == 409
    told = text_of(answer)
    assert f"It was saved by {world.admin.get_full_name()}, " in told
    assert main_form(answer)["revision"] == mine["revision"], "so the next one cannot overwrite it either"
    again = hanna.post(here, main_form(answer) | {"title": "Mine"})
    assert again.status_code == 409
    assert "What is stored now" in text_of(again)
    assert "Mine" in again.content.decode()
    assert books() == before


def test_another_window_of_the_same_person_is_a_conflict(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    first, second = main_form(client.get(here)), main_form(client.get(here))
    assert client.post(here, first | {"title": "One"}).status_code == 302
    before = books()
    assert client.post(here, second | {"title": "Two"}).status_code == 409
    assert books() == before


# The catalogue ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "first"), [("point of", "Point of Sale"), ("USERS", "Users"), ("theme bout", "Boutique theme")]
)
def test_the_catalogue_is_searched_without_and_with_scripts(
    world: World, client_for: Browser, words: str, first: str
) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    assert found(client.get(here, {"q": words}))[0] == first
    form = main_form(client.get(here))
    page = client.post(here, form | {"do": "find", "q": words, "title": "Typed meanwhile"})
    assert found(page)[0] == first
    assert main_form(page)["title"] == "Typed meanwhile"
    assert main_form(page)["q"] == words
    assert books() == before


def test_a_product_found_is_added_at_the_list_price_of_the_customer_s_currency(
    world: World, client_for: Browser
) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    theme = world.products["boutique-theme"]
    form = main_form(client.post(here, main_form(client.get(here)) | {"do": f"add-product-{theme.pk}"}))
    assert (form["l1-name"], form["l1-price"], form["l1-product"]) == ("Boutique theme", "290.00", str(theme.pk))


def test_what_is_not_on_sale_or_another_seller_s_is_neither_found_nor_added(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    foreign = Product.objects.create(seller=other, code="theme-south", name="Southern theme", kind="theme")
    own = world.products["boutique-theme"]
    Product.objects.filter(pk=own.pk).update(is_active=False)
    before = books()
    assert "Southern theme" not in found(client.get(here, {"q": "theme"}))
    assert "Boutique theme" not in found(client.get(here, {"q": "theme"}))
    for product in (foreign, own):
        answer = client.post(here, main_form(client.get(here)) | {"do": f"add-product-{product.pk}"})
        assert answer.status_code == 400
        assert "Choose a product to add" in text_of(answer)
    assert client.get(here, {"q": "x" * 101}).status_code == 400
    assert "Nothing on sale matches" in text_of(client.get(here, {"q": "nothing of the kind"}))
    assert books() == before


def test_the_editor_costs_the_same_however_large_the_catalogue_is(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    few = queries_of(client, here)
    Product.objects.bulk_create(
        Product(seller=world.seller, code=f"p-{at}", name=f"Product {at}", kind="service") for at in range(500)
    )
    assert queries_of(client, here) == few <= 8
    assert queries_of(client, f"{here}?q=product") <= 8
    assert len(found(client.get(here, {"q": "product"}))) == 8


# Terms -----------------------------------------------------------------------------------------------------------------


def test_terms_sent_before_are_taken_by_their_version(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    sent = world.quotation(ROLL_OUT).current
    assert sent is not None
    QuotationVersion.objects.filter(pk=sent.pk).update(terms=[["Delivery", "At once."]], terms_version="2025-01")
    before = books()
    page = client.get(here)
    assert "2025-01" in page.content.decode()
    form = main_form(page)
    taken = main_form(client.post(here, form | {"do": "terms", "terms_of": "2025-01"}))
    assert taken["terms"] == "Delivery\nAt once."
    answer = client.post(here, form | {"do": "terms", "terms_of": "1999"})
    assert answer.status_code == 400
    assert "Choose which terms to take" in text_of(answer)
    assert books() == before


def test_a_limit_for_two_approvers_is_told_to_whoever_writes(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    assert "two approvers" not in text_of(client.get(here))
    type(world.fontaine).objects.filter(pk=world.fontaine.pk).update(second_approval_above_minor=500_000)
    assert "Above €5,000.00 the customer needs two approvers" in text_of(client.get(here))


# Payment in parts ------------------------------------------------------------------------------------------------------


def test_a_quotation_has_payment_terms_of_its_own_or_the_customer_s(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    form = main_form(client.get(here))
    assert (form["paid_in"], draft_in(world).payment_parts) == ("agreed", None)
    parts = {"paid_in": "parts", "plan_percent": ["30", "70"], "plan_days": ["0", "30"]}
    assert client.post(here, form | parts).status_code == 302
    assert draft_in(world).payment_parts == [["30", 0], ["70", 30]]
    form = main_form(client.get(here))
    answer = client.post(here, form | parts | {"plan_percent": ["30", "60"]})
    assert answer.status_code == 400
    assert "The parts make 90 percent together." in text_of(answer)
    assert draft_in(world).payment_parts == [["30", 0], ["70", 30]]
    assert client.post(here, form | {"paid_in": "one"}).status_code == 302
    assert draft_in(world).payment_parts == []
