"""The customer's invoices: looked up, read, paid one by one or together, kept as a file."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.actions.archive import ask_chosen
from portico.billing.actions.dispute import dispute_invoice, may_dispute
from portico.billing.actions.spend import own_credits, use_own_credit
from portico.billing.documents import build
from portico.billing.documents.issued import CII, asked_xml, issued_pdf, no_xml_reason
from portico.billing.fetching import AT_ONCE, at_once, sent, syntax_asked, those, ticked
from portico.billing.models import Allocation, Dispute, Invoice, Payment
from portico.billing.models.instalment import standing_of
from portico.billing.models.invoice import overdue
from portico.billing.my import paying
from portico.billing.my.lists import matching
from portico.billing.my.nav import nav_of
from portico.billing.providers import label_of
from portico.kit import formats
from portico.kit.answers import pdf_answer, xml_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import exponent
from portico.kit.periods import today
from portico.kit.prepared import Asked, prepared
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.kit.text import paragraphs
from portico.statuses import status_of

STATUSES = {
    "to_pay": lazy("To pay"),
    "overdue": lazy("Overdue"),
    "not_paid": lazy("Not paid"),
    "partially_paid": lazy("Partially paid"),
    "in_payment": lazy("In payment"),
    "paid": lazy("Paid"),
    "credited": lazy("Credited"),
    "disputed": lazy("Disputed"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-id"]),
    "oldest": Sort(lazy("Oldest first"), ["id"]),
    "due": Sort(lazy("Due date, soonest first"), ["due_on", "id"]),
    "-due": Sort(lazy("Due date, latest first"), ["-due_on", "-id"]),
    "total": Sort(lazy("Total, highest first"), ["-total_minor", "-id"]),
    "-total": Sort(lazy("Total, lowest first"), ["total_minor", "id"]),
    "amount_due": Sort(lazy("Amount Due, highest first"), ["-amount_due_minor", "-id"]),
    "-amount_due": Sort(lazy("Amount Due, lowest first"), ["amount_due_minor", "id"]),
}
COLUMNS = (
    Column(lazy("Number"), lambda row: row["printed_number"] or row["number"]),
    column(lazy("Title"), "title"),
    column(lazy("Date"), "issued_on"),
    column(lazy("Due date"), "due_on"),
    Column(lazy("Status"), lambda row: status_of("invoice", row["status"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Net"), "net_minor"),
    amount(lazy("VAT"), "vat_minor"),
    amount(lazy("Total incl. VAT"), "total_minor"),
    amount(lazy("Amount Due"), "amount_due_minor"),
    column(lazy("Purchase order"), "po_number"),
    column(lazy("Credit note"), "credit_note"),
)
SEARCHED = ("number", "printed_number", "title", "po_number")
SOON_DAYS = 7
MOST_TOGETHER = 100
"""So many invoices are paid in one go at most: a page of the list."""


# The list --------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponseBase:
    """All invoices of the customer; the status stands just before Amount Due."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(timezone.now(), request.member.customer.seller.zone)
    found = listing(
        Asked(rows_of, (status,), {"customer": request.member.customer_id, "member": request.member.pk, "day": day}),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
        search=matching(request, q, SEARCHED, ("total_minor", "amount_due_minor")) if q else None,
    )  # fmt: skip
    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "invoices", partial(complete, day=day))
    for row in found.rows:
        complete(row, day)
    payable = [row for row in found.rows if row["is_payable"]]
    context = {
        "list": found,
        "today": day,
        "soon_days": SOON_DAYS,
        "balances": nav_of(request).balances,
        "pick": bool(payable) and request.member.may_pay and len({row["currency"] for row in payable}) == 1,
        "currency": payable[0]["currency"] if payable else "",
        "exponent": exponent(payable[0]["currency"]) if payable else 0,
    }
    return render(request, "billing/my/invoices/index.html", context)


def rows_of(status: str, *, customer: Any, member: Any, day: Any) -> Any:
    """The rows of the list: what was issued to `customer`, of one status or of all."""
    rows = Invoice.objects.visible_to_member(customer, member).exclude(kind=Invoice.Kind.CREDIT_NOTE)
    if status:
        rows = rows.of_status(status, day)
    credited_by = Invoice.objects.filter(refers_to=OuterRef("pk"), state=Invoice.State.ISSUED).order_by("-id")
    return rows.annotate(credit_note=Subquery(credited_by.values("number")[:1])).values(
        "id", "number", "printed_number", "kind", "title", "issued_on", "due_on", "currency", "net_minor", "vat_minor",
        "total_minor", "amount_due_minor", "on_its_way_minor", "payment_state", "instalment_count", "po_number",
        "credit_note",
    )  # fmt: skip


