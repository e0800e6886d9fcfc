"""A run of renewals: counted as it goes, one at a time whoever begins it, rehearsed without a trace, safe in a race."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db.models import Model

from portico.accounts.models import Event, Seller
from portico.billing import books, jobs
from portico.billing.actions import renew, run
from portico.billing.models import Invoice, NumberSeries, RenewalRun, Subscription, SubscriptionPeriod
from portico.billing.tests.actions.test_renew import renewing
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter

pytestmark = pytest.mark.django_db
EACH_MINOR = (45_00 + 3 * 17_00) * 120 // 100


def to_the_end(world: World) -> int:
    """The worker's sweep until it finds nothing."""
    total = 0
    while done := jobs.renewals(world.now):
        total += done
    return total


def poison(one: Subscription) -> None:
    """It holds nothing any more."""
    one.items.all().delete()


def test_the_clock_begins_a_run_counts_it_and_ends_it(world: World) -> None:
    many = renewing(world, 5)
    poison(many[2])
    assert to_the_end(world) == 5
    (one,) = RenewalRun.objects.all()
    assert (one.kind, one.started_by, one.finished_at) == ("real", None, world.now)
    assert (one.due, one.looked_at, one.renewed, one.invoiced, one.failed) == (5, 5, 4, 4, 1)
    assert one.amounts == {"EUR": 4 * EACH_MINOR}
    failure = one.failures.get()
    assert (failure.subscription_id, failure.problem) == (many[2].pk, "It holds nothing that could be renewed.")
    assert one.percent == 100
    assert to_the_end(world) == 0
    assert RenewalRun.objects.count() == 1, "nothing due, no run"


def test_the_figures_are_those_of_the_books(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew, "BATCH", 2)
    renewing(world, 5)
    before = Invoice.objects.count()
    to_the_end(world)
    one = RenewalRun.objects.get()
    made = Invoice.objects.order_by("id")[before:]
    assert one.invoiced == len(made)
    assert one.amounts == {"EUR": sum(invoice.total_minor for invoice in made)}


def test_a_batch_that_fails_is_counted_once_and_only_what_is_wrong_is_put_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = renewing(world, 4)
    paper = renew.paper

    def poisoned(one: renew.Due, *rest: Any) -> Any:
        if one.subscription.pk == many[1].pk:
            raise ArithmeticError
        return paper(one, *rest)

    monkeypatch.setattr(renew, "paper", poisoned)
    to_the_end(world)
    one = RenewalRun.objects.get()
    assert (one.looked_at, one.renewed, one.failed) == (4, 3, 1)
    assert "ArithmeticError" in one.failures.get().problem


def test_somebody_begins_a_run_and_the_workers_do_it(world: World) -> None:
    with pytest.raises(Conflict):
        run.start_run(seller=world.seller, by=world.omar, now=world.now)
    renewing(world, 3)
    begun = run.start_run(seller=world.seller, by=world.omar, now=world.now)
    with pytest.raises(Conflict):
        run.start_run(seller=world.seller, by=world.omar, now=world.now)
    to_the_end(world)
    begun.refresh_from_db()
    assert (begun.started_by, begun.renewed) == (world.omar, 3)
    assert RenewalRun.objects.count() == 1


def test_a_rehearsal_says_what_a_run_does_and_leaves_no_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHUNK", 2)
    many = renewing(world, 5)
    poison(many[4])
    watched: list[type[Model]] = [Invoice, Event, Letter, SubscriptionPeriod]
    before = [model._default_manager.count() for model in watched]
    heads = list(NumberSeries.objects.order_by("id").values_list("last_number", "last_hash"))
    asked = run.start_rehearsal(seller=world.seller, by=world.hanna, now=world.now)
    with pytest.raises(Conflict):
        run.start_rehearsal(seller=world.seller, by=world.hanna, now=world.now)
    parts = []
    while done := jobs.rehearsals(world.now):
        parts.append(done)
    assert parts == [2, 2, 1]
    asked.refresh_from_db()
    assert asked.finished_at == world.now
    assert [model._default_manager.count() for model in watched] == before
    assert list(NumberSeries.objects.order_by("id").values_list("last_number", "last_hash")) == heads
    assert not Subscription.objects.exclude(renewal_problem="").exists()
    to_the_end(world)
    real = RenewalRun.objects.get(kind="real")
    said, done_ = (
        [(one.due, one.renewed, one.invoiced, one.failed, one.amounts) for one in (asked, real)]
    )  # fmt: skip
    assert said == done_
    assert [one.problem for one in asked.failures.all()] == [one.problem for one in real.failures.all()]


def test_two_workers_at_the_same_part_of_a_rehearsal_count_it_once(world: World) -> None:
    renewing(world, 2)
    asked = run.start_rehearsal(seller=world.seller, by=world.hanna, now=world.now)
    late = RenewalRun.objects.get(pk=asked.pk)
    assert run.rehearse(world.seller, now=world.now) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RenewalRun, "opened", classmethod(lambda cls, seller, kind: late))
        run.rehearse(world.seller, now=world.now)
    asked.refresh_from_db()
    assert asked.looked_at == 2


def test_all_that_failed_are_tried_again_at_once(world: World) -> None:
    many = renewing(world, 3)
    ends = {one.pk: one.period_end for one in many}
    for one in many[:2]:
        one.items.update(ended_on=ends[one.pk])
    to_the_end(world)
    first = RenewalRun.objects.get()
    for one in many[:2]:
        one.items.update(ended_on=None)
    assert run.try_all_again(run=first, by=world.omar, now=world.now) == 2
    assert run.try_all_again(run=first, by=world.omar, now=world.now) == 0
    to_the_end(world)
    assert [one.renewed for one in RenewalRun.objects.order_by("id")] == [1, 2]


def race(world: World, count: int) -> list[Subscription]:
    """Three workers at once, batches of three, until nothing is left; the subscriptions."""
    many = renewing(world, count)
    poison(many[0])

    def work() -> int:
        done = 0
        while more := run.go_on(world.seller, now=world.now):
            done += more
        return done

    answers = at_once(work, work, work)
    assert not [one for one in answers if isinstance(one, Exception)], answers
    return many


@pytest.mark.django_db(transaction=True)
def test_of_several_schedulers_one_run_comes_and_each_subscription_is_renewed_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew.renew_due, "__kwdefaults__", {"most": 3, "run": None})
    many = race(world, 13)
    for one in many[1:]:
        assert Invoice.objects.filter(period__subscription=one).count() == 1
        assert one.periods.count() == 2
    assert Subscription.objects.exclude(renewal_problem="").get() == many[0]
    (whole,) = RenewalRun.objects.all()
    assert (whole.looked_at, whole.renewed, whole.failed) == (13, 12, 1)
    assert whole.finished_at == world.now
    assert books.verify() == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_without_its_locks_two_workers_stand_in_each_others_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what the race above holds is held by the lock on the rows, not by luck."""
    unlocked: Callable[[Seller, date], Any] = lambda seller, day: (  # noqa: E731
        renew.due(seller, day).select_related("customer__seller", "database").order_by("period_end", "id")
    )
    monkeypatch.setattr(renew, "_locked", unlocked)
    monkeypatch.setattr(renew.renew_due, "__kwdefaults__", {"most": 3, "run": None})
    many = race(world, 13)
    assert Subscription.objects.exclude(renewal_problem="").exclude(pk=many[0].pk).exists()
    assert books.verify() == [], "even then the constraints keep the books whole"
