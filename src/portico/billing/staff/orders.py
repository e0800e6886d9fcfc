"""Sales orders on the desk: delivered, invoiced, cancelled."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import order as orders
from portico.billing.documents import build
from portico.billing.documents import render as papers
from portico.billing.models import Invoice, Order, OrderLine, PaymentRequest
from portico.billing.models.line import Line
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import parse_decimal
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.statuses import status_of

STATUSES = {
    "awaiting_payment": lazy("Awaiting payment"),
    "confirmed": lazy("Confirmed"),
    "fulfilled": lazy("Fulfilled"),
    "cancelled": lazy("Cancelled"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-id"]),
    "total": Sort(lazy("Total, highest first"), ["-total_minor", "-id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "-id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Title"), "title"),
    column(lazy("Customer"), "customer__legal_name"),
    column(lazy("Date"), "ordered_on"),
    Column(lazy("Status"), lambda row: status_of("order", row["status"])[2]),
    Column(lazy("Delivery"), lambda row: status_of("delivery", row["delivery"])[2]),
    Column(lazy("Invoicing"), lambda row: status_of("invoicing", row["invoicing"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Total"), "total_minor"),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All orders, with how far they are delivered and invoiced."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = with_progress(Order.objects.filter(seller=request.seller))
    if q:
        rows = rows.filter(
            Q(number__icontains=q)
            | Q(title__icontains=q)
            | Q(po_number__icontains=q)
            | Q(customer__legal_name__icontains=q)
        )
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(
            "id", "number", "title", "state", "ordered_on", "currency", "total_minor", "customer__legal_name",
            "counted", "delivered_lines", "begun_lines", "invoiced_lines", "billed_lines",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        row["status"] = row["state"]
        row["delivery"] = progress(row["counted"], row["delivered_lines"], row["begun_lines"])
        row["invoicing"] = progress(row["counted"], row["invoiced_lines"], row["billed_lines"])

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "orders", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/staff/orders/index.html", {"list": found})


def with_progress(rows: Any) -> Any:
    """Beside each order how many of its lines are wholly and how many are partly delivered and invoiced."""
    lines = OrderLine.objects.filter(order=OuterRef("pk"), kind=Line.Kind.LINE).order_by().values("order")

    def count(**condition: Any) -> Any:
        return Coalesce(Subquery(lines.filter(**condition).annotate(n=Count("pk")).values("n")), 0)

    return rows.annotate(
        counted=count(),
        delivered_lines=count(delivered_quantity=F("quantity")),
        begun_lines=count(delivered_quantity__gt=0),
        invoiced_lines=count(invoiced_quantity=F("quantity")),
        billed_lines=count(invoiced_quantity__gt=0),
    )


def progress(lines: int, whole: int, begun: int) -> str:
    """none, part or all."""
    if lines and whole == lines:
        return "all"
    return "part" if begun else "none"


def find(request: StaffRequest, number: str) -> Order:
    """The order of this number with what stands on it; Missing."""
    found = (
        Order.objects.filter(seller=request.seller, number=number)
        .select_related(
            "seller", "customer", "version__quotation", "subscription__database", "created_by", "cancelled_by"
        )
        .first()
    )
    if found is None:
        raise Missing(_("There is no order of this number."))
    return found


@staff()
@require_safe
def detail(request: StaffRequest, number: str) -> HttpResponse:
    """The order with its lines, papers and what is paid."""
    order = find(request, number)
    papers_of = list(order.invoices.filter(state=Invoice.State.ISSUED).order_by("id"))
    lines = [line for line in order.lines.order_by("position") if line.kind == Line.Kind.LINE]
    context = {
        "order": order,
        "sheet": build.order_sheet(order),
        "invoices": papers_of,
        "requests": list(order.payment_requests.order_by("id")),
        "delivery": progress_of(lines, "delivered_quantity"),
        "invoicing": progress_of(lines, "invoiced_quantity"),
        "may_deliver": order.state == Order.State.CONFIRMED,
        "may_invoice": order.state in {Order.State.CONFIRMED, Order.State.FULFILLED}
        and any(line.delivered_quantity > line.invoiced_quantity for line in lines),
        "may_cancel": order.state in {Order.State.AWAITING_PAYMENT, Order.State.CONFIRMED},
        "today": timezone.now().astimezone(request.seller.zone).date(),
    }
    return render(request, "billing/staff/orders/detail.html", context)


def progress_of(lines: list[OrderLine], field: str) -> str:
    """none, part or all of a list of lines."""
    whole = sum(getattr(line, field) == line.quantity for line in lines)
    return progress(len(lines), whole, sum(getattr(line, field) > 0 for line in lines))


@staff()
@require_safe
def pdf(request: StaffRequest, number: str) -> HttpResponse:
    """The order as PDF."""
    order = find(request, number)
    return pdf_answer(
        papers.render_pdf(build.order_sheet(order), accent=request.seller.accent, logo=request.seller.logo),
        f"{order.number}.pdf",
    )


# Delivering ------------------------------------------------------------------------------------------------------------


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def deliver(request: StaffRequest, number: str) -> HttpResponse:
    """Record what was delivered: by line, where the form proposes nothing, or all that is left at once."""
    order = find(request, number)
    typed, errors, error, status = dict[int, str](), dict[int, str](), "", 200
    lines = list(order.lines.filter(kind=Line.Kind.LINE).order_by("position"))
    if request.method == "POST":
        typed = {line.pk: request.POST.get(f"quantity-{line.pk}", "").strip()[:40] for line in lines}
        quantities, errors = read_quantities(typed, request.user.language)
        if "everything" in request.POST:
            quantities, errors = {line.pk: line.quantity - line.delivered_quantity for line in lines}, {}
        if not errors:
            try:
                orders.record_delivery(
                    order=order,
                    quantities=quantities,
                    seen=request.POST.get("delivered"),
                    by=request.user,
                    now=timezone.now(),
                )
            except Invalid as refusal:
                error = refusal.message
            else:
                messages.success(request, _("The delivery is recorded."))
                return HttpResponseRedirect(reverse("staff:orders.detail", args=[number]))
        status = 400
    elif order.state != Order.State.CONFIRMED:
        raise Conflict(
            _("Only a confirmed order with something left to deliver can be delivered. Nothing was changed.")
        )
    context = {
        "order": order,
        "rows": [(line, line.quantity - line.delivered_quantity, typed.get(line.pk, "")) for line in lines],
        "delivered": orders.delivered_so_far(lines),
        "errors": errors,
        "error": error,
    }
    return render(request, "billing/staff/orders/deliver.html", context, status=status)


def read_quantities(typed: Mapping[int, str], language: str) -> tuple[dict[int, Decimal], dict[int, str]]:
    """Quantities by line, and by line what is wrong with them; what was left empty is left out."""
    quantities: dict[int, Decimal] = {}
    errors: dict[int, str] = {}
    for key, text in typed.items():
        if not text:
            continue
        try:
            quantities[key] = parse_decimal(text, language)
        except Invalid as refusal:
            errors[key] = refusal.message
            continue
        if quantities[key] < 0:
            errors[key] = _("Enter a number above zero.")
    return quantities, errors


# Invoicing, cancelling -------------------------------------------------------------------------------------------------


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def invoice(request: StaffRequest, number: str) -> HttpResponse:
    """Invoice what was delivered and not invoiced yet, after a second look: a number is taken for good."""
    order = find(request, number)
    if request.method == "POST":
        made = orders.invoice_delivered(order=order, by=request.user, now=timezone.now())
        messages.success(request, _("Invoice %(number)s is issued.") % {"number": made.number})
        return HttpResponseRedirect(reverse("staff:invoices.detail", args=[made.number]))
    lines = order.lines.filter(kind=Line.Kind.LINE, delivered_quantity__gt=F("invoiced_quantity")).order_by("position")
    rows = [(line, line.delivered_quantity - line.invoiced_quantity) for line in lines]
    if not rows:
        raise Conflict(_("Nothing was delivered that is not invoiced yet."))
    return render(request, "billing/staff/orders/invoice.html", {"order": order, "rows": rows})


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: StaffRequest, number: str) -> HttpResponse:
    """Cancel before fulfilment, after a second look."""
    order = find(request, number)
    if request.method == "POST":
        orders.cancel_order(order=order, by=request.user, now=timezone.now())
        messages.success(request, _("Order %(number)s is cancelled.") % {"number": order.number})
        return HttpResponseRedirect(reverse("staff:orders.detail", args=[number]))
    if order.state not in {Order.State.AWAITING_PAYMENT, Order.State.CONFIRMED}:
        raise Conflict(_("Only an order that is not fulfilled can be cancelled. Nothing was changed."))
    open_requests = order.payment_requests.filter(state=PaymentRequest.State.OPEN)
    context = {"order": order, "requests": open_requests, "invoices": standing_invoices(order)}
    return render(request, "billing/staff/orders/cancel.html", context)


def standing_invoices(order: Order) -> list[Invoice]:
    """The invoices that must be credited before the order can be cancelled."""
    issued = order.invoices.filter(state=Invoice.State.ISSUED).exclude(kind=Invoice.Kind.CREDIT_NOTE)
    credited = Coalesce(Sum("credit_notes__total_minor", filter=Q(credit_notes__state=Invoice.State.ISSUED)), 0)
    return list(issued.annotate(credited_minor=credited).filter(credited_minor__lt=F("total_minor")).order_by("id"))


urlpatterns = [
    path("orders/", index, name="orders.index"),
    path("orders/<str:number>/", detail, name="orders.detail"),
    path("orders/<str:number>/deliver/", deliver, name="orders.deliver"),
    path("orders/<str:number>/invoice/", invoice, name="orders.invoice"),
    path("orders/<str:number>/cancel/", cancel, name="orders.cancel"),
    path("orders/<str:number>/pdf/", pdf, name="orders.pdf"),
]
