"""Reminding on the desk: what is late and at which stage, where it pauses and why, when it happens and what is claimed."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.billing.actions import dunning
from portico.billing.late import HALF_YEARS, RULES, is_checked
from portico.billing.models import DunningPause, DunningRules, Invoice, Reminder
from portico.billing.staff.desk import by_id
from portico.kit.errors import Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import parse_decimal
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.kit.text import one_line

STATUSES = {
    "none": lazy("Not reminded yet"),
    "before": lazy("Soon due"),
    "due": lazy("On the due day"),
    "late": lazy("Reminded"),
    "formal": lazy("Formal notice"),
    "suspend": lazy("Handed over"),
    "paused": lazy("Paused"),
}
SORTS = {
    "due": Sort(lazy("Due date, soonest first"), ["due_on", "-id"]),
    "amount_due": Sort(lazy("Amount Due, highest first"), ["-amount_due_minor", "-id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "-id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Customer"), "customer__legal_name"),
    column(lazy("Due date"), "due_on"),
    column(lazy("Days late"), "days_late"),
    Column(lazy("Stage"), lambda row: STATUSES[row["stage"]]),
    column(lazy("Reminded on"), "reminded_on"),
    Column(lazy("Paused"), lambda row: _("Yes") if row["is_paused"] else ""),
    column(lazy("Currency"), "currency"),
    amount(lazy("Amount Due"), "amount_due_minor"),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """What is late, and what was reminded of already, each at its stage."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(timezone.now(), request.seller.zone)
    rows = staged(request, day)
    by_stage = dict(rows.order_by().values_list("stage").annotate(n=Count("pk")))
    if q:
        rows = rows.filter(Q(number__icontains=q) | Q(customer__legal_name__icontains=q))
    if status == "paused":
        rows = rows.filter(is_paused=True)
    elif status:
        rows = rows.filter(stage=status)
    found = listing(
        rows.values(
            "id", "number", "title", "due_on", "currency", "amount_due_minor", "payment_state", "customer_id",
            "customer__legal_name", "stage", "reminded_on", "is_paused",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        row["days_late"] = (day - row["due_on"]).days
        row["status"] = "overdue" if row["days_late"] > 0 else row["payment_state"]

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "reminders", complete)
    for row in found.rows:
        complete(row)
    context = {"list": found, "stages": STATUSES, "by_stage": [(STATUSES[key], n) for key, n in by_stage.items()]}
    return render(request, "billing/staff/dunning/index.html", context)


def staged(request: StaffRequest, day: date) -> Any:
    """Open invoices that are late or were reminded of, each with its latest stage and whether it is paused."""
    taken = Reminder.objects.filter(invoice=OuterRef("pk"), due_on__gte=OuterRef("due_on")).order_by("-id")
    own, of_customer = dunning.paused(day)
    rows = Invoice.objects.open().filter(seller=request.seller, payment_state__in=Invoice.PAYABLE)
    return rows.filter(Q(due_on__lt=day) | Exists(taken)).annotate(
        stage=Coalesce(Subquery(taken.values("stage")[:1]), Value("none")),
        reminded_on=Subquery(taken.values("on")[:1]),
        is_paused=Q(own) | Q(of_customer),
    )


# Pausing ---------------------------------------------------------------------------------------------------------------


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def pause(request: StaffRequest) -> HttpResponse:
    """Nobody is reminded of an invoice (`?invoice=`) or of a customer (`?customer=`) for a reason; lists what pauses there."""
    sent = request.POST if request.method == "POST" else request.GET
    customer, invoice = subject_of(request, sent)
    error = ""
    if request.method == "POST":
        try:
            dunning.pause_dunning(
                customer=customer,
                invoice=invoice,
                reason=one_line(request.POST.get("reason", "")),
                until=read_day(request.POST.get("until", "")),
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Nobody is reminded of it from now on."))
            return HttpResponseRedirect(back_to(customer, invoice))
    running = DunningPause.objects.filter(customer=customer, ended_at=None).select_related("by", "invoice")
    context = {
        "customer": customer,
        "invoice": invoice,
        "pauses": list(running),
        "back": back_to(customer, invoice),
        "posted": request.POST,
        "error": error,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/dunning/pause.html", context, status=400 if error else 200)


@staff("sales", "finance")
@require_POST
def resume(request: StaffRequest, number: int) -> HttpResponse:
    """Lift a pause."""
    found = DunningPause.objects.filter(customer__seller=request.seller, pk=number if number < 2**63 else 0)
    one = found.select_related("customer", "invoice").first()
    if one is None:
        raise Missing(_("There is no such pause."))
    dunning.resume_dunning(pause=one, by=request.user, now=timezone.now())
    messages.success(request, _("Reminders go on."))
    return HttpResponseRedirect(back_to(one.customer, one.invoice))


def subject_of(request: StaffRequest, sent: Mapping[str, str]) -> tuple[Customer, Invoice | None]:
    """Whose reminders: an invoice's or a customer's; Missing."""
    if sent.get("invoice"):
        rows = Invoice.objects.filter(seller=request.seller, state=Invoice.State.ISSUED, number=sent["invoice"])
        invoice = rows.exclude(kind=Invoice.Kind.CREDIT_NOTE).select_related("customer__seller").first()
        if invoice is None:
            raise Missing(_("There is no invoice of this number."))
        return invoice.customer, invoice
    if not sent.get("customer"):
        raise Invalid(_("Choose the invoice or the customer first."))
    found: Customer | None = by_id(
        Customer.objects.filter(seller=request.seller).select_related("seller"), sent["customer"]
    )
    if found is None:
        raise Missing(_("There is no such customer."))
    return found, None


def back_to(customer: Customer, invoice: Invoice | None) -> str:
    """Where the pause belongs."""
    if invoice is not None:
        return reverse("staff:invoices.detail", args=[invoice.number])
    return reverse("staff:customers.detail", args=[customer.pk])


def read_day(text: str) -> date | None:
    """A day, or none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(_("Enter the day, such as %(example)s.") % {"example": "2026-11-23"}) from None


# Rules -----------------------------------------------------------------------------------------------------------------


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: StaffRequest) -> HttpResponse:
    """When reminders go out, and whether a formal notice claims the fee and interest of the seller's country."""
    now_rules, error = DunningRules.of(request.seller), ""
    typed: dict[str, Any] = {
        name: getattr(now_rules, name)
        for name in (
            "before_days at_due first_days formal_days suspend_days claims_fee claims_interest interest_percent"
        ).split()
    }
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in typed}
        try:
            dunning.change_rules(
                seller=request.seller, by=request.user, now=timezone.now(), **read_rules(request, typed)
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:dunning.index"))
    rule = RULES.get(request.seller.country)
    context = {
        "typed": typed,
        "error": error,
        "rule": rule,
        "latest": max(HALF_YEARS[rule.reference]) if rule else None,
        "percent": rule.percent(*max(HALF_YEARS[rule.reference])) if rule else None,
        "checked": rule is not None and is_checked(rule),
    }
    return render(request, "billing/staff/dunning/rules.html", context, status=400 if error else 200)


def read_rules(request: StaffRequest, typed: Mapping[str, str]) -> dict[str, Any]:
    """The form as it was posted; Invalid for what is no number."""

    def days(name: str) -> int | None:
        text = typed[name].strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 5):
            raise Invalid(_("Enter days as whole numbers."))
        return int(text)

    first, formal = days("first_days"), days("formal_days")
    if first is None or formal is None:
        raise Invalid(_("Say after how many days the reminder and the formal notice go out."))
    percent: Decimal | None = None
    if typed["interest_percent"].strip():
        percent = parse_decimal(typed["interest_percent"], request.user.language)
    return {
        "before_days": days("before_days") or None,
        "at_due": bool(typed["at_due"]),
        "first_days": first,
        "formal_days": formal,
        "suspend_days": days("suspend_days"),
        "claims_fee": bool(typed["claims_fee"]),
        "claims_interest": bool(typed["claims_interest"]),
        "interest_percent": percent,
    }


urlpatterns = [
    path("dunning/", index, name="dunning.index"),
    path("dunning/pause/", pause, name="dunning.pause"),
    path("dunning/rules/", rules, name="dunning.rules"),
    path("dunning/<int:number>/resume/", resume, name="dunning.resume"),
]
