"""Requests to be erased on the desk: recorded, extended, refused, carried out, each once."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client

from portico.accounts.models import User
from portico.billing.tests.my.pages import text_of
from portico.cast import World
from portico.privacy import jobs
from portico.privacy.models import ErasureRequest

Browser = Callable[..., Client]
HERE = "/staff/privacy/"
pytestmark = pytest.mark.usefixtures("clock")


def recorded(client: Client, **changes: str) -> ErasureRequest:
    sent = {"email": "julien@fontaine.example", "channel": "post", "received_on": "2026-11-02"} | changes
    answer = client.post(f"{HERE}new/", sent)
    made = ErasureRequest.objects.latest("pk")
    assert answer.headers["Location"] == f"{HERE}{made.pk}/"
    return made


def test_a_letter_is_recorded_with_the_day_it_came(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    made = recorded(client)
    assert (made.channel, made.received_on, made.due_on) == ("post", date(2026, 11, 2), date(2026, 12, 2))
    listed = text_of(client.get(HERE))
    assert made.receipt in listed
    assert "2 Dec 2026" in listed


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"email": "nobody@nowhere.example"}, 404),
        ({"email": "hanna@northwind.example"}, 404),
        ({"channel": "pigeon"}, 400),
        ({"channel": "portal"}, 400),
        ({"received_on": "2026-13-01"}, 400),
        ({"received_on": "2026-11-10"}, 400),
        ({"received_on": "2020-01-01"}, 400),
    ],
)
def test_what_cannot_be_is_not_recorded(
    world: World, client_for: Browser, changes: dict[str, str], status: int
) -> None:
    sent = {"email": "julien@fontaine.example", "channel": "post", "received_on": "2026-11-02"} | changes
    assert client_for(world.admin).post(f"{HERE}new/", sent).status_code == status
    assert not ErasureRequest.objects.exists()


def test_a_refusal_needs_a_reason_and_tells_it(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    made = recorded(client)
    assert client.post(f"{HERE}{made.pk}/", {"do": "refuse", "reason": " "}).status_code == 400
    assert client.post(f"{HERE}{made.pk}/", {"do": "refuse", "reason": "Not identified."}).status_code == 302
    made.refresh_from_db()
    assert (made.state, made.decided_by) == ("refused", world.admin)
    assert "Not identified." in str(mail.outbox[-1].body)
    assert "data protection authority" in str(mail.outbox[-1].body)
    for chosen in ("refuse", "carry_out"):
        assert client.post(f"{HERE}{made.pk}/", {"do": chosen, "reason": "again"}).status_code == 409


def test_it_is_extended_once_within_its_month(world: World, client_for: Browser, clock: time_machine.Traveller) -> None:
    client = client_for(world.admin)
    made = recorded(client)
    assert client.post(f"{HERE}{made.pk}/", {"do": "extend", "reason": "Many documents."}).status_code == 302
    made.refresh_from_db()
    assert (made.due_on, made.extended_on) == (date(2027, 2, 2), date(2026, 11, 9))
    assert client.post(f"{HERE}{made.pk}/", {"do": "extend", "reason": "Again."}).status_code == 409
    other = recorded(client, email="lena@lindner.example")
    clock.move_to(world.now + timedelta(days=40))
    assert client_for(world.admin).post(f"{HERE}{other.pk}/", {"do": "extend", "reason": "Late."}).status_code == 409
    assert "late" in text_of(client_for(world.admin).get(HERE))


def test_it_is_carried_out_and_the_proof_names_nobody(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    made = recorded(client)
    assert "Carry out the erasure" in text_of(client.get(f"{HERE}{made.pk}/"))
    assert client.post(f"{HERE}{made.pk}/", {"do": "carry_out"}).status_code == 302
    assert "This is erased now:" in str(mail.outbox[-1].body)
    assert client.post(f"{HERE}{made.pk}/", {"do": "carry_out"}).status_code == 409
    jobs.erasures(world.now)
    page = text_of(client.get(f"{HERE}{made.pk}/"))
    assert "Proof: rows by step" in page
    for name in ("Julien", "julien@"):
        assert name not in page
    assert not User.objects.get(pk=world.julien.pk).is_active
    assert client.post(f"{HERE}{made.pk}/", {"do": "harm"}).status_code == 400


@pytest.mark.parametrize("person", ["hanna", "omar"])
def test_only_an_administrator_decides(world: World, client_for: Browser, person: str) -> None:
    made = recorded(client_for(world.admin))
    client = client_for(getattr(world, person))
    for address in (HERE, f"{HERE}new/", f"{HERE}{made.pk}/"):
        assert client.get(address).status_code == 403
        assert client.post(address, {"do": "carry_out"}).status_code in {403, 405}
    made.refresh_from_db()
    assert made.state == "received"
