"""The desk of a large seller: 10,000 customers and 100,000 documents cost a list no statement more, and show one page."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import OuterRef, Subquery
from django.test import Client

from portico.accounts.models import Customer
from portico.billing.models import Invoice, Order, Payment, Quotation, QuotationVersion
from portico.billing.tests.my.pages import queries_of
from portico.cast import World

pytestmark = pytest.mark.django_db
CUSTOMERS, EACH = 10_000, 25_000
"""So many of each kind: invoices, orders, quotations, payments."""
PAGES = (
    "/staff/", "/staff/customers/", "/staff/customers/?q=Large+00042", "/staff/quotations/", "/staff/quotations/?status=sent",
    "/staff/orders/", "/staff/invoices/", "/staff/invoices/?status=overdue&sort=amount_due", "/staff/payments/",
    "/staff/payments/?status=review",
)  # fmt: skip


def grow(world: World) -> None:
    """Many of everything, written straight into the tables: how they came there is no matter here."""
    now, seller = world.now, world.seller
    Customer.objects.bulk_create(
        [Customer(seller=seller, legal_name=f"Large {n:05d}", country="FR", created_at=now) for n in range(CUSTOMERS)]
    )
    keys = list(Customer.objects.filter(legal_name__startswith="Large").values_list("pk", flat=True))
    Invoice.objects.bulk_create(
        [
            Invoice(
                seller=seller, customer_id=keys[n % CUSTOMERS], kind="invoice", series="INV", number=f"L-{n:06d}",
                state="issued", issued_on=now.date() - timedelta(days=n % 300), hash="ab" * 32, created_at=now,
                due_on=now.date() - timedelta(days=n % 300 - 30), currency="EUR", total_minor=100, net_minor=100,
                lines_net_minor=100, amount_due_minor=n % 4 and 100, payment_state="not_paid" if n % 4 else "paid",
            )
            for n in range(EACH)
        ],
        batch_size=5000,
    )  # fmt: skip
    Order.objects.bulk_create(
        [
            Order(
                seller=seller, customer_id=keys[n % CUSTOMERS], number=f"LO-{n:06d}", title="Large", currency="EUR",
                ordered_on=now.date(), created_at=now, state="confirmed", confirmed_at=now,
            )
            for n in range(EACH)
        ],
        batch_size=5000,
    )  # fmt: skip
    Payment.objects.bulk_create(
        [
            Payment(
                customer_id=keys[n % CUSTOMERS], provider="sandbox", amount_minor=100, currency="EUR", created_at=now,
                idempotency_key=f"large-{n}", state="failed", ended_at=now,
            )
            for n in range(EACH)
        ],
        batch_size=5000,
    )  # fmt: skip
    quotations = Quotation.objects.bulk_create(
        [
            Quotation(seller=seller, customer_id=keys[n % CUSTOMERS], number=f"LQ-{n:06d}", created_at=now)
            for n in range(EACH)
        ],
        batch_size=5000,
    )
    QuotationVersion.objects.bulk_create(
        [
            QuotationVersion(
                quotation=one, version=1, currency="EUR", created_at=now, state="sent", sent_at=now,
                valid_until=now.date() + timedelta(days=30), title="Large",
            )
            for one in quotations
        ],
        batch_size=5000,
    )  # fmt: skip
    its_own = QuotationVersion.objects.filter(quotation=OuterRef("pk")).values("pk")[:1]
    Quotation.objects.filter(number__startswith="LQ-").update(current=Subquery(its_own))


def test_a_large_desk_costs_no_statement_more(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.admin)
    small = {path: queries_of(client, path) for path in PAGES}
    grow(world)
    assert {path: queries_of(client, path) for path in PAGES} == small
    for path in PAGES[1:]:
        answer = client.get(path)
        assert answer.content.count(b"<tr") < 40, f"{path} shows a page, not everything"
