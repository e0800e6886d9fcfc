"""ZIP files that workers prepare: in turns, through kills, by one worker at a time; what goes wrong is said."""

import fcntl
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from portico.accounts.letters import choose
from portico.accounts.models import Event, User
from portico.billing.actions import archive as making
from portico.billing.actions.archive import ask_chosen, ask_year, remove_archive
from portico.billing.documents.bundle import bundled
from portico.billing.models import Archive, Invoice
from portico.billing.tests.archives import made, read, work
from portico.cast import World
from portico.commands import CHECKOUT
from portico.kit.errors import Conflict, Invalid
from portico.kit.files import path_of
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = pytest.mark.django_db
WORKER = """
import sys
from datetime import datetime
import django
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from portico.billing.actions import archive
archive.TURN, archive.BATCH = 0.0, 2
print("begun", flush=True)
while archive.go_on(datetime.fromisoformat(sys.argv[2])):
    print("turn", flush=True)
"""


@pytest.fixture
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn is two papers."""
    monkeypatch.setattr(making, "TURN", 0.0)
    monkeypatch.setattr(making, "BATCH", 2)


def year(world: World) -> Archive:
    return ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now)


def chosen(world: World) -> Archive:
    rows = Invoice.objects.filter(seller=world.seller, state="issued")
    return ask_chosen(
        seller=world.seller, by=world.omar, member=None, rows=rows, xml="cii", language="en", now=world.now
    )


KINDS = pytest.mark.parametrize("ask", [year, chosen])


@KINDS
def test_it_is_made_in_turns_and_is_the_same_as_in_one(
    world: World, ask: Callable[[World], Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made(ask(world), world.now)
    monkeypatch.setattr(making, "TURN", 0.0)
    monkeypatch.setattr(making, "BATCH", 2)
    archive = ask(world)
    seen = []
    while making.go_on(world.now):
        archive.refresh_from_db()
        seen.append((archive.done, archive.percent))
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert [percent for _done, percent in seen[:-1]] < [100]
    assert seen[-1] == (archive.total, 100)
    assert read(archive.path.read_bytes()) == whole
    assert not list(archive.path.parent.glob(f"{archive.path.name}.*")), "nothing is left beside it"


def test_others_get_their_turn_meanwhile(world: World, small_turns: None) -> None:
    first, second = year(world), chosen(world)
    for seconds in range(4):
        making.go_on(world.now + timedelta(seconds=seconds))
    first.refresh_from_db()
    second.refresh_from_db()
    assert min(first.done, second.done) >= 2


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_it_is_gone_on_with(world: World) -> None:
    whole = made(year(world), world.now)
    archive = year(world)
    chance, kills, now = random.Random(7), 0, world.now
    for _worker in range(40):
        now += timedelta(minutes=5)  # the claim of the one before has run out
        with worker(now) as process:
            assert process.stdout is not None
            for _line in ("begun", "turn"):
                process.stdout.readline()
            time.sleep(chance.random() * 0.05)
            process.kill()
        archive.refresh_from_db()
        if archive.state == Archive.State.READY:
            break
        kills += 1
    assert archive.state == Archive.State.READY, archive.problem
    assert kills >= 2
    assert read(archive.path.read_bytes()) == whole


def worker(now: datetime) -> "subprocess.Popen[str]":
    """Another process that makes archives, two papers a turn."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), now.isoformat()],
        stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT / "src")},
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_two_workers_make_it_once(world: World) -> None:
    whole = made(year(world), world.now)
    archive = year(world)
    both = [worker(world.now), worker(world.now)]
    for process in both:
        process.communicate(timeout=100)
    work(world.now)
    archive.refresh_from_db()
    assert archive.state == Archive.State.READY, archive.problem
    assert read(archive.path.read_bytes()) == whole


