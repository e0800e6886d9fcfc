"""The invoices of one order add up to the order, whatever was delivered when, deposit or not (DOMAIN 2, 3)."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portico.billing.actions import bill
from portico.billing.actions import order as orders
from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Invoice, InvoiceLine, Order, OrderLine
from portico.kit.errors import Conflict, Invalid

if TYPE_CHECKING:
    from portico.cast import World

RATES = st.sampled_from([("S", Decimal(20)), ("S", Decimal("5.5")), ("S", Decimal("2.1")), ("Z", Decimal(0))])
LINES = st.lists(
    st.tuples(
        st.integers(1, 40_000).map(lambda n: Decimal(n) / 1000),
        st.integers(1, 9_999_999).map(lambda n: Decimal(n) / 1000),
        st.integers(0, 60),
        RATES,
    ),
    min_size=1,
    max_size=5,
)


@contextmanager
def undone() -> Iterator[None]:
    """A transaction whose rows go when it ends, so that one example leaves nothing for the next."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def an_order(
    world: "World", lines: list[tuple[Decimal, Decimal, int, tuple[str, Decimal]]], **changes: object
) -> Order:
    """A confirmed order with `lines` of quantity, price, discount, (category, rate), and an allowance on the first rate."""
    order = Order.objects.create(
        seller=world.seller,
        customer=world.fontaine,
        number=f"SO-T-{Order.objects.count()}",
        state=Order.State.CONFIRMED,
        confirmed_at=world.now,
        payment_policy="none",
        invoice_policy="on_delivery",
        currency="EUR",
        ordered_on=world.now.date(),
        created_at=world.now,
        **changes,
    )
    rows = [
        OrderLine(
            order=order,
            position=position,
            name=f"Line {position}",
            quantity=quantity,
            unit_price=price,
            discount_percent=Decimal(discount),
            vat_category=category,
            vat_rate=rate,
        )
        for position, (quantity, price, discount, (category, rate)) in enumerate(lines, start=1)
    ]
    for row in rows:
        row.net_minor = bill.priced([row], "EUR").lines[0].net_minor
    OrderLine.objects.bulk_create(rows)
    priced = bill.priced(order.lines.all(), "EUR")
    order.net_minor, order.vat_minor, order.total_minor = priced.net_minor, priced.vat_minor, priced.total_minor
    order.save()
    return order


def groups(invoices: list[Invoice]) -> dict[tuple[str, Decimal], tuple[int, int]]:
    """Base and VAT by group, summed over invoices."""
    sums: dict[tuple[str, Decimal], list[int]] = defaultdict(lambda: [0, 0])
    for invoice in invoices:
        for group in invoice.vat_groups.all():
            sums[group.category, group.rate][0] += group.base_minor
            sums[group.category, group.rate][1] += group.vat_minor
    return {key: (base, vat) for key, (base, vat) in sums.items() if base or vat}


