"""Renewing: what the next period of a subscription costs, by the one pricing that its quotation and invoice will use, and
the run that begins it for those that renew by themselves.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portico.accounts.models import Customer, Event, Seller, User
from portico.accounts.terms import plan_of
from portico.billing import pricing, vat
from portico.billing.actions.issue import Paper, Totalled, issue_papers
from portico.billing.models import (
    Invoice,
    InvoiceLine,
    NumberSeries,
    Price,
    RenewalRun,
    Subscription,
    SubscriptionItem,
    SubscriptionPeriod,
)
from portico.billing.models.pricelist import ListPrice, PriceHistory, from_row
from portico.billing.models.run import Outcome
from portico.billing.renewal_prices import Renews, moving, renews_at
from portico.kit import formats
from portico.kit.db import claim
from portico.kit.errors import Conflict, Invalid, Refusal
from portico.kit.periods import next_period_end, today

logger = logging.getLogger("portico.renewals")


@dataclass(frozen=True)
class Renewing:
    """One item of a subscription as the renewal sees it; `listed` is the list price that it was agreed at."""

    key: int
    product_id: int
    kind: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_category: str
    vat_rate: Decimal
    ended_on: date | None = None
    discount_until: date | None = None
    discount_after: Decimal = Decimal(0)
    listed: ListPrice | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], prefix: str = "") -> "Renewing":
        """From the values of a query over items, each name behind `prefix`."""
        return cls(
            key=row[f"{prefix}id"],
            product_id=row[f"{prefix}product_id"],
            kind=row[f"{prefix}product__kind"],
            quantity=row[f"{prefix}quantity"],
            unit_price=row[f"{prefix}unit_price"],
            discount_percent=row[f"{prefix}discount_percent"],
            vat_category=row[f"{prefix}product__vat_category"],
            vat_rate=row[f"{prefix}product__vat_rate"],
            ended_on=row[f"{prefix}ended_on"],
            discount_until=row[f"{prefix}discount_until"],
            discount_after=row[f"{prefix}discount_after"],
            listed=from_row(row, f"{prefix}list_price__"),
        )

    @classmethod
    def of_item(cls, key: int, item: SubscriptionItem) -> "Renewing":
        """From an item with its product and list price."""
        product = item.product
        return cls(
            key=key, product_id=product.pk, kind=product.kind, quantity=item.quantity, unit_price=item.unit_price,
            discount_percent=item.discount_percent, vat_category=product.vat_category, vat_rate=product.vat_rate,
            ended_on=item.ended_on, discount_until=item.discount_until,
            discount_after=item.discount_after, listed=item.listed,
        )  # fmt: skip


def price_renewal(
    items: Iterable[Renewing],
    *,
    customer: Customer,
    currency: str,
    term_months: int,
    on: date,
    history: PriceHistory,
) -> pricing.Priced | None:
    """What the period that begins on `on` costs; None when the VAT cannot be told because the VAT id is unchecked.

    An item that ends on that day or before is no longer part of it. `customer` comes with its seller; `history` holds the list
    prices of items that move (`renewal_prices.moving`).
    """
    lines = renews_at(items, on, currency=currency, term_months=term_months, history=history)
    return price_lines(lines, customer=customer, currency=currency)


def price_lines(lines: Iterable[Renews[Renewing]], *, customer: Customer, currency: str) -> pricing.Priced | None:
    """What the lines of a renewal cost, one priced line for each; None as `price_renewal`."""
    priced = []
    for place, line in enumerate(lines):
        item = line.items[0]
        try:
            decided = vat.decide(
                kind=item.kind,
                seller_country=customer.seller.country,
                buyer_country=customer.country,
                buyer_vat_checked=customer.vat_checked,
                product_category=item.vat_category,
                product_rate=item.vat_rate,
            )
        except Invalid:
            return None
        priced.append(
            pricing.LineIn(
                key=place,
                kind="line",
                quantity=line.quantity,
                unit_price=line.unit_price,
                discount_percent=line.discount_percent,
                vat_category=decided.category,
                vat_rate=decided.rate,
            )
        )
    return pricing.price(priced, currency)


# Renewing what is due --------------------------------------------------------------------------------------------------

BATCH = 100
"""Subscriptions in one transaction: short enough that nobody waits long for the invoice series."""
FEW = 8
"""So many different periods are begun by a statement each."""


@dataclass(frozen=True)
class Due:
    """A locked subscription, the period that begins, the items that it holds, the lines they renew at and what these cost."""

    subscription: Subscription
    start: date
    end: date
    items: Sequence[SubscriptionItem]
    lines: Sequence[Renews[Renewing]]
    priced: pricing.Priced


def renew_due(seller: Seller, *, now: datetime, most: int = BATCH, run: RenewalRun | None = None) -> int:
    """Begin the next period of subscriptions that renew by themselves, and invoice it; how many were looked at.

    One transaction a batch; a row that another worker holds is left to it. Once for each subscription and period, however
    often and wherever it runs: the period is a row of its own (`one_period_per_start`). What cannot be renewed goes on
    staff's list with the reason and is left out, so that the others go on; after any other fault each is tried alone.
    What was done is counted in `run`, in the same transaction.
    """
    day = today(now, seller.zone)
    try:
        with transaction.atomic():
            return _renew(list(_locked(seller, day)[:most]), seller, run, now=now)
    except OperationalError:  # the database went away: nothing was done, and nobody is to blame
        raise
    except Exception:
        logger.exception("a batch of renewals failed; each is tried alone")
    keys = list(_locked(seller, day).values_list("pk", flat=True)[:most])
    for key in keys:
        try:
            with transaction.atomic():
                _renew(list(_locked(seller, day).filter(pk=key)), seller, run, now=now)
        except OperationalError:
            raise
        except Refusal as refusal:
            _put_aside({key: refusal.message}, run, now=now)
        except Exception as fault:
            logger.exception("a subscription could not be renewed")
            _put_aside({key: _("An unexpected fault (%(fault)s).") % {"fault": type(fault).__name__}}, run, now=now)
    return len(keys)


def due(seller: Seller, day: date) -> QuerySet[Subscription]:
    """What is to be renewed on `day`; not what is on staff's list already."""
    rows = Subscription.objects.filter(
        customer__seller=seller,
        state=Subscription.State.ACTIVE,
        auto_renew=True,
        period_end__lte=day,
        renewal_problem="",
        leave_asked_at=None,
        pause_asked_at=None,
    ).exclude(resumes_on__gt=day)
    agreed = SubscriptionPeriod.objects.filter(subscription=OuterRef("pk"), start__gte=OuterRef("period_end"))
    return rows.filter(~Exists(agreed))


