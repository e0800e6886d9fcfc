"""The books of subscriptions: their periods, and what their state allows."""

from collections.abc import Iterator

from django.db.models import Exists, F, OuterRef, Q

from portico.billing.books.violation import Violation
from portico.billing.models import Subscription, SubscriptionPeriod


def check_standings() -> Iterator[Violation]:
    """Periods never overlap, the running one is stored, and what has ended goes on no more."""
    later = SubscriptionPeriod.objects.filter(
        subscription=OuterRef("subscription"), start__gt=OuterRef("start"), start__lt=OuterRef("end")
    )
    for name, start in (
        SubscriptionPeriod.objects.filter(Exists(later))
        .order_by("id")
        .values_list("subscription__database__name", "start")
    ):
        yield Violation(
            str(name), "periods of a subscription do not overlap", f"the one from {start} runs into the next"
        )
    stored = SubscriptionPeriod.objects.filter(
        subscription=OuterRef("pk"), start=OuterRef("period_start"), end=OuterRef("period_end")
    )
    begun = Subscription.objects.filter(period_start__isnull=False)
    for name, day in begun.filter(~Exists(stored)).order_by("id").values_list("database__name", "period_start"):
        yield Violation(str(name), "the running period is stored", f"no period from {day} is stored as it runs")
    ended = Subscription.objects.filter(state=Subscription.State.ENDED).order_by("id")
    for name in ended.filter(auto_renew=True).values_list("database__name", flat=True):
        yield Violation(str(name), "what has ended goes on no more", "it still renews by itself")
    future = SubscriptionPeriod.objects.filter(
        subscription=OuterRef("pk"), start__gte=OuterRef("ended_on"), invoice=None
    )
    for name, day in ended.filter(Exists(future)).values_list("database__name", "ended_on"):
        yield Violation(str(name), "what has ended goes on no more", f"a period begins after it ended on {day}")
    unended = Subscription.objects.filter(~Q(state=Subscription.State.ENDED), ended_on__isnull=False)
    late = Subscription.objects.filter(
        Q(state=Subscription.State.ACTIVE, suspended_on__isnull=False)
        | Q(state=Subscription.State.SUSPENDED, suspended_on__lt=F("past_due_on"))
    )
    for rows in (unended, late):
        for name, state in rows.order_by("id").values_list("database__name", "state"):
            yield Violation(str(name), "the days of a subscription fit its state", f"it is {state}")
