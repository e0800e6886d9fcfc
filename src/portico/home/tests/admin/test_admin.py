"""Who gets into the admin, what is there and what never is, and what its pages allow the browser."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib import admin as django_admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from lxml import html

from portico.accounts.access import Access
from portico.accounts.models import Seller
from portico.billing.models import NumberSeries, Price, Product, QuotationTemplate, VatRate
from portico.billing.tests.my.pages import form_of, queries_of, text_of
from portico.billing.tests.staff.test_editor import found
from portico.billing.tests.staff.test_quotations import DRAFT, where
from portico.cast import World
from portico.home.admin import site
from portico.tests.test_access import walk

Browser = Callable[..., Client]
HERE = "/staff/admin/"
PRODUCTS = f"{HERE}billing/product/"
SETTINGS = {
    "accounts.Seller",
    "accounts.User",
    "billing.Coupon",
    "billing.NumberSeries",
    "billing.Product",
    "billing.QuotationTemplate",
    "billing.ExchangeRate",
    "billing.VatRate",
}
"""All that may ever be edited in a form. What carries money or evidence changes by its own actions alone."""


# The door --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [HERE, PRODUCTS, f"{PRODUCTS}add/", f"{HERE}accounts/user/", f"{HERE}jsi18n/"])
def test_the_desks_own_door_is_the_only_one(world: World, client_for: Browser, address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/account/login/?next={address}")
    assert client_for(world.camille).get(address).status_code == 404
    assert client_for(world.hanna).get(address).status_code == client_for(world.omar).get(address).status_code == 403
    assert client_for(world.admin).get(address, follow=True).status_code == 200


@pytest.mark.parametrize("name", ["login", "password_change", "password_change_done", "view_on_site", "autocomplete"])
def test_the_admins_own_sign_in_and_password_pages_do_not_exist(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(f"admin:{name}")
    assert Client().get(f"{HERE}{name}/").status_code == 302  # as an app there is not: our sign-in, and then nothing


def test_signing_in_leads_back_to_the_admin(world: World) -> None:
    client = Client()
    typed = {"login": world.admin.email, "password": "portico-demo"}
    world.admin.set_password("portico-demo")
    world.admin.save()
    answer = client.post(f"/account/login/?next={PRODUCTS}", typed | {"next": PRODUCTS})
    assert answer.headers["Location"] == PRODUCTS


def test_signing_out_is_the_portals_own(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    answer = client.post(f"{HERE}logout/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/account/logout/")


def test_every_address_is_guarded(db: None) -> None:
    routes = [one for one in walk(get_resolver().url_patterns) if one.name.startswith("admin:")]
    assert len(routes) > 20
    for route in routes:
        assert route.access is not None, route.pattern
        assert route.access == Access("staff", frozenset({"admin"})), route.pattern


def test_only_settings_are_there_and_nothing_that_carries_money_or_evidence() -> None:
    assert {model._meta.label for model in site._registry} == SETTINGS
    assert django_admin.site._registry == {}
    assert [inline.model for one in site._registry.values() for inline in one.inlines] == [Price]


@pytest.mark.parametrize("noun", ["invoice", "quotation", "order", "payment", "acceptance", "customer"])
def test_a_paper_has_no_address_there(world: World, client_for: Browser, noun: str) -> None:
    assert client_for(world.admin).get(f"{HERE}billing/{noun}/").status_code == 404


# Pages -----------------------------------------------------------------------------------------------------------------


def addresses(world: World) -> list[str]:
    """A page of each kind."""
    template = QuotationTemplate.keep(
        seller=world.seller, name="Yearly", currency="EUR", content={"lines": [{}]}, by=world.hanna, now=world.now
    )
    series = NumberSeries.objects.latest("id")
    rows = [world.products["handbook"], VatRate.objects.latest("id"), template, series, world.seller, world.omar]
    found = []
    for row in rows:
        folder = f"{HERE}{row._meta.app_label}/{row._meta.model_name}/"
        found += [folder, f"{folder}{row.pk}/change/", f"{folder}{row.pk}/history/"]
    return [*found, f"{PRODUCTS}add/", f"{HERE}billing/vatrate/add/", f"{HERE}accounts/user/add/"]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_every_page_opens_in_every_language(world: World, client_for: Browser, language: str) -> None:
    world.admin.language = language
    world.admin.save()
    client = client_for(world.admin)
    for address in addresses(world):
        answer = client.get(address, follow=True)
        assert answer.status_code == 200, address
        page = answer.content.decode()
        assert f'<html lang="{language}"' in page, address
        assert world.seller.short_name in page, address
        assert 'href="/staff/"' in page, address
        for tag in html.fromstring(page).xpath("//script[@src] | //link[@href] | //img[@src]"):
            source = tag.get("src") or tag.get("href")
            assert source.startswith("/"), f"{address}: {source}"


def test_its_pages_allow_what_alpine_needs_and_no_other_page_does(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    policy = client.get(PRODUCTS).headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "style-src 'self';" in policy
    assert "style-src-attr 'unsafe-inline'" in policy
    assert "default-src 'none'" in policy
    for address in ("/staff/", "/staff/settings/", f"{HERE}nowhere/at-all/", "/account/login/"):
        assert "unsafe" not in client.get(address).headers["Content-Security-Policy"], address
    for address in addresses(world):
        page = html.fromstring(client.get(address, follow=True).content.decode())
        assert page.xpath("//style | //script[not(@src) and not(@type='application/json')]") == [], address
        assert page.xpath("//*[@onclick or @onchange or @onsubmit or @onload]") == [], address


def test_it_looks_like_the_sellers(world: World, client_for: Browser) -> None:
    world.seller.accent, world.seller.logo = "#7a1f3d", "<svg></svg>"
    world.seller.save()
    world.admin.choose_theme("dark")
    page = html.fromstring(client_for(world.admin).get(PRODUCTS).content.decode())
    assert "/accent.css?7a1f3d" in page.xpath("//link/@href")
    assert [one for one in page.xpath("//img/@src") if one.startswith("/logo.svg?")]
    assert page.xpath("//title/text()")[0].strip().endswith(world.seller.short_name)
    assert page.get("class") == "dark"


def test_the_desk_shows_the_way_to_those_who_may_go_it(world: World, client_for: Browser) -> None:
    assert f'href="{PRODUCTS}"' in client_for(world.admin).get("/staff/").content.decode()
    assert f'href="{PRODUCTS}"' not in client_for(world.hanna).get("/staff/").content.decode()
    listed = client_for(world.admin).get("/staff/settings/").content.decode()
    for label in SETTINGS:
        assert f'href="{HERE}{label.lower().replace(".", "/")}/"' in listed


def test_another_sellers_rows_are_not_there(world: World, client_for: Browser) -> None:
    other = Seller.objects.create(legal_name="Other", short_name="Other", country="DE")
    foreign = Product.objects.create(seller=other, code="x", name="Foreign thing", kind="service")
    client = client_for(world.admin)
    assert "Foreign thing" not in text_of(client.get(PRODUCTS))
    for address in (f"{PRODUCTS}{foreign.pk}/change/", f"{HERE}accounts/seller/{other.pk}/change/"):
        answer = client.get(address)
        assert answer.status_code == 302, "Django sends away from a row that is not there"
        assert answer.headers["Location"] == HERE


def test_the_list_of_products_asks_as_little_for_sixty_as_for_ten(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    Product.objects.exclude(pk__in=Product.objects.order_by("pk").values("pk")[:10]).update(is_active=False)

    def asked() -> int:
        return queries_of(client, f"{PRODUCTS}?active=yes")

    asked()
    few = asked()
    for number in range(50):
        one = Product.objects.create(seller=world.seller, code=f"more-{number}", name=f"More {number}", kind="service")
        Price.objects.create(product=one, currency="EUR", unit_price=number)
    assert asked() == few <= 9


def test_the_lists_are_filtered_and_searched(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    Product.objects.filter(code="handbook").update(is_active=False)

    def listed(asked: str) -> list[str]:
        page = html.fromstring(client.get(f"{PRODUCTS}?{asked}").content.decode())
        return [
            one.text_content().strip()
            for one in page.xpath("//table[@id='result_list']//th//a[contains(@href, 'change')]")
        ]

    assert listed("active=no") == listed("q=operator") == listed("kind=goods") == ["Operator handbook, printed"]
    assert "Operator handbook, printed" not in listed("active=yes")
    assert len(listed("active=maybe&kind=none")) == Product.objects.count()
    people = text_of(client.get("/staff/admin/accounts/user/?active=no"))
    assert world.omar.name not in people


def test_what_is_changed_is_noted(world: World, client_for: Browser) -> None:
    client, product = client_for(world.admin), world.products["handbook"]
    there = f"{PRODUCTS}{product.pk}/change/"
    answer = client.post(there, form_of(client.get(there)) | {"name": "Handbook"})
    assert answer.status_code == 302, text_of(answer)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.is_change()) == (world.admin, str(product.pk), True)
    assert "Changed Name" in text_of(client.get(f"{PRODUCTS}{product.pk}/history/"))


# The catalogue -----------------------------------------------------------------------------------------------------------


def test_a_new_product_is_found_when_a_quotation_is_written(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    typed = form_of(client.get(f"{PRODUCTS}add/")) | {
        "name": "Zebra crossing survey",
        "kind": "service",
        "vat_rate": "20",
        "prices-0-currency": "EUR",
        "prices-0-term_months": "0",
        "prices-0-unit_price": "812.5",
    }
    answer = client.post(f"{PRODUCTS}add/", typed)
    assert answer.status_code == 302, text_of(answer)
    product = Product.objects.get(name="Zebra crossing survey")
    assert (product.code, product.seller, product.is_active) == ("zebra-crossing-survey", world.seller, True)
    assert str(product.prices.get().unit_price) == "812.5000"
    seller = client_for(world.hanna)
    editor = where(world, DRAFT, "edit/")
    assert found(seller.get(f"{editor}?q=zebra")) == ["Zebra crossing survey"]
    there = f"{PRODUCTS}{product.pk}/change/"
    form = form_of(client.get(there))
    form.pop("is_active")
    assert client.post(there, form).status_code == 302
    assert found(seller.get(f"{editor}?q=zebra")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "  "}, "This field is required"),
        ({"vat_category": "S", "vat_rate": "0"}, "needs a rate above 0"),
        ({"vat_rate": "19"}, "Select a valid choice"),
        ({"code": "helpdesk"}, "Another product has this code"),
        ({"prices-0-currency": "XXX"}, "Select a valid choice"),
        ({"prices-0-unit_price": "-1"}, "A price is not below 0"),
        ({"prices-0-unit_price": "1.00001"}, "no more than 4 decimal places"),
        ({"prices-0-unit_price": "1000000001"}, "not above a thousand million"),
        ({"prices-1-currency": "EUR", "prices-1-term_months": "0", "prices-1-unit_price": "9"}, "Please correct"),
    ],
)
def test_what_cannot_be_is_refused(world: World, client_for: Browser, changes: dict[str, str], said: str) -> None:
    client, product = client_for(world.admin), world.products["handbook"]
    there = f"{PRODUCTS}{product.pk}/change/"
    before = list(Product.objects.values()), list(Price.objects.values())
    form = form_of(client.get(there))
    if "prices-1-unit_price" in changes:
        form |= {"prices-1-id": form["prices-1-id"]}
    answer = client.post(there, form | changes)
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert (list(Product.objects.values()), list(Price.objects.values())) == before


def test_a_product_without_vat_has_no_rate(world: World, client_for: Browser) -> None:
    client, product = client_for(world.admin), world.products["handbook"]
    there = f"{PRODUCTS}{product.pk}/change/"
    assert client.post(there, form_of(client.get(there)) | {"vat_category": "E"}).status_code == 302
    product.refresh_from_db()
    assert (product.vat_category, product.vat_rate) == ("E", 0)


def test_a_product_on_a_paper_stays_and_keeps_its_kind(world: World, client_for: Browser) -> None:
    client, used = client_for(world.admin), world.products["plan-business"]
    assert used.is_used
    for answer in (
        client.get(f"{PRODUCTS}{used.pk}/delete/", follow=True),
        client.post(f"{PRODUCTS}{used.pk}/delete/", {"post": "yes"}, follow=True),
    ):
        assert "stands on papers or in subscriptions and cannot be deleted" in text_of(answer)
    there = f"{PRODUCTS}{used.pk}/change/"
    assert client.post(there, form_of(client.get(there)) | {"kind": "goods"}).status_code == 302
    used.refresh_from_db()
    assert used.kind == "plan"
    free = Product.objects.create(seller=world.seller, code="free", name="Free", kind="service")
    assert not free.is_used
    assert client.post(f"{PRODUCTS}{free.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Product.objects.filter(pk=free.pk).exists()


def test_several_are_not_deleted_at_once(world: World, client_for: Browser) -> None:
    count = Product.objects.count()
    chosen = {"action": "delete_selected", "_selected_action": [world.products["handbook"].pk], "post": "yes"}
    client_for(world.admin).post(PRODUCTS, chosen)
    assert Product.objects.count() == count


@pytest.mark.parametrize(("rate", "said"), [("101", "between 0 and 100"), ("20", "there already"), ("-1", "between 0")])
def test_a_rate_is_a_percentage_and_there_once(world: World, client_for: Browser, rate: str, said: str) -> None:
    answer = client_for(world.admin).post(f"{HERE}billing/vatrate/add/", {"rate": rate, "position": "9"})
    assert said in text_of(answer)


def test_the_last_rate_stays(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    answer = client.post(f"{HERE}billing/vatrate/add/", {"rate": "2.1", "position": "9"})
    assert answer.status_code == 302
    *others, last = VatRate.objects.filter(seller=world.seller)
    for one in others:
        assert client.post(f"{HERE}billing/vatrate/{one.pk}/delete/", {"post": "yes"}).status_code == 302
    assert client.post(f"{HERE}billing/vatrate/{last.pk}/delete/", {"post": "yes"}).status_code == 403
    assert list(VatRate.objects.filter(seller=world.seller)) == [last]


def test_the_admin_costs_no_middleware() -> None:
    assert not [one for one in settings.MIDDLEWARE if "admin" in one or "unfold" in one]
