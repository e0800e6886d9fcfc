"""A refusal is one readable answer, whoever asks; a fault says nothing about itself."""

import json

import pytest
from django.test import Client

pytestmark = [pytest.mark.urls("portico.kit.tests.urls"), pytest.mark.django_db]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("invalid", 400), ("forbidden", 403), ("missing", 404), ("conflict", 409), ("unavailable", 503)],
)
def test_a_refusal_becomes_a_page_with_its_status_and_message(client: Client, kind: str, status: int) -> None:
    response = client.get(f"/refuse/{kind}/")
    assert response.status_code == status
    page = response.content.decode()
    assert "Accepted on 9 Nov 2026 by somebody" in page
    assert "<b>else</b>" not in page  # escaped: messages may quote what somebody typed


def test_a_program_gets_problem_details(client: Client) -> None:
    response = client.get("/refuse/conflict/", headers={"Accept": "application/json"})
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body["status"] == 409
    assert body["detail"].startswith("Accepted on 9 Nov 2026")


def test_a_piece_of_a_page_gets_a_piece(client: Client) -> None:
    whole = client.get("/refuse/conflict/")
    piece = client.get("/refuse/conflict/", headers={"HX-Request": "true"})
    assert piece.status_code == 409
    assert "<html" in whole.content.decode()
    assert "<html" not in piece.content.decode()
    assert "Accepted on 9 Nov 2026" in piece.content.decode()


def test_an_unknown_address_is_a_readable_404(client: Client) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "We could not find this page" in response.content.decode()


def test_permission_denied_keeps_its_reason_to_itself(client: Client) -> None:
    response = client.get("/deny/")
    assert response.status_code == 403
    assert "internal reason" not in response.content.decode()


def test_a_lost_csrf_token_says_that_nothing_was_changed() -> None:
    response = Client(enforce_csrf_checks=True).post("/answer/", {"a": "b"})
    assert response.status_code == 403
    page = response.content.decode()
    assert "Nothing was changed" in page
    assert "Reload" in page


def test_a_fault_gives_a_reference_and_nothing_else() -> None:
    response = Client(raise_request_exception=False).get("/fail/")
    assert response.status_code == 500
    page = response.content.decode()
    assert response["X-Request-ID"] in page
    assert "RuntimeError" not in page
    assert "camille" not in page


def test_a_fault_in_the_failure_page_still_gives_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> str:
        raise RuntimeError("the template itself")

    monkeypatch.setattr("portico.kit.refusals.render_to_string", broken)
    response = Client(raise_request_exception=False).get("/fail/")
    assert response.status_code == 500
    assert "Something went wrong on our side" in response.content.decode()


def test_a_malformed_request_is_a_readable_400(client: Client) -> None:
    response = client.get("/answer/", headers={"Host": "evil.example:notaport"})
    assert response.status_code == 400
    assert "Nothing was changed" in response.content.decode()
