"""Reminding of invoices before they are due, on the day, and after it; the last stages are a formal notice and a handing over.

Each stage is reached once for an invoice, whoever looks and how often. A formal notice follows a reminder, never comes
first; after a time without a worker nobody is reminded of what lies too long back: that is for people to talk. Nothing is
sent while an invoice is disputed or paused, or a payment of it is on its way or of unknown outcome. Handing over means: the
subscription that the invoice is for is marked (`subscription.in_arrears`), and the renewal's life cycle decides what follows
(`in_arrears`).
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Event, Seller, User
from portico.billing import letters
from portico.billing.late import Claim, claim_of
from portico.billing.models import (
    AutoPay,
    Collection,
    DunningPause,
    DunningRules,
    Invoice,
    Payment,
    PaymentTarget,
    Reminder,
    Subscription,
)
from portico.billing.models.dunning import Stage
from portico.billing.models.instalment import standing_of
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.periods import today
from portico.kit.text import one_line

BATCH = 200
DESK = {User.StaffRole.FINANCE, User.StaffRole.ADMIN, User.StaffRole.SALES}
FINANCE = {User.StaffRole.FINANCE, User.StaffRole.ADMIN}
FIRST_WITHIN_DAYS = 45
"""So late an invoice is at most when it is reminded of for the first time."""
FORMAL_WITHIN_DAYS = 180
NEW = timedelta(days=2)
"""So long nobody is reminded of what has just been issued."""
FOLLOWS = {Reminder.Stage.FORMAL: Reminder.Stage.LATE, Reminder.Stage.SUSPEND: Reminder.Stage.FORMAL}
"""What a stage must come after."""


def remind_due(now: datetime) -> int:
    """Every stage that invoices have reached; returns how many were taken. At most a batch of each stage a call."""
    taken = 0
    for seller in Seller.objects.all():
        rules, day = DunningRules.of(seller), today(now, seller.zone)
        stages = rules.stages
        for place, stage in enumerate(stages):
            following = stages[place + 1] if place + 1 < len(stages) else None
            rows = reached(seller, stage, following, stages, day)
            for invoice in rows.select_related("seller", "customer", "period__subscription", "order__subscription")[
                :BATCH
            ]:
                taken += take_stage(invoice, stage, rules, due_on=invoice.part_due_on, now=now)
    return taken


def reached(seller: Seller, stage: Stage, following: Stage | None, stages: Iterable[Stage], day: date) -> Any:
    """The invoices that are to take `stage` today, of those in parts each part by itself (`part_due_on`)."""
    latest = day - timedelta(days=stage.days)
    rows = owed(seller, day).filter(due_on__lte=latest, part_due_on__lte=latest)
    of_part = Reminder.objects.filter(invoice=OuterRef("pk"), due_on=OuterRef("part_due_on"))
    rows = rows.filter(~Exists(of_part.filter(stage=stage.key)))
    before = FOLLOWS.get(Reminder.Stage(stage.key))
    if before is not None:
        apart = stage.days - next(one.days for one in stages if one.key == before)
        earlier = of_part.filter(stage=before, on__lte=day - timedelta(days=apart))
        rows = rows.filter(Exists(earlier), part_due_on__gt=day - timedelta(days=FORMAL_WITHIN_DAYS + stage.days))
    elif stage.key == Reminder.Stage.LATE:
        rows = rows.filter(part_due_on__gt=day - timedelta(days=FIRST_WITHIN_DAYS))
    elif following is not None:  # what is only a help comes in its days or not at all, and not where auto-pay pays
        rows = rows.filter(part_due_on__gt=day - timedelta(days=following.days), issued_on__lte=day - NEW)
        rows = rows.exclude(collected())
    return rows.order_by("part_due_on", "pk")


def collected() -> Q:
    """What auto-pay charges by itself, as agreed before the invoice was issued; no longer where it was stopped."""
    switched_on = AutoPay.objects.filter(off_at=None, on_at__lte=OuterRef("issued_at"))
    of_period = switched_on.filter(subscription=OuterRef("period__subscription"))
    of_order = switched_on.filter(subscription=OuterRef("order__subscription"))
    stopped = Collection.objects.filter(invoice=OuterRef("pk"), state=Collection.State.STOPPED)
    return (Q(Exists(of_period)) | Q(Exists(of_order))) & ~Q(Exists(stopped))


def owed(seller: Seller, day: date) -> Any:
    """What is open, can be paid, and is not paused; a row for each part of an invoice that is paid in parts.

    Nor what was perhaps paid already: an attempt for it of which the provider has not said what became.
    """
    unknown = PaymentTarget.objects.filter(open=True, payment__state=Payment.State.UNKNOWN)
    pauses = DunningPause.objects.filter(DunningPause.holding(day))
    return (
        Invoice.objects.by_part()
        .filter(seller=seller, payment_state__in=Invoice.PAYABLE, due_on__isnull=False)
        .exclude(Exists(unknown.filter(invoice=OuterRef("pk"))))
        .exclude(Exists(pauses.filter(invoice=OuterRef("pk"))))
        .exclude(Exists(pauses.filter(customer=OuterRef("customer"), invoice=None)))
    )


def take_stage(invoice: Invoice, stage: Stage, rules: DunningRules, *, due_on: date, now: datetime) -> int:
    """Write the stage, its letter and its event in one transaction; 0 when it was taken or paid meanwhile.

    `due_on` is the day of the part that it is about, or of the whole invoice.
    """
    day = today(now, invoice.seller.zone)
    with transaction.atomic():
        row = Invoice.objects.select_for_update(of=("self",)).get(pk=invoice.pk)
        due_minor = left_of(row, due_on)
        if row.payment_state not in Invoice.PAYABLE or not due_minor:
            return 0
        claimed = claimed_by(row, stage, rules, due_on=due_on, due_minor=due_minor, day=day)
        reminder = Reminder(
            invoice=invoice,
            due_on=due_on,
            stage=stage.key,
            at=now,
            on=day,
            days=(day - due_on).days,
            due_minor=due_minor,
            fee_minor=claimed.fee_minor,
            interest_minor=claimed.interest_minor,
        )
        if not reminder.take():
            return 0
        Event.record(
            "invoice.handed_over" if stage.key == Reminder.Stage.SUSPEND else "invoice.reminded",
            invoice,
            now=now,
            customer=invoice.customer,
            visible=stage.key != Reminder.Stage.SUSPEND,
            number=invoice.number,
            stage=str(stage.key),
            amount_minor=due_minor,
            currency=row.currency,
        )
        if stage.key == Reminder.Stage.SUSPEND:
            _hand_over(invoice, now=now)
        else:
            letters.invoice_reminder(reminder, now=now)
    return 1


def left_of(invoice: Invoice, due_on: date) -> int:
    """What is left to pay of the part that was due on this day, or of the invoice where it is paid in one sum."""
    return sum(one.left_minor for one in standing_of(invoice) if one.due_on == due_on)


def claimed_by(
    invoice: Invoice, stage: Stage, rules: DunningRules, *, due_on: date, due_minor: int, day: date
) -> Claim:
    """What the formal notice claims beside what is due, where the seller has switched that on: of one part its own interest."""
    if stage.key != Reminder.Stage.FORMAL:
        return Claim()
    return claim_of(
        country=str(invoice.content["seller"]["country"]),
        due_minor=due_minor,
        currency=invoice.currency,
        due_on=due_on,
        day=day,
        fee=rules.claims_fee,
        interest=rules.claims_interest,
        own_percent=rules.interest_percent,
    )


# Handing over ----------------------------------------------------------------------------------------------------------


def _hand_over(invoice: Invoice, *, now: datetime) -> None:
    """Mark the subscription that the invoice is for."""
    subscription = invoice.period.subscription if invoice.period else None
    if subscription is None and invoice.order is not None:
        subscription = invoice.order.subscription
    if subscription is not None:
        Event.record(
            "subscription.in_arrears",
            subscription,
            now=now,
            customer=invoice.customer,
            visible=False,
            number=invoice.number,
        )


def in_arrears(seller: Seller) -> Any:
    """Subscriptions of which an invoice was handed over and is still open: the renewal's life cycle may suspend them."""
    handed = Reminder.objects.filter(
        stage=Reminder.Stage.SUSPEND,
        invoice__amount_due_minor__gt=0,
        invoice__payment_state__in=Invoice.PAYABLE,
        due_on__gte=F("invoice__due_on"),  # the part is not paid
    )
    of_period = handed.filter(invoice__period__subscription=OuterRef("pk"))
    of_order = handed.filter(invoice__period=None, invoice__order__subscription=OuterRef("pk"))
    return Subscription.objects.filter(Exists(of_period) | Exists(of_order), customer__seller=seller)


