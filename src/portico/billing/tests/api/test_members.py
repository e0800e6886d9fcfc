"""Who works for a customer, by the API."""

from portico.accounts.models import Event, Membership
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_somebody_is_invited_changed_and_removed(people: World) -> None:
    erp = Caller(people)
    where = f"/customers/{people.fontaine.pk}/members"
    answer = erp.post(where, {"email": "nina@fontaine.example", "name": "Nina", "roles": ["viewer"]})
    made = answer.json()
    assert (answer.status_code, made["roles"]) == (201, ["viewer"])
    assert answer.headers["Location"] == f"/api/v1{where}/{made['id']}"
    changed = erp.patch(f"{where}/{made['id']}", {"roles": ["billing", "approver"]}).json()
    assert changed["roles"] == ["approver", "billing"]
    assert made["id"] in {row["id"] for row in erp.get(where).json()["data"]}
    gone = erp.delete(f"{where}/{made['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    problem(erp.get(f"{where}/{made['id']}"), 404, "missing")
    done = Event.objects.filter(noun="member", integration=erp.key).order_by("id")
    assert [event.name for event in done] == ["member.invited", "member.changed", "member.removed"]


def test_a_removal_repeated_is_still_done_once(people: World) -> None:
    erp = Caller(people)
    member = Membership.objects.get(user=people.julien)
    where = f"/customers/{people.fontaine.pk}/members/{member.pk}"
    answers = [erp.delete(where, once="gone") for _time in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    problem(erp.delete(where), 404, "missing")


def test_the_last_owner_stays(people: World) -> None:
    erp = Caller(people)
    owner = Membership.objects.get(user=people.camille)
    where = f"/customers/{people.fontaine.pk}/members/{owner.pk}"
    for answer in (erp.delete(where), erp.patch(where, {"roles": ["viewer"]})):
        told = problem(answer, 409, "conflict")
        assert told["current"]["roles"] == ["owner"]
    assert Membership.objects.get(pk=owner.pk).is_owner


def test_a_member_is_only_found_at_its_own_customer(people: World) -> None:
    erp = Caller(people)
    member = Membership.objects.get(user=people.julien)
    problem(erp.get(f"/customers/{people.lindner.pk}/members/{member.pk}"), 404, "missing")
    problem(erp.delete(f"/customers/{people.lindner.pk}/members/{member.pk}"), 404, "missing")
    assert Membership.objects.filter(pk=member.pk).exists()


def test_a_key_for_customers_alone_touches_nobody(people: World) -> None:
    erp = Caller(people, "customers:read", "customers:write", "members:read")
    where = f"/customers/{people.fontaine.pk}/members"
    problem(erp.post(where, {"email": "n@f.example", "name": "N", "roles": ["owner"]}), 403, "forbidden")
    owner = {"email": "n@f.example", "name": "N"}  # nor by the way of a new customer
    problem(erp.post("/customers", {"legal_name": "X", "country": "FR", "owner": owner}), 403, "forbidden")
    assert Membership.objects.count() == 4
