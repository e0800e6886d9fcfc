"""Money on the desk: what came in, what must be looked at, bank transfers booked, credit assigned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.billing.actions import pay
from portico.billing.actions.receive import FINANCE
from portico.billing.actions.settle import request_due_minor
from portico.billing.models import Invoice, Order, Payment, PaymentRequest
from portico.billing.providers import label_of
from portico.billing.staff.desk import by_id, customers_offered
from portico.kit import formats
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import parse_amount
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, amount, as_file, column, decimal, is_asked
from portico.kit.text import one_line
from portico.statuses import status_of

STATUSES = {
    "review": lazy("To review"),
    "pending": lazy("In payment"),
    "unknown": lazy("Being looked up"),
    "succeeded": lazy("Received"),
    "failed": lazy("Failed"),
    "cancelled": lazy("Cancelled"),
    "refunded": lazy("Refunded"),
    "reversed": lazy("Taken back"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-created_at", "-id"]),
    "amount": Sort(lazy("Amount, highest first"), ["-amount_minor", "-id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "-id"]),
}
COLUMNS = (
    column(lazy("Date"), "created_at"),
    column(lazy("Customer"), "customer__legal_name"),
    column(lazy("Payer"), "payer_name"),
    column(lazy("Provider"), "provider"),
    column(lazy("Reference"), "reference"),
    Column(lazy("Status"), lambda row: status_of("payment", row["status"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Amount"), "amount_minor"),
    Column(lazy("Received"), lambda row: decimal(row["received_minor"], row["received_currency"] or row["currency"])),
    column(lazy("To review"), "why"),
)
WHY = (
    gettext_noop("another amount or currency than was asked for"),
    gettext_noop("it arrived after the attempt had been given up"),
    gettext_noop("more than was due"),
    gettext_noop("it is not known what it is for"),
    gettext_noop("the provider has not said for two days what became of it"),
)
"""Why money is on the list to review, as the stories of payment write it; here for the translators."""
SAID = {
    "open": lazy("Not decided: the payer can still pay"),
    "processing": lazy("Confirmed by the payer, the money is on its way"),
    "succeeded": lazy("Paid"),
    "failed": lazy("Declined, nothing was charged"),
    "expired": lazy("Ended unpaid"),
    "nothing": lazy("It knows of no such payment"),
    "": lazy("No answer"),
}
"""What a provider said when it was asked."""
LATEST = 20
"""How many look-ups a payment's page shows."""
TO_REVIEW = Q(reviewed_at=None) & ~Q(review="") | Q(state=Payment.State.UNKNOWN)
"""Money that fits nothing, and attempts whose outcome nobody knows."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All payments; `?status=review` is the list that somebody must work through."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = Payment.objects.filter(customer__seller=request.seller)
    if q:
        rows = rows.filter(
            Q(reference__icontains="".join(q.split()))
            | Q(payer_name__icontains=q)
            | Q(customer__legal_name__icontains=q)
            | Q(targets__invoice__number__iexact=q)
            | Q(targets__request__order__number__iexact=q)
        ).distinct()
    if status:
        rows = rows.filter(TO_REVIEW) if status == "review" else rows.filter(state=status)
    found = listing(
        rows.values(
            "id", "customer__legal_name", "provider", "amount_minor", "received_minor", "currency", "received_currency",
            "state", "created_at", "reference", "payer_name", "review", "reviewed_at",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        row["status"] = row["state"]
        row["why"] = _(row["review"]) if row["review"] and row["reviewed_at"] is None else ""

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "payments", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/staff/payments/index.html", {"list": found, "zone": request.seller.zone})


def find(request: StaffRequest, number: UUID) -> Payment:
    """The payment of this id; Missing."""
    payments = Payment.objects.filter(customer__seller=request.seller).select_related("customer__seller", "created_by")
    found = payments.filter(pk=number).first()
    if found is None:
        raise Missing(_("There is no such payment."))
    return found


@staff()
@require_safe
def detail(request: StaffRequest, number: UUID) -> HttpResponse:
    """One payment: what it was for, what arrived, what it settled."""
    payment = find(request, number)
    allocations = list(payment.allocations.select_related("invoice", "request__order").order_by("id"))
    left = payment.received_minor - payment.returned_minor - sum(one.amount_minor for one in allocations)
    paid = {one.invoice_id for one in allocations if one.invoice_id}
    freed = Invoice.objects.filter(refers_to__in=paid, kind=Invoice.Kind.CREDIT_NOTE, state=Invoice.State.ISSUED)
    targets = list(payment.targets.select_related("invoice", "request__order").order_by("id"))
    context = {
        "payment": payment,
        "targets": targets,
        "shares_known": sum(one.amount_minor for one in targets) <= payment.amount_minor,  # else it was for all of them
        "allocations": allocations,
        "left_minor": left,
        "why": _(payment.review) if payment.review and payment.reviewed_at is None else "",
        "zone": request.seller.zone,
        "may_look_up": pay.can_be_asked(payment),
        "lookups": payment.asked.select_related("by").order_by("-id")[:LATEST],
        "said": SAID,
        "way": label_of(payment.provider),
        "reversals": payment.reversals.order_by("-id") if payment.returned_minor or payment.review else (),
        "refunds": payment.refunds.select_related("asked_by").order_by("-asked_at"),
        "may_refund": request.user.staff_role in FINANCE
        and payment.state == Payment.State.SUCCEEDED
        and (left > 0 or (bool(paid) and freed.exists())),
    }
    return render(request, "billing/staff/payments/detail.html", context)


@staff("finance")
@require_POST
def lookup(request: StaffRequest, number: UUID) -> HttpResponse:
    """Ask the provider at once what has become of an attempt."""
    payment = pay.look_up_now(payment=find(request, number), by=request.user, now=timezone.now())
    if payment.state == Payment.State.UNKNOWN:
        messages.warning(request, _("The provider gave no answer. Nothing has changed; we go on asking."))
    elif payment.state == Payment.State.PENDING:
        messages.info(request, _("Nothing is decided yet at the provider."))
    else:
        word = status_of("payment", payment.state)[2]
        messages.success(request, _("The provider answered: %(status)s.") % {"status": word})
    return HttpResponseRedirect(reverse("staff:payments.detail", args=[payment.pk]))


# Booking ---------------------------------------------------------------------------------------------------------------


@dataclass
class Arrival:
    """A bank transfer as it is typed, with what is wrong with it by field."""

    reference: str = ""
    amount: str = ""
    currency: str = ""
    day: str = ""
    payer: str = ""
    invoices: list[str] = field(default_factory=list)
    order: str = ""
    again: bool = False
    is_double: bool = False
    """The very same arrival stands in the books: it must be said that it came twice."""
    errors: dict[str, str] = field(default_factory=dict)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def book(request: StaffRequest) -> HttpResponse:
    """Book a bank transfer that arrived: by its reference, for invoices, for an order, or as the customer's credit."""
    customer = customer_of(request, request.POST if request.method == "POST" else request.GET)
    if customer is None:
        asked = {
            "customer": None,
            "customers": customers_offered(request),
            "asked": one_line(request.GET.get("reference", "")),
        }
        return render(request, "billing/staff/payments/book.html", asked)
    invoices = list(Invoice.objects.filter(customer=customer).open().order_by("due_on", "id"))
    waiting = PaymentRequest.objects.filter(order__customer=customer, state=PaymentRequest.State.OPEN)
    requests = list(waiting.select_related("order").order_by("id"))
    announced = Payment.objects.undecided().filter(customer=customer, provider="bank_transfer")
    waited_for = {one.currency for one in invoices} | {one.currency for one in requests}
    waited_for |= set(announced.values_list("currency", flat=True))
    currencies = sorted({customer.currency} | waited_for, key=lambda one: (one != customer.currency, one))
    arrival, status = proposed(request, customer, invoices), 200
    for one in requests:
        if one.order.number == arrival.order:
            arrival.currency = one.currency
    if request.method == "POST":
        arrival = read_arrival(request.POST)
        if arrival.currency not in currencies:
            arrival.currency = currencies[0] if len(currencies) == 1 else ""
        payment = try_booking(request, customer, arrival, invoices, [one.order for one in requests])
        if payment is not None:
            messages.success(request, _("The payment is booked."))
            return HttpResponseRedirect(reverse("staff:payments.detail", args=[payment.pk]))
        status = 409 if arrival.is_double else 400
    context = {
        "customer": customer,
        "invoices": invoices,
        "requests": [(one, request_due_minor(one)) for one in requests],
        "arrival": arrival,
        "currencies": currencies,
        "today": today(timezone.now(), request.seller.zone),
    }
    return render(request, "billing/staff/payments/book.html", context, status=status)


