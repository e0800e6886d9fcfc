"""Quotations by the API."""

from typing import Any

from portico.accounts.models import Event
from portico.billing.models import Price, Quotation
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World
from portico.kit.models import Letter


def body(world: World, **more: Any) -> dict[str, Any]:
    lines = [{"product": "users", "quantity": "3"}, {"name": "A day on site", "quantity": "1.5", "unit_price": "900"}]
    return {"customer_id": world.fontaine.pk, "title": "Three users", "lines": lines} | more


def test_a_quotation_is_written_sent_and_withdrawn(people: World, client_for: Any) -> None:
    erp = Caller(people, name="CRM")
    answer = erp.post("/quotations", body(people, contact="camille@fontaine.example"))
    told = answer.json()
    assert (answer.status_code, told["status"], told["origin"], told["version"]) == (201, "draft", "api", 1)
    assert answer.headers["Location"] == f"/api/v1/quotations/{told['number']}"
    listed = Price.objects.get(product__code="users", currency="EUR", term_months=12).unit_price
    assert [line["unit_price"] for line in told["lines"]] == [f"{listed.normalize():f}", "900"]
    assert told["total_minor"] == told["net_minor"] + told["vat_minor"]
    assert client_for(people.camille).get(f"/my/quotations/{told['number']}/").status_code == 404

    sent = erp.post(f"/quotations/{told['number']}/send").json()
    assert (sent["status"], sent["total_minor"]) == ("sent", told["total_minor"])
    assert Letter.objects.filter(event="quotation_sent", customer=people.fontaine.pk).exists()
    page = client_for(people.camille).get(f"/my/quotations/{told['number']}/thread/").content.decode()
    assert f"{people.seller.short_name} sent version 1" in page  # what the seller calls its systems is its own business
    assert "CRM" not in page
    desk = client_for(people.hanna).get(f"/staff/quotations/{told['number']}/thread/").content.decode()
    assert "Integration CRM sent version 1" in desk

    gone = erp.post(f"/quotations/{told['number']}/withdraw").json()
    assert gone["status"] == "withdrawn"
    conflict = problem(erp.post(f"/quotations/{told['number']}/withdraw"), 409, "conflict")
    assert conflict["current"]["status"] == "withdrawn"
    events = Event.objects.filter(noun="quotation", integration=erp.key).order_by("id")
    assert [event.name for event in events] == ["quotation.drafted", "quotation.sent", "quotation.withdrawn"]


def test_sending_twice_under_one_name_sends_once(people: World) -> None:
    erp = Caller(people)
    number = erp.post("/quotations", body(people)).json()["number"]
    one, other = (erp.post(f"/quotations/{number}/send", once="send-it") for _time in range(2))
    assert one.content == other.content
    problem(erp.post(f"/quotations/{number}/send"), 409, "conflict")
    assert Event.objects.filter(name="quotation.sent").count() == 1


def test_what_cannot_be_written_leaves_no_number_behind(people: World) -> None:
    erp = Caller(people)
    for wrong in (
        body(people, lines=[]),
        body(people, lines=[{"product": "nothing", "quantity": "1"}]),
        body(people, lines=[{"quantity": "1", "unit_price": "1"}]),
        body(people, lines=[{"name": "X", "quantity": "0", "unit_price": "1"}]),
        body(people, lines=[{"name": "X", "quantity": "1", "unit_price": "-1"}]),
        body(people, lines=[{"name": "X", "quantity": "1", "unit_price": "1", "discount_percent": "101"}]),
        body(people, lines=[{"name": "X", "quantity": 1, "unit_price": "1"}]),
        body(people, lines=[{"name": "X", "quantity": "1e3", "unit_price": "1"}]),
        body(people, contact="nobody@fontaine.example"),
        body(people, contact="lena@lindner.example"),
        body(people, kind="upsell"),
        body(people, payment_policy="deposit"),
        body(people, origin="staff"),
        body(people, status="accepted"),
    ):
        problem(erp.post("/quotations", wrong), 422, "invalid")
    problem(erp.post("/quotations", body(people, customer_id=999_999)), 404, "missing")
    assert not Quotation.objects.exists()
    assert erp.post("/quotations", body(people)).json()["number"] == "Q-2026-00001"


def test_a_change_of_a_subscription_is_of_the_customers_own(world: World) -> None:
    erp = Caller(world)
    upsell = body(world, kind="upsell", database="atelier-fontaine")
    told = erp.post("/quotations", upsell).json()
    assert (told["kind"], told["database"]) == ("upsell", "atelier-fontaine")
    problem(erp.post("/quotations", upsell | {"customer_id": world.lindner.pk}), 422, "invalid")


def test_the_list_and_the_document_tell_the_same(world: World) -> None:
    erp = Caller(world)
    rows = erp.get("/quotations?limit=100").json()["data"]
    assert len(rows) == Quotation.objects.count()
    for row in rows:
        whole = erp.get(f"/quotations/{row['number']}").json()
        assert {name: whole[name] for name in row} == row
    for status in {row["status"] for row in rows}:
        wanted = [row["number"] for row in rows if row["status"] == status]
        found = erp.get(f"/quotations?limit=100&status={status}").json()["data"]
        assert [row["number"] for row in found] == wanted
    assert {"draft", "sent", "expired", "accepted"} <= {row["status"] for row in rows}
