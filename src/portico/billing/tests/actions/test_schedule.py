"""Sending later: once, at its moment, complete or not at all, and only while nobody took it back."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from portico.accounts.models import Event
from portico.billing.actions import draft, schedule, send
from portico.billing.models import Quotation, QuotationVersion
from portico.billing.tests.my.pages import books
from portico.cast import World
from portico.kit.errors import Conflict, Invalid
from portico.kit.models import Letter

LINES = [draft.LineDraft(kind="line", name="A day", unit_price=Decimal(500))]


@pytest.fixture
def written(world: World) -> Quotation:
    """A complete draft for Lindner, valid for ten days."""
    quotation = draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    save(quotation, world.now, title="Later", valid_until=world.now.date() + timedelta(days=10))
    return quotation


def save(quotation: Quotation, now: datetime, **fields: str | date) -> None:
    version = quotation.versions.get()
    draft.save_draft(version=version, revision=version.revision, fields=fields, lines=LINES, now=now)


def names(quotation: Quotation) -> list[str]:
    return list(
        Event.objects.filter(noun="quotation", object_id=quotation.pk).order_by("id").values_list("name", flat=True)
    )


def test_it_is_sent_at_its_moment_and_once(world: World, written: Quotation) -> None:
    at = world.now + timedelta(days=2)
    schedule.schedule_send(quotation=written, at=at, by=world.hanna, now=world.now)
    letters = Letter.objects.count()
    assert schedule.send_due(at - timedelta(seconds=1)) == 0
    assert schedule.send_due(at) == 1
    assert schedule.send_due(at) == 0
    version = written.versions.get()
    assert (version.state, version.sent_at, version.sent_by, version.send_at) == ("sent", at, world.hanna, None)
    assert names(written)[-2:] == ["quotation.scheduled", "quotation.sent"]
    assert Letter.objects.count() > letters


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=-1), timedelta(days=366)])
def test_a_moment_that_is_over_or_too_far_is_refused(world: World, written: Quotation, ahead: timedelta) -> None:
    before = books()
    with pytest.raises(Invalid, match="moment in the future"):
        schedule.schedule_send(quotation=written, at=world.now + ahead, by=world.hanna, now=world.now)
    assert books() == before


def test_what_would_not_be_valid_then_is_refused_now(world: World, written: Quotation) -> None:
    before = books()
    with pytest.raises(Invalid, match="lies in the past"):
        schedule.schedule_send(quotation=written, at=world.now + timedelta(days=11), by=world.hanna, now=world.now)
    assert books() == before


def test_while_it_waits_nothing_is_edited_until_it_is_taken_back(world: World, written: Quotation) -> None:
    at = world.now + timedelta(hours=1)
    schedule.schedule_send(quotation=written, at=at, by=world.hanna, now=world.now)
    before = books()
    with pytest.raises(Conflict, match="Take that back"):
        save(written, world.now, title="Changed")
    assert books() == before
    schedule.cancel_schedule(quotation=written, by=world.omar, now=world.now)
    save(written, world.now, title="Changed")
    assert schedule.send_due(at) == 0
    assert written.versions.get().state == "draft"
    with pytest.raises(Conflict, match="Nothing waits"):
        schedule.cancel_schedule(quotation=written, by=world.omar, now=world.now)


def test_sent_by_hand_before_its_moment_it_is_not_sent_again(world: World, written: Quotation) -> None:
    at = world.now + timedelta(hours=1)
    schedule.schedule_send(quotation=written, at=at, by=world.hanna, now=world.now)
    send.send_quotation(quotation=written, by=world.omar, now=world.now)
    assert schedule.send_due(at) == 0
    assert names(written).count("quotation.sent") == 1
    with pytest.raises(Conflict, match="no draft to send"):
        schedule.schedule_send(quotation=written, at=at, by=world.hanna, now=world.now)


def test_one_that_cannot_be_sent_says_why_and_stops_no_other(world: World, written: Quotation) -> None:
    other = draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    save(other, world.now, title="Next", valid_until=world.now.date() + timedelta(days=10))
    at = world.now + timedelta(hours=1)
    for quotation in (written, other):
        schedule.schedule_send(quotation=quotation, at=at, by=world.hanna, now=world.now)
    QuotationVersion.objects.filter(quotation=written).update(title=" ")
    assert schedule.send_due(at) == 2
    stuck = written.versions.get()
    assert (stuck.state, stuck.send_at) == ("draft", None)
    assert "Give the quotation a title" in stuck.send_problem
    assert names(written)[-1] == "quotation.not_sent"
    assert other.versions.get().state == "sent"
    save(written, world.now, title="Later")
    assert written.versions.get().send_problem == ""
