"""Invoices in parts, for tests: issued with a plan, and money that arrives for them."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from portico.accounts.models import Customer
from portico.accounts.terms import Part, Plan
from portico.billing.actions import pay
from portico.billing.actions.issue import Paper, Totalled, issue_paper
from portico.billing.models import Invoice, InvoiceLine, Payment
from portico.cast import World

S20 = ("S", Decimal(20))


def plan(*parts: tuple[str, int]) -> Plan:
    """Percents and days."""
    return tuple(Part(Decimal(percent), days) for percent, days in parts)


THIRTY_SEVENTY = plan(("30", 0), ("70", 30))
THIRDS = plan(("33.3333", 0), ("33.3333", 30), ("33.3334", 60))


def in_parts(
    world: World,
    terms: Plan = THIRTY_SEVENTY,
    *,
    customer: Customer | None = None,
    title: str = "In parts",
    net: int = 100_000,
    now: datetime | None = None,
) -> Invoice:
    """An invoice of `net` minor units and 20 % of VAT, issued today and to be paid as `terms` say."""
    customer = customer or world.fontaine
    now = now or world.now
    row = InvoiceLine(
        position=1, kind="line", name="Work", quantity=Decimal(1), unit="days", unit_price=Decimal(net) / 100,
        vat_category="S", vat_rate=Decimal(20), net_minor=net,
    )  # fmt: skip
    invoice = Invoice(
        seller=world.seller, customer=customer, kind="invoice", series="INV", title=title, language="en",
        currency="EUR", created_at=now, delivered_on=now.date(),
    )  # fmt: skip
    paper = Paper(invoice, Totalled([row], {S20: (net, net // 5)}), terms=[], due_days=30, plan=terms)
    with transaction.atomic():
        return issue_paper(paper, by=None, now=now)


def arrives(world: World, invoice: Invoice, amount_minor: int, *, now: datetime | None = None) -> Payment:
    """A transfer for the invoice."""
    now = now or world.now
    payment = pay.book_transfer(
        customer=invoice.customer, invoices=[invoice], amount_minor=amount_minor, by=world.omar,
        received_on=now.date(), payer_name="Atelier Fontaine", again=True, now=now,
    )  # fmt: skip
    invoice.refresh_from_db()
    return payment
