"""Signing in and out, the password, and what an outsider can learn from it: nothing."""

import re
from collections.abc import Callable

import pytest
from django.core import mail
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client

from portico.accounts.models import User
from portico.cast import PASSWORD, World
from portico.kit.models import Letter

pytestmark = pytest.mark.django_db
LOGIN = "/account/login/"


@pytest.fixture(autouse=True)
def no_memory_of_attempts() -> None:
    cache.clear()


def body(response: object, email: str) -> str:
    """The page without what differs by itself: the address that was typed and the form's token."""
    assert isinstance(response, HttpResponse)
    page = response.content.decode().replace(email, "…")
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)


def test_everybody_lands_at_home(world: World) -> None:
    for user, home in ((world.camille, "/my/"), (world.hanna, "/staff/")):
        client = Client()
        response = client.post(LOGIN, {"login": user.email.upper(), "password": PASSWORD})
        assert (response.status_code, response["Location"]) == (302, home)
        assert client.get("/").headers["Location"] == home


def test_the_front_page_sends_a_stranger_to_the_sign_in_page(people: World) -> None:
    response = Client().get("/")
    assert response.headers["Location"] == LOGIN


def test_a_wrong_password_an_unknown_address_and_a_disabled_login_read_alike(world: World) -> None:
    User.objects.filter(pk=world.julien.pk).update(is_active=False)
    answers = []
    for email in (world.camille.email, "nobody@nowhere.example", world.julien.email):
        cache.clear()
        client = Client()
        response = client.post(LOGIN, {"login": email, "password": "not this one"})
        answers.append((response.status_code, body(response, email)))
        assert "_auth_user_id" not in client.session
    assert answers[0] == answers[1] == answers[2]


def test_after_five_wrong_passwords_the_right_one_must_wait(world: World) -> None:
    for _attempt in range(5):
        Client().post(LOGIN, {"login": world.camille.email, "password": "guess"})
    client = Client()
    response = client.post(LOGIN, {"login": world.camille.email, "password": PASSWORD})
    assert response.status_code in {200, 429}
    assert "_auth_user_id" not in client.session
    assert "Too many" in response.content.decode()


def test_many_sign_ins_from_one_address_get_a_readable_refusal(world: World) -> None:
    answers = [Client().post(LOGIN, {"login": f"x{n}@nowhere.example", "password": "guess"}) for n in range(31)]
    assert answers[-1].status_code in {200, 429}
    assert any("Too many" in answer.content.decode() for answer in answers)


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "http:evil.example"],
)
def test_a_foreign_next_is_not_followed(world: World, elsewhere: str) -> None:
    response = Client().post(LOGIN, {"login": world.camille.email, "password": PASSWORD, "next": elsewhere})
    assert response.headers["Location"] == "/my/"


def test_an_own_next_is_followed_but_not_to_the_other_side_of_the_desk(world: World) -> None:
    ours = Client().post(LOGIN, {"login": world.camille.email, "password": PASSWORD, "next": "/my/invoices/?q=1"})
    assert ours.headers["Location"] == "/my/invoices/?q=1"
    theirs = Client().post(LOGIN, {"login": world.camille.email, "password": PASSWORD, "next": "/staff/invoices/"})
    assert theirs.headers["Location"] == "/my/"


def test_the_session_gets_a_new_key_at_sign_in(world: World) -> None:
    client = Client()
    client.get(LOGIN)
    client.cookies["portico-session"] = "chosenbysomebodyelse0000000000000"
    client.post(LOGIN, {"login": world.camille.email, "password": PASSWORD})
    assert client.cookies["portico-session"].value != "chosenbysomebodyelse0000000000000"
    assert client.cookies["portico-session"]["httponly"]


def test_signing_out_is_a_post_and_ends_the_session_everywhere_it_was_copied_to(world: World) -> None:
    client = Client()
    client.post(LOGIN, {"login": world.camille.email, "password": PASSWORD})
    stolen = Client()
    stolen.cookies["portico-session"] = client.cookies["portico-session"].value
    assert stolen.get("/my/account/").status_code == 200
    client.get("/account/logout/")
    assert client.get("/my/account/").status_code == 200, "GET signs nobody out"
    client.post("/account/logout/")
    for one in (client, stolen):
        assert one.get("/my/account/").headers["Location"].startswith(LOGIN)


