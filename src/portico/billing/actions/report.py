"""The third door: the vendor's system reports that a database got or lost something, and the same quotation follows (DOMAIN 7).

A report is done once under its name. What then becomes of it is the seller's policy: the quotation first, installed at once
and quoted, or accepted by itself under an owner's mandate. What was removed ends with the period, as everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from portico.accounts.models import ApiKey, Customer, Event, Membership, Seller, User
from portico.billing import letters
from portico.billing.actions.change import (
    Door,
    Preview,
    items_of,
    locked,
    preview,
    quote,
    settle,
)
from portico.billing.actions.decide import Origin, Signature, accept_quotation, needs_second_approval
from portico.billing.actions.steps import Step, holdings
from portico.billing.models import (
    ChangePolicy,
    Mandate,
    Product,
    Quotation,
    QuotationVersion,
    Report,
    Subscription,
)
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.periods import today

ONCE = (Product.Kind.APPLICATION, Product.Kind.THEME)
MOST_CHANGES = 50
LONGEST_ID = 80
MOST_LIMIT_MINOR = 10**12
MANDATE = gettext_noop(
    "What our databases report as added may be ordered for {company} without asking us again, for at most {limit} in a "
    "calendar month, VAT included. Above that a quotation is sent first. I may end this at any time."
)


@dataclass(frozen=True)
class Reported:
    """One product of a report: how many units the database got, and how many it lost."""

    code: str
    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Plan:
    """How the charged part of a report is dealt with."""

    state: str
    why: str = ""
    mandate: Mandate | None = None
    giver: Membership | None = None


# Reporting -------------------------------------------------------------------------------------------------------------


def report_change(
    *, subscription: Subscription, report_id: str, changes: Sequence[Reported], by: ApiKey | None, now: datetime
) -> Report:
    """Take down what a database reports, and do what follows; the same report again gives the same answer and does nothing.

    The subscription comes with its customer and seller. Raises Invalid for an unknown product or a number that cannot be,
    Conflict when the name was used for another report, when the subscription does not run or the VAT cannot be told.
    """
    if not 0 < len(report_id) <= LONGEST_ID or not report_id.isprintable() or report_id != report_id.strip():
        raise Invalid(_("Give the report a name of 1 to %(most)d printable characters.") % {"most": LONGEST_ID})
    content = sorted([one.code, one.added, one.removed] for one in changes)
    customer = subscription.customer
    with transaction.atomic():
        subscription = locked(subscription, customer)
        known = (
            Report.objects.filter(subscription=subscription, report_id=report_id).select_related("quotation").first()
        )
        if known is not None:
            if known.content != content:
                raise Conflict(
                    _("Report %(name)s was sent before with another content. Nothing was changed. Use a new name.")
                    % {"name": report_id}
                )
            return known
        wanted = _wanted(subscription, changes, day=today(now, customer.seller.zone))
        shown = preview(subscription, wanted, customer=customer, now=now)
        door = Door(customer, Quotation.Origin.REPORT, by)
        return _carry_out(subscription, report_id, content, shown, door, now=now)


def _wanted(subscription: Subscription, changes: Sequence[Reported], *, day: date) -> dict[Product, Decimal]:
    """The quantities that a report leads to, by product."""
    codes = [one.code for one in changes]
    if not 0 < len(codes) <= MOST_CHANGES or len(set(codes)) != len(codes):
        raise Invalid(_("A report names each product once, and 1 to %(most)d of them.") % {"most": MOST_CHANGES})
    found = Product.objects.filter(seller=subscription.customer.seller_id, code__in=codes)
    products = {product.code: product for product in found}
    held = holdings(items_of(subscription), day)
    ahead = set(subscription.items.filter(provisional=True, ended_on__gt=day).values_list("product", flat=True))
    wanted = {}
    for one in changes:
        product = products.get(one.code)
        if product is None:
            raise Invalid(_("There is no product %(code)s. Nothing was changed.") % {"code": one.code})
        if product.kind == Product.Kind.PLAN:
            raise Invalid(
                _("%(code)s is a plan. Plans are changed in the portal. Nothing was changed.") % {"code": one.code}
            )
        stays = held[product.pk].stays if product.pk in held else Decimal(0)
        if one.added < 0 or one.removed < 0 or one.added == one.removed:
            raise Invalid(_("%(code)s: say how many were added or removed.") % {"code": one.code})
        if stays + one.added - one.removed < 0:
            raise Invalid(
                _("%(code)s: %(num)s were removed, but only %(stays)s are there. Nothing was changed.")
                % {"code": one.code, "num": one.removed, "stays": f"{stays.normalize():f}"}
            )
        if product.kind in ONCE and one.added and product.pk in ahead:
            raise Invalid(_("%(name)s is installed once in a database.") % {"name": product.name})
        wanted[product] = stays + one.added - one.removed
    return wanted


def _carry_out(
    subscription: Subscription,
    report_id: str,
    content: list[list[object]],
    shown: Preview,
    door: Door,
    *,
    now: datetime,
) -> Report:
    """What costs nothing is done at once; what is charged goes the way of the seller's policy."""
    free = [row.step for row in shown.rows if not row.step.added]
    settle(subscription, free, door, now=now, day=shown.effective)
    charged = replace(shown, rows=[row for row in shown.rows if row.step.added])
    report = Report(
        subscription=subscription, report_id=report_id, content=content, state=Report.State.NOTED, created_at=now,
        key=door.actor if isinstance(door.actor, ApiKey) else None,
    )  # fmt: skip
    if not charged.rows:
        report.save()
        return report
    if charged.is_priced and not charged.today_minor:
        settle(subscription, [row.step for row in charged.rows], door, now=now, day=shown.effective)
        report.save()
        return report
    plan = _plan(charged, door.customer, day=shown.effective)
    report.state, report.why = plan.state, plan.why
    if plan.state == Report.State.INSTALLED:
        policy = ChangePolicy.of(door.customer.seller)
        report.grace_until = min(shown.effective + timedelta(days=policy.grace_days), shown.period.end)
        door = replace(door, last_day=report.grace_until - timedelta(days=1))
    if plan.mandate is not None:
        door = replace(door, policy=QuotationVersion.PaymentPolicy.NONE)
    report.quotation = quote(subscription, charged, door, now=now)
    report.save()
    if plan.mandate is not None and plan.giver is not None:
        _accept(report.quotation, plan.mandate, plan.giver, charged, now=now)
    if report.grace_until is not None:
        _install(report, [row.step for row in charged.rows], door, day=shown.effective, now=now)
        letters.change_installed(report, now=now)
    return report


