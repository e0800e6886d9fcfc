"""One message on the desk: what it says, each attempt with its answer, and once more."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from portico.billing.actions import hooks
from portico.billing.tests.my.pages import queries_of, text_of
from portico.cast import World
from portico.kit.delivering import send_webhooks
from portico.kit.models import WebhookAttempt, WebhookDelivery
from portico.kit.tests.receiver import Receiver, receiving

Browser = Callable[..., Client]


def test_every_attempt_is_seen_with_its_answer_and_the_message_sent_again(
    world: World, client_for: Browser, settings: Any
) -> None:
    settings.PORTICO_HOOK_LOOPBACK = True
    client = client_for(world.admin)
    with receiving(Receiver(lambda _got: (503, {}, b"<b>come back later</b>"))) as receiver:
        endpoint = hooks.add_endpoint(
            seller=world.seller, url=receiver.url, types=["order.confirmed"], by=world.admin, now=world.now
        )
        delivery = hooks.send_test(endpoint=endpoint, now=world.now)
        here = f"/staff/webhooks/deliveries/{delivery.webhook_id}/"
        assert "written at the first attempt" in text_of(client.get(here))
        send_webhooks(world.now)
        page = client.get(here)
        assert "Answered with 503 instead of 2xx." in text_of(page)
        assert "&lt;b&gt;come back later" in page.content.decode()
        assert client.post(f"{here}replay/").status_code == 409, "it waits to be sent anyway"
        WebhookDelivery.objects.update(state="failed", next_attempt_at=None)
        assert client.post(f"{here}replay/").status_code == 302
        assert send_webhooks(world.now) == 1
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert WebhookAttempt.objects.count() == 2
    assert queries_of(client, here) <= 4


def test_another_sellers_message_is_missing(world: World, client_for: Browser) -> None:
    endpoint = hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/", types=["order.confirmed"], by=world.admin, now=world.now
    )
    delivery = hooks.send_test(endpoint=endpoint, now=world.now)
    type(endpoint).objects.update(seller=world.seller.pk + 1)
    client = client_for(world.admin)
    assert client.get(f"/staff/webhooks/deliveries/{delivery.webhook_id}/").status_code == 404
    assert client.post(f"/staff/webhooks/deliveries/{delivery.webhook_id}/replay/").status_code == 404
