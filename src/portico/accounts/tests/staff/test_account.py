"""My Account of the seller's people."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_staff_edits_its_profile_and_theme(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.hanna)
    assert "Hanna Lindqvist, sales at Northwind Software" in client.get("/staff/account/").content.decode()
    saved = client.post("/staff/account/", {"name": "Hanna L.", "title": "Sales", "phone": "", "language": "de"})
    assert saved.headers["Location"] == "/staff/account/"
    themed = client.post("/staff/account/theme/", {"theme": "dark"})
    assert themed.headers["Location"] == "/staff/account/"
    world.hanna.refresh_from_db()
    assert (world.hanna.name, world.hanna.language, world.hanna.theme) == ("Hanna L.", "de", "dark")


def test_what_cannot_be_saved_is_told(world: World, client_for: Callable[..., Client]) -> None:
    response = client_for(world.hanna).post("/staff/account/", {"name": " ", "language": "en"})
    assert response.status_code == 400
    world.hanna.refresh_from_db()
    assert world.hanna.name == "Hanna Lindqvist"