# Pausing ---------------------------------------------------------------------------------------------------------------


def pause_dunning(
    *,
    customer: Customer,
    invoice: Invoice | None,
    reason: str,
    until: date | None,
    by: User,
    now: datetime,
) -> DunningPause:
    """Nobody is reminded of the invoice, or of anything of the customer, from now on. Opens a transaction.

    Raises Forbidden for who does not work on the desk, Missing for another customer's invoice, Invalid without a reason or
    with a day that has passed, Conflict when it is paused already.
    """
    if by.staff_role not in DESK:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    if invoice is not None and invoice.customer_id != customer.pk:
        raise Missing(_("There is no invoice of this number."))
    words, day = one_line(reason), today(now, customer.seller.zone)
    if not words or len(words) > 300:
        raise Invalid(_("Say in at most 300 characters why nobody is to be reminded: colleagues read it."))
    if until is not None and until < day:
        raise Invalid(_("The last day of the pause has passed. Choose a later one, or none."))
    with transaction.atomic():
        over = DunningPause.objects.filter(customer=customer, invoice=invoice, ended_at=None, until__lt=day)
        over.update(ended_at=now)
        try:
            with transaction.atomic():
                pause = DunningPause.objects.create(
                    customer=customer, invoice=invoice, reason=words, until=until, by=by, at=now
                )
        except IntegrityError:
            raise Conflict(_("Reminders are paused here already. Nothing was changed.")) from None
        _record("invoice.reminders_paused", "customer.reminders_paused", pause, by=by, now=now)
    return pause


