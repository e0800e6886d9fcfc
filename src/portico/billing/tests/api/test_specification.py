"""The description of the API: what is written down, what it promises of every operation, and that the API keeps it.

schemathesis makes requests from the description, right ones and wrong ones, and checks each answer against it.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from schemathesis.specs.openapi.checks import positive_data_acceptance

from portico.accounts.models import SCOPES, ApiKey, KeptAnswer
from portico.billing.api.door import NAME
from portico.billing.api.reference import described, written
from portico.billing.api.specification import METHODS
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World
from portico.wsgi import application

SNAPSHOT = Path(__file__).parent / "openapi.json"
RENEW = f"./portico manage openapi src/portico/billing/tests/api/{SNAPSHOT.name}"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for address, found in described()["paths"].items():
        for method in METHODS:
            if method in found:
                yield method, address, found[method]


OPERATIONS = list(operations())
NAMES = [operation["operationId"] for _method, _address, operation in OPERATIONS]


# What is written down --------------------------------------------------------------------------------------------------


def test_the_description_is_the_one_that_was_agreed() -> None:
    assert SNAPSHOT.read_bytes() == written() + b"\n", (
        f"The API's description has changed. Integrators rely on it: fields and operations are added, none goes or changes. "
        f"If that is so, renew it: {RENEW}"
    )


def test_it_is_served_to_everybody(db: None) -> None:
    response = Client().get("/api/v1/openapi.json")
    assert response.json() == described()
    assert response.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(("method", "address", "operation"), OPERATIONS, ids=NAMES)
def test_every_operation_says_what_it_needs(method: str, address: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["x-scope"] in SCOPES
    assert operation["security"] == [{"key": [operation["x-scope"]]}]
    assert all(one["description"] for one in operation["parameters"])
    assert {"401", "403", "429"} <= set(operation["responses"])
    names = {one["name"] for one in operation["parameters"]}
    assert ("Idempotency-Key" in names) is (method != "get")
    assert operation["x-scope"].endswith(":read") is (method == "get")


@pytest.mark.parametrize(("method", "address", "operation"), OPERATIONS, ids=NAMES)
def test_every_example_fits_its_schema(method: str, address: str, operation: dict[str, Any]) -> None:
    answers = [answer for status, answer in operation["responses"].items() if status < "300"]
    assert answers
    looked_at = 0
    for part in [operation.get("requestBody", {}), *answers]:
        for kind, media in part.get("content", {}).items():
            if kind == "application/json":
                schema = media["schema"] | {"components": described()["components"]}
                jsonschema_rs.Draft202012Validator(schema).validate(media["example"])
                looked_at += 1
    for one in operation["parameters"]:
        if "example" in one:
            jsonschema_rs.Draft202012Validator(one["schema"]).validate(one["example"])
    assert looked_at or address.endswith("/pdf") or method == "delete"


# Who may do what -------------------------------------------------------------------------------------------------------


def filled(address: str, operation: dict[str, Any]) -> str:
    """The address with the examples of its parameters in it."""
    for one in operation["parameters"]:
        if one["in"] == "path":
            address = address.replace("{" + one["name"] + "}", str(one["example"]))
    return address


def example(operation: dict[str, Any]) -> Any:
    """The example of a body."""
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")


@pytest.mark.parametrize(("method", "address", "operation"), OPERATIONS, ids=NAMES)
def test_no_operation_without_a_key_nor_with_a_scope_too_few(
    method: str, address: str, operation: dict[str, Any], people: World, client_for: Any
) -> None:
    where, body = filled(address, operation), json.dumps(example(operation))
    headers = {"Idempotency-Key": "one"}
    for client in (Client(), client_for(people.admin), client_for(people.camille)):
        answer = client.generic(method.upper(), where, body, content_type="application/json", headers=headers)
        problem(answer, 401, "unauthorized")
    all_but = [scope for scope in SCOPES if scope != operation["x-scope"]]
    poor = Caller(people, *all_but)
    problem(poor.ask(method, where.removeprefix("/api/v1"), example(operation)), 403, "forbidden")
    assert not KeptAnswer.objects.exists()


# What it promises, it keeps --------------------------------------------------------------------------------------------

schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
# A name in the query that the API does not know changes nothing.
schema.config.generation.allow_extra_parameters = False


@pytest.fixture
def secret(world: World) -> Iterator[str]:
    """The secret of a key that may do all. What ends a request does not end the test's own connection."""
    erp = Caller(world, name="schemathesis")
    ApiKey.objects.filter(pk=erp.key.pk).update(requests_per_minute=1_000_000)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield erp.secret
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.parametrize()
@hypothesis.settings(
    max_examples=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_whatever_is_sent_the_answer_is_as_described(case: Any, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    if NAME.fullmatch((case.headers or {}).get("Idempotency-Key", "")):
        headers["Idempotency-Key"] = str(uuid.uuid4())  # a right one is a new one; wrong ones are sent as they are
    response = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
    if case.meta is not None and case.meta.generation.mode.is_positive:
        # What fits the description may still not be possible (an unknown product, a day in the future), and is told in
        # words; but no single field of it can be called wrong.
        assert response.status_code not in {400, 413, 415}, response.text
        assert response.status_code != 422 or "errors" not in response.json(), response.text
