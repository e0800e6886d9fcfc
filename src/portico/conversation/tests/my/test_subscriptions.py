"""The thread of a subscription, addressed by its database."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_a_subscription_tells_how_it_began(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    page = client.get("/my/subscriptions/atelier-fontaine/thread/").content.decode()
    assert "The subscription began with order SO-" in page
    assert client.post("/my/subscriptions/atelier-fontaine/thread/", {"body": "One user more?"}).status_code == 302
    assert client_for(world.lena).get("/my/subscriptions/atelier-fontaine/thread/").status_code == 404
