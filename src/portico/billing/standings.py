"""How a subscription stands, as the pages of renewing, pausing and leaving show it, for both sides of the desk."""

from datetime import date, timedelta
from typing import Any

from portico.billing.actions import ahead
from portico.billing.models import RenewalRules, Subscription
from portico.billing.subscribed import term


def standing_of(subscription: Subscription, day: date) -> dict[str, Any]:
    """State, days that count, terms to choose from, and what is agreed already. `subscription` comes with its customer."""
    rules = RenewalRules.of(subscription.customer.seller)
    begun = subscription.period_end is not None and subscription.state != Subscription.State.ENDED
    start = subscription.next_start or day
    terms = ahead.terms_of(subscription, start) if begun else []
    return {
        "subscription": subscription,
        "name": subscription.database.name,
        "today": day,
        "term": term(subscription.term_months),
        "terms": [(str(months), term(months)["name"].capitalize(), "") for months in terms],
        "agreed": subscription.periods.filter(start__gte=start).first() if begun else None,
        "suspends_on": after(subscription.past_due_on, rules.grace_days),
        "ends_on": after(subscription.suspended_on, rules.ending_days),
        "rules": rules,
    }


def after(day: date | None, days: int) -> date | None:
    """So many days later, where there is a day."""
    return day + timedelta(days=days) if day else None
