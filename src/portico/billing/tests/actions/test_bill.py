"""The invoices of one order add up to the order, whatever was delivered when, deposit or not (DOMAIN 2, 3)."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portico.billing import pricing
from portico.billing.actions import bill
from portico.billing.actions import order as orders
from portico.billing.actions.credit import credit_invoice, spread
from portico.billing.models import Invoice, InvoiceLine, Order, OrderLine
from portico.kit.errors import Conflict, Invalid
from portico.kit.money import exponent

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


def outlined(order: Order, rows: list[tuple[str, str]]) -> None:
    """Headings and notes around the lines: the order's rows in this order, a line being named by its place."""
    lines = {row.name: row for row in order.lines.all()}
    OrderLine.objects.filter(order=order).delete()
    for position, (kind, name) in enumerate(rows, start=1):
        row = lines[name] if kind == "line" else OrderLine(order=order, kind=kind, name=name)
        row.position, row.pk = position, None
        row.save(force_insert=True)


def test_an_invoice_keeps_headings_and_notes_where_the_order_has_them(world: "World") -> None:
    """A note below a heading stood above it; a heading over notes alone was lost."""
    hour = (Decimal(2), Decimal(100), 0, ("S", Decimal(20)))
    outline = [
        ("note", "Before all"), ("section", "Works"), ("note", "About works"), ("line", "Line 1"), ("note", "After it"),
        ("section", "More"), ("line", "Line 2"), ("section", "Remarks"), ("note", "Thanks"), ("section", "Empty"),
    ]  # fmt: skip
    whole, shared = an_order(world, [hour, hour]), an_order(world, [hour, hour])
    for order in (whole, shared):
        outlined(order, outline)
    with transaction.atomic():
        invoice = bill.invoice_rest(whole, by=None, now=world.now)
    said = invoice.lines.order_by("position").values_list("kind", "name")
    assert list(said) == outline[:-1]
    shared.lines.filter(name="Line 1").update(delivered_quantity=2)
    with transaction.atomic():
        first = bill.invoice_delivered(shared, by=None, now=world.now)
        last = bill.invoice_rest(shared, by=None, now=world.now)
    names = [list(one.lines.order_by("position").values_list("name", flat=True)) for one in (first, last)]
    assert names == [
        ["Works", "Line 1"],
        ["Before all", "About works", "After it", "More", "Line 2", "Remarks", "Thanks"],
    ]


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
        if order.lines.filter(kind="line").exclude(invoiced_quantity=F("quantity")).exists():
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


def credit_amount(world: "World", invoice: Invoice, amount_minor: int) -> Invoice:
    with transaction.atomic():
        return credit_invoice(
            invoice=invoice, quantities=None, amount_minor=amount_minor, reason="Agreed", invoice_again=False,
            by=world.omar, now=world.now,
        )  # fmt: skip


