"""A customer's people from the desk: as its owner does it, by sales and administrators alone."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.accounts.models import Event, Membership
from portico.cast import World
from portico.kit.models import Letter

Browser = Callable[..., Client]


def test_sales_invites_an_owner_for_a_customer(world: World, client_for: Browser) -> None:
    client, where = client_for(world.hanna), f"/staff/customers/{world.lindner.pk}/"
    assert f"{where}members/invite/" in client.get(where).content.decode()
    sent = {"email": "otto@lindner.example", "name": "Otto Lindner", "roles": ["owner"]}
    assert client.post(f"{where}members/invite/", sent).headers["Location"] == where
    one = Membership.objects.get(user__email="otto@lindner.example")
    assert (one.customer, one.is_owner) == (world.lindner, True)
    assert Letter.objects.filter(event="invitation", to_address="otto@lindner.example").count() == 1
    assert Event.objects.get(name="member.invited", object_id=str(one.pk)).actor == world.hanna
    assert client.post(f"{where}members/{one.pk}/", {"do": "roles", "roles": ["viewer"]}).status_code == 302
    assert client.post(f"{where}members/{one.pk}/", {"do": "remove"}).status_code == 302
    assert not Membership.objects.filter(pk=one.pk).exists()


def test_finance_looks_and_changes_nobody(world: World, client_for: Browser) -> None:
    client, where = client_for(world.omar), f"/staff/customers/{world.fontaine.pk}/"
    assert "members/invite" not in client.get(where).content.decode()
    one = Membership.objects.get(user=world.julien, customer=world.fontaine)
    for address in (f"{where}members/invite/", f"{where}members/{one.pk}/"):
        assert client.get(address).status_code == 403
        assert client.post(address, {"do": "remove"}).status_code == 403
    assert Membership.objects.filter(pk=one.pk).exists()


@pytest.mark.parametrize("tail", ["invite/", "999999/"])
def test_what_is_not_there_is_missing(world: World, client_for: Browser, tail: str) -> None:
    client = client_for(world.hanna)
    assert client.get(f"/staff/customers/999999/members/{tail}").status_code == 404
    theirs = Membership.objects.get(user=world.lena)
    assert client.get(f"/staff/customers/{world.fontaine.pk}/members/{theirs.pk}/").status_code == 404
