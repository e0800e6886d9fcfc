"""A person's own requests: a copy that is whole and fetched once, a closed account, an erasure that can be taken back."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client

from portico.accounts.models import Membership, User
from portico.billing.models import Invoice
from portico.billing.tests.my.pages import text_of
from portico.cast import World
from portico.privacy import exporting, jobs
from portico.privacy.models import Closing, ErasureRequest, Export

Browser = Callable[..., Client]
HERE = "/my/account/privacy/"
SECRET = {"password": "portico-demo"}
pytestmark = pytest.mark.usefixtures("clock")


# A copy ----------------------------------------------------------------------------------------------------------------


def copy_of(client: Client, world: World) -> zipfile.ZipFile:
    """Ask, let the worker make it, fetch it."""
    assert client.post(f"{HERE}export/", SECRET).status_code == 302
    assert "Being made: 0 of 0 files" in text_of(client.get(HERE))
    assert jobs.exports(world.now) == 1
    page = client.get(HERE).content.decode()
    link = page.split(f'href="{HERE}download/')[1].split('"')[0]
    answer = client.get(f"{HERE}download/{link}")
    assert answer.status_code == 200
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/zip", "private, no-store")
    for _again in range(2):
        assert client.get(f"{HERE}download/{link}").status_code == 404, "the link works once"
    assert not Export.objects.get().path.exists()
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_a_copy_is_whole_and_holds_nobody_else(world: World, client_for: Browser) -> None:
    archive = copy_of(client_for(world.julien), world)
    issued = set(Invoice.objects.filter(customer=world.fontaine, state="issued").values_list("number", flat=True))
    assert {f"invoices/{number}.pdf" for number in issued} <= set(archive.namelist())
    assert all(archive.read(name).startswith(b"%PDF-") for name in archive.namelist() if name.endswith(".pdf"))
    data = json.loads(archive.read("data.json"))
    assert data["profile"][0]["email"] == "julien@fontaine.example"
    assert "password" not in data["profile"][0]
    assert [row["body"] for row in data["conversation.message.author"]] == [
        "Looks right to me. Camille signs on Tuesday."
    ]
    text = archive.read("data.json").decode()
    for stranger in ("lena@", "Lindner", "ingrid@", "camille@", "hanna@", world.julien.password):
        assert stranger not in text, stranger
    assert "data.json" in archive.read("README.txt").decode()


@pytest.mark.parametrize("given", ["", "wrong"])
def test_every_request_asks_for_the_password_again(world: World, client_for: Browser, given: str) -> None:
    client = client_for(world.julien)
    for task in ("export", "close", "erase"):
        answer = client.post(f"{HERE}{task}/", {"password": given})
        assert answer.status_code == 400
        assert "This is not your password." in text_of(answer)
    assert (Export.objects.count(), Closing.objects.count(), ErasureRequest.objects.count()) == (0, 0, 0)
    assert User.objects.get(pk=world.julien.pk).is_active


def test_another_person_s_copy_and_a_stale_one_are_not_there(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client = client_for(world.julien)
    client.post(f"{HERE}export/", SECRET)
    assert client.post(f"{HERE}export/", SECRET).status_code == 409, "one at a time"
    jobs.exports(world.now)
    link = client.get(HERE).content.decode().split(f'href="{HERE}download/')[1].split('"')[0]
    assert client_for(world.camille).get(f"{HERE}download/{link}").status_code == 404
    later = world.now + timedelta(days=7, seconds=1)
    clock.move_to(later)
    assert client_for(world.julien).get(f"{HERE}download/{link}").status_code == 404
    assert jobs.exports(later) == 1, "it is taken away"
    assert not Export.objects.get().path.exists()
    assert Export.objects.get().state == "expired"


def test_a_copy_whose_worker_died_is_begun_anew_and_one_that_fails_says_so(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for(world.julien)
    client.post(f"{HERE}export/", SECRET)
    Export.objects.update(state="running", begun_at=world.now)
    assert jobs.exports(world.now + timedelta(minutes=29)) == 0
    assert jobs.exports(world.now + timedelta(minutes=31)) == 1
    assert Export.objects.get().state == "ready"
    Export.objects.update(state="queued")
    monkeypatch.setattr(exporting, "issued_pdf", lambda _invoice: 1 // 0)
    assert jobs.exports(world.now) == 1
    assert (Export.objects.get().state, Export.objects.get().error) == ("failed", "ZeroDivisionError")
    assert "It could not be made." in text_of(client.get(HERE))


# Closing ---------------------------------------------------------------------------------------------------------------


def test_a_closed_account_signs_in_no_more_until_the_mailed_link_opens_it(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client, elsewhere = client_for(world.julien), client_for(world.julien)
    answer = client.post(f"{HERE}close/", SECRET)
    assert "Your account is closed" in text_of(answer)
    for one in (client, elsewhere):
        assert one.get("/my/").headers["Location"].startswith("/account/login/"), "every session has ended"
    (letter,) = mail.outbox
    assert letter.to == ["julien@fontaine.example"]
    link = next(line for line in str(letter.body).splitlines() if "/share/reopen/" in line)
    path = link[link.index("/share/") :]
    clock.move_to(world.now + timedelta(days=29))
    stranger = Client()
    assert "Open my account again" in stranger.get(path).content.decode()
    assert not User.objects.get(pk=world.julien.pk).is_active, "looking opens nothing"
    assert stranger.post(path).status_code == 200
    assert User.objects.get(pk=world.julien.pk).is_active
    assert stranger.post(path).status_code == 404, "once"
    assert Membership.objects.filter(user=world.julien).exists()


def test_after_thirty_days_the_link_opens_nothing(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client_for(world.julien).post(f"{HERE}close/", SECRET)
    path = str(mail.outbox[0].body).split("/share/")[1].split()[0]
    clock.move_to(world.now + timedelta(days=31))
    for address in (f"/share/{path}", "/share/reopen/forged/"):
        assert Client().get(address).status_code == 404
        assert Client().post(address).status_code == 404
    assert not User.objects.get(pk=world.julien.pk).is_active


def test_the_only_owner_hands_over_first(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).post(f"{HERE}close/", SECRET)
    assert answer.status_code == 409
    assert "the only owner of Atelier Fontaine SARL" in text_of(answer)
    assert User.objects.get(pk=world.camille.pk).is_active
    assert client_for(world.lena).post(f"{HERE}close/", SECRET).status_code == 200, "alone, nobody is left behind"


# Erasure ---------------------------------------------------------------------------------------------------------------


def test_a_request_shows_its_clock_what_goes_and_what_stays_and_is_taken_back(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.camille)
    shown = text_of(client.get(HERE))
    assert "Your acceptance of quotations" in shown
    assert "Code de commerce, art. L123-22" in shown
    assert client.post(f"{HERE}erase/", SECRET).status_code == 302
    asked = ErasureRequest.objects.get()
    assert (asked.state, asked.received_on, asked.due_on) == ("received", date(2026, 11, 9), date(2026, 12, 9))
    shown = text_of(client.get(HERE))
    assert asked.receipt in shown
    assert "9 Dec 2026" in shown
    assert client.post(f"{HERE}erase/", SECRET).status_code == 409
    assert jobs.erasures(world.now) == 0, "nothing is erased before staff decide"
    assert client.post(f"{HERE}withdraw/").status_code == 302
    asked.refresh_from_db()
    assert asked.state == "withdrawn"
    assert client.post(f"{HERE}withdraw/").status_code == 409


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2028, 1, 31), date(2028, 2, 29)),
        (date(2026, 8, 31), date(2026, 9, 30)),
    ],
)
def test_the_clock_is_one_calendar_month(world: World, clock: Any, received: date, due: date) -> None:
    from portico.privacy import actions

    now = world.now.replace(year=received.year, month=received.month, day=received.day)
    asked = actions.ask_erasure(user=world.julien, seller=world.seller, password="portico-demo", now=now)  # the demo's
    assert (asked.received_on, asked.due_on) == (received, due)
