"""Keys of the API on the desk and on the command line."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portico.accounts import api_keys
from portico.accounts.models import SCOPES, ApiKey, Event
from portico.cast import World
from portico.kit.tokens import digest

FORM = {"name": "ERP", "scopes": ["customers:read", "payments:write"], "per_minute": "120"}


def secret_in(page: str) -> str:
    """The secret that a page shows."""
    found = re.findall(r"portico_[A-Za-z0-9_-]{43}", page)
    assert len(set(found)) == 1
    return str(found[0])


def test_a_key_is_made_and_its_secret_shown_once(people: World, client_for: Callable[..., Client]) -> None:
    admin = client_for(people.admin)
    answer = admin.post("/staff/api-keys/new/", FORM)
    secret = secret_in(answer.content.decode())
    key = ApiKey.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert (key.name, key.scopes, key.requests_per_minute) == ("ERP", FORM["scopes"], 120)
    assert key.digest == digest(secret)
    for address in ("/staff/api-keys/", f"/staff/api-keys/{key.pk}/"):
        page = admin.get(address).content.decode()
        assert secret not in page
        assert key.hint in page
    made = Event.objects.get(name="api_key.created")
    assert (made.actor, made.visible, made.data["scopes"]) == (people.admin, False, FORM["scopes"])


@pytest.mark.parametrize(
    "wrong",
    [{"name": " "}, {"name": "x" * 61}, {"scopes": []}, {"scopes": ["all"]}, {"per_minute": "0"}, {"per_minute": "x"}],
)
def test_what_a_key_cannot_be(wrong: dict[str, Any], people: World, client_for: Callable[..., Client]) -> None:
    answer = client_for(people.admin).post("/staff/api-keys/new/", FORM | wrong)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_two_working_keys_have_two_names(people: World, client_for: Callable[..., Client]) -> None:
    admin = client_for(people.admin)
    admin.post("/staff/api-keys/new/", FORM)
    assert admin.post("/staff/api-keys/new/", FORM | {"name": "erp"}).status_code == 400
    admin.post(f"/staff/api-keys/{ApiKey.objects.get().pk}/revoke/")
    assert admin.post("/staff/api-keys/new/", FORM).status_code == 201


def test_a_rotation_shows_a_new_secret_and_says_how_long_the_old_one_works(
    people: World, client_for: Callable[..., Client]
) -> None:
    admin = client_for(people.admin)
    key, old = api_keys.create(
        seller=people.seller, name="ERP", scopes=["customers:read"], per_minute=60, by=people.admin, now=people.now
    )
    where = f"/staff/api-keys/{key.pk}/"
    answer = admin.post(f"{where}rotate/", {"overlap": "24"})
    new = secret_in(answer.content.decode())
    assert new != old
    for secret in (old, new):
        assert ApiKey.objects.of_secret(secret, people.now + timedelta(hours=23)) == key
    assert ApiKey.objects.of_secret(old, people.now + timedelta(hours=24)) is None
    assert "The old secret works until" in admin.get(where).content.decode()
    assert admin.post(f"{where}rotate/", {"overlap": "9999"}).status_code == 400
    admin.post(f"{where}rotate/", {"overlap": "0"})
    assert ApiKey.objects.of_secret(new, people.now) is None


def test_of_two_rotations_at_once_one_is_told(people: World) -> None:
    key, _secret = api_keys.create(
        seller=people.seller, name="ERP", scopes=["customers:read"], per_minute=60, by=people.admin, now=people.now
    )
    same = ApiKey.objects.get(pk=key.pk)
    api_keys.rotate(key=key, overlap_hours="1", by=people.admin, now=people.now)
    with pytest.raises(Exception, match="changed meanwhile"):
        api_keys.rotate(key=same, overlap_hours="1", by=people.admin, now=people.now)


def test_a_revoked_key_stays_in_the_history_and_is_not_used_again(
    people: World, client_for: Callable[..., Client]
) -> None:
    admin = client_for(people.admin)
    admin.post("/staff/api-keys/new/", FORM)
    where = f"/staff/api-keys/{ApiKey.objects.get().pk}/"
    assert admin.post(f"{where}revoke/").status_code == 302
    assert admin.post(f"{where}revoke/").status_code == 409
    assert admin.post(f"{where}rotate/", {"overlap": "1"}).status_code == 409
    page = admin.get(where).content.decode()
    assert f"{where}rotate/" not in page
    assert page.count("Revoked") >= 2
    assert 'data-status="revoked"' in admin.get("/staff/api-keys/?status=revoked").content.decode()
    assert "data-number" not in admin.get("/staff/api-keys/?status=working").content.decode()


def test_the_list_asks_the_same_however_long_it_is(
    people: World, client_for: Callable[..., Client], django_assert_max_num_queries: Any
) -> None:
    admin = client_for(people.admin)
    for number in range(12):
        admin.post("/staff/api-keys/new/", FORM | {"name": f"System {number}"})
    with django_assert_max_num_queries(4):
        assert admin.get("/staff/api-keys/").content.decode().count("data-number") == 12


def test_only_an_administrator_makes_keys(people: World, client_for: Callable[..., Client]) -> None:
    for person in (people.hanna, people.omar):
        assert client_for(person).post("/staff/api-keys/new/", FORM).status_code == 403
        with pytest.raises(Exception, match="administrator"):
            api_keys.create(
                seller=people.seller, name="X", scopes=["orders:read"], per_minute=1, by=person, now=people.now
            )
    assert not ApiKey.objects.exists()


# The command line ------------------------------------------------------------------------------------------------------


def test_the_command_prints_the_secret_alone(people: World) -> None:
    out, err = StringIO(), StringIO()
    call_command("api_key", "Provisioning", "databases:read", "databases:write", stdout=out, stderr=err)
    key = ApiKey.objects.of_secret(out.getvalue().strip(), people.now)
    assert key is not None
    assert key.scopes == ["databases:read", "databases:write"]
    assert "not shown again" in err.getvalue()
    assert Event.objects.get(name="api_key.created").actor_kind == "system"
    call_command("api_key", "Everything", "all", stdout=StringIO(), stderr=err)
    assert ApiKey.objects.get(name="Everything").scopes == list(SCOPES)


def test_the_command_says_what_is_wrong(people: World) -> None:
    with pytest.raises(CommandError, match="no scope everything"):
        call_command("api_key", "X", "everything")
    call_command("api_key", "X", "all", stdout=StringIO(), stderr=StringIO())
    with pytest.raises(CommandError, match="of this name"):
        call_command("api_key", "X", "all")
    assert ApiKey.objects.count() == 1
