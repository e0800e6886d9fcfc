"""The mails about money: what an order asks to be paid, what arrived, what failed."""

from datetime import datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import drawn, payers
from portico.billing.instalments import due_by
from portico.billing.models import Collection, Payment, PaymentRequest, Refund, Reversal, SavedMethod
from portico.billing.models.instalment import standing_of
from portico.kit.models import Letter
from portico.kit.outbox import Drawn, kind, post
from portico.kit.periods import today


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


def payment_action(payment: Payment, *, now: datetime) -> None:
    """The payer's bank asks the payer to confirm a charge that auto-pay began."""
    _post("payment_action", payment, now=now)


def payment_refunded(refund: Refund, *, now: datetime) -> None:
    """Money went back to the customer."""
    payment = refund.payment
    post(
        "payment_refunded",
        payers([payment.customer_id], "payment_refunded")[payment.customer_id],
        about=f"refund:{refund.pk}",
        data={"refund": str(refund.pk)},
        seller=payment.customer.seller_id,
        customer=payment.customer_id,
        now=now,
    )


def payment_reversed(reversal: Reversal, *, now: datetime) -> None:
    """The payer's bank took money back: what it had paid is due again."""
    payment = reversal.payment
    post(
        "payment_reversed",
        payers([payment.customer_id], "payment_reversed")[payment.customer_id],
        about=f"reversal:{reversal.pk}",
        data={"reversal": reversal.pk},
        seller=payment.customer.seller_id,
        customer=payment.customer_id,
        now=now,
    )


def autopay_failed(collection: Collection, *, now: datetime) -> None:
    """Auto-pay could not charge an invoice; once for each time that it was tried."""
    customer = collection.invoice.customer
    post(
        "autopay_failed",
        payers([customer.pk], "autopay_failed")[customer.pk],
        about=f"collection:{collection.pk}",
        data={"collection": collection.pk, "tries": collection.tries},
        seller=customer.seller_id,
        customer=customer.pk,
        again=f"{collection.tries}-{collection.why}-{now:%Y%m%d}",
        now=now,
    )


def card_expires(method: SavedMethod, *, now: datetime) -> int:
    """The card that auto-pay charges is soon no longer good. Returns how many readers there are."""
    return post(
        "card_expires",
        payers([method.customer_id], "card_expires")[method.customer_id],
        about=f"method:{method.pk}",
        data={"method": str(method.pk), "expires": str(method.expires_on)},
        seller=method.customer.seller_id,
        customer=method.customer_id,
        again=str(method.expires_on),
        now=now,
    )


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


@kind("payment_action", label=lazy("Your bank asks you to confirm a payment"))
def draw_payment_action(letter: Letter) -> Drawn | None:
    """What to confirm; nothing when it was confirmed or ended meanwhile."""
    payment = Payment.objects.only("state", "action_at").get(pk=letter.data["payment"])
    waits = payment.action_at is not None and payment.state in Payment.UNDECIDED
    return _drawn(letter) if waits else None


@kind("payment_refunded", label=lazy("Money was given back"))
def draw_payment_refunded(letter: Letter) -> Drawn | None:
    """How much goes back, how, and because of which credit note."""
    refund = Refund.objects.select_related("payment__customer__seller", "credit_note").get(pk=letter.data["refund"])
    payment = refund.payment
    return drawn(
        letter,
        seller=payment.customer.seller,
        customer=payment.customer,
        path=reverse("my:payments.detail", args=[payment.pk]),
        context={"refund": refund, "by_transfer": refund.way == Refund.Way.TRANSFER},
    )


@kind("payment_reversed", label=lazy("A payment was taken back by the bank"))
def draw_payment_reversed(letter: Letter) -> Drawn | None:
    """How much was taken back and of which papers; nothing when it came again meanwhile."""
    rows = Reversal.objects.select_related("payment__customer__seller", "payment__collection")
    reversal = rows.get(pk=letter.data["reversal"])
    if reversal.state == Reversal.State.WON:
        return None
    payment = reversal.payment
    collection, zone = payment.collection, payment.customer.seller.zone
    next_at = collection.next_at if collection else None
    allocations = payment.allocations.filter(amount_minor__lt=0).select_related("invoice").order_by("pk")
    numbers = [row.invoice.shown_number for row in allocations if row.invoice]
    return drawn(
        letter,
        seller=payment.customer.seller,
        customer=payment.customer,
        path=reverse("my:payments.detail", args=[payment.pk]),
        context={
            "reversal": reversal,
            "papers": ", ".join(dict.fromkeys(number for number in numbers if number)),
            "is_open": reversal.state == Reversal.State.OPEN,
            "is_collected": collection is not None,
            "next_on": next_at.astimezone(zone).date() if next_at else None,
        },
    )


@kind("autopay_failed", label=lazy("Auto-pay could not charge an invoice"))
def draw_autopay_failed(letter: Letter) -> Drawn | None:
    """Which invoice, why, and what happens next; nothing when it was paid, or is on its way, meanwhile."""
    rows = Collection.objects.select_related("invoice__customer__seller", "auto_pay__subscription__database")
    collection = rows.get(pk=letter.data["collection"])
    invoice = collection.invoice
    if invoice.left_to_pay_minor == 0:
        return None
    zone = invoice.customer.seller.zone
    due_minor = due_by(standing_of(invoice), today(timezone.now(), zone)) if invoice.instalment_count else 0
    return drawn(
        letter,
        seller=invoice.customer.seller,
        customer=invoice.customer,
        path=reverse("my:invoices.pay", args=[invoice.number]),
        context={
            "invoice": invoice,
            "due_minor": due_minor or invoice.left_to_pay_minor,  # of an invoice in parts what is due by now is charged
            "database": collection.auto_pay.subscription.database.name,
            "next_on": collection.next_at.astimezone(zone).date() if collection.next_at else None,
            "has_no_method": collection.why == "no_method",
            "was_returned": collection.payments.filter(state=Payment.State.REVERSED).exists(),
        },
    )


@kind("card_expires", label=lazy("A saved card is about to expire"))
def draw_card_expires(letter: Letter) -> Drawn | None:
    """Which card, and when; nothing when it was removed or renewed meanwhile."""
    method = SavedMethod.objects.select_related("customer__seller").get(pk=letter.data["method"])
    if method.removed_at is not None or str(method.expires_on) != letter.data["expires"]:
        return None
    return drawn(
        letter,
        seller=method.customer.seller,
        customer=method.customer,
        path=reverse("my:payment_methods.index"),
        context={"method": method},
    )


def _drawn(letter: Letter) -> Drawn:
    payment = Payment.objects.select_related("customer__seller").get(pk=letter.data["payment"])
    settled = payment.allocations.select_related("invoice", "request__order").order_by("pk")
    asked = payment.targets.select_related("invoice", "request__order").order_by("pk")
    rows = settled if payment.state in Payment.ARRIVED else asked
    papers = [
        row.invoice.shown_number if row.invoice else row.request.order.number if row.request else "" for row in rows
    ]
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
