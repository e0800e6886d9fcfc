"""What the vendor's own systems are told of a sale: everything that is listed, in its transaction, thin and without a name."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Event
from portico.billing.actions import change, hooks, remind, renew
from portico.billing.hooks import OTHER_NAMES, TYPES, listen, type_of
from portico.billing.models import Invoice, Product, Subscription
from portico.billing.tests.my.pages import at_once
from portico.cast import World, accept, paid_online, transfer
from portico.kit.delivering import prepare, send_webhooks
from portico.kit.errors import Conflict, Invalid
from portico.kit.models import Letter, WebhookDelivery, WebhookEndpoint
from portico.kit.tests.receiver import Receiver, receiving, verified


def endpoint_of(world: World, *types: str, url: str = "https://hooks.example/portal") -> WebhookEndpoint:
    return hooks.add_endpoint(seller=world.seller, url=url, types=types or tuple(TYPES), by=world.admin, now=world.now)


def told(endpoint: WebhookEndpoint) -> list[str]:
    """The types queued for an endpoint, in their order."""
    return list(endpoint.deliveries.order_by("pk").values_list("type", flat=True))


def payload(delivery: WebhookDelivery, now: datetime) -> Any:
    """What is sent."""
    post = prepare(delivery, now=now)
    assert post is not None
    return json.loads(post.body)


def data_of(endpoint: WebhookEndpoint, kind: str, now: datetime) -> Any:
    return payload(endpoint.deliveries.filter(type=kind).latest("pk"), now)["data"]


def test_a_change_accepted_and_paid_tells_what_to_install(world: World) -> None:
    """From the quotation to the seat: what the vendor's system needs stands in subscription.updated."""
    subscription = world.subscription("atelier-fontaine")
    users = Product.objects.get(seller=world.seller, kind="users")
    before = sum(item.quantity for item in subscription.items.filter(product=users, ended_on=None))
    endpoint = endpoint_of(world)
    quotation = change.request_change(
        subscription=subscription,
        wanted={users: before + 2},
        seen_minor=None,
        by=world.member(world.camille),
        now=world.now,
    )
    assert quotation is not None
    made = accept(world, quotation, world.now)
    assert told(endpoint) == ["quotation.sent", "quotation.accepted"]
    paid_online(world, made, world.now)
    assert set(told(endpoint)[2:]) == {
        "payment.succeeded", "order.confirmed", "subscription.updated", "order.fulfilled", "invoice.issued", "invoice.paid",
    }  # fmt: skip
    data = data_of(endpoint, "subscription.updated", world.now)
    assert data["database"] == "atelier-fontaine"
    assert data["order"] == made.number
    assert data["state"] == "active"
    seats = [item for item in data["items"] if item["kind"] == "users"]
    assert {item["product"] for item in seats} == {users.code}
    assert sum(int(item["quantity"]) for item in seats) == before + 2


def test_a_renewal_run_tells_each_database(world: World) -> None:
    rows = list(Subscription.objects.filter(customer__seller=world.seller, state="active"))
    assert len(rows) > 1
    Subscription.objects.filter(pk__in=[row.pk for row in rows]).update(auto_renew=True)
    endpoint = endpoint_of(world, "subscription.updated", "invoice.issued")
    day = max(row.period_end for row in rows if row.period_end) + timedelta(days=1)
    renew.renew_due(world.seller, now=world.now.replace(year=day.year, month=day.month, day=day.day))
    went_on = Event.objects.filter(name="subscription.went_on", at__gt=world.now).count()
    assert went_on
    assert told(endpoint).count("subscription.updated") == went_on
    assert data_of(endpoint, "subscription.updated", world.now)["invoice"].startswith("INV-")