@example(lines=[(Decimal(1), Decimal("0.01"), 0, ("S", Decimal(20)))] * 2, steps=[("amount", 1)] * 3)
@given(
    lines=LINES,
    steps=st.lists(
        st.tuples(st.sampled_from(["amount", "amount", "lines"]), st.integers(1, 9)), min_size=1, max_size=4
    ),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_credit_notes_by_amount_and_by_line_end_at_exactly_the_invoice(world: "World", lines, steps) -> None:  # type: ignore[no-untyped-def]  # hypothesis gives them
    with undone():
        invoice = bill.invoice_rest(an_order(world, lines), by=None, now=world.now)
        left = invoice.total_minor
        for how, share in steps:
            if how == "amount":
                amount = left * share // 10 or 1
                if amount > left:
                    continue
                assert credit_amount(world, invoice, amount).total_minor == amount, "to the cent what was asked"
            else:
                part = {
                    line.pk: (line.quantity * share / 40).quantize(Decimal("0.001")) for line in invoice.lines.all()
                }
                try:
                    credit(world, invoice, {key: value for key, value in part.items() if value} or None)
                except (Invalid, Conflict):
                    continue  # amounts left less in a group than these quantities cost
            taken, whole = groups(list(invoice.credit_notes.all())), groups([invoice])
            for key, (base, vat) in taken.items():
                assert 0 <= base <= whole[key][0]
                assert 0 <= vat <= whole[key][1]
            left = invoice.total_minor - sum(note.total_minor for note in invoice.credit_notes.all())
        if left:
            credit(world, invoice, None)
        notes = list(invoice.credit_notes.all())
        assert groups(notes) == groups([invoice])
        for note in notes:
            assert sum(line.net_minor for line in note.lines.filter(kind="line")) == note.lines_net_minor
        if invoice.total_minor:  # else there is nothing to credit, which may be said as often as one likes
            with pytest.raises(Conflict, match="left to credit"):
                credit(world, invoice, None)
            with pytest.raises(Conflict, match="left to credit"):
                credit_amount(world, invoice, 1)


AMOUNTS = st.lists(
    st.tuples(
        st.sampled_from([Decimal(20), Decimal(10), Decimal(8), Decimal("5.5"), Decimal(0)]), st.integers(1, 10**7)
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair[0],
)


@given(bases=AMOUNTS, parts=st.lists(st.integers(1, 99), max_size=5), currency=st.sampled_from(["EUR", "JPY"]))
def test_an_amount_is_spread_over_the_rates_so_that_base_times_rate_is_the_vat(
    bases: list[tuple[Decimal, int]], parts: list[int], currency: str
) -> None:
    most = 10 if currency == "JPY" else 100  # as in Japan
    left = {("S", rate): (base, pricing.vat_minor(base, rate)) for rate, base in bases if rate <= most}
    whole, unit = sum(map(sum, left.values())), 10 ** exponent(currency)
    for part in [*parts, 100]:
        amount = whole * part // 100
        if not amount:
            continue
        found = spread(left, amount, currency)
        assert sum(base + vat for base, vat in found.values()) == amount
        for key, (base, vat) in found.items():
            assert 0 <= base <= left[key][0]
            assert 0 <= vat <= left[key][1]
            assert abs(base * key[1] / 100 - vat) < max(unit, 1), "BR-CO-17"
            in_proportion = Fraction(amount * sum(left[key]), whole)
            assert abs(base + vat - in_proportion) <= 1
        left = {key: (b - found.get(key, (0, 0))[0], v - found.get(key, (0, 0))[1]) for key, (b, v) in left.items()}
        whole -= amount


def test_a_quantity_that_costs_more_than_amounts_left_is_refused(world: "World") -> None:
    order = an_order(world, [(Decimal(2), Decimal(100), 0, ("S", Decimal(20)))])
    with transaction.atomic():
        invoice = bill.invoice_rest(order, by=None, now=world.now)
    note = credit_amount(world, invoice, 12_345)
    assert (note.net_minor, note.vat_minor, note.total_minor) == (10_287, 2_058, 12_345)
    line = note.lines.get()
    assert (line.name, line.quantity, line.unit_price) == (f"Credit on invoice {invoice.number}", 1, Decimal("102.87"))
    with pytest.raises(Invalid, match=r"No more than €97\.13 without VAT is left to credit at 20%"):
        credit(world, invoice, {invoice.lines.get().pk: Decimal(1)})
    for wrong in (0, -1, 24_000 - 12_345 + 1):
        with pytest.raises(Invalid, match=r"no more than €116\.55 is left"):
            credit_amount(world, invoice, wrong)
    rest = credit(world, invoice, None)
    assert [(row.name, row.quantity, row.net_minor) for row in rest.lines.order_by("position")] == [
        ("Line 1", Decimal(2), 20_000),
        ("Credited before", Decimal(-1), -10_287),
    ]
    assert (rest.net_minor, rest.vat_minor) == (9_713, 1_942)


def test_what_is_left_of_a_deposit_is_deducted(world: "World") -> None:
    order = an_order(world, [(Decimal(2), Decimal(100), 0, ("S", Decimal(20)))], deposit_percent=Decimal(50))
    with transaction.atomic():
        deposit = bill.issue_deposit(order, by=None, now=world.now)
    credit_amount(world, deposit, 2_400)
    with transaction.atomic():
        final = bill.invoice_rest(order, by=None, now=world.now)
    assert (final.net_minor, final.vat_minor) == (20_000 - 8_000, 4_000 - 1_600)
    assert [line.net_minor for line in final.lines.filter(deducts=deposit)] == [-8_000]
    with pytest.raises(Conflict, match="credit that one instead"):
        credit_amount(world, deposit, 100)


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
