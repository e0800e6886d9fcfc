"""The customer's credit notes: what is no longer owed, or is the customer's credit."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.documents import build
from portico.billing.documents.issued import CII, asked_xml, issued_pdf, no_xml_reason
from portico.billing.models import Invoice
from portico.kit.answers import pdf_answer, xml_answer
from portico.kit.errors import Missing


def find(request: MemberRequest, number: str) -> Invoice:
    """The credit note of this number; Missing for a foreign one, an invoice and for none alike."""
    found = (
        Invoice.objects.visible_to(request.member)
        .filter(kind=Invoice.Kind.CREDIT_NOTE, number=number)
        .select_related("order", "refers_to", "pdf")
        .first()
    )
    if found is None:
        raise Missing(_("There is no credit note of this number."))
    found.customer, found.seller = request.member.customer, request.member.customer.seller
    return found


@member()
@require_safe
def detail(request: MemberRequest, number: str) -> HttpResponse:
    """The credit note from its frozen copy, what it settled, and what is left of it as credit."""
    note = find(request, number)
    spent = list(note.spent_on.values("invoice__number", "invoice__printed_number", "amount_minor").order_by("at"))
    context = {
        "note": note,
        "no_xml": no_xml_reason(note),
        "sheet": build.invoice_sheet(note, live=True),
        "spent": spent,
        "left_minor": note.total_minor - sum(row["amount_minor"] for row in spent),
    }
    return render(request, "billing/my/credit_notes/detail.html", context)


@member()
@require_safe
def pdf(request: MemberRequest, number: str) -> HttpResponse:
    """The issued file: always the same bytes."""
    note = find(request, number)
    return pdf_answer(issued_pdf(note), f"{note.number}.pdf")


@member()
@require_safe
def xml(request: MemberRequest, number: str) -> HttpResponse:
    """The e-invoice, `?syntax=cii` or `ubl`, in the profile that the customer has chosen."""
    note = find(request, number)
    syntax = request.GET.get("syntax", CII)
    return xml_answer(asked_xml(note, syntax), f"{note.number}-{syntax}.xml")


urlpatterns = [
    path("credit-notes/<str:number>/", detail, name="credit_notes.detail"),
    path("credit-notes/<str:number>/pdf/", pdf, name="credit_notes.pdf"),
    path("credit-notes/<str:number>/xml/", xml, name="credit_notes.xml"),
]