def complete(row: dict[str, Any], day: date) -> None:
    """Add what follows from a row's values: its status, whether it is late and by how much, whether it can be paid."""
    row["is_overdue"] = overdue(row["payment_state"], row["due_on"], day)
    row["status"] = "overdue" if row["is_overdue"] else row["payment_state"]
    row["is_payable"] = bool(row["amount_due_minor"]) and row["payment_state"] in Invoice.PAYABLE
    row["left_to_pay_minor"] = row["amount_due_minor"] - row["on_its_way_minor"]
    row["days_left"] = (row["due_on"] - day).days if row["due_on"] else None


@member()
@require_http_methods(["GET", "HEAD", "POST"])
def zip(request: MemberRequest) -> HttpResponseBase:  # noqa: A001  # an address and its view bear one name
    """The PDFs of ticked invoices, or of all that match the list's filter: sent at once, or prepared where they are many."""
    asked = request.POST if request.method == "POST" else request.GET
    syntax, numbers = syntax_asked(asked), ticked(asked)
    rows: Any = Invoice.objects.visible_to(request.member).exclude(kind=Invoice.Kind.CREDIT_NOTE)
    q, status = search_words(asked), chosen_status(asked, STATUSES)
    if numbers is not None:
        rows = those(rows, numbers)
    else:
        if status:
            rows = rows.of_status(status, today(timezone.now(), request.member.customer.seller.zone))
        if q:
            rows = rows.filter(matching(request, q, SEARCHED, ("total_minor", "amount_due_minor")))
    if at_once(rows):
        return sent(rows, syntax, request.LANGUAGE_CODE)
    if request.method != "POST":
        context = {"asked": [("q", q), ("status", status)], "most": AT_ONCE, "xml": syntax}
        return render(request, "billing/my/invoices/zip.html", context)
    made = ask_chosen(
        seller=request.member.customer.seller, by=request.user, member=request.member, rows=rows, xml=syntax,
        language=request.LANGUAGE_CODE, now=timezone.now(),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("my:downloads.detail", args=[made.key]))


# The invoice -----------------------------------------------------------------------------------------------------------


@prepared
def of_number(customer: Any, member: Any, number: Any) -> Any:
    """The invoice of this number that was issued to `customer`, with what its pages name."""
    own = Invoice.objects.visible_to_member(customer, member).exclude(kind=Invoice.Kind.CREDIT_NOTE)
    return own.select_related("order", "pdf", "period__subscription__database").filter(number=number)


@prepared
def settling(invoice: Any) -> Any:
    """The payments and credit notes that settle an invoice, in the order of time."""
    return Allocation.objects.filter(invoice=invoice).select_related("payment", "credit_note").order_by("at")


@prepared
def credit_notes_of(invoice: Any) -> Any:
    """The credit notes that refer to an invoice."""
    notes = Invoice.objects.filter(refers_to=invoice, state=Invoice.State.ISSUED).order_by("id")
    return notes.values("number", "printed_number", "issued_on", "total_minor", "currency", "reason")


def find(request: MemberRequest, number: str) -> Invoice:
    """The invoice of this number; Missing for a foreign one, a draft, a credit note and for none alike."""
    found: Invoice | None = of_number.first(
        customer=request.member.customer_id, member=request.member.pk, number=number
    )
    if found is None:
        raise Missing(_("There is no invoice of this number."))
    found.customer, found.seller = request.member.customer, request.member.customer.seller
    return found


@member()
@require_safe
def detail(request: MemberRequest, number: str) -> HttpResponse:
    """The invoice from its frozen copy; beside it what is due, the payments and credit notes that settle it."""
    invoice = find(request, number)
    day = today(timezone.now(), invoice.seller.zone)
    settled: list[Allocation] = settling(invoice=invoice.pk)
    tried = paying.attempts(invoice)
    payable = bool(invoice.amount_due_minor) and invoice.payment_state in Invoice.PAYABLE
    parts = standing_of(invoice) if invoice.instalment_count else []
    context = {
        "parts": parts,
        "next_minor": next((part.left_minor for part in parts if part.left_minor), invoice.left_to_pay_minor),
        "today": day,
        "since": paying.confirmed_on(tried, invoice.seller.zone),
        "invoice": invoice,
        "no_xml": no_xml_reason(invoice),
        "sheet": build.invoice_sheet(invoice, live=True, reference=build.reference_of(invoice) if payable else ""),
        "status": invoice.status(day),
        "is_overdue": invoice.is_overdue(day),
        "is_payable": payable,
        "days_left": (invoice.due_on - day).days if invoice.due_on else 0,
        "soon_days": SOON_DAYS,
        "settled": settled,
        "opened": payments_shown(request, settled),
        "label_of": label_of,
        "settled_minor": sum(allocation.amount_minor for allocation in settled),
        "credit_notes": credit_notes_of(invoice=invoice.pk),
        "attempts": tried,
        "dispute": invoice.disputes.filter(solved_at=None).first() if invoice.disputed_at else None,
        "may_dispute": bool(invoice.amount_due_minor) and not invoice.disputed_at and may_dispute(request.member),
        "zone": invoice.seller.zone,
    }
    return render(request, "billing/my/invoices/detail.html", context)