@pytest.mark.parametrize("guarded", [True, False])
def test_a_second_worker_in_the_middle_of_a_turn(world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """It comes long after the first one's claim, and finds other amounts; without the lock both write into one file."""
    monkeypatch.setattr(making, "TURN", 1000.0)
    archive, came = year(world), list[int]()

    def held_up(paper: Invoice, syntax: str, folder: str = "") -> Any:
        came.append(paper.pk)
        if len(came) == 3:
            Invoice.objects.filter(pk__in=came).update(amount_due_minor=F("total_minor"))
            making.go_on(world.now + timedelta(minutes=10))
        return bundled(paper, syntax, folder)

    if not guarded:
        monkeypatch.setattr(fcntl, "flock", lambda _file, _how: None)
    monkeypatch.setattr(making, "bundled", held_up)
    work(world.now)
    work(world.now + timedelta(minutes=30))
    archive.refresh_from_db()
    assert archive.state == Archive.State.READY
    whole = hashlib.sha256(archive.path.read_bytes()).hexdigest() == archive.sha256
    assert whole is guarded


def test_what_is_gone_from_the_disk_is_made_again(world: World, small_turns: None) -> None:
    whole = made(year(world), world.now)
    archive = year(world)
    making.go_on(world.now)
    making.go_on(world.now)
    archive.path.unlink()
    assert made(archive, world.now) == whole


def test_a_damaged_paper_stops_a_year_and_names_it(world: World) -> None:
    made(year(world), world.now)  # draws them
    paper = Invoice.objects.filter(series="INV", pdf__isnull=False, issued_on__year=world.now.year).earliest("id")
    assert paper.pdf is not None
    content = paper.pdf.read()
    path_of(paper.pdf.sha256).unlink()
    archive = year(world)
    work(world.now)
    archive.refresh_from_db()
    assert archive.state == Archive.State.FAILED
    assert str(paper.number) in archive.problem
    path_of(paper.pdf.sha256).write_bytes(content)
    assert archive.retry()
    assert made(archive, world.now)


def test_what_fails_again_and_again_is_given_up_and_can_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = chosen(world)
    with monkeypatch.context() as broken:
        broken.setattr(making, "bundled", lambda *_given: 1 / 0)
        work(world.now)
    archive.refresh_from_db()
    assert archive.state == Archive.State.FAILED
    assert "Try again" in archive.problem
    assert archive.retry()
    assert not archive.retry()
    assert made(archive, world.now)


def test_deleted_while_it_is_made_nothing_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = chosen(world)

    def deleted(paper: Invoice, syntax: str, folder: str = "") -> Any:
        if Archive.objects.exists():
            remove_archive(archive=archive, by=world.omar, now=world.now)
        return bundled(paper, syntax, folder)

    monkeypatch.setattr(making, "bundled", deleted)
    work(world.now)
    making.take_away(world.now)
    assert not list(archive.path.parent.glob(f"{archive.key}*"))


def test_a_year_is_up_to_the_moment_it_was_asked_for(world: World, small_turns: None) -> None:
    archive = year(world)
    making.go_on(world.now)
    last = archive.bounds["INV"]["last_number"]
    newest = Invoice.objects.get(number=last)
    newest.pk, newest.number, newest.hash = None, f"INV-{world.now.year}-09999", "f" * 64
    newest.chain_position, newest.period, newest.order = 9999, None, None
    newest.save(force_insert=True)
    files = made(archive, world.now)
    assert not [name for name in files if "09999" in name]


def test_what_is_refused(world: World) -> None:
    for wrong in (1999, world.now.year + 1, 2001):
        with pytest.raises(Invalid):
            ask_year(seller=world.seller, by=world.omar, year=wrong, now=world.now)
    year(world)
    with pytest.raises(Conflict):
        year(world)
    with pytest.raises(Invalid):
        ask_chosen(
            seller=world.seller, by=world.omar, member=None, rows=Invoice.objects.none(), xml="", language="en",
            now=world.now,
        )  # fmt: skip
    assert Event.objects.filter(name="archive.asked", actor=world.omar).count() == 1


# Told by mail ----------------------------------------------------------------------------------------------------------


def told(archive: Archive) -> list[Letter]:
    return list(Letter.objects.filter(event="archive_ready", about=f"archive:{archive.pk}"))


def of_a_member(world: World) -> Archive:
    member = world.member(world.camille)
    rows = Invoice.objects.visible_to(member)
    return ask_chosen(
        seller=world.seller, by=world.camille, member=member, rows=rows, xml="", language="fr", now=world.now
    )


@pytest.mark.parametrize(("ask", "face"), [(year, "staff"), (chosen, "staff"), (of_a_member, "my")])
def test_who_asked_is_told_when_it_took_a_while(world: World, ask: Callable[[World], Archive], face: str) -> None:
    soon = ask(world)
    work(world.now + timedelta(seconds=50))
    assert told(soon) == [], "the page is still open"
    archive = ask(world)
    work(world.now + timedelta(minutes=2))
    work(world.now + timedelta(minutes=3))
    (letter,) = told(archive)
    assert letter.person == archive.user_id
    drawn = render(letter)
    assert drawn is not None
    page = {"year": "archives", "chosen": "downloads"}[archive.kind]
    for words in (drawn.text, drawn.html):
        assert f"/{face}/{page}/{archive.key}/" in words
        assert f"/{face}/account/letters/" in words
        assert str(archive.total) in words
    remove_archive(archive=archive, by=world.omar, now=world.now)
    assert render(letter) is None, "it is gone: nothing leads to it"


def test_who_asked_is_told_why_there_is_none(world: World) -> None:
    damaged = Invoice.objects.filter(series="INV", issued_on__year=world.now.year).latest("chain_position")
    bundled(damaged, "")
    damaged.refresh_from_db()
    assert damaged.pdf is not None
    damaged.pdf.path.write_bytes(b"changed")
    archive = year(world)
    work(world.now + timedelta(minutes=2))
    (letter,) = told(archive)
    drawn = render(letter)
    assert drawn is not None
    assert drawn.subject == "Your download could not be made"
    assert str(damaged.number) in drawn.text
    assert Archive.objects.get(pk=archive.pk).retry()
    assert render(letter) is None, "it is being made again"


def test_who_does_not_want_it_or_is_gone_is_not_told(world: World) -> None:
    choose(world.omar, set())
    archive = year(world)
    work(world.now + timedelta(minutes=2))
    assert told(archive) == []
    other = chosen(world)
    User.objects.filter(pk=world.omar.pk).update(is_active=False)
    work(world.now + timedelta(minutes=2))
    assert told(other) == []
