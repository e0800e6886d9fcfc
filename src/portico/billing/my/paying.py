"""Paying in the portal: choose a way to pay, and begin one attempt. What became of it is told on the payment's own page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portico.accounts.access import MemberRequest
from portico.billing.actions import pay
from portico.billing.actions.charge import pay_with_saved, where_to_confirm
from portico.billing.actions.methods import consent_to_save
from portico.billing.models import Invoice, Order, Payment, SavedMethod
from portico.billing.providers.base import Provider
from portico.kit.crash import crashpoint
from portico.kit.errors import Conflict, Invalid, Missing, Unavailable
from portico.kit.money import parse_amount
from portico.kit.periods import today
from portico.kit.prepared import prepared
from portico.kit.text import one_line

SHORT = 5


@dataclass(frozen=True)
class Bill:
    """What is paid in one go: an order's payment request, or invoices of one currency."""

    title: str
    back: str
    """The address of what is paid."""
    rows: Sequence[tuple[str, str, int]]
    """Number, title and what is left to pay of each paper."""
    amount_minor: int
    currency: str
    order: Order | None = None
    invoices: Sequence[Invoice] = ()
    credit: Callable[[], int] = lambda: 0
    """Reads what the customer has to its credit and may use instead; for an order's payment request, its money alone."""
    offers: Sequence[pay.Offer] = ()
    """What may be paid of it where it is paid in parts; the first one is chosen unless `preferred` is there."""
    preferred: str = ""

    @cached_property
    def credit_minor(self) -> int:
        """What the customer has to its credit and may use instead."""
        return self.credit()

    @property
    def takes_parts(self) -> bool:
        """Whether less than everything may be paid now."""
        return self.order is None

    @property
    def on_its_way_minor(self) -> int:
        """What is on its way of these papers and is not paid again here."""
        return sum(invoice.on_its_way_minor for invoice in self.invoices)

    @property
    def is_one(self) -> bool:
        """Whether one paper is paid, whose page is the way back."""
        return self.order is not None or len(self.invoices) == 1


def answer(request: MemberRequest, bill: Bill, template: str) -> HttpResponse:
    """The page that pays `bill`; POST begins the attempt and sends the payer on.

    The amount is ours, never the form's: the form only says which amount was seen, and another one is a Conflict. Of
    invoices a part may be paid, the earliest due first.
    """
    seller = request.member.customer.seller
    ways = pay.offered_for(seller, bill.currency)
    if not ways:
        raise Conflict(
            _("This cannot be paid here at the moment. Nothing was charged. Write to %(mail)s.")
            % {"mail": seller.support_email}
        )
    error, status = "", 200
    chosen = request.POST.get("provider", ways[0].name if request.method != "POST" else "")
    if request.method == "POST":
        try:
            where = begun(request, bill, chosen)
            crashpoint("redirect")
            return HttpResponseRedirect(where)
        except Invalid as refusal:
            error, status = refusal.message, 400
    saved = saved_methods(request, ways)
    if saved and request.method != "POST":
        chosen = f"saved-{saved[0].pk}"
    keys = [one.key for one in bill.offers]
    preferred = bill.preferred if bill.preferred in keys else (keys or [""])[0]
    taken = request.POST.get("take", preferred).partition("-")[0]
    undecided = undecided_of(bill)
    if not bill.invoices and any(one.state == Payment.State.PENDING for one in undecided):  # it is paid in one sum
        raise Conflict(_("A payment of this order is on its way already. Nothing was charged a second time."))
    context: dict[str, Any] = {
        "bill": bill,
        "taken": taken,
        "saved": saved,
        "consent": consent_of(request) if any(way.saves for way in ways) else "",
        "ways": ways,
        "chosen": chosen,
        "error": error,
        "part": request.POST.get("part", "")[:40],
        "unknown": [one for one in undecided if one.state == Payment.State.UNKNOWN],
        "since": confirmed_on(undecided, seller.zone),
    }
    return render(request, template, context, status=status)


@prepared
def undecided_of_order(order: Any) -> Any:
    """The attempts for what an order asks that are on their way, or of which it is not known what became."""
    told = Q(state="unknown") | Q(processing_at__isnull=False)
    held = Payment.objects.filter(told, targets__request__order=order, targets__open=True)
    return held.order_by("-created_at").distinct()


@prepared
def saved_by(customer: Any) -> Any:
    """What a customer has saved, the default one first."""
    return SavedMethod.objects.filter(customer=customer).kept().order_by("-is_default", "-created_at")


def undecided_of(bill: Bill) -> list[Payment]:
    """The attempts for what is paid here that are on their way, or of which nobody knows what became. One query."""
    if bill.order is not None and not bill.invoices:
        return undecided_of_order(order=bill.order.pk)
    held = Q(targets__invoice__in=[invoice.pk for invoice in bill.invoices], targets__open=True)
    if bill.order is not None:
        held |= Q(targets__request__order=bill.order, targets__open=True)
    told = Q(state=Payment.State.UNKNOWN) | Q(state=Payment.State.PENDING, processing_at__isnull=False)
    return list(Payment.objects.filter(held, told).distinct())


def offers_for(request: MemberRequest, invoices: Sequence[Invoice]) -> list[pay.Offer]:
    """What may be paid of these invoices now where one of them is paid in parts; none otherwise."""
    if not any(invoice.instalment_count for invoice in invoices):
        return []
    left = [pay.Due(one, one.left_to_pay_minor, one.currency, one.number or "") for one in invoices]
    return pay.offers_of(left, today(timezone.now(), request.member.customer.seller.zone))