def _plan(shown: Preview, customer: Customer, *, day: date) -> Plan:
    """By the seller's policy, and where that is to accept, by the mandate and what is left of its month."""
    policy = ChangePolicy.of(customer.seller).policy
    if policy == ChangePolicy.Policy.INSTALL_AT_ONCE:
        return Plan(Report.State.INSTALLED)
    if policy == ChangePolicy.Policy.QUOTATION_FIRST:
        return Plan(Report.State.QUOTED)
    mandate = Mandate.in_force(customer, shown.currency)
    giver = mandate.giver() if mandate else None
    if mandate is None or giver is None:
        return Plan(Report.State.QUOTED, Report.Why.NO_MANDATE)
    limit = customer.second_approval_above_minor
    if limit is not None and shown.today_minor > limit:
        return Plan(Report.State.QUOTED, Report.Why.TWO_APPROVERS)
    if not mandate.spend(shown.today_minor, day.replace(day=1)):
        return Plan(Report.State.QUOTED, Report.Why.OVER_LIMIT)
    return Plan(Report.State.ACCEPTED, mandate=mandate, giver=giver)


def _accept(quotation: Quotation, mandate: Mandate, giver: Membership, shown: Preview, *, now: datetime) -> None:
    """Accepted in the name of who gave the mandate; the evidence names it."""
    version = quotation.current
    assert version is not None, "it was sent a moment ago"
    assert not needs_second_approval(version, shown.today_minor), "asked before anything was spent"
    accept_quotation(
        quotation=quotation,
        by=giver,
        version=version.version,
        choices={},
        seen_total_minor=shown.today_minor,
        consent=True,
        signature=Signature(giver.user.get_full_name()),
        po_number="",
        origin=Origin(None, "", "mandate"),
        now=now,
        mandate=mandate,
    )


