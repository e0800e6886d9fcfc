"""Invoices and credit notes on the desk: looked at, credited, disputed and answered."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import BooleanField, Case, Exists, Q, Subquery, Sum, When
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.billing.actions.archive import ask_chosen
from portico.billing.actions.bill import left_to_credit
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.dispute import Crediting, dispute_invoice, solve_dispute
from portico.billing.actions.dunning import pauses_of
from portico.billing.actions.settle import credit_note_left_minor
from portico.billing.actions.spend import FINANCE, credits_of, unused
from portico.billing.actions.spend import use_credit as settle_with
from portico.billing.actions.verify import verify_again
from portico.billing.documents import build
from portico.billing.documents.issued import CII, asked_xml, issued_pdf, no_xml_reason
from portico.billing.fetching import AT_ONCE, at_once, sent, syntax_asked, those, ticked
from portico.billing.models import Allocation, Dispute, Invoice, InvoiceLine
from portico.billing.models.instalment import standing_of
from portico.billing.models.line import Line
from portico.billing.models.payment import began_their_way
from portico.billing.providers import label_of
from portico.billing.staff.orders import read_quantities
from portico.billing.staff.seen import seen_of
from portico.kit import formats
from portico.kit.answers import pdf_answer, xml_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import parse_amount
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, amount, as_file, column, decimal, is_asked
from portico.kit.text import one_line, paragraphs
from portico.statuses import status_of

STATUSES = {
    "not_paid": lazy("Not paid"),
    "overdue": lazy("Overdue"),
    "in_payment": lazy("In payment"),
    "partially_paid": lazy("Partially paid"),
    "paid": lazy("Paid"),
    "credited": lazy("Credited"),
    "disputed": lazy("Disputed"),
    "credit_note": lazy("Credit notes"),
    "held_back": lazy("Held back"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-id"]),
    "due": Sort(lazy("Due date, soonest first"), ["due_on", "-id"]),
    "amount_due": Sort(lazy("Amount Due, highest first"), ["-amount_due_minor", "-id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "-id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Title"), "title"),
    column(lazy("Customer"), "customer__legal_name"),
    column(lazy("Date"), "issued_on"),
    column(lazy("Due date"), "due_on"),
    Column(lazy("Status"), lambda row: status_of("invoice", row["status"])[2]),
    column(lazy("Currency"), "currency"),
    Column(
        lazy("Total"),
        lambda row: decimal(-row["total_minor"] if row["is_credit_note"] else row["total_minor"], row["currency"]),
    ),
    amount(lazy("Amount Due"), "amount_due_minor"),
    column(lazy("Order"), "order__number"),
    column(lazy("Refers to"), "refers_to__number"),
)
LATE = (Invoice.PaymentState.NOT_PAID, Invoice.PaymentState.PARTIALLY_PAID)
"""The payment states over which overdue wins."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All issued papers; the status stands just before Amount Due."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(timezone.now(), request.seller.zone)
    found = listing(
        matching(request, q, status, day).values(
            "id", "number", "printed_number", "kind", "title", "issued_on", "due_on", "currency", "total_minor",
            "amount_due_minor", "payment_state", "customer__legal_name", "order__number", "refers_to__number",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        row["is_credit_note"] = row["kind"] == Invoice.Kind.CREDIT_NOTE
        row["is_overdue"] = bool(row["due_on"] and row["due_on"] < day and row["payment_state"] in LATE)
        status_of_invoice = "overdue" if row["is_overdue"] else row["payment_state"]
        row["status"] = "credit_note" if row["is_credit_note"] else status_of_invoice

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "invoices", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/staff/invoices/index.html", {"list": found, "today": day})


def matching(request: StaffRequest, q: str, status: str, day: date) -> Any:
    """The issued papers in which the words `q` stand, of one status or of all."""
    rows = Invoice.objects.filter(seller=request.seller, state=Invoice.State.ISSUED)
    if q:
        rows = rows.filter(
            Q(number__icontains=q)
            | Q(printed_number__icontains=q)
            | Q(title__icontains=q)
            | Q(po_number__icontains=q)
            | Q(customer__legal_name__icontains=q)
        )
    return with_status(rows, status, day)


@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def zip(request: StaffRequest) -> HttpResponseBase:  # noqa: A001  # an address and its view bear one name
    """The PDFs of ticked papers, or of all that match the list's filter: sent at once, or prepared where they are many."""
    asked = request.POST if request.method == "POST" else request.GET
    syntax, numbers = syntax_asked(asked), ticked(asked)
    q, status = search_words(asked), chosen_status(asked, STATUSES)
    rows = matching(
        request, "" if numbers else q, "" if numbers else status, today(timezone.now(), request.seller.zone)
    )
    if numbers is not None:
        rows = those(rows, numbers)
    if at_once(rows):
        return sent(rows, syntax, request.LANGUAGE_CODE)
    if request.method != "POST":
        context = {"asked": [("q", q), ("status", status)], "most": AT_ONCE, "xml": syntax}
        return render(request, "billing/staff/invoices/zip.html", context)
    made = ask_chosen(
        seller=request.seller, by=request.user, member=None, rows=rows, xml=syntax, language=request.LANGUAGE_CODE,
        now=timezone.now(),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("staff:downloads.detail", args=[made.key]))


def with_status(rows: Any, status: str, day: date) -> Any:
    """The rows of one status as the list shows it: overdue wins over not and partially paid."""
    credit_note = Q(kind=Invoice.Kind.CREDIT_NOTE)
    if status == "credit_note":
        return rows.filter(credit_note)
    if status == "held_back":
        return rows.held_back()
    if status == "overdue":
        return rows.exclude(credit_note).filter(payment_state__in=LATE, due_on__lt=day)
    if status in LATE:
        return rows.exclude(credit_note).filter(payment_state=status, due_on__gte=day)
    return rows.exclude(credit_note).filter(payment_state=status) if status else rows


def find(request: StaffRequest, number: str) -> Invoice:
    """The issued paper of this number with what stands on it; Missing."""
    found = (
        Invoice.objects.filter(seller=request.seller, state=Invoice.State.ISSUED, number=number)
        .select_related("seller", "customer", "order", "refers_to", "issued_by", "pdf")
        .first()
    )
    if found is None:
        raise Missing(_("There is no invoice of this number."))
    return found


def open_standing(invoice: Invoice, day: date) -> tuple[bool, bool, datetime | None]:
    """Whether its customer has credit in its currency, whether reminders of it pause, and since when something of it is on its
    way; one statement."""
    payments, notes = unused(invoice.customer, invoice.currency)
    has_credit = Case(When(Exists(payments) | Exists(notes), then=True), default=False, output_field=BooleanField())
    rows = Customer.objects.filter(pk=invoice.customer_id)
    since = Subquery(began_their_way(invoice)[:1])
    found: tuple[bool, bool, datetime | None] = rows.values_list(
        has_credit, Exists(pauses_of(invoice, day)), since
    ).get()
    return found


@staff()
@require_safe
def detail(request: StaffRequest, number: str) -> HttpResponse:
    """The paper, what settled it, and what corrects it."""
    invoice = find(request, number)
    day = today(timezone.now(), request.seller.zone)
    credit = invoice.kind == Invoice.Kind.CREDIT_NOTE
    settled = (
        Allocation.objects.filter(credit_note=invoice).select_related("invoice")
        if credit
        else Allocation.objects.filter(invoice=invoice).select_related("payment", "credit_note")
    )
    has_credit, is_paused, since = open_standing(invoice, day) if invoice.amount_due_minor else (False, False, None)
    notes = [] if credit else list(invoice.credit_notes.filter(state=Invoice.State.ISSUED).order_by("id"))
    context = {
        "invoice": invoice,
        "parts": standing_of(invoice) if invoice.instalment_count else [],
        "today": day,
        "since": today(since, request.seller.zone) if since else None,
        "no_xml": no_xml_reason(invoice),
        "profile": Customer.Profile(invoice.buyer.get("einvoice_profile") or "en16931").label,
        "sheet": build.invoice_sheet(invoice, live=True),
        "status": invoice.status(day),
        "is_overdue": invoice.is_overdue(day),
        "days_late": (day - invoice.due_on).days if invoice.due_on else 0,
        "allocations": settled.order_by("at"),
        "label_of": label_of,
        "credit_notes": notes,
        "dispute": invoice.disputes.filter(solved_at=None).select_related("by").first()
        if invoice.disputed_at
        else None,
        "left_minor": credit_note_left_minor(invoice) if credit else 0,
        "may_use_credit": bool(invoice.amount_due_minor)
        and invoice.disputed_at is None
        and request.user.staff_role in FINANCE
        and has_credit,
        "may_credit": not credit and sum(note.total_minor for note in notes) < invoice.total_minor,
        "reminders": [] if credit else list(invoice.reminders.all()),
        "is_paused": is_paused,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/invoices/detail.html", context)


@staff()
@require_safe
def pdf(request: StaffRequest, number: str) -> HttpResponse:
    """The issued file, made once and kept."""
    invoice = find(request, number)
    return pdf_answer(issued_pdf(invoice), f"{invoice.number}.pdf")


@staff()
@require_safe
def xml(request: StaffRequest, number: str) -> HttpResponse:
    """The e-invoice, `?syntax=cii` or `ubl`, in the profile that the customer has chosen."""
    invoice = find(request, number)
    syntax = request.GET.get("syntax", CII)
    return xml_answer(asked_xml(invoice, syntax), f"{invoice.number}-{syntax}.xml")


@staff("finance")
@require_POST
def check(request: StaffRequest, number: str) -> HttpResponseRedirect:
    """Ask the rules once more about a paper that is held back; what passes now is sent."""
    invoice = find(request, number)
    if verify_again(invoice=invoice, by=request.user, now=timezone.now()):
        messages.success(request, _("It follows the rules now, and is sent to the customer."))
    else:
        messages.warning(request, _("It still breaks a rule, and stays held back."))
    return HttpResponseRedirect(reverse("staff:invoices.detail", args=[number]))


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def credit(request: StaffRequest, number: str) -> HttpResponse:
    """A credit note for the whole invoice, for quantities of its lines or for an amount, with its reason."""
    invoice = find(request, number)
    lines = creditable(invoice)
    typed, errors, error, status = dict[int, str](), dict[int, str](), "", 200
    scope = request.POST.get("scope", "full")
    if request.method == "POST":
        typed = {line.pk: request.POST.get(f"quantity-{line.pk}", "").strip()[:40] for line, _left in lines}
        quantities, errors = read_quantities(typed, request.user.language) if scope == "lines" else ({}, {})
        try:
            if errors:
                raise Invalid(_("Look at the quantities again."))
            made = make(request, invoice, scope, quantities)
        except Invalid as refusal:
            error, status = refusal.message, 400
        else:
            messages.success(request, _("Credit note %(number)s is issued.") % {"number": made.number})
            return HttpResponseRedirect(reverse("staff:invoices.detail", args=[made.number]))
    elif not lines or invoice.kind == Invoice.Kind.CREDIT_NOTE:
        raise Conflict(_("Nothing of this invoice is left to credit."))
    context = {
        "invoice": invoice,
        "rows": [(line, left, typed.get(line.pk, "")) for line, left in lines],
        "scope": scope,
        "left_minor": left_minor(invoice),
        "amount": request.POST.get("amount", "")[:40],
        "reason": request.POST.get("reason", ""),
        "again": request.POST.get("again", ""),
        "errors": errors,
        "error": error,
    }
    return render(request, "billing/staff/invoices/credit.html", context, status=status)


def make(request: StaffRequest, invoice: Invoice, scope: str, quantities: Mapping[int, Decimal]) -> Invoice:
    """The credit note of the posted form; Invalid when it cannot be made like that."""
    asked = crediting_of(request, invoice, scope, quantities)
    with transaction.atomic():
        return credit_invoice(
            invoice=invoice,
            quantities=asked.quantities,
            reason=asked.reason,
            invoice_again=asked.invoice_again,
            amount_minor=asked.amount_minor,
            seen_left_minor=seen_of(request.POST, "seen_left_minor"),
            by=request.user,
            now=timezone.now(),
        )


def crediting_of(request: StaffRequest, invoice: Invoice, scope: str, quantities: Mapping[int, Decimal]) -> Crediting:
    """What a posted form wants credited; Invalid when that cannot be."""
    reason = " ".join(paragraphs(request.POST.get("reason", "")).split())
    if len(reason) > 300:
        raise Invalid(_("The reason stands on the credit note: at most 300 characters."))
    if scope not in {"full", "lines", "amount"} or request.POST.get("again") not in {"yes", "no"}:
        raise Invalid(_("Choose how much is credited, and whether it will be invoiced again."))
    if scope == "lines" and not any(quantities.values()):
        raise Invalid(_("Enter the quantity to credit for at least one line."))
    amount_minor = None
    if scope == "amount":
        text = one_line(request.POST.get("amount", ""))[:40]
        if not text:
            raise Invalid(_("Enter the amount to credit."))
        amount_minor = parse_amount(text, invoice.currency, request.user.language)
    chosen = quantities if scope == "lines" else None
    return Crediting(chosen, reason, request.POST.get("again") == "yes", amount_minor)


def creditable(invoice: Invoice) -> list[tuple[InvoiceLine, Decimal]]:
    """The lines of which something is left to credit, with how much; none when all of the invoice was credited."""
    if invoice.total_minor and not left_minor(invoice):
        return []
    lines = (
        invoice.lines.filter(kind__in=[Line.Kind.LINE, Line.Kind.ALLOWANCE, Line.Kind.CHARGE])
        .annotate(credited=Sum("credited_by__quantity"))
        .order_by("position")
    )
    with_left = [(line, line.quantity - (line.credited or Decimal(0))) for line in lines]
    return [(line, left) for line, left in with_left if left]


def left_minor(invoice: Invoice) -> int:
    """What no credit note took of the invoice, VAT included."""
    return sum(base + vat for base, vat in left_to_credit(invoice).values())


# The customer's credit -------------------------------------------------------------------------------------------------


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def use_credit(request: StaffRequest, number: str) -> HttpResponse:
    """Settle the invoice with money that settles nothing yet, and with what is left of credit notes."""
    invoice = find(request, number)
    offered, error = credits_of(invoice.customer, invoice.currency), ""
    if request.method == "POST":
        keys = set(request.POST.getlist("credit"))
        sources = [one.source for one in offered if one.key in keys]
        try:
            if len(sources) != len(keys):
                raise Invalid(_("One of these credits is used up meanwhile. Nothing was used. Choose again."))
            used = settle_with(invoice=invoice, sources=sources, by=request.user, now=timezone.now())
        except Invalid as refusal:
            error = refusal.message
        else:
            amount_used = formats.money(used, invoice.currency, request.user.language)
            messages.success(request, _("%(amount)s of the customer's credit is used.") % {"amount": amount_used})
            return HttpResponseRedirect(reverse("staff:invoices.detail", args=[number]))
    elif not invoice.amount_due_minor:
        raise Conflict(_("Nothing is left to pay of this invoice."))
    context = {"invoice": invoice, "credits": offered, "chosen": request.POST.getlist("credit"), "error": error}
    return render(request, "billing/staff/invoices/use_credit.html", context, status=400 if error else 200)


# Disputes --------------------------------------------------------------------------------------------------------------


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def dispute(request: StaffRequest, number: str) -> HttpResponse:
    """Note that the customer disputes the invoice, as it said on the telephone or by mail: reminders pause."""
    invoice = find(request, number)
    error = ""
    if request.method == "POST":
        try:
            dispute_invoice(
                invoice=invoice,
                by=request.user,
                reason=request.POST.get("reason", ""),
                message=paragraphs(request.POST.get("message", "")),
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("The invoice is disputed. Nobody is reminded of it until that is solved."))
            return HttpResponseRedirect(reverse("staff:invoices.detail", args=[number]))
    elif invoice.disputed_at or not invoice.amount_due_minor:
        raise Conflict(_("This invoice is settled or disputed already. Nothing was changed."))
    context = {
        "invoice": invoice,
        "reasons": [(value, label, "") for value, label in Dispute.Reason.of_people()],
        "posted": request.POST,
        "error": error,
    }
    return render(request, "billing/staff/invoices/dispute.html", context, status=400 if error else 200)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def solve(request: StaffRequest, number: str) -> HttpResponse:
    """Answer a dispute: the invoice stands, or all or some of it is credited at once."""
    invoice = find(request, number)
    lines = creditable(invoice)
    typed, errors, error = dict[int, str](), dict[int, str](), ""
    scope = request.POST.get("scope", "")
    if request.method == "POST":
        typed = {line.pk: request.POST.get(f"quantity-{line.pk}", "").strip()[:40] for line, _left in lines}
        quantities, errors = read_quantities(typed, request.user.language) if scope == "lines" else ({}, {})
        try:
            if errors:
                raise Invalid(_("Look at the quantities again."))
            if scope not in {"stands", "full", "lines", "amount"}:
                raise Invalid(_("Choose how the dispute ends."))
            note = solve_dispute(
                invoice=invoice,
                answer=paragraphs(request.POST.get("answer", "")),
                crediting=None if scope == "stands" else crediting_of(request, invoice, scope, quantities),
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            told = _("The dispute is solved; the customer gets your answer.")
            if note is not None:
                told = _("The dispute is solved and credit note %(number)s is issued; the customer gets your answer.")
            messages.success(request, told % {"number": note.number if note else ""})
            return HttpResponseRedirect(reverse("staff:invoices.detail", args=[number]))
    elif invoice.disputed_at is None:
        raise Conflict(_("This invoice is not disputed any more. Nothing was changed."))
    context = {
        "invoice": invoice,
        "dispute": invoice.disputes.filter(solved_at=None).select_related("by").first(),
        "rows": [(line, left, typed.get(line.pk, "")) for line, left in lines],
        "scope": scope,
        "left_minor": left_minor(invoice),
        "posted": request.POST,
        "errors": errors,
        "error": error,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/invoices/solve.html", context, status=400 if error else 200)


urlpatterns = [
    path("invoices/", index, name="invoices.index"),
    path("invoices/zip/", zip, name="invoices.zip"),
    path("invoices/<str:number>/", detail, name="invoices.detail"),
    path("invoices/<str:number>/check/", check, name="invoices.check"),
    path("invoices/<str:number>/credit/", credit, name="invoices.credit"),
    path("invoices/<str:number>/dispute/", dispute, name="invoices.dispute"),
    path("invoices/<str:number>/solve/", solve, name="invoices.solve"),
    path("invoices/<str:number>/use-credit/", use_credit, name="invoices.use_credit"),
    path("invoices/<str:number>/pdf/", pdf, name="invoices.pdf"),
    path("invoices/<str:number>/xml/", xml, name="invoices.xml"),
]
