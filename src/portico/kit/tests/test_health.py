"""Live means the process answers; ready means it can do its work."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from time_machine import Traveller

from portico.kit import health
from portico.kit.models import Heartbeat

pytestmark = pytest.mark.urls("portico.kit.tests.urls")


def test_live_asks_no_database(client: Client) -> None:  # no django_db: a query would fail the test
    assert client.get("/health/live").json() == {"status": "live"}


@pytest.mark.django_db
def test_ready_when_database_and_migrations_are_right(client: Client) -> None:
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "database": "ok", "migrations": "ok", "worker": "never"}


@pytest.mark.django_db
def test_the_worker_is_told_but_stops_no_page(client: Client, clock: Traveller, now: datetime) -> None:
    Heartbeat.objects.create(name="billing.send_letters", at=now, succeeded_at=now)
    assert client.get("/health/ready").json()["worker"] == "ok"
    clock.shift(timedelta(minutes=10))
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["worker"]) == (200, "late")


@pytest.mark.django_db
def test_pending_migrations_are_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *given: [("a migration", False)])
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["migrations"] == "pending: ./portico manage migrate"


@pytest.mark.django_db
def test_a_dead_database_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*given: Any) -> Any:
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "is_migrated", dead)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "no answer"
