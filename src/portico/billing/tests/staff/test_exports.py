"""Each list of the desk as a file: what the list shows with its filter and order, all of it, and nothing that runs."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Customer
from portico.billing.models import Invoice
from portico.cast import World

Browser = Callable[..., Client]
pytestmark = pytest.mark.django_db
LISTS = ("customers", "quotations", "orders", "invoices", "payments", "subscriptions")


def rows_of(client: Client, address: str) -> list[dict[str, str]]:
    """The file at an address, read as a spreadsheet reads it."""
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]  # it streams
    return list(csv.DictReader(io.StringIO(text)))


def make_many(world: World, count: int) -> None:
    """Customers, as many as a list has pages for."""
    Customer.objects.bulk_create(
        Customer(seller=world.seller, legal_name=f"Company {n:05d}", country="FR", created_at=world.now)
        for n in range(count)
    )


@pytest.mark.parametrize("noun", LISTS)
def test_a_list_leads_to_its_file(world: World, client_for: Browser, noun: str) -> None:
    client = client_for(world.admin)
    assert 'href="?format=csv"' in client.get(f"/staff/{noun}/").content.decode()
    assert rows_of(client, f"/staff/{noun}/?format=csv")


def test_amounts_days_and_words_are_what_the_books_hold(world: World, client_for: Browser) -> None:
    rows = {row["Number"]: row for row in rows_of(client_for(world.omar), "/staff/invoices/?format=csv")}
    assert len(rows) == Invoice.objects.filter(seller=world.seller, state="issued").count()
    invoice = Invoice.objects.filter(kind="invoice", amount_due_minor__gt=0, currency="EUR").earliest("id")
    row = rows[str(invoice.number)]
    assert Decimal(row["Total"]) * 100 == invoice.total_minor
    assert Decimal(row["Amount Due"]) * 100 == invoice.amount_due_minor
    assert (row["Currency"], row["Date"]) == ("EUR", invoice.issued_on.isoformat() if invoice.issued_on else "")
    credit = Invoice.objects.filter(kind="credit_note").earliest("id")
    assert Decimal(rows[str(credit.number)]["Total"]) < 0


def test_the_filter_and_the_order_of_the_page_are_kept(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    late = rows_of(client, "/staff/invoices/?status=overdue&sort=amount_due&format=csv")
    dues = [Decimal(row["Amount Due"]) for row in late]
    assert {row["Status"] for row in late} == {"Overdue"}
    assert dues == sorted(dues, reverse=True)
    assert rows_of(client, "/staff/invoices/?q=no+such+paper&format=csv") == []


def test_a_name_that_would_run_as_a_formula_is_only_text(world: World, client_for: Browser) -> None:
    Customer.objects.filter(pk=world.fjord.pk).update(legal_name='=HYPERLINK("https://evil.example","x"), "quoted"')
    (row,) = [
        row for row in rows_of(client_for(world.omar), "/staff/customers/?format=csv") if "HYPERLINK" in row["Name"]
    ]
    assert row["Name"] == '\'=HYPERLINK("https://evil.example","x"), "quoted"'


def test_a_long_list_is_whole_and_costs_no_statement_more(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)

    def cost() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as asked:
            found = rows_of(client, "/staff/customers/?format=csv")
        return len(found), len(asked)

    few, statements = cost()
    make_many(world, 3000)
    assert cost() == (few + 3000, statements)


@pytest.mark.parametrize("noun", LISTS)
def test_only_the_desk_gets_it(world: World, client_for: Browser, noun: str) -> None:
    assert client_for(world.camille).get(f"/staff/{noun}/?format=csv").status_code == 404
    answer: Any = Client().get(f"/staff/{noun}/?format=csv")
    assert answer.status_code == 302
