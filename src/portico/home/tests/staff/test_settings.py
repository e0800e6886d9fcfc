"""The steps of the first run as pages: each saves what was typed, or says what is wrong and keeps it."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portico.accounts.models import Customer, Seller, User
from portico.billing.models import ChangePolicy, Product
from portico.billing.tests.my.pages import form_of, text_of
from portico.cast import World
from portico.home.staff.settings import STAGES, is_done
from portico.home.tests.test_setup import LOGO

Browser = Callable[..., Client]


def saved(client: Client, step: str, **changes: str) -> str:
    """Send a step's form as it stands, changed; where it leads."""
    here = f"/staff/settings/{step}/"
    answer = client.post(here, form_of(client.get(here)) | changes)
    assert answer.status_code == 302, text_of(answer)
    return answer.headers["Location"]


def test_each_step_leads_to_the_next_and_can_be_skipped(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    listed = client.get("/staff/settings/").content.decode()
    for place, stage in enumerate(STAGES):
        here = f"/staff/settings/{stage.name}/"
        assert here in listed
        following = f"/staff/settings/{STAGES[place + 1].name}/" if place + 1 < len(STAGES) else "/staff/settings/"
        page = client.get(here).content.decode()
        assert f'href="{following}">Skip this step' in page


def test_what_is_typed_is_saved(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    assert saved(client, "company", city="Rezé", vat_id="FR 83 404 833 048") == "/staff/settings/look/"
    assert saved(client, "vat", rates="20, 2.1") == "/staff/settings/numbering/"
    account = {"iban": "DE89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX", "reference_style": "text"}
    assert saved(client, "bank", **account) == "/staff/settings/mail/"
    assert saved(client, "mail") == "/staff/settings/product/"
    assert [one.to for one in mail.outbox] == [[world.admin.email]]
    values = {"name": "Audit", "kind": "service", "unit_price": "1250.50", "term_months": "0", "vat_rate": "20"}
    assert saved(client, "product", **values) == "/staff/settings/customer/"
    seller = Seller.objects.get()
    assert (seller.city, seller.iban, seller.reference_style) == ("Rezé", "DE89370400440532013000", "text")
    assert Product.objects.get(code="audit").prices.get().unit_price == 1250.5
    there = saved(client, "customer", legal_name="Nouvelle SARL", contact_name="Nina", contact_email="nina@n.example")
    assert there == f"/staff/customers/{Customer.objects.get(legal_name='Nouvelle SARL').pk}/"
    assert User.objects.get(email="nina@n.example").has_usable_password() is False
    assert all(done for name, done in is_done(seller).items() if name not in {"look", "mail"})


@pytest.mark.parametrize(
    ("step", "changes", "said"),
    [
        ("company", {"vat_id": "FR00000000000"}, "not a valid VAT id"),
        ("company", {"legal_name": ""}, "Fill this in."),
        ("company", {"support_email": "help"}, "Enter a valid email address."),
        ("bank", {"iban": "FR7630006000011234567890188"}, "no valid IBAN"),
        ("bank", {"bic": "NOPE"}, "no valid BIC"),
        ("bank", {"reference_style": "qr"}, "valid choice"),
        ("vat", {"rates": "a lot"}, "Percentages with commas"),
        ("look", {"accent": "blue"}, "A colour such as"),
        ("numbering", {"invoice": "7"}, "has documents already"),
        ("numbering", {"invoice": "-1"}, "greater than or equal to 1"),
        (
            "product",
            {"name": "Quality", "kind": "service", "unit_price": "1", "vat_rate": "20"},
            "of this name already",
        ),
        (
            "product",
            {"name": "X", "kind": "service", "unit_price": "-1", "vat_rate": "20"},
            "greater than or equal to 0",
        ),
        (
            "customer",
            {"legal_name": "X", "contact_name": "X", "contact_email": "lena@lindner.example"},
            "a login already",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    world: World, client_for: Browser, step: str, changes: dict[str, str], said: str
) -> None:
    client, here = client_for(world.admin), f"/staff/settings/{step}/"
    before = Seller.objects.values().get(), Product.objects.count(), Customer.objects.count()
    answer = client.post(here, form_of(client.get(here)) | changes)
    assert answer.status_code == 400
    assert said in text_of(answer)
    assert (Seller.objects.values().get(), Product.objects.count(), Customer.objects.count()) == before


def test_the_logo_is_uploaded_and_removed(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    upload = SimpleUploadedFile("logo.svg", LOGO.encode(), "image/svg+xml")
    assert client.post("/staff/settings/look/", {"accent": "#204060", "logo": upload}).status_code == 302
    assert Seller.objects.get().logo == LOGO
    page = client.get("/staff/settings/look/")
    assert "to 1; text needs 4.5" in text_of(page)
    assert client.post("/staff/settings/look/", {"accent": "#204060", "remove": "on"}).status_code == 302
    assert Seller.objects.get().logo == ""


@pytest.mark.parametrize("person", ["hanna", "omar"])
def test_only_an_administrator_sets_up(world: World, client_for: Browser, person: str) -> None:
    client = client_for(getattr(world, person))
    assert client.get("/staff/settings/").status_code == 403
    assert "/staff/settings/" not in client.get("/staff/").content.decode()
    assert "/staff/settings/" in client_for(world.admin).get("/staff/").content.decode()


def test_what_becomes_of_reported_changes_is_chosen(world: World, client_for: Browser) -> None:
    client, where = client_for(world.admin), "/staff/settings/changes/"
    assert "Quotation first" in text_of(client.get(where))
    assert where in client.get("/staff/settings/").content.decode()
    for wrong in ({"policy": "guess", "grace_days": "5"}, {"policy": "install_at_once", "grace_days": "0"}, {}):
        assert client.post(where, wrong).status_code == 400
    assert client.post(where, {"policy": "install_at_once", "grace_days": "5"}).status_code == 302
    assert (ChangePolicy.of(world.seller).policy, ChangePolicy.of(world.seller).grace_days) == ("install_at_once", 5)
    assert client_for(world.hanna).get(where).status_code == 403