def _locked(seller: Seller, day: date) -> QuerySet[Subscription]:
    """The same, the longest due first, each locked; what another worker has locked is not among them."""
    skips = connection.features.has_select_for_update_skip_locked
    locked = due(seller, day).select_for_update(of=("self",), skip_locked=skips)
    return locked.select_related("customer__seller", "database").order_by("period_end", "id")


def _renew(rows: Sequence[Subscription], seller: Seller, run: RenewalRun | None, *, now: datetime) -> int:
    """Renew locked subscriptions, in a handful of statements however many there are."""
    if not rows:
        return 0
    found, problems = read_due(rows, seller)
    periods = [SubscriptionPeriod(subscription=one.subscription, start=one.start, end=one.end) for one in found]
    SubscriptionPeriod.objects.bulk_create(periods)
    _go_on(found)
    _write_anew([(one.items, one.lines) for one in found])
    papers = [
        paper(one, period, seller, now) for one, period in zip(found, periods, strict=True) if one.priced.total_minor
    ]
    issued = issue_papers(papers, by=None, now=now) if papers else []
    numbers = {invoice.period_id: invoice.number for invoice in issued}
    Event.objects.bulk_create(
        Event.of(
            "subscription.went_on", one.subscription, now=now, by=None, customer=one.subscription.customer,
            number=numbers.get(period.pk, ""), until=one.end.isoformat(),
        )
        for one, period in zip(found, periods, strict=True)
    )  # fmt: skip
    _mark(problems)
    if run is not None:
        run.count(outcome_of(found, problems), now=now)
    return len(rows)


