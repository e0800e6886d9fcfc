"""Team: an owner invites, changes and removes colleagues; a company never loses its last owner."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portico.accounts import members
from portico.accounts.models import Event, Membership, User
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden
from portico.kit.models import Letter

Browser = Callable[..., Client]
HERE = "/my/account/members/"


def julien(world: World) -> Membership:
    return Membership.objects.get(user=world.julien, customer=world.fontaine)


def everybody() -> list[Any]:
    return [list(Membership.objects.order_by("pk").values()), User.objects.count(), Letter.objects.count()]


@pytest.mark.usefixtures("clock")
def test_an_owner_invites_a_colleague_who_is_told_by_mail(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = {"email": " Ines@Fontaine.example ", "name": "Inès Roux", "roles": ["viewer", "billing"]}
    answer = client.post(f"{HERE}invite/", sent)
    assert answer.headers["Location"] == HERE
    one = Membership.objects.get(user__email="ines@fontaine.example")
    assert (one.customer, one.roles, one.user.name) == (
        world.fontaine,
        frozenset({"viewer", "billing"}),
        "Inès Roux",
    )
    assert one.user.has_usable_password() is False
    letter = Letter.objects.get(event="invitation", to_address="ines@fontaine.example")
    assert letter.data["membership"] == one.pk
    page = client.get(HERE).content.decode()
    assert "invited, not signed in yet" in page
    assert 'data-status="invited"' in page
    assert Event.objects.filter(name="member.invited", actor=world.camille, customer=world.fontaine).count() == 1
    assert client.post(f"{HERE}{one.pk}/", {"do": "again"}).status_code == 302
    assert Letter.objects.filter(event="invitation", to_address="ines@fontaine.example").count() == 2


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"email": "nobody"}, 400, "not an e-mail address"),
        ({"email": "x" * 250 + "@example.com"}, 400, "not an e-mail address"),
        ({"name": "x" * 121}, 400, "characters"),
        ({"name": ""}, 400, "the person&#39;s name"),
        ({"roles": []}, 400, "at least one role"),
        ({"roles": ["king"]}, 400, "at least one role"),
        ({"email": "julien@fontaine.example"}, 409, "a member already"),
        ({"email": "hanna@northwind.example"}, 409, "cannot be invited"),
    ],
)
def test_who_cannot_be_invited_is_not(
    world: World, client_for: Browser, changes: dict[str, Any], status: int, said: str
) -> None:
    before = everybody()
    sent = {"email": "new@fontaine.example", "name": "New", "roles": ["viewer"]} | changes
    answer = client_for(world.camille).post(f"{HERE}invite/", sent)
    assert answer.status_code == status
    assert said in answer.content.decode()
    assert everybody() == before


def test_somebody_with_a_login_elsewhere_works_for_both(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).post(f"{HERE}invite/", {"email": world.lena.email, "roles": ["viewer"]})
    assert answer.status_code == 302
    assert set(world.lena.memberships.values_list("customer__legal_name", flat=True)) == {
        "Atelier Fontaine SARL",
        "Bäckerei Lindner GmbH",
    }


def test_roles_are_changed_and_what_they_allow_with_them(world: World, client_for: Browser) -> None:
    client, one = client_for(world.camille), julien(world)
    assert client_for(world.julien).get(HERE).status_code == 403
    assert client.post(f"{HERE}{one.pk}/", {"do": "roles", "roles": ["owner"]}).status_code == 302
    assert client_for(world.julien).get(HERE).status_code == 200
    one.refresh_from_db()
    assert one.roles == {"owner"}


def test_who_is_removed_sees_nothing_more(world: World, client_for: Browser) -> None:
    theirs = client_for(world.julien)
    assert theirs.get("/my/invoices/").status_code == 200
    assert client_for(world.camille).post(f"{HERE}{julien(world).pk}/", {"do": "remove"}).status_code == 302
    assert theirs.get("/my/invoices/").status_code == 403
    assert User.objects.filter(pk=world.julien.pk).exists(), "what was done keeps its name"


@pytest.mark.parametrize("sent", [{"do": "remove"}, {"do": "roles", "roles": ["viewer"]}])
def test_the_last_owner_stays(world: World, client_for: Browser, sent: dict[str, Any]) -> None:
    own, before = Membership.objects.get(user=world.camille, customer=world.fontaine), everybody()
    answer = client_for(world.camille).post(f"{HERE}{own.pk}/", sent)
    assert answer.status_code == 409
    assert "the only owner" in answer.content.decode()
    assert everybody() == before
    members.change_roles(membership=julien(world), roles=["owner"], by=world.camille, now=world.now)
    assert client_for(world.camille).post(f"{HERE}{own.pk}/", sent).status_code == 302


def test_another_company_s_people_are_not_there(world: World, client_for: Browser) -> None:
    theirs, before = Membership.objects.get(user=world.lena), everybody()
    for sent in ({"do": "remove"}, {"do": "roles", "roles": ["viewer"]}, {"do": "again"}):
        assert client_for(world.camille).post(f"{HERE}{theirs.pk}/", sent).status_code == 404
    assert client_for(world.camille).post(f"{HERE}{julien(world).pk}/", {"do": "harm"}).status_code == 400
    with pytest.raises(Forbidden):
        members.remove(membership=theirs, by=world.camille, now=world.now)
    assert everybody() == before


def test_who_signed_in_is_not_invited_again(world: World) -> None:
    with pytest.raises(Conflict, match="has a password already"):
        members.invite_again(membership=julien(world), by=world.camille, now=world.now)


def test_the_page_costs_few_statements_however_many_people(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)

    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(HERE).status_code == 200
        return len(asked)

    client.get(HERE)
    before = count()
    for number in range(40):
        user = User.objects.create_user(f"p{number}@fontaine.example", name=f"P {number}")
        Membership.objects.create(user=user, customer=world.fontaine, is_viewer=True)
    assert count() == before <= 8
