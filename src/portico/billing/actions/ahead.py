"""The renewal quotation: what the next period of a subscription costs, offered ahead for those that do not renew by themselves.

The run makes one for each subscription and period (`quotation_of_the_run_once_a_period`); a customer whose quotation expired,
or that wants another term, gets one at once. It prices what the renewal prices, shows the old price beside a new one, and is
valid through the renewal day.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, Membership, Seller, User
from portico.billing.actions.draft import LineDraft, begin_quotation, save_draft
from portico.billing.actions.renew import Renewing, history_for, price_lines
from portico.billing.actions.send import send_quotation, withdraw_version
from portico.billing.models import (
    Price,
    Quotation,
    QuotationVersion,
    RenewalRules,
    Subscription,
    SubscriptionItem,
    SubscriptionPeriod,
)
from portico.billing.renewal_prices import Renews, renews_at
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.periods import today

logger = logging.getLogger("portico.renewals")
BATCH = 50
LATE_DAYS = 30
"""A renewal asked for after its day is valid so long."""


def quote_ahead(seller: Seller, *, now: datetime) -> int:
    """Make the renewal quotations that are due; how many were looked at. A transaction for each.

    What cannot be priced goes on staff's list with the reason, as in the run of those that renew by themselves.
    """
    day, rules = today(now, seller.zone), RenewalRules.of(seller)
    keys = list(_due(seller, day, rules).values_list("pk", flat=True)[:BATCH])
    for key in keys:
        try:
            with transaction.atomic():
                row = locked(key)
                if _due(seller, day, rules).filter(pk=key).exists():
                    quote_renewal(row, origin=Quotation.Origin.RENEWAL, by=None, now=now)
        except IntegrityError:  # another worker made it at this moment
            continue
        except (Invalid, Conflict) as refusal:
            Subscription.objects.filter(pk=key).update(renewal_problem=refusal.message[:300])
    return len(keys)


def _due(seller: Seller, day: date, rules: RenewalRules) -> QuerySet[Subscription]:
    """Subscriptions that need a quotation for their next period by now, and have none."""
    rows = Subscription.objects.filter(
        customer__seller=seller, state__in=Subscription.GOING, auto_renew=False, leave_asked_at=None, pause_asked_at=None,
        renewal_problem="",
    ).annotate(next=Coalesce("resumes_on", "period_end"))  # fmt: skip
    made = Quotation.objects.filter(kind=Quotation.Kind.RENEWAL, subscription=OuterRef("pk"))
    made = made.filter(Q(renews_from=OuterRef("next")) | Q(current__state__in=QuotationVersion.OPEN, renews_from=None))
    agreed = SubscriptionPeriod.objects.filter(subscription=OuterRef("pk"), start__gte=OuterRef("next"))
    ahead = rows.filter(next__lte=day + timedelta(days=rules.ahead_days), next__gte=day)
    # From month to month the whole month would lie ahead: there the quotation comes half a month before.
    monthly = Q(term_months=1, next__gt=day + timedelta(days=min(rules.ahead_days, 14)))
    return ahead.exclude(monthly).filter(~Exists(made), ~Exists(agreed)).order_by("period_end", "id")


def locked(key: int) -> Subscription:
    """The subscription's row, locked, with what its quotation names."""
    rows = Subscription.objects.select_for_update(of=("self",)).select_related("customer__seller", "database")
    return rows.get(pk=key)


def quote_renewal(
    row: Subscription,
    *,
    origin: str,
    by: Actor | None,
    now: datetime,
    contact: User | None = None,
    term_months: int = 0,
) -> Quotation:
    """The quotation for the next period of a locked subscription, sent at once; of another term where `term_months` says so.

    An open renewal quotation is withdrawn by it. Raises Conflict when the next period is agreed, or the subscription has ended
    or not begun; Invalid when it has no price.
    """
    customer, seller, day = row.customer, row.customer.seller, today(now, row.customer.seller.zone)
    if row.state == Subscription.State.PAUSED:  # the days of the pause are not paid: what follows it begins today
        row.resumes_on = row.anchored_on = day
        row.save(update_fields=["resumes_on", "anchored_on"])
    start, term = row.next_start, term_months or row.term_months
    if row.state in {Subscription.State.ENDED, Subscription.State.PENDING} or start is None:
        raise Conflict(_("This subscription does not run, so there is nothing to renew. Nothing was changed."))
    if row.periods.filter(start__gte=start).exists():
        raise Conflict(_("The next period of this subscription is agreed already. Nothing was changed."))
    items = [item for item in _items(row) if item.ended_on is None or item.ended_on > start]
    if not items:
        raise Invalid(_("It holds nothing that could be renewed."))
    lines = renewal_lines(row, items, start, term)
    priced = price_lines(lines, customer=customer, currency=row.currency)
    if priced is None:
        raise Invalid(_("The customer's VAT number is not checked, so the VAT cannot be told."))
    _withdraw_open(row, by=by, now=now)
    end = row.end_of_next(term) or start
    with translation.override(customer.language):
        title = _("Renewal of %(name)s") % {"name": row.database.name}
        span = _("%(first)s to %(last)s") % {
            "first": formats.day(start, customer.language),
            "last": formats.day(end - timedelta(days=1), customer.language),
        }
        drafts = [_line(line, items, span, row.currency, customer.language) for line in lines]
    quotation = begin_quotation(
        seller=seller, customer=customer, kind=Quotation.Kind.RENEWAL, contact=contact, subscription=row, database_name="",
        term_months=term, by=by, now=now, origin=origin, renews_from=start,
    )  # fmt: skip
    if quotation.term_months != term:
        Quotation.objects.filter(pk=quotation.pk).update(term_months=term)
    version = quotation.versions.get()
    save_draft(
        version=version,
        revision=version.revision,
        fields={
            "title": title,
            "currency": row.currency,
            "valid_until": start if start >= day else day + timedelta(days=LATE_DAYS),
            "payment_policy": QuotationVersion.PaymentPolicy.FULL,
            "invoice_policy": QuotationVersion.InvoicePolicy.AT_ACCEPTANCE,
        },
        lines=drafts,
        now=now,
    )
    quotation.refresh_from_db()
    sent = send_quotation(quotation=quotation, by=by, now=now)
    assert sent.total_minor == priced.total_minor, "the preview is the bill"
    quotation.refresh_from_db()
    return quotation


