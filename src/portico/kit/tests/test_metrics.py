"""Metrics count by route, are given to those on the list, and survive a broken gauge."""

from typing import Any

import pytest
from django.test import Client

from portico.kit import metrics

pytestmark = [pytest.mark.urls("portico.kit.tests.urls"), pytest.mark.django_db]


def value(text: str, start: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start))


def test_requests_are_counted_by_route_and_status(client: Client) -> None:
    counted = 'portico_requests_total{method="GET",route="quotations.detail",status="200"}'
    before = value(client.get("/metrics").content.decode(), counted)
    client.get("/quotations/S00001/")
    client.get("/quotations/S00002/")
    text = client.get("/metrics").content.decode()
    assert value(text, counted) == before + 2
    assert "S00001" not in text


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.4", ""])
def test_others_find_nothing_there(client: Client, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 404


def test_a_forged_header_opens_nothing(client: Client) -> None:
    response = client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"X-Forwarded-For": "127.0.0.1"})
    assert response.status_code == 404


def test_behind_a_proxy_the_client_counts_not_the_proxy(client: Client, settings: Any) -> None:
    settings.PORTICO_TRUSTED_PROXIES = 1
    forged = {"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers=forged).status_code == 404


def test_the_list_takes_networks(client: Client, settings: Any) -> None:
    settings.PORTICO_METRICS_FROM = ["10.0.0.0/8"]
    assert client.get("/metrics", REMOTE_ADDR="10.9.8.7").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="11.9.8.7").status_code == 404


def test_a_broken_gauge_hides_no_other(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_gauges", {})

    @metrics.gauge("portico_test_a", "Broken.")
    def broken() -> dict[str, float]:
        raise RuntimeError

    @metrics.gauge("portico_test_b", "Whole.")
    def whole() -> dict[str, float]:
        return {"letters": 3}

    text = client.get("/metrics").content.decode()
    assert 'portico_test_b{queue="letters"} 3.0' in text
    assert "portico_test_a{" not in text
