"""A quotation before the customer, below its pages: sent once, frozen, superseded, looked at, withdrawn, expired."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from portico import cast
from portico.accounts.models import Event
from portico.billing.actions import decide, draft, send
from portico.billing.documents.offer import price_selection
from portico.billing.models import Order, Price, Product, Quotation, QuotationVersion
from portico.billing.tests.my.pages import at_once, books
from portico.cast import World
from portico.kit.errors import Conflict, Invalid

DRAFT = "Quality checks, draft"
ROLL_OUT = "Workshop and showroom roll-out"
HELPDESK = "Helpdesk for the after-sales team"
LAST_DAY_ENDS = datetime(2026, 12, 8, 23, 0, tzinfo=UTC)
"""The end of 8 December in Nantes, the draft's Valid Until."""
TICK = timedelta(microseconds=1)


def current(quotation: Quotation) -> QuotationVersion:
    quotation.refresh_from_db()
    assert quotation.current is not None
    return quotation.current


def everything_of(version: QuotationVersion) -> Any:
    """Each column of the version and of its lines."""
    version = QuotationVersion.objects.select_related("quotation").get(pk=version.pk)
    return (
        QuotationVersion.objects.filter(pk=version.pk).values().get(),
        list(version.lines.order_by("position").values()),
        decide.evidence_data(version, {}, price_selection(version, {})),
    )


# Sending ---------------------------------------------------------------------------------------------------------------


def test_what_was_sent_stays_whatever_becomes_of_the_catalogue(world: World) -> None:
    quotation = world.quotation(DRAFT)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    frozen = everything_of(current(quotation))
    Price.objects.update(unit_price=Decimal(9999))
    Product.objects.update(name="Renamed", vat_rate=Decimal(10), description="New words", is_active=False)
    draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    assert everything_of(current(quotation)) == frozen
    order = cast.accept(world, quotation, world.now)
    assert order.total_minor == frozen[0]["total_minor"] == 28_800
    assert [line.name for line in order.lines.all()] == ["Quality"]
    assert order.invoices.get().total_minor == 28_800


@pytest.mark.django_db(transaction=True)
def test_sent_by_two_at_the_same_moment_it_is_sent_once(world: World) -> None:
    quotation = world.quotation(DRAFT)

    def sending() -> Any:
        return send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)

    answers = at_once(sending, sending)
    assert sorted(type(one).__name__ for one in answers) == ["Conflict", "QuotationVersion"]
    assert Event.objects.filter(name="quotation.sent", object_id=str(quotation.pk)).count() == 1


@pytest.mark.parametrize(("moment", "allowed"), [(LAST_DAY_ENDS - TICK, True), (LAST_DAY_ENDS, False)])
def test_it_may_be_sent_through_the_last_microsecond_of_its_day(world: World, moment: datetime, allowed: bool) -> None:
    quotation, before = world.quotation(DRAFT), books()
    if allowed:
        assert send.send_quotation(quotation=quotation, by=world.hanna, now=moment).status(moment) == "sent"
    else:
        with pytest.raises(Invalid, match="lies in the past"):
            send.send_quotation(quotation=quotation, by=world.hanna, now=moment)
        assert books() == before


def test_a_draft_beside_an_accepted_version_is_not_sent(world: World) -> None:
    quotation = world.quotation("Renewal of fontaine-boutique")
    draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    cast.accept(world, quotation, world.now)
    before = books()
    with pytest.raises(Conflict, match="accepted meanwhile"):
        send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert books() == before
    assert current(quotation).state == "accepted"


@pytest.mark.django_db(transaction=True)
def test_accepting_one_version_while_the_next_is_sent_leaves_one_story(world: World) -> None:
    quotation = world.quotation("Renewal of fontaine-boutique")
    draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    answers = at_once(
        lambda: cast.accept(world, Quotation.objects.get(pk=quotation.pk), world.now),
        lambda: send.send_quotation(quotation=quotation, by=world.hanna, now=world.now),
    )
    assert [type(one) for one in answers].count(Conflict) == 1
    states = dict(quotation.versions.values_list("version", "state"))
    ordered = Order.objects.filter(version__quotation=quotation).exists()
    assert states == ({1: "accepted", 2: "draft"} if ordered else {1: "superseded", 2: "sent"})


def test_sending_supersedes_what_was_open_and_leaves_what_was_decided(world: World) -> None:
    for title, before in ((ROLL_OUT, "superseded"), ("Annual maintenance plan", "rejected")):
        quotation = world.quotation(title)
        old = current(quotation)
        draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
        new = send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
        old.refresh_from_db()
        assert (old.state, current(quotation)) == (before, new)
        assert (old.superseded_at == world.now) == (before == "superseded")
        with pytest.raises(Conflict):
            decide.reject_quotation(
                quotation=quotation, by=world.member(world.camille), version=old.version, reason="price", comment="",
                now=world.now,
            )  # fmt: skip


def test_outside_the_eu_nothing_with_vat_is_mixed_in(world: World) -> None:
    quotation = draft.draft_quotation(seller=world.seller, customer=world.fjord, by=world.hanna, now=world.now)
    lines = [cast.line(world, "consulting-day", currency="NOK"), cast.line(world, "handbook", currency="NOK")]
    fields = {"title": "Days and handbooks", "valid_until": world.now.date()}
    version = quotation.versions.get()
    draft.save_draft(version=version, revision=0, fields=fields, lines=lines, now=world.now)
    assert set(version.lines.values_list("vat_category", flat=True)) == {"O", "G"}
    before = books()
    with pytest.raises(Invalid):
        send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert books() == before


