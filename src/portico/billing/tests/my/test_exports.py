"""The customer's lists as files: what the list shows with its filter and order, all of it, and nobody else's."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from portico.accounts.models import Membership
from portico.billing.actions.access import choose_databases
from portico.billing.models import Invoice, Order, Quotation
from portico.billing.tests.my.pages import rows_of
from portico.cast import World
from portico.kit.tests.workbooks import cells_of

Browser = Callable[..., Client]
pytestmark = pytest.mark.django_db
LISTS = ("quotations", "orders", "invoices")


def sheet(client: Client, noun: str, **asked: str) -> list[dict[str, str]]:
    """The CSV of a list."""
    answer: Any = client.get(f"/my/{noun}/", {"format": "csv", **asked})
    assert answer.status_code == 200, answer.content
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def workbook(client: Client, noun: str, **asked: str) -> list[list[str]]:
    """The rows of the XLSX of a list, with its heads."""
    answer: Any = client.get(f"/my/{noun}/", {"format": "xlsx", **asked})
    assert answer.status_code == 200
    return [[one.value for one in row] for row in cells_of(b"".join(answer.streaming_content))]


@pytest.mark.parametrize("noun", LISTS)
def test_both_files_hold_every_row_of_the_list(world: World, client_for: Browser, noun: str) -> None:
    client = client_for(world.camille)
    page = client.get(f"/my/{noun}/", {"size": "2"})
    for kind in ("csv", "xlsx"):
        assert f"format={kind}" in page.content.decode()
    shown = {key for key, _status in rows_of(client.get(f"/my/{noun}/", {"size": "100"}))}
    assert len(shown) > 2
    assert {row["Number"] for row in sheet(client, noun, size="2")} == shown
    assert {row[0] for row in workbook(client, noun, size="2")[1:]} == shown


@pytest.mark.parametrize("noun", LISTS)
def test_nobody_elses(world: World, client_for: Browser, noun: str) -> None:
    model: Any = {"quotations": Quotation, "orders": Order, "invoices": Invoice}[noun]
    for user, customer in ((world.camille, world.fontaine), (world.lena, world.lindner), (world.ingrid, world.fjord)):
        own = set(model.objects.filter(customer=customer).values_list("number", flat=True))
        client = client_for(user)
        assert {row["Number"] for row in sheet(client, noun)} <= own
        assert {row[0] for row in workbook(client, noun)[1:]} <= own
    assert client_for(world.hanna).get(f"/my/{noun}/?format=xlsx").status_code == 404
    assert Client().get(f"/my/{noun}/?format=csv").status_code == 302


def test_who_sees_chosen_databases_gets_their_papers_alone(world: World, client_for: Browser) -> None:
    member = Membership.objects.get(user=world.julien, customer=world.fontaine)
    choose_databases(membership=member, names=["atelier-fontaine"], by=world.camille, now=world.now)
    seen = set(Invoice.objects.visible_to(member).exclude(kind="credit_note").values_list("number", flat=True))
    every = Invoice.objects.filter(customer=world.fontaine, state="issued").exclude(kind="credit_note").count()
    assert 0 < len(seen) < every
    assert {row["Number"] for row in sheet(client_for(world.julien), "invoices")} == seen


def test_amounts_days_words_filter_and_order(world: World, client_for: Browser) -> None:
    rows = sheet(client_for(world.camille), "invoices", status="to_pay", sort="amount_due")
    dues = [Decimal(row["Amount Due"]) for row in rows]
    assert len(dues) == 3
    assert dues == sorted(dues, reverse=True)
    invoice = Invoice.objects.get(number=rows[0]["Number"])
    assert dues[0] * 100 == invoice.amount_due_minor
    assert (Decimal(rows[0]["Net"]) + Decimal(rows[0]["VAT"])) * 100 == invoice.total_minor
    assert (rows[0]["Currency"], rows[0]["Date"]) == ("EUR", str(invoice.issued_on))
    assert sheet(client_for(world.camille), "invoices", q="no such paper") == []
    world.camille.language = "fr"
    world.camille.save(update_fields=["language"])
    head, *told = workbook(client_for(world.camille), "invoices", status="paid")
    assert head[0] == "Numéro"
    assert "Payé" in told[0]


def test_an_unknown_filter_is_refused(world: World, client_for: Browser) -> None:
    assert client_for(world.camille).get("/my/invoices/?format=xlsx&status=lost").status_code == 400
