"""The reference of the API to read, and that its lists cost the same at any length."""

import html
import logging
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portico.billing.api.problems import KINDS
from portico.billing.api.reference import described
from portico.billing.api.specification import METHODS
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World
from portico.kit.logs import JSONFormatter

MOST_STATEMENTS = 4
"""The key, its count, and for a list at most two of its own."""


def test_anybody_reads_every_operation_and_every_problem(people: World) -> None:
    response = Client().get("/api/v1/docs")
    page = html.unescape(response.content.decode())
    for address, operations in described()["paths"].items():
        for method in METHODS:
            if method in operations:
                assert operations[method]["summary"] in page
                assert f"<b>{method.upper()}</b> <code>{address}</code>" in page
    for code in KINDS:
        assert f'id="problem-{code}"' in page
    assert "lines[].quantity" in page
    assert page.count("<h1") == 1


def test_the_reference_brings_nothing_from_elsewhere(people: World) -> None:
    response = Client().get("/api/v1/docs")
    page = response.content.decode()
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]+"', page) == []
    assert " style=" not in page
    assert "<script>" not in page


LISTS = [
    address
    for address, operations in described()["paths"].items()
    if "get" in operations and any(one["name"] == "limit" for one in operations["get"]["parameters"])
]


@pytest.mark.parametrize("address", LISTS)
def test_a_list_asks_the_same_however_long_it_is(address: str, world: World) -> None:
    erp = Caller(world)
    where = address.removeprefix("/api/v1").replace("{customer}", str(world.fontaine.pk))
    erp.get(where)  # the first use of the minute is written down
    counts, rows = [], []
    for limit in (1, 100):
        with CaptureQueriesContext(connection) as asked:
            rows.append(len(erp.get(f"{where}?limit={limit}").json()["data"]))
        counts.append(len(asked))
    assert counts[0] == counts[1] <= MOST_STATEMENTS
    assert rows[0] <= 1


def test_a_secret_stands_in_no_log(people: World, caplog: pytest.LogCaptureFixture) -> None:
    erp = Caller(people)
    with caplog.at_level(logging.DEBUG):
        erp.get("/customers")
        erp.get(f"/customers?key={erp.secret}")
        erp.post("/customers", {"legal_name": erp.secret, "country": "fr"})
        erp.secret += "x"
        problem(erp.get("/customers"), 401, "unauthorized")
    written = [JSONFormatter().format(record) for record in caplog.records if record.name != "django.db.backends"]
    assert written
    assert not any("portico_" in line for line in written)