@pytest.mark.parametrize("field", ["legal_name", "country"])
def test_a_buyer_without_name_or_country_gets_no_quotation(world: World, field: str) -> None:
    setattr(world.fontaine, field, "")
    world.fontaine.save()
    before = books()
    with pytest.raises(Invalid, match="Name and country of both companies"):
        send.send_quotation(quotation=world.quotation(DRAFT), by=world.hanna, now=world.now)
    assert books() == before


# Looking ---------------------------------------------------------------------------------------------------------------


def test_a_view_counts_once_an_hour_and_the_first_of_all_is_told(world: World) -> None:
    quotation = world.quotation(DRAFT)
    version = send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)

    def look(minutes: int, by: Any = world.camille) -> int:
        at = world.now + timedelta(minutes=minutes)
        send.record_view(version=version, by=by, ip=None, user_agent="x" * 999, now=at)
        return version.views.count()

    assert [look(0), look(59), look(60, world.julien), look(60), look(61)] == [1, 1, 2, 3, 3]
    assert current(quotation).first_viewed_at == world.now
    event = Event.objects.get(name="quotation.viewed", object_id=str(quotation.pk))
    assert (event.actor, event.data["version"]) == (world.camille, 1)


# Withdrawing, and the end of validity ----------------------------------------------------------------------------------


def test_what_was_never_sent_cannot_be_withdrawn(world: World) -> None:
    before = books()
    with pytest.raises(Conflict, match="not been sent yet"):
        send.withdraw_quotation(quotation=world.quotation(DRAFT), by=world.hanna, now=world.now)
    assert books() == before


@pytest.mark.django_db(transaction=True)
def test_withdrawn_and_accepted_at_the_same_moment_one_happens(world: World) -> None:
    quotation = world.quotation("Renewal of fontaine-boutique")
    answers = at_once(
        lambda: cast.accept(world, Quotation.objects.get(pk=quotation.pk), world.now),
        lambda: send.withdraw_quotation(quotation=quotation, by=world.hanna, now=world.now),
    )
    assert [type(one) for one in answers].count(Conflict) == 1
    ordered = Order.objects.filter(version__quotation=quotation).exists()
    assert current(quotation).state == ("accepted" if ordered else "withdrawn")


def decisions(world: World, quotation: Quotation, now: datetime) -> dict[str, Any]:
    """Each decision a customer may take, ready to be taken."""
    camille = world.member(world.camille)
    return {
        "accept": lambda: cast.accept(world, quotation, now),
        "reject": lambda: decide.reject_quotation(
            quotation=quotation, by=camille, version=1, reason="price", comment="", now=now
        ),
        "changes": lambda: decide.ask_for_changes(
            quotation=quotation, by=camille, version=1, message="Please", wishes={}, now=now
        ),
    }


@pytest.mark.parametrize("decision", ["accept", "reject", "changes"])
def test_a_decision_is_taken_through_the_last_microsecond_and_not_after(world: World, decision: str) -> None:
    quotation = world.quotation(DRAFT)
    version = send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    send.record_view(
        version=version, by=world.camille, ip=None, user_agent="", now=LAST_DAY_ENDS - timedelta(minutes=9)
    )
    quotation.refresh_from_db()
    before, late = books(), decisions(world, quotation, LAST_DAY_ENDS)
    assert version.status(LAST_DAY_ENDS) == "expired"
    with pytest.raises(Conflict, match="expired"):
        late[decision]()
    assert books() == before
    assert version.status(LAST_DAY_ENDS - TICK) == "sent"
    decisions(world, quotation, LAST_DAY_ENDS - TICK)[decision]()
    state = {"accept": "accepted", "reject": "rejected", "changes": "changes_requested"}[decision]
    assert current(quotation).state == state


def test_a_no_is_taken_back_until_the_last_microsecond(world: World) -> None:
    quotation, camille = world.quotation(DRAFT), world.member(world.camille)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    decisions(world, quotation, world.now)["reject"]()
    before = books()
    with pytest.raises(Conflict, match="can no longer be reopened"):
        decide.reopen_quotation(quotation=quotation, by=camille, now=LAST_DAY_ENDS)
    assert books() == before
    decide.reopen_quotation(quotation=quotation, by=camille, now=LAST_DAY_ENDS - TICK)
    assert current(quotation).state == "sent"


def test_a_new_quotation_is_asked_for_only_when_the_old_one_is_over_and_once(world: World) -> None:
    quotation, camille = world.quotation(HELPDESK), world.member(world.camille)
    ends = datetime(2026, 12, 5, 23, 0, tzinfo=UTC)
    before = books()
    with pytest.raises(Conflict, match="still valid"):
        decide.ask_for_new_quotation(quotation=quotation, by=camille, message="", now=ends - TICK)
    assert books() == before
    decide.ask_for_new_quotation(quotation=quotation, by=camille, message="", now=ends)
    before = books()
    with pytest.raises(Conflict, match="asked for already"):
        decide.ask_for_new_quotation(quotation=quotation, by=camille, message="", now=ends)
    assert books() == before
