"""The customer's sales orders: how far they are delivered, invoiced and paid."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.actions.prepay import own_money_minor, use_money_on_order
from portico.billing.actions.spend import own_credits
from portico.billing.documents import build
from portico.billing.documents.render import render_pdf
from portico.billing.documents.sheet import SheetLine
from portico.billing.models import Allocation, Invoice, Order, PaymentRequest
from portico.billing.models.invoice import overdue
from portico.billing.models.order import progress
from portico.billing.my import paying
from portico.billing.my.lists import matching
from portico.kit import formats
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.periods import today
from portico.kit.prepared import Asked, Prepared, prepared
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
    "oldest": Sort(lazy("Oldest first"), ["id"]),
    "total": Sort(lazy("Total, highest first"), ["-total_minor", "-id"]),
    "-total": Sort(lazy("Total, lowest first"), ["total_minor", "id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Title"), "title"),
    column(lazy("Date"), "ordered_on"),
    Column(lazy("Status"), lambda row: status_of("order", row["state"])[2]),
    Column(lazy("Delivery"), lambda row: status_of("delivery", row["delivery"])[2]),
    Column(lazy("Invoicing"), lambda row: status_of("invoicing", row["invoicing"])[2]),
    Column(lazy("Payment"), lambda row: status_of("settlement", row["payment"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Total incl. VAT"), "total_minor"),
    amount(lazy("Amount Due"), "left_minor"),
)
SHORT = 12
"""So many lines are told one by one beside the sheet."""


# The list --------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponseBase:
    """All orders of the customer."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    texts, amounts = ("number", "title", "po_number", "database_name"), ("total_minor", "left_minor")
    found = listing(
        Asked(rows_of, (status,), {"customer": request.member.customer_id, "member": request.member.pk}),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
        search=matching(request, q, texts, amounts) if q else None,
    )  # fmt: skip
    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "orders", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/my/orders/index.html", {"list": found})


def complete(row: dict[str, Any]) -> None:
    """Add what follows from a row's values: how far it is delivered, invoiced and paid."""
    row |= statuses(row["state"], row)
    row["payment"] = payment_word(row["state"], row["left_minor"], row["invoicing"])


def rows_of(status: str, *, customer: Any, member: Any) -> Any:
    """The rows of the list: the orders of `customer`, of one status or of all."""
    rows = with_left(Order.objects.visible_to_member(customer, member).with_progress())
    if status:
        rows = rows.filter(state=status)
    return rows.values(
        "id", "number", "title", "state", "ordered_on", "currency", "total_minor", "left_minor", "lines_count",
        "lines_begun", "lines_delivered", "lines_billed", "lines_invoiced",
    )  # fmt: skip


def with_left(rows: Any) -> Any:
    """Beside each order what is left to pay: of its open payment request, and of its invoices."""
    open_requests = PaymentRequest.objects.filter(order=OuterRef("pk"), state=PaymentRequest.State.OPEN)
    arrived = Allocation.objects.filter(request__order=OuterRef("pk"), request__state=PaymentRequest.State.OPEN)
    invoices = Invoice.objects.filter(order=OuterRef("pk"), state=Invoice.State.ISSUED)

    def total(of: Any, by: str, field: str) -> Coalesce:
        return Coalesce(Subquery(of.order_by().values(by).annotate(n=Sum(field)).values("n")), 0)

    return rows.annotate(
        left_minor=total(open_requests, "order", "amount_minor")
        - total(arrived, "request__order", "amount_minor")
        + total(invoices, "order", "amount_due_minor")
    )


def statuses(state: str, counts: Mapping[str, Any]) -> dict[str, str]:
    """The two derived statuses of an order, never merged: delivery and invoicing."""
    if state == Order.State.CANCELLED:
        return {"delivery": "cancelled", "invoicing": "cancelled"}
    return {
        "delivery": progress(counts["lines_count"], counts["lines_begun"], counts["lines_delivered"]),
        "invoicing": progress(counts["lines_count"], counts["lines_billed"], counts["lines_invoiced"]),
    }


def payment_word(state: str, left_minor: int, invoicing: str) -> str:
    """How the payment stands in one word, a status of the kind `settlement`."""
    if state == Order.State.AWAITING_PAYMENT:
        return "awaiting"
    if left_minor:
        return "due"
    return "paid" if invoicing == "all" else "none"


# The order -------------------------------------------------------------------------------------------------------------


