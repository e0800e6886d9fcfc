"""A row that was edited behind the portal is found, and its document named. Each case breaks one rule, and only by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from portico.accounts.models import Event
from portico.billing import books
from portico.billing.models import (
    Acceptance,
    Allocation,
    Invoice,
    InvoiceLine,
    InvoiceVat,
    NumberSeries,
    Order,
    OrderLine,
    Payment,
    PaymentRequest,
    PaymentTarget,
    QuotationVersion,
)
from portico.billing.providers.sandbox.models import Checkout
from portico.billing.tests.attempts import begin
from portico.cast import World

PAID = "Atelier database, first year"
PART = "Manufacturing set-up"
OPEN = "On-site training in Lyon"
WAITING = "Second workshop"
CONFIRMED = "Label printer on the packing bench"
FOREIGN = "Bakery database and set-up"
Edit = Callable[[World], str]
"""Edits rows and returns the document that must be named."""


def row(world: World, title: str = PAID, kind: str = "invoice") -> Any:
    """The invoice of this title as a query set, to edit it without its methods."""
    return Invoice.objects.filter(pk=world.invoice(title, kind).pk)


def edited(rows: Any, **changes: Any) -> str:
    """Change one row; the number of its document."""
    number = rows.get().number
    assert rows.update(**changes) == 1
    return str(number)


def of_part(world: World, **changes: Any) -> str:
    """Change the only allocation of the partly paid invoice."""
    invoice = world.invoice(PART)
    assert Allocation.objects.filter(invoice=invoice).update(**changes) == 1
    return str(invoice.number)


def first_line(world: World, **changes: Any) -> str:
    invoice = world.invoice(PAID)
    line = invoice.lines.filter(kind="line").first()
    assert line is not None
    assert InvoiceLine.objects.filter(pk=line.pk).update(**changes) == 1
    return str(invoice.number)


def vat_group(world: World, **changes: Any) -> str:
    invoice = world.invoice(PAID)
    assert InvoiceVat.objects.filter(invoice=invoice).update(**changes) == 1
    return str(invoice.number)


def frozen(world: World, part: str) -> str:
    """Change the frozen copy alone."""
    invoice = world.invoice(PAID)
    content = dict(getattr(invoice, part))
    content["title" if part == "content" else "legal_name"] = "Somebody else"
    return edited(row(world), **{part: content})


def an_order(world: World, title: str, **changes: Any) -> str:
    return edited(Order.objects.filter(pk=world.order(title).pk), **changes)


def a_payment(world: World, **changes: Any) -> str:
    payment = Payment.objects.get(allocations__invoice=world.invoice(PART))
    assert Payment.objects.filter(pk=payment.pk).update(**changes) == 1
    return f"payment {payment.pk}"


def pending_payment(world: World) -> Payment:
    return Payment.objects.filter(customer=world.fontaine, state="pending").latest("created_at")


def unheld(world: World) -> str:
    """An undecided attempt lets its paper go: another one could be paid beside it."""
    payment = pending_payment(world)
    assert PaymentTarget.objects.filter(payment=payment).update(open=False, holds=False) == 1
    return f"payment {payment.pk}"


def held(world: World, title: str, **changes: Any) -> str:
    """The attempt for an invoice holds it, or does not."""
    target = PaymentTarget.objects.get(invoice=world.invoice(title), open=True)
    assert PaymentTarget.objects.filter(pk=target.pk).update(**changes) == 1
    return f"payment {target.payment_id}"


def let_go(world: World) -> str:
    """An attempt whose payer is not done lets its invoice go: another one could be paid beside it."""
    begin(world, invoice=world.invoice(OPEN), now=world.now)
    return held(world, OPEN, holds=False)


def never_booked(world: World) -> str:
    """The provider took money of which the portal knows nothing, and no notice is on its way."""
    checkout = Checkout.objects.filter(state="succeeded").latest("id")
    checkout.pk, checkout.reference, checkout.token = None, "sb_unknown", "unknown"
    checkout.merchant_reference, checkout.key = "nobody-knows", "unknown"
    checkout.save(force_insert=True)
    return "payment nobody-knows"


def never_taken(world: World) -> str:
    """The portal booked money that the provider did not take."""
    payment = Payment.objects.filter(provider="sandbox", state="succeeded").latest("created_at")
    assert Payment.objects.filter(pk=payment.pk).update(provider_reference="other") == 1
    return f"payment {payment.pk}"


def took_another_sum(world: World) -> str:
    checkout = Checkout.objects.filter(state="succeeded").latest("id")
    assert Checkout.objects.filter(pk=checkout.pk).update(taken_minor=F("taken_minor") + 1) == 1
    return f"payment {Payment.objects.get(provider_reference=checkout.reference).pk}"


def another_number(world: World) -> str:
    edited(row(world, OPEN), number="INV-2026-00077")
    return "INV-2026-00077"


def moved_counter(world: World) -> str:
    counters = NumberSeries.objects.filter(seller=world.seller, series="INV", year=world.now.year)
    assert counters.update(last_number=F("last_number") + 1) == 1
    return f"INV-{world.now.year}"


def other_head(world: World) -> str:
    counters = NumberSeries.objects.filter(seller=world.seller, series="INV", year=world.now.year)
    assert counters.update(last_hash="0" * 64) == 1
    return f"INV-{world.now.year}"


def no_acceptance(world: World) -> str:
    version = QuotationVersion.objects.get(quotation=world.quotation("Showroom configuration"))
    Acceptance.objects.filter(version=version).delete()
    return f"{version.quotation.number} v{version.version}"


def over_credited(world: World) -> str:
    note = Invoice.objects.get(kind="credit_note")
    assert note.refers_to is not None
    Invoice.objects.filter(pk=note.pk).update(refers_to=world.invoice("Boutique theme"), **{
        name: F(name) + 50_000_00 for name in ("lines_net_minor", "net_minor", "total_minor")
    })  # fmt: skip
    return str(world.invoice("Boutique theme").number)


def request_settled(world: World) -> str:
    """A payment request that says settled, and nothing arrived."""
    order = world.order(WAITING)
    assert PaymentRequest.objects.filter(order=order).update(state="settled", settled_at=world.now) == 1
    return order.number


def order_line(world: World, **changes: Any) -> str:
    order = world.order("Showroom configuration")
    line = order.lines.filter(kind="line").first()
    assert line is not None
    assert OrderLine.objects.filter(pk=line.pk).update(**changes) == 1
    return order.number


def event_twice(world: World) -> str:
    invoice = world.invoice(PAID)
    event = Event.objects.get(name="invoice.issued", object_id=str(invoice.pk))
    event.pk = None
    event.save(force_insert=True)
    return str(invoice.number)


def no_event(world: World) -> str:
    order = world.order("Showroom configuration")
    assert Event.objects.filter(name="order.placed", object_id=str(order.pk)).delete()[0] == 1
    return order.number


CASES: list[tuple[str, Edit]] = [
    ("hash fits the document", lambda w: edited(row(w), due_on=w.now.date())),
    ("hash fits the document", lambda w: edited(row(w), net_minor=F("net_minor") + 1, total_minor=F("total_minor") + 1)),
    ("BR-CO-13: total without VAT", lambda w: edited(row(w), net_minor=F("net_minor") + 1, total_minor=F("total_minor") + 1)),
    ("BR-CO-10: sum of line nets", lambda w: edited(row(w), lines_net_minor=F("lines_net_minor") + 1)),
    ("chain is unbroken", lambda w: edited(row(w), previous_hash="0" * 64)),
    ("dates follow numbers", lambda w: edited(row(w, OPEN), issued_on=w.now.date() - timedelta(days=300))),
    ("number fits its place", another_number),
    ("numbers run to the counter", moved_counter),
    ("chain ends at the counter", other_head),
    ("lines equal what was issued", lambda w: first_line(w, name="Another thing")),
    ("lines equal what was issued", lambda w: first_line(w, quantity=Decimal(2))),
    ("VAT group's base is that of its lines", lambda w: first_line(w, net_minor=F("net_minor") + 1)),
    ("VAT groups equal what was issued", lambda w: vat_group(w, vat_minor=F("vat_minor") + 1)),
    ("BR-CO-14: total VAT", lambda w: vat_group(w, vat_minor=F("vat_minor") + 1)),
    ("BR-CO-17: VAT is base times rate", lambda w: vat_group(w, vat_minor=F("vat_minor") + 100)),
    ("frozen content fits its hash", lambda w: frozen(w, "content")),
    ("frozen buyer fits its hash", lambda w: frozen(w, "buyer")),
    ("title equals what was issued", lambda w: edited(row(w), title="Another title")),
    ("amount due derives from allocations", lambda w: edited(row(w, PART), amount_due_minor=F("amount_due_minor") - 1)),
    ("amount due derives from allocations", lambda w: of_part(w, amount_minor=F("amount_minor") - 1)),
    ("what is on its way derives from open attempts", lambda w: edited(row(w, OPEN), on_its_way_minor=1)),
    ("what is on its way derives from open attempts", lambda w: edited(row(w, CONFIRMED), on_its_way_minor=0)),
    ("an attempt holds its papers until its payer is done", lambda w: held(w, CONFIRMED, holds=True)),
    ("an attempt holds its papers until its payer is done", let_go),
    ("payment state derives from allocations", lambda w: edited(row(w, OPEN), payment_state="partially_paid")),
    ("settled at most once", lambda w: of_part(w, amount_minor=F("amount_minor") * 10)),
    ("no more is used than arrived", lambda w: a_payment(w, received_minor=F("received_minor") - 1)),
    ("settled by its own customer's money", lambda w: (a_payment(w, customer=w.lindner), str(w.invoice(PART).number))[1]),
    ("an undecided attempt holds its papers", unheld),
    ("what the provider took is booked", never_booked),
    ("what the provider took is booked", took_another_sum),
    ("what is booked was taken", never_taken),
    ("credited at most once", over_credited),
    ("a settled payment request paid its invoice", request_settled),
    ("an order's net is that of its lines", lambda w: order_line(w, net_minor=F("net_minor") + 1)),
    ("invoiced is what invoices took", lambda w: order_line(w, invoiced_quantity=Decimal(1))),
    ("an order's times fit its state", lambda w: an_order(w, "Showroom configuration", confirmed_at=None)),
    ("accepted exactly with acceptance and order", no_acceptance),
    ("every step has exactly one event", event_twice),
    ("every step has exactly one event", no_event),
]  # fmt: skip


@contextmanager
def without_checks() -> Iterator[None]:
    """The database checks nothing any more: whoever edits it by hand can do so too. Undone with the test."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            try:
                yield
            finally:  # the switch is the connection's, not the transaction's
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
            return
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c' AND conname ~ '^(invoice|order)_' "
            "AND conrelid IN ('billing_invoice'::regclass, 'billing_order'::regclass)"
        )
        for table, name in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    yield


def test_the_books_of_the_cast_are_in_order(world: World) -> None:
    assert [str(violation) for violation in books.verify()] == []


@pytest.mark.parametrize(("rule", "edit"), CASES, ids=[f"{place}-{rule}" for place, (rule, _edit) in enumerate(CASES)])
def test_an_edit_behind_the_portal_is_found_and_its_document_named(world: World, rule: str, edit: Edit) -> None:
    with without_checks():
        document = edit(world)
    found = {(violation.document, violation.invariant) for violation in books.verify()}
    assert (document, rule) in found, sorted(found)


def test_checking_changes_nothing(world: World) -> None:
    before = list(Invoice.objects.order_by("pk").values()), list(Event.objects.order_by("pk").values())
    books.verify()
    assert (list(Invoice.objects.order_by("pk").values()), list(Event.objects.order_by("pk").values())) == before
