"""Sales orders by the API."""

from portico.billing.models import Order
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_the_list_and_the_document_tell_the_same(world: World) -> None:
    erp = Caller(world)
    rows = erp.get("/orders?limit=100").json()["data"]
    assert [row["number"] for row in rows] == list(Order.objects.order_by("id").values_list("number", flat=True))
    for row in rows:
        whole = erp.get(f"/orders/{row['number']}").json()
        assert {name: whole[name] for name in row} == row
        assert sum(line["net_minor"] for line in whole["lines"] if line["kind"] == "line") >= whole["net_minor"]
    problem(erp.get("/orders/SO-1999-00001"), 404, "missing")


def test_an_order_tells_what_it_waits_for(world: World) -> None:
    erp = Caller(world)
    order = Order.objects.filter(payment_requests__state="open").latest("id")
    asked = order.payment_requests.get()
    assert erp.get(f"/orders/{order.number}").json()["payment_requests"] == [
        {"kind": asked.kind, "status": "open", "currency": asked.currency, "amount_minor": asked.amount_minor}
    ]


def test_the_list_is_filtered(world: World) -> None:
    erp = Caller(world)
    rows = erp.get(f"/orders?limit=100&status=awaiting_payment&customer_id={world.fontaine.pk}").json()["data"]
    wanted = Order.objects.filter(state="awaiting_payment", customer=world.fontaine).order_by("id")
    assert [row["number"] for row in rows] == list(wanted.values_list("number", flat=True))
    assert erp.get("/orders?created_since=2030-01-01T00:00:00Z").json()["data"] == []