def customer_of(request: StaffRequest, params: Mapping[str, str]) -> Customer | None:
    """Who paid: named itself, or by an invoice, an order or the reference of an announced transfer."""
    customers = Customer.objects.filter(seller=request.seller).select_related("seller")
    if params.get("customer"):
        found: Customer | None = by_id(customers, params["customer"])
    elif params.get("invoice"):
        found = customers.filter(invoices__number=params["invoice"]).first()
    elif params.get("order"):
        found = customers.filter(orders__number=params["order"]).first()
    elif params.get("reference"):
        wanted = "".join(params["reference"].split()).upper()
        found = customers.filter(payments__reference=wanted).first()
    else:
        return None
    if found is None:
        raise Missing(_("Nobody is found by that. Choose the customer instead."))
    return found


def proposed(request: StaffRequest, customer: Customer, invoices: list[Invoice]) -> Arrival:
    """The form as it opens: today, the customer's name, and what the address names."""
    arrival = Arrival(
        reference=one_line(request.GET.get("reference", "")),
        day=today(timezone.now(), request.seller.zone).isoformat(),
        currency=announced_in(customer, one_line(request.GET.get("reference", ""))) or customer.currency,
        payer=customer.legal_name,
        order=request.GET.get("order", ""),
    )
    for invoice in invoices:
        if invoice.number == request.GET.get("invoice"):
            arrival.invoices, arrival.currency = [str(invoice.pk)], invoice.currency
            arrival.amount = formats.amount(invoice.amount_due_minor, invoice.currency, request.user.language)
    return arrival


