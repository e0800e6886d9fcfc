"""The third door: a database reports what it got or lost; once, by the seller's policy, and never above a mandate's limit."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import transaction

from portico import cast
from portico.accounts.models import Event, Membership
from portico.billing import books
from portico.billing.actions import change, report
from portico.billing.actions.report import Reported, report_change
from portico.billing.documents.certificate import certificate_pdf
from portico.billing.models import (
    Acceptance,
    ChangePolicy,
    Mandate,
    MandateMonth,
    Product,
    Quotation,
    Report,
    Subscription,
)
from portico.billing.tests.my.pages import at_once
from portico.billing.tests.my.pages import books as everything
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = pytest.mark.django_db
MAIN = "atelier-fontaine"


def tell(world: World, name: str = "r-1", *, now: datetime | None = None, **changes: Any) -> Report:
    """The main database reports: `users=2`, or `users=-1` for fewer; underscores stand for hyphens."""
    found = [
        Reported(code.replace("_", "-"), added=max(count, 0), removed=max(-count, 0)) for code, count in changes.items()
    ]
    return told(world, name, found, now=now)


def told(world: World, name: str, changes: Sequence[Reported], now: datetime | None = None) -> Report:
    rows = Subscription.objects.select_related("customer__seller", "database")
    return report_change(
        subscription=rows.get(database__name=MAIN), report_id=name, changes=changes, by=None, now=now or world.now
    )


def policy(world: World, name: str, days: int = 14) -> None:
    report.set_policy(seller=world.seller, policy=name, grace_days=days, by=world.admin, now=world.now)


def mandate(world: World, limit_minor: int = 10_000_00) -> Mandate:
    return report.give_mandate(by=world.member(world.camille), limit_minor=limit_minor, consent=True, now=world.now)


def seats(world: World, on: date | None = None) -> int:
    """How many users run on a day."""
    rows = world.subscription(MAIN).items.filter(product__code="users", started_on__lte=on or world.now.date())
    return int(sum(one.quantity for one in rows if one.ended_on is None or one.ended_on > (on or world.now.date())))


# Quotation first -------------------------------------------------------------------------------------------------------


def test_a_report_makes_the_quotation_that_the_portal_would_make(world: World) -> None:
    users = Product.objects.get(code="users")
    shown = change.preview(world.subscription(MAIN), {users: Decimal(12)}, customer=world.fontaine, now=world.now)
    made = tell(world, users=2)
    quotation = made.quotation
    assert quotation is not None
    assert quotation.current is not None
    assert (made.state, quotation.kind, quotation.origin) == ("quoted", "upsell", "report")
    assert quotation.current.total_minor == shown.today_minor
    assert seats(world) == 10, "nothing changes until it is accepted"
    letter = Letter.objects.get(event="quotation_sent", about=f"version:{quotation.current.pk}")
    rendered = render(letter)
    assert rendered is not None
    assert "A database of Atelier Fontaine SARL reported" in rendered.text
    order = cast.accept(world, quotation, world.now)
    cast.paid_online(world, order, world.now)
    assert seats(world) == 12
    assert list(books.verify()) == []


def test_the_same_report_again_is_the_same_quotation_and_another_content_is_refused(world: World) -> None:
    first = tell(world, users=2)
    before = everything()
    assert tell(world, users=2) == first
    with pytest.raises(Conflict):
        tell(world, users=3)
    assert everything() == before
    assert tell(world, "r-2", users=2) != first


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("r-1", [Reported("nothing", 1)]),
        ("r-1", [Reported("users", 0, 0)]),
        ("r-1", [Reported("users", 1, 1)]),
        ("r-1", [Reported("users", -1)]),
        ("r-1", [Reported("users", 0, 11)]),
        ("r-1", [Reported("manufacturing", 1)]),
        ("r-1", [Reported("workshop", 1)]),
        ("r-1", [Reported("plan-starter", 1)]),
        ("r-1", [Reported("users", 1), Reported("users", 2)]),
        ("r-1", [Reported("users", 200_000)]),
        ("r-1", []),
        ("", [Reported("users", 1)]),
        ("x" * 81, [Reported("users", 1)]),
        ("a\nb", [Reported("users", 1)]),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(world: World, name: str, changes: list[Reported]) -> None:
    before = everything()
    with pytest.raises(Invalid):
        told(world, name, changes)
    assert everything() == before


def test_what_was_removed_ends_with_the_period_and_what_was_added_beside_it_is_quoted(world: World) -> None:
    made = tell(world, users=1, manufacturing=-1)
    subscription = world.subscription(MAIN)
    assert subscription.items.get(product__code="manufacturing").ended_on == subscription.period_end
    assert made.quotation is not None
    assert [line.product.code for line in made.quotation.current.lines.all() if line.product] == ["users"]  # type: ignore[union-attr]
    noted = tell(world, "r-2", users=-2)
    assert (noted.state, noted.quotation) == ("noted", None)
    assert seats(world) == 10
    assert subscription.period_end is not None
    assert seats(world, subscription.period_end) == 8


def test_a_database_that_does_not_run_cannot_report(world: World) -> None:
    Subscription.objects.filter(database__name=MAIN).update(state="suspended")
    with pytest.raises(Conflict):
        tell(world, users=1)
    assert not Report.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_same_report_twice_at_the_same_moment_is_one_quotation(world: World) -> None:
    before = Quotation.objects.count()
    made = at_once(*[lambda: tell(world, users=2)] * 3)
    assert len({one.pk for one in made}) == 1, made
    assert Quotation.objects.count() == before + 1


# Install at once ---------------------------------------------------------------------------------------------------------


def test_what_is_installed_at_once_runs_until_its_order_comes_and_is_not_counted_twice(world: World) -> None:
    policy(world, "install_at_once", 10)
    made = tell(world, users=3)
    assert (made.state, made.grace_until) == ("installed", world.now.date() + timedelta(days=10))
    assert seats(world) == 13
    assert made.quotation is not None
    assert made.quotation.current is not None
    assert made.quotation.current.valid_until == world.now.date() + timedelta(days=9)
    letter = Letter.objects.get(event="change_installed")
    rendered = render(letter)
    assert rendered is not None
    assert letter.person == world.camille.pk
    order = cast.accept(world, made.quotation, world.now)
    cast.paid_online(world, order, world.now)
    made.refresh_from_db()
    assert (made.state, seats(world)) == ("settled", 13)
    assert not world.subscription(MAIN).items.filter(provisional=True).exists()
    assert render(letter) is None, "settled: nothing to tell any more"
    assert report.end_grace(world.now + timedelta(days=30)) == 0
    assert list(books.verify()) == []


def test_unpaid_it_ends_with_the_grace_and_waits_for_staff_once(world: World) -> None:
    policy(world, "install_at_once", 10)
    made = tell(world, users=3)
    last, over = world.now + timedelta(days=9), world.now + timedelta(days=10)
    assert report.end_grace(last) == 0
    assert (seats(world, last.date()), seats(world, over.date())) == (13, 10)
    assert report.end_grace(over) == 1
    assert report.end_grace(over) == 0
    made.refresh_from_db()
    assert made.state == "lapsed"
    assert list(Report.objects.to_attend(world.seller)) == [made]
    assert Event.objects.filter(name="subscription.lapsed").count() == 1
    report.attend(subscription=made.subscription, by=world.hanna, now=over)
    assert not Report.objects.to_attend(world.seller).exists()
    with pytest.raises(Conflict):
        report.attend(subscription=made.subscription, by=world.hanna, now=over)


def test_money_that_comes_after_the_grace_still_brings_what_was_ordered(world: World) -> None:
    policy(world, "install_at_once", 10)
    made = tell(world, users=3)
    assert made.quotation is not None
    order = cast.accept(world, made.quotation, world.now)
    late = world.now + timedelta(days=12)
    assert report.end_grace(late) == 1
    cast.paid_online(world, order, late)
    made.refresh_from_db()
    assert (made.state, seats(world, late.date())) == ("settled", 13)


def test_what_runs_ahead_of_its_order_is_never_kept_renewed_or_charged_for_nothing(world: World) -> None:
    """Looking at 13 users beside 3 provisional ones charges for 3 more; the page's Keep does not make them permanent."""
    users = Product.objects.get(code="users")
    before = change.preview(world.subscription(MAIN), {users: Decimal(13)}, customer=world.fontaine, now=world.now)
    policy(world, "install_at_once", 90)
    tell(world, users=3)
    subscription = world.subscription(MAIN)
    after = change.preview(subscription, {users: Decimal(13)}, customer=world.fontaine, now=world.now)
    assert after.today_minor == before.today_minor > 0
    assert after.renewal == before.renewal
    subscription.keep(users, Decimal(3), world.now.date())
    assert subscription.items.filter(provisional=True, ended_on__isnull=False).count() == 1
    with pytest.raises(Invalid):
        tell(world, "r-2", point_of_sale=2)
    tell(world, "r-3", point_of_sale=1)
    with pytest.raises(Invalid):
        tell(world, "r-4", point_of_sale=1)


