"""Refunds on the desk: asked for, agreed by a second person, looked up; every one with its state."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import refund as refunding
from portico.billing.models import Payment, Refund, RefundRules
from portico.billing.providers import label_of
from portico.billing.staff.seen import seen_of
from portico.kit import formats
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import parse_amount
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.kit.text import one_line
from portico.statuses import status_of

STATUSES = {
    "waiting": lazy("Waits for a second person"),
    "pending": lazy("On its way"),
    "unknown": lazy("Being looked up"),
    "succeeded": lazy("Given back"),
    "failed": lazy("Failed"),
    "refused": lazy("Not agreed"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-asked_at", "-id"]),
    "amount": Sort(lazy("Amount, highest first"), ["-amount_minor", "-id"]),
}
COLUMNS = (
    column(lazy("Date"), "asked_at"),
    column(lazy("Customer"), "payment__customer__legal_name"),
    column(lazy("Credit note"), "credit_note__number"),
    column(lazy("Reason"), "reason"),
    Column(lazy("Status"), lambda row: status_of("refund", row["state"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Amount"), "amount_minor"),
)


@staff("finance")
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All refunds; `?status=waiting` is what a second person must look at."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = Refund.objects.filter(payment__customer__seller=request.seller)
    if q:
        rows = rows.filter(
            Q(payment__customer__legal_name__icontains=q) | Q(credit_note__number__iexact=q) | Q(reason__icontains=q)
        )
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(
            "id", "asked_at", "payment__customer__legal_name", "credit_note__number", "reason", "state", "currency",
            "amount_minor", "way",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip
    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "refunds")
    context = {"list": found, "zone": request.seller.zone}
    return render(request, "billing/staff/refunds/index.html", context)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Give money of a payment back (`?payment=`)."""
    payment = payment_of(request)
    most = refunding.refundable_minor(payment)
    currency, language = payment.received_currency or payment.currency, request.user.language
    entry = getattr(payment, "bank_entry", None)
    ways = refunding.ways_of(payment)
    typed = {
        "amount": formats.amount(most, currency, language),
        "way": ways[0],
        "iban": entry.payer_iban if entry is not None else "",
        "reason": "",
    }
    error = ""
    if request.method == "POST":
        typed = {name: one_line(request.POST.get(name, ""))[:320] for name in typed}
        try:
            amount_minor = parse_amount(typed["amount"], currency, language)
            if amount_minor > most > 0:
                raise Invalid(
                    _("At most %(most)s can go back. Nothing was given back.")
                    % {"most": formats.money(most, currency, language)}
                )
            made = refunding.ask_refund(
                payment=payment,
                amount_minor=amount_minor,
                way=typed["way"],
                reason=typed["reason"],
                iban=typed["iban"],
                seen_minor=seen_of(request.POST, "seen_minor"),
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            return HttpResponseRedirect(reverse("staff:refunds.detail", args=[made.pk]))
    elif not most:
        raise Conflict(
            _("Nothing of this payment can go back: it settles its invoices. Make a credit note first, then come back.")
        )
    rules = RefundRules.of(request.seller)
    context = {
        "payment": payment,
        "most_minor": most,
        "currency": currency,
        "notes": refunding.freed_by(payment),
        "ways": [(way, label, "") for way, label in Refund.Way.choices if way in ways],
        "way_label": label_of(payment.provider),
        "typed": typed,
        "error": error,
        "limit": rules.second_look_above_minor,
        "seller_currency": request.seller.currency,
    }
    return render(request, "billing/staff/refunds/new.html", context, status=400 if error else 200)


def payment_of(request: StaffRequest) -> Payment:
    """The payment that is meant; Missing."""
    asked = request.POST.get("payment") or request.GET.get("payment", "")
    try:
        key = UUID(asked)
    except ValueError:
        raise Invalid(_("A refund begins on the page of a payment. Choose one.")) from None
    rows = Payment.objects.filter(customer__seller=request.seller, pk=key)
    found = rows.select_related("customer__seller", "bank_entry").first()
    if found is None:
        raise Missing(_("There is no such payment."))
    return found


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, key: UUID) -> HttpResponse:
    """One refund: who asked, who agreed, what the provider says; what may be done now is done here."""
    one = refunding.find_refund(request.seller, key)
    if request.method == "POST":
        act(request, one, request.POST.get("do", ""))
        return HttpResponseRedirect(reverse("staff:refunds.detail", args=[one.pk]))
    context: dict[str, Any] = {
        "refund": one,
        "way_label": label_of(one.payment.provider) if one.way == Refund.Way.PROVIDER else _("Bank transfer"),
        "may_agree": one.state == Refund.State.WAITING and one.asked_by_id != request.user.pk,
        "is_own": one.asked_by_id == request.user.pk,
        "undecided": one.state in Refund.UNDECIDED,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/refunds/detail.html", context)


def act(request: StaffRequest, one: Refund, do: str) -> None:
    """What a button says; Invalid for none of them."""
    now, by = timezone.now(), request.user
    if do == "agree":
        refunding.approve_refund(refund=one, by=by, now=now)
        messages.success(request, _("You agreed. The money goes back."))
    elif do == "refuse":
        refunding.refuse_refund(refund=one, by=by, now=now)
        messages.success(request, _("Nothing goes back. The money is the customer's credit."))
    elif do in {"sent", "not_sent"}:
        refunding.transfer_done(refund=one, sent=do == "sent", by=by, now=now)
        messages.success(request, _("Noted."))
    elif do == "look_up":
        refunding.look_up_refund(refund=one, now=now)
        messages.info(request, _("The provider was asked."))
    else:
        raise Invalid(_("Choose one of the buttons."))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def limit(request: StaffRequest) -> HttpResponse:
    """Above which amount a second person must agree."""
    rules, currency = RefundRules.of(request.seller), request.seller.currency
    kept = rules.second_look_above_minor
    typed, error = "" if kept is None else formats.amount(kept, currency, request.user.language), ""
    if request.method == "POST":
        typed = one_line(request.POST.get("above", ""))[:40]
        try:
            above = parse_amount(typed, currency, request.user.language) if typed else None
            refunding.change_limit(seller=request.seller, above_minor=above, by=request.user, now=timezone.now())
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:refunds.index"))
    context = {"typed": typed, "error": error, "currency": currency}
    return render(request, "billing/staff/refunds/limit.html", context, status=400 if error else 200)


urlpatterns = [
    path("refunds/", index, name="refunds.index"),
    path("refunds/new/", new, name="refunds.new"),
    path("refunds/limit/", limit, name="refunds.limit"),
    path("refunds/<uuid:key>/", detail, name="refunds.detail"),
]
