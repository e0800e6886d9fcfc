"""The door of the API: keys, scopes, limits, and that a write is done once whatever happens."""

import os
import signal
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from portico.accounts import api_keys
from portico.accounts.models import ApiKey, ApiUse, Customer, Event, KeptAnswer
from portico.billing.api import door
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World
from portico.kit.tokens import digest

NEW = {"legal_name": "Moulin SARL", "country": "FR"}


# Keys ------------------------------------------------------------------------------------------------------------------


def test_a_key_opens_what_its_scopes_name(people: World) -> None:
    reader = Caller(people, "customers:read")
    assert reader.get("/customers").status_code == 200
    told = problem(reader.post("/customers", NEW), 403, "forbidden")
    assert "customers:write" in told["detail"]
    assert not Customer.objects.filter(legal_name="Moulin SARL").exists()


def test_nobody_enters_without_a_key_that_works(people: World, client_for: Any) -> None:
    erp = Caller(people)
    for header in (
        "",
        "Bearer",
        "Bearer nonsense",
        f"Basic {erp.secret}",
        f"Bearer {erp.secret}x",
        "Bearer " + "a" * 5000,
    ):
        response = Client().get("/api/v1/customers", headers={"Authorization": header} if header else {})
        problem(response, 401, "unauthorized")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    problem(Client().get(f"/api/v1/customers?access_token={erp.secret}"), 401, "unauthorized")
    problem(client_for(people.admin).get("/api/v1/customers"), 401, "unauthorized")  # a session is no key


def test_only_a_hash_of_the_secret_is_kept(people: World) -> None:
    erp = Caller(people)
    kept = ApiKey.objects.filter(pk=erp.key.pk).values().get()
    assert erp.secret.startswith("portico_")
    assert len(erp.secret) == len("portico_") + 43
    assert kept["digest"] == digest(erp.secret)
    assert not any(erp.secret in str(value) for value in kept.values())
    assert erp.secret not in str(list(Event.objects.values()))


def test_after_a_rotation_the_old_secret_works_as_long_as_was_chosen(people: World, clock: Any) -> None:
    erp = Caller(people)
    old = erp.secret
    new = api_keys.rotate(key=erp.key, overlap_hours="24", by=people.admin, now=people.now)
    for secret in (old, new):
        erp.secret = secret
        assert erp.get("/customers").status_code == 200
    clock.shift(timedelta(hours=24))
    assert erp.get("/customers").status_code == 200
    erp.secret = old
    problem(erp.get("/customers"), 401, "unauthorized")


def test_a_revoked_key_opens_nothing_at_once_nor_does_its_old_secret(people: World) -> None:
    erp = Caller(people)
    old = erp.secret
    new = api_keys.rotate(key=erp.key, overlap_hours="168", by=people.admin, now=people.now)
    api_keys.revoke(key=erp.key, by=people.admin, now=people.now)
    for secret in (old, new):
        erp.secret = secret
        problem(erp.get("/customers"), 401, "unauthorized")


def test_the_last_use_is_written_at_most_every_minute(people: World, clock: Any) -> None:
    erp = Caller(people)
    for seconds, told in ((0, 0), (30, 0), (31, 61)):
        clock.shift(timedelta(seconds=seconds))
        erp.get("/customers")
        erp.key.refresh_from_db()
        assert erp.key.last_used_at == people.now + timedelta(seconds=told)


# Limits ----------------------------------------------------------------------------------------------------------------


