"""The log is JSON without personal data."""

import json
import logging
import sys
from typing import Any

import pytest
from django.test import Client

from portico.kit.logs import JSONFormatter, request_id

pytestmark = [pytest.mark.urls("portico.kit.tests.urls"), pytest.mark.django_db]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)
    return lambda: [json.loads(JSONFormatter().format(record)) for record in caplog.records]


def test_a_request_is_logged_by_its_route_alone(client: Client, lines: Any) -> None:
    client.get("/quotations/Q-2026-00042/?q=camille@fontaine.example")
    [line] = [line for line in lines() if line["logger"] == "portico.request"]
    assert line["route"] == "quotations.detail"
    assert (line["method"], line["status"], line["user_id"]) == ("GET", 200, None)
    assert line["ms"] >= 0
    assert "00042" not in json.dumps(lines())
    assert "camille" not in json.dumps(lines())


@pytest.mark.parametrize("path", ["/nowhere/camille@fontaine.example/", "/deny/", "/refuse/missing/"])
def test_no_refusal_puts_the_path_into_the_log(client: Client, lines: Any, path: str) -> None:
    client.get(path)
    assert path not in json.dumps(lines())


def test_a_fault_is_logged_with_its_place_and_without_rows_or_addresses(lines: Any) -> None:
    response = Client(raise_request_exception=False).get("/fail/")
    [line] = [line for line in lines() if "fault" in line]
    assert line["fault"] == "RuntimeError"
    assert line["fault_message"] == "no such thing for [address]"
    assert any("urls.py" in frame and frame.endswith(" fail") for frame in line["fault_at"])
    assert "DETAIL" not in json.dumps(lines())
    [answered] = [line for line in lines() if line["logger"] == "portico.request"]
    assert answered["status"] == 500
    assert response["X-Request-ID"]


def test_a_log_line_is_one_line_whatever_is_logged() -> None:
    record = logging.LogRecord("x", logging.INFO, "f.py", 1, 'a\nb {"level": "forged"}', None, None)
    token = request_id.set("abc")
    try:
        text = JSONFormatter().format(record)
    finally:
        request_id.reset(token)
    assert "\n" not in text
    assert json.loads(text)["request_id"] == "abc"


def test_a_database_fault_loses_its_second_line() -> None:
    try:
        raise ValueError("duplicate key\nDETAIL:  Key (email)=(lena@lindner.example) already exists.")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "failed", None, sys.exc_info())
    assert "lena" not in JSONFormatter().format(record)


def test_only_our_own_proxy_may_name_a_request(client: Client, settings: Any) -> None:
    given = {"X-Request-ID": "from-the-proxy-1"}
    assert client.get("/answer/", headers=given)["X-Request-ID"] != "from-the-proxy-1"
    settings.PORTICO_TRUSTED_PROXIES = 1
    assert client.get("/answer/", headers=given)["X-Request-ID"] == "from-the-proxy-1"
    assert client.get("/answer/", headers={"X-Request-ID": "a b\tc" * 9})["X-Request-ID"] != "a b\tc" * 9


def test_probes_are_counted_but_not_logged(client: Client, lines: Any) -> None:
    client.get("/health/live")
    client.get("/answer/")
    assert [line["route"] for line in lines() if line["logger"] == "portico.request"] == ["answer"]
