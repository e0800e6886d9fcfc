"""What need not be kept goes on its day, not before; and a restored backup brings nobody back."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client

from portico.accounts.models import Membership, User
from portico.billing import books
from portico.billing.actions import hooks
from portico.billing.documents.certificate import certificate_pdf
from portico.billing.models import Acceptance, QuotationView
from portico.cast import World
from portico.kit.errors import Missing
from portico.kit.files import being_written
from portico.kit.models import Letter, WebhookAttempt
from portico.privacy import jobs, ledger
from portico.privacy.models import ErasureRequest
from portico.privacy.tests.test_erasing import carried_out, found, lived, plant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_ledger(settings: Any, tmp_path: Path) -> Path:
    """The list of erasures of one test."""
    settings.PORTICO_ERASURES = tmp_path / "kept" / "erasures.jsonl"
    return Path(settings.PORTICO_ERASURES)


def erased_buyer(world: World, country: str = "FR") -> ErasureRequest:
    """Camille, who accepted quotations, was erased as far as the law lets."""
    world.seller.country = country
    world.seller.save(update_fields=["country"])
    plant(world.camille)
    User.objects.filter(pk=world.camille.pk).update(email="camille@fontaine.example")
    Membership.objects.filter(user=world.julien, customer=world.fontaine).update(is_owner=True)
    return carried_out(world, world.camille)


# What stayed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("country", "years"), [("FR", 10), ("DE", 8), ("BE", 10)])
def test_evidence_goes_when_its_last_day_is_over_in_the_sellers_zone(world: World, country: str, years: int) -> None:
    asked = erased_buyer(world, country)
    last = asked.kept_until
    assert last is not None
    assert (last.month, last.day) == (12, 31)
    assert last.year == 2026 + years
    zone = ZoneInfo("Europe/Paris")
    evening = datetime(last.year, 12, 31, 23, 59, 59, tzinfo=zone)
    jobs.retention(evening)
    asked.refresh_from_db()
    assert asked.state == "partial"
    assert "billing.Acceptance.signer_name" in found()
    jobs.retention(evening + timedelta(seconds=1))
    asked.refresh_from_db()
    assert asked.state == "completed"
    assert found() == set()
    assert asked.proof[-1]["what"] == "purged"
    assert asked.proof[-1]["count"] == asked.proof[0]["count"] > 0
    assert books.verify() == []
    before = asked.proof
    jobs.retention(evening + timedelta(days=1))
    asked.refresh_from_db()
    assert asked.proof == before, "once"


def test_colleagues_evidence_stays(world: World) -> None:
    other = Acceptance.objects.exclude(accepted_by=world.camille).exclude(signer_name="")
    names = set(other.values_list("pk", "signer_name"))
    assert names
    asked = erased_buyer(world)
    assert asked.kept_until
    jobs.retention(datetime.combine(asked.kept_until + timedelta(days=2), datetime.min.time(), UTC))
    assert set(other.values_list("pk", "signer_name")) == names


def test_without_its_evidence_there_is_no_certificate_and_the_page_still_works(world: World, client_for: Any) -> None:
    accepted = Acceptance.objects.filter(accepted_by=world.camille).earliest("pk")
    number = accepted.version.quotation.number
    assert certificate_pdf(accepted).startswith(b"%PDF")
    asked = erased_buyer(world)
    assert asked.kept_until
    jobs.retention(datetime.combine(asked.kept_until + timedelta(days=2), datetime.min.time(), UTC))
    accepted.refresh_from_db()
    with pytest.raises(Missing, match="evidence"):
        certificate_pdf(accepted)
    staff: Client = client_for(world.hanna)
    assert staff.get(f"/staff/quotations/{number}/").status_code == 200
    assert staff.get(f"/staff/quotations/{number}/certificate/").status_code == 404


def test_traces_mails_and_sessions_go_by_age(world: World) -> None:
    version = world.quotation("Workshop and showroom roll-out").current
    assert version
    QuotationView.objects.all().delete()
    views = [
        QuotationView.objects.create(
            version=version, user=world.camille, at=world.now - timedelta(days=days), ip="192.0.2.7", user_agent="A"
        )
        for days in (89, 91)
    ]
    letters = list(Letter.objects.order_by("pk")[:3])
    assert all(one.to_address for one in letters)
    for one, days, sent in zip(letters, (729, 731, 731), (True, True, False), strict=True):
        one.queued_at = world.now - timedelta(days=days)
        one.state = Letter.State.SENT if sent else Letter.State.QUEUED
        one.next_attempt_at, one.sent_at = (None, one.queued_at) if sent else (world.now, None)
        one.save(update_fields=["queued_at", "state", "next_attempt_at", "sent_at"])
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(
            session_key=key, session_data=SessionStore().encode({}), expire_date=world.now + timedelta(days=days)
        )
    jobs.retention(world.now)
    assert [QuotationView.objects.get(pk=one.pk).ip for one in views] == ["192.0.2.7", None]
    assert [bool(Letter.objects.get(pk=one.pk).to_address) for one in letters] == [True, False, True]
    assert Letter.objects.get(pk=letters[1].pk).key == letters[1].key, "it is not written a second time"
    assert set(Session.objects.filter(session_key__in=["old", "new"]).values_list("pk", flat=True)) == {"new"}
    assert jobs.retention(world.now) == 0


# A restored backup -----------------------------------------------------------------------------------------------------


def erased_and_restored(world: World) -> User:
    """A person is erased; then the database is as it was before."""
    user = lived(world)
    plant(user)
    User.objects.filter(pk=user.pk).update(email="ines@fontaine.example")
    with transaction.atomic():
        carried_out(world, user)
        assert found() == set()
        transaction.set_rollback(True)
    assert found(), "the backup holds the person"
    return user


def test_a_restored_backup_brings_nobody_back(world: World, own_ledger: Path) -> None:
    user = erased_and_restored(world)
    assert "ines" not in own_ledger.read_text().lower()
    assert ledger.replay(now=world.now) == 1
    assert found() == set()
    asked = ErasureRequest.objects.get(user=user)
    assert (asked.state, asked.channel) == ("completed", "post")
    assert ledger.replay(now=world.now) == 0, "once"
    assert books.verify() == []


def test_a_request_that_the_backup_knows_is_carried_out_and_not_doubled(world: World) -> None:
    user = erased_and_restored(world)
    ErasureRequest.objects.create(
        seller=world.seller, user=user, channel="post", received_on=date(2026, 11, 1), due_on=date(2026, 12, 1)
    )
    assert ledger.replay(now=world.now) == 1
    assert [one.state for one in ErasureRequest.objects.filter(user=user)] == ["completed"]


def test_another_login_of_the_same_key_is_left_alone(world: World) -> None:
    user = erased_and_restored(world)
    User.objects.filter(pk=user.pk).update(date_joined=world.now + timedelta(days=1))
    assert ledger.replay(now=world.now) == 0
    assert User.objects.get(pk=user.pk).is_active


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_next_is_read(world: World, own_ledger: Path) -> None:
    erased_and_restored(world)
    whole = own_ledger.read_text()
    own_ledger.write_text(whole.strip()[:20])
    asked = ErasureRequest(user=User.objects.get(name__startswith="Zq7marker"), channel="post")
    asked.received_on = asked.due_on = world.now.date()
    ledger.note(asked, now=world.now)
    assert ledger.replay(now=world.now) == 1


def test_what_cannot_be_noted_is_not_said_to_be_done(world: World, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    settings.PORTICO_ERASURES = tmp_path / "file" / "erasures.jsonl"
    user = lived(world)
    with pytest.raises(OSError, match="file"):
        carried_out(world, user)
    assert ErasureRequest.objects.get(user=user).state == "executing"


def test_webhooks_and_their_answers_go_after_thirty_days(world: World) -> None:
    endpoint = hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/", types=["invoice.paid"], by=world.admin, now=world.now
    )
    old, young = (hooks.send_test(endpoint=endpoint, now=world.ago(days)) for days in (31, 29))
    WebhookAttempt.objects.create(delivery=old, at=world.now, milliseconds=1, answer="no")
    jobs.retention(world.now)
    assert list(endpoint.deliveries.all()) == [young]
    assert not WebhookAttempt.objects.exists()


def test_what_a_killed_process_left_half_written_goes(world: World, settings: Any, tmp_path: Path) -> None:
    settings.PORTICO_FILES = tmp_path / "files"
    being_written().mkdir(parents=True)
    half = being_written() / "half"
    half.write_bytes(b"an invoice, as far as it came")
    os.utime(half, (world.now.timestamp(),) * 2)
    jobs.retention(world.now + timedelta(minutes=59))
    assert half.exists(), "somebody may still be writing it"
    jobs.retention(world.now + timedelta(minutes=61))
    assert not list(being_written().iterdir())
