"""A row that is added is what Django would have written, and refused where Django's is."""

import contextlib
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Event
from portico.billing.models import Payment, ProviderEvent
from portico.cast import World
from portico.kit import adding
from portico.kit.adding import add

pytestmark = pytest.mark.django_db


def event(world: World, number: int) -> Event:
    """An event that is not written yet."""
    data: dict[str, Any] = {"number": number, "words": 'with "marks", a \\ and ü', "none": None}
    return Event.of("order.placed", world.order("Boutique theme"), now=world.now, customer=world.fontaine, **data)


def told(row: Any) -> dict[str, Any]:
    """All that a row holds, without its key."""
    found = model_to_dict(type(row).objects.get(pk=row.pk))
    return {name: value for name, value in found.items() if name != "id"}


def test_it_holds_what_django_writes_and_learns_its_key(world: World) -> None:
    ours, theirs = add(event(world, 1)), event(world, 1)
    theirs.save()
    assert ours.pk is not None
    assert ours.pk != theirs.pk
    assert told(ours) == told(theirs)
    assert not ours._state.adding


def test_several_are_one_statement_each_with_its_own_key(world: World) -> None:
    rows = [event(world, number) for number in range(5)]
    with CaptureQueriesContext(connection) as asked:
        assert add(*rows) is rows[0]
    assert len(asked.captured_queries) == 1
    assert [Event.objects.get(pk=row.pk).data["number"] for row in rows] == list(range(5))


def test_many_are_djangos(world: World) -> None:
    rows = [event(world, number) for number in range(adding.MOST + 1)]
    add(*rows)
    assert [Event.objects.get(pk=row.pk).data["number"] for row in rows] == list(range(adding.MOST + 1))


def test_a_key_of_our_own_stays(world: World) -> None:
    payment = Payment(
        customer=world.fontaine, provider="bank_transfer", amount_minor=100, currency="EUR", created_at=world.now,
        idempotency_key="of our own",
    )  # fmt: skip
    key = payment.pk
    add(payment)
    assert payment.pk == key
    assert Payment.objects.get(idempotency_key="of our own").pk == key


def test_what_is_there_already_is_refused_or_stays(world: World) -> None:
    def notice() -> ProviderEvent:
        return ProviderEvent(
            provider="stripe", event_id="evt_1", kind="x", payload={"a": 1}, received_at=world.now,
            next_attempt_at=world.now,
        )  # fmt: skip

    add(notice())
    with pytest.raises(IntegrityError), transaction.atomic():
        add(notice())
    add(notice(), ignore_conflicts=True)
    assert ProviderEvent.objects.filter(event_id="evt_1").count() == 1


def test_a_refused_row_spoils_its_transaction_as_djangos_does(world: World) -> None:
    """SQLite would go on, and commit half of it."""
    event(world, 1).save()
    taken = Payment.objects.first()
    assert taken is not None

    def refused() -> None:
        with transaction.atomic():
            with contextlib.suppress(IntegrityError):
                add(Payment(pk=taken.pk, customer=taken.customer, provider="x", amount_minor=1, currency="EUR",
                            created_at=world.now, idempotency_key="another"))  # fmt: skip
            Event.objects.count()

    with pytest.raises(transaction.TransactionManagementError):
        refused()