def test_the_grace_never_goes_beyond_the_renewal(world: World) -> None:
    policy(world, "install_at_once", 90)
    end = world.subscription(MAIN).period_end
    assert end is not None
    late = datetime.combine(end - timedelta(days=1), world.now.timetz())
    made = tell(world, users=1, now=late)
    assert made.grace_until == end


# Accepted by itself -------------------------------------------------------------------------------------------------------


def test_under_a_mandate_it_is_accepted_and_the_evidence_names_it(world: World) -> None:
    policy(world, "auto_accept")
    given = mandate(world)
    made = tell(world, users=2)
    assert made.state == "accepted"
    assert seats(world) == 12
    assert made.quotation is not None
    made.quotation.refresh_from_db()
    assert made.quotation.current is not None
    assert made.quotation.current.state == "accepted"
    evidence = Acceptance.objects.get(version=made.quotation.current)
    assert (evidence.mandate, evidence.auth_method, evidence.accepted_by) == (given, "mandate", world.camille)
    assert evidence.consent == given.consent
    assert "Atelier Fontaine SARL" in given.consent
    assert report.spent_in(given, world.now.date()) == evidence.total_minor
    assert certificate_pdf(evidence).startswith(b"%PDF")
    sent = Letter.objects.get(event="quotation_sent", about=f"version:{made.quotation.current.pk}")
    assert render(sent) is None, "there is nothing left to decide"
    assert Letter.objects.filter(event="quotation_accepted", person=world.camille.pk).exists()
    assert list(books.verify()) == []


