"""The mails about money: what an order asks to be paid, what arrived, what failed."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import drawn, payers
from portico.billing.models import Payment, PaymentRequest
from portico.kit.models import Letter
from portico.kit.outbox import Drawn, kind, post


def payment_request(request: PaymentRequest, *, now: datetime) -> None:
    """An order asks to be paid before it is confirmed."""
    customer = request.order.customer
    post(
        "payment_request",
        payers([customer.pk], "payment_request")[customer.pk],
        about=f"payment_request:{request.pk}",
        data={"request": request.pk},
        seller=request.order.seller_id,
        customer=customer.pk,
        now=now,
    )


def payment_received(payment: Payment, *, now: datetime) -> None:
    """Money arrived."""
    _post("payment_received", payment, now=now)


def payment_failed(payment: Payment, *, now: datetime) -> None:
    """An attempt failed: nothing was charged."""
    _post("payment_failed", payment, now=now)


def _post(event: str, payment: Payment, *, now: datetime) -> None:
    post(
        event,
        payers([payment.customer.pk], event)[payment.customer.pk],
        about=f"payment:{payment.pk}",
        data={"payment": str(payment.pk)},
        seller=payment.customer.seller_id,
        customer=payment.customer_id,
        now=now,
    )


@kind("payment_request", label=lazy("A payment is asked for"))
def draw_payment_request(letter: Letter) -> Drawn | None:
    """What to pay, and what for; nothing once it was paid or the order cancelled."""
    rows = PaymentRequest.objects.select_related("order__seller", "order__customer")
    request = rows.get(pk=letter.data["request"])
    if request.state != PaymentRequest.State.OPEN:
        return None
    return drawn(
        letter,
        seller=request.order.seller,
        customer=request.order.customer,
        path=reverse("my:orders.pay", args=[request.order.number]),
        context={"request": request, "order": request.order},
    )


@kind("payment_received", label=lazy("A payment was received"))
def draw_payment_received(letter: Letter) -> Drawn | None:
    """How much, and what it pays."""
    return _drawn(letter)


@kind("payment_failed", label=lazy("A payment failed"))
def draw_payment_failed(letter: Letter) -> Drawn | None:
    """Nothing was charged, and what to do; nothing when the money came after all."""
    payment = Payment.objects.only("state").get(pk=letter.data["payment"])
    return _drawn(letter) if payment.state == Payment.State.FAILED else None


def _drawn(letter: Letter) -> Drawn:
    payment = Payment.objects.select_related("customer__seller").get(pk=letter.data["payment"])
    settled = payment.allocations.select_related("invoice", "request__order").order_by("pk")
    asked = payment.targets.select_related("invoice", "request__order").order_by("pk")
    rows = settled if payment.state in Payment.ARRIVED else asked
    papers = [row.invoice.number if row.invoice else row.request.order.number if row.request else "" for row in rows]
    return drawn(
        letter,
        seller=payment.customer.seller,
        customer=payment.customer,
        path=reverse("my:payments.detail", args=[payment.pk]),
        context={
            "payment": payment,
            "papers": ", ".join(dict.fromkeys(number for number in papers if number)),
            "left_minor": payment.unallocated_minor,
            "zone": payment.customer.seller.zone,
        },
    )
