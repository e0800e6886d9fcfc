"""Charging a saved way to pay: by a member in front of the screen, or by auto-pay while nobody is there.

The same door as every other attempt: what is undecided for the same papers is ended first, the attempt and its key are
committed, and only then the provider is asked. So page, API and auto-pay can never charge one balance twice.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, User
from portico.billing import providers
from portico.billing.actions import pay, receive
from portico.billing.actions.amounts import refuse_too_little
from portico.billing.instalments import due_by
from portico.billing.models import Collection, Invoice, Order, Payment, SavedMethod
from portico.billing.models.instalment import standing_of
from portico.billing.providers.base import Charge, Declined, Provider, Unanswered
from portico.kit.crash import crashpoint
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable
from portico.kit.periods import today

logger = logging.getLogger("portico.payments")


def pay_with_saved(
    *,
    by: Membership,
    method: SavedMethod,
    order: Order | None = None,
    invoices: Sequence[Invoice] = (),
    amount_minor: int | None = None,
    seen_due_minor: int | None = None,
    now: datetime,
) -> Payment:
    """A member pays what an order asks, or invoices, with a saved method. Opens and commits transactions of its own.

    Returns the attempt as it stands: arrived, on its way, failed, or waiting for the payer, who then goes on at
    `where_to_confirm`. Raises as `pay.start_payment` does, and Missing for a method that is not (or no longer) theirs.
    """
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    if method.customer_id != by.customer_id or method.removed_at is not None:
        raise Missing(_("This saved way to pay is not there any more. Nothing was charged. Choose another one."))
    chosen = pay.what_is_due(by.customer, order, invoices)
    total = sum(due.amount_minor for due in chosen)
    if seen_due_minor is not None and seen_due_minor != total:
        raise Conflict(pay.changed_to(total, chosen[0].currency, by.user.language))
    way = way_of(method, by.customer, chosen[0].currency)
    if way is None:
        raise Invalid(_("This way to pay is not offered for this amount. Choose another one. Nothing was charged."))
    refuse_too_little(by, chosen, amount_minor, now=now)
    for earlier in pay.undecided_for(pay.part_of(chosen, amount_minor)):
        pay.end_earlier(earlier, now=now)
    asked = pay.Asked(by.customer, by.user, way, order, invoices, amount_minor, method=method)
    payment = pay.write_down(asked, chosen, now=now)
    return _charge(Charging(payment, method, way, by.customer, by.user), now=now)


def collect_with_saved(collection: Collection, method: SavedMethod, *, now: datetime) -> Payment:
    """Auto-pay charges what is left of its invoice beside what is on its way, of an invoice in parts what is due by today.

    Raises Conflict when that is held by an attempt, was paid or began its way meanwhile, Unavailable when the provider gave no
    answer: the attempt is then kept as unknown.
    """
    customer = method.customer
    chosen = pay.due_of_invoices(customer, [collection.invoice])
    way = way_of(method, customer, chosen[0].currency)
    if way is None:
        raise Invalid(_("This way to pay is not offered for this amount. Choose another one. Nothing was charged."))
    invoice = chosen[0].paper
    assert isinstance(invoice, Invoice)
    invoice.customer = customer
    amount = due_now(invoice, now=now)
    if amount == 0:
        raise Conflict(_("Nothing is left to pay. Nothing was charged."))
    asked = pay.Asked(
        customer, None, way, invoices=[invoice], method=method, collection=collection, amount_minor=amount
    )
    payment = pay.write_down(asked, chosen, now=now)
    return _charge(Charging(payment, method, way, customer, None), now=now)


def due_now(invoice: Invoice, *, now: datetime) -> int | None:
    """What is left of the parts of an invoice that are due by today; None for one that is paid in one sum: all of it."""
    if not invoice.instalment_count:
        return None
    return due_by(standing_of(invoice), today(now, invoice.customer.seller.zone))


def way_of(method: SavedMethod, customer: Customer, currency: str) -> Provider | None:
    """The provider that keeps this method, if it still takes payments in this currency."""
    for way in pay.offered_for(customer.seller, currency):
        if way.name == method.provider and way.saves:
            return way
    return None


@dataclass(frozen=True)
class Charging:
    """An attempt that is written down and about to be charged."""

    payment: Payment
    method: SavedMethod
    way: Provider
    customer: Customer
    user: User | None

    @property
    def charge(self) -> Charge:
        """What the provider is asked."""
        payment = self.payment
        targets = payment.targets.select_related("invoice", "request__order").order_by("pk")
        numbers = [
            one.invoice.number if one.invoice else one.request.order.number if one.request else "" for one in targets
        ]
        return Charge(
            key=payment.idempotency_key,
            payment_id=str(payment.pk),
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            description=", ".join(filter(None, numbers))[:200],
            return_url=return_url(payment),
            provider_customer=self.method.provider_customer,
            provider_method=self.method.provider_method,
            present=self.user is not None,
        )


def _charge(charging: Charging, *, now: datetime) -> Payment:
    payment = charging.payment
    try:
        report = charging.way.charge_saved(charging.charge)
    except Declined as declined:
        return receive.fail_payment(payment=payment, failure_code=declined.code, now=now)
    except Unanswered:
        logger.warning("a provider gave no answer to a charge")
    except Exception:
        logger.exception("a provider failed at a charge: its outcome is unknown")
    else:
        crashpoint("answer received")
        payment = pay.apply_to(payment, report, now=now)
        crashpoint("answer stored")
        return payment
    pay.not_known(payment, now=now)
    raise Unavailable(
        _(
            "The payment provider gave no answer, so we cannot say yet whether the payment has begun. We are asking it "
            "again and show the outcome here. Please do not pay in another way meanwhile."
        )
    )


def return_url(payment: Payment) -> str:
    """Where the payer comes back to: the payment's own page, which settles nothing."""
    return f"{settings.PORTICO_BASE_URL}/my/payments/{payment.pk}/"


def where_to_confirm(*, payment: Payment, by: Membership, now: datetime) -> str:
    """The page on which the payer confirms a charge to its bank.

    Raises Forbidden, Missing for another customer's payment, Conflict when nothing waits for the payer (any more),
    Unavailable when the provider gives no answer.
    """
    if payment.customer_id != by.customer_id:
        raise Missing(_("There is no such payment."))
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    provider = providers.find(payment.provider)
    if provider is None or payment.action_at is None or payment.state not in Payment.UNDECIDED:
        raise Conflict(_("This payment does not wait for you any more. Nothing was charged now."))
    try:
        page = provider.authenticate(pay.attempt_of(payment), return_url=return_url(payment))
    except Exception:
        logger.exception("a provider gave no page to confirm at")
        raise Unavailable(
            _("The payment provider gave no answer. Nothing was charged. Try again in a minute.")
        ) from None
    if not page:
        pay.lookup_payment(payment=payment, now=now)
        raise Conflict(_("This payment does not wait for you any more. Nothing was charged now."))
    return page
