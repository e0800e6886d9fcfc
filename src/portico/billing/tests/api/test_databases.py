"""Databases by the API."""

from portico.accounts.models import Event
from portico.billing.actions.draft import begin_quotation
from portico.billing.models import Database
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_a_database_is_added_and_can_be_sold(people: World) -> None:
    erp = Caller(people)
    answer = erp.post("/databases", {"customer_id": people.fontaine.pk, "name": "fontaine-trial"})
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/databases/fontaine-trial"
    assert (told["customer_id"], told["subscription_status"]) == (people.fontaine.pk, None)
    assert erp.get("/databases/fontaine-trial").json() == told
    assert Event.objects.get(name="database.opened").integration == erp.key
    begin_quotation(
        seller=people.seller, customer=people.fontaine, kind="new", contact=None, subscription=None,
        database_name="fontaine-trial", term_months=12, by=people.hanna, now=people.now,
    )  # fmt: skip


def test_a_name_is_taken_once(world: World) -> None:
    erp = Caller(world)
    for customer in (world.fontaine, world.lindner):
        problem(erp.post("/databases", {"customer_id": customer.pk, "name": "atelier-fontaine"}), 409, "conflict")
    for name in ("", "Capital", "a--b", "-a", "a b", "x" * 64):
        problem(erp.post("/databases", {"customer_id": world.fontaine.pk, "name": name}), 422, "invalid")
    problem(erp.post("/databases", {"customer_id": 999_999, "name": "new"}), 404, "missing")


def test_the_list_tells_which_is_paid_for(world: World) -> None:
    erp = Caller(world)
    rows = erp.get(f"/databases?customer_id={world.fontaine.pk}&limit=100").json()["data"]
    assert {row["name"] for row in rows} == set(
        Database.objects.filter(customer=world.fontaine).values_list("name", flat=True)
    )
    assert {"atelier-fontaine": "active"}.items() <= {row["name"]: row["subscription_status"] for row in rows}.items()
