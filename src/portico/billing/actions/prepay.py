"""A customer's money that settles nothing yet is put towards what its order asks to be paid: the payment request.

When that is complete, the order goes on as by any payment: invoice, confirmation, delivery. What is left of credit notes
settles invoices alone (`spend`), since a payment request is no invoice.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership
from portico.billing.actions import pay, spend
from portico.billing.actions.receive import lock_orders
from portico.billing.models import Order, Payment, PaymentRequest
from portico.kit.errors import Conflict, Forbidden, Missing
from portico.kit.prepared import prepared


def own_money(customer: Customer, currency: str) -> list[Payment]:
    """The payments of which something is left that the customer may use by itself, the oldest first; one statement.

    Money that waits for a look by staff is left out. Each has what is `used` of it already.
    """
    payments, _notes = spend.unused(customer, currency)
    own = [one for one in payments if not one.review or one.reviewed_at is not None]
    return sorted(own, key=lambda one: (one.received_on or one.created_at.date(), str(one.pk)))


@prepared
def left_of_own(customer: Any, currency: Any) -> Any:
    """What is left of each of the same payments."""
    payments = spend.arrived_of(customer, currency).filter(received_minor__gt=F("used"))
    own = payments.filter(Q(review="") | Q(reviewed_at__isnull=False))
    return own.order_by().annotate(left=F("received_minor") - F("used")).values_list("left")


def own_money_minor(customer: Customer, currency: str) -> int:
    """How much money the customer may put towards an order by itself, in minor units of `currency`."""
    return sum(left for (left,) in left_of_own(customer=customer.pk, currency=currency))


def use_money_on_order(*, order: Order, by: Membership, now: datetime) -> int:
    """The customer puts its money towards the open payment request of its `order`, the oldest first, as much as is asked.

    A checkout that is open for it is ended at its provider first, so that it is not paid beside the credit. Opens
    transactions. Returns how much was used, in minor units of the order's currency. Raises Forbidden without the right to
    pay or for who sees chosen databases alone, Missing for another customer's order, Conflict when nothing is asked, there is
    no money to use, the order could not be confirmed, or a payment of it is on its way or unknown.
    """
    if not by.may_pay:
        raise Forbidden(_("Paying needs the billing role. Ask an owner of your company's account."))
    if not by.sees_all:
        raise Forbidden(_("This is about the whole company, and you see chosen databases alone. Ask an owner."))
    if order.customer_id != by.customer_id:
        raise Missing(_("There is no order of this number."))
    request = _open_request(order)
    sources = own_money(by.customer, request.currency)
    if not sources:
        raise Conflict(_("There is no credit that could be used on this order. Nothing was changed."))
    for attempt in _attempts(request):
        pay.expire_payment(payment=attempt, now=now)
    with transaction.atomic():
        lock_orders([order.pk])  # of two tabs the second sees what the first has used
        request = _open_request(order)
        if _attempts(request):
            raise Conflict(
                _(
                    "A payment of this order is on its way, or its outcome is not known yet. "
                    "Nothing was used. Try again when it is decided."
                )
            )
        used = 0
        for source in sources:
            source.refresh_from_db()
            if source.unallocated_minor > 0 and request.state == PaymentRequest.State.OPEN:
                used += pay.allocate_own_credit(payment=source, order=order, by=by.user, now=now)
                request.refresh_from_db()
        if not used:
            raise Conflict(
                _("Nothing of this credit could be used: it is used up, or nothing is due. Nothing was changed.")
            )
    return used


def _open_request(order: Order) -> PaymentRequest:
    """What the order asks to be paid; Conflict when it asks nothing any more."""
    found: PaymentRequest | None = pay.open_request_of.first(order=order.pk)
    if found is None:
        raise Conflict(_("This order asks for no payment any more. Nothing was used."))
    return found


def _attempts(request: PaymentRequest) -> list[Payment]:
    """The undecided attempts that hold the request, but for an announced transfer: if it arrives, it is credit."""
    return [one for one in pay.holding(request=request.pk) if pay.can_be_asked(one)]