@prepared
def of_number(customer: Any, member: Any, number: Any) -> Any:
    """The order of this number, with `left_minor` and `paid_minor`."""
    arrived = Allocation.objects.filter(payment__isnull=False).order_by()
    on_invoices = arrived.filter(invoice__order=OuterRef("pk")).values("invoice__order")
    on_requests = arrived.filter(request__order=OuterRef("pk"), invoice=None).values("request__order")
    return (
        with_left(Order.objects.visible_to_member(customer, member))
        .annotate(
            paid_minor=Coalesce(Subquery(on_invoices.annotate(n=Sum("amount_minor")).values("n")), 0)
            + Coalesce(Subquery(on_requests.annotate(n=Sum("amount_minor")).values("n")), 0)
        )
        .select_related("version__quotation", "subscription__database")
        .filter(number=number)
    )


@prepared
def alone_of_number(customer: Any, member: Any, number: Any) -> Any:
    """The order of this number, without what is counted beside it."""
    return Order.objects.visible_to_member(customer, member).filter(number=number)


def find(request: MemberRequest, number: str, read: Prepared[Any] = of_number) -> Any:
    """The order of this number, with `left_minor` and `paid_minor`; Missing for a foreign one and for none alike."""
    found = read.first(customer=request.member.customer_id, member=request.member.pk, number=number)
    if found is None:
        raise Missing(_("There is no order of this number."))
    found.customer, found.seller = request.member.customer, request.member.customer.seller
    return found


@prepared
def requests_of(order: Any) -> Any:
    """The payment requests of an order that were not cancelled, the open one first, with `paid_minor`."""
    return (
        PaymentRequest.objects.filter(order=order)
        .exclude(state=PaymentRequest.State.CANCELLED)
        .annotate(paid_minor=Coalesce(Sum("allocations__amount_minor"), 0))
        .order_by("state", "-id")
    )


def request_of(order: Order) -> Any:
    """The order's payment request that counts, the open one first, with `paid_minor`; None without one."""
    found = requests_of.first(order=order.pk)
    if found is not None:
        found.order = order
    return found


@prepared
def issued_for(order: Any) -> Any:
    """The invoices and credit notes of an order, oldest first."""
    return (
        Invoice.objects.filter(order=order, state=Invoice.State.ISSUED)
        .order_by("id")
        .values(
            "id", "number", "kind", "issued_on", "due_on", "currency", "total_minor", "amount_due_minor",
            "on_its_way_minor", "payment_state",
        )
    )  # fmt: skip


def papers_of(order: Order, today: date) -> list[dict[str, Any]]:
    """The invoices and credit notes of an order, oldest first, with their statuses."""
    rows: list[dict[str, Any]] = issued_for(order=order.pk)
    for row in rows:
        row["is_credit_note"] = row["kind"] == Invoice.Kind.CREDIT_NOTE
        row["is_overdue"] = overdue(row["payment_state"], row["due_on"], today)
        row["status"] = "overdue" if row["is_overdue"] else row["payment_state"]
    return rows


@member()
@require_safe
def detail(request: MemberRequest, number: str) -> HttpResponse:
    """The order as a sheet; beside it what is paid and left, its payment request, its papers."""
    order = find(request, number)
    papers = papers_of(order, today(timezone.now(), order.seller.zone))
    asked = request_of(order)
    sheet = build.order_sheet(order)
    lines = [line for line in sheet.lines if line.kind == "line"]
    invoiced = sum(-paper["total_minor"] if paper["is_credit_note"] else paper["total_minor"] for paper in papers)
    waits = asked is not None and asked.state == PaymentRequest.State.OPEN
    tried = paying.attempts(order)
    comes = waits and paying.confirmed_on(tried, order.seller.zone) is not None  # a request is paid in one sum
    context = {
        "order": order,
        "sheet": sheet,
        "lines": lines if len(lines) <= SHORT else [],
        "papers": papers,
        "asked": asked,
        "asked_left_minor": asked.amount_minor - asked.paid_minor if waits else 0,
        "payable_minor": 0 if comes else sum(amount for _number, amount in payable(asked, papers)),
        "invoiced_minor": invoiced,
        "to_invoice_minor": 0 if order.state == Order.State.CANCELLED else max(order.total_minor - invoiced, 0),
        "overdue_count": sum(1 for paper in papers if paper["is_overdue"]),
        "attempts": tried,
        "zone": order.seller.zone,
        **statuses(order.state, progress_of(lines)),
    }
    return render(request, "billing/my/orders/detail.html", context)


def progress_of(lines: Sequence[SheetLine]) -> dict[str, int]:
    """The counts of `OrderQuerySet.with_progress`, from lines at hand."""
    return {
        "lines_count": len(lines),
        "lines_begun": sum(1 for line in lines if line.delivered_quantity),
        "lines_delivered": sum(1 for line in lines if line.delivered_quantity == line.quantity),
        "lines_billed": sum(1 for line in lines if line.invoiced_quantity),
        "lines_invoiced": sum(1 for line in lines if line.invoiced_quantity == line.quantity),
    }