def _go_on(found: Sequence[Due]) -> None:
    """Write the period of each: one statement for all that go on to the same day, which nearly all do."""
    ends: dict[tuple[date, date], list[Subscription]] = defaultdict(list)
    for one in found:
        row = one.subscription
        row.period_start, row.period_end, row.resumes_on = one.start, one.end, None
        ends[one.start, one.end].append(row)
    if len(ends) > FEW:
        Subscription.objects.bulk_update(
            [one.subscription for one in found], ["period_start", "period_end", "resumes_on"]
        )
        return
    for (start, end), together in ends.items():
        rows = Subscription.objects.filter(pk__in=[one.pk for one in together])
        rows.update(period_start=start, period_end=end, resumes_on=None)


def outcome_of(found: Sequence[Due], problems: Mapping[int, str]) -> Outcome:
    """A batch in figures; what costs nothing is renewed without an invoice."""
    amounts: dict[str, int] = defaultdict(int)
    for one in found:
        if one.priced.total_minor:
            amounts[one.priced.currency] += one.priced.total_minor
    return Outcome(
        looked_at=len(found) + len(problems),
        renewed=len(found),
        invoiced=sum(bool(one.priced.total_minor) for one in found),
        amounts=dict(amounts),
        problems=dict(problems),
    )


def read_due(rows: Sequence[Subscription], seller: Seller) -> tuple[list[Due], dict[int, str]]:
    """Each with its next period and price, and what stands in the way of the others. Few queries; writes nothing."""
    keys = [row.pk for row in rows]
    items: dict[int, list[SubscriptionItem]] = defaultdict(list)
    held_by_any = SubscriptionItem.objects.filter(subscription__in=keys).select_related("product", "list_price")
    for item in held_by_any.order_by("id"):
        items[item.subscription_id].append(item)
    history = history_for(
        [item for row in rows for item in items[row.pk]],
        max((row.next_start for row in rows if row.next_start), default=None),
    )
    first = SubscriptionPeriod.objects.filter(subscription__in=keys).order_by().values_list("subscription")
    anchors = dict(first.annotate(first=Min("start")))
    found: list[Due] = []
    problems: dict[int, str] = {}
    for row in rows:
        row.customer.seller = seller
        start = row.next_start
        assert start is not None, "the database holds that what runs has a period"
        held = [item for item in items[row.pk] if item.ended_on is None or item.ended_on > start]
        renewing = [Renewing.of_item(place, item) for place, item in enumerate(held)]
        lines = renews_at(renewing, start, currency=row.currency, term_months=row.term_months, history=history)
        problem, priced = "", None
        try:
            priced = price_lines(lines, customer=row.customer, currency=row.currency)
        except Invalid as refusal:
            problem = refusal.message
        if not held:
            problem = gettext_noop("It holds nothing that could be renewed.")
        elif priced is None and not problem:
            problem = gettext_noop("The customer's VAT number is not checked, so the VAT cannot be told.")
        if problem or priced is None:
            problems[row.pk] = problem[:300]
            continue
        end = next_period_end(
            row.anchored_on or row.trial_ends_on or anchors.get(row.pk, start), start, row.term_months
        )
        found.append(Due(row, start, end, held, lines, priced))
    return found, problems


# The items as they go on -----------------------------------------------------------------------------------------------


def history_for(items: Iterable[SubscriptionItem], on: date | None) -> PriceHistory:
    """The list prices of items that move to them by `on`; nothing is read where none does. Items come with their list price."""
    products = moving(items, on) if on else set()
    return Price.objects.filter(product__in=products).history() if products else PriceHistory()


def reprice(subscription: Subscription, *, on: date) -> None:
    """Write the items as they are renewed for the period that begins on `on`: moved prices, tiers counted anew, discounts that
    are over. Inside the caller's transaction, which begins that period.
    """
    items = list(subscription.items.select_related("product", "list_price").order_by("id"))
    held = [item for item in items if item.ended_on is None or item.ended_on > on]
    lines = renews_at(
        [Renewing.of_item(place, item) for place, item in enumerate(held)], on,
        currency=subscription.currency, term_months=subscription.term_months, history=history_for(held, on),
    )  # fmt: skip
    _write_anew([(held, lines)])


