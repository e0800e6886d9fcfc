"""The thread of an order tells what happened to its invoices and payments too."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_invoices_and_payments_of_an_order_stand_in_its_thread(world: World, client_for: Callable[..., Client]) -> None:
    order = world.order("Manufacturing set-up")
    client = client_for(world.camille)
    page = client.get(f"/my/orders/{order.number}/thread/").content.decode()
    for words in (f"placed order {order.number}", "A payment arrived", "recorded a delivery", "was issued"):
        assert words in page, words
    assert client.post(f"/my/orders/{order.number}/thread/", {"body": "When do you come?"}).status_code == 302
    assert client_for(world.lena).get(f"/my/orders/{order.number}/thread/").status_code == 404
