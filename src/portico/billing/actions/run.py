"""The run of renewals as staff see it: begun by the clock or by somebody, counted as it goes, rehearsed before.

Any number of workers do the same run: a batch is claimed with its locks (`renew.renew_due`) and counted where it is done.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Seller, User
from portico.billing.actions import renew
from portico.billing.actions.issue import add_up
from portico.billing.models import RenewalRun, Subscription, SubscriptionPeriod
from portico.kit.errors import Conflict, Refusal
from portico.kit.periods import today

REAL, REHEARSAL = RenewalRun.Kind.REAL, RenewalRun.Kind.REHEARSAL
CHUNK = 500
"""Subscriptions that a rehearsal prices at a time; nothing is locked meanwhile."""


def go_on(seller: Seller, *, now: datetime) -> int:
    """A batch of the seller's run, which begins by itself when something is due; how many were looked at."""
    run = RenewalRun.opened(seller, REAL)
    if run is None:
        count = renew.due(seller, today(now, seller.zone)).count()
        if not count:
            return 0
        run = _begun(seller, REAL, count, now=now, by=None)
    done = renew.renew_due(seller, now=now, run=run)
    over = (
        not done and not renew.due(seller, today(now, seller.zone)).exists()
    )  # what another worker holds is still due
    if over and not run.dismiss():
        run.finish(now=now)
    return done


def _begun(seller: Seller, kind: str, count: int, *, now: datetime, by: User | None) -> RenewalRun:
    """A new run, or the one that another worker has begun this moment."""
    day = today(now, seller.zone)
    try:
        return RenewalRun.begin(seller, kind, due=count, day=day, now=now, by=by)
    except Conflict:
        run = RenewalRun.opened(seller, kind)
        if run is None:  # begun and ended meanwhile
            raise
        return run


def start_run(*, seller: Seller, by: User, now: datetime) -> RenewalRun:
    """Begin a run now; the workers take it up within seconds. Conflict when one is under way or nothing is due."""
    day = today(now, seller.zone)
    count = renew.due(seller, day).count()
    if not count:
        raise Conflict(_("Nothing is due today. What becomes due is renewed by itself."))
    return RenewalRun.begin(seller, REAL, due=count, day=day, now=now, by=by)


def start_rehearsal(*, seller: Seller, by: User, now: datetime) -> RenewalRun:
    """Ask what a run would do today; the workers find out. Conflict when one is under way."""
    day = today(now, seller.zone)
    return RenewalRun.begin(
        seller, REHEARSAL, due=renew.due(seller, day).count(), day=day, now=now, by=by
    )  # fmt: skip


def rehearse(seller: Seller, *, now: datetime) -> int:
    """The next part of the seller's rehearsal; how many were looked at.

    Prices, texts and totals come from the functions that the run itself uses; nothing is numbered, sent or changed. Of two
    workers at the same part one counts. What has several periods to catch up is seen with the first of them.
    """
    run = RenewalRun.opened(seller, REHEARSAL)
    if run is None:
        return 0
    due = renew.due(seller, run.day).filter(pk__gt=run.after)
    rows = list(due.select_related("customer__seller", "database").order_by("pk")[:CHUNK])
    if not rows:
        run.finish(now=now)
        return 0
    found, problems = renew.read_due(rows, seller)
    drawn = []
    for one in found:
        period = SubscriptionPeriod(subscription=one.subscription, start=one.start, end=one.end)
        try:
            paper = renew.paper(one, period, seller, now)
            add_up(paper.invoice, paper.content)
        except Refusal as refusal:
            problems[one.subscription.pk] = refusal.message[:300]
        else:
            drawn.append(one)
    with transaction.atomic():
        run.count(renew.outcome_of(drawn, problems), now=now, after=rows[-1].pk)
    return len(rows)


def try_all_again(*, run: RenewalRun, by: User, now: datetime) -> int:
    """Every subscription of this run that is still on the list is taken up by the next run; how many."""
    rows = Subscription.objects.filter(pk__in=run.failures.values("subscription")).exclude(renewal_problem="")
    found = list(rows.select_related("customer").order_by("pk"))
    for subscription in found:
        renew.try_again(subscription=subscription, by=by, now=now)
    return len(found)
