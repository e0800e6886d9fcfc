"""The chain alone: what was changed behind the portal is named; every end is that of the counter and of the archive."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from portico.billing.books import chain
from portico.billing.books.chain import End, check_chain
from portico.billing.books.violation import Violation
from portico.billing.documents.auditing.year import bounds_of
from portico.billing.models import Instalment, Invoice, InvoiceVat, NumberSeries
from portico.billing.tests.parts import arrives, in_parts
from portico.cast import World

pytestmark = pytest.mark.django_db


def looked() -> tuple[list[Violation], list[End]]:
    found = list(check_chain())
    return [one for one in found if isinstance(one, Violation)], [one for one in found if isinstance(one, End)]


def test_it_is_in_order_and_ends_where_the_archive_does(world: World) -> None:
    violations, ends = looked()
    assert violations == []
    assert (
        sum(end.documents for end in ends) == Invoice.objects.filter(series__in=["INV", "CN"], state="issued").count()
    )
    for series, bounds in bounds_of(world.seller, world.now.year).items():
        (end,) = [one for one in ends if (one.series, one.year) == (series, world.now.year)]
        assert (end.hash, end.last, end.documents) == (bounds["last_hash"], bounds["last_number"], bounds["documents"])
        assert str(end).endswith(bounds["last_hash"])


def test_an_invoice_in_parts_is_chained_by_its_first_day(world: World) -> None:
    """Its row's due date goes on to the next part with the money; what was issued does not."""
    invoice = in_parts(world)
    first = invoice.due_on
    arrives(world, invoice, 36_000)
    assert invoice.due_on != first
    assert looked()[0] == []
    Invoice.objects.filter(pk=invoice.pk).update(content={}, content_salt="")  # erased at the end of retention
    assert looked()[0] == []
    Instalment.objects.filter(invoice=invoice, position=1).update(due_on="2026-01-01")
    assert [one.document for one in looked()[0]] == [invoice.number]


def changes() -> list[tuple[str, Callable[[Any], Any]]]:
    rows = Invoice.objects.filter
    return [
        ("hash fits", lambda one: rows(pk=one.pk).update(currency="USD")),
        ("hash fits", lambda one: rows(pk=one.pk).update(due_on="2027-01-01")),
        ("hash fits", lambda one: rows(pk=one.pk).update(content_hash="0" * 64)),
        ("hash fits", lambda one: InvoiceVat.objects.filter(invoice=one).update(base_minor=F("base_minor") + 1)),
        ("hash fits", lambda one: rows(pk=one.pk).update(hash="f" * 64)),
        ("chain is unbroken", lambda one: rows(pk=one.pk).update(previous_hash="0" * 64)),
        ("hash fits", lambda one: rows(pk=one.pk).update(previous_hash="none")),
        ("number fits", lambda one: rows(pk=one.pk).update(number="INV-2026-88888")),
    ]


@pytest.mark.parametrize("place", range(len(changes())))
def test_what_was_changed_is_named(world: World, place: int) -> None:
    rule, change = changes()[place]
    one = Invoice.objects.filter(series="INV", issued_on__year=world.now.year).order_by("chain_position")[3]
    change(one)
    one.refresh_from_db()
    violations, _ends = looked()
    assert [found for found in violations if found.document == one.number and found.invariant.startswith(rule)], (
        violations
    )


def test_what_is_gone_is_named(world: World) -> None:
    papers = Invoice.objects.filter(series="INV", issued_on__year=world.now.year)
    middle, last = papers.order_by("chain_position")[3], papers.latest("chain_position")
    papers.filter(pk=middle.pk).update(series="EXT", printed_number="gone")
    violations, _ends = looked()
    assert any("no gap" in one.invariant for one in violations)
    assert any("unbroken" in one.invariant for one in violations)
    Invoice.objects.filter(pk=middle.pk).update(series="INV", printed_number="")
    Invoice.objects.filter(pk=last.pk).update(series="EXT", printed_number="gone")
    violations, _ends = looked()
    assert {one.invariant for one in violations} == {"numbers run to the counter", "chain ends at the counter"}


def test_a_counter_that_says_otherwise(world: World) -> None:
    NumberSeries.objects.filter(series="INV").update(last_hash="0" * 64)
    violations, _ends = looked()
    assert [one.invariant for one in violations] == ["chain ends at the counter"]


def test_statements_grow_with_batches_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with CaptureQueriesContext(connection) as asked:
        looked()
    assert len(asked) <= 3
    heard: list[int] = []
    monkeypatch.setattr(chain, "BATCH", 5)
    list(check_chain(heard.append))
    assert heard[:2] == [5, 10]
