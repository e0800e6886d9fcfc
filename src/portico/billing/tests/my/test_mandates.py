"""An owner's mandate on its page: given with a limit and a tick, seen with what is left of it, ended at any time."""

from collections.abc import Callable

from django.test import Client

from portico.billing.actions import report
from portico.billing.models import Mandate
from portico.billing.tests.my.pages import queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
PAGE = "/my/account/mandates/"


def test_an_owner_gives_a_mandate_and_ends_it(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    assert PAGE in client.get("/my/account/").content.decode()
    assert "A mandate counts once we change that." in text_of(client.get(PAGE))
    for wrong in (
        {"limit": "500"},
        {"limit": "", "consent": "on"},
        {"limit": "0", "consent": "on"},
        {"limit": "x", "consent": "on"},
    ):
        assert client.post(PAGE, wrong).status_code == 400
    assert not Mandate.objects.exists()
    report.set_policy(seller=world.seller, policy="auto_accept", grace_days=14, by=world.admin, now=world.now)
    told = text_of(client.post(PAGE, {"limit": "500.00", "consent": "on"}, follow=True))
    assert "The mandate is given." in told
    assert "€500.00" in told
    assert "Given by Camille" in told
    assert "counts once we change" not in told
    assert Mandate.objects.get().limit_minor == 500_00
    assert queries_of(client, PAGE) <= 8
    told = text_of(client.post(f"{PAGE}revoke/", follow=True))
    assert "The mandate is ended." in told
    assert "Mandates before" in told
    assert client.post(f"{PAGE}revoke/").status_code == 409


def test_nobody_else_sees_or_gives_one(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"limit": "500", "consent": "on"}).status_code == 403
    assert PAGE not in client.get("/my/account/").content.decode()
