"""Every answer carries the headers that tie the browser's hands."""

import pytest
from django.test import Client

pytestmark = [pytest.mark.urls("portico.kit.tests.urls"), pytest.mark.django_db]


@pytest.mark.parametrize("path", ["/answer/", "/refuse/conflict/", "/nowhere/", "/account/login/"])
def test_every_answer_forbids_what_our_pages_never_ask_for(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_what_a_view_decided_itself_stays(client: Client) -> None:
    headers = client.get("/own/").headers
    assert headers["Content-Security-Policy"] == "sandbox"
    assert headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_a_method_no_page_knows_is_405(client: Client, method: str) -> None:
    response = client.generic(method, "/answer/")
    assert response.status_code == 405
    assert "Content-Security-Policy" in response.headers


def test_a_program_interface_decides_its_methods_itself(client: Client) -> None:
    assert client.generic("PATCH", "/api/v1/nothing").status_code == 404