def test_a_key_asks_as_often_as_it_may_in_a_minute(people: World, clock: Any) -> None:
    erp = Caller(people, per_minute=3)
    left = [erp.get("/customers").headers["RateLimit"] for _time in range(3)]
    assert left == ['"minute";r=2;t=60', '"minute";r=1;t=60', '"minute";r=0;t=60']
    clock.shift(timedelta(seconds=18))
    response = erp.post("/customers", NEW)
    problem(response, 429, "rate_limited")
    assert response.headers["Retry-After"] == "42"
    assert response.headers["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert not Customer.objects.filter(legal_name="Moulin SARL").exists()
    clock.shift(timedelta(seconds=42))
    assert erp.get("/customers").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_all_processes_together(people: World) -> None:
    erp = Caller(people, per_minute=10)
    together = in_threads(8, lambda: [erp_get(erp.secret) for _time in range(4)])
    statuses = [status for answers in together for status in answers]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 10
    assert ApiUse.objects.get(key=erp.key).requests == 10


def erp_get(secret: str) -> int:
    return int(Client().get("/api/v1/customers", headers={"Authorization": f"Bearer {secret}"}).status_code)


def in_threads(count: int, work: Any) -> list[Any]:
    """What `work` returns in each of several threads that begin together."""
    results: list[Any] = []
    begin = threading.Barrier(count)

    def run() -> None:
        begin.wait()
        try:
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Once ------------------------------------------------------------------------------------------------------------------


def test_a_repetition_gets_the_kept_answer_and_does_nothing(people: World) -> None:
    erp = Caller(people)
    first = erp.post("/customers", NEW, once="order-17")
    second = erp.post("/customers", NEW, once="order-17")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


def test_the_same_name_for_another_request_is_refused(people: World) -> None:
    erp = Caller(people)
    made = erp.post("/customers", NEW, once="order-17").json()
    problem(erp.post("/customers", NEW | {"city": "Lyon"}, once="order-17"), 422, "idempotency_key_reused")
    problem(erp.patch(f"/customers/{made['id']}", NEW, once="order-17"), 422, "idempotency_key_reused")
    problem(erp.post("/databases", NEW, once="order-17"), 422, "idempotency_key_reused")
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


def test_names_belong_to_one_key(people: World) -> None:
    one, other = Caller(people), Caller(people, name="Provisioning")
    made = [caller.post("/customers", NEW, once="order-17").json()["id"] for caller in (one, other)]
    assert len(set(made)) == 2


def test_a_write_without_a_name_is_told_what_to_do(people: World) -> None:
    erp = Caller(people)
    for name in ("", "x" * 129, "caf\u00e9", "a\tb"):
        headers = {"Authorization": f"Bearer {erp.secret}", "Idempotency-Key": name}
        response = erp.client.post("/api/v1/customers", NEW, content_type="application/json", headers=headers)
        told = problem(response, 400, "idempotency_key_missing")
        assert "UUID" in told["detail"]
    assert not Customer.objects.filter(legal_name="Moulin SARL").exists()


def test_a_refusal_changes_nothing_and_frees_the_name(people: World) -> None:
    erp = Caller(people)
    wrong = NEW | {"vat_id": "FR00000000000"}
    problem(erp.post("/customers", wrong, once="order-17"), 422, "invalid")
    assert not KeptAnswer.objects.exists()
    assert erp.post("/customers", NEW, once="order-17").status_code == 201


def test_what_a_refusal_had_begun_is_rolled_back(people: World) -> None:
    erp = Caller(people)
    owner = {"email": people.hanna.email, "name": "Hanna"}  # one of the seller's people cannot be invited
    problem(erp.post("/customers", NEW | {"owner": owner}), 409, "conflict")
    assert not Customer.objects.filter(legal_name="Moulin SARL").exists()


def test_while_the_first_still_runs_the_second_is_told_to_wait(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = Caller(people)
    seen: list[Any] = []
    keep = door.keep

    def slow(row: KeptAnswer, response: Any) -> None:
        if not seen:
            seen.append(None)
            seen[0] = erp.post("/customers", NEW, once="order-17")
        keep(row, response)

    monkeypatch.setattr(door, "keep", slow)
    assert erp.post("/customers", NEW, once="order-17").status_code == 201
    problem(seen[0], 409, "still_running")
    assert seen[0].headers["Retry-After"] == "2"
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


def test_an_answer_is_kept_for_a_day_and_then_swept(people: World, clock: Any) -> None:
    erp = Caller(people)
    erp.post("/customers", NEW, once="order-17")
    clock.shift(timedelta(hours=24))
    assert api_keys.forget_answers(people.now + timedelta(hours=24)) == 0
    assert erp.post("/customers", NEW, once="order-17").headers["Idempotency-Replayed"] == "true"
    assert api_keys.forget_answers(people.now + timedelta(hours=25, seconds=1)) == 1
    assert erp.post("/customers", NEW, once="order-17").status_code == 201
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_one_does_it(people: World) -> None:
    erp = Caller(people)
    answers = in_threads(8, lambda: fresh(erp).post("/customers", NEW, once="order-17"))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_guard_each_of_them_does_it(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the test above would see if names were not taken."""
    erp = Caller(people)

    def unguarded(run: Any, request: Any, current: Any, path: Any) -> Any:
        with transaction.atomic():
            return run(request, **path)

    monkeypatch.setattr(door, "once", unguarded)
    in_threads(4, lambda: fresh(erp).post("/customers", NEW, once="order-17"))
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 4


def fresh(erp: Caller) -> Caller:
    """The same system from another process: a client of its own."""
    other = Caller.__new__(Caller)
    other.client, other.key, other.secret = Client(), erp.key, erp.secret
    return other


# Crashes ---------------------------------------------------------------------------------------------------------------


def killed(erp: Caller, where: str) -> None:
    """A process of its own sends the request and is killed: before the answer is kept, after the commit that holds it, or
    (`between`, the control) after a commit that does not."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            keep = door.keep

            def die(row: KeptAnswer, response: Any) -> None:
                if where == "after":
                    keep(row, response)
                if where == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))

            door.keep = die
            fresh(erp).post("/customers", NEW, once="order-17")
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the point was never reached"


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_nothing_is_done_and_a_repetition_does_it(people: World, clock: Any) -> None:
    erp = Caller(people)
    killed(erp, "before")
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 0
    problem(erp.post("/customers", NEW, once="order-17"), 409, "still_running")
    clock.shift(KeptAnswer.RUNS_AT_MOST)
    assert erp.post("/customers", NEW, once="order-17").status_code == 201
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


@pytest.mark.django_db(transaction=True)
def test_killed_after_the_commit_a_repetition_gets_the_answer(people: World) -> None:
    erp = Caller(people)
    killed(erp, "after")
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1
    answer = erp.post("/customers", NEW, once="order-17")
    assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 1


@pytest.mark.django_db(transaction=True)
def test_were_the_answer_kept_in_another_transaction_a_crash_would_do_it_twice(people: World, clock: Any) -> None:
    """The control: the effect commits, the process dies before the answer is written, and the repetition does it again."""
    erp = Caller(people)
    killed(erp, "between")
    clock.shift(KeptAnswer.RUNS_AT_MOST)
    erp.post("/customers", NEW, once="order-17")
    assert Customer.objects.filter(legal_name="Moulin SARL").count() == 2


def test_whoever_lost_the_work_to_another_undoes_its_own(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = Caller(people)
    finish = KeptAnswer.finish

    def overtaken(row: KeptAnswer, **answer: Any) -> bool:
        KeptAnswer.objects.filter(pk=row.pk).update(lease="somebody-else")
        return finish(row, **answer)

    monkeypatch.setattr(KeptAnswer, "finish", overtaken)
    problem(erp.post("/customers", NEW, once="order-17"), 409, "still_running")
    assert not Customer.objects.filter(legal_name="Moulin SARL").exists()


# What is no request ----------------------------------------------------------------------------------------------------


def test_bodies_that_are_not_read(people: World) -> None:
    erp = Caller(people)
    headers = {"Authorization": f"Bearer {erp.secret}", "Idempotency-Key": "one"}

    def send(data: Any, kind: str = "application/json") -> Any:
        return erp.client.generic("POST", "/api/v1/customers", data, content_type=kind, headers=headers)

    problem(send("{}", "text/plain"), 415, "unsupported_media_type")
    problem(send("a=b", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
    problem(send("{"), 400, "malformed")
    problem(send(b"\xff\xfe"), 400, "malformed")
    problem(send("[" * 100_000), 400, "malformed")
    problem(send('"' + "x" * 1_000_001 + '"'), 413, "too_large")
    problem(send('"' + "x" * 3_000_001 + '"'), 413, "too_large")
    problem(send(""), 422, "invalid")
    for text in ("null\\u0000", "\\ud800"):
        told = problem(send(f'{{"legal_name": "{text}", "country": "FR"}}'), 422, "invalid")
        assert told["errors"][0]["field"] == "legal_name"


def test_methods_and_addresses_that_are_not_there(people: World) -> None:
    erp = Caller(people)
    response = erp.ask("put", "/customers", {})
    problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]
    assert erp.get("/nothing").status_code == 404
    assert erp.get("/nothing").headers["Content-Type"] == "application/problem+json"


def test_a_fault_of_ours_says_nothing_but_its_reference(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = Caller(people)

    def broken(**_more: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("portico.billing.api.customers.actions.create", broken)
    response = erp.post("/customers", NEW)
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]
    for word in (b"secret detail", b"Traceback", b"RuntimeError"):
        assert word not in response.content
    assert not KeptAnswer.objects.exists()


def test_no_answer_is_stored_anywhere(people: World) -> None:
    assert Caller(people).get("/customers").headers["Cache-Control"] == "no-store"