def resume_dunning(*, pause: DunningPause, by: User, now: datetime) -> None:
    """Remind again; stages that lie behind do not all come at once. Raises Forbidden, Conflict when it had ended."""
    if by.staff_role not in DESK:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    with transaction.atomic():
        if not pause.end(by=by, now=now):
            raise Conflict(_("This pause has ended already. Nothing was changed."))
        _record("invoice.reminders_resumed", "customer.reminders_resumed", pause, by=by, now=now)


def _record(of_invoice: str, of_customer: str, pause: DunningPause, *, by: User, now: datetime) -> None:
    """On the invoice's history, or on the customer's."""
    if pause.invoice is not None:
        Event.record(
            of_invoice,
            pause.invoice,
            now=now,
            by=by,
            customer=pause.customer,
            visible=False,
            number=pause.invoice.number,
        )
    else:
        Event.record(of_customer, pause.customer, now=now, by=by, customer=pause.customer, visible=False)


# Rules -----------------------------------------------------------------------------------------------------------------


def change_rules(
    *,
    seller: Seller,
    before_days: int | None,
    at_due: bool,
    first_days: int,
    formal_days: int,
    suspend_days: int | None,
    claims_fee: bool,
    claims_interest: bool,
    interest_percent: Decimal | None,
    by: User,
    now: datetime,
) -> DunningRules:
    """Keep when and how the seller reminds. Raises Forbidden without the finance role, Invalid for stages out of order."""
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    if before_days is not None and not 1 <= before_days <= 60:
        raise Invalid(_("Remind at least one and at most 60 days before the due day, or not at all."))
    if not 1 <= first_days < formal_days <= 120:
        raise Invalid(_("The formal notice comes after the reminder, at most 120 days after the due day."))
    if suspend_days is not None and not formal_days < suspend_days <= 365:
        raise Invalid(_("Handing over comes after the formal notice, at most 365 days after the due day, or never."))
    if interest_percent is not None and not 0 < interest_percent <= 30:
        raise Invalid(_("The yearly interest is above zero and at most 30 percent, or left empty."))
    with transaction.atomic():
        rules, _made = DunningRules.objects.update_or_create(
            seller=seller,
            defaults={
                "before_days": before_days,
                "at_due": at_due,
                "first_days": first_days,
                "formal_days": formal_days,
                "suspend_days": suspend_days,
                "claims_fee": claims_fee,
                "claims_interest": claims_interest,
                "interest_percent": interest_percent,
            },
        )
        Event.record("seller.dunning_changed", seller, now=now, by=by, visible=False)
    return rules


def paused(day: date) -> tuple[Exists, Exists]:
    """Whether an outer invoice is paused by itself, or with its customer."""
    pauses = DunningPause.objects.filter(DunningPause.holding(day))
    return Exists(pauses.filter(invoice=OuterRef("pk"))), Exists(
        pauses.filter(Q(invoice=None), customer=OuterRef("customer"))
    )


def pauses_of(invoice: Invoice, day: date) -> QuerySet[DunningPause]:
    """The pauses that hold for this invoice on `day`, its own or its customer's."""
    pauses = DunningPause.objects.filter(DunningPause.holding(day), customer=invoice.customer_id)
    return pauses.filter(Q(invoice=invoice) | Q(invoice=None))
