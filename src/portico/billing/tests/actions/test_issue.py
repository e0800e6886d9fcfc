"""Many papers at once are what each would have been alone: numbers without a gap, one chain, one letter each."""

from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Event
from portico.billing import books
from portico.billing.actions.issue import Paper, Totalled, issue_papers
from portico.billing.models import Invoice, InvoiceLine, NumberSeries
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter

THREE = Decimal(3)


def paper(world: World, *, net: int = 9_000) -> Paper:
    """Three lines at 20 %."""
    customer = world.fontaine
    invoice = Invoice(
        seller=customer.seller, customer=customer, kind="invoice", series="INV", title="Batch", currency="EUR",
        created_at=world.now, delivered_on=world.now.date(),
    )  # fmt: skip
    rows = [
        InvoiceLine(
            position=position, kind="line", name=f"Line {position}", quantity=THREE, unit_price=Decimal(net // 3) / 100,
            vat_category="S", vat_rate=Decimal(20), net_minor=net,
        )
        for position in (1, 2, 3)
    ]  # fmt: skip
    return Paper(invoice, Totalled(rows, {("S", Decimal(20)): (3 * net, 3 * net // 5)}), terms=[], due_days=30)


@pytest.mark.django_db
def test_a_batch_is_numbered_chained_and_told_in_its_order(world: World) -> None:
    counter = NumberSeries.objects.get(series="INV", year=2026)
    told = Letter.objects.filter(event="invoice_issued").count()
    with transaction.atomic():
        one, two, three = issue_papers([paper(world, net=300 * n) for n in (1, 2, 3)], by=world.admin, now=world.now)
    numbers = [f"INV-2026-{counter.last_number + n:05d}" for n in (1, 2, 3)]
    assert [one.number, two.number, three.number] == numbers
    assert [one.previous_hash, two.previous_hash, three.previous_hash] == [counter.last_hash, one.hash, two.hash]
    counter.refresh_from_db()
    assert (counter.last_hash, counter.last_number) == (three.hash, three.chain_position)
    again = Invoice.objects.get(number=three.number)
    assert (again.total_minor, again.amount_due_minor, again.payment_state) == (3240, 3240, "not_paid")
    assert again.lines.count() == 3
    assert Event.objects.filter(name="invoice.issued", object_id=str(again.pk), data__number=again.number).exists()
    assert Letter.objects.filter(event="invoice_issued").count() > told
    assert books.verify() == []


@pytest.mark.django_db
def test_a_longer_batch_asks_no_more_statements(world: World) -> None:
    def statements(papers: int) -> int:
        batch = [paper(world) for _ in range(papers)]
        with transaction.atomic(), CaptureQueriesContext(connection) as asked:
            issue_papers(batch, by=None, now=world.now)
        return len(asked)

    statements(1)  # the first one locks the customer's identity
    assert statements(8) == statements(2)


@pytest.mark.django_db
def test_one_that_cannot_be_issued_stops_all_and_takes_no_number(world: World) -> None:
    before = NumberSeries.objects.get(series="INV", year=2026).last_number
    with pytest.raises(Conflict, match="would be negative"), transaction.atomic():
        issue_papers([paper(world), paper(world, net=-300)], by=None, now=world.now)
    assert NumberSeries.objects.get(series="INV", year=2026).last_number == before
    assert not Invoice.objects.filter(title="Batch").exists()