@example(
    lines=[(Decimal("0.001"), Decimal("0.001"), 0, ("S", Decimal(20)))], parts=[1, 1], percent=0
)  # soon all delivered
@example(lines=[(Decimal("0.203"), Decimal("0.419"), 0, ("S", Decimal(20)))], parts=[1, 1], percent=30)  # cents of VAT
@given(lines=LINES, parts=st.lists(st.integers(1, 4), min_size=1, max_size=4), percent=st.sampled_from([0, 10, 30, 33]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("db")
def test_the_invoices_of_an_order_add_up_to_it(world: "World", lines, parts, percent) -> None:  # type: ignore[no-untyped-def]  # hypothesis gives them
    with undone():
        order = an_order(world, lines, deposit_percent=Decimal(percent))
        if percent:
            bill.issue_deposit(order, by=None, now=world.now)
        for index, part in enumerate(parts):
            now = world.now + timedelta(days=index)
            for line in order.lines.all():
                upto = (line.quantity * (index + 1) / (part + len(parts))).quantize(Decimal("0.001"))
                if upto > line.delivered_quantity:
                    line.deliver(min(upto, line.quantity) - line.delivered_quantity)
            try:
                with transaction.atomic():
                    bill.invoice_delivered(order, by=None, now=now)
            except Conflict:
                continue  # nothing new to invoice, or less would be left than the deposit
        later = world.now + timedelta(days=30)
        if bill.left_to_invoice(order):
            bill.invoice_rest(order, by=None, now=later)
        with pytest.raises(Conflict), transaction.atomic():
            bill.invoice_rest(order, by=None, now=later)
        invoices = list(order.invoices.all())
        assert sum(invoice.net_minor for invoice in invoices) == order.net_minor
        assert sum(invoice.vat_minor for invoice in invoices) == order.vat_minor
        assert sum(invoice.total_minor for invoice in invoices) == order.total_minor
        whole = {key: pair for key, pair in bill.order_groups(order).items() if pair != (0, 0)}
        assert groups(invoices) == whole
        for line in order.lines.all():
            assert (line.invoiced_quantity, line.invoiced_net_minor) == (line.quantity, line.net_minor)


def test_the_final_invoice_deducts_the_deposit_by_lines_of_minus_one(world: "World") -> None:
    order = an_order(
        world,
        [(Decimal(3), Decimal(890), 5, ("S", Decimal(20))), (Decimal(5), Decimal(24), 0, ("S", Decimal("5.5")))],
        deposit_percent=Decimal(30),
    )
    with transaction.atomic():
        deposit = bill.issue_deposit(order, by=None, now=world.now)
        final = bill.invoice_rest(order, by=None, now=world.now)
    # 30 % of 2,536.50 is 760.95 plus 152.19 VAT; 30 % of 120.00 is 36.00 plus 1.98 VAT.
    assert (deposit.kind, deposit.net_minor, deposit.vat_minor) == ("deposit", 79695, 15417)
    assert (final.net_minor, final.vat_minor) == (265650 - 79695, 50730 + 660 - 15417)
    deducted = list(InvoiceLine.objects.filter(deducts=deposit).order_by("vat_rate"))
    assert [(line.quantity, line.net_minor) for line in deducted] == [(Decimal(-1), -3600), (Decimal(-1), -76095)]
    assert all(deposit.number and deposit.number in line.name for line in deducted)


def test_nothing_left_to_invoice_is_refused_and_takes_no_number(world: "World") -> None:
    order = an_order(world, [(Decimal(1), Decimal(100), 0, ("S", Decimal(20)))])
    with transaction.atomic():
        bill.invoice_rest(order, by=None, now=world.now)
    before = Invoice.objects.count()
    with pytest.raises(Conflict, match="Nothing was delivered"), transaction.atomic():
        bill.invoice_rest(order, by=None, now=world.now)
    assert Invoice.objects.count() == before


def credit(world: "World", invoice: Invoice, quantities: dict[int, Decimal] | None, *, again: bool = False) -> Invoice:
    with transaction.atomic():
        return credit_invoice(
            invoice=invoice, quantities=quantities, reason="Wrong", invoice_again=again, by=world.omar, now=world.now
        )


@given(lines=LINES, shares=st.lists(st.integers(1, 9), min_size=1, max_size=3))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_credit_notes_by_line_end_at_exactly_the_invoice(world: "World", lines, shares) -> None:  # type: ignore[no-untyped-def]  # hypothesis gives them
    with undone():
        order = an_order(world, lines)
        invoice = bill.invoice_rest(order, by=None, now=world.now)
        for share in shares:
            part = {line.pk: (line.quantity * share / 40).quantize(Decimal("0.001")) for line in invoice.lines.all()}
            if any(part.values()):
                credit(world, invoice, part)
        credit(world, invoice, None)
        notes = list(invoice.credit_notes.all())
        assert sum(note.total_minor for note in notes) == invoice.total_minor
        assert groups(notes) == groups([invoice])
        with pytest.raises(Conflict):
            credit(world, invoice, None)


def test_more_than_is_left_cannot_be_credited(world: "World") -> None:
    order = an_order(world, [(Decimal(2), Decimal(100), 0, ("S", Decimal(20)))])
    with transaction.atomic():
        invoice = bill.invoice_rest(order, by=None, now=world.now)
    line = invoice.lines.get()
    credit(world, invoice, {line.pk: Decimal("1.5")})
    with pytest.raises(Invalid, match=r"no more than 0\.5"):
        credit(world, invoice, {line.pk: Decimal(1)})
    assert invoice.credit_notes.count() == 1


def test_a_wrong_invoice_is_credited_and_made_anew(world: "World") -> None:
    order = an_order(world, [(Decimal(2), Decimal(100), 0, ("S", Decimal(20)))], deposit_percent=Decimal(10))
    with transaction.atomic():
        bill.issue_deposit(order, by=None, now=world.now)
        wrong = bill.invoice_rest(order, by=None, now=world.now)
    credit(world, wrong, None, again=True)
    with transaction.atomic():
        right = bill.invoice_rest(order, by=None, now=world.now)
    assert (right.net_minor, right.vat_minor) == (wrong.net_minor, wrong.vat_minor) == (18000, 3600)
    assert right.number != wrong.number


def test_a_confirmed_order_is_delivered_invoiced_and_fulfilled(world: "World") -> None:
    order = an_order(world, [(Decimal(4), Decimal(100), 0, ("S", Decimal(20)))])
    line = order.lines.get()
    orders.record_delivery(order=order, quantities={line.pk: Decimal(1)}, by=world.hanna, now=world.now)
    order.refresh_from_db()
    assert order.state == Order.State.CONFIRMED
    first = orders.invoice_delivered(order=order, by=world.omar, now=world.now)
    orders.record_delivery(order=order, quantities={line.pk: Decimal(3)}, by=world.hanna, now=world.now)
    order.refresh_from_db()
    assert order.state == Order.State.FULFILLED
    second = orders.invoice_delivered(order=order, by=world.omar, now=world.now)
    assert (first.total_minor, second.total_minor) == (12000, 36000)
    with pytest.raises(Conflict):
        orders.record_delivery(order=order, quantities={line.pk: Decimal(1)}, by=world.hanna, now=world.now)