def begun(request: MemberRequest, bill: Bill, provider: str) -> str:
    """Begin one attempt as the form asks; the address where the payer goes on. Invalid for a form that is not ours."""
    seen = request.POST.get("seen_minor", "")
    if not (seen.isascii() and seen.isdigit() and len(seen) < 17):
        raise Invalid(_("The form was not complete. Nothing was charged. Look at the amount and try again."))
    if not provider:
        raise Invalid(_("Choose how you want to pay. Nothing was charged."))
    now = timezone.now()
    what: dict[str, Any] = {
        "by": request.member,
        "order": bill.order,
        "invoices": bill.invoices,
        "amount_minor": part_of(request, bill),
        "seen_due_minor": int(seen),
        "now": now,
    }
    try:
        if provider.startswith("saved-"):
            payment = pay_with_saved(method=saved_method(request, provider), **what)
            if payment.action_at is not None and payment.state in Payment.UNDECIDED:
                return where_to_confirm(payment=payment, by=request.member, now=now)
        else:
            consent = consent_of(request) if "save" in request.POST else ""
            payment = pay.start_payment(provider=provider, save_consent=consent, **what)
    except Unavailable:  # the attempt is kept as unknown; its page says so, and tells when that changes
        unknown = Payment.objects.visible_to(request.member).filter(
            state=Payment.State.UNKNOWN, created_by=request.user
        )
        latest = unknown.order_by("-created_at").first()
        if latest is None:
            raise
        payment = latest
    return payment.checkout_url or reverse("my:payments.detail", args=[payment.pk])


def consent_of(request: MemberRequest) -> str:
    """What is agreed to when a way to pay is saved; nothing for a limited member, since it would pay for everything."""
    return consent_to_save(request.member.customer) if request.member.sees_all else ""


def saved_methods(request: MemberRequest, ways: Sequence[Provider]) -> list[SavedMethod]:
    """What the customer has saved with any of these ways to pay, the default one first."""
    keeping = {way.name for way in ways if way.saves}
    if not keeping or not request.member.sees_all:  # they would pay for everything
        return []
    return [one for one in saved_by(customer=request.member.customer_id) if one.provider in keeping]


def saved_method(request: MemberRequest, chosen: str) -> SavedMethod:
    """The saved method that the form names; Missing for a foreign one and for none alike."""
    try:
        found = SavedMethod.objects.visible_to(request.member).filter(pk=UUID(chosen.removeprefix("saved-"))).first()
    except ValueError:
        found = None
    if found is None:
        raise Missing(_("This saved way to pay is not there any more. Nothing was charged. Choose another one."))
    return found


def part_of(request: MemberRequest, bill: Bill) -> int | None:
    """The part of the invoices that the person wants to pay; None: all that is due."""
    text = one_line(request.POST.get("part", ""))
    if not bill.takes_parts:
        return None
    taken, _dash, seen = request.POST.get("take", "").partition("-")
    if taken and taken != "other":
        offer = next((one for one in bill.offers if one.key == taken), None)
        if offer is None or str(offer.amount_minor) != seen:
            raise Conflict(_("What is due has changed. Nothing was charged. Look at it again, then pay."))
        if text:
            raise Invalid(
                _("You entered an amount. Choose “Another amount” to pay it, or empty it. Nothing was charged.")
            )
        return None if taken == "all" else offer.amount_minor
    if not text:
        if taken == "other":
            raise Invalid(_("Enter the amount that you want to pay. Nothing was charged."))
        return None
    try:
        return parse_amount(text, bill.currency, request.user.language)
    except Invalid as refusal:
        raise Invalid(_("%(why)s Nothing was charged.") % {"why": refusal.message}) from None


@prepared
def attempts_of_invoice(invoice: Any) -> Any:
    """The latest attempts to pay one invoice, newest first."""
    return Payment.objects.filter(targets__invoice=invoice).order_by("-created_at")[: SHORT * 2]


@prepared
def attempts_of_order(order: Any) -> Any:
    """The latest attempts to pay anything of an order, newest first."""
    asked = Q(targets__invoice__order=order) | Q(targets__request__order=order)
    return Payment.objects.filter(asked).order_by("-created_at")[: SHORT * 2]


def attempts(paper: Invoice | Order) -> list[Payment]:
    """The latest attempts to pay an invoice, or the invoices and payment requests of an order, each once. One query."""
    found = attempts_of_invoice(invoice=paper.pk) if isinstance(paper, Invoice) else attempts_of_order(order=paper.pk)
    return list({payment.pk: payment for payment in found}.values())[:SHORT]


def confirmed_on(tried: Sequence[Payment], zone: tzinfo) -> date | None:
    """The day in `zone` on which the first of these attempts that are on their way was confirmed; None without one."""
    found = [one.processing_at for one in tried if one.processing_at and one.state in Payment.UNDECIDED]
    return min(found).astimezone(zone).date() if found else None


def same_currency(invoices: Sequence[Invoice]) -> str:
    """The one currency of these invoices; Invalid when there are several."""
    currencies = {invoice.currency for invoice in invoices}
    if len(currencies) != 1:
        raise Invalid(_("Invoices in different currencies are paid one by one. Choose those of one currency."))
    return currencies.pop()