def _write_anew(renewed: Iterable[tuple[Sequence[SubscriptionItem], Sequence[Renews[Renewing]]]]) -> None:
    """Items that say what their lines of the renewal say, in at most three statements; those that do already are left alone."""
    changed: list[SubscriptionItem] = []
    added: list[SubscriptionItem] = []
    gone: list[int] = []
    for held, lines in renewed:
        touched = {item.key for line in lines if line.rewrites for item in line.items}
        if not touched:
            continue
        claimed: set[int] = set()
        for line in lines:
            if touched.isdisjoint(item.key for item in line.items):
                continue
            free = next((item.key for item in line.items if item.key not in claimed), None)
            item = held[line.items[0].key].copied() if free is None else held[free]
            (added if free is None else changed).append(item)
            claimed |= set() if free is None else {free}
            item.quantity, item.unit_price = line.quantity, line.unit_price
            item.discount_percent, item.discount_until = line.discount_percent, line.discount_until
            item.discount_after = item.discount_after if line.discount_until else Decimal(0)
            item.list_price_id = line.listed.key if line.listed else None
        gone += [held[key].pk for key in touched - claimed]
    names = ["quantity", "unit_price", "discount_percent", "discount_until", "discount_after", "list_price"]
    if changed:
        SubscriptionItem.objects.bulk_update(changed, names)
    if added:
        SubscriptionItem.objects.bulk_create(added)
    if gone:
        SubscriptionItem.objects.filter(pk__in=gone).delete()


def _put_aside(problems: Mapping[int, str], run: RenewalRun | None, *, now: datetime) -> None:
    """On staff's list, each with its reason; tried again when somebody says so (`try_again`)."""
    with transaction.atomic():
        _mark(problems)
        if run is not None:
            run.count(Outcome(looked_at=len(problems), problems=dict(problems)), now=now)


def _mark(problems: Mapping[int, str]) -> None:
    """Write the reasons: one statement for all that have the same."""
    same: dict[str, list[int]] = defaultdict(list)
    for key, said in problems.items():
        same[said[:300]].append(key)
    for said, keys in same.items():
        Subscription.objects.filter(pk__in=keys).update(renewal_problem=said)


def paper(one: Due, period: SubscriptionPeriod, seller: Seller, now: datetime) -> Paper:
    """The invoice of the period."""
    subscription, customer = one.subscription, one.subscription.customer
    language = customer.language
    with translation.override(language):
        title = _("Renewal of %(name)s") % {"name": subscription.database.name}
        span = _("%(first)s to %(last)s") % {
            "first": formats.day(one.start, language),
            "last": formats.day(one.end - timedelta(days=1), language),
        }
    rows = [
        InvoiceLine(
            position=place, kind="line", product=item.product, name=item.description or item.product.name, detail=span,
            quantity=line.quantity, unit=item.product.unit, unit_price=line.unit_price,
            discount_percent=line.discount_percent, vat_category=priced.vat_category, vat_rate=priced.vat_rate,
            net_minor=priced.net_minor,
        )
        for place, (line, priced) in enumerate(zip(one.lines, one.priced.lines, strict=True), start=1)
        for item in [one.items[line.items[0].key]]
    ]  # fmt: skip
    groups = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in one.priced.groups}
    invoice = Invoice(
        seller=seller, customer=customer, kind=Invoice.Kind.INVOICE, series=NumberSeries.Series.INVOICE, title=title,
        language=language, currency=subscription.currency, period=period, created_at=now, delivered_on=one.start,
    )  # fmt: skip
    return Paper(
        invoice,
        Totalled(rows, groups),
        terms="",
        due_days=customer.payment_terms_days,
        plan=plan_of(customer.payment_parts),
    )


def try_again(*, subscription: Subscription, by: User, now: datetime) -> None:
    """Staff mended what stood in the way: the next run takes it up. Conflict when it is not on the list."""
    with transaction.atomic():
        if not claim(Subscription.objects.filter(pk=subscription.pk).exclude(renewal_problem=""), renewal_problem=""):
            raise Conflict(_("This subscription is not on the list of those that could not be renewed."))
        Event.record(
            "subscription.tried_again", subscription, now=now, by=by, customer=subscription.customer, visible=False
        )
