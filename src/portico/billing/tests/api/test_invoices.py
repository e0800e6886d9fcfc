"""Invoices by the API."""

from portico.billing.models import Invoice
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_the_list_and_the_document_tell_the_same(world: World) -> None:
    erp = Caller(world)
    rows = erp.get("/invoices?limit=100").json()["data"]
    wanted = Invoice.objects.filter(state="issued").exclude(kind="credit_note").order_by("id")
    assert [row["number"] for row in rows] == list(wanted.values_list("number", flat=True))
    for row in rows:
        whole = erp.get(f"/invoices/{row['number']}").json()
        assert {name: whole[name] for name in row} == row
        assert sum(group["vat_minor"] for group in whole["vat"]) == whole["vat_minor"]
    for status in {row["status"] for row in rows}:
        found = erp.get(f"/invoices?limit=100&status={status}").json()["data"]
        assert [row["number"] for row in found] == [row["number"] for row in rows if row["status"] == status]
    assert {"overdue", "paid", "credited"} <= {row["status"] for row in rows}


def test_the_pdf_is_the_one_that_was_issued(world: World) -> None:
    erp = Caller(world)
    invoice = Invoice.objects.filter(state="issued").exclude(kind="credit_note").latest("id")
    one, other = (erp.get(f"/invoices/{invoice.number}/pdf") for _time in range(2))
    assert one.headers["Content-Type"] == "application/pdf"
    assert one.content.startswith(b"%PDF")
    assert one.content == other.content
    assert "no-store" in one.headers["Cache-Control"]


def test_a_draft_and_a_credit_note_are_no_invoices(world: World) -> None:
    erp = Caller(world)
    note = Invoice.objects.filter(kind="credit_note", state="issued").latest("id")
    for number in (note.number, "None", "INV-1999-00001"):
        problem(erp.get(f"/invoices/{number}"), 404, "missing")
        problem(erp.get(f"/invoices/{number}/pdf"), 404, "missing")