def test_without_a_mandate_above_its_limit_or_where_two_decide_the_quotation_comes_first(world: World) -> None:
    policy(world, "auto_accept")
    assert (tell(world, "none", users=1).why, seats(world)) == ("no_mandate", 10)
    given = mandate(world, 1_00)
    assert tell(world, "small", users=1).why == "over_limit"
    assert report.spent_in(given, world.now.date()) == 0
    given = mandate(world)
    report.revoke_mandate(by=world.member(world.camille), now=world.now)
    assert tell(world, "revoked", users=1).why == "no_mandate"
    mandate(world)
    world.fontaine.second_approval_above_minor = 1
    world.fontaine.save()
    assert tell(world, "two", users=1).why == "two_approvers"
    world.fontaine.second_approval_above_minor = None
    world.fontaine.save()
    Membership.objects.filter(user=world.camille, customer=world.fontaine).update(is_owner=False, is_viewer=True)
    assert tell(world, "no owner", users=1).why == "no_mandate"
    assert seats(world) == 10
    assert not Acceptance.objects.filter(mandate__isnull=False).exists()
    assert given.revoked_at is None


def test_the_limit_is_of_a_month(world: World) -> None:
    policy(world, "auto_accept")
    total = tell(world, "price", users=1).quotation.current.total_minor  # type: ignore[union-attr]
    mandate(world, total + total // 2)
    assert tell(world, "one", users=1).state == "accepted"
    assert tell(world, "two", users=1).why == "over_limit"
    later = world.now.replace(month=12, day=1)
    assert tell(world, "three", users=1, now=later).state == "accepted"


def test_another_mandate_ends_the_one_before_and_only_an_owner_gives_one(world: World) -> None:
    first = mandate(world)
    second = mandate(world, 5_00)
    first.refresh_from_db()
    assert first.revoked_at == world.now
    assert Mandate.in_force(world.fontaine, "EUR") == second
    assert Mandate.in_force(world.fontaine, "USD") is None
    with pytest.raises(Forbidden):
        report.give_mandate(by=world.member(world.julien), limit_minor=1_00, consent=True, now=world.now)
    with pytest.raises(Forbidden):
        report.revoke_mandate(by=world.member(world.julien), now=world.now)
    for wrong in ({"limit_minor": 0, "consent": True}, {"limit_minor": 5, "consent": False}):
        with pytest.raises(Invalid):
            report.give_mandate(by=world.member(world.camille), now=world.now, **wrong)  # type: ignore[arg-type]
    report.revoke_mandate(by=world.member(world.camille), now=world.now)
    with pytest.raises(Conflict):
        report.revoke_mandate(by=world.member(world.camille), now=world.now)


def spends(world: World, monkeypatch: pytest.MonkeyPatch, *, claimed: bool) -> int:
    """How many of two at once take 100 of a month's 150."""
    given = mandate(world, 150)
    day = world.now.date().replace(day=1)
    MandateMonth.objects.create(mandate=given, month=day)
    if not claimed:

        def unguarded(one: Mandate, amount_minor: int, month: date) -> bool:
            row = MandateMonth.objects.get(mandate=one, month=month)
            if row.spent_minor + amount_minor > one.limit_minor:
                return False
            gate.wait()
            MandateMonth.objects.filter(pk=row.pk).update(spent_minor=report.spent_in(one, month) + amount_minor)
            return True

        gate = Barrier(2, timeout=20)
        monkeypatch.setattr(Mandate, "spend", unguarded)

    def spend() -> bool:
        if not claimed:
            return Mandate.objects.get(pk=given.pk).spend(100, day)
        with transaction.atomic():
            return Mandate.objects.get(pk=given.pk).spend(100, day)

    return sum(at_once(spend, spend))


@pytest.mark.django_db(transaction=True)
def test_two_reports_at_once_never_exceed_the_months_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spends(world, monkeypatch, claimed=True) == 1
    assert MandateMonth.objects.get().spent_minor == 100


@pytest.mark.django_db(transaction=True)
def test_without_the_claim_they_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spends(world, monkeypatch, claimed=False) == 2


@pytest.mark.django_db(transaction=True)
def test_three_reports_at_the_same_moment_share_the_limit_on_their_whole_way(world: World) -> None:
    policy(world, "auto_accept")
    price = tell(world, "price", users=1).quotation.current.total_minor  # type: ignore[union-attr]
    mandate(world, price + price // 2)
    made = at_once(*[lambda name=name: tell(world, name, users=1) for name in ("a", "b", "c")])
    assert sorted(one.state for one in made) == ["accepted", "quoted", "quoted"], made
    assert MandateMonth.objects.get().spent_minor == price


def test_a_policy_is_one_of_three_with_a_grace(world: World) -> None:
    assert ChangePolicy.of(world.seller).policy == "quotation_first"
    for name, days in (("guess", 10), ("install_at_once", 0), ("install_at_once", 91)):
        with pytest.raises(Invalid):
            policy(world, name, days)
