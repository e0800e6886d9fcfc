"""The mails about a subscription: its renewal lies ahead, its state changed, something was installed after a report."""

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import DECIDES, PAYS, drawn, members
from portico.billing.models import RenewalRules, Report, Subscription
from portico.kit.models import Letter
from portico.kit.outbox import Drawn, kind, post


def renewal_ahead(subscription: Subscription, *, days: int, now: datetime) -> int:
    """The running period ends within `days`; once for each period and number of days. Returns how many readers there are."""
    end = str(subscription.period_end)
    return post(
        "renewal_ahead",
        members(subscription.customer, PAYS, "renewal_ahead", why="pays"),
        about=f"subscription:{subscription.pk}",
        data={"subscription": subscription.pk, "end": end, "days": days},
        seller=subscription.customer.seller_id,
        customer=subscription.customer_id,
        again=f"{end}-{days}",
        now=now,
    )


@kind("renewal_ahead", label=lazy("A subscription is to be renewed"))
def draw_renewal_ahead(letter: Letter) -> Drawn | None:
    """Which database, when; nothing when it was renewed or ended meanwhile."""
    rows = Subscription.objects.select_related("database", "customer__seller")
    subscription = rows.get(pk=letter.data["subscription"])
    if subscription.state != Subscription.State.ACTIVE or str(subscription.period_end) != letter.data["end"]:
        return None
    if subscription.leave_asked_at or subscription.periods.filter(start__gte=subscription.period_end).exists():
        return None
    return drawn(
        letter,
        seller=subscription.customer.seller,
        customer=subscription.customer,
        path=reverse("my:subscriptions.detail", args=[subscription.database.name]),
        context={"subscription": subscription},
    )


def change_installed(report: Report, *, now: datetime) -> int:
    """What a database reported runs at once, and stays if it is paid in time; returns how many readers there are."""
    customer = report.subscription.customer
    return post(
        "change_installed",
        members(customer, DECIDES, "change_installed", why="decides"),
        about=f"report:{report.pk}",
        data={"report": report.pk},
        seller=customer.seller_id,
        customer=customer.pk,
        now=now,
    )


@kind("change_installed", label=lazy("Something was installed in a database"))
def draw_change_installed(letter: Letter) -> Drawn | None:
    """What runs now, until when without its order; nothing once it is settled or gone."""
    rows = Report.objects.select_related("subscription__database", "subscription__customer__seller", "quotation")
    report = rows.get(pk=letter.data["report"])
    if report.state != Report.State.INSTALLED or report.quotation is None or report.grace_until is None:
        return None
    customer = report.subscription.customer
    return drawn(
        letter,
        seller=customer.seller,
        customer=customer,
        path=reverse("my:quotations.detail", args=[report.quotation.number]),
        context={
            "database": report.subscription.database.name,
            "items": list(report.items.select_related("product").order_by("pk")),
            "last_day": report.grace_until - timedelta(days=1),
            "number": report.quotation.number,
        },
    )


def subscription_state(subscription: Subscription, state: str, *, now: datetime) -> int:
    """It is past_due, suspended, ended, paused, resumed or reactivated: told to who owns and who pays. Returns how many."""
    return post(
        "subscription_state",
        members(subscription.customer, PAYS, "subscription_state", why="pays"),
        about=f"subscription:{subscription.pk}",
        data={"subscription": subscription.pk, "state": state},
        seller=subscription.customer.seller_id,
        customer=subscription.customer_id,
        again=f"{state}-{now.isoformat()}",
        now=now,
    )


@kind(
    "subscription_state",
    label=lazy("A subscription is past due, suspended, ended, paused or active again"),
    optional=False,
)
def draw_subscription_state(letter: Letter) -> Drawn | None:
    """What it means for the database, and until when something can be done."""
    rows = Subscription.objects.select_related("database", "customer__seller")
    subscription = rows.get(pk=letter.data["subscription"])
    rules = RenewalRules.of(subscription.customer.seller)
    suspends_on = ends_on = None
    if subscription.past_due_on:
        suspends_on = subscription.past_due_on + timedelta(days=rules.grace_days)
    if subscription.suspended_on:
        ends_on = subscription.suspended_on + timedelta(days=rules.ending_days)
    return drawn(
        letter,
        seller=subscription.customer.seller,
        customer=subscription.customer,
        path=reverse("my:subscriptions.detail", args=[subscription.database.name]),
        context={
            "subscription": subscription, "state": letter.data["state"], "suspends_on": suspends_on, "ends_on": ends_on,
        },
    )  # fmt: skip
