"""Events that are written together: in their order, told to who listens, and never more than what stayed."""

import contextlib

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Event, events_together
from portico.billing.actions import hooks
from portico.billing.hooks import TYPES
from portico.cast import World

pytestmark = pytest.mark.django_db


class Fault(Exception):
    """What goes wrong in these tests."""


def record(world: World, name: str) -> Event:
    return Event.record(name, world.order("Boutique theme"), now=world.now, customer=world.fontaine, number=name)


def names() -> list[str]:
    """What was written of these, in its order."""
    return list(Event.objects.filter(data__number__startswith="order.").order_by("pk").values_list("name", flat=True))


def test_they_are_one_statement_in_their_order_and_go_out(world: World) -> None:
    endpoint = hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/portal", types=tuple(TYPES), by=world.admin, now=world.now
    )
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        with events_together():
            record(world, "order.placed")
            record(world, "order.confirmed")
            assert names() == []
        assert names() == ["order.placed", "order.confirmed"]
    inserts = [one for one in asked.captured_queries if one["sql"].startswith('INSERT INTO "accounts_event"')]
    assert len(inserts) == 1
    sent = list(endpoint.deliveries.order_by("pk").values_list("type", "key"))
    keys = Event.objects.filter(name="order.confirmed").order_by("-pk").values_list("pk", flat=True)
    assert sent[-1] == ("order.confirmed", f"event:{keys[0]}")


def test_none_is_written_of_a_block_that_fails(world: World) -> None:
    with contextlib.suppress(Fault), transaction.atomic(), events_together():
        record(world, "order.placed")
        raise Fault
    assert names() == []
    record(world, "order.confirmed")
    assert names() == ["order.confirmed"], "the block is over: what comes after it is written at once"


def test_what_a_savepoint_inside_rolls_back_is_not_written_at_the_end(world: World) -> None:
    with transaction.atomic(), events_together():
        record(world, "order.placed")
        with contextlib.suppress(Fault), transaction.atomic():
            record(world, "order.cancelled")
            raise Fault
    assert names() == ["order.placed"]


def test_outside_a_transaction_there_is_no_together(transactional_db: None) -> None:
    del transactional_db
    with pytest.raises(AssertionError, match="in the transaction"), events_together():
        pass
