"""Credit notes by the API."""

from portico.billing.models import Invoice
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_a_credit_note_names_its_invoice(world: World) -> None:
    erp = Caller(world)
    rows = erp.get("/credit-notes").json()["data"]
    notes = Invoice.objects.filter(kind="credit_note", state="issued").order_by("id")
    assert [row["number"] for row in rows] == list(notes.values_list("number", flat=True))
    for row, note in zip(rows, notes, strict=True):
        whole = erp.get(f"/credit-notes/{row['number']}").json()
        assert {name: whole[name] for name in row} == row
        assert note.refers_to is not None
        assert (whole["invoice"], whole["reason"]) == (note.refers_to.number, note.reason)
        assert erp.get(f"/credit-notes/{row['number']}/pdf").content.startswith(b"%PDF")
    invoice = Invoice.objects.filter(kind="invoice", state="issued").latest("id")
    problem(erp.get(f"/credit-notes/{invoice.number}"), 404, "missing")