def _items(row: Subscription) -> list[SubscriptionItem]:
    return list(row.items.select_related("product", "list_price").order_by("id"))


def renewal_lines(
    row: Subscription, items: Sequence[SubscriptionItem], start: date, term_months: int
) -> list[Renews[Renewing]]:
    """The lines of the next period: at the prices that were agreed, or for another term at that term's list prices.

    Raises Invalid when a product has no price for the other term.
    """
    renewing = [Renewing.of_item(place, item) for place, item in enumerate(items)]
    if term_months == row.term_months:
        return renews_at(
            renewing, start, currency=row.currency, term_months=term_months, history=history_for(items, start)
        )
    history = Price.objects.filter(product__in={item.product_id for item in items}).history()
    return list(_in_other_term(renewing, items, start, row.currency, term_months, history))


def _in_other_term(
    renewing: Sequence[Renewing],
    items: Sequence[SubscriptionItem],
    start: date,
    currency: str,
    term_months: int,
    history: "object",
) -> Iterator[Renews[Renewing]]:
    wanted: dict[int, list[Renewing]] = {}
    for one in renewing:
        wanted.setdefault(one.product_id, []).append(one)
    for product, together in wanted.items():
        listed = history.on(start, product=product, currency=currency, term_months=term_months)  # type: ignore[attr-defined]
        if listed is None:
            name = next(item.product.name for item in items if item.product_id == product)
            raise Invalid(_("%(name)s has no price for this term. Write to us.") % {"name": name})
        quantity = sum((one.quantity for one in together), Decimal(0))
        for piece in listed.pieces(quantity, already=Decimal(0), whole=quantity):
            yield Renews(tuple(together), piece.quantity, piece.unit_price, Decimal(0), None, listed, ())


def terms_of(row: Subscription, on: date) -> list[int]:
    """The terms, in months, for which everything that is renewed has a list price on a day; with the running one, in order."""
    items = [item for item in _items(row) if item.ended_on is None or item.ended_on > on]
    products = {item.product_id for item in items}
    history = Price.objects.filter(product__in=products).history()
    known = set(
        Price.objects.filter(product__in=products, currency=row.currency)
        .values_list("term_months", flat=True)
        .distinct()
    )
    found = {row.term_months}
    for term in known:
        if all(history.on(on, product=key, currency=row.currency, term_months=term) for key in products):
            found.add(term)
    return sorted(found)


def _line(
    line: Renews[Renewing], items: Sequence[SubscriptionItem], span: str, currency: str, language: str
) -> LineDraft:
    """One line of the quotation; where the price changes, the old one stands beside it."""
    item = items[line.items[0].key]
    detail = span
    if line.before and line.is_changed and line.old_unit_price is not None:
        detail += "\n" + _("Until then %(price)s for one") % {
            "price": formats.unit_price(line.old_unit_price, currency, language)
        }
    return LineDraft(
        kind="line",
        name=item.description or item.product.name,
        detail=detail,
        product_id=item.product_id,
        quantity=line.quantity,
        unit=item.product.unit,
        unit_price=line.unit_price,
        discount_percent=line.discount_percent,
        discount_until=line.discount_until,
        list_price_id=line.listed.key if line.listed else None,
    )


def _withdraw_open(row: Subscription, *, by: Actor | None, now: datetime) -> None:
    """Only one renewal is open at a time: what was offered before is withdrawn by the new one."""
    from_before = QuotationVersion.objects.filter(
        quotation__subscription=row, quotation__kind=Quotation.Kind.RENEWAL, state__in=QuotationVersion.OPEN
    ).select_related("quotation__customer")
    for version in from_before:
        withdraw_version(version, by=by, now=now)


# Asked for by people ---------------------------------------------------------------------------------------------------


def ask_for_renewal(*, subscription: Subscription, term_months: int = 0, by: Membership, now: datetime) -> Quotation:
    """A member wants the quotation of the next period now: the last one expired, or another term is wanted.

    Raises Forbidden without the approver role, Invalid for a term without prices, Conflict as `quote_renewal`.
    """
    if not by.may_decide:
        raise Forbidden(_("This needs the approver role. Ask an owner of your company's account."))
    with transaction.atomic():
        row = locked(subscription.pk)
        if term_months and term_months not in terms_of(row, row.next_start or today(now, row.customer.seller.zone)):
            raise Invalid(_("There are no prices for this term. Choose another one."))
        return quote_renewal(
            row, origin=Quotation.Origin.PORTAL, by=None, contact=by.user, now=now, term_months=term_months
        )


def renew_for_customer(*, subscription: Subscription, term_months: int = 0, by: User, now: datetime) -> Quotation:
    """The seller's people make it by hand. Raises Forbidden without the sales role, and as `ask_for_renewal`."""
    if by.staff_role not in {User.StaffRole.SALES, User.StaffRole.ADMIN}:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    with transaction.atomic():
        row = locked(subscription.pk)
        return quote_renewal(row, origin=Quotation.Origin.STAFF, by=by, now=now, term_months=term_months)
