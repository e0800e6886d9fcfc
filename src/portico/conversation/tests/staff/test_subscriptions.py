"""The thread of a subscription on the desk."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_staff_reads_and_answers(world: World, client_for: Callable[..., Client]) -> None:
    address = "/staff/subscriptions/atelier-fontaine/thread/"
    client = client_for(world.hanna)
    assert client.post(address, {"body": "One user more is open."}).status_code == 302
    assert "One user more is open." in client.get(address).content.decode()
    assert client.get("/staff/subscriptions/no-such-database/thread/").status_code == 404
