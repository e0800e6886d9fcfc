"""The books that the benchmarks read: 200 customers, 50,000 invoices of 3 lines, and one customer with a long history.

Everything is made by the product's own actions, as in real life: numbered, frozen, chained, with its letters and events.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.db import transaction

from portico import cast
from portico.accounts.models import Customer, Membership, User
from portico.billing import pricing
from portico.billing.actions import pay
from portico.billing.actions.issue import Paper, Totalled, issue_papers
from portico.billing.models import Invoice, InvoiceLine, Product

VISITOR = "camille@fontaine.example"
INVOICES = 50_000
CUSTOMERS = 200
OF_THE_VISITOR = 500
"""Invoices of the customer whose person visits the pages: all of them where there are fewer."""
QUOTATIONS = ORDERS = 250
BATCH = 500
SOLD = ("users", "point-of-sale", "helpdesk")


@dataclass(frozen=True)
class Issued:
    """How issuing went: how many invoices in how many seconds."""

    invoices: int
    seconds: float

    @property
    def rate(self) -> float:
        """Invoices a second."""
        return self.invoices / self.seconds


def build(now: datetime, *, invoices: int = INVOICES) -> Issued:
    """Fill an empty, migrated database; the visitor is `camille@fontaine.example`."""
    world = cast.build_people(now)
    others = [_customer(world, number) for number in range(CUSTOMERS - 1)]
    seconds, waiting = 0.0, _papers(world, others, invoices)
    begun = time.perf_counter()
    while batch := list(islice(waiting, BATCH)):
        with transaction.atomic():
            issue_papers(batch, by=None, now=world.ago(45))
    seconds = time.perf_counter() - begun
    _trade(world)
    return Issued(invoices, seconds)


def _customer(world: cast.World, number: int) -> Customer:
    """A company with one person."""
    customer = Customer.objects.create(
        seller=world.seller, legal_name=f"Company {number:03d} SARL", street="1 rue du Port", postcode="44000",
        city="Nantes", country="FR", created_at=world.ago(300),
    )  # fmt: skip
    user = User.objects.create(email=f"person{number:03d}@example.com", name=f"Person {number:03d}")
    user.switch_to(Membership.objects.create(user=user, customer=customer, is_owner=True, created_at=world.ago(300)))
    return customer


def _papers(world: cast.World, others: Sequence[Customer], count: int) -> Iterator[Paper]:
    """Priced drafts: the visitor's are spread evenly among the others'."""
    products = [world.products[code] for code in SOLD]
    every = max(count // OF_THE_VISITOR, 1)
    for number in range(count):
        customer = world.fontaine if number % every == 0 else others[number % len(others)]
        yield paper(customer, products, number, world.ago(45))


def paper(customer: Customer, products: Sequence[Product], number: int, now: datetime) -> Paper:
    """One draft with a line of each product, priced by the one arithmetic."""
    rows = [
        InvoiceLine(
            position=position, kind="line", product=product, name=product.name, quantity=Decimal(1 + number % 7),
            unit=product.unit, unit_price=Decimal(40 + number % 90), vat_category="S", vat_rate=Decimal(20),
        )
        for position, product in enumerate(products, start=1)
    ]  # fmt: skip
    priced = pricing.price(
        (
            pricing.LineIn(
                row.position, row.kind, row.quantity, row.unit_price, Decimal(0), row.vat_category, row.vat_rate
            )
            for row in rows
        ),
        customer.currency,
    )
    for row, line in zip(rows, priced.lines, strict=True):
        row.net_minor = line.net_minor
    groups = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in priced.groups}
    invoice = Invoice(
        seller=customer.seller, customer=customer, kind=Invoice.Kind.INVOICE, series="INV",
        title=f"Users, month {number % 12 + 1}", language=customer.language, currency=customer.currency,
        created_at=now, delivered_on=now.date(),
    )  # fmt: skip
    return Paper(invoice, Totalled(rows, groups), terms=cast.TERMS, due_days=30)


def _trade(world: cast.World) -> None:
    """The visitor's quotations, half of them accepted, and what it has paid of its invoices."""
    lines = [cast.line(world, code, "3") for code in SOLD]
    for number in range(ORDERS):
        at = world.ago(40) + timedelta(minutes=number)
        quotation = cast.offer(world, world.fontaine, f"Roll-out {number:03d}", lines, at, invoice_policy="on_delivery")
        cast.accept(world, quotation, at + timedelta(hours=3))
    for number in range(QUOTATIONS):
        at = world.ago(5) + timedelta(minutes=number)
        cast.offer(world, world.fontaine, f"Extension {number:03d}", lines, at)
    owed = list(Invoice.objects.filter(customer=world.fontaine).order_by("id")[: OF_THE_VISITOR * 9 // 10])
    for begin in range(0, len(owed), 25):
        together = owed[begin : begin + 25]
        pay.book_transfer(
            customer=world.fontaine, invoices=together, amount_minor=sum(one.amount_due_minor for one in together),
            received_on=world.ago(20).date(), payer_name="Atelier Fontaine", by=world.omar, now=world.ago(20),
            again=True,
        )  # fmt: skip
