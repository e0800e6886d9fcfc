"""The mail about a subscription: its renewal lies ahead."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import PAYS, drawn, members
from portico.billing.models import Subscription
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
    return drawn(
        letter,
        seller=subscription.customer.seller,
        customer=subscription.customer,
        path=reverse("my:subscriptions.detail", args=[subscription.database.name]),
        context={"subscription": subscription},
    )
