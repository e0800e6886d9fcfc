"""Billing details: the address always, name and VAT number until the first invoice; and who else gets the invoices."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.accounts.models import Customer, Event, InvoiceRecipient, Membership, User
from portico.cast import World

Browser = Callable[..., Client]
HERE = "/my/account/company/"
ADDRESS = {"street": "1 rue Neuve", "street_2": "", "postcode": "69001", "city": "Lyon", "electronic_address": "0009:1"}


@pytest.fixture
def fresh(world: World) -> Customer:
    """A company without an invoice, of which Camille is the owner now."""
    customer = Customer.objects.create(
        seller=world.seller, legal_name="Neuve SAS", country="FR", vat_id="FR40303265045", created_at=world.now,
        vat_id_checked_on=world.now.date(), vat_id_check="vies",
    )  # fmt: skip
    world.camille.switch_to(Membership.objects.create(user=world.camille, customer=customer, is_owner=True))
    return customer


def test_an_owner_changes_the_address_and_issued_papers_keep_theirs(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.camille), world.invoice("Atelier database, first year")
    before = dict(invoice.buyer)
    assert client.post(HERE, ADDRESS).status_code == 302
    world.fontaine.refresh_from_db()
    assert (world.fontaine.street, world.fontaine.city) == ("1 rue Neuve", "Lyon")
    invoice.refresh_from_db()
    assert invoice.buyer == before
    assert "27 rue des Tanneurs" in client.get(f"/my/invoices/{invoice.number}/").content.decode()
    assert Event.objects.filter(name="customer.edited", actor=world.camille).count() == 1


def test_name_and_vat_number_are_locked_by_the_first_invoice(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    page = client.get(HERE).content.decode()
    assert "Name and VAT number stand on issued invoices." in page
    assert 'name="legal_name"' not in page
    for forged in ({"legal_name": "Other"}, {"vat_id": ""}):
        assert client.post(HERE, ADDRESS | forged).status_code == 409
    world.fontaine.refresh_from_db()
    assert (world.fontaine.legal_name, world.fontaine.street) == ("Atelier Fontaine SARL", "27 rue des Tanneurs")


def test_before_it_they_are_free_and_a_new_number_is_to_be_checked_again(fresh: Customer, client_for: Browser) -> None:
    client = client_for(User.objects.get(email="camille@fontaine.example"))
    sent = ADDRESS | {"legal_name": "Neuve et Fils SAS", "vat_id": "fr 83 404 833 048"}
    assert client.post(HERE, sent).status_code == 302
    fresh.refresh_from_db()
    assert (fresh.legal_name, fresh.vat_id) == ("Neuve et Fils SAS", "FR83404833048")
    assert (fresh.vat_id_checked_on, fresh.vat_id_check, fresh.vat_checked) == (None, "", False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"legal_name": ""}, "the company&#39;s legal name"),
        ({"vat_id": "FR00000000000"}, "not a valid VAT id"),
        ({"street": "x" * 161}, "At most 160 characters."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_saved(
    fresh: Customer, client_for: Browser, changes: dict[str, str], said: str
) -> None:
    client = client_for(User.objects.get(email="camille@fontaine.example"))
    before = Customer.objects.values().get(pk=fresh.pk)
    answer = client.post(HERE, ADDRESS | {"legal_name": "Neuve SAS", "vat_id": "FR40303265045"} | changes)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert Customer.objects.values().get(pk=fresh.pk) == before


def test_an_address_without_a_login_gets_the_invoices(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = {"email": " Books@Durand.example ", "language": "fr"}
    assert client.post(f"{HERE}recipients/", sent).status_code == 302
    one = InvoiceRecipient.objects.get(customer=world.fontaine)
    assert (one.email, one.language) == ("books@durand.example", "fr")
    assert client.post(f"{HERE}recipients/", sent).status_code == 409
    for bad in ({"email": "nobody", "language": "fr"}, {"email": "a@b.example", "language": "xx"}):
        assert client.post(f"{HERE}recipients/", bad).status_code == 400
    assert client_for(world.lena).post(f"{HERE}recipients/", {"remove": one.pk}).status_code == 404
    assert client.post(f"{HERE}recipients/", {"remove": "1 OR 1"}).status_code == 404
    assert InvoiceRecipient.objects.count() == 1
    assert client.post(f"{HERE}recipients/", {"remove": one.pk}).status_code == 302
    assert InvoiceRecipient.objects.count() == 0


def test_only_an_owner_changes_billing_details(world: World, client_for: Browser) -> None:
    assert client_for(world.julien).get(HERE).status_code == 403
    assert client_for(world.julien).post(HERE, ADDRESS).status_code == 403
