"""Auto-pay: the customer's switch on a subscription, and the sweep that charges its invoices when they are due.

What is due is found in the tables: invoices issued after the switch was turned on, for a period of the subscription at once,
for an order of it on the due day, and of either that is paid in parts each part on its day. An invoice has one Collection,
which holds the plan (`collect`).
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, Seller
from portico.billing import letters
from portico.billing.actions import charge, collect, pay
from portico.billing.models import AutoPay, Collection, Invoice, Payment, Reversal, SavedMethod, Subscription
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable
from portico.kit.periods import today

BATCH = 50
LEASE = timedelta(minutes=10)
SOON, LATER = timedelta(hours=1), timedelta(days=1)
PAYER_S_OWN = timedelta(days=5)
"""So long an attempt that the payer began goes before auto-pay; a transfer takes its days."""
EXPIRES_WITHIN = timedelta(days=30)


# The switch -------------------------------------------------------------------------------------------------------------


def consent_to_auto_pay(subscription: Subscription) -> str:
    """What is agreed to when auto-pay is switched on, in the reader's language; kept word for word."""
    return _(
        "I agree that %(seller)s charges our saved default way to pay for each invoice of the subscription %(database)s "
        "issued from now on: renewals on the day of their invoice, other invoices and parts on their due day. If that "
        "fails, it is tried again up to four times within three weeks. I can switch this off at any time."
    ) % {"seller": subscription.customer.seller.legal_name, "database": subscription.database.name}


def auto_pay_of(subscription: Subscription) -> AutoPay | None:
    """The switch, if it is on."""
    return AutoPay.objects.filter(subscription=subscription, off_at=None).select_related("on_by").first()


def switch_on(*, subscription: Subscription, by: Membership, consent: str, now: datetime) -> AutoPay:
    """Switch auto-pay on with the wording agreed to. Opens a transaction.

    Raises Forbidden without the right to pay, Missing for another customer's, Invalid without consent, Conflict when it is
    on already, has ended, or there is no saved way to pay.
    """
    _refuse(subscription, by)
    if not consent.strip():
        raise Invalid(_("Tick that you agree. Nothing is saved without that."))
    if subscription.state == Subscription.State.ENDED:
        raise Conflict(_("This subscription has ended. Nothing was switched on."))
    if collect.method_for(by.customer) is None:
        raise Conflict(_("There is no saved way to pay to charge. Save one first, then switch auto-pay on."))
    try:
        with transaction.atomic():
            made = AutoPay.objects.create(subscription=subscription, consent=consent, on_at=now, on_by=by.user)
            _record("subscription.auto_pay_on", subscription, by, now)
    except IntegrityError:
        raise Conflict(_("Auto-pay is on already. Nothing was changed.")) from None
    return made


def switch_off(*, subscription: Subscription, by: Membership, now: datetime) -> None:
    """Revoke it: nothing is charged by itself any more. What is on its way already arrives. Opens a transaction.

    Raises Forbidden, Missing, and Conflict when it is off.
    """
    _refuse(subscription, by)
    with transaction.atomic():
        found = auto_pay_of(subscription)
        if found is None or not found.switch_off(by=by.user, now=now):
            raise Conflict(_("Auto-pay is off already. Nothing was changed."))
        for collection in found.collections.filter(state__in=Collection.LIVE):
            collection.end(Collection.State.STOPPED, why=collect.SWITCHED_OFF, now=now)
        _record("subscription.auto_pay_off", subscription, by, now)


def _refuse(subscription: Subscription, by: Membership) -> None:
    if subscription.customer_id != by.customer_id:
        raise Missing(_("There is no subscription of this name."))
    if not by.may_pay:
        raise Forbidden(_("Auto-pay needs the billing role. Ask an owner of your company's account."))


def _record(name: str, subscription: Subscription, by: Membership, now: datetime) -> None:
    Event.record(name, subscription, now=now, by=by.user, customer=by.customer)


# Finding and collecting -------------------------------------------------------------------------------------------------