def payments_shown(request: MemberRequest, settled: Sequence[Allocation]) -> set[UUID]:
    """The payments among these whose own page this member may open: of a limited one not all."""
    keys = {one.payment_id for one in settled if one.payment_id}
    if request.member.sees_all or not keys:
        return keys
    return set(Payment.objects.visible_to(request.member).filter(pk__in=keys).values_list("pk", flat=True))


@member()
@require_safe
def pdf(request: MemberRequest, number: str) -> HttpResponse:
    """The issued file: always the same bytes."""
    invoice = find(request, number)
    return pdf_answer(issued_pdf(invoice), f"{invoice.number}.pdf")


@member()
@require_safe
def xml(request: MemberRequest, number: str) -> HttpResponse:
    """The e-invoice, `?syntax=cii` or `ubl`, in the profile that the customer has chosen."""
    invoice = find(request, number)
    syntax = request.GET.get("syntax", CII)
    return xml_answer(asked_xml(invoice, syntax), f"{invoice.number}-{syntax}.xml")


# Paying ----------------------------------------------------------------------------------------------------------------


@member("billing")
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: MemberRequest, number: str = "") -> HttpResponse:
    """Pay one invoice, or those chosen in the list (`?number=…&number=…`) in one go; `?due=overdue` or `open` names all."""
    invoices = [find(request, number)] if number else chosen(request)
    for invoice in invoices:
        refuse_unpayable(invoice)
    currency = paying.same_currency(invoices)
    bill = paying.Bill(
        title=(
            _("Invoice %(number)s") % {"number": invoices[0].shown_number}
            if len(invoices) == 1
            else _("%(count)d invoices") % {"count": len(invoices)}
        ),
        back=reverse("my:invoices.detail", args=[number]) if number else reverse("my:invoices.index"),
        rows=[(invoice.shown_number, invoice.title, invoice.left_to_pay_minor) for invoice in invoices],
        amount_minor=sum(invoice.left_to_pay_minor for invoice in invoices),
        currency=currency,
        invoices=invoices,
        credit=lambda: (
            sum(one.left_minor for one in own_credits(request.member.customer, currency))
            if request.member.sees_all
            else 0
        ),
        offers=paying.offers_for(request, invoices),
        preferred="overdue" if request.GET.get("due") == "overdue" else "",
    )
    return paying.answer(request, bill, "billing/my/invoices/pay.html")


def chosen(request: MemberRequest) -> list[Invoice]:
    """The invoices that were selected in the list, oldest first; Missing when one of them is not the customer's."""
    sent = request.POST if request.method == "POST" else request.GET
    numbers = list(dict.fromkeys(sent.getlist("number")))
    if not numbers and sent.get("due") in {"overdue", "open"}:
        numbers = due_numbers(request, sent["due"], sent.get("currency") or request.member.customer.currency)
    if not 1 <= len(numbers) <= MOST_TOGETHER:
        raise Invalid(
            _("Select the invoices that you want to pay, at most %(most)d. Nothing was charged.")
            % {"most": MOST_TOGETHER}
        )
    found = list(Invoice.objects.visible_to(request.member).filter(number__in=numbers).order_by("id"))
    refuse_credit_notes(found)
    if len(found) != len(numbers):
        raise Missing(_("One of the selected invoices cannot be found. Nothing was charged."))
    return found


def due_numbers(request: MemberRequest, which: str, currency: str) -> list[str]:
    """Everything that is overdue, or all that can be paid now, in one currency, the earliest due first; a page at most."""
    day = today(timezone.now(), request.member.customer.seller.zone)
    rows = Invoice.objects.visible_to(request.member).of_status("to_pay" if which == "open" else which, day)
    found = rows.filter(currency=currency[:3]).order_by("due_on", "id").values_list("number", flat=True)
    numbers = [str(number) for number in found[:MOST_TOGETHER]]
    if not numbers:
        raise Conflict(_("Nothing is left to pay. Nothing was charged."))
    return numbers


