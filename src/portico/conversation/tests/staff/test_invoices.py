"""The thread of an invoice on the desk."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_staff_reads_and_answers(world: World, client_for: Callable[..., Client]) -> None:
    address = f"/staff/invoices/{world.invoice('On-site training in Lyon').number}/thread/"
    client = client_for(world.omar)
    assert client.post(address, {"body": "We will call you."}).status_code == 302
    assert "We will call you." in client.get(address).content.decode()
    assert client.get("/staff/invoices/X-1/thread/").status_code == 404
