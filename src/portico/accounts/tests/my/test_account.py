"""My Account: one's own profile, the company to read, and switching between companies."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.accounts.models import Membership
from portico.billing.models import Invoice
from portico.cast import World

PROFILE = {"name": "Camille Fontaine", "title": "Owner", "phone": "+33 4 72 00 00 00", "language": "fr"}


def test_a_person_edits_its_profile_and_reads_on_in_the_chosen_language(
    world: World, client_for: Callable[..., Client]
) -> None:
    response = client_for(world.camille).post("/my/account/", PROFILE)
    assert response.headers["Location"] == "/my/account/"
    world.camille.refresh_from_db()
    assert (world.camille.title, world.camille.phone, world.camille.language) == ("Owner", "+33 4 72 00 00 00", "fr")


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", ""), ("name", "x" * 121), ("title", "y" * 121), ("phone", "+33 4"), ("phone", "call me at noon"),
        ("language", "xx"), ("language", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_is_told_and_kept(
    world: World, client_for: Callable[..., Client], field: str, typed: str
) -> None:
    response = client_for(world.camille).post("/my/account/", PROFILE | {field: typed})
    page = response.content.decode()
    assert response.status_code == 400
    assert "Nothing was saved" in page
    assert 'aria-invalid="true"' in page
    assert "Owner" in page or field == "title", "the other fields keep what was typed"
    world.camille.refresh_from_db()
    assert world.camille.title == "Managing director"


def test_what_is_typed_is_shown_as_text(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    client.post("/my/account/", PROFILE | {"name": "<b>Camille</b>\u202e", "language": "en"})
    page = client.get("/my/account/").content.decode()
    assert "&lt;b&gt;Camille&lt;/b&gt;" in page
    assert "<b>Camille</b>\u202e" not in page


def test_company_and_addresses_stand_there_and_what_closing_means(
    world: World, client_for: Callable[..., Client]
) -> None:
    page = client_for(world.camille).get("/my/account/").content.decode()
    for words in ("Atelier Fontaine SARL", "FR40303265045", "help@northwind.example", "privacy@northwind.example"):
        assert words in page
    assert "Erasing your personal data is a request of its own" in page


def test_only_an_owner_sees_the_team(world: World, client_for: Callable[..., Client]) -> None:
    assert "julien@fontaine.example" in client_for(world.camille).get("/my/account/").content.decode()
    page = client_for(world.julien).get("/my/account/").content.decode()
    assert "camille@fontaine.example" not in page
    assert "Can pay" in page


@pytest.mark.parametrize(("chosen", "stored"), [("light", "light"), ("dark", "dark"), ("system", "")])
def test_the_theme_is_kept_with_the_person(
    world: World, client_for: Callable[..., Client], chosen: str, stored: str
) -> None:
    client = client_for(world.camille)
    response = client.post("/my/account/theme/", {"theme": chosen, "next": "/my/account/?x=1"})
    assert response.headers["Location"] == "/my/account/?x=1"
    world.camille.refresh_from_db()
    assert world.camille.theme == stored


def test_a_theme_that_does_not_exist_and_a_foreign_way_back_are_refused(
    world: World, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.camille)
    assert client.post("/my/account/theme/", {"theme": "neon"}).status_code == 400
    response = client.post("/my/account/theme/", {"theme": "dark", "next": "//evil.example/"})
    assert response.headers["Location"] == "/my/account/"
    assert client.get("/my/account/theme/").status_code == 405


def test_a_person_of_several_companies_sees_one_at_a_time(world: World, client_for: Callable[..., Client]) -> None:
    second = Membership.objects.create(user=world.camille, customer=world.lindner, is_viewer=True)
    theirs = Invoice.objects.filter(customer=world.lindner, state="issued").exclude(kind="credit_note").latest("id")
    ours = Invoice.objects.filter(customer=world.fontaine, state="issued").exclude(kind="credit_note").latest("id")
    client = client_for(world.camille)
    assert client.get(f"/my/invoices/{theirs.number}/thread/").status_code == 404
    page = client.get("/my/account/switch/").content.decode()
    assert "Atelier Fontaine SARL" in page
    assert "Bäckerei Lindner GmbH" in page
    response = client.post("/my/account/switch/", {"membership": second.pk})
    assert response.headers["Location"] == "/my/"
    assert client.get(f"/my/invoices/{theirs.number}/thread/").status_code == 200
    assert client.get(f"/my/invoices/{ours.number}/thread/").status_code == 404


@pytest.mark.parametrize("asked", ["", "0", "-1", "abc", "9" * 30])
def test_nobody_switches_to_what_is_not_its_own(world: World, client_for: Callable[..., Client], asked: str) -> None:
    foreign = Membership.objects.get(user=world.lena)
    client = client_for(world.camille)
    assert client.post("/my/account/switch/", {"membership": asked}).status_code == (404 if asked == "0" else 400)
    assert client.post("/my/account/switch/", {"membership": foreign.pk}).status_code == 404
    assert "Atelier Fontaine SARL" in client.get("/my/").content.decode()
    world.camille.refresh_from_db()
    assert world.camille.current_membership is not None
    assert world.camille.current_membership.customer_id == world.fontaine.pk


def test_a_person_chooses_which_mails_it_gets(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    page = client.get("/my/account/letters/").content.decode()
    assert "A quotation soon expires" in page
    assert "A quotation was rejected" not in page, "that one goes to staff alone"
    for never in ("invitation", "credentials_changed"):
        assert f'name="{never}"' not in page
    assert client.post("/my/account/letters/", {"invoice_issued": "on", "invitation": ""}).status_code == 302
    off = set(world.camille.letter_choices.filter(wanted=False).values_list("event", flat=True))
    assert {"quotation_sent", "payment_received"} <= off
    assert not off & {"invoice_issued", "invitation", "credentials_changed", "quotation_rejected"}
    client.post("/my/account/letters/", dict.fromkeys(off, "on"))
    assert set(world.camille.letter_choices.filter(wanted=False).values_list("event", flat=True)) == {"invoice_issued"}