def refuse_credit_notes(papers: Sequence[Invoice]) -> None:
    """Invalid when credit notes were selected along: they are not paid but used."""
    notes = [paper.shown_number for paper in papers if paper.kind == Invoice.Kind.CREDIT_NOTE]
    if notes:
        raise Invalid(
            _(
                "A credit note is not paid: %(numbers)s. Leave it out; what is left of it is used on an invoice's page. "
                "Nothing was charged."
            )
            % {"numbers": ", ".join(notes)}
        )


def refuse_unpayable(invoice: Invoice) -> None:
    """Conflict with the reason when nothing can be paid on this invoice now."""
    number = {"number": invoice.shown_number}
    states = Invoice.PaymentState
    if invoice.payment_state == states.PAID:
        raise Conflict(_("Invoice %(number)s is already paid. Nothing was charged.") % number)
    if invoice.payment_state == states.CREDITED:
        raise Conflict(_("Invoice %(number)s was credited: there is nothing to pay. Nothing was charged.") % number)
    if invoice.payment_state == states.IN_PAYMENT:
        raise Conflict(
            _("A payment of invoice %(number)s is on its way already. Nothing was charged a second time.") % number
        )
    if invoice.payment_state == states.DISPUTED:
        raise Conflict(
            _("Invoice %(number)s is being looked into. Nothing is to be paid until that is solved.") % number
        )


# The customer's credit -------------------------------------------------------------------------------------------------


@member("billing", whole=True)
@require_http_methods(["GET", "HEAD", "POST"])
def use_credit(request: MemberRequest, number: str) -> HttpResponse:
    """Settle the invoice with what the customer has to its credit; what is left to pay is paid as ever."""
    invoice = find(request, number)
    if request.method == "POST":
        used = use_own_credit(invoice=invoice, by=request.member, now=timezone.now())
        amount = formats.money(used, invoice.currency, request.user.language)
        messages.success(request, _("%(amount)s of your credit is used.") % {"amount": amount})
        return HttpResponseRedirect(reverse("my:invoices.detail", args=[number]))
    refuse_unpayable(invoice)
    credits_here = own_credits(request.member.customer, invoice.currency)
    if not credits_here:
        raise Conflict(_("There is no credit that could be used on this invoice. Nothing was changed."))
    left = sum(one.left_minor for one in credits_here)
    context = {
        "invoice": invoice,
        "credits": credits_here,
        "used_minor": min(left, invoice.left_to_pay_minor),
        "left_minor": max(invoice.left_to_pay_minor - left, 0),
    }
    return render(request, "billing/my/invoices/use_credit.html", context)


# When something is wrong ----------------------------------------------------------------------------------------------


@member("billing", "approver")
@require_http_methods(["GET", "HEAD", "POST"])
def dispute(request: MemberRequest, number: str) -> HttpResponse:
    """Say what is wrong with the invoice: it is looked into, and nobody reminds of it meanwhile."""
    invoice = find(request, number)
    problem = ""
    if request.method == "POST":
        try:
            dispute_invoice(
                invoice=invoice,
                by=request.member,
                reason=request.POST.get("reason", ""),
                message=paragraphs(request.POST.get("message", "")),
                now=timezone.now(),
            )
        except Invalid as refusal:
            problem = refusal.message
        else:
            messages.success(request, _("Thank you. We look into it and answer you; nothing is to be paid until then."))
            return HttpResponseRedirect(reverse("my:invoices.detail", args=[number]))
    elif invoice.disputed_at or not invoice.amount_due_minor:
        raise Conflict(_("This invoice is settled or disputed already. Nothing was changed."))
    context = {
        "invoice": invoice,
        "reasons": [(value, label, "") for value, label in Dispute.Reason.of_people()],
        "posted": request.POST,
        "problem": problem,
    }
    return render(request, "billing/my/invoices/dispute.html", context, status=400 if problem else 200)


urlpatterns = [
    path("invoices/", index, name="invoices.index"),
    path("invoices/pay/", pay, name="invoices.pay"),
    path("invoices/zip/", zip, name="invoices.zip"),
    path("invoices/<str:number>/", detail, name="invoices.detail"),
    path("invoices/<str:number>/dispute/", dispute, name="invoices.dispute"),
    path("invoices/<str:number>/pay/", pay, name="invoices.pay"),
    path("invoices/<str:number>/use-credit/", use_credit, name="invoices.use_credit"),
    path("invoices/<str:number>/pdf/", pdf, name="invoices.pdf"),
    path("invoices/<str:number>/xml/", xml, name="invoices.xml"),
]
