"""The files of an issued invoice or credit note: made once, at their first need, and the same bytes for ever after.

The PDF is one file for people and programs: PDF/A-3, PDF/UA-1 and Factur-X, with the CII inside. CII and UBL in the
customer's own profile stand beside it.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from portico.billing.documents.build import invoice_sheet, reference_of
from portico.billing.documents.einvoice import write
from portico.billing.documents.einvoice.profiles import CORE
from portico.billing.documents.einvoice.terms import can_be_electronic, profile_of, terms_of
from portico.billing.documents.factur_x import attachment, declared
from portico.billing.documents.parts import no_xml_in
from portico.billing.documents.render import render_pdf
from portico.billing.models import Invoice
from portico.kit import files
from portico.kit.crash import crashpoint
from portico.kit.errors import Conflict, Invalid

CII, UBL = "cii", "ubl"
XML = "application/xml"


@dataclass(frozen=True)
class Written:
    """The three XML files of one paper: what lies in the PDF, and both syntaxes in the customer's profile."""

    embedded: bytes
    cii: bytes
    ubl: bytes


def has_xml(invoice: Invoice) -> bool:
    """Whether we write an e-invoice of it: not in a currency with three decimals (BR-DEC-09), nor of what was erased, nor
    of what another system issued: that one's original is the invoice."""
    return can_be_electronic(invoice.currency) and bool(invoice.content) and not invoice.is_imported


def issued_pdf(invoice: Invoice) -> bytes:
    """The PDF of an issued paper. Call it outside a transaction: setting the type takes a while, the row is written after.

    Of two first downloads at the same moment both set it, one is kept, and both hand out that one.
    """
    if invoice.pdf is None:
        kept = files.store(draw_pdf(invoice), "application/pdf")
        crashpoint("PDF written")
        invoice.keep_file("pdf", kept)
        crashpoint("path saved")
    assert invoice.pdf is not None
    return invoice.pdf.read()


def issued_xml(invoice: Invoice, syntax: str) -> bytes:
    """The e-invoice of an issued paper as `cii` or `ubl`, in the profile that its customer had; only where `has_xml`."""
    if getattr(invoice, syntax) is None:
        invoice.keep_file(syntax, files.store(getattr(written(invoice), syntax), XML))
    kept: files.StoredFile = getattr(invoice, syntax)
    return kept.read()


def asked_xml(invoice: Invoice, syntax: str) -> bytes:
    """The e-invoice that a page's reader asks for. Invalid for another syntax, Conflict with the reason where there is none."""
    if syntax not in {CII, UBL}:
        raise Invalid(_("Choose cii or ubl as the syntax."))
    if not invoice.content:
        raise Conflict(_("The contents of this document were deleted when the law asked to keep them no longer."))
    if invoice.is_imported and invoice.imported.syntax == syntax:
        return invoice.imported.xml.read()
    if not has_xml(invoice):
        raise Conflict(no_xml_reason(invoice))
    if invoice.einvoice_state == Invoice.EInvoice.FAILED:
        raise Conflict(_("The e-invoice of this document is being looked into. The PDF is there meanwhile."))
    return issued_xml(invoice, syntax)


def no_xml_reason(invoice: Invoice) -> str:
    """Why there is a PDF and no e-invoice; empty where there is one."""
    if invoice.is_imported:
        return _("This document comes from another system: its original file is the invoice.")
    if can_be_electronic(invoice.currency):
        return ""
    return no_xml_in(invoice.currency)


def written(invoice: Invoice) -> Written:
    """The XML files of a paper, written from its frozen copy."""
    terms = terms_of(invoice)
    guideline = profile_of(invoice.buyer).cii
    embedded = write.cii(terms)
    return Written(embedded, embedded if guideline == CORE else write.cii(terms, guideline), write.ubl(terms))


def draw_pdf(invoice: Invoice) -> bytes:
    """The PDF as it would be made now."""
    sheet = invoice_sheet(invoice, live=False, reference=reference_of(invoice))
    accent, logo = invoice.seller.accent, invoice.seller.logo
    if not has_xml(invoice):
        return render_pdf(sheet, accent=accent, logo=logo)
    attachments = [attachment(write.cii(terms_of(invoice)))]
    return declared(render_pdf(sheet, accent=accent, logo=logo, attachments=attachments))