def _install(report: Report, steps: Sequence[Step], door: Door, *, day: date, now: datetime) -> None:
    """What was reported runs at once, provisionally, and ends with the grace unless its order comes first."""
    assert report.grace_until is not None
    for step in steps:
        for piece in step.pieces:
            item = report.subscription.install(
                step.holding.product,
                piece.quantity,
                piece.unit_price,
                step.discount_percent,
                day,
                until=report.grace_until,
            )
            report.items.add(item)
    Event.record(
        "subscription.installed",
        report.subscription,
        now=now,
        by=door.actor,
        customer=door.customer,
        quotation=report.quotation.number if report.quotation else "",
        report=report.report_id,
        on=report.grace_until.isoformat(),
    )


def end_grace(now: datetime) -> int:
    """What was installed and not settled in time is gone, and waits on Today; returns how many there were."""
    ended = 0
    for seller in Seller.objects.all():
        rows = Report.objects.over(today(now, seller.zone)).filter(subscription__customer__seller=seller)
        for report in rows.select_related("subscription__customer", "quotation").order_by("pk"):
            with transaction.atomic():
                if report.lapse(now=now):
                    Event.record(
                        "subscription.lapsed",
                        report.subscription,
                        now=now,
                        customer=report.subscription.customer,
                        quotation=report.quotation.number if report.quotation else "",
                        report=report.report_id,
                    )
                    ended += 1
    return ended


def attend(*, subscription: Subscription, by: User, now: datetime) -> None:
    """Staff looked at what lapsed in this subscription. Conflict when there was nothing."""
    rows = subscription.reports.filter(state=Report.State.LAPSED, attended_at=None)
    if not sum(report.attend(by=by, now=now) for report in rows):
        raise Conflict(_("Somebody looked at this already. Nothing was changed."))


# Policy and mandate -------------------------------------------------------------------------------------------------------


def set_policy(*, seller: Seller, policy: str, grace_days: int, by: User, now: datetime) -> None:
    """What the seller does with reports from now on. Raises Invalid."""
    if policy not in ChangePolicy.Policy.values or not 1 <= grace_days <= 90:
        raise Invalid(_("Choose what happens, and a grace of 1 to 90 days."))
    with transaction.atomic():
        values = {"policy": policy, "grace_days": grace_days}
        row, _made = ChangePolicy.objects.update_or_create(seller=seller, defaults=values)
        Event.record("policy.changed", row, now=now, by=by, visible=False, policy=policy, grace_days=grace_days)


def consent_to(customer: Customer, limit_minor: int) -> str:
    """What an owner agrees to, in its language."""
    with translation.override(customer.language):
        limit = formats.money(limit_minor, customer.currency, customer.language)
        return _(MANDATE).format(company=customer.legal_name, limit=limit)


def give_mandate(*, by: Membership, limit_minor: int, consent: bool, now: datetime) -> Mandate:
    """An owner gives a mandate; one that stands is revoked by it. Raises Forbidden, and Invalid without a tick or a sum."""
    if not by.is_owner:
        raise Forbidden(_("Only an owner gives or ends a mandate."))
    if not consent:
        raise Invalid(_("Tick the box to say that you agree. Nothing was changed."))
    if not 0 < limit_minor <= MOST_LIMIT_MINOR:
        raise Invalid(_("Enter the most that may be ordered in a month, above zero."))
    customer = by.customer
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=customer.pk)
        for standing in Mandate.objects.filter(customer=customer, revoked_at=None):
            standing.revoke(by=by.user, now=now)
        mandate = Mandate.objects.create(
            customer=customer, consent=consent_to(customer, limit_minor), limit_minor=limit_minor,
            currency=customer.currency, given_by=by.user, given_at=now,
        )  # fmt: skip
        Event.record(
            "mandate.given", mandate, now=now, by=by.user, customer=customer, limit_minor=limit_minor,
            currency=customer.currency,
        )  # fmt: skip
    return mandate


def revoke_mandate(*, by: Membership, now: datetime) -> None:
    """An owner ends the mandate. Raises Forbidden, and Conflict when there is none."""
    if not by.is_owner:
        raise Forbidden(_("Only an owner gives or ends a mandate."))
    with transaction.atomic():
        standing = Mandate.objects.filter(customer=by.customer, revoked_at=None).first()
        if standing is None or not standing.revoke(by=by.user, now=now):
            raise Conflict(_("There is no mandate to end. Nothing was changed."))
        Event.record("mandate.revoked", standing, now=now, by=by.user, customer=by.customer)


def spent_in(mandate: Mandate, day: date) -> int:
    """What was accepted under it in the month of a day."""
    month = mandate.months.filter(month=day.replace(day=1)).first()
    return month.spent_minor if month else 0
