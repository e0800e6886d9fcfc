"""The database is busy or full, or ends a transaction for the sake of another: said so, or tried again; nothing half done."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client

from portico.accounts.models import User
from portico.billing.books import verify
from portico.billing.models import Acceptance, Order, Payment, Quotation
from portico.cast import World, line, offer
from portico.kit.db import TIMES, tried_again
from portico.kit.models import Heartbeat

Browser = Callable[[User], Client]


def offered(world: World) -> Quotation:
    """What Camille may accept, paid in full."""
    lines = [line(world, "users", "3"), line(world, "point-of-sale")]
    return offer(world, world.fontaine, "A sale", lines, world.now, payment_policy="full")


def accept(client: Client, quotation: Quotation) -> Any:
    """Camille accepts what she saw."""
    version = quotation.current
    assert version is not None
    return client.post(
        f"/my/quotations/{quotation.number}/accept/",
        {
            "version": version.version, "seen_total_minor": version.total_minor, "consent": "on",
            "signature_kind": "typed", "signature_typed": "Camille Fontaine", "signer_name": "Camille Fontaine",
        },
    )  # fmt: skip


def untouched(quotation: Quotation) -> bool:
    """Nothing of an acceptance was written."""
    quotation.refresh_from_db()
    assert quotation.current is not None
    return (
        quotation.current.state == "sent"
        and not Acceptance.objects.filter(version__quotation=quotation).exists()
        and not Order.objects.filter(version__quotation=quotation).exists()
    )


def refused_and_then_done(client: Client, quotations: list[Quotation], trouble: Any) -> None:
    """While there is trouble, after a few that still find room: 503, nothing written. Afterwards it is accepted, once."""
    with trouble:
        tried = ((one, accept(client, one)) for one in quotations)
        quotation, answer = next(pair for pair in tried if pair[1].status_code != 302)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert "Our records cannot be reached." in answer.content.decode()
    assert untouched(quotation)
    assert accept(client, quotation).status_code == 302
    assert Order.objects.filter(version__quotation=quotation).count() == 1
    assert verify() == []


# SQLite ----------------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk() -> Iterator[None]:
    """The file cannot grow by a page."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # so that no page is free inside either
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count={pages}")
        yield
        cursor.execute("PRAGMA max_page_count=1073741823")
        cursor.execute("PRAGMA integrity_check")
        assert cursor.fetchone()[0] == "ok"


@contextmanager
def busy_file() -> Iterator[None]:
    """Another process writes, for longer than we wait."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout=300")
        yield
        other.execute("ROLLBACK")
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout=20000")


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", [full_disk, busy_file])
def test_a_full_disk_and_a_busy_file_are_said_so_and_nothing_is_half_done(
    people: World, client_for: Browser, trouble: Callable[[], Any]
) -> None:
    quotations, client = [offered(people) for _one in range(12)], client_for(people.camille)
    client.raise_request_exception = False
    assert client.get(f"/my/quotations/{quotations[0].number}/").status_code == 200
    refused_and_then_done(client, quotations, trouble())


# PostgreSQL ------------------------------------------------------------------------------------------------------------


def meet(story: Callable[[str, str], None]) -> list[BaseException]:
    """Two threads change two rows, each in the other's order, so that each waits for the other; what went wrong."""
    faults: list[BaseException] = []
    both = threading.Barrier(2)
    first = threading.local()

    def one_of_two(here: str, there: str) -> None:
        def pause() -> None:
            if not getattr(first, "over", False):
                first.over = True
                both.wait(10)

        try:
            story_of(pause, here, there)
        except OperationalError as fault:
            faults.append(fault)
        finally:
            connection.close()

    def story_of(pause: Callable[[], None], here: str, there: str) -> None:
        PAUSES[threading.get_ident()] = pause
        story(here, there)

    threads = [threading.Thread(target=one_of_two, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


PAUSES: dict[int, Callable[[], None]] = {}


def both_rows(here: str, there: str) -> None:
    """One transaction that changes two rows."""
    with transaction.atomic():
        counted(here)
        PAUSES[threading.get_ident()]()
        counted(there)


def counted(name: str) -> None:
    row = Heartbeat.objects.select_for_update().get(name=name)
    Heartbeat.objects.filter(pk=row.pk).update(failures=row.failures + 1)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_that_wait_for_each_other_one_is_tried_again_and_both_are_done(now: Any) -> None:
    for name in ("a", "b"):
        Heartbeat.objects.create(name=name, at=now, failures=0)
    assert meet(tried_again(both_rows)) == []
    assert list(Heartbeat.objects.order_by("name").values_list("failures", flat=True)) == [2, 2]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_control_without_trying_again_one_of_them_is_lost(now: Any) -> None:
    for name in ("a", "b"):
        Heartbeat.objects.create(name=name, at=now, failures=0)
    assert len(meet(both_rows)) == 1
    assert list(Heartbeat.objects.order_by("name").values_list("failures", flat=True)) == [1, 1]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_it_is_tried_again_a_few_times_and_never_inside_somebody_else_s_transaction() -> None:
    runs: list[int] = []

    @tried_again
    def always_ended() -> None:
        runs.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'ended' USING ERRCODE = '40001'; END $$")

    with pytest.raises(OperationalError):
        always_ended()
    assert len(runs) == TIMES
    with pytest.raises(OperationalError), transaction.atomic():
        always_ended()
    assert len(runs) == TIMES + 1


@pytest.mark.django_db(transaction=True)
def test_a_provider_is_never_called_inside_what_is_tried_again(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of the sandbox company while selling and paying, no transaction of ours is open."""
    from portico.billing.actions import pay
    from portico.billing.providers.sandbox.provider import Sandbox

    asked: list[bool] = []
    start = Sandbox.start

    def watched(self: Any, purchase: Any) -> Any:
        asked.append(connection.in_atomic_block)
        return start(self, purchase)

    monkeypatch.setattr(Sandbox, "start", watched)
    quotation = offered(people)
    client = Client()
    client.force_login(people.camille)
    assert accept(client, quotation).status_code == 302
    order = Order.objects.get(version__quotation=quotation)
    pay.start_payment(by=people.member(people.camille), provider="sandbox", order=order, now=people.now)
    assert asked == [False]
    assert Payment.objects.count() == 1
