"""Every allowed and every refused step of a quotation version, and what the database itself refuses."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from portico import cast
from portico.billing.models import Quotation, QuotationVersion
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.periods import end_of_day

State = QuotationVersion.State


def version_in(people: World, state: str) -> QuotationVersion:
    """A version brought to `state` by its own methods."""
    lines = [cast.line(people, "consulting-day")]
    quotation = cast.write(people, people.fontaine, "A day", lines, people.now)
    version = quotation.versions.get()
    if state == State.DRAFT:
        return version
    version.send(by=people.hanna, valid_until=people.now.date() + timedelta(days=10), now=people.now)
    if state == State.SUPERSEDED:
        version.withdraw(by=people.hanna, now=people.now)
        QuotationVersion.objects.filter(pk=version.pk).update(state=state, superseded_at=people.now)
        version.refresh_from_db()
    elif state != State.SENT:
        STEPS[
            {
                "accepted": "accept",
                "rejected": "reject",
                "withdrawn": "withdraw",
                "changes_requested": "ask_for_changes",
            }[state]
        ](version, people)
    return version


STEPS: dict[str, Callable[[QuotationVersion, World], None]] = {
    "send": lambda v, w: v.send(by=w.hanna, valid_until=w.now.date(), now=w.now),
    "accept": lambda v, w: v.accept(by=w.camille, now=w.now),
    "ask_for_changes": lambda v, w: v.ask_for_changes(by=w.camille, now=w.now),
    "reject": lambda v, w: v.reject(by=w.camille, reason="price", comment="", now=w.now),
    "reopen": lambda v, w: v.reopen(now=w.now),
    "withdraw": lambda v, w: v.withdraw(by=w.hanna, now=w.now),
}
ALLOWED = {
    "draft": {"send": "sent"},
    "sent": {
        "accept": "accepted",
        "ask_for_changes": "changes_requested",
        "reject": "rejected",
        "withdraw": "withdrawn",
    },
    "changes_requested": {
        "accept": "accepted",
        "ask_for_changes": "changes_requested",
        "reject": "rejected",
        "withdraw": "withdrawn",
    },
    "rejected": {"reopen": "sent"},
    "accepted": {},
    "withdrawn": {},
    "superseded": {},
}


@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_from_each_state(people: World, state: str, step: str) -> None:
    version = version_in(people, state)
    if step in ALLOWED[state]:
        STEPS[step](version, people)
        version.refresh_from_db()
        assert version.state == ALLOWED[state][step]
        return
    before = QuotationVersion.objects.filter(pk=version.pk).values().get()
    with pytest.raises(Conflict), transaction.atomic():
        STEPS[step](version, people)
    assert QuotationVersion.objects.filter(pk=version.pk).values().get() == before


@pytest.mark.parametrize("step", ["accept", "ask_for_changes", "reject"])
def test_valid_through_the_last_microsecond_of_its_day_in_the_sellers_zone(people: World, step: str) -> None:
    end = end_of_day(version_in(people, "sent").valid_until, people.seller.zone)  # type: ignore[arg-type]  # it was sent
    assert end.astimezone(people.seller.zone).strftime("%d %H:%M:%S") == "20 00:00:00"
    for moment, expired in ((end - timedelta(microseconds=1), False), (end, True), (end + timedelta(seconds=1), True)):
        version = version_in(people, "sent")
        assert version.is_expired(moment) is expired
        assert version.status(moment) == ("expired" if expired else "sent")
        at = World(moment, people.seller, people.fontaine, people.lindner, people.fjord, people.people, people.products)
        if expired:
            with pytest.raises(Conflict, match="expired"):
                STEPS[step](version, at)
            assert QuotationVersion.objects.get(pk=version.pk).state == "sent"
        else:
            STEPS[step](version, at)


def test_reopening_ends_with_valid_until(people: World) -> None:
    version = version_in(people, "rejected")
    end = end_of_day(version.valid_until, people.seller.zone)  # type: ignore[arg-type]  # it was sent
    with pytest.raises(Conflict, match="expired"):
        version.reopen(now=end)
    version.reopen(now=end - timedelta(microseconds=1))
    assert version.state == "sent"


def test_sending_the_next_version_supersedes_the_open_one_and_drafting_does_not(people: World) -> None:
    first = version_in(people, "sent")
    second = QuotationVersion.objects.create(
        quotation=first.quotation, version=2, currency="EUR", created_at=people.now
    )
    first.refresh_from_db()
    assert first.state == "sent"
    second.send(by=people.hanna, valid_until=people.now.date(), now=people.now)
    first.refresh_from_db()
    assert (first.state, second.state) == ("superseded", "sent")
    assert Quotation.objects.get(pk=first.quotation_id).current == second


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "accepted"},
        {"state": "sent", "sent_at": None},
        {"state": "rejected", "rejected_at": None},
        {"state": "withdrawn", "withdrawn_at": None},
        {"state": "superseded", "superseded_at": None},
        {"state": "changes_requested", "changes_requested_at": None},
        {"total_minor": 1},
        {"payment_policy": "deposit", "deposit_percent": Decimal(0)},
        {"payment_policy": "deposit", "deposit_percent": Decimal(100)},
        {"payment_policy": "none", "deposit_percent": Decimal(10)},
    ],
)
def test_the_database_refuses_a_broken_row(people: World, broken: dict[str, object]) -> None:
    version = version_in(people, "sent")
    with pytest.raises(IntegrityError), transaction.atomic():
        QuotationVersion.objects.filter(pk=version.pk).update(**broken)


def test_the_database_refuses_two_live_versions_and_two_drafts(people: World) -> None:
    first = version_in(people, "sent")
    for state, stamps in (("sent", {"sent_at": people.now, "valid_until": people.now.date()}), ("draft", {})):
        QuotationVersion.objects.filter(quotation=first.quotation, version__gt=1).delete()
        second = QuotationVersion(
            quotation=first.quotation, version=2, currency="EUR", created_at=people.now, state="draft"
        )
        second.save()
        third = QuotationVersion(
            quotation=first.quotation, version=3, currency="EUR", created_at=people.now, state=state, **stamps
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            third.save()
