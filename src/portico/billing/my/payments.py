"""One attempt to pay, as it truly stands. The payer comes back here; nothing on this page settles anything."""

import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import segno
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing import providers
from portico.billing.actions import pay
from portico.billing.actions.charge import where_to_confirm
from portico.billing.documents.receipt import receipt_sheet, use_of
from portico.billing.documents.render import render_pdf
from portico.billing.models import Payment, PaymentTarget
from portico.billing.providers import label_of
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Missing
from portico.kit.htmx import is_fragment
from portico.kit.prepared import prepared


def find(request: MemberRequest, key: UUID) -> Payment:
    """The payment of this id; Missing for a foreign one and for none alike."""
    if request.member.sees_all:
        found: Payment | None = of_customer.first(customer=request.member.customer_id, payment=key)
    else:
        found = Payment.objects.visible_to(request.member).filter(pk=key).first()
    if found is None:
        raise Missing(_("There is no payment of this number."))
    found.customer = request.member.customer
    return found


@prepared
def of_customer(customer: Any, payment: Any) -> Any:
    """A payment of a customer, for those of its members who see all of it."""
    return Payment.objects.filter(customer=customer, pk=payment)


@prepared
def targets_of(payment: Any) -> Any:
    """What a payment is for."""
    rows = PaymentTarget.objects.filter(payment=payment).order_by("pk")
    return rows.select_related("invoice", "request__order__version")


@member()
@require_safe
def detail(request: MemberRequest, key: UUID) -> HttpResponse:
    """How the attempt stands; asked again every two seconds while the provider may still answer."""
    payment = find(request, key)
    way = providers.find(payment.provider)
    by_transfer = way is not None and way.by_transfer
    targets = targets_of(payment=payment.pk)
    undecided = payment.state in Payment.UNDECIDED
    left = pay.left_of(payment, targets) if by_transfer and undecided else 0
    context = {
        "payment": payment,
        "way": label_of(payment.provider),
        "by_transfer": by_transfer,
        "instructions": pay.instructions_for(payment, left) if by_transfer and undecided else None,
        "left_minor": left,
        "stage": stage(payment, by_transfer=by_transfer, left_minor=left),
        "retry": again(targets),
        "asks_again": undecided and not by_transfer,
        "targets": targets,
        "use": use_of(payment) if payment.state in Payment.ARRIVED else None,
        "zone": request.member.customer.seller.zone,
    }
    template = "billing/my/payments/_state.html" if is_fragment(request) else "billing/my/payments/detail.html"
    return render(request, template, context)


def again(targets: Sequence[PaymentTarget]) -> str:
    """Where the same papers are paid anew; the list of invoices where none was named."""
    orders = [one.request.order.number for one in targets if one.request]
    if orders:
        return reverse("my:orders.pay", args=orders[:1])
    numbers = [one.invoice.number for one in targets if one.invoice]
    if len(numbers) == 1:
        return reverse("my:invoices.pay", args=numbers)
    asked = urlencode([("number", number) for number in numbers] or [("status", "to_pay")])
    return f"{reverse('my:invoices.pay' if numbers else 'my:invoices.index')}?{asked}"


def stage(payment: Payment, *, by_transfer: bool, left_minor: int) -> str:
    """Where the attempt is, in words the page has texts for.

    begun: the payer has not finished; action: the payer's bank waits; transfer: we wait for the money; needless: what it was
    announced for was settled in another way; processing: confirmed, not arrived.
    """
    if payment.state != Payment.State.PENDING:
        return str(payment.state)
    if payment.processing_at is not None:
        return "processing"
    if payment.action_at is not None:
        return "action"
    if by_transfer:
        return "transfer" if left_minor else "needless"
    return "begun"


@member()
@require_safe
def qr(request: MemberRequest, key: UUID) -> HttpResponse:
    """The EPC QR code of a transfer as a picture; Missing where there is none."""
    told = pay.instructions_for(find(request, key))
    if told is None or not told.epc:
        raise Missing(_("This payment has no QR code."))
    code = segno.make(told.epc, error="m", boost_error=False, micro=False, encoding="utf-8")
    picture = io.BytesIO()
    code.save(picture, kind="svg", border=4, dark="#000", light="#fff", omitsize=True)
    return HttpResponse(
        picture.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "private, no-store"}
    )


@member("billing")
@require_POST
def authenticate(request: MemberRequest, key: UUID) -> HttpResponse:
    """Send the payer on to its bank, which wants a charge confirmed."""
    page = where_to_confirm(payment=find(request, key), by=request.member, now=timezone.now())
    return HttpResponseRedirect(page)


# The receipt -----------------------------------------------------------------------------------------------------------


def received(request: MemberRequest, key: UUID) -> Payment:
    """The payment, whose money has arrived, whatever became of it later; Conflict before that."""
    payment = find(request, key)
    if payment.state not in Payment.ARRIVED:
        raise Conflict(_("There is a receipt as soon as the money has arrived."))
    return payment


@member()
@require_safe
def receipt(request: MemberRequest, key: UUID) -> HttpResponse:
    """What was received, when, how, and which papers it settled."""
    payment = received(request, key)
    sheet = receipt_sheet(payment, label_of(payment.provider))
    return render(request, "billing/my/payments/receipt.html", {"payment": payment, "sheet": sheet})


@member()
@require_safe
def pdf(request: MemberRequest, key: UUID) -> HttpResponse:
    """The receipt as a file, drawn from what the books say now."""
    payment = received(request, key)
    sheet = receipt_sheet(payment, label_of(payment.provider))
    return pdf_answer(
        render_pdf(sheet, accent=payment.customer.seller.accent, logo=payment.customer.seller.logo),
        f"{sheet.number}.pdf",
    )


urlpatterns = [
    path("payments/<uuid:key>/", detail, name="payments.detail"),
    path("payments/<uuid:key>/authenticate/", authenticate, name="payments.authenticate"),
    path("payments/<uuid:key>/receipt/", receipt, name="payments.receipt"),
    path("payments/<uuid:key>/pdf/", pdf, name="payments.pdf"),
    path("payments/<uuid:key>/qr/", qr, name="payments.qr"),
]
