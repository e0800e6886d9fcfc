"""Issued papers as files of a ZIP: their names, their bytes as they were issued, and the list of them."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.issued import CII, UBL, has_xml, issued_pdf, issued_xml
from portico.billing.models import Invoice
from portico.kit.files import DamagedFile
from portico.kit.spreadsheet import cell, decimal
from portico.kit.zips import Entry, stream

SYNTAXES = ("", CII, UBL)
BATCH = 50
"""Papers whose rows are in memory at a time; the bytes of one."""
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml"}
PDF_ENDING = "pdf"


@dataclass
class Bundled:
    """One paper in a ZIP: its files, the one that is the paper itself first, and what is wrong with it."""

    invoice: Invoice
    paper: Entry | None = None
    xml: Entry | None = None
    notes: list[str] = field(default_factory=list)
    damaged: bool = False
    """Whether a stored file of it is gone or was changed."""

    @property
    def entries(self) -> list[Entry]:
        """The files."""
        return [one for one in (self.paper, self.xml) if one is not None]


def with_files(rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
    """The rows with what their files are made of or kept in."""
    return rows.select_related("seller", "customer", "pdf", "cii", "ubl", "imported__original", "imported__xml")


def name_of(invoice: Invoice, ending: str) -> str:
    """`2026-11-03_INV-2026-00042.pdf`: sorts by day, safe on every system, and no other paper's."""
    number = str(invoice.number)
    safe = UNSAFE.sub("-", number).strip("-.")
    mark = "" if safe == number and not invoice.is_imported else f"_{invoice.pk}"
    return f"{invoice.issued_on}_{safe}{mark}.{ending}"


def bundled(invoice: Invoice, syntax: str, folder: str = "") -> Bundled:
    """A paper's files: the issued PDF, or the original of what another system issued; beside it the e-invoice in `syntax`.

    What was never drawn is drawn now, so call it outside a transaction. What is not there says why in `notes`, in the
    active language.
    """
    found = Bundled(invoice)
    day = invoice.issued_on or date(1980, 1, 1)

    def put(read: Callable[[], bytes], ending: str, *, packed: bool) -> Entry | None:
        try:
            return Entry(folder + name_of(invoice, ending), read(), day, packed=packed)
        except DamagedFile:
            found.damaged = True
            found.notes.append(_("The stored file is damaged. It must be restored from a backup."))
            return None

    if invoice.is_imported:
        original = invoice.imported.original
        ending = ENDINGS.get(original.media_type, "bin")
        found.paper = put(original.read, ending, packed=ending != PDF_ENDING)
        if syntax and ending == PDF_ENDING and invoice.imported.syntax == syntax:
            found.xml = put(invoice.imported.xml.read, f"{syntax}.xml", packed=True)
        return found
    if invoice.pdf is None and not invoice.content:
        found.notes.append(_("The contents of this document were deleted when the law asked to keep them no longer."))
        return found
    found.paper = put(lambda: issued_pdf(invoice), PDF_ENDING, packed=False)
    if syntax and has_xml(invoice):
        if invoice.einvoice_state == Invoice.EInvoice.FAILED:
            found.notes.append(_("The e-invoice of this document is being looked into. The PDF is there meanwhile."))
        else:
            found.xml = put(lambda: issued_xml(invoice, syntax), f"{syntax}.xml", packed=True)
    return found


# The list of them ------------------------------------------------------------------------------------------------------


def heads() -> list[str]:
    """The headings of the list, in the active language."""
    return [
        _("Number"), _("Date"), _("Due date"), _("Type"), _("Customer"), _("Currency"), _("Net"), _("VAT"), _("Total"),
        _("Amount Due"), _("File"), _("SHA-256 of the file"), _("E-invoice"), _("Note"),
    ]  # fmt: skip


def values(found: Bundled) -> list[Any]:
    """A paper's line of the list; what a credit note gives back is below zero."""
    invoice = found.invoice
    sign = -1 if invoice.kind == Invoice.Kind.CREDIT_NOTE else 1
    kinds = {"invoice": _("Invoice"), "deposit": _("Deposit invoice"), "credit_note": _("Credit note")}
    money = [
        decimal(sign * minor, invoice.currency) for minor in (invoice.net_minor, invoice.vat_minor, invoice.total_minor)
    ]
    return [
        invoice.shown_number, invoice.issued_on, invoice.due_on, kinds[invoice.kind], buyer_name(invoice),
        invoice.currency, *money, decimal(invoice.amount_due_minor, invoice.currency),
        found.paper.name if found.paper else "", sha256_of(found.paper), found.xml.name if found.xml else "",
        " ".join(found.notes),
    ]  # fmt: skip


def buyer_name(invoice: Invoice) -> str:
    """The customer as the paper names it."""
    return str(invoice.buyer.get("legal_name") or invoice.buyer.get("name") or "") if invoice.buyer else ""


def sha256_of(entry: Entry | None) -> str:
    """The hash of a file's bytes."""
    return hashlib.sha256(entry.content).hexdigest() if entry else ""


def line(cells: Sequence[Any], *, first: bool = False) -> bytes:
    """A line of a CSV file; the first one begins with the mark of UTF-8."""
    written = io.StringIO()
    csv.writer(written).writerow([cell(one) for one in cells])
    return (b"\xef\xbb\xbf" if first else b"") + written.getvalue().encode()


# A ZIP at once ---------------------------------------------------------------------------------------------------------


def zip_of(rows: QuerySet[Invoice], syntax: str, language: str) -> Iterator[bytes]:
    """The ZIP of these papers, oldest first, sent while it is made; the list comes last."""
    return stream(entries_of(rows, syntax, language))


def entries_of(rows: QuerySet[Invoice], syntax: str, language: str) -> Iterator[Entry]:
    """Its entries."""
    with translation.override(language):
        listed = bytearray(line(heads(), first=True))
    for invoice in one_by_one(rows):
        with translation.override(language):
            found = bundled(invoice, syntax)
            listed += line(values(found))
        yield from found.entries
    yield Entry("index.csv", bytes(listed))


def one_by_one(rows: QuerySet[Invoice]) -> Iterator[Invoice]:
    """The rows by id, fetched in small batches, with nothing open in between: drawing writes to the same database."""
    last = 0
    while batch := list(with_files(rows).order_by("pk").filter(pk__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1].pk