def announced_in(customer: Customer, reference: str) -> str:
    """The currency of the transfer that was announced with this reference; empty where there is none."""
    plain = "".join(reference.split()).upper()
    rows = Payment.objects.filter(customer=customer, provider="bank_transfer", reference=plain or None)
    return str(rows.order_by("-created_at").values_list("currency", flat=True).first() or "")


def read_arrival(posted: QueryDict) -> Arrival:
    """The form as it was posted."""
    arrival = Arrival(
        reference=one_line(posted.get("reference", ""))[:60],
        amount=one_line(posted.get("amount", ""))[:40],
        currency=one_line(posted.get("currency", ""))[:3],
        day=one_line(posted.get("day", ""))[:20],
        payer=one_line(posted.get("payer", ""))[:200],
        invoices=posted.getlist("invoices"),
        order=one_line(posted.get("order", ""))[:40],
        again="again" in posted,
    )
    if len(posted.getlist("order")) > 1:
        arrival.errors["for"] = _("Choose one order at a time. Nothing was booked.")
    return arrival


def try_booking(
    request: StaffRequest, customer: Customer, arrival: Arrival, invoices: list[Invoice], orders: list[Order]
) -> Payment | None:
    """The booked payment, or None with what is wrong noted at its field."""
    chosen = [invoice for invoice in invoices if str(invoice.pk) in arrival.invoices]
    order = next((order for order in orders if order.number == arrival.order), None)
    if len(chosen) != len(set(arrival.invoices)) or (arrival.order and order is None):
        arrival.errors["for"] = _("What you chose is paid or cancelled meanwhile. Nothing was booked. Choose again.")
    currencies = {invoice.currency for invoice in chosen} | ({order.currency} if order else set())
    if len(currencies) > 1:
        arrival.errors["for"] = _("Choose invoices of one currency.")
    if arrival.reference and (known := announced_in(customer, arrival.reference)):
        currencies.add(known)
    if not arrival.currency:
        arrival.errors["currency"] = _("Choose the currency that arrived.")
    elif currencies and currencies != {arrival.currency}:
        arrival.errors["currency"] = _(
            "What you chose is in %(currency)s. Money of another currency is booked without a paper, as credit to look at."
        ) % {"currency": ", ".join(sorted(currencies))}
    currency = arrival.currency or customer.currency
    amount, day = read_amount(arrival, currency, request.user.language), read_day(arrival)
    if len(arrival.payer) > 140:
        arrival.errors["payer"] = _("At most %(longest)d characters.") % {"longest": 140}
    if arrival.errors or amount is None or day is None:
        return None
    try:
        return pay.book_transfer(
            customer=customer,
            amount_minor=amount,
            currency=currency,
            received_on=day,
            payer_name=arrival.payer,
            reference=arrival.reference,
            invoices=chosen,
            order=order,
            again=arrival.again,
            by=request.user,
            now=timezone.now(),
        )
    except Invalid as refusal:
        arrival.errors["all"] = refusal.message
    except Conflict as refusal:
        arrival.errors["all"], arrival.is_double = refusal.message, True
    return None


