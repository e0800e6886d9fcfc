"""Colleagues in the admin: invited by mail, one role each, never without an administrator."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from portico.accounts.models import User
from portico.billing.tests.my.pages import form_of, text_of
from portico.cast import World
from portico.kit.models import Letter
from portico.kit.outbox import render

Browser = Callable[..., Client]
PEOPLE = "/staff/admin/accounts/user/"
NILS = {"email": "Nils@Northwind.example", "name": "Nils Berg", "title": "", "language": "de", "staff_role": "finance"}


def change_page(user: User) -> str:
    return f"{PEOPLE}{user.pk}/change/"


def test_a_colleague_is_invited_by_mail_and_chooses_the_password(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    assert "password" not in form_of(client.get(f"{PEOPLE}add/"))
    answer = client.post(f"{PEOPLE}add/", NILS)
    assert answer.status_code == 302, text_of(answer)
    nils = User.objects.get(email="nils@northwind.example")
    assert (nils.staff_role, nils.staff_of, nils.language) == ("finance", world.seller, "de")
    assert not nils.has_usable_password()
    letter = Letter.objects.get(event="staff_invitation")
    assert (letter.to_address, letter.person, letter.language) == (nils.email, nils.pk, "de")
    rendered = render(letter)
    assert rendered is not None
    (link,) = rendered.drawn.secrets
    assert link in rendered.text
    assert link not in rendered.kept(rendered.text)
    visitor = Client()
    form = visitor.get(link.removeprefix("http://localhost:8000"), follow=True)
    assert form.status_code == 200
    chosen = "a long new password"
    there = form.redirect_chain[-1][0]
    assert visitor.post(there, {"password1": chosen, "password2": chosen}).status_code == 302
    nils.refresh_from_db()
    assert nils.check_password(chosen)


def test_the_log_names_nobody(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    client.post(f"{PEOPLE}add/", NILS)
    client.post(change_page(world.omar), form_of(client.get(change_page(world.omar))) | {"name": "Omar B."})
    assert LogEntry.objects.count() == 2
    for entry in LogEntry.objects.all():
        words = f"{entry.object_repr} {entry.change_message}".lower()
        assert "omar" not in words
        assert "nils" not in words


@pytest.mark.parametrize("address", ["camille@fontaine.example", "HANNA@northwind.example", "nowhere"])
def test_an_address_that_is_taken_or_is_none_is_refused(world: World, client_for: Browser, address: str) -> None:
    count = User.objects.count()
    answer = client_for(world.admin).post(f"{PEOPLE}add/", NILS | {"email": address})
    assert answer.status_code == 200
    assert "has a login already" in text_of(answer) or "Enter a valid email address" in text_of(answer)
    assert User.objects.count() == count
    assert not Letter.objects.filter(event="staff_invitation").exists()


def test_a_role_is_changed_and_an_access_ended(world: World, client_for: Browser) -> None:
    client, hers = client_for(world.admin), client_for(world.hanna)
    assert hers.get("/staff/").status_code == 200
    typed = form_of(client.get(change_page(world.hanna)))
    assert client.post(change_page(world.hanna), typed | {"staff_role": "finance"}).status_code == 302
    world.hanna.refresh_from_db()
    assert world.hanna.staff_role == "finance"
    typed.pop("is_active")
    assert client.post(change_page(world.hanna), typed).status_code == 302
    assert hers.get("/staff/").status_code == 302


@pytest.mark.parametrize("changes", [{"staff_role": "sales"}, {"staff_role": ""}, {"is_active": None}])
def test_the_only_administrator_stays_one(world: World, client_for: Browser, changes: dict[str, str | None]) -> None:
    client = client_for(world.admin)
    typed = form_of(client.get(change_page(world.admin))) | changes
    answer = client.post(change_page(world.admin), {name: value for name, value in typed.items() if value is not None})
    assert answer.status_code == 200
    assert "only administrator" in text_of(answer) or "required" in text_of(answer)
    world.admin.refresh_from_db()
    assert (world.admin.staff_role, world.admin.is_active) == ("admin", True)


def test_customers_people_are_not_there(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    assert "Camille" not in text_of(client.get(PEOPLE))
    assert client.get(change_page(world.camille)).headers["Location"] == "/staff/admin/"
    before = User.objects.filter(pk=world.camille.pk).values().get()
    client.post(change_page(world.camille), {"staff_role": "admin", "name": "x"})
    assert User.objects.filter(pk=world.camille.pk).values().get() == before


def test_neither_a_password_nor_an_address_can_be_set_there(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    before = User.objects.filter(pk=world.omar.pk).values("password", "email", "staff_of").get()
    typed = form_of(client.get(change_page(world.omar))) | {"password": "x", "email": "x@x.example", "staff_of": ""}
    client.post(change_page(world.omar), typed)
    assert User.objects.filter(pk=world.omar.pk).values("password", "email", "staff_of").get() == before
    assert client.post(f"{PEOPLE}{world.omar.pk}/delete/", {"post": "yes"}).status_code == 404
    assert client.get(f"{PEOPLE}{world.omar.pk}/password/").status_code == 404
