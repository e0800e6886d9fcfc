"""What is told without anybody doing something: a quotation soon expires, a renewal lies ahead. Of invoices see `dunning`.

Each reminder is written once, whoever looks and how often: what was told already is read from the outbox. After a time without
a worker nothing is told late that no longer helps: every reminder has its days.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from portico.accounts.models import Event, Seller
from portico.billing import letters
from portico.billing.models import Invoice, QuotationVersion, RenewalRules, Subscription, SubscriptionPeriod
from portico.kit.models import Letter
from portico.kit.periods import today

EXPIRES_WITHIN = timedelta(days=3)
AT_LEAST_SENT = timedelta(days=2)
"""So long ago a quotation was sent at least: a short validity needs no reminder of what has just come."""
NOTED_WITHIN = timedelta(days=7)
RENEWAL_DAYS = (30, 7, 1)
SHORT_TERM_MONTHS = 1
"""Of a subscription from month to month only the reminders of the last week are sent."""
LAST_WEEK = 7


def remind_expiring(now: datetime) -> int:
    """Open quotations within three days of their last one; returns how many letters were written."""
    written = 0
    for seller in Seller.objects.all():
        day = today(now, seller.zone)
        versions = QuotationVersion.objects.filter(
            quotation__seller=seller,
            state__in=QuotationVersion.OPEN,
            valid_until__gte=day,
            valid_until__lte=day + EXPIRES_WITHIN,
            sent_at__lte=now - AT_LEAST_SENT,
        ).select_related("quotation__seller", "quotation__customer")
        found = {f"version:{version.pk}": version for version in versions}
        told = {about for about, _data in _told("quotation_expires", found)}
        for about, version in found.items():
            if about not in told:
                with transaction.atomic():
                    written += letters.quotation_expires(version, now=now)
    return written


def note_overdue(now: datetime) -> int:
    """Invoices whose due day has ended since a week, each once, into the history; returns how many there were."""
    noted = 0
    for seller in Seller.objects.all():
        day = today(now, seller.zone)
        late = Invoice.objects.filter(seller=seller, due_on__gte=day - NOTED_WITHIN).of_status("overdue", day).open()
        keys = list(late.order_by("pk").values_list("pk", flat=True))
        told = _overdue_noted(keys)
        for key in keys:
            if str(key) in told:
                continue
            with transaction.atomic():
                invoice = late.select_for_update(of=("self",)).select_related("customer").filter(pk=key).first()
                if invoice is None or _overdue_noted([key]):
                    continue
                Event.record("invoice.overdue", invoice, now=now, customer=invoice.customer, number=invoice.number)
                noted += 1
    return noted


def _overdue_noted(keys: Collection[int]) -> set[str]:
    """Of these invoices those whose history has it already."""
    rows = Event.objects.filter(noun="invoice", object_id__in=[str(key) for key in keys], name="invoice.overdue")
    return set(rows.values_list("object_id", flat=True))


def remind_renewals(now: datetime) -> int:
    """Subscriptions whose period ends within 30, 7 days and one day, and those that renew by themselves as long ahead as the
    seller's rules say; returns how many letters were written. Not what ends or pauses then, or is renewed already.
    """
    written = 0
    for seller in Seller.objects.all():
        day = today(now, seller.zone)
        ahead = RenewalRules.of(seller).ahead_days
        longer = (ahead,) if ahead > RENEWAL_DAYS[0] else ()
        agreed = SubscriptionPeriod.objects.filter(subscription=OuterRef("pk"), start__gte=OuterRef("period_end"))
        for days, shorter in pairwise((*longer, *RENEWAL_DAYS, 0)):
            rows = Subscription.objects.filter(
                ~Exists(agreed),
                customer__seller=seller,
                state=Subscription.State.ACTIVE,
                leave_asked_at=None,
                pause_asked_at=None,
                period_end__gt=day + timedelta(days=shorter),
                period_end__lte=day + timedelta(days=days),
            ).select_related("customer")
            if days > LAST_WEEK:
                rows = rows.filter(term_months__gt=SHORT_TERM_MONTHS)
            if days > RENEWAL_DAYS[0]:
                rows = rows.filter(auto_renew=True)
            found = {f"subscription:{one.pk}": one for one in rows}
            told = {(about, data["end"]) for about, data in _told("renewal_ahead", found) if data["days"] == days}
            for about, one in found.items():
                if (about, str(one.period_end)) not in told:
                    with transaction.atomic():
                        written += letters.renewal_ahead(one, days=days, now=now)
    return written


def _told(event: str, about: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """What was told of these things already, with its ids."""
    return list(Letter.objects.filter(event=event, about__in=list(about)).values_list("about", "data"))