def test_where_nobody_listens_an_event_costs_one_statement_more(world: World) -> None:
    invoice = world.invoice("Go-live support, day 1")

    def record(name: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            Event.record(name, invoice, now=world.now, customer=world.fontaine)
        return len(asked)

    quiet, loud = record("invoice.disputed"), record("invoice.issued")
    assert (quiet, loud) == (1, 2)


def test_papers_and_money_are_told_with_numbers_and_no_names(world: World) -> None:
    endpoint = endpoint_of(world)
    invoice = world.invoice("Go-live support, day 1")
    transfer(world, invoice, invoice.amount_due_minor, world.now)
    assert sorted(told(endpoint)) == ["invoice.paid", "payment.succeeded"]
    paid = data_of(endpoint, "invoice.paid", world.now)
    assert (paid["number"], paid["payment_state"], paid["amount_due_minor"]) == (invoice.number, "paid", 0)
    assert data_of(endpoint, "payment.succeeded", world.now)["state"] == "succeeded"
    bodies = " ".join(endpoint.deliveries.values_list("body", flat=True))
    for word in ("Fontaine", "Camille", "Julien", "@", invoice.title):
        assert word not in bodies


def test_an_invoice_becomes_overdue_once(world: World) -> None:
    endpoint = endpoint_of(world, "invoice.overdue")
    Invoice.objects.filter(seller=world.seller).update(due_on=world.now.date() - timedelta(days=30))
    late = world.invoice("Go-live support, day 1")
    Invoice.objects.filter(pk=late.pk).update(due_on=world.now.date() - timedelta(days=1))
    assert remind.note_overdue(world.now) == 1
    assert remind.note_overdue(world.now) == 0
    assert told(endpoint) == ["invoice.overdue"]
    assert data_of(endpoint, "invoice.overdue", world.now)["number"] == late.number


@pytest.mark.django_db(transaction=True)
def test_two_workers_note_an_overdue_invoice_once(world: World) -> None:
    Invoice.objects.filter(seller=world.seller).update(due_on=world.now.date() - timedelta(days=30))
    late = world.invoice("Go-live support, day 1")
    Invoice.objects.filter(pk=late.pk).update(due_on=world.now.date() - timedelta(days=1))
    noted = at_once(*[lambda: remind.note_overdue(world.now)] * 3)
    assert sum(noted) == 1
    assert Event.objects.filter(name="invoice.overdue", object_id=str(late.pk)).count() == 1


def test_every_noun_of_the_history_can_be_drawn(world: World) -> None:
    """All that the cast lived through, told again: each payload reads, and none holds what a person is called."""
    endpoint = endpoint_of(world)
    listening = [event for event in Event.objects.select_related("customer").order_by("pk") if type_of(event.name)]
    with transaction.atomic():
        listen(listening)
    assert endpoint.deliveries.count() == len(listening) > 30
    seen = set()
    for delivery in endpoint.deliveries.select_related("endpoint"):
        whole = payload(delivery, world.now)
        assert set(whole) == {"type", "timestamp", "data"}
        assert whole["data"]["customer"]
        seen.add(delivery.noun)
    assert seen == {"quotation", "order", "invoice", "credit_note", "payment", "subscription"}
    bodies = " ".join(endpoint.deliveries.values_list("body", flat=True))
    for word in ("Camille", "Lena", "@", "SARL", "GmbH"):
        assert word not in bodies


def test_another_seller_hears_nothing(world: World) -> None:
    other = WebhookEndpoint.objects.create(
        seller=world.seller.pk + 1,
        url="https://other.example/",
        secret="whsec_",
        changed_at=world.now,
        created_at=world.now,
    )
    Event.record("invoice.issued", world.invoice("Go-live support, day 1"), now=world.now, customer=world.fontaine)
    assert told(other) == []


def test_every_other_name_leads_to_a_type() -> None:
    assert set(OTHER_NAMES.values()) <= set(TYPES)
    assert not set(OTHER_NAMES) & set(TYPES)
    assert type_of("quotation.viewed") is None


# Endpoints -------------------------------------------------------------------------------------------------------------


def test_an_endpoint_must_be_one_that_can_be_reached(world: World) -> None:
    for url in ("http://hooks.example/", "https://127.0.0.1/", "https://user@hooks.example/"):
        with pytest.raises(Invalid):
            endpoint_of(world, url=url)
    with pytest.raises(Invalid):
        endpoint_of(world, "invoice.teleported")
    assert not WebhookEndpoint.objects.exists()
    for _each in range(hooks.MOST_ENDPOINTS):
        endpoint_of(world)
    with pytest.raises(Conflict):
        endpoint_of(world)


def test_a_test_message_arrives_whatever_types_are_wanted(world: World, settings: Any) -> None:
    settings.PORTICO_HOOK_LOOPBACK = True
    with receiving(Receiver()) as receiver:
        endpoint = endpoint_of(world, "invoice.paid", url=receiver.url)
        hooks.send_test(endpoint=endpoint, now=world.now)
        assert endpoint.types == ["invoice.paid"]
        assert send_webhooks(world.now) == 1
    assert json.loads(receiver.got[0].body)["type"] == "webhook.test"
    assert verified(receiver.got[0], endpoint.secret, now=world.now.timestamp())


def test_what_failed_since_a_moment_is_sent_again_and_nothing_else(world: World) -> None:
    endpoint = endpoint_of(world)
    for days in (5, 2, 1):
        Event.record(
            "invoice.issued", world.invoice("Go-live support, day 1"), now=world.ago(days), customer=world.fontaine
        )
    endpoint.deliveries.update(state="failed", next_attempt_at=None, attempts=10)
    newest = endpoint.deliveries.latest("pk")
    WebhookDelivery.objects.filter(pk=newest.pk).update(state="delivered")
    assert hooks.replay_failed(endpoint=endpoint, since=world.ago(3), now=world.now) == 1
    assert list(endpoint.deliveries.order_by("pk").values_list("state", "attempts")) == [
        ("failed", 10), ("queued", 0), ("delivered", 10),
    ]  # fmt: skip
    hooks.replay(delivery=newest, now=world.now)
    with pytest.raises(Conflict):
        hooks.replay(delivery=newest, now=world.now)
    hooks.switch_endpoint(endpoint=endpoint, on=False, by=world.admin, now=world.now)
    assert set(endpoint.deliveries.values_list("state", flat=True)) == {"failed"}
    with pytest.raises(Conflict):
        hooks.replay_failed(endpoint=endpoint, since=world.ago(3), now=world.now)
    with pytest.raises(Conflict):
        hooks.send_test(endpoint=endpoint, now=world.now)


@pytest.mark.parametrize("state", WebhookEndpoint.DEAD)
def test_administrators_are_told_once_that_an_endpoint_no_longer_works(world: World, state: str) -> None:
    endpoint = endpoint_of(world)
    endpoint.give_up(state, now=world.now)
    assert hooks.tell_of_dead(world.now) == 1
    assert hooks.tell_of_dead(world.now) == 0
    letter = Letter.objects.get(event="webhook_dead")
    assert letter.to_address == world.admin.email
    endpoint.refresh_from_db()
    hooks.switch_endpoint(endpoint=endpoint, on=True, by=world.admin, now=world.now)
    endpoint.give_up(state, now=world.now + timedelta(days=3))
    assert hooks.tell_of_dead(world.now + timedelta(days=3)) == 1
    assert Letter.objects.filter(event="webhook_dead").count() == 2


def test_an_endpoint_is_removed_with_all_that_was_sent_to_it(world: World) -> None:
    endpoint = endpoint_of(world)
    Event.record("invoice.issued", world.invoice("Go-live support, day 1"), now=world.now, customer=world.fontaine)
    with pytest.raises(Conflict):
        hooks.remove_endpoint(endpoint=endpoint, by=world.admin, now=world.now)
    hooks.switch_endpoint(endpoint=endpoint, on=False, by=world.admin, now=world.now)
    hooks.remove_endpoint(endpoint=endpoint, by=world.admin, now=world.now)
    assert not WebhookDelivery.objects.exists()
    assert set(Event.objects.filter(noun="webhook").values_list("name", "actor")) == {
        ("webhook.added", world.admin.pk), ("webhook.switched_off", world.admin.pk), ("webhook.removed", world.admin.pk),
    }  # fmt: skip
