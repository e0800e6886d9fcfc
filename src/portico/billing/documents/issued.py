"""The file of an issued invoice or credit note: made once, at its first download, and the same bytes for ever after."""

from portico.billing.documents.build import invoice_sheet, reference_of
from portico.billing.documents.render import render_pdf
from portico.billing.models import Invoice
from portico.kit import files


def issued_pdf(invoice: Invoice) -> bytes:
    """The PDF of an issued paper. Call it outside a transaction: setting the type takes a while, the row is written after.

    Of two first downloads at the same moment both set it, one is kept, and both hand out that one.
    """
    if invoice.pdf is None:
        sheet = invoice_sheet(invoice, live=False, reference=reference_of(invoice))
        invoice.keep_pdf(files.store(render_pdf(sheet, accent=invoice.seller.accent), "application/pdf"))
    assert invoice.pdf is not None
    return invoice.pdf.read()
