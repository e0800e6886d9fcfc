"""Reports of the vendor's system by the API."""

from portico.billing.models import Quotation, Report
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World

WHERE = "/databases/atelier-fontaine/reports"
BODY = {"report_id": "install-1", "changes": [{"product": "users", "added": 2}]}


def test_a_report_is_answered_with_its_quotation_and_again_with_the_same(world: World) -> None:
    erp = Caller(world, "reports:write")
    answer = erp.post(WHERE, BODY)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    quotation = Quotation.objects.get(origin="report")
    assert told == {
        "report_id": "install-1", "database": "atelier-fontaine", "status": "quoted", "why": None,
        "quotation": quotation.number, "order": None, "runs_until": None,
    }  # fmt: skip
    assert erp.post(WHERE, BODY).json() == told, "under another Idempotency-Key"
    assert Report.objects.get().key == erp.key
    problem(erp.post(WHERE, BODY | {"changes": [{"product": "users", "added": 3}]}), 409, "conflict")
    assert Quotation.objects.filter(origin="report").count() == 1


def test_what_is_wrong_is_told_and_nothing_done(world: World) -> None:
    erp = Caller(world, "reports:write")
    for changes in (
        [{"product": "nothing", "added": 1}], [{"product": "users"}], [{"product": "users", "added": -1}],
        [{"product": "users", "removed": 99}], [], [{"product": "users", "added": 1, "more": 1}],
    ):  # fmt: skip
        problem(erp.post(WHERE, BODY | {"changes": changes}), 422, "invalid")
    for name in ("", "a b", "x" * 81):
        problem(erp.post(WHERE, BODY | {"report_id": name}), 422, "invalid")
    problem(erp.post("/databases/nobody-s/reports", BODY), 404, "missing")
    problem(Caller(world, "databases:write", name="CRM").post(WHERE, BODY), 403, "forbidden")
    assert not Report.objects.exists()
