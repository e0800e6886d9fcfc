"""Payments by the API."""

from typing import Any

from portico.accounts.models import Event
from portico.billing.books import verify
from portico.billing.models import Invoice, Payment
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def transfer(world: World, invoice: Invoice, **more: Any) -> dict[str, Any]:
    return {
        "customer_id": invoice.customer_id,
        "amount_minor": invoice.amount_due_minor,
        "received_on": "2026-11-06",
        "payer_name": "ATELIER FONTAINE",
        "invoices": [invoice.number],
    } | more


def test_a_transfer_pays_its_invoice_once(world: World) -> None:
    erp = Caller(world, name="Bank feed")
    invoice = world.invoice("Go-live support, day 1")
    answer = erp.post("/payments", transfer(world, invoice), once="statement-6-line-2")
    told = answer.json()
    assert (answer.status_code, told["status"], told["unallocated_minor"]) == (201, "succeeded", 0)
    assert answer.headers["Location"] == f"/api/v1/payments/{told['id']}"
    assert told["allocations"] == [{"invoice": invoice.number, "order": None, "amount_minor": invoice.amount_due_minor}]
    assert erp.get(f"/payments/{told['id']}").json() == told
    assert erp.get(f"/invoices/{invoice.number}").json()["status"] == "paid"
    again = erp.post("/payments", transfer(world, invoice), once="statement-6-line-2")
    assert again.json()["id"] == told["id"]
    problem(erp.post("/payments", transfer(world, invoice)), 409, "conflict")  # the same arrival under a new name
    event = Event.objects.get(name="payment.succeeded", object_id=told["id"])
    assert (event.actor_kind, event.integration) == ("api", erp.key)
    assert Payment.objects.get(pk=told["id"]).created_by is None
    assert list(verify()) == []


def test_too_much_is_credit_and_too_little_leaves_the_rest(world: World) -> None:
    erp = Caller(world)
    invoice = world.invoice("Go-live support, day 1")
    due = invoice.amount_due_minor
    erp.post("/payments", transfer(world, invoice, amount_minor=due - 1000))
    assert erp.get(f"/invoices/{invoice.number}").json()["amount_due_minor"] == 1000
    told = erp.post("/payments", transfer(world, invoice, amount_minor=1500)).json()
    assert told["unallocated_minor"] == 500
    assert list(verify()) == []


def test_what_cannot_be_booked(world: World) -> None:
    erp = Caller(world)
    invoice = world.invoice("Go-live support, day 1")
    before = Payment.objects.count()
    for wrong in (
        {"amount_minor": 0},
        {"amount_minor": -5},
        {"amount_minor": 10.5},
        {"amount_minor": "100"},
        {"amount_minor": 2**60},
        {"received_on": "2026-11-31"},
        {"received_on": "2027-01-01"},
        {"received_on": "1990-01-01"},
        {"currency": "QQQ"},
        {"reference": "RF00NONSENSE"},
        {"provider": "sandbox"},
    ):
        problem(erp.post("/payments", transfer(world, invoice, **wrong)), 422, "invalid")
    problem(erp.post("/payments", transfer(world, invoice, customer_id=world.lindner.pk)), 404, "missing")
    problem(erp.post("/payments", transfer(world, invoice, invoices=["INV-1999-00001"])), 404, "missing")
    problem(erp.post("/payments", transfer(world, invoice, order="SO-1999-00001")), 404, "missing")
    assert Payment.objects.count() == before


def test_the_list_and_the_document_tell_the_same(world: World) -> None:
    erp = Caller(world)
    rows = erp.get("/payments?limit=100").json()["data"]
    assert len(rows) == Payment.objects.count()
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    for row in rows:
        whole = erp.get(f"/payments/{row['id']}").json()
        assert {name: whole[name] for name in row} == row
    pages, path = [], "/payments?limit=3"
    while path:
        page = erp.get(path).json()
        pages += page["data"]
        path = (page["next"] or "").removeprefix("/api/v1")
    assert pages == rows


def test_a_key_that_reads_books_nothing(world: World) -> None:
    erp = Caller(world, "payments:read")
    problem(erp.post("/payments", transfer(world, world.invoice("Go-live support, day 1"))), 403, "forbidden")