def read_amount(arrival: Arrival, currency: str, language: str) -> int | None:
    """The amount in minor units, above zero."""
    try:
        amount = parse_amount(arrival.amount, currency, language)
    except Invalid as refusal:
        arrival.errors["amount"] = refusal.message if arrival.amount else _("Enter the amount that arrived.")
        return None
    if amount <= 0:
        arrival.errors["amount"] = _("The amount must be above zero.")
    return amount


def read_day(arrival: Arrival) -> date | None:
    """The day on the bank statement."""
    try:
        day = date.fromisoformat(arrival.day)
    except ValueError:
        arrival.errors["day"] = _("Enter the day, such as %(example)s.") % {"example": "2026-11-23"}
        return None
    if day.year < 2000:
        arrival.errors["day"] = _("This day is too long ago.")
    return day


# Assigning -------------------------------------------------------------------------------------------------------------


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def allocate(request: StaffRequest, number: UUID) -> HttpResponse:
    """Let money that settles nothing yet settle an invoice or an order's request, or leave it as the customer's credit."""
    payment = find(request, number)
    invoices = list(Invoice.objects.filter(customer=payment.customer).open().order_by("due_on", "id"))
    waiting = PaymentRequest.objects.filter(order__customer=payment.customer, state=PaymentRequest.State.OPEN)
    requests = list(waiting.select_related("order").order_by("id"))
    error = ""
    if request.method == "POST":
        here = HttpResponseRedirect(reverse("staff:payments.detail", args=[payment.pk]))
        if request.POST.get("do") == "aside":
            pay.review_payment(payment=payment, by=request.user, now=timezone.now())
            is_credit = payment.unallocated_minor > 0
            said = _("It stays as the customer's credit.") if is_credit else _("It is off the list.")
            messages.success(request, said)
            return here
        chosen = request.POST.get("for", "")
        invoice = next((one for one in invoices if one.number == chosen), None)
        order = next((one.order for one in requests if one.order.number == chosen), None)
        if invoice is not None or order is not None:
            used = pay.allocate_credit(
                payment=payment, invoice=invoice, order=order, by=request.user, now=timezone.now()
            )
            amount = formats.money(used, payment.received_currency, request.user.language)
            messages.success(request, _("%(amount)s is assigned to %(number)s.") % {"amount": amount, "number": chosen})
            return here
        error = _("Choose an invoice or an order that is still open.")
    context = {
        "payment": payment,
        "invoices": invoices,
        "requests": [(one, request_due_minor(one)) for one in requests],
        "left_minor": payment.unallocated_minor,
        "may_leave": bool(payment.review) and payment.reviewed_at is None,
        "why": _(payment.review) if payment.review else "",
        "error": error,
    }
    return render(request, "billing/staff/payments/allocate.html", context, status=400 if error else 200)


urlpatterns = [
    path("payments/", index, name="payments.index"),
    path("payments/book/", book, name="payments.book"),
    path("payments/<uuid:number>/", detail, name="payments.detail"),
    path("payments/<uuid:number>/lookup/", lookup, name="payments.lookup"),
    path("payments/<uuid:number>/allocate/", allocate, name="payments.allocate"),
]
