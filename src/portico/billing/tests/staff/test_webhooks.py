"""Webhooks on the desk: added with a secret that is shown once, tested, changed, switched, replayed."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from portico.accounts.models import Event
from portico.billing.actions import hooks
from portico.billing.hooks import TYPES
from portico.billing.tests.my.pages import next_of, queries_of, rows_of, text_of
from portico.cast import World
from portico.kit.delivering import send_webhooks
from portico.kit.models import WebhookDelivery, WebhookEndpoint
from portico.kit.tests.receiver import receiving, verified

Browser = Callable[..., Client]
WEBHOOKS = "/staff/webhooks/"


@pytest.fixture
def endpoint(world: World) -> WebhookEndpoint:
    """One that is told everything."""
    return hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/portal", types=list(TYPES), by=world.admin, now=world.now
    )


def happened(world: World, times: int = 1) -> None:
    """Something to tell."""
    for _each in range(times):
        Event.record("invoice.issued", world.invoice("Go-live support, day 1"), now=world.now, customer=world.fontaine)


def test_an_endpoint_is_added_tested_and_its_answer_seen(world: World, client_for: Browser, settings: Any) -> None:
    settings.PORTICO_HOOK_LOOPBACK = True
    client = client_for(world.admin)
    assert "No endpoint yet" in text_of(client.get(WEBHOOKS))
    with receiving() as receiver:
        added = client.post(f"{WEBHOOKS}new/", {"url": receiver.url, "type": ["invoice.paid", "subscription.updated"]})
        found = re.search(r"whsec_[A-Za-z0-9+/=]+", added.content.decode())
        assert found is not None
        assert added.headers["Cache-Control"] == "no-store"
        one = WebhookEndpoint.objects.get()
        assert one.types == ["invoice.paid", "subscription.updated"]
        for where in (WEBHOOKS, f"{WEBHOOKS}{one.pk}/", f"{WEBHOOKS}{one.pk}/edit/"):
            assert "whsec_" not in client.get(where).content.decode(), "it is shown once"
        sent = client.post(f"{WEBHOOKS}{one.pk}/test/")
        assert send_webhooks(world.now) == 1
    assert verified(receiver.got[0], found[0], now=world.now.timestamp())
    page = text_of(client.get(sent.headers["Location"]))
    assert "webhook.test" in page
    assert "Received" in page
    assert "200" in page
    assert "2 of" in text_of(client.get(WEBHOOKS))


def test_an_address_that_cannot_be_one_is_refused_beside_what_was_typed(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    for url, word in (
        ("http://hooks.example/", "https://"),
        ("https://10.0.0.1/", "public"),
        ("https://a@b.example/", "password"),
    ):
        answer = client.post(f"{WEBHOOKS}new/", {"url": url, "type": ["invoice.paid"]})
        assert answer.status_code == 400
        assert word in text_of(answer)
        assert url in answer.content.decode()
    assert client.post(f"{WEBHOOKS}new/", {"url": "https://hooks.example/"}).status_code == 400
    assert not WebhookEndpoint.objects.exists()


def test_a_new_secret_leaves_the_old_one_a_day(world: World, client_for: Browser, endpoint: WebhookEndpoint) -> None:
    client, old = client_for(world.admin), endpoint.secret
    page = client.post(f"{WEBHOOKS}{endpoint.pk}/rotate/").content.decode()
    endpoint.refresh_from_db()
    assert endpoint.secret in page
    assert old not in page
    assert endpoint.secrets_at(world.now) == [endpoint.secret, old]
    assert "Two sign until" in text_of(client.get(f"{WEBHOOKS}{endpoint.pk}/"))


def test_it_is_changed_switched_and_removed(world: World, client_for: Browser, endpoint: WebhookEndpoint) -> None:
    client, here = client_for(world.admin), f"{WEBHOOKS}{endpoint.pk}/"
    client.post(f"{here}edit/", {"url": "https://other.example/", "type": ["order.confirmed"]})
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.types) == ("https://other.example/", ["order.confirmed"])
    assert client.post(f"{here}edit/", {"url": "ftp://x/", "type": ["order.confirmed"]}).status_code == 400
    assert client.post(f"{here}remove/").status_code == 409
    client.post(f"{here}switch/", {"on": "0"})
    assert client.post(f"{here}switch/", {"on": "0"}).status_code == 409
    assert client.post(f"{here}test/").status_code == 409
    assert "Switch on" in text_of(client.get(here))
    client.post(f"{here}switch/", {"on": "1"})
    client.post(f"{here}switch/", {"on": "0"})
    client.post(f"{here}remove/")
    assert client.get(here).status_code == 404


def test_its_messages_are_a_list_with_filter_search_and_pages(
    world: World, client_for: Browser, endpoint: WebhookEndpoint
) -> None:
    happened(world, 30)
    first = endpoint.deliveries.earliest("pk")
    WebhookDelivery.objects.filter(pk=first.pk).update(state="failed", next_attempt_at=None, error="timeout")
    client, here = client_for(world.admin), f"{WEBHOOKS}{endpoint.pk}/"
    page = client.get(here)
    assert len(rows_of(page)) == 20
    assert len(rows_of(client.get(here + next_of(page)))) == 10
    failed = client.get(f"{here}?status=failed")
    assert rows_of(failed) == [(first.webhook_id, "failed")]
    assert "within 15 seconds" in text_of(failed)
    assert rows_of(client.get(f"{here}?q={first.webhook_id}")) == [(first.webhook_id, "failed")]
    assert "Nothing matches" in text_of(client.get(f"{here}?q=nothing-of-it"))
    assert client.get(f"{here}?status=lost").status_code == 400


def test_a_list_costs_the_same_however_long(world: World, client_for: Browser, endpoint: WebhookEndpoint) -> None:
    client = client_for(world.admin)
    happened(world, 2)
    few = {where: queries_of(client, where) for where in (WEBHOOKS, f"{WEBHOOKS}{endpoint.pk}/")}
    happened(world, 60)
    many = {where: queries_of(client, where) for where in few}
    assert few == many
    assert max(many.values()) <= 4


def test_what_failed_is_sent_again_since_a_moment(world: World, client_for: Browser, endpoint: WebhookEndpoint) -> None:
    happened(world, 3)
    endpoint.deliveries.update(state="failed", next_attempt_at=None)
    client, here = client_for(world.admin), f"{WEBHOOKS}{endpoint.pk}/"
    answer = client.post(f"{here}replay/", {"since": "2026-11-09T10:59"}, follow=True)
    assert "3 messages are sent again." in text_of(answer)
    assert set(endpoint.deliveries.values_list("state", flat=True)) == {"queued"}
    assert "Nothing failed since then." in text_of(
        client.post(f"{here}replay/", {"since": "2026-11-09T10:59"}, follow=True)
    )
    for wrong in ("", "yesterday", "0000-00-00T00:00"):
        assert client.post(f"{here}replay/", {"since": wrong}).status_code == 400


def test_an_endpoint_that_no_longer_works_stands_on_today(
    world: World, client_for: Browser, endpoint: WebhookEndpoint
) -> None:
    client = client_for(world.admin)
    assert "webhook endpoint" not in text_of(client.get("/staff/"))
    endpoint.give_up("failing", now=world.now)
    page = text_of(client.get("/staff/"))
    assert "1 webhook endpoint no longer works" in page
    assert endpoint.url in page
    assert "took nothing for three days" in text_of(client.get(f"{WEBHOOKS}{endpoint.pk}/"))


def test_another_sellers_endpoint_is_missing(world: World, client_for: Browser, endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(seller=world.seller.pk + 1)
    client = client_for(world.admin)
    assert client.get(f"{WEBHOOKS}{endpoint.pk}/").status_code == 404
    assert client.get(f"{WEBHOOKS}{2**70}/").status_code == 404
    assert client.post(f"{WEBHOOKS}{endpoint.pk}/rotate/").status_code == 404
    assert client_for(world.hanna).get(WEBHOOKS).status_code == 403
