"""Our PostgreSQL connection: plans that are kept, and a server that went away seen before it is asked."""

from datetime import UTC
from typing import Any

import psycopg
import pytest
from django.db import DataError, OperationalError
from django.db import connection as default
from psycopg.types.datetime import TimestamptzLoader

from portico.accounts.models import Seller
from portico.kit.postgresql import base
from portico.kit.prepared import prepared

connection: Any = default  # the stubs know no health checks
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@prepared
def by_name(name: Any) -> Any:
    """Sellers of a name."""
    return Seller.objects.filter(legal_name=name).values("id")


def kept_plans() -> list[str]:
    """The statements that this connection keeps plans of."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [row[0] for row in cursor.fetchall()]


def cut_off() -> None:
    """The server ends our connection, as when it is restarted."""
    connection.ensure_connection()
    process = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [process])
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process]).fetchone():
            pass


def test_a_prepared_query_is_planned_once_and_others_are_not() -> None:
    for name in ("one", "two", "three"):
        by_name(name=name)
        list(Seller.objects.filter(short_name=name))
    plans = [plan for plan in kept_plans() if "accounts_seller" in plan]
    assert len(plans) == 1
    assert "legal_name" in plans[0]


def test_every_statement_that_was_asked_can_be_read(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(2) as asked:
        by_name(name="one")
        by_name(name="two")
    assert all("accounts_seller" in query["sql"] for query in asked)


def test_a_server_that_went_away_is_seen_before_the_request_asks_it() -> None:
    by_name(name="x")
    connection.health_check_enabled, connection.health_check_done = True, False
    connection.close_if_health_check_failed()
    process = connection.connection.info.backend_pid
    cut_off()
    connection.health_check_done = False
    connection.close_if_health_check_failed()
    assert by_name(name="x") == []
    assert connection.connection.info.backend_pid != process


def test_the_control_without_the_look_fails() -> None:
    by_name(name="x")
    cut_off()
    connection.health_check_enabled, connection.health_check_done = True, True
    with pytest.raises(OperationalError):
        by_name(name="x")
    connection.close()


def test_a_connection_that_lives_is_not_asked_and_a_silent_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.ensure_connection()
    asked: list[int] = []

    def is_usable(self: object) -> bool:
        asked.append(1)
        return True

    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", is_usable)
    connection.health_check_enabled, connection.health_check_done = True, False
    connection.close_if_health_check_failed()
    asked.clear()
    connection.health_check_done = False
    connection.close_if_health_check_failed()
    assert asked == []
    monkeypatch.setattr(base, "QUIET", 0.0)
    connection.health_check_done = False
    connection.close_if_health_check_failed()
    assert asked == [1]


def test_one_cursor_serves_all_planned_statements_of_a_connection_and_no_other() -> None:
    first = connection.planned_cursor().cursor
    by_name(name="x")
    assert connection.planned_cursor().cursor is first
    connection.close()
    assert by_name(name="x") == []
    assert connection.planned_cursor().cursor is not first


def test_after_a_refused_statement_the_next_one_is_answered() -> None:
    with pytest.raises(DataError), connection.planned_cursor() as cursor:
        cursor.execute("SELECT 1 / %s::int", [0])
    assert by_name(name="x") == []


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-30 12:00:00+00", "2026-11-30 12:00:00.5+00", "2026-11-30 12:00:00.123456+00", "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00", "2026-11-30 14:00:00+02", "2026-03-29 02:30:00.000001+05:30",
    ],
)  # fmt: skip
def test_a_moment_is_read_as_the_driver_reads_it(told: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, (%s::timestamptz)::text", [told, told])
        found, as_text = cursor.fetchone()
    theirs = TimestamptzLoader(0).load(as_text.encode())
    assert (found, found.tzinfo, found.isoformat()) == (theirs, UTC, theirs.isoformat())


def test_a_moment_of_another_shape_is_the_drivers() -> None:
    assert base.Moments(0).load(b"2026-11-30 14:00:00+02").isoformat() == "2026-11-30T12:00:00+00:00"
    for told in (b"infinity", b"0044-03-15 00:00:00+00 BC", b"10000-01-01 00:00:00+00"):
        with pytest.raises(psycopg.DataError):
            base.Moments(0).load(told)


def test_texts_of_every_kind_survive_in_an_array() -> None:
    texts = ['"', "\\", '\\"', '{"a": "b\\n"}', "", "null", "NULL", " ", "a,b", "{}", "é€", "line\nline", "'", "%s"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM unnest((%s)::text[])", [texts])
        assert [row[0] for row in cursor.fetchall()] == texts