def payable(asked: Any, papers: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """What can be paid on an order now, as number and amount: its payment request first, else its open invoices."""
    if asked is not None and asked.state == PaymentRequest.State.OPEN and asked.amount_minor > asked.paid_minor:
        return [("", asked.amount_minor - asked.paid_minor)]
    return [
        (paper["number"], paper["amount_due_minor"] - paper["on_its_way_minor"])
        for paper in papers
        if paper["amount_due_minor"] and paper["payment_state"] in Invoice.PAYABLE
    ]


# Paying ----------------------------------------------------------------------------------------------------------------


@member("billing")
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: MemberRequest, number: str) -> HttpResponse:
    """Pay what the order asks for first, else its open invoices in one go."""
    order = find(request, number, alone_of_number)
    asked = request_of(order)
    owed = payable(asked, [])
    if not owed:
        papers = papers_of(order, today(timezone.now(), order.seller.zone))
        owed = payable(asked, papers)
        if not owed:
            raise Conflict(why_not(order, papers))
    numbers = [number for number, _amount in owed if number]

    def credit() -> int:
        if not request.member.sees_all or len(numbers) > 1:
            return 0
        if not numbers:
            return own_money_minor(order.customer, order.currency)
        return sum(one.left_minor for one in own_credits(order.customer, order.currency))

    bill = paying.Bill(
        title=_("Order %(number)s") % {"number": order.number},
        back=reverse("my:orders.detail", args=[order.number]),
        rows=[(number or order.number, order.title, amount) for number, amount in owed],
        amount_minor=sum(amount for _number, amount in owed),
        currency=order.currency,
        order=None if numbers else order,
        invoices=list(Invoice.objects.visible_to(request.member).filter(number__in=numbers)) if numbers else [],
        credit=credit,
    )
    return paying.answer(request, bill, "billing/my/orders/pay.html")


@member("billing", whole=True)
@require_POST
def use_credit(request: MemberRequest, number: str) -> HttpResponse:
    """Put the customer's money towards what the order asks, as much as fits; what is left to pay is paid as ever."""
    order = find(request, number)
    used = use_money_on_order(order=order, by=request.member, now=timezone.now())
    amount = formats.money(used, order.currency, request.user.language)
    messages.success(request, _("%(amount)s of your credit is used.") % {"amount": amount})
    return HttpResponseRedirect(reverse("my:orders.detail", args=[number]))


def why_not(order: Any, papers: Sequence[dict[str, Any]]) -> str:
    """Why nothing of the order can be paid now."""
    if order.state == Order.State.CANCELLED:
        return _("This order was cancelled. There is nothing to pay, and nothing was charged.")
    if any(paper["payment_state"] == Invoice.PaymentState.IN_PAYMENT for paper in papers):
        return _("A payment of this order is on its way already. Nothing was charged a second time.")
    if any(paper["payment_state"] == Invoice.PaymentState.DISPUTED for paper in papers):
        return _("An invoice of this order is being looked into. Nothing is to be paid until that is solved.")
    return _("There is nothing left to pay on this order. Nothing was charged.")


# Files -----------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def pdf(request: MemberRequest, number: str) -> HttpResponse:
    """The order as it stands, as a PDF."""
    order = find(request, number)
    content = render_pdf(build.order_sheet(order), accent=order.seller.accent, logo=order.seller.logo)
    return pdf_answer(content, f"{order.number}.pdf")


@member()
@require_safe
def payment_request(request: MemberRequest, number: str) -> HttpResponse:
    """The payment request of an order as a PDF: what is asked, and how to pay. Not an invoice."""
    order = find(request, number)
    asked = request_of(order)
    if asked is None:
        raise Missing(_("This order has no payment request."))
    asked.order = order
    sheet = build.payment_request_sheet(asked, paid_minor=asked.paid_minor, reference=order.number)
    pdf = render_pdf(sheet, accent=order.seller.accent, logo=order.seller.logo)
    return pdf_answer(pdf, f"{order.number}-payment-request.pdf")


urlpatterns = [
    path("orders/", index, name="orders.index"),
    path("orders/<str:number>/", detail, name="orders.detail"),
    path("orders/<str:number>/pay/", pay, name="orders.pay"),
    path("orders/<str:number>/use-credit/", use_credit, name="orders.use_credit"),
    path("orders/<str:number>/payment-request/", payment_request, name="orders.payment_request"),
    path("orders/<str:number>/pdf/", pdf, name="orders.pdf"),
]