def find_due(seller: Seller, *, now: datetime) -> int:
    """Take up invoices that auto-pay is to collect; returns how many. Running it twice, or twice at once, changes nothing.

    What the payer had paid in another way and the bank took back is left to the payer.
    """
    live = AutoPay.objects.filter(off_at=None, on_at__lte=OuterRef("issued_at"))
    of_period = live.filter(subscription=OuterRef("period__subscription"))
    of_order = live.filter(subscription=OuterRef("order__subscription"))
    rows = Invoice.objects.open().filter(seller=seller, collection=None, disputed_at=None)
    rows = rows.exclude(Exists(Reversal.objects.filter(payment__allocations__invoice=OuterRef("pk"))))
    at_once = Exists(of_period) & Q(instalment_count=0)
    on_its_day = (Exists(of_period) | Exists(of_order)) & Q(due_on__lte=today(now, seller.zone))
    due = rows.filter(at_once | on_its_day)
    found = list(due.select_related("period", "order").order_by("pk")[:BATCH])
    for invoice in found:
        order = invoice.order.subscription_id if invoice.order else None
        subscription = invoice.period.subscription_id if invoice.period else order
        switch = AutoPay.objects.filter(off_at=None, subscription=subscription).first()
        if switch is None:
            continue
        Collection.objects.bulk_create(
            [Collection(invoice=invoice, auto_pay=switch, next_at=now, created_at=now)], ignore_conflicts=True
        )
    return len(found)


def collect_due(now: datetime) -> int:
    """Charge what is due; returns how many were looked at. A collection is claimed before it is touched."""
    rows = Collection.objects.filter(state__in=Collection.LIVE, next_at__lte=now)
    found = list(
        rows.select_related("invoice__customer__seller", "auto_pay__subscription__database").order_by("next_at")[:BATCH]
    )
    for collection in found:
        assert collection.next_at is not None
        if collection.take(seen=collection.next_at, until=now + LEASE):
            _collect(collection, now=now)
    return len(found)


def _collect(collection: Collection, *, now: datetime) -> None:
    """One turn: the provider is asked only when nothing else is undecided for the invoice."""
    collection.invoice.refresh_from_db()
    collection.auto_pay.refresh_from_db()
    if collection.invoice.amount_due_minor == 0:
        collection.end(Collection.State.PAID, now=now)
        return
    if collection.auto_pay.off_at is not None:
        collection.end(Collection.State.STOPPED, why=collect.SWITCHED_OFF, now=now)
        return
    if collection.invoice.disputed_at is not None:
        collection.wait(until=now + LATER)
        return
    if not collection.invoice.left_to_pay_minor:  # all of it is on its way
        collection.wait(until=now + LATER)
        return
    until = collect.nothing_before(collection.invoice, now=now)
    if until is not None:
        collection.wait(until=until)
        return
    wait = _wait_for_others(collection, now=now)
    collection.refresh_from_db()
    if wait is not None or collection.state not in Collection.LIVE:
        collection.wait(until=now + (wait or LATER))
        return
    if collection.tries > len(collect.WAITS):
        with transaction.atomic():
            collect.give_up(collection, now=now)
        return
    method = collect.method_for(collection.invoice.customer)
    if method is None:
        with transaction.atomic():
            collect.no_method(collection, now=now)
        return
    try:
        payment = charge.collect_with_saved(collection, method, now=now)
    except Invalid:
        with transaction.atomic():
            collect.no_method(collection, now=now)
    except (Conflict, Unavailable):
        collection.wait(until=now + SOON)
    else:
        if payment.state in Payment.UNDECIDED and payment.action_at is None:
            collection.wait(until=now + LATER)


def _wait_for_others(collection: Collection, *, now: datetime) -> timedelta | None:
    """End what auto-pay itself began and nobody confirmed; how long to wait for anything else, None: go on."""
    try:
        held = pay.undecided_for(pay.due_of_invoices(collection.invoice.customer, [collection.invoice]))
        for payment in held:
            if payment.processing_at is not None:
                return LATER
            if payment.collection_id != collection.pk and now - payment.created_at < PAYER_S_OWN:
                return SOON
            pay.end_earlier(payment, now=now)
    except Conflict:  # it was paid this moment, or an attempt cannot be ended yet
        return SOON
    return None


# Cards that expire ------------------------------------------------------------------------------------------------------


def remind_expiring_cards(now: datetime) -> int:
    """Tell once, thirty days ahead, that the card which auto-pay charges expires; returns how many letters were written."""
    written = 0
    for seller in Seller.objects.all():
        day = today(now, seller.zone)
        switched_on = AutoPay.objects.filter(off_at=None, subscription__customer=OuterRef("customer"))
        rows = SavedMethod.objects.kept().filter(
            Q(expires_on__gte=day, expires_on__lte=day + EXPIRES_WITHIN),
            Exists(switched_on),
            customer__seller=seller,
            is_default=True,
            expiry_told_on=None,
        )
        for method in rows.select_related("customer__seller")[:BATCH]:
            with transaction.atomic():
                if method.expiry_told(on=day):
                    written += letters.card_expires(method, now=now)
    return written