def test_a_disabled_login_is_out_at_once(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    assert client.get("/my/account/").status_code == 200
    User.objects.filter(pk=world.camille.pk).update(is_active=False)
    assert client.get("/my/account/").headers["Location"].startswith(LOGIN)


def test_nobody_signs_up(db: None) -> None:
    response = Client().post(
        "/account/signup/", {"email": "new@nowhere.example", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert response.status_code == 404
    assert not User.objects.filter(email="new@nowhere.example").exists()


def test_a_lost_form_token_is_refused_readably_and_changes_nothing(
    world: World, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.camille, csrf=True)
    response = client.post("/my/account/", {"name": "Somebody Else", "language": "en"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()
    world.camille.refresh_from_db()
    assert world.camille.name == "Camille Fontaine"


# The password ----------------------------------------------------------------------------------------------------------


def link_in(message: mail.EmailMessage) -> str:
    found = re.search(r"http://localhost:8000(/account/password/reset/key/\S+)", str(message.body))
    assert found, message.body
    return found[1]


def test_a_reset_mail_works_once_and_ends_other_sessions(world: World, client_for: Callable[..., Client]) -> None:
    elsewhere = client_for(world.camille)
    client = Client()
    response = client.post("/account/password/reset/", {"email": world.camille.email}, headers={"Host": "testserver"})
    assert response.status_code == 302
    (message,) = mail.outbox
    assert message.to == [world.camille.email]
    assert message.from_email.startswith("Northwind Software <")
    assert "testserver" not in str(message.body), "the host of a request never stands in a mail"
    link = link_in(message)
    form = client.get(link, follow=True)
    assert "set-password" in form.redirect_chain[-1][0], "the key leaves the address"
    done = client.post(
        form.redirect_chain[-1][0], {"password1": "a much better secret", "password2": "a much better secret"}
    )
    assert done.status_code == 302
    assert Client().post(LOGIN, {"login": world.camille.email, "password": "a much better secret"}).status_code == 302
    assert elsewhere.get("/my/account/").headers["Location"].startswith(LOGIN)
    again = Client().get(link, follow=True)
    assert not again.redirect_chain
    assert 'name="password1"' not in again.content.decode()


def test_asking_for_a_reset_tells_nothing_about_who_has_a_login(world: World) -> None:
    answers = []
    for email in (world.camille.email, "nobody@nowhere.example"):
        response = Client().post("/account/password/reset/", {"email": email}, follow=True)
        answers.append((response.status_code, response.redirect_chain, body(response, email)))
    assert answers[0] == answers[1]
    assert len(mail.outbox) == 2, "the same work for both, so that the time tells nothing either"
    assert "/account/password/reset/key/" not in str(mail.outbox[1].body)
    assert "/account/signup/" not in str(mail.outbox[1].body)


def test_a_short_or_common_password_is_refused(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    for weak in ("short", "password123"):
        response = client.post(
            "/account/password/change/", {"oldpassword": PASSWORD, "password1": weak, "password2": weak}
        )
        assert response.status_code == 200
    world.camille.refresh_from_db()
    assert world.camille.check_password(PASSWORD)


def test_changing_the_password_keeps_this_session_and_tells_by_mail(
    world: World, client_for: Callable[..., Client]
) -> None:
    client, other = client_for(world.camille), client_for(world.camille)
    new = "a much better secret"
    response = client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert response.headers["Location"] == "/my/account/"
    assert client.get("/my/account/").status_code == 200
    assert other.get("/my/account/").headers["Location"].startswith(LOGIN)
    letter = Letter.objects.get(event="credentials_changed")
    assert (letter.to_address, letter.person) == (world.camille.email, world.camille.pk)
    assert mail.outbox == [], "the worker sends it"
