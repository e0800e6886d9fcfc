"""Customers and their people by the API."""

from datetime import timedelta
from typing import Any

from portico.accounts.models import Customer, Event, Membership, Seller
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World
from portico.kit.models import Letter


def test_a_customer_is_added_with_its_owner_by_the_integration(people: World) -> None:
    erp = Caller(people, name="SAP")
    body = {
        "legal_name": "  Moulin   SARL ",
        "country": "FR",
        "vat_id": "fr 83 404 833 048",
        "city": "Lyon",
        "owner": {"email": "Marie@Moulin.example", "name": "Marie Moulin"},
    }
    answer = erp.post("/customers", body)
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/customers/{told['id']}"
    assert (told["legal_name"], told["vat_id"], told["currency"]) == ("Moulin SARL", "FR83404833048", "EUR")
    assert erp.get(f"/customers/{told['id']}").json() == told
    owner = Membership.objects.get(customer=told["id"])
    assert (owner.user.email, owner.roles) == ("marie@moulin.example", frozenset({"owner"}))
    assert Letter.objects.filter(event="invitation", customer=told["id"]).count() == 1
    made = Event.objects.get(name="customer.created", object_id=str(told["id"]))
    assert (made.actor, made.actor_kind, made.integration) == (None, "api", erp.key)


def test_the_history_names_the_integration(people: World, client_for: Any) -> None:
    erp = Caller(people, name="SAP")
    erp.patch(f"/customers/{people.fontaine.pk}", {"city": "Villeurbanne"})
    page = client_for(people.hanna).get(f"/staff/customers/{people.fontaine.pk}/timeline/").content.decode()
    assert "Integration SAP changed the company" in page


def test_only_what_is_named_changes(people: World) -> None:
    erp = Caller(people)
    before = Customer.objects.filter(pk=people.fontaine.pk).values().get()
    answer = erp.patch(f"/customers/{people.fontaine.pk}", {"street": "14 rue des Forges", "payment_terms_days": 45})
    assert answer.status_code == 200
    after = Customer.objects.filter(pk=people.fontaine.pk).values().get()
    assert after == before | {"street": "14 rue des Forges", "payment_terms_days": 45}


def test_name_and_vat_id_stay_once_an_invoice_was_issued(world: World) -> None:
    erp = Caller(world)
    told = problem(erp.patch(f"/customers/{world.fontaine.pk}", {"legal_name": "Other"}), 409, "conflict")
    assert told["current"]["legal_name"] == "Atelier Fontaine SARL"
    assert told["current"]["identity_locked_at"]


def test_what_a_customer_cannot_be(people: World) -> None:
    erp = Caller(people)
    for wrong in (
        {},
        {"legal_name": "X"},
        {"legal_name": "", "country": "FR"},
        {"legal_name": "X", "country": "fr"},
        {"legal_name": "X", "country": "FR", "currency": "XXX"},
        {"legal_name": "X", "country": "FR", "language": "it"},
        {"legal_name": "X" * 161, "country": "FR"},
        {"legal_name": "X", "country": "FR", "payment_terms_days": "30"},
        {"legal_name": "X", "country": "FR", "payment_terms_days": 366},
        {"legal_name": "X", "country": "FR", "seller": 1},
        {"legal_name": "X", "country": "FR", "id": 1},
    ):
        told = problem(erp.post("/customers", wrong), 422, "invalid")
        assert told["errors"]
    assert Customer.objects.count() == 3


def test_customers_of_another_seller_do_not_exist(people: World) -> None:
    seller = Seller.objects.create(
        legal_name="Other", short_name="Other", country="DE", support_email="a@b.example", privacy_email="a@b.example"
    )
    foreign = Customer.objects.create(seller=seller, legal_name="Foreign", country="DE", created_at=people.now)
    before = Customer.objects.filter(pk=foreign.pk).values().get()
    erp = Caller(people)
    for key in (foreign.pk, 999_999, 2**53):
        problem(erp.get(f"/customers/{key}"), 404, "missing")
        problem(erp.patch(f"/customers/{key}", {"city": "Lyon"}), 404, "missing")
        problem(erp.get(f"/customers/{key}/members"), 404, "missing")
        member = {"email": "x@y.example", "name": "X", "roles": ["owner"]}
        problem(erp.post(f"/customers/{key}/members", member), 404, "missing")
    assert Customer.objects.filter(pk=foreign.pk).values().get() == before
    assert foreign.pk not in {row["id"] for row in erp.get("/customers?limit=100").json()["data"]}


def test_a_list_is_read_to_its_end_by_its_cursors(people: World) -> None:
    erp = Caller(people)
    for number in range(7):
        erp.post("/customers", {"legal_name": f"Customer {number}", "country": "FR"})
    seen, path = [], "/customers?limit=4"
    while path:
        page = erp.get(path).json()
        seen += [row["id"] for row in page["data"]]
        path = (page["next"] or "").removeprefix("/api/v1")
        assert bool(page["cursor"]) is bool(path)
    assert seen == sorted(Customer.objects.values_list("pk", flat=True))


def test_filters_and_what_a_page_cannot_be(people: World, clock: Any) -> None:
    erp = Caller(people)
    clock.shift(timedelta(days=1))
    made = erp.post("/customers", {"legal_name": "Moulin", "country": "FR", "vat_id": "FR83404833048"}).json()
    moment = "2026-11-10T10:00:00Z"
    for query in ("vat_id=FR83404833048", f"created_since={moment}"):
        assert [row["id"] for row in erp.get(f"/customers?{query}").json()["data"]] == [made["id"]]
    for query in ("limit=0", "limit=101", "limit=x", "cursor=nonsense", "created_since=tomorrow"):
        problem(erp.get(f"/customers?{query}"), 422, "invalid")
